"""The command that opens the page: the experiment in the browser."""

from __future__ import annotations

import argparse


def open_page(options: argparse.Namespace) -> None:
    """Serve the page of an experiment until it is closed, or nobody has used it for a while."""
    from segmake.page.server import serve

    serve(
        options.folder,
        browser=options.browser,
        idle_minutes=options.idle,
        socket=options.socket,
    )
