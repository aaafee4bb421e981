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
from segmake.page.work import Task, Work
from segmake.places.login import Login
from segmake.places.there import There
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
    plane = np.random.default_rng(1).normal(300, 9, (120, 160))
    rows, columns = np.indices(plane.shape)
    for x in (40, 110):
        plane[(rows - 60) ** 2 + (columns - x) ** 2 <= 100] = 3000
    tifffile.imwrite(folder / "images" / "été 1.tif", plane.astype(np.uint16), imagej=True)
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
