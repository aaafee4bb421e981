"""A folder of its own for each test, with drawn images, in which Snakemake runs for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
import yaml
from skimage.draw import ellipse

ROOT = Path(__file__).parents[1]
QUICK = "--slurm-init-seconds-before-status-checks"


def installation(folder: Path) -> Path:
    """Make a folder that stands for SegMake's own, with a place for a site file of a test, and return it."""
    folder.mkdir()
    for name in ("workflow", "profiles", ".environments"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


def draw_image(path: Path, cells: int, *, seed: int = 0) -> None:
    """Write a TIFF of 120 x 160 pixels with bright, separate cells, at 0.1 um per pixel."""
    noise = np.random.default_rng(seed).normal(200, 10, (120, 160))
    for number in range(cells):
        rows, columns = ellipse(15 + 28 * (number // 5), 18 + 30 * (number % 5), 6, 10)
        noise[rows, columns] += 2000
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        path,
        noise.astype(np.uint16),
        imagej=True,
        resolution=(10, 10),
        metadata={"unit": "um"},
    )


@dataclass
class Project:
    """A user's folder: a config, images, results."""

    folder: Path
    settings: dict = field(default_factory=dict)
    profile: str = "local"
    root: Path = ROOT
    conda: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.folder / self.settings["results"]

    @property
    def images(self) -> Path:
        return self.folder / self.settings["images"]["folder"]

    def write_config(self) -> None:
        path = self.folder / "config" / "config.yaml"
        path.parent.mkdir(exist_ok=True)
        text = yaml.safe_dump(self.settings, allow_unicode=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")

    def command(self, *options: str) -> list[str]:
        snakefile = self.root / "workflow" / "Snakefile"
        profile = self.root / "profiles" / self.profile
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        # Little work here is worth little waiting.
        own = ["--cores", "2"] if self.profile == "local" else [QUICK, "3"]
        return [*snakemake, "--profile", str(profile), *own, *options]

    def environment(self) -> dict[str, str]:
        # Whether there is a conda is for the test to say, and not for the machine.
        folders = os.environ["PATH"].split(os.pathsep)
        folders = [folder for folder in folders if not Path(folder, "conda").exists()]
        if self.conda:
            folders.insert(0, str(self.conda))
        path = os.pathsep.join(folders)
        return {**os.environ, "SEGMAKE_LANG": "en", "PATH": path, **self.variables}

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user would, from this folder."""
        self.write_config()
        return subprocess.run(
            self.command(*options),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *options: str, said: Path | None = None) -> subprocess.Popen[bytes]:
        """Start Snakemake in a process group of its own; what it says goes to a file, `said` if to no other."""
        self.write_config()
        with (said or self.said).open("wb") as screen:
            run = subprocess.Popen(
                self.command(*options),
                cwd=self.folder,
                env=self.environment(),
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(run)
        return run

    def end(self) -> None:
        """Kill the runs that a test has left, such as one that failed."""
        for run in self.started:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()

    @property
    def said(self) -> Path:
        return self.folder / "said.txt"

    def finished(self, step: str = "segment") -> list[str]:
        """Return the images that a step finished, in the order in which it did."""
        return [line["image"] for line in self.journal(step) if line["event"] == "done"]

    def contents(self, *suffixes: str) -> dict[str, bytes]:
        """Return the bytes of the results with these suffixes."""
        return {
            path.relative_to(self.results).as_posix(): path.read_bytes()
            for path in sorted(self.results.rglob("*"))
            if path.name.endswith(suffixes) and ".segmake" not in path.parts
        }

    def journal(self, step: str = "segment") -> list[dict]:
        """Return every line of every journal of a step."""
        paths = sorted((self.results / ".segmake" / step).glob("*.jsonl"))
        return [line for path in paths for line in whole_lines(path)]

    def computed(self, before: list[dict], step: str = "segment") -> list[str]:
        """Return the images that were worked on since `before` was taken from the journal."""
        lines = [json.dumps(line, sort_keys=True) for line in before]
        return sorted(
            line["image"]
            for line in self.journal(step)
            if line["event"] == "started" and json.dumps(line, sort_keys=True) not in lines
        )

    def tree(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change of every file below the folder, Snakemake's own left out."""
        return {
            str(path.relative_to(self.folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and ".snakemake" not in path.parts
        }


def wait_until(condition: Callable[[], bool], run: subprocess.Popen, seconds: float = 900) -> None:
    """Wait until something has happened in a run that is still going on; a test that waits for ever tells nothing."""
    end = time.monotonic() + seconds
    while not condition():
        assert run.poll() is None, "the run ended before it could be disturbed"
        assert time.monotonic() < end, "the run went on, and what was waited for did not happen"
        time.sleep(0.02)


def whole_lines(path: Path) -> list[dict]:
    """Return the objects in a file of JSON lines that a run adds to: one that is being written is none yet."""
    return list(map(json.loads, path.read_text().rpartition("\n")[0].splitlines()))


def below(pid: int) -> list[psutil.Process]:
    """Return the processes that a process has started, and that these have; none if it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@contextmanager
def still(run: subprocess.Popen) -> Iterator[None]:
    """Let a run's main process stand still: on a busy machine it may be over before one has looked at it."""
    run.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        run.send_signal(signal.SIGCONT)


def settings() -> dict:
    """Return a config with the engine threshold."""
    return {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold", "min_size": 30},
        "results": "results",
    }


def draw_images(folder: Path) -> None:
    """Draw seven images in two folders, the last of them without cells."""
    for number in range(1, 7):
        draw_image(folder / "a" / f"img_{number}.tif", number, seed=number)
    draw_image(folder / "b" / "empty.tif", 0)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Seven drawn images in two folders, the fourth of them cut short, and the engine threshold."""
    project = Project(tmp_path, settings())
    draw_images(project.images)
    whole = (project.images / "a" / "img_4.tif").read_bytes()
    (project.images / "a" / "img_4.tif").write_bytes(whole[: len(whole) // 2])
    # Long ago: else it would count as one that is still being copied.
    os.utime(project.images / "a" / "img_4.tif", (1_700_000_000, 1_700_000_000))
    yield project
