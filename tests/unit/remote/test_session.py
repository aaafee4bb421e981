"""Which experiment is meant by what was typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.cli import main
from segmake.messages import Problem
from segmake.remote.remembered import PlaceFile, read_place, write_place
from segmake.remote.session import session_of


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "day 1"
    for name in ("config.yaml", "other.yaml"):
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("images: {folder: images}\n")
    write_place(folder, PlaceFile("cluster", "/data/day 1", "/opt/segmake"))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("here", "typed", "config"),
    [
        (".", ".", "config.yaml"),
        ("..", "day 1", "config.yaml"),
        ("config", ".", "config.yaml"),
        (".", "config", "config.yaml"),
        (".", "config/other.yaml", "other.yaml"),
        ("config", "other.yaml", "other.yaml"),
    ],
)
def test_what_may_be_typed(
    experiment: Path, monkeypatch: pytest.MonkeyPatch, here: str, typed: str, config: str
) -> None:
    monkeypatch.chdir(here)
    session = session_of(Path(typed))
    assert (session.experiment, session.config) == (experiment, Path("config", config))


def test_a_place_is_a_line_for_each_value_however_long(experiment: Path) -> None:
    long = PlaceFile("marie@login", f"/data/{'été of a lab/' * 400}day 1", "/opt/segmake")
    write_place(experiment, long)
    lines = (experiment / "segmake.place").read_text(encoding="utf-8").splitlines()
    assert f"folder: {long.folder}" in lines and read_place(experiment) == long


def test_what_is_not_there_is_told(
    experiment: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem) as refused:
        session_of(Path(), Path("config/third.yaml"))
    assert refused.value.code == "SM-REM-021"
    for action in ("run", "status", "open", "fetch"):
        assert main(["remote", action, "no such folder"]) == 1
        assert "SM-REM-020  no such folder" in capsys.readouterr().err
