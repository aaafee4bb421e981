"""What the pipeline is worth: SegMake's segmentation against a plain loop over the same pictures, on a GPU or the CPU.

    python benchmarks/engine.py                                   100 pictures, Cellpose 3 with the demo model
    python benchmarks/engine.py --engine cellpose --model FILE    another engine, which the set-up has installed

Both read, segment and write the same pictures in one process, and load the model once. All times are wall time of one
run on one machine, with nothing else at work: only their ratios mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from benchmarks.cluster import draw  # noqa: E402

from segmake.outcome.timing import timing_of  # noqa: E402
from segmake.plan.plan import read_plan  # noqa: E402


def main() -> None:
    """Run both, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="cellpose3")
    parser.add_argument("--model", default=str(ROOT / "resources" / "models" / "segmake_demo_cp3"))
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        folder = Path(name)
        images = draw(folder / "images", options.images, options.size)
        loop = time_loop(folder, images, options)
        segmake = time_segmake(folder, options)
        tell(folder, loop, segmake)


def time_loop(folder: Path, images: list[Path], options: argparse.Namespace) -> float:
    """Return the seconds that a plain loop takes, with the engine's own Python."""
    python = ROOT / ".environments" / options.engine / "bin" / "python"
    loop = [str(python), str(ROOT / "benchmarks" / "plain_loop.py"), options.model]
    began = time.perf_counter()
    subprocess.run([*loop, str(folder / "loop"), *map(str, images)], check=True)
    return time.perf_counter() - began


def time_segmake(folder: Path, options: argparse.Namespace) -> float:
    """Return the seconds that SegMake takes to segment, Snakemake's own included."""
    settings = {
        "images": {"folder": "images"},
        "segmentation": {"engine": options.engine, "model": options.model},
        "cluster": {"batch_size": options.images},
        "results": "results",
    }
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(settings))
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]
    profile = ["--profile", str(ROOT / "profiles" / "local")]
    began = time.perf_counter()
    subprocess.run(
        [*snakemake, *profile, "--until", "segment"],
        cwd=folder,
        env={**os.environ, "SEGMAKE_LANG": "en"},
        check=True,
    )
    return time.perf_counter() - began


def tell(folder: Path, loop: float, segmake: float) -> None:
    """Print what both took, and how long each phase was."""
    os.chdir(folder)
    plan = read_plan(Path("results/.segmake/plan.json"))
    timing = timing_of(plan)
    if timing is None:
        sys.exit("nothing was segmented")
    journal = next(Path("results/.segmake/segment").glob("*.jsonl")).read_text().splitlines()
    device = next(
        entry["details"]["device"]
        for entry in map(json.loads, journal)
        if "device" in entry["details"]
    )
    print(f"\nDevice: {device}\n\n| what | seconds |\n|---|---|")
    rows = {"plain loop": loop, "SegMake": segmake, "of which images were in work": timing.elapsed}
    for what, seconds in (rows | timing.phases).items():
        print(f"| {what} | {seconds:.1f} |")
    print(
        f"\nSegMake / plain loop: {segmake / loop:.2f}; the network was at work {timing.network_share:.0%}"
    )


if __name__ == "__main__":
    main()
