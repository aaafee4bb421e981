"""What the steps of the first day share: where they work, on which cluster, and what they may take of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from segmake.cluster.checks import Cluster
from segmake.cluster.site_proposals import config_of
from segmake.config.load import load_config
from segmake.core import installation
from segmake.core.config import Config
from segmake.core.files import fingerprint
from segmake.core.site import read_site
from segmake.firstday.gpu_minutes import GpuMinutes
from segmake.firstday.nameless import Nameless
from segmake.firstday.step import Skipped
from segmake.messages import Problem, Problems
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError

# The engines with a network, and the model of each that the steps work with: one that its authors publish.
MODELS = {"cellpose3": "cyto3", "cellpose": "cpsam_v2", "omnipose": "bact_phase_omni"}

# Slurm lets a job run on for so long after its limit where a cluster is set to wait for ever.
_FOR_EVER = 24 * 60


@dataclass
class Day:
    """A first day.

    Attributes
    ----------
    folder : Path
        Where the day's work is done, and its outcome is written.
    minutes : GpuMinutes
    names : Nameless
    config : Config
        What holds for the cluster: the site file's, or that of a config that was named.
    here : bool
        Whether all is done on this computer, without Slurm.
    allow_cpu : bool
        Whether the networks may work on the CPU where a GPU can't be used.
    tell : callable
        Takes a line for the screen.
    agree : callable
        Asks the user a question of the catalogue, with its values, and returns whether the answer was yes.
    step : str
        The name of the step that is being done.
    """

    folder: Path
    minutes: GpuMinutes
    names: Nameless
    config: Config
    here: bool
    allow_cpu: bool
    tell: Callable[[str], None]
    agree: Callable[..., bool]
    step: str = ""

    @property
    def work(self) -> Path:
        """The folder of what is not kept."""
        return self.folder / "work"

    @property
    def run_name(self) -> str:
        """What the day's jobs are called in Slurm."""
        return f"segmake-firstday-{fingerprint(str(self.folder.absolute()))[:8]}"

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster, as its settings want to use it.

        Raises
        ------
        Problem
            ``SM-CLU-001`` if Slurm does not answer.
        """
        return Cluster(self.config.settings, self.config.site)

    @cached_property
    def configuration(self) -> dict[str, str]:
        """The configuration of Slurm; empty where there is none.

        Raises
        ------
        Problem
            ``SM-CLU-001`` if Slurm does not answer.
        """
        if self.here:
            return {}
        try:
            return slurm.configuration()
        except SlurmError as error:
            raise Problem("SM-CLU-001", error=slurm.one_line(error)) from None

    @property
    def has_gpu(self) -> bool:
        """Whether there are GPUs, on this computer or in the partition that the jobs go to."""
        if self.here:
            return bool(shutil.which("nvidia-smi")) or any(Path("/dev").glob("nvidia[0-9]*"))
        return self.cluster.gpus > 0

    @property
    def minutes_over(self) -> int:
        """How many minutes Slurm lets a job run on after its limit."""
        over = self.configuration.get("OverTimeLimit", "0").split()[0]
        return int(over) if over.isdigit() else _FOR_EVER

    def engines(self) -> list[str]:
        """Return the engines that the set-up has made here.

        Raises
        ------
        Skipped
            With ``SM-DAY-009`` if there is none.
        """
        if found := [name for name in MODELS if engine_python(name).exists()]:
            return found
        raise Skipped(Problem("SM-DAY-009"))

    def models_folder(self, engine: str) -> Path:
        """Return where the model of an engine is: where those of all users are, or those that this day downloaded."""
        from segmake.engines import models_folder

        usual = models_folder(self.config.settings["segmentation"]["models_folder"])
        names = {MODELS[engine], f"{MODELS[engine]}torch_0"}
        return usual if any((usual / name).is_file() for name in names) else self.work / "models"

    def fresh(self, name: str) -> Path:
        """Return an empty folder for a part of the step that is being done."""
        folder = self.work / self.step / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def engine_python(engine: str) -> Path:
    """Return the Python of an engine that the set-up made; it may not be there."""
    return installation.environments() / engine / "bin" / "python"


def cluster_config(paths: Sequence[Path], *, here: bool) -> Config:
    """Return the settings that say how the cluster is used.

    Parameters
    ----------
    paths : sequence of Path
        Configs, of which the last one counts most; without any, the site file's settings count, and the partition
        with the most GPUs.
    here : bool
        Whether there is no cluster.

    Raises
    ------
    Problem, Problems
        What is wrong with the config or the site file, or ``SM-CLU-001`` if Slurm does not answer.
    """
    site = read_site()
    if site.problems:
        raise Problems(site.problems)
    config = config_of(site)
    if paths:
        *before, last = paths
        # Its engine may need no GPU.
        loaded = load_config(last, images=False, before=before)
        config.settings["cluster"] = loaded.settings["cluster"]
    section: dict[str, Any] = config.settings["cluster"]
    if paths or here or section["partition"]:
        return config
    cluster = Cluster(config.settings, site)
    usable = [one for one in cluster.partitions.values() if one.up and cluster.allows(one)]
    if best := max(
        (one for one in usable if one.gpus), key=lambda one: sum(one.gpus.values()), default=None
    ):
        section["partition"] = best.name
    without = [one for one in usable if not one.gpus and not one.hidden]
    if without and not section["cpu_partition"]:
        section["cpu_partition"] = max(without, key=lambda one: one.minutes or _FOR_EVER).name
    return config
