"""Serves the page of an experiment, on the loopback or on a socket, until it is closed or nobody has used it long."""

from __future__ import annotations

import asyncio
import os
import socket as sockets
import stat
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from segmake.core.caches import own_cache_folder
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import error_line
from segmake.experiment.recent import note
from segmake.messages import Problem, say
from segmake.page.application import Application
from segmake.page.connection import Connection
from segmake.page.desk import Desk
from segmake.page.guard import Guard
from segmake.page.opening import has_screen, own_command
from segmake.page.work import Work
from segmake.page.works import Works
from segmake.places.here import Here
from segmake.remote.event_loop import pass_over_lost

# How often it is looked whether somebody uses the page.
_LOOK_S = 1.0
# What is being answered may be answered to its end.
_PATIENCE_S = 3


def serve(
    folder: Path, *, browser: bool = True, idle_minutes: float = 60, socket: Path | None = None
) -> None:
    """Serve the page of an experiment.

    Parameters
    ----------
    folder : Path
        Of the experiment, or a file in its folder ``config``; in any other, the list of experiments opens.
    browser : bool
        Whether the browser is to be opened.
    idle_minutes : float
        After so long without use the page ends; 0: never.
    socket : Path, optional
        Where to listen instead of on a port: whoever else uses this computer can't open it.

    Raises
    ------
    Problem
        ``SM-PAG-001`` if there is no such folder, ``SM-PAG-002`` or ``SM-PAG-003`` if nobody can listen there.
    """
    found = _experiment(folder)
    socket = socket and socket.absolute()
    listening = _on_socket(socket) if socket else _on_loopback()
    port = None if socket else listening.getsockname()[1]
    guard = Guard(port)
    desk = _desk(*found) if found else None
    try:
        asyncio.run(_served(desk, guard, listening, port, socket, browser, idle_minutes * 60))
    finally:
        listening.close()
        if socket:
            socket.unlink(missing_ok=True)


def _desk(experiment: Path, config: Path) -> Desk:
    # What is sent and fetched is named as it is seen from there.
    os.chdir(experiment)
    note(experiment)
    here = Work(Here(), str(experiment), own_command(), str(own_cache_folder() / "page"))
    connection = Connection(experiment, config)
    return Desk(experiment, config, Works(here, connection), connection)


async def _served(
    desk: Desk | None,
    guard: Guard,
    listening: sockets.socket,
    port: int | None,
    path: Path | None,
    browser: bool,
    idle_s: float,
) -> None:
    import uvicorn

    asyncio.get_running_loop().set_exception_handler(pass_over_lost)

    def close() -> None:
        server.should_exit = True

    application = Application(desk, guard, close, idle_s / 60)
    settings = uvicorn.Config(
        application.starlette,
        # Nothing that was asked for is written anywhere: the first address holds the token.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_PATIENCE_S,
    )
    server = uvicorn.Server(settings)
    told = asyncio.create_task(_when_it_answers(server, guard, port, path, browser))
    watched = asyncio.create_task(_end_when_idle(application, close, idle_s))
    await server.serve(sockets=[listening])
    for task in (told, watched):
        task.cancel()
    await application.close()


async def _when_it_answers(
    server: object, guard: Guard, port: int | None, path: Path | None, browser: bool
) -> None:
    """Say where the page is, and open it."""
    while not getattr(server, "started", False):
        await asyncio.sleep(0.01)
    if port is None:
        print(say("page.listens", socket=path, token=guard.token), flush=True)
        return
    address = f"http://127.0.0.1:{port}/?token={guard.token}"
    print(say("page.opened", address=address), flush=True)
    if browser and has_screen():
        # It may take its time, and write what nobody asked for.
        await asyncio.to_thread(_open, address)


def _open(address: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(address)


async def _end_when_idle(
    application: Application, close: Callable[[], None], idle_s: float
) -> None:
    """End a page that nobody uses, once it has done its errands; what it has started elsewhere goes on."""
    while idle_s > 0:
        await asyncio.sleep(min(_LOOK_S, idle_s))
        if time.monotonic() - application.used > idle_s and not application.is_busy:
            close()
            # Whoever opened this page from another one may be gone.
            with suppress(OSError):
                print(say("page.idle"), flush=True)
            return


def _experiment(folder: Path) -> tuple[Path, Path] | None:
    """Return the folder of an experiment and its config; None in a folder that is none."""
    config = folder if folder.is_file() else folder / DEFAULT_CONFIG
    if not config.is_file():
        if folder.is_dir():
            return None
        raise Problem("SM-PAG-001", where=str(folder), folder=folder.absolute())
    config = config.absolute()
    return config.parents[1] if config.parent.name == "config" else config.parent, config


def _on_loopback() -> sockets.socket:
    listening = sockets.socket()
    try:
        listening.bind(("127.0.0.1", 0))
    except OSError as error:
        raise Problem("SM-PAG-002", error=error_line(error)) from None
    return listening


def _on_socket(path: Path) -> sockets.socket:
    """Listen on a socket that only its owner can open."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode) or _is_served(path):
            raise Problem("SM-PAG-003", where=str(path), path=path)
        path.unlink()
    listening = sockets.socket(sockets.AF_UNIX)
    # From the first moment on.
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        raise Problem("SM-PAG-002", where=str(path), error=error_line(error)) from None
    finally:
        os.umask(before)
    return listening


def _is_served(path: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX) as trial:
        try:
            trial.connect(str(path))
        except OSError:
            return False
    return True
