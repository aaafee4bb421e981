"""``segmake remote setup | check``: another computer is made ready for an experiment of this one, or looked at."""

from __future__ import annotations

import argparse
from pathlib import Path

# What --launchers takes.
LAUNCHERS = ("own", "all", "none")

# What --profile takes.
PROFILES = ("slurm", "local")


def set_up(options: argparse.Namespace) -> None:
    """Make another computer ready, step by step."""
    from segmake.places.asking import Terminal
    from segmake.remote.event_loop import finish
    from segmake.remote.setup.launchers import ENDINGS, own_endings
    from segmake.remote.setup.setting_up import Wishes, set_up
    from segmake.remote.setup.typed_host import port_of
    from segmake.remote.setup.way_there import Way

    way = Way(
        Terminal(),
        lambda line: print(line, flush=True),
        host=options.host or "",
        port=port_of(options.port) if options.port else 0,
        through=options.through or "",
        name=options.name or "",
        site=options.site,
        yes=options.yes,
    )
    endings = {"own": own_endings(), "all": ENDINGS, "none": ()}
    wishes = Wishes(
        segmake=options.segmake or "",
        bundle=options.bundle,
        address=options.address or "",
        into=options.into or "",
        engine=options.engine or "",
        folder=options.folder or "",
        launchers=endings[options.launchers],
        profile=options.profile or "",
    )
    finish(set_up(way, wishes, Path()))


def check(options: argparse.Namespace) -> int:
    """Look at the computer of an experiment, and change nothing."""
    from segmake.places.asking import Terminal
    from segmake.remote.event_loop import finish
    from segmake.remote.setup.checking import check

    found = finish(check(options.folder, None if options.json else Terminal()))
    if options.json:
        from segmake.answers.answer import write

        return write(found.answer())
    print("\n".join(found.lines()))
    return int(bool(found.problems))
