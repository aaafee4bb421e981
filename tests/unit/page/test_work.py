"""What the page has done where the images are: nothing that is old is shown for new, and little is left behind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmake.config.edited_text import settings_in
from segmake.messages import speaking
from segmake.page.server import own_command
from segmake.page.taken import LeftOut, taken, with_reasons
from segmake.page.work import Task, Work, in_readers_language
from segmake.places.here import Here

SETTINGS: dict[str, Any] = settings_in(
    "images: {folder: images}\nsegmentation: {engine: threshold, diameter: 20}\n"
)


def draw(path: Path, *centres: int) -> None:
    """Write an image with a cell at each place."""
    plane = np.random.default_rng(1).normal(300, 9, (60, 40 * len(centres) + 40))
    rows, columns = np.indices(plane.shape)
    for x in centres:
        plane[(rows - 30) ** 2 + (columns - x) ** 2 <= 100] = 3000
    tifffile.imwrite(path, plane.astype(np.uint16), imagej=True)


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    draw(tmp_path / "images" / "a.tif", 30)
    return tmp_path / "images" / "a.tif"


@pytest.fixture
def work(image: Path, tmp_path: Path) -> Work:
    return Work(Here(), str(tmp_path), own_command(), str(tmp_path / "cache" / "page"))


async def tried(work: Work, image: Path) -> dict[str, Any]:
    """Return the last that a trial said."""
    key = await work.begin_trial(str(image), 1, 1, SETTINGS)
    return (await over(work, key)).last


async def over(work: Work, key: str) -> Task:
    end = time.monotonic() + 120
    while not (task := await work.trial(key)) or not task.over:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    return task


async def all_of(work: Work) -> Task:
    """Return the look at the images once it is over."""
    end = time.monotonic() + 120
    while not (task := await work.look("images")).over:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    return task


def test_an_image_that_was_replaced_is_drawn_and_tried_anew(work: Work, image: Path) -> None:
    async def both() -> tuple[dict[str, Any], dict[str, Any]]:
        view = await work.view(str(image), 1, 1, SETTINGS["images"])
        return view, await tried(work, image)

    async def before_and_after() -> None:
        view, trial = await both()
        assert (view["width"], trial["cells"]) == (80, 1)
        draw(image, 30, 80)
        view, trial = await both()
        assert (view["width"], trial["cells"]) == (120, 2)

    asyncio.run(before_and_after())


def test_pictures_that_made_room_for_others_are_made_again(work: Work, image: Path) -> None:
    async def removed_between() -> None:
        for _ in range(2):
            view = await work.view(str(image), 1, 1, SETTINGS["images"])
            trial = await tried(work, image)
            for path in (view["picture"], trial["outlines"]):
                assert (await work.bytes_of(path))[1:4] == b"PNG"
                os.unlink(path)

    asyncio.run(removed_between())


def test_what_earlier_pages_left_is_removed(work: Work, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "page"
    cache.mkdir(parents=True)
    for name, days in (("look-a-1.jsonl", 30), ("try-b.jsonl", 1)):
        (cache / name).touch()
        os.utime(cache / name, (time.time() - days * 86400,) * 2)
    asyncio.run(work.look("images"))
    left = {path.name for path in cache.iterdir() if not path.name.startswith("look-")}
    assert left == {"try-b.jsonl"} and not (cache / "look-a-1.jsonl").exists()


def test_what_was_said_in_one_language_is_told_in_that_of_the_reader(
    work: Work, image: Path, tmp_path: Path
) -> None:
    image.with_name("cut.tif").write_bytes(image.read_bytes()[:900])
    image.with_name("empty.tif").touch()
    image.with_name("@eaDir").mkdir()

    async def looked() -> Task:
        task = await work.look("images", anew=True)
        return task if task.over else await all_of(work)

    def told(task: Task, spoken: str) -> tuple[list[tuple[str, str]], list[LeftOut]]:
        with speaking(spoken):
            found = [in_readers_language(one) for each in task.files for one in each["problems"]]
            reasons = with_reasons(taken([task], {}).left_out, {})
            return [(one["text"], one["remedy"]) for one in found], list(reasons)

    with speaking("en"):
        english = asyncio.run(looked())
    with speaking("fr"):
        french = asyncio.run(looked())
    assert len(told(english, "en")[0]) == 2 and len(told(english, "en")[1]) == 1
    assert told(english, "fr") == told(french, "fr") != told(french, "en")
    assert told(french, "en") == told(english, "en")


@pytest.mark.parametrize("model", ["cyto3", "mine", "/nothing/mine", "a\0b"])
def test_a_model_that_was_trained_anew_is_another_one(
    work: Work, image: Path, tmp_path: Path, model: str
) -> None:
    settings = SETTINGS | {"segmentation": {"engine": "cellpose3", "model": model}}

    def key() -> str:
        return asyncio.run(work.trial_key(str(image), 1, 1, settings))

    before = key()
    (tmp_path / "mine").write_bytes(b"weights")
    assert (key() != before) == (model == "mine")
