"""How often an image has files opened, looked at and flushed, in all four steps.

    python benchmarks/system_calls.py [--before CHECKOUT]

Counted by strace in two experiments, one of which has so many images more; what starting the steps takes falls out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import STEPS, draw, planned, step_command  # noqa: E402
from benchmarks.house import PEERS, Cost, Figure, Given, Way, alone, cost, figures  # noqa: E402

TITLE = "System calls for an image"
NOTE = (
    "All four steps, engine `threshold`, pictures of 128 x 128 pixels: what an image more adds, counted with strace."
    " *Stats*: looks at paths, open files, links and rights. *Files*: in the results folder. The CPU is that of all"
    " steps, strace's own included."
)
UNIT = "images more"
SIZES = (40,)
QUICK = (8,)

FEW = 4
_KINDS = {
    "opens": ("open", "openat", "creat"),
    "stats": ("stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink"),
    "mkdirs": ("mkdir", "mkdirat"),
    "fsyncs": ("fsync", "fdatasync"),
}  # fmt: skip


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return how many system calls an image adds."""
    if shutil.which("strace") is None:
        why = "strace is not installed on this computer"
        return [Figure(size, title, why_not=why) for size in sizes for title in given.checkouts()]
    found = []
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder = Path(name)
        for number in (FEW, *(FEW + size for size in sizes)):
            draw(folder / str(number), number, 128, "fluorescence")
        for size in sizes:
            ways = [
                Way(title, lambda clone=clone, size=size: _ours(folder, size, clone))
                for title, clone in given.checkouts().items()
            ]
            lacks = "measurements, pictures, a journal; whole files after a crash"
            peer = Way(
                "ten lines with scikit-image", lambda size=size: _plainly(folder, size), lacks
            )
            # Counters don't scatter.
            found += figures(size, [*ways, peer], 1)
    return found


def _ours(folder: Path, more: int, clone: Path) -> Cost:
    """Return what so many images more add in all steps."""
    taken = {}
    for number in (FEW, FEW + more):
        place = folder / "experiment"
        planned(place, folder / str(number), {"engine": "threshold"}, clone)
        steps = [_traced(step_command(place, name), place, clone) for name in STEPS]
        files = sum(path.is_file() for path in (place / "results").rglob("*"))
        taken[number] = _together(steps, files)
    return _difference([taken[FEW], taken[FEW + more]], more)


def _plainly(folder: Path, more: int) -> Cost:
    taken = []
    for number in (FEW, FEW + more):
        program = str(PEERS / "plain_threshold.py")
        images = map(str, folder.glob(f"{number}/*.tif"))
        words = [sys.executable, program, str(folder / f"plain{number}"), *images]
        taken.append(_together([_traced(words, folder, ROOT)], number))
    return _difference(taken, more)


def _traced(command: list[str], folder: Path, clone: Path) -> Cost:
    calls = folder / "calls.txt"
    wanted = ",".join(f"?{name}" for names in _KINDS.values() for name in names)
    strace = ["strace", "-f", "-qq", "-e", f"trace={wanted}", "-e", "signal=none", "-o", str(calls)]
    taken = cost([*strace, *command], folder, clone)
    # PID NAME(..., or a call that goes on: PID <... NAME resumed>
    lines = calls.read_text(errors="replace").splitlines()
    made = [line.split(maxsplit=1)[1] for line in lines if "resumed>" not in line]
    names = Counter(call.partition("(")[0] for call in made)
    counted = {kind: sum(names[each] for each in of_kind) for kind, of_kind in _KINDS.items()}
    return Cost(taken.seconds, taken.memory, counted)


def _together(taken: list[Cost], files: int) -> Cost:
    """Return what several processes took, and the files that there are after them."""
    kinds = taken[0].counted
    counted = {kind: sum(one.counted[kind] for one in taken) for kind in kinds} | {"files": files}
    return Cost(sum(one.seconds for one in taken), max(one.memory for one in taken), counted)


def _difference(taken: list[Cost], more: int) -> Cost:
    few, many = taken
    each = {
        f"{kind} per image": (many.counted[kind] - few.counted[kind]) / more
        for kind in many.counted
    }
    return Cost(many.seconds, many.memory, each)


if __name__ == "__main__":
    alone(sys.modules[__name__])
