"""What 0.1.0 found is found again, and known again by its key: see the package for what to do where this fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile

from tests.golden.comparison import KEPT_LABELS, differences, kept, labels_made, made, unmatched
from tests.golden.configs import CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_results_and_keys_are_those_that_were_kept(name: str, tmp_path: Path) -> None:
    if lacks := CONFIGS[name].lacks():
        pytest.skip(lacks)
    folder = tmp_path / "somebody's folder"
    found = made(name, folder)
    changed = differences(kept()[name], found)
    assert not changed, "these values changed (tests/golden):\n" + "\n".join(changed)
    if name == "stack":
        assert not unmatched(tifffile.imread(KEPT_LABELS), labels_made(folder))
