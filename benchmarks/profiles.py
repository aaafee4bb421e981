"""Where the time goes: the functions that take most of each benchmark, in this checkout and in another one.

    python benchmarks/profiles.py --before CHECKOUT [--cellpose PYTHON] [--only cells start]

Writes ``benchmarks/PROFILES.md``, or to the screen if only some are asked for. Each way is run once under cProfile,
with all that its processes do: starting Python and drawing what is measured are in it. Ten minutes.
"""

from __future__ import annotations

import argparse
import pstats
import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks.house import Given, add_options, given, profiled  # noqa: E402
from benchmarks.run import commit, machine, row, wrapped  # noqa: E402

PROFILES = ROOT / "benchmarks" / "PROFILES.md"
SIZES = {
    "start": 10_000,
    "planning": 10_000,
    "cells": 5_000,
    "cell_table": 1_000_000,
    "large_picture": 4096,
    "system_calls": 40,
    "status": 10_000,
    "report": 1_000_000,
    "segmentation": 3,
}
HEAD = 10
# What another thread or process is waited for with.
WAITS = (
    "<method 'acquire' of '_thread.lock' objects>",
    "<method 'get' of '_queue.SimpleQueue' objects>",
    "<method 'poll' of 'select.poll' objects>",
    "<built-in method posix.waitpid>",
)

# Of a file's path, what tells nobody where it is.
_PLACE = re.compile(r".*/(?:site-packages|workflow|lib/python3\.\d+)/")


def main() -> None:
    """Profile each benchmark, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--only", nargs="+", choices=SIZES, default=list(SIZES))
    options = parser.parse_args()
    around = given(options)
    text = page({name: of_row(name, SIZES[name], around) for name in options.only}, around)
    if options.only == list(SIZES):
        PROFILES.write_text(text, encoding="utf-8")
    else:
        print(text)


def of_row(name: str, size: int, around: Given) -> dict[str, pstats.Stats]:
    """Return the profile of each of SegMake's ways, all its processes together, in the order in which they ran."""
    print(f"{name}:", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="segmake-profiles-") as folder:
        with profiled(Path(folder)):
            row(name).measure([size], 1, around)
        ways = sorted(Path(folder).iterdir(), key=lambda way: way.stat().st_mtime)
        return {way.name: pstats.Stats(*map(str, way.iterdir())) for way in ways}


def page(rows: dict[str, dict[str, pstats.Stats]], around: Given) -> str:
    """Return the page: for each benchmark a table for each way."""
    before = f", *before* {commit(around.before)}" if around.before else ""
    parts = [
        "# Profiles",
        f"Made by `python benchmarks/profiles.py` on {time.strftime('%Y-%m-%d')}: SegMake at {commit(ROOT)}{before}."
        f" {machine()}. Seconds in each function itself, under cProfile, which makes calls dearer than they are, but"
        " for waiting for other threads. All threads and processes of a way together, from the start of Python to its"
        " end.",
    ]
    for name, ways in rows.items():
        parts.append(f"## {row(name).TITLE}: {SIZES[name]:,} {row(name).UNIT}")
        parts += [
            f"**{way}**: {worked(profile):.1f} s\n\n{head(profile)}"
            for way, profile in ways.items()
        ]
    return "\n\n".join(map(wrapped, parts)) + "\n"


def worked(profile: pstats.Stats) -> float:
    """Return the seconds of all functions, but for waiting."""
    return sum(one[2] for (_, _, name), one in profile.stats.items() if name not in WAITS)


def head(profile: pstats.Stats) -> str:
    """Return the functions that take most, as a table in Markdown."""
    busy = [one for one in profile.stats.items() if one[0][2] not in WAITS]
    by_time = sorted(busy, key=lambda one: one[1][2], reverse=True)
    lines = ["| seconds | calls | function |", "| --- | --- | --- |"]
    for (file, line, function), (_, calls, seconds, *_) in by_time[:HEAD]:
        lines.append(f"| {seconds:.2f} | {calls:,} | {named(file, line, function)} |")
    return "\n".join(lines)


def named(file: str, line: int, function: str) -> str:
    """Return what a function is called in the page."""
    if file == "~":
        return f"`{function}`"
    return f"`{_PLACE.sub('', file)}:{line}` `{function}`"


if __name__ == "__main__":
    main()
