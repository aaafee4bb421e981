"""What batches are worth: SegMake on a Slurm cluster against a plain loop, and against one job per image.

    python benchmarks/cluster.py            everything: about half an hour
    python benchmarks/cluster.py --images 40 --single 4      quicker, and less to be relied on

Runs on the test cluster (root; see tests/slurm/cluster.py), on which two jobs at a time compute on one CPU core each.
All times are wall time of one run on one machine, with nothing else at work: only their ratios mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import tifffile
import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.slurm import cluster  # noqa: E402

from segmake.demo.synthetic import draw_field  # noqa: E402

ENGINE_PYTHON = ROOT / ".environments" / "cellpose3" / "bin" / "python"
MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
AT_A_TIME = 2
PROFILE = ("--profile", str(ROOT / "profiles" / "slurm"))


def main() -> None:
    """Run everything, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--single", type=int, default=12, help="images of the run with a job each")
    parser.add_argument("--size", type=int, default=320, help="pixels a side")
    options = parser.parse_args()
    if reason := cluster.why_not():
        sys.exit(reason)
    cluster.start()
    try:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as folder:
            rows = measure(Path(folder), options)
    finally:
        cluster.stop()
    print("| what | wall time | against the loop | Slurm jobs |\n|---|---|---|---|")
    for what, seconds, times, jobs in rows:
        print(f"| {what} | {seconds:.0f} s | {times} | {jobs} |")


def measure(folder: Path, options: argparse.Namespace) -> list[tuple[str, float, str, str]]:
    """Return the rows of the table: what was run, seconds, times the loop's, jobs."""
    images = draw(folder / "images", options.images + 3, options.size)
    new = [image.rename(folder / image.name) for image in images[options.images :]]
    old = images[: options.images]
    loop = time_loops(folder, old)
    rows = [(f"plain loop, {AT_A_TIME} processes", loop, "1", "")]

    def add(what: str, seconds: float, jobs: str = "", *, compare: bool = True) -> None:
        rows.append((what, seconds, f"{seconds / loop:.2f}" if compare else "", jobs))
        print(rows[-1], file=sys.stderr)

    print(rows[-1], file=sys.stderr)
    project = make_project(folder / "own jobs", folder / "images")
    add("SegMake", *time_segmake(project))
    add("SegMake again: nothing to do", *time_segmake(project), compare=False)
    for image in new:
        image.rename(folder / "images" / image.name)
    add("SegMake again: 3 images are new", *time_segmake(project), compare=False)
    seconds = time_single(folder, old[: options.single])
    scaled = seconds * len(old) / options.single
    add(f"one job per image (from {options.single} images)", scaled, str(len(old)))
    return rows


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
    loop = [str(ENGINE_PYTHON), str(ROOT / "benchmarks" / "plain_loop.py"), str(MODEL)]
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


def time_segmake(project: Path, *options: str) -> tuple[float, str]:
    """Run SegMake as a user does, and return the seconds and which jobs were sent."""
    record = project / "results" / ".segmake" / "jobs.jsonl"
    before = _jobs(record)
    began = time.perf_counter()
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]
    subprocess.run([*snakemake, *PROFILE, *options], cwd=project, env=_environment(), check=True)
    seconds = time.perf_counter() - began
    sent = Counter(rule for job, rule in _jobs(record).items() if job not in before)
    words = ", ".join(f"{number} {rule}" for rule, number in sent.items())
    return seconds, f"{sent.total()} ({words})" if sent else "0"


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
        "loop": ROOT / "benchmarks" / "plain_loop.py",
        "model": MODEL,
    }
    words = [f"{key}={value}" for key, value in config.items()]
    snakefile = ROOT / "benchmarks" / "one_job_per_image" / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), *PROFILE]
    # The profile's conda is for the environments of SegMake's own rules; this workflow has none.
    command += ["--software-deployment-method", "env-modules"]
    limits = ("--resources", f"gpus_at_once={AT_A_TIME}", "--config", *words)
    began = time.perf_counter()
    subprocess.run([*command, *limits], cwd=project, env=_environment(), check=True)
    return time.perf_counter() - began


def _jobs(record: Path) -> dict[str, str]:
    if not record.exists():
        return {}
    lines = map(json.loads, record.read_text().splitlines())
    return {line["job"]["id"]: line["job"]["rule"] for line in lines if "job" in line}


def _environment() -> dict[str, str]:
    # One core for each, in the loop as in a job.
    return {**os.environ, "OMP_NUM_THREADS": "1", "SEGMAKE_LANG": "en"}


if __name__ == "__main__":
    main()
