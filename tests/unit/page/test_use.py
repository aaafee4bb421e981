"""What counts as use of the page: a window that looks by itself is none, or no page would ever end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from segmake.config.template import commented_config, suggested
from segmake.core.config import DEFAULT_CONFIG
from segmake.page.application import Application
from segmake.page.connection import Connection
from segmake.page.desk import Desk
from segmake.page.guard import Guard
from segmake.page.server import own_command
from segmake.page.work import Work
from segmake.page.works import Works
from segmake.places.here import Here


async def asked(application: Application, path: str, cookie: str = "") -> dict[str, str]:
    """Ask for an address as a browser does, and return what its answer begins with."""
    path, _, query = path.partition("?")
    headers = [(b"host", b"127.0.0.1"), (b"cookie", cookie.encode())]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": headers}
    scope |= {"query_string": query.encode(), "server": ("127.0.0.1", 80), "scheme": "http"}
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        said.append(message)

    await application.starlette(scope, receive, send)
    assert said[0]["status"] == 200, path
    return {name.decode(): text.decode() for name, text in said[0]["headers"]}


def test_a_window_that_looks_by_itself_does_not_keep_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / DEFAULT_CONFIG
    config.parent.mkdir()
    config.write_text(commented_config("en", schema_address="x", values=suggested()))
    monkeypatch.chdir(tmp_path)
    connection = Connection(tmp_path, config)
    here = Work(Here(), str(tmp_path), own_command(), str(tmp_path / "cache"))
    desk = Desk(tmp_path, config, Works(here, connection), connection)

    async def used() -> None:
        guard = Guard(None)
        application = Application(desk, guard, lambda: None, 60)
        first = await asked(application, f"/?token={guard.token}")
        cookie = first["set-cookie"].partition(";")[0]
        before = application.used
        for path in ("/follow/now", "/question"):
            await asked(application, path, cookie)
            assert application.used == before, path
        await asked(application, "/follow", cookie)
        assert application.used > before
        # What is asked of the run may take longer than a page waits.
        own = {asyncio.current_task()}
        await asyncio.gather(*(each for each in asyncio.all_tasks() if each not in own))

    asyncio.run(used())
