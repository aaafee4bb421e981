"""For which part of the time that it is held a GPU works, with an emulated network beside the real steps on the CPU.

    python benchmarks/gpu.py --before REVISION

Runs on the test cluster with accounts (root; see tests/slurm/cluster.py): on one GPU, which Slurm alone takes for one,
a batch of images is segmented by a network that only waits, at a given rate of images a second (emulated_network.py).
What is read, written, measured and drawn is real. Both ways are run in turn: an earlier revision of SegMake, and the
working tree. All times are of one run on one machine: only their ratios mean something.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tifffile
import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.slurm import cluster  # noqa: E402

from segmake.demo.synthetic import draw_field  # noqa: E402

# The last revision that did all steps of a small batch in one job.
ONE_JOB = "ff33fed"

# The engine in whose place the emulated network is.
ENGINE = "cellpose3"

# So many different fields are drawn, and written again and again.
FIELDS = 20


@dataclass
class Job:
    """A job in the accounts: whether it had a GPU, when it ran, the cores that it asked for and the CPU time of it."""

    gpu: bool
    started: float
    ended: float
    cores: int
    cpu_seconds: float

    @property
    def seconds(self) -> float:
        return self.ended - self.started


def main() -> None:
    """Run both ways at each rate, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default=ONE_JOB, help="the revision to compare with")
    parser.add_argument("--rates", type=int, nargs="+", default=[10, 50], help="images a second")
    parser.add_argument("--seconds", type=int, default=20, help="time of the network in each run")
    parser.add_argument("--size", type=int, default=320, help="pixels a side")
    parser.add_argument("--cpus", type=int, default=1, help="cores of the segmentation")
    options = parser.parse_args()
    if reason := cluster.why_not():
        sys.exit(reason)
    cluster.start()
    try:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
            folder = Path(name)
            ways = {
                "one job": install_revision(folder / "before", options.before),
                "GPU for the network": install_tree(folder / "now"),
            }
            rows = [measure(folder, rate, ways, options) for rate in options.rates]
    finally:
        cluster.stop()
    print(
        "| images a second | way | GPU held | start and loading | from the loaded model on | network |"
        " held / used | cores used of those asked, with the GPU / without | whole |\n"
        + "|---" * 9
        + "|"
    )
    print("\n".join(line for row in rows for line in row))


def install_revision(folder: Path, revision: str) -> Path:
    """Put a revision of SegMake into a folder, with the emulated network, and return the folder."""
    command = ("git", "archive", revision, "workflow", "profiles")
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return emulate(folder)


def install_tree(folder: Path) -> Path:
    """Put the working tree into a folder, with the emulated network, and return the folder."""
    for name in ("workflow", "profiles"):
        shutil.copytree(ROOT / name, folder / name)
    return emulate(folder)


def emulate(folder: Path) -> Path:
    """Put the emulated network in the place of an engine, whose environment runs it."""
    engine = folder / "workflow" / "segmake" / "engines" / f"{ENGINE}.py"
    shutil.copyfile(ROOT / "benchmarks" / "emulated_network.py", engine)
    (folder / ".environments").symlink_to(ROOT / ".environments")
    return folder


def measure(
    folder: Path, rate: int, ways: dict[str, Path], options: argparse.Namespace
) -> list[str]:
    """Return the rows of a rate."""
    images = draw(folder / f"images_{rate}", rate * options.seconds, options.size)
    rows = []
    for way, root in ways.items():
        project = make_project(folder / f"{root.name}_{rate}", images, rate, options)
        seconds = run(project, root)
        rows.append(row(project, rate, way, seconds))
        print(rows[-1], file=sys.stderr)
    return rows


def draw(folder: Path, number: int, size: int) -> Path:
    """Write so many pictures of bacteria, and return their folder."""
    folder.mkdir()
    fields = [
        draw_field(seed, shape=(size, size), cells="rod", arrangement="sparse", modality="phase")[0]
        for seed in range(FIELDS)
    ]
    for place in range(number):
        tifffile.imwrite(folder / f"field_{place:04d}.tif", fields[place % FIELDS])
    return folder


def make_project(folder: Path, images: Path, rate: int, options: argparse.Namespace) -> Path:
    """Write a config for one batch on one GPU, and the model: a file with the rate."""
    (folder / "config").mkdir(parents=True)
    model = folder / "emulated_network"
    model.write_text(str(rate))
    settings = {
        "images": {"folder": str(images)},
        "segmentation": {"engine": ENGINE, "model": str(model)},
        "cluster": {
            "partition": "gpu",
            "cpu_partition": "cpu",
            "max_gpus": 1,
            "memory_gb": 4,
            "cpus": options.cpus,
            "batch_size": len(list(images.iterdir())),
        },
    }
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder


def run(project: Path, root: Path) -> float:
    """Run SegMake as a user does, and return the seconds that it took."""
    snakefile, profile = root / "workflow" / "Snakefile", root / "profiles" / "slurm"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    command += ["--profile", str(profile), "--software-deployment-method", "env-modules"]
    began = time.perf_counter()
    subprocess.run(command, cwd=project, env={**os.environ, "SEGMAKE_LANG": "en"}, check=True)
    return time.perf_counter() - began


def row(project: Path, rate: int, way: str, seconds: float) -> str:
    """Return a line of the table."""
    jobs = accounts(project)
    with_gpu = [job for job in jobs.values() if job.gpu]
    held = sum(job.seconds for job in with_gpu)
    loaded = {}
    for line in (project / "emulated_network.loaded").read_text().splitlines():
        number, moment = line.split()
        loaded[number] = float(moment)
    worked = sum(job.ended - loaded[number] for number, job in jobs.items() if job.gpu)
    network = sum(
        entry["details"]["phases"]["network"]
        for path in (project / "results" / ".segmake" / "segment").glob("*.jsonl")
        for entry in map(json.loads, path.read_text().splitlines())
        if entry["event"] == "done"
    )
    used = " / ".join(
        cores([job for job in jobs.values() if job.gpu == gpu]) for gpu in (True, False)
    )
    times = (held, held - worked, worked, network)
    return (
        f"| {rate} | {way} | "
        + " | ".join(f"{time:.1f} s" for time in times)
        + f" | {worked / network:.2f} | {used} | {seconds:.0f} s |"
    )


def cores(jobs: list[Job]) -> str:
    """Return how many cores jobs used in the mean, and how many they asked for."""
    if not jobs:
        return "–"
    used = sum(job.cpu_seconds for job in jobs) / sum(job.seconds for job in jobs)
    return f"{used:.1f} of {max(job.cores for job in jobs)}"


def accounts(project: Path) -> dict[str, Job]:
    """Return what the accounts have of the jobs of a project."""
    lines = (project / "results" / ".segmake" / "jobs.jsonl").read_text().splitlines()
    sent = [line["job"] for line in map(json.loads, lines) if "job" in line]
    rules = {job["id"]: job["rule"] for job in sent}
    layout = "JobID,Start,End,AllocCPUS,TotalCPU"
    command = ("sacct", "--noheader", "--parsable2", f"--format={layout}")
    answer = subprocess.run(
        [*command, f"--jobs={','.join(rules)}"],
        env={**os.environ, "SLURM_TIME_FORMAT": "%s"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: dict[str, Job] = {}
    for line in answer.splitlines():
        step, started, ended, asked, cpu = line.split("|")
        number, _, of_job = step.partition(".")
        if not of_job:
            times = float(started), float(ended)
            found[number] = Job(rules[number] == "segment", *times, int(asked), 0.0)
        else:
            found[number].cpu_seconds += _clock(cpu)
    return found


def _clock(text: str) -> float:
    """Return the seconds of ``1-02:03:04`` or ``03:04.567``."""
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + 86400 * int(days or 0)


if __name__ == "__main__":
    main()
