"""Settings tried on one picture: what is drawn, and whether the cells are those that a run would find."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmake.cli import main
from segmake.config.load import load_config
from segmake.engines import engine
from segmake.look.trial import seen, tried
from segmake.messages import Problem
from tests.answers import held, read_by

CONFIG_FILE = Path("config/config.yaml")
CONFIG = "images: {folder: images}\nsegmentation: {engine: threshold, diameter: 20, min_size: 30}\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    CONFIG_FILE.parent.mkdir()
    CONFIG_FILE.write_text(CONFIG)


def drawn(path: Path, shift: int = 0) -> np.ndarray:
    """Write an image of twelve discs, one of them too small to be kept, and return it."""
    plane = np.random.default_rng(2).normal(500, 20, (180, 260))
    rows, columns = np.indices(plane.shape)
    for number in range(12):
        y, x, radius = 30 + 55 * (number // 5), 25 + 50 * (number % 5) + shift, 9 if number else 2
        plane[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = 4000
    found = plane.astype(np.uint16)
    if path.suffix:
        tifffile.imwrite(path, found, imagej=True)
    return found


def test_the_cells_are_those_of_a_run_and_nothing_else_is_written() -> None:
    plane = drawn(Path("images/a.tif"))
    settings = load_config(CONFIG_FILE).settings
    threshold = engine("threshold")
    loaded = threshold.load(settings["segmentation"])
    labels = threshold.masks(loaded, threshold.predict(loaded, [plane]))
    picture = seen(Path("images/a.tif").absolute(), settings["images"], 1, 1)
    *_, found = tried(picture, settings["images"], settings["segmentation"])
    assert found.state == "done" and found.cells == labels.max() == 11
    areas = np.bincount(labels.ravel())[1:]
    assert found.diameter == pytest.approx(np.median(2 * np.sqrt(areas / np.pi)))
    assert found.outlines
    outlines = np.array(Image.open(found.outlines))
    opaque = outlines[..., 3] > 0
    # A line inside each cell, and nothing anywhere else.
    assert opaque.any() and not opaque[labels == 0].any()
    assert set(np.unique(labels[opaque])) == set(range(1, 12))
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "config", "images"]


def test_where_the_config_leaves_it_open_the_first_channel_and_the_middle_slice_are_drawn() -> None:
    planes = np.zeros((3, 5, 2, 40, 60), np.uint16)
    planes[1, 2, 0, 10:20, 10:40] = 1000
    axes = {"axes": "TZCYX"}
    tifffile.imwrite("images/a.tif", planes, imagej=True, metadata=axes)
    settings = load_config(CONFIG_FILE).settings
    picture = seen(Path("images/a.tif").absolute(), settings["images"], 1, 2)
    assert (picture.slice, picture.channel, picture.time) == (3, "1", 2)
    assert np.array(Image.open(picture.picture))[15, 20] == 255
    # Which of them is to be segmented, nobody but the user says.
    with pytest.raises(Problem) as told:
        list(tried(picture, settings["images"], settings["segmentation"]))
    assert told.value.code in ("SM-IMG-011", "SM-IMG-022")


def test_a_large_plane_is_drawn_smaller_with_its_outlines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmake.look.plane.LONGEST", 100)
    drawn(Path("images/a.tif"))
    settings = load_config(CONFIG_FILE).settings
    picture = seen(Path("images/a.tif").absolute(), settings["images"], 1, 1)
    *_, found = tried(picture, settings["images"], settings["segmentation"])
    assert (picture.width, picture.height, picture.reduced) == (260, 180, 3)
    assert found.outlines
    sizes = {Image.open(path).size for path in (picture.picture, found.outlines)}
    assert sizes == {(87, 60)} and found.cells == 11


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--position", "2"], "SM-IMG-024"),
        (["--position", "0"], "SM-IMG-024"),
        (["--time", "7"], "SM-IMG-021"),
        (["--configfile", "network.yaml"], "SM-ENV-001"),
    ],
)
def test_what_can_not_be_tried_is_told(words, code, capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("segmake.core.installation.environments", lambda: tmp_path / "none")
    drawn(Path("images/a.tif"))
    Path("network.yaml").write_text(CONFIG.replace("threshold", "cellpose3"))
    assert main(["try", "images/a.tif", *words]) == 1
    assert capsys.readouterr().err.startswith(code)


def test_a_folder_of_images_is_not_tried(capsys) -> None:
    drawn(Path("images/a.tif"))
    assert main(["try", "images"]) == 1
    assert capsys.readouterr().err.startswith("SM-LOK-008")


def test_programs_are_answered_step_by_step(capsys) -> None:
    drawn(Path("images/a.tif"))
    assert main(["try", "images/a.tif", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines(keepends=True)
    answers = [held(line) for line in lines]
    assert [answer["state"] for answer in answers] == ["picture", "begun", "model", "done"]
    told = read_by("try.pl", "".join(lines)).splitlines()
    assert told == ["picture", "begun", "model", f"done 11 cells {answers[-1]['diameter']:.1f} px"]
    assert answers[-1]["cells"] == 11 and Path(answers[-1]["outlines"]).is_file()
    assert main(["try", "images/a.tif", "--picture", "--json"]) == 0
    (alone,) = capsys.readouterr().out.splitlines()
    assert json.loads(alone)["picture"] == answers[0]["picture"]
    CONFIG_FILE.write_text("images: {folder: images}\nsegmentation: {engine: x}\n")
    assert main(["try", "images/a.tif", "--json"]) == 1
    assert held(capsys.readouterr().out)["answer"] == "error"


def test_an_image_that_was_replaced_is_drawn_anew() -> None:
    settings = load_config(CONFIG_FILE, images=False).settings["images"]
    drawn(Path("images/a.tif"))
    first = seen(Path("images/a.tif").absolute(), settings, 1, 1).picture
    drawn(Path("images/a.tif"), shift=5)
    second = seen(Path("images/a.tif").absolute(), settings, 1, 1).picture
    assert first != second and first.read_bytes() != second.read_bytes()
