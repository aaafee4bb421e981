"""An experiment that is made from the page where SegMake can't open images."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.config.edited_text import settings_in
from segmake.core.config import DEFAULT_CONFIG
from segmake.page import opening


@pytest.mark.parametrize(("images", "codes"), [("my images", []), ("a\nb", ["SM-PAG-051"])])
def test_it_is_made_also_where_its_images_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str, codes: list[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setattr(opening, "can_look", lambda: False)
    folder = tmp_path / "growth"
    found = opening.made(folder, images, simulation=False)
    assert [each["code"] for each in found] == codes
    written = settings_in((folder / DEFAULT_CONFIG).read_text())
    assert (written["images"]["folder"] == images) == (not codes)
    # It is there already: nothing of it is overwritten.
    (again,) = opening.made(folder, images, simulation=False)
    assert again["code"] == "SM-EXP-001" and again["text"] and again["remedy"]
