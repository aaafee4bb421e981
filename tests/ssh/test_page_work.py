"""What the page has done where the images are, on another computer: looked at, drawn, tried."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmake.config.edited_text import settings_in
from segmake.page.connection import Connection
from segmake.page.work import Task, Work
from segmake.page.works import THERE, Works
from segmake.places.here import Here
from segmake.places.login import Login
from segmake.places.there import There
from segmake.remote.remembered import PlaceFile, write_place
from segmake.remote.sending import send
from tests.projects import ROOT
from tests.ssh.conftest import Answers, make_key
from tests.ssh.server import Server

CONFIG = "images: {folder: images}\nsegmentation: {engine: threshold, diameter: 20}\n"


def segmake_for_all(folder: Path) -> list[str]:
    """Make what runs SegMake by the system's Python: the tests' own may lie where only root may read."""
    asked = ["/usr/bin/python3", "-c", "import sys; print(sys.version_info[:2])"]
    there = Path(asked[0]).exists()
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout if there else ""
    if said.strip() != str(sys.version_info[:2]):
        pytest.skip("the system has no Python of this version")
    subprocess.run([asked[0], "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    others = (ROOT / "workflow", sysconfig.get_path("purelib"))
    (packages / "others.pth").write_text("".join(f"{path}\n" for path in others))
    return [str(folder / "bin" / "python"), "-m", "segmake"]


def test_images_over_there_are_looked_at_drawn_and_tried(server: Server) -> None:
    folder = server.user.home / "day 1"
    (folder / "images").mkdir(parents=True)
    tifffile.imwrite(folder / "images" / "été 1.tif", two_discs(), imagej=True)
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, server.user.name)
    server.permit(make_key())
    server.start(methods="publickey")
    asyncio.run(_looked_at(server, folder, segmake_for_all(server.user.home / "env")))


async def _looked_at(server: Server, folder: Path, segmake: list[str]) -> None:
    there = There(Login(server.host, Answers()))
    cache = f"{server.user.home}/.cache/segmake/page"
    work = Work(there, str(folder), segmake, cache)
    settings: dict[str, Any] = settings_in(CONFIG)
    # Several windows that ask at once have it done once, and read each line once.
    asked = [lambda: work.look("images")] * 5
    await asyncio.gather(*(ask() for ask in asked))
    task = (await asyncio.gather(*map(_over, asked)))[0]
    assert not task.problems, task.problems
    (seen,) = task.files
    assert seen["name"] == "été 1.tif" and (await work.bytes_of(seen["picture"]))[:2] == b"\xff\xd8"
    view = await work.view(seen["file"], 1, 1, settings["images"])
    assert view["width"] == 160 and (await work.bytes_of(view["picture"]))[1:4] == b"PNG"
    key = await work.begin_trial(seen["file"], 1, 1, settings)
    tried = await _over(lambda: work.trial(key))
    assert not tried.problems, tried.problems
    found = tried.last
    assert found["cells"] == 2 and (await work.bytes_of(found["outlines"]))[1:4] == b"PNG"
    # A page that is started anew finds what was done.
    anew = Work(there, str(folder), ["false"], cache)
    again = await anew.trial(await anew.begin_trial(seen["file"], 1, 1, settings))
    assert again and again.last["cells"] == 2
    # A program that can't be run is told in words.
    none = Work(there, str(folder), ["/nothing/segmake"], cache)
    (problem,) = (await _over(lambda: none.look("images"))).problems
    assert problem["code"] == "SM-PAG-004" and "/nothing/segmake" in problem["text"]
    await there.close()


async def _over(ask: Any) -> Task:
    """Return a task once it is over."""
    end = time.monotonic() + 120
    while not (task := await ask()).over:
        assert time.monotonic() < end, task.lines
        await asyncio.sleep(0.2)
    return task


def laptop_experiment(tmp_path: Path, name: str, plane: np.ndarray) -> Path:
    """Make an experiment of the laptop whose images lie beside it."""
    experiment = tmp_path / "day 1"
    (experiment / "config").mkdir(parents=True)
    (tmp_path / "pictures").mkdir()
    tifffile.imwrite(tmp_path / "pictures" / name, plane, imagej=True)
    config = CONFIG.replace("folder: images", f"folder: {tmp_path / 'pictures'}")
    (experiment / "config" / "config.yaml").write_text(config)
    return experiment


def two_discs() -> np.ndarray:
    """Return a plane with two cells."""
    plane = np.random.default_rng(1).normal(300, 9, (120, 160))
    rows, columns = np.indices(plane.shape)
    for x in (40, 110):
        plane[(rows - 60) ** 2 + (columns - x) ** 2 <= 100] = 3000
    return plane.astype(np.uint16)


@pytest.mark.parametrize("can_look", [True, False])
def test_an_image_of_the_laptop_is_sent_and_its_cells_are_found_over_there(
    over_there: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_look: bool
) -> None:
    experiment = laptop_experiment(tmp_path, "été 1.tif", two_discs())
    monkeypatch.chdir(experiment)
    python = segmake_for_all(over_there.user.home / "env")[0]
    program = Path(python).with_name("segmake")
    program.write_text(f'#!/bin/sh\nexec {python} -m segmake "$@"\n')
    program.chmod(0o755)
    folder = over_there.user.home / "segmake-experiments" / "day 1"
    folder.mkdir(parents=True)
    for path in (folder, folder.parent):
        shutil.chown(path, over_there.user.name)
    over_there.permit(make_key())
    over_there.start(methods="publickey")
    write_place(experiment, PlaceFile(over_there.host, str(folder), str(program)))
    monkeypatch.setattr("segmake.page.works.can_look", lambda: can_look)
    asyncio.run(_found_there(over_there, experiment, tmp_path / "pictures", can_look=can_look))


async def _found_there(server: Server, experiment: Path, pictures: Path, *, can_look: bool) -> None:
    connection = Connection(experiment, experiment / "config" / "config.yaml")
    cache = str(experiment.parent / "cache")
    works = Works(
        Work(Here(), str(experiment), [sys.executable, "-m", "segmake"], cache), connection
    )
    settings: dict[str, Any] = settings_in((experiment / "config" / "config.yaml").read_text())
    (seen,) = (await _over(lambda: works.look(str(pictures)))).files
    assert seen["name"] == "été 1.tif" and bool(seen["picture"]) == can_look
    place = (seen["file"], 1, 1)
    view = await works.view(*place, settings["images"])
    if can_look:
        assert view["width"] == 160 and not view["picture"].startswith("there:")
    else:
        assert view["unsent"] and view["problems"][0]["code"] == "SM-PAG-034"
        works.send(seen["file"])
        end = time.monotonic() + 90
        # No page waits for a login: it is told when it is there.
        while "width" not in (view := await works.view(*place, settings["images"])):
            assert time.monotonic() < end and not view["problems"], view
            if question := connection.questions.waiting:
                connection.questions.answer(question.key, "yes")
            await asyncio.sleep(0.1)
        assert (await works.bytes_of(view["picture"]))[1:4] == b"PNG"
    key = await works.begin_trial(*place, settings)
    assert key == await works.begin_trial(*place, settings)
    task = await works.trial(key)
    assert task and task.last["state"] in ("sending", "sent", "picture")
    end = time.monotonic() + 90
    while not (task := await works.trial(key)).over:
        assert time.monotonic() < end, task
        if question := connection.questions.waiting:
            connection.questions.answer(question.key, "yes")
        await asyncio.sleep(0.1)
    assert not task.problems, task.problems
    assert task.last["cells"] == 2 and task.last["file"] == seen["file"]
    # What made room for others is made again.
    for _ in range(2):
        assert (await works.bytes_of(task.last["outlines"]))[1:4] == b"PNG"
        Path(task.last["outlines"].removeprefix(THERE)).unlink()
        assert await works.begin_trial(*place, settings) == key
        task = await _over(lambda: works.trial(key))
        assert not task.problems, task.problems
    # Where a run looks for it, so that it need not be sent again.
    session = await connection.session()
    there = await session.computer.files(session.place.folder)
    (name,) = [name for name in there if name.endswith("été 1.tif")]
    sent = await send(session, lambda words: None)
    assert name not in sent.files.copied and not sent.aside, sent
    await connection.close()
    await server_is_away(server, works, place, settings)


async def server_is_away(
    server: Server, works: Works, place: tuple[str, int, int], settings: dict[str, Any]
) -> None:
    """See that a trial says what is wrong with the connection, and can be begun again."""
    server.stop()
    settings = {**settings, "segmentation": {"engine": "threshold", "diameter": 21}}
    key = await works.begin_trial(*place, settings)
    task = await _over(lambda: works.trial(key))
    assert task.problems[0]["code"] in ("SM-SSH-002", "SM-SSH-010"), task.problems
    server.start(methods="publickey")
    assert await works.begin_trial(*place, settings) == key
    task = await _over(lambda: works.trial(key))
    assert not task.problems and task.last["cells"] == 2, task
