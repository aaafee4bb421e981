"""Environments of an experiment that another computer computes: checked there, and the way to what is opened there."""

from __future__ import annotations

import asyncio
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import pytest

from segmake.page.common import Common
from segmake.page.connection import Connection
from segmake.page.desk import Desk
from segmake.page.errands import Errand
from segmake.page.guard import Guard
from segmake.page.pages.environments import Environments
from segmake.page.work import Work
from segmake.page.works import Works
from segmake.places.here import Here
from segmake.remote.remembered import PlaceFile, write_place
from tests.ssh.conftest import make_key
from tests.ssh.server import Server

CONFIG = """\
images: {folder: images}
segmentation: {engine: threshold}
environments:
  mine: {existing: PYTHON}
  wrong: {existing: /no/such/environment}
scripts:
  - {name: growth, script: scripts/growth.py, environment: mine, needs: [], run: once}
"""


def test_an_environment_is_checked_where_it_counts(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "growth"
    for name in ("config", "images", "scripts"):
        (folder / name).mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text(CONFIG.replace("PYTHON", sys.prefix))
    (folder / "images" / "a.tif").write_bytes(b"II*\0")
    (folder / "scripts" / "growth.py").write_text("print(1)\n")
    monkeypatch.chdir(folder)
    server.permit(make_key())
    server.start(methods="publickey", segmake=True)
    there = server.user.home / "of the page"
    write_place(folder, PlaceFile(server.host, str(there), f"{sys.prefix}/bin/segmake"))
    try:
        asyncio.run(_checked(folder, there))
    finally:
        shutil.rmtree(there, ignore_errors=True)


async def _checked(folder: Path, there: Path) -> None:
    config = folder / "config" / "config.yaml"
    connection = Connection(folder, config)
    works = Works(Work(Here(), str(folder), ["false"], str(folder / "cache")), connection)
    environments = Environments(Common(Desk(folder, config, works, connection), Guard(1)))
    answering = asyncio.create_task(_say_yes(connection))
    errand = Errand("environment")
    await environments._checked(errand, "mine")
    assert not errand.problems and any("mine" in line for line in errand.lines), errand
    # What it needs was sent, and no image.
    sent = {path.name for path in there.rglob("*") if path.is_file()}
    assert {"config.yaml", "growth.py"} <= sent and "a.tif" not in sent
    errand = Errand("environment")
    await environments._checked(errand, "wrong")
    assert errand.problems and errand.problems[0]["code"].startswith("SM-ENV"), errand
    await _way(environments, errand)
    answering.cancel()
    await connection.close()


async def _say_yes(connection: Connection) -> None:
    while True:
        if question := connection.questions.waiting:
            connection.questions.answer(question.key, "yes")
        await asyncio.sleep(0.1)


def _read(address: str) -> bytes:
    with urlopen(address) as answer:
        said: bytes = answer.read()
    return said


async def _way(environments: Environments, errand: Errand) -> None:
    """See that what listens over there is reached from here, until it is stopped."""

    class Lab(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *words: object) -> None:
            pass

    lab = ThreadingHTTPServer(("127.0.0.1", 0), Lab)
    Thread(target=lab.serve_forever, daemon=True).start()
    port = lab.server_port
    said = {"environment": "mine", "port": port, "url": f"http://127.0.0.1:{port}/lab?token=a"}
    session = await environments._session(errand)
    address = await environments._way_to(session, {**said, "ends": None})
    assert address.endswith("/lab?token=a") and f":{port}/" not in address and environments.is_way
    # The way goes through this thread's loop: whoever waits for an answer waits in another one.
    assert await asyncio.to_thread(_read, address) == b"/lab?token=a"
    # Opened again, the way of before is closed.
    again = await environments._way_to(session, {**said, "ends": "2026-01-01T00:00:00+00:00"})
    assert again != address and not environments.is_way
    with pytest.raises(OSError):
        await asyncio.to_thread(_read, address)
    lab.shutdown()
