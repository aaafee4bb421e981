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
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil

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


@dataclass(frozen=True)
class Measured:
    """What one benchmark told.

    Attributes
    ----------
    figures : list of Figure
    commit : str
        Of SegMake.
    took, used : float
        Seconds, and seconds of a processor.
    others : float
        How much of all cores was used by what is not of this benchmark.
    """

    figures: list[Figure]
    commit: str
    took: float
    used: float
    others: float

    @property
    def how(self) -> str:
        own = f"Took {self.took:.0f} s, {self.used:.0f} s of a processor"
        return f"{own}; others used {self.others:.0%} of the cores meanwhile."


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
    options = _options()
    around, unfinished = given(options), []
    rows = {name: row(name) for name in options.only}
    done = kept(options.kept)
    for name, each in rows.items():
        if name in done:
            continue
        sizes = dict(options.sizes).get(name) or (each.QUICK if options.quick else each.SIZES)
        print(f"{name}:", file=sys.stderr, flush=True)
        try:
            done[name] = measured(each, list(sizes), options.repeats, around)
        except (SystemExit, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            unfinished.append(name)
            continue
        print(f"{name}: {done[name].how}", file=sys.stderr, flush=True)
        if options.kept:
            keep(done, options.kept)
    broken, unknown = unmet({name: one.figures for name, one in done.items()}, QUOTES)
    shown = ROWS if options.out else options.only
    text = results({name: row(name) for name in shown}, done, around, unknown)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    _end(broken, unfinished)


def measured(each: ModuleType, sizes: list[int], repeats: int, around: Given) -> Measured:
    """Measure one benchmark."""
    began, before, busy = time.monotonic(), _used(), _busy()
    figures = each.measure(sizes, repeats, around)
    took, used = time.monotonic() - began, _used() - before
    others = max(0.0, _busy() - busy - used) / took / (os.cpu_count() or 1)
    return Measured(figures, commit(ROOT), took, used, others)


def _used() -> float:
    """Return the seconds of a processor that this process and all that it started have used by now."""
    return sum(os.times()[:4])


def _busy() -> float:
    """Return those that all of this machine's processes have used."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


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
    done: dict[str, Measured],
    around: Given,
    unknown: Sequence[str],
) -> str:
    """Return the page of results."""
    parts = [
        "# Results",
        f"Made by `python benchmarks/run.py` on {time.strftime('%Y-%m-%d')}. {machine()}."
        " CPU time of all processes of a way; all ways of a size in turn, again and again. The ratios count: each is"
        " the median of the rounds, with the least and the most. What takes minutes is run once.",
        f"Versions: {versions(around)}.",
    ]
    if around.before:
        parts.append(f"*before* is SegMake at {commit(around.before)}.")
    for name, each in rows.items():
        parts.append(f"## {each.TITLE}")
        note = f"`python benchmarks/{name}.py`. {each.NOTE}"
        one = done.get(name)
        if one is None:
            parts += [note, "Not run in this round."]
            continue
        earlier = f" SegMake at {one.commit}." if one.commit != commit(ROOT) else ""
        # What Slurm starts is none of this process's.
        how = "" if hasattr(each, "CLOCK") else f" {one.how}"
        parts += [f"{note}{how}{earlier}", table(each, one.figures)]
    if unknown:
        parts += ["## Not held against this round", "\n".join(f"- {one}" for one in unknown)]
    return "\n\n".join(map(wrapped, parts)) + "\n"


def wrapped(part: str) -> str:
    """Return a paragraph in lines of usual length; what is in lines already stays so."""
    if "\n" in part or part.startswith("#"):
        return part
    return textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False)


def row(name: str) -> ModuleType:
    """Return the module of a benchmark."""
    return importlib.import_module(f"benchmarks.{name}")


def kept(file: Path | None) -> dict[str, Measured]:
    """Return what a round that was stopped has measured."""
    if file is None or not file.exists():
        return {}
    rows = json.loads(file.read_text(encoding="utf-8"))
    return {
        name: Measured(**{**one, "figures": [_figure(**each) for each in one["figures"]]})
        for name, one in rows.items()
    }


def keep(done: dict[str, Measured], file: Path) -> None:
    """Keep what has been measured by now."""
    rows = {name: asdict(one) for name, one in done.items()}
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
