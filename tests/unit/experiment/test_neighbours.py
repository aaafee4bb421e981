"""Which experiments lie beside one's own, here and by the script that other computers run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segmake.experiment.neighbours import SCRIPT, found_by_script, neighbours


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A folder with experiments, and with what is none."""
    folder = tmp_path / "group"
    for name in ("mine", "-delete", "d'été; exit 1", "two\nlines", "$(exit)", ".hidden"):
        config = folder / name / "config" / "config.yaml"
        config.parent.mkdir(parents=True)
        config.touch()
    (folder / "empty" / "config").mkdir(parents=True)
    (folder / "notes.txt").touch()
    return folder


OTHERS = ["$(exit)", "-delete", "d'été; exit 1", "two\nlines"]


def test_neighbours_are_found_whatever_they_are_called(group: Path) -> None:
    found = neighbours([str(group / "mine")])
    assert [each.folder for each in found] == [str(group / name) for name in OTHERS]
    # One's own, by another way to it, is none.
    (group.parent / "link").symlink_to(group)
    own = [str(group / "mine"), str(group.parent / "link" / "d'été; exit 1")]
    names = {Path(each.folder).name for each in neighbours(own)}
    assert names == {"$(exit)", "-delete", "two\nlines"}


@pytest.mark.skipif(sys.platform != "linux", reason="it is run over there, on Linux")
def test_the_script_finds_the_same(group: Path) -> None:
    (group / os.fsdecode(b"\xe9") / "config").mkdir(parents=True)
    (group / os.fsdecode(b"\xe9") / "config" / "config.yaml").touch()
    many = group.parent / "many"
    (many / "one" / "config").mkdir(parents=True)
    (many / "one" / "config" / "config.yaml").touch()
    for number in range(2000):
        (many / str(number)).touch()
    folders = [str(group), str(many), str(group.parent / "gone")]
    said = subprocess.run(["sh", "-c", SCRIPT, "sh", *folders], capture_output=True, check=True)
    text = said.stdout.decode(errors="surrogateescape")
    found = found_by_script(text, {str(group / "mine")})
    names = [*OTHERS, "\\xe9"]
    assert [each.folder for each in found] == sorted(f"{group}/{name}" for name in names)
    assert {each.owner for each in found} == {Path(group).owner()}
