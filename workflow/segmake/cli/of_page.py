"""The command that opens the page: the experiment in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

# What --launchers takes.
LAUNCHERS = ("own", "all")


def open_page(options: argparse.Namespace) -> None:
    """Serve the page of an experiment until it is closed, or nobody has used it for a while."""
    if options.launchers:
        _write_launchers(options.folder, options.launchers)
        return
    from segmake.page.server import serve

    serve(
        options.folder,
        browser=options.browser,
        idle_minutes=options.idle,
        socket=options.socket,
    )


def _write_launchers(folder: Path, which: str) -> None:
    """Write files to double-click that open the page of a folder, and say which."""
    from segmake.messages import say
    from segmake.remote.handed_out import HandedOut
    from segmake.remote.setup.launchers import ENDINGS, launchers, own_endings, write_launchers

    endings = ENDINGS if which == "all" else own_endings()
    for path in write_launchers(folder, launchers(HandedOut(), open_page=True), endings):
        print(say("reach.launcher_made", file=path))
