"""What batches are worth: SegMake on a Slurm cluster against a plain loop, and against one job per image.

    python benchmarks/cluster.py                 everything: about a quarter of an hour
    python benchmarks/cluster.py --sizes 40      quicker, and less to be relied on

Runs on the test cluster (root; see tests/slurm/cluster.py), on which two jobs at a time compute on one CPU core each.
All times are wall time of one run on one machine, with nothing else at work: only their ratios mean something.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tifffile
import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks.house import OURS, Cost, Figure, Given, alone  # noqa: E402
from tests.slurm import cluster  # noqa: E402

from segmake.demo.synthetic import draw_field  # noqa: E402

TITLE = "On a Slurm cluster"
NOTE = (
    "Drawn fields of bacteria of 320 x 320 pixels, Cellpose 3 with the demo model on the CPU, on the test cluster: two"
    " jobs at a time with one core each. Wall time of one run; one job per image from 12 images. The loop only"
    " segments; SegMake also measures, draws the before/after pictures and writes the report."
)
UNIT = "images"
CLOCK = "wall time"
SIZES = (200,)
QUICK = ()

LOOP = "plain loop, 2 processes"
NOTHING = "SegMake again: nothing to do"
AGAIN = "SegMake again: 3 images are new"
ONE_EACH = "one job per image (from 12)"
NEW, SINGLE, SIDE = 3, 12, 320
ENGINE_PYTHON = ROOT / ".environments" / "cellpose3" / "bin" / "python"
MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
AT_A_TIME = 2
PROFILE = ("--profile", str(ROOT / "profiles" / "slurm"))


def measure(sizes: list[int], repeats: int, given: Given = Given()) -> list[Figure]:  # noqa: B008
    """Return what so many pictures take on the test cluster; once, however many repeats."""
    why_not = cluster.why_not()
    if not ENGINE_PYTHON.exists():
        why_not = "the environment `cellpose3` is not set up: `bash scripts/setup.sh`"
    if not sizes or why_not:
        return [Figure(size, OURS, why_not=str(why_not)) for size in sizes]
    found = []
    cluster.start()
    try:
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as folder:
                found += _figures(Path(folder), size)
    finally:
        cluster.stop()
    return found


def _figures(folder: Path, number: int) -> list[Figure]:
    """Return the ways of the table, SegMake's first."""
    images = draw(folder / "images", number + NEW, SIDE)
    new = [image.rename(folder / image.name) for image in images[number:]]
    old = images[:number]
    found: dict[str, Figure] = {}

    def add(way: str, seconds: float, jobs: int | None = None, lacks: str = "") -> None:
        counted = {} if jobs is None else {"Slurm jobs": jobs}
        found[way] = Figure(number, way, (Cost(seconds, 0, counted),), lacks)
        print(f"  {found[way]}", file=sys.stderr, flush=True)

    loop = time_loops(folder, old)
    project = make_project(folder / "own jobs", folder / "images")
    add(OURS, *time_segmake(project))
    add(LOOP, loop, lacks="anything but segmentation; going on after a crash")
    add(NOTHING, *time_segmake(project))
    for image in new:
        image.rename(folder / "images" / image.name)
    add(AGAIN, *time_segmake(project))
    single = min(SINGLE, number)
    seconds = time_single(folder, old[:single]) * number / single
    add(ONE_EACH, seconds, number, "anything but segmentation; the model loaded once")
    return list(found.values())


def draw(folder: Path, number: int, size: int) -> list[Path]:
    """Draw so many pictures of bacteria."""
    folder.mkdir()
    paths = []
    for seed in range(number):
        image, _ = draw_field(seed, shape=(size, size), cells="rod", arrangement="colony")
        paths.append(folder / f"field_{seed:03d}.tif")
        tifffile.imwrite(paths[-1], image)
    return paths


def time_loops(folder: Path, images: list[Path]) -> float:
    """Return how long plain loops take, as many side by side as jobs run at a time."""
    loop = [str(ENGINE_PYTHON), str(ROOT / "benchmarks" / "peers" / "plain_loop.py"), str(MODEL)]
    began = time.perf_counter()
    loops = [
        subprocess.Popen([*loop, str(folder / "loop"), *map(str, images[part::AT_A_TIME])], env=_environment())
        for part in range(AT_A_TIME)
    ]  # fmt: skip
    if any([process.wait() for process in loops]):
        sys.exit("a plain loop failed")
    return time.perf_counter() - began


def make_project(folder: Path, images: Path) -> Path:
    """Write a config for the pictures: two batches, two GPUs."""
    (folder / "config").mkdir(parents=True)
    settings = {
        "images": {"folder": str(images)},
        "segmentation": {"engine": "cellpose3", "model": str(MODEL), "allow_cpu": True},
        "cluster": {
            "partition": "gpu",
            "cpu_partition": "cpu",
            "max_gpus": AT_A_TIME,
            "batch_size": len(list(images.iterdir())) // AT_A_TIME,
            "memory_gb": 2,
            "cpus": 1,
        },
    }
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


def time_segmake(project: Path, *options: str) -> tuple[float, int]:
    """Run SegMake as a user does, and return the seconds and how many jobs were sent."""
    record = project / "results" / ".segmake" / "jobs.jsonl"
    before = _jobs(record)
    began = time.perf_counter()
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]
    subprocess.run([*snakemake, *PROFILE, *options], cwd=project, env=_environment(), check=True)
    seconds = time.perf_counter() - began
    return seconds, len(_jobs(record) - before)


def time_single(folder: Path, images: list[Path]) -> float:
    """Return how long the workflow with one job per image takes."""
    project = folder / "single"
    (project / "images").mkdir(parents=True)
    for image in images:
        (project / "images" / image.name).symlink_to(image)
    config = {
        "images": "images",
        "partition": "gpu",
        "python": ENGINE_PYTHON,
        "loop": ROOT / "benchmarks" / "peers" / "plain_loop.py",
        "model": MODEL,
    }
    words = [f"{key}={value}" for key, value in config.items()]
    snakefile = ROOT / "benchmarks" / "peers" / "one_job_per_image" / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), *PROFILE]
    # The profile's conda is for the environments of SegMake's own rules; this workflow has none.
    command += ["--software-deployment-method", "env-modules"]
    limits = ("--resources", f"gpus_at_once={AT_A_TIME}", "--config", *words)
    began = time.perf_counter()
    subprocess.run([*command, *limits], cwd=project, env=_environment(), check=True)
    return time.perf_counter() - began


def _jobs(record: Path) -> set[str]:
    if not record.exists():
        return set()
    lines = map(json.loads, record.read_text().splitlines())
    return {line["job"]["id"] for line in lines if "job" in line}


def _environment() -> dict[str, str]:
    # One core for each, in the loop as in a job.
    return {**os.environ, "OMP_NUM_THREADS": "1", "SEGMAKE_LANG": "en"}


if __name__ == "__main__":
    alone(sys.modules[__name__])
