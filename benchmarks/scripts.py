"""What batches are worth for a user's script: SegMake on a Slurm cluster against one job per image.

    python benchmarks/scripts.py            about 15 minutes
    python benchmarks/scripts.py --images 40 --single 4      quicker, and less to be relied on

Runs on the test cluster (root; see tests/slurm/cluster.py), in which two jobs of one core each work at a time. The
script waits for two seconds, so that the number of this machine's cores plays no part in it. All times are wall time of
one run on one machine, with nothing else at work: only their ratio means something.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.slurm import cluster  # noqa: E402

AT_A_TIME = 2
PROFILE = ("--profile", str(ROOT / "profiles" / "slurm"))
SCRIPT = """\
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--input")
parser.add_argument("--output-dir")
parser.parse_args()
time.sleep(2)
"""


def main() -> None:
    """Run everything, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--single", type=int, default=20, help="images of the run with a job each")
    options = parser.parse_args()
    if reason := cluster.why_not():
        sys.exit(reason)
    cluster.start()
    try:
        with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as folder:
            batched, single = measure(Path(folder), options.images, options.single)
    finally:
        cluster.stop()
    print("| what | wall time | against SegMake |\n|---|---|---|")
    print(f"| SegMake, {options.images} images | {batched:.0f} s | 1 |")
    what = f"one job per image (from {options.single} images)"
    print(f"| {what} | {single:.0f} s | {single / batched:.2f} |")


def measure(folder: Path, images: int, single: int) -> tuple[float, float]:
    """Return the seconds of SegMake, and of one job per image as they would be for all images."""
    (folder / "images").mkdir()
    (folder / "few").mkdir()
    (folder / "script.py").write_text(SCRIPT)
    picture = np.random.default_rng(0).integers(90, 110, (64, 64), dtype=np.uint16)
    for number in range(images):
        path = folder / "images" / f"field_{number:03d}.tif"
        tifffile.imwrite(path, picture)
        if number < single:
            (folder / "few" / path.name).symlink_to(path)
    return time_segmake(folder, images), time_single(folder) * images / single


def time_segmake(folder: Path, images: int) -> float:
    """Return the seconds that the script alone takes: the images are segmented before."""
    settings = {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold"},
        "cluster": {"partition": "gpu", "cpu_partition": "cpu", "memory_gb": 1, "cpus": 1},
    }
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]

    def run() -> float:
        (folder / "config").mkdir(exist_ok=True)
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(settings))
        began = time.perf_counter()
        subprocess.run([*snakemake, *PROFILE], cwd=folder, env=_environment(), check=True)
        return time.perf_counter() - began

    run()
    resources = {"cpus": 1, "memory_gb": 1}
    script = {"name": "wait", "script": "script.py", "resources": resources}
    # Two jobs, as many as work at a time.
    settings["scripts"] = [script | {"batch_size": images // AT_A_TIME}]
    return run()


def time_single(folder: Path) -> float:
    """Return how long the workflow with one job per image takes."""
    config = {"images": "few", "partition": "cpu", "python": sys.executable}
    words = [f"{key}={value}" for key, value in (config | {"script": "script.py"}).items()]
    snakefile = ROOT / "benchmarks" / "peers" / "one_job_per_run" / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), *PROFILE]
    # The profile's conda is for the environments of SegMake's own rules; this workflow has none.
    command += ["--software-deployment-method", "env-modules"]
    limits = ("--resources", f"jobs_at_once={AT_A_TIME}", "--config", *words)
    began = time.perf_counter()
    subprocess.run([*command, *limits], cwd=folder, env=_environment(), check=True)
    return time.perf_counter() - began


def _environment() -> dict[str, str]:
    return {**os.environ, "SEGMAKE_LANG": "en"}


if __name__ == "__main__":
    main()
