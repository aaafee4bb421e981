"""A folder of which half went wrong: it is told, and what is wrong is kept out of the tables, or settled, by the page."""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import tifffile
import yaml
from scipy.ndimage import gaussian_filter

from segmake.core.config import DEFAULT_CONFIG
from segmake.page.application import Application
from segmake.page.connection import Connection
from segmake.page.desk import Desk
from segmake.page.guard import FORM_FIELD, Guard
from segmake.page.server import own_command
from segmake.page.work import Work
from segmake.page.works import Works
from segmake.places.here import Here
from tests.answers import ask, held
from tests.projects import Project, settings
from tests.unit.rods import SHAPE, rods

GOOD = [f"good_{number}.tif" for number in range(20)]
EMPTY = [f"empty_{number}.tif" for number in range(8)]
FULL = [f"full_{number}.tif" for number in range(2)]
COLONIES = [f"colony_{number}.tif" for number in range(10)]
BAD = [*EMPTY, *FULL, *COLONIES]

COUNT = """
import csv, os
with open(os.environ["SEGMAKE_CELLS"], encoding="utf-8-sig") as lines:
    images = sorted({row["image"] for row in csv.DictReader(lines)})
open("images.txt", "w").write("\\n".join(images))
"""


def draw(path: Path, bright: np.ndarray, seed: int) -> None:
    """Write a picture that is a little blurred, with noise."""
    noise = np.random.default_rng(seed).normal(200, 8, SHAPE)
    picture = gaussian_filter(bright.astype(float), 1) + noise
    tifffile.imwrite(path, picture.clip(0).astype(np.uint16), photometric="minisblack")


def draw_folder(folder: Path) -> None:
    folder.mkdir()
    for seed, name in enumerate(GOOD):
        draw(folder / name, 1500 * (rods(8 + seed % 6, seed)[1] > 0), seed)
    for seed, name in enumerate(EMPTY):
        draw(folder / name, np.zeros(SHAPE), 100 + seed)
    for seed, name in enumerate(FULL):
        # Each cell is below `min_size`.
        draw(folder / name, 3000 * (rods(25, 200 + seed, long=0, thick=2)[1] > 0), 200 + seed)
    rows, columns = np.indices(SHAPE)
    for seed, name in enumerate(COLONIES):
        colony = np.hypot(rows - 80, columns - 70 - seed) < 30 + seed
        cells = (rows // 7 + columns // 16) % 2
        draw(folder / name, colony * (1000 + 500 * cells), 300 + seed)


def table(project: Project) -> dict[str, dict[str, str]]:
    with (project.results / "images.csv").open(encoding="utf-8-sig", newline="") as lines:
        return {row["image"]: row for row in csv.DictReader(lines)}


def measured(project: Project) -> set[str]:
    with (project.results / "cells.csv").open(encoding="utf-8-sig", newline="") as lines:
        return {row["image"] for row in csv.DictReader(lines)}


def by_script(project: Project) -> list[str]:
    [path] = (project.results / "scripts" / "count").rglob("images.txt")
    return path.read_text().split("\n")


def flagged(project: Project) -> list[str]:
    return sorted(image for image, row in table(project).items() if row["flags"])


def report(project: Project) -> str:
    return (project.results / "report.html").read_text(encoding="utf-8")


async def answered(application: Application, path: str, cookie: str, form: Any = None) -> Any:
    """Ask for an address as a browser does, and return the state, headers and text of the answer."""
    path, _, query = path.partition("?")
    headers = [(b"host", b"127.0.0.1"), (b"cookie", cookie.encode())]
    headers += [(b"origin", b"http://127.0.0.1")] if form else []
    scope: dict[str, Any] = {"type": "http", "method": "GET" if form is None else "POST"}
    scope |= {"path": path, "headers": headers, "query_string": query.encode()}
    scope |= {"server": ("127.0.0.1", 80), "scheme": "http"}
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": urlencode(form or {}).encode()}

    async def send(message: Any) -> None:
        said.append(message)

    await application.starlette(scope, receive, send)
    text = b"".join(part.get("body", b"") for part in said[1:]).decode()
    return said[0]["status"], dict(said[0]["headers"]), text


def by_the_page(folder: Path, use: Callable[[Any], Any]) -> None:
    """Open the page of an experiment, and use it by a function that asks for an address, perhaps with a form."""

    async def used() -> None:
        connection = Connection(folder, folder / DEFAULT_CONFIG)
        here = Work(Here(), str(folder), own_command(), str(folder / "cache"))
        guard = Guard(None)
        desk = Desk(folder, folder / DEFAULT_CONFIG, Works(here, connection), connection)
        application = Application(desk, guard, lambda: None, 60)
        first = await answered(application, f"/?token={guard.token}", "")
        cookie = first[1][b"set-cookie"].decode().partition(";")[0]

        async def asked(path: str, form: Any = None) -> tuple[int, str]:
            sent = None if form is None else {FORM_FIELD: guard.csrf, **form}
            state, _, text = await answered(application, path, cookie, sent)
            return state, text

        await use(asked)

    asyncio.run(used())


def test_what_went_wrong_is_told_and_left_out_or_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = {"name": "count", "script": "count.py", "run": "dataset", "needs": ["cells"]}
    project = Project(tmp_path, {**settings(), "outputs": [], "scripts": [script]})
    project.settings["segmentation"]["polarity"] = "bright"
    draw_folder(project.images)
    (project.folder / "count.py").write_text(COUNT)
    run = project.run()
    assert run.returncode == 0, run.stderr
    assert {table(project)[name]["flags"] for name in FULL} == {"dropped, no_cell"}
    assert flagged(project) == sorted(BAD)
    assert "20 images to look at" in run.stderr
    # Amber, and these first.
    shown = report(project)
    assert re.search(r'class="verdict mixed"', shown) and "Images to look at" in shown
    cards = re.findall(r'<article class="card"[^>]* data-name="([^"]+)"', shown)
    assert sorted(cards[:20]) == sorted(BAD)
    said = held(ask(project, "status"))
    assert sorted(each["image"] for each in said["look_at"]) == sorted(BAD)
    assert by_script(project) == sorted([*GOOD, *COLONIES])

    # By the page: what is empty is right, one colony is left out, and then all else.
    monkeypatch.chdir(project.folder)

    async def note(asked: Any) -> None:
        _, text = await asked("/follow")
        assert "20 images to look at" in text and 'class="card state ended look"' in text
        [whole] = re.findall(r'name="(all \d+)" value="no_cell"', text)
        assert (await asked("/follow", {"do": "looked_at", whole: "no_cell"}))[0] == 400
        controls = {"do": "looked_at", whole: "no_cell", "reason": "a control"}
        assert (await asked("/follow", controls))[0] == 303
        one = {"do": "leave_out", "image 1 1": COLONIES[0], "reason": "a colony: one outline"}
        assert (await asked("/follow", one))[0] == 303
        _, text = await asked("/follow")
        assert "11 images to look at" in text and "9 images are settled" in text
        others = dict(re.findall(r'name="(all \d+)" value="([^"]+)"', text))
        others |= {"do": "leave_out", "reason": "of no use"}
        assert len(others) == 4 and (await asked("/follow", others))[0] == 303

    by_the_page(project.folder, note)
    project.settings = yaml.safe_load((project.folder / DEFAULT_CONFIG).read_text())
    before = project.journal()
    again = project.run()
    assert again.returncode == 0, again.stderr
    assert project.computed(before) == []
    assert flagged(project) == [] and "to look at" not in again.stderr
    assert 'class="verdict good"' in report(project)
    assert measured(project) == {*GOOD} and by_script(project) == sorted(GOOD)
    rows = table(project)
    assert rows[COLONIES[0]]["left_out_because"] == "a colony: one outline"
    assert rows[EMPTY[0]]["looked_at_because"] == "a control" and rows[EMPTY[0]]["cells"] == "0"
