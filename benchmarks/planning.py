"""What a job reads of the plan, by the number of images of the run.

    python benchmarks/planning.py [--before CHECKOUT] [--sizes 1000 10000 100000]

A run begins with all of these images. Measured is what the Snakefile in a job reads, then what a step reads, and the
tasks of that step; neither the start of Python nor what it imports. What is asked where all is done is for `start.py`,
and the first `snakemake -n` for `first_look.py`.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

from benchmarks.experiments import make_images, planned  # noqa: E402
from benchmarks.house import Figure, Given, Way, alone, figures, python  # noqa: E402

TITLE = "What a job reads of the plan"
NOTE = (
    "The plan of a run that begins with so many images, as the Snakefile in a job and one step of it read it, without"
    " the start of Python; *its images* are those of the job's batch."
)
UNIT = "images"
SIZES = (1_000, 10_000)
QUICK = (200,)

_JOB = """
import json, sys, time
from pathlib import Path
from segmake.plan import plan as plans

path = Path(sys.argv[1])
before = time.process_time()
if hasattr(plans, "read_batch"):
    plans.read_outline(path)
    plan = plans.read_batch(path, "0001")
else:
    plans.read_plan(path)
    plan = plans.read_plan(path)
images = len(plan.batches["0001"].tasks["segment"])
print(json.dumps({"counted": {"seconds": time.process_time() - before, "its images": images}}))
"""


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what a job of so many images reads."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
            folder, images = Path(name), Path(name, "images")
            make_images(images, size)
            ways = []
            for title, clone in given.checkouts().items():
                place = folder / title
                planned(place, images, {"engine": "threshold"}, clone, auto=True)
                plan = place / "results" / ".segmake" / "plan.json"
                ways.append(Way(title, partial(python, _JOB, place, clone, plan)))
            found += figures(size, ways, repeats)
    return found


if __name__ == "__main__":
    alone(sys.modules[__name__])
