"""Experiments that the page makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.messages import say
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
