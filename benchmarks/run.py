"""All benchmarks on speed and scale in one go, and whether the ratios that README and docs quote still hold.

    python benchmarks/run.py                       everything, into benchmarks/RESULTS.md: an hour or less
    python benchmarks/run.py --quick               the smallest sizes, once, to the screen: some minutes
    python benchmarks/run.py --before CHECKOUT     beside another checkout of SegMake
    python benchmarks/run.py --kept FILE           goes on with a round that was stopped

Ends with exit code 1 and one message if a ratio no longer holds, or a benchmark can't be finished. What can't be run
here (an environment that is not set up, no root for the test cluster, no strace) is said in its place.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks.house import Cost, Figure, Given, add_options, given, table  # noqa: E402
from benchmarks.quoted import QUOTES, unmet  # noqa: E402

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
ROWS = (
    "start",
    "planning",
    "cells",
    "cell_table",
    "large_picture",
    "system_calls",
    "status",
    "report",
    "segmentation",
    "cluster",
)
PACKAGES = ("snakemake", "numpy", "scipy", "scikit-image", "pandas", "pyarrow", "tifffile")
PEERS = ("torch", "cellpose", "napari-serialcellpose")

_VERSIONS = """
import sys
from importlib import metadata
for name in sys.argv[1:]:
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        pass
"""


def main() -> None:
    """Measure, write the results, and end with 1 where something does not hold."""
    load = os.getloadavg()[0]
    options = _options()
    around, unfinished = given(options), []
    rows = {name: row(name) for name in options.only}
    found, commits = kept(options.kept)
    for name, each in rows.items():
        if name in found:
            continue
        sizes = dict(options.sizes).get(name) or (each.QUICK if options.quick else each.SIZES)
        print(f"{name}:", file=sys.stderr, flush=True)
        began, used = time.monotonic(), _used()
        try:
            found[name] = each.measure(list(sizes), options.repeats, around)
            commits[name] = commit(ROOT)
        except (SystemExit, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            unfinished.append(name)
        took = f"{time.monotonic() - began:.0f} s, {_used() - used:.0f} s of a processor"
        print(f"{name}: took {took}", file=sys.stderr, flush=True)
        if options.kept:
            keep(found, commits, options.kept)
    broken, unknown = unmet(found, QUOTES)
    shown = ROWS if options.out else options.only
    text = results({name: row(name) for name in shown}, found, commits, around, unknown, load)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    _end(broken, unfinished)


def _used() -> float:
    """Return the seconds of a processor that this process and all that it started have used by now."""
    return sum(os.times()[:4])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, once")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS, help="these benchmarks")
    parser.add_argument(
        "--sizes", nargs="+", type=_sizes, default=[], help="of some: cells=1250,5000 cluster=40"
    )
    parser.add_argument("--out", type=Path, help="where to; benchmarks/RESULTS.md if all is run")
    parser.add_argument(
        "--kept", type=Path, help="what is measured is kept here, and taken from it"
    )
    options = parser.parse_args()
    if options.quick:
        options.repeats = 1
    elif options.out is None and options.only == ROWS:
        options.out = RESULTS
    return options


def _sizes(word: str) -> tuple[str, list[int]]:
    name, _, numbers = word.partition("=")
    return name, [int(number) for number in numbers.split(",")]


def results(
    rows: dict[str, ModuleType],
    found: dict[str, list[Figure]],
    commits: dict[str, str],
    around: Given,
    unknown: Sequence[str],
    load: float,
) -> str:
    """Return the page of results."""
    parts = [
        "# Results",
        f"Made by `python benchmarks/run.py` on {time.strftime('%Y-%m-%d')}. {machine()}, whose load was {load:.1f}"
        " before the round. CPU time of all processes of a way; all ways of a size in turn, again and again. The ratios"
        " count: each is the median of the rounds, with the least and the most. What takes minutes each time is run"
        " once.",
        f"Versions: {versions(around)}.",
    ]
    if around.before:
        parts.append(f"*before* is SegMake at {commit(around.before)}.")
    for name, each in rows.items():
        parts.append(f"## {each.TITLE}")
        of = commits.get(name, "")
        earlier = f" SegMake at {of}." if of not in ("", commit(ROOT)) else ""
        parts.append(f"`python benchmarks/{name}.py`. {each.NOTE}{earlier}")
        parts.append(table(each, found[name]) if found.get(name) else "Not run in this round.")
    if unknown:
        parts += ["## Not held against this round", "\n".join(f"- {one}" for one in unknown)]
    return "\n\n".join(map(_wrapped, parts)) + "\n"


def _wrapped(part: str) -> str:
    """Return a paragraph in lines of usual length; what is in lines already stays so."""
    if "\n" in part or part.startswith("#"):
        return part
    return textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False)


def row(name: str) -> ModuleType:
    """Return the module of a benchmark."""
    return importlib.import_module(f"benchmarks.{name}")


def kept(file: Path | None) -> tuple[dict[str, list[Figure]], dict[str, str]]:
    """Return what a round that was stopped has measured, and the commit of SegMake at which it measured each row."""
    if file is None or not file.exists():
        return {}, {}
    rows = json.loads(file.read_text(encoding="utf-8"))
    found = {name: [_figure(**one) for one in each["figures"]] for name, each in rows.items()}
    return found, {name: each["commit"] for name, each in rows.items()}


def keep(found: dict[str, list[Figure]], commits: dict[str, str], file: Path) -> None:
    """Keep what has been measured by now."""
    rows = {
        name: {"commit": commits[name], "figures": [asdict(figure) for figure in figures]}
        for name, figures in found.items()
    }
    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _figure(costs: list[dict[str, Any]], **rest: Any) -> Figure:
    return Figure(costs=tuple(Cost(**one) for one in costs), **rest)


def machine() -> str:
    """Return which processor this is, its cores and memory: nothing by which the computer could be told."""
    said = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", said, re.MULTILINE)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    name = model[1] if model else platform.machine()
    return f"{name}, {cores} cores, {memory:.0f} GB of memory"


def versions(around: Given) -> str:
    """Return what was measured with, in one line."""
    own = [f"SegMake {metadata.version('segmake')} ({commit(ROOT)})"]
    own += [f"Python {platform.python_version()}", *_versions(sys.executable, PACKAGES)]
    for interpreter in filter(None, (around.serial or around.cellpose,)):
        own += _versions(interpreter, PEERS)
    return ", ".join(own)


def _versions(interpreter: Path | str, names: Sequence[str]) -> list[str]:
    command = [str(interpreter), "-c", _VERSIONS, *names]
    return subprocess.check_output(command, text=True).splitlines()


def commit(checkout: Path) -> str:
    """Return the commit of a checkout, or that it is not known."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short=8", "HEAD"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "an unknown commit"


def _end(broken: Sequence[str], unfinished: Sequence[str]) -> None:
    """End the process where something does not hold, with one message."""
    said = [f"no longer holds: {one}" for one in broken]
    said += [f"could not be finished: {name}" for name in unfinished]
    if said:
        sys.exit("\n".join(said))


if __name__ == "__main__":
    main()
