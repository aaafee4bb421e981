"""Experiments that the page makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.config.edited_text import settings_in
from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import say
from segmake.page import opening
from segmake.page.opening import made
from segmake.remote.setup.launchers import own_endings


def test_where_there_is_a_screen_an_experiment_can_be_opened_by_a_double_click(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (ending,) = own_endings()
    name = f"{say('reach.page_launcher')}{ending}"
    for screen, files in (("", []), (":0", [name])):
        monkeypatch.setenv("DISPLAY", screen)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        folder = tmp_path / f"on screen {screen}"
        assert made(folder, "", simulation=True) == []
        assert [each.name for each in folder.glob(f"*{ending}")] == files


@pytest.mark.parametrize(("images", "codes"), [("my images", []), ("a\nb", ["SM-PAG-051"])])
def test_it_is_made_also_where_its_images_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str, codes: list[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setattr(opening, "can_look", lambda: False)
    folder = tmp_path / "growth"
    found = made(folder, images, simulation=False)
    assert [each["code"] for each in found] == codes
    written = settings_in((folder / DEFAULT_CONFIG).read_text())
    assert (written["images"]["folder"] == images) == (not codes)
    # It is there already: nothing of it is overwritten.
    (again,) = made(folder, images, simulation=False)
    assert again["code"] == "SM-EXP-001" and again["text"] and again["remedy"]
