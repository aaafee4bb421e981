"""What the benchmarks share: what a process took, ways in turn, and the tables that are made of it.

A row is a module with TITLE, NOTE, UNIT, SIZES, QUICK and ``measure(sizes, repeats, given)``, which returns figures:
for each size one of SegMake, one of the checkout that it is compared with (where there is one), and one of each peer.
All ways of a size are run in turn, so that what else the machine does falls on all of them. What counts is CPU time,
and of it only ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "benchmarks" / "peers"
DEMO_MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
OURS = "SegMake"
BEFORE = "before"
_COUNTED = "counted"

_PROFILER = ROOT / "benchmarks" / "profiler"
# Where the ways are to leave profiles, while these are wanted; and the folder that the processes of one way are told.
_PROFILES: list[Path] = []
_OF_WAY = "SEGMAKE_BENCHMARK_PROFILES"

# Started by a small process: the memory of whoever starts one counts as its own until it is another program.
_START = """
import os, sys
said = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
process = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, said, 1)])
status, used = os.wait4(process, 0)[1:]
print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


@dataclass(frozen=True)
class Given:
    """What a round has at hand.

    Attributes
    ----------
    before : Path, optional
        Another checkout of SegMake, to compare with.
    cellpose : Path, optional
        The Python of an environment with Cellpose 3.
    serial : Path, optional
        That of one with napari-serialcellpose, too.
    quick : bool
        Whether nothing is to be installed for it.
    """

    before: Path | None = None
    cellpose: Path | None = None
    serial: Path | None = None
    quick: bool = False

    def checkouts(self) -> dict[str, Path]:
        """Return what is compared, by name."""
        return {OURS: ROOT} | ({BEFORE: self.before} if self.before else {})


@dataclass(frozen=True)
class Cost:
    """What a process took: CPU seconds, the most memory in MB, and what it has counted itself."""

    seconds: float
    memory: float
    counted: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds + other.seconds,
            max(self.memory, other.memory),
            {**self.counted, **other.counted},
        )


@dataclass(frozen=True)
class Way:
    """One way to do what a row is about; once: it takes minutes, so it is run in the first round only."""

    name: str
    run: Callable[[], Cost]
    lacks: str = ""
    why_not: str = ""
    once: bool = False


@dataclass(frozen=True)
class Figure:
    """What a way took at a size, in each repeat; why_not where it can't be run here."""

    size: int
    way: str
    costs: tuple[Cost, ...] = ()
    lacks: str = ""
    why_not: str = ""

    @property
    def seconds(self) -> float:
        return statistics.median(cost.seconds for cost in self.costs)

    @property
    def memory(self) -> float:
        return statistics.median(cost.memory for cost in self.costs)

    @property
    def counted(self) -> dict[str, float]:
        names = dict.fromkeys(name for cost in self.costs for name in cost.counted)
        return {
            name: statistics.median(c.counted[name] for c in self.costs if name in c.counted)
            for name in names
        }


def cost(command: Sequence[str | Path], folder: Path, clone: Path = ROOT, **variables: str) -> Cost:
    """Run a program, and return what it took.

    If the last line that it says is a JSON object `{"counted": {...}}`, `seconds` and `memory` in it take the place of
    the process's own, and the other values are counted.

    Raises
    ------
    SystemExit
        If it fails, with the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="segmake-said-") as name:
        said, complained = Path(name, "said"), Path(name, "complained")
        start = [sys.executable, "-I", "-S", "-c", _START, str(said), *map(str, command)]
        with complained.open("w") as errors:
            told = subprocess.run(
                start,
                cwd=folder,
                env=surroundings(clone) | variables,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                check=True,
            )
        code, seconds, kilobytes = told.stdout.split()
        words = said.read_text(errors="replace")
        if code != "0":
            sys.exit(f"{command}: {code}\n{words[-1000:]}\n{complained.read_text()[-3000:]}")
    counted = _last_object(words)
    own = counted.pop("seconds", float(seconds)), counted.pop("memory", float(kilobytes) / 1024)
    return Cost(*own, counted)


def python(program: str, folder: Path, clone: Path = ROOT, *words: str | Path) -> Cost:
    """Run a program in Python with the SegMake of a checkout, and return what it took."""
    return cost([sys.executable, "-c", program, *words], folder, clone)


def _last_object(words: str) -> dict[str, float]:
    *_, last = ["", *words.splitlines()]
    return dict(json.loads(last)[_COUNTED]) if last.startswith(f'{{"{_COUNTED}"') else {}


def surroundings(clone: Path) -> dict[str, str]:
    """Return the variables with which the SegMake of a checkout is run: one thread, English, modules kept compiled."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "SEGMAKE_SITE")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
    own = {"PYTHONPATH": str(clone / "workflow"), "SEGMAKE_LANG": "en"}
    if _OF_WAY in os.environ:
        own["PYTHONPATH"] += f"{os.pathsep}{_PROFILER}"
    return kept | threads | own | {"XDG_CACHE_HOME": _caches().name}


@contextmanager
def profiled(folder: Path) -> Iterator[None]:
    """Have SegMake's ways run once, each process of theirs leaving a profile in ``folder/WAY``; peers are not run."""
    _PROFILES.append(folder)
    try:
        yield
    finally:
        _PROFILES.pop()


@cache
def _caches() -> tempfile.TemporaryDirectory[str]:
    """Return what stands in the place of the user's own cache."""
    return tempfile.TemporaryDirectory(prefix="segmake-caches-")


def figures(size: int, ways: Iterable[Way], repeats: int) -> list[Figure]:
    """Run ways in turn, each as often as said, and return a figure for each."""
    ways = list(ways)
    if _PROFILES:
        own = [way for way in ways if way.name.startswith((OURS, BEFORE)) and not way.why_not]
        return [_profiled(size, way) for way in own]
    costs: dict[str, list[Cost]] = {way.name: [] for way in ways}
    able = [way for way in ways if not way.why_not]
    for number in range(repeats):
        first = number % (len(able) or 1)
        for way in able[first:] + able[:first]:
            if way.once and number:
                continue
            costs[way.name].append(way.run())
            print(f"  {size:,}, {way.name}: {costs[way.name][-1]}", file=sys.stderr, flush=True)
    return [Figure(size, way.name, tuple(costs[way.name]), way.lacks, way.why_not) for way in ways]


def _profiled(size: int, way: Way) -> Figure:
    folder = _PROFILES[-1] / way.name
    folder.mkdir(parents=True)
    with patch.dict(os.environ, {_OF_WAY: str(folder)}):
        return Figure(size, way.name, (way.run(),))


def ratios(ours: Figure, other: Figure, what: str = "seconds") -> list[float]:
    """Return SegMake's cost in that of another way, repeat by repeat, as long as both were run."""
    return [
        value(mine, what) / (value(its, what) or 1e-9)
        for mine, its in zip(ours.costs, other.costs, strict=False)
    ]


def value(one: Cost | Figure, what: str) -> float:
    """Return the seconds, the memory, or what was counted under a name."""
    return one.counted[what] if what in one.counted else float(getattr(one, what))


def table(row: ModuleType, found: Sequence[Figure]) -> str:
    """Return the figures of a row as a table in Markdown."""
    counters = list(dict.fromkeys(name for figure in found for name in figure.counted))
    heads = [
        row.UNIT,
        "way",
        getattr(row, "CLOCK", "CPU"),
        "SegMake / this",
        "memory",
        *counters,
        "what it does not do",
    ]
    lines = [heads, ["---"] * len(heads)]
    for size in dict.fromkeys(figure.size for figure in found):
        of_size = [figure for figure in found if figure.size == size]
        lines += [_cells(figure, of_size[0], counters) for figure in of_size]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(figure: Figure, ours: Figure, counters: Sequence[str]) -> list[str]:
    begin = [f"{figure.size:,}", figure.way]
    if figure.why_not:
        return [*begin, "not run", "", "", *[""] * len(counters), figure.why_not]
    shown = [shorter(figure.counted[name]) if name in figure.counted else "" for name in counters]
    against = "1" if figure is ours else _spread(ratios(ours, figure))
    return [
        *begin,
        f"{figure.seconds:.3g} s",
        against,
        f"{figure.memory:.0f} MB" if figure.memory else "",
        *shown,
        figure.lacks,
    ]


def _spread(values: Sequence[float]) -> str:
    middle = f"{statistics.median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.2f} to {max(values):.2f})"


def shorter(number: float) -> str:
    """Return a number as a table shows it."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"


def alone(row: ModuleType) -> None:
    """Measure one row by itself, as its module's own command does, and print its table."""
    parser = argparse.ArgumentParser(description=row.__doc__)
    add_options(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=row.SIZES)
    options = parser.parse_args()
    found = row.measure(options.sizes, options.repeats, given(options))
    print(f"\n{table(row, found)}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what all benchmarks can be told."""
    here = ROOT / ".environments" / "cellpose3" / "bin" / "python"
    parser.add_argument("--repeats", type=int, default=3, help="each way is run so often")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--cellpose", type=Path, default=here, help="a Python with Cellpose 3")
    parser.add_argument(
        "--serial", type=Path, help="a Python with napari-serialcellpose; else it is made"
    )


def given(options: argparse.Namespace) -> Given:
    """Return what the options say is at hand."""
    return Given(
        before=options.before and options.before.absolute(),
        cellpose=options.cellpose.absolute() if options.cellpose.exists() else None,
        serial=options.serial and options.serial.absolute(),
        quick=getattr(options, "quick", False),
    )
