"""Runs of Snakemake in the folder of the day, as a user starts them, each with a config of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from segmake.core import installation
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.declared_steps import SEGMENT
from segmake.core.journal import Entry, Journal
from segmake.demo.synthetic import draw_field
from segmake.firstday.day import MODELS, Day
from segmake.messages import Problem
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.written_plan import read_plan
from segmake.slurm.history import all_jobs
from segmake.slurm.jobs import Sent

# A message of SegMake's: its code, and the lines below it.
_MESSAGE = re.compile(r"^(SM-[A-Z]+-\d+).*(?:\n +.*)*", re.MULTILINE)

# What no run of the day does: the environments that the set-up made are used.
NO_CONDA = ("--software-deployment-method", "env-modules")


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes
    ----------
    folder : Path
    code : int
    said : str
    """

    folder: Path
    code: int
    said: str

    @property
    def folders(self) -> ResultPaths:
        """Where its results are."""
        return ResultPaths(self.folder / "results")

    @property
    def messages(self) -> list[tuple[str, str]]:
        """What SegMake said is wrong: the code and the whole message of each."""
        return [(found[1], found[0]) for found in _MESSAGE.finditer(self.said)]

    @property
    def jobs(self) -> list[Sent]:
        """The jobs that it sent, in their order."""
        return all_jobs(self.folders.jobs)

    @cached_property
    def plan(self) -> Plan:
        """The plan that it worked by."""
        return read_plan(self.folders.plan, self.folders.results)

    def entries(self) -> list[tuple[Entry, Entry]]:
        """Return how the segmentation of each image that is done began and ended."""
        found = []
        for batch in self.plan.batches.values():
            journal = Journal(self.folders.journal(SEGMENT, batch.name))
            for task in batch.tasks[SEGMENT]:
                began, ended = journal.begun(task.image), journal.last(task.image)
                if began and ended and ended.event == "done":
                    found.append((began, ended))
        return found

    def refuse_failed(self) -> None:
        """Raise what went wrong.

        Raises
        ------
        Problem
            ``SM-DAY-014``
        """
        if self.code:
            told = [text for _, text in self.messages] or self.said.strip().splitlines()[-3:]
            raise Problem("SM-DAY-014", ended=self.code, said=" / ".join(told)[:800])


def prepare(folder: Path, settings: dict[str, Any]) -> None:
    """Write the config of a run."""
    config = folder / DEFAULT_CONFIG
    config.parent.mkdir(parents=True)
    text = yaml.safe_dump({**settings, "results": "results"}, allow_unicode=True)
    config.write_text(text, encoding="utf-8")


def draw(folder: Path, number: int = 1, size: int = 320) -> list[Path]:
    """Draw pictures of bacteria, and return their paths; of many, only a few are different ones."""
    import tifffile

    folder.mkdir(parents=True)
    fields = [
        draw_field(
            seed,
            shape=(size, size),
            modality="phase",
            cells="rod",
            arrangement="sparse",
            width=10,
        )[0]
        for seed in range(min(number, 4))
    ]
    paths = [folder / f"field_{place:03d}.tif" for place in range(number)]
    for place, path in enumerate(paths):
        tifffile.imwrite(path, fields[place % len(fields)])
    return paths


def command(day: Day, *options: str, on_cluster: bool = True) -> list[str]:
    """Return how Snakemake is started.

    Raises
    ------
    Problem
        ``SM-DAY-002`` where there is no Snakefile.
    """
    home = installation.clone()
    if home is None:
        raise Problem("SM-DAY-002")
    profile = home / "profiles" / ("slurm" if on_cluster and not day.here else "local")
    snakefile = str(home / "workflow" / "Snakefile")
    words = [sys.executable, "-P", "-m", "snakemake", "--snakefile", snakefile]
    return [*words, "--profile", str(profile), *options]


def run(day: Day, folder: Path, *options: str, on_cluster: bool = True) -> Run:
    """Do a run, whose config `prepare` wrote, and wait for its end."""
    words = command(day, *options, on_cluster=on_cluster)
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            words, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait()
        finally:
            # It cancels its jobs itself.
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait()
    text = (folder / "said.txt").read_text(encoding="utf-8", errors="replace")
    return Run(folder, code, text)


def segmentation(day: Day, engine: str) -> dict[str, Any]:
    """Return the section ``segmentation`` for an engine, with all settings at their defaults."""
    return {
        "engine": engine,
        "model": MODELS[engine],
        "models_folder": str(day.models_folder(engine).absolute()),
        "allow_cpu": day.allow_cpu,
    }


def cluster_section(day: Day, *, minutes: int, memory_gb: float, cpus: int = 2) -> dict[str, Any]:
    """Return the section ``cluster`` of a run of the day."""
    section = day.config.settings["cluster"]
    kept = ("partition", "cpu_partition", "gpu_model", "gpu_request", "account", "qos")
    own = {key: section[key] for key in (*kept, "constraint", "sbatch_options") if section[key]}
    return {**own, "hours": minutes / 60, "memory_gb": memory_gb, "cpus": cpus, "max_gpus": 1}
