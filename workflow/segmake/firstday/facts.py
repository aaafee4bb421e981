"""What there is: versions, the cluster's settings, and the environments that the set-up made."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from segmake import __version__
from segmake.core import installation
from segmake.environments.making.engine_fit import installed
from segmake.environments.solving.cuda import cuda_of
from segmake.firstday import runs
from segmake.firstday.day import MODELS, Day, engine_python
from segmake.firstday.jobs import Request, options
from segmake.firstday.probes import graphics
from segmake.firstday.step import Figures, Skipped, do_each
from segmake.messages import Problem, say
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError
from segmake.updates.sizes import size_of

# Settings of Slurm that decide how SegMake's jobs fare; none of them names anybody.
SETTINGS = (
    *(
        "SLURM_VERSION",
        "SelectType",
        "SelectTypeParameters",
        "GresTypes",
        "TaskPlugin",
        "ProctrackType",
    ),
    *("AccountingStorageType", "AccountingStorageEnforce", "AccountingStorageTRES"),
    *("JobAcctGatherType", "JobAcctGatherFrequency", "MaxArraySize", "MaxJobCount", "MinJobAge"),
    *("OverTimeLimit", "KillWait", "PrivateData", "EnforcePartLimits", "JobRequeue", "PreemptType"),
    *("PreemptMode", "DefMemPerNode", "DefMemPerCPU", "MaxMemPerNode", "MaxMemPerCPU"),
    *("MessageTimeout", "SchedulerType", "SchedulerParameters", "PrologFlags", "CliFilterPlugins"),
)

# Options of a mount that say how a shared file system keeps locks and what it remembers.
_MOUNT_OPTIONS = (
    "vers",
    "nolock",
    "local_lock",
    "flock",
    "localflock",
    "noflock",
    "actimeo",
    "noac",
)

_PACKAGES = ("snakemake", "snakemake-executor-plugin-slurm", "numpy", "torch")

# What is imported of each engine, as a job does.
_IMPORTS = {
    "cellpose3": "cellpose.models",
    "cellpose": "cellpose.models",
    "omnipose": "cellpose_omni.models",
}


def versions(day: Day, figures: Figures) -> None:
    """Tell the versions of what SegMake stands on."""
    with suppress(OSError):
        figures["system"] = platform.freedesktop_os_release().get("PRETTY_NAME")
    figures |= {
        "kernel": platform.release().partition("-")[0],
        "glibc": platform.libc_ver()[1],
        "processor": platform.machine(),
        "python": platform.python_version(),
        "segmake": __version__,
        "from_a_clone": installation.clone() is not None,
        "shared_installation": installation.is_shared(),
    }
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            figures[name] = metadata.version(name)
    for name, words in (
        ("slurm", ("sinfo", "--version")),
        ("conda", ("conda", "--version")),
        ("uv", (str(Path(sys.prefix) / "bin" / "uv"), "--version")),
        ("git", ("git", "--version")),
    ):
        figures[name] = graphics.said(*words).strip() or None
    if driver := graphics.driver() if shutil.which("nvidia-smi") else None:
        figures["driver_here"] = driver
    figures["file_systems"] = {name: _file_system(path) for name, path in _places(day)}


def _places(day: Day) -> Iterator[tuple[str, Path]]:
    yield "this_folder", day.folder
    yield "home", Path.home()
    yield "environments", installation.environments()
    yield "temporary", Path("/tmp")  # noqa: S108


def _file_system(path: Path) -> dict[str, Any]:
    said = graphics.said("findmnt", "-no", "FSTYPE,OPTIONS", "-T", str(path)).split()
    if len(said) != 2:
        return {"type": graphics.said("stat", "-f", "-c", "%T", str(path)).strip() or None}
    kept = [one for one in said[1].split(",") if one.split("=")[0] in _MOUNT_OPTIONS]
    return {"type": said[0], "options": kept, "free_gb": round(shutil.disk_usage(path).free / 1e9)}


def cluster_settings(day: Day, figures: Figures) -> None:
    """Tell what of Slurm's settings decides how jobs fare, and what the partitions give."""
    found = day.configuration
    figures["settings"] = {name: found[name] for name in SETTINGS if name in found}
    figures["keeps_accounts"] = day.cluster.keeps_accounts
    figures["own_accounts"] = len(slurm.accounts())
    figures["own_qualities"] = len(slurm.qualities())
    if limit := slurm.room():
        figures["jobs_at_once"] = {"limit": limit[0], "word": limit[1]}
    figures["partitions"] = {
        day.names.of(name): {
            "up": one.up,
            "default": one.default,
            "hidden": one.hidden,
            "minutes": one.minutes,
            "memory_mb": one.memory_mb,
            "cpus": one.cpus,
            "gpus": {model or "?": number for model, number in one.gpus.items()},
            "nodes_away": one.incomplete,
        }
        for name, one in sorted(day.cluster.partitions.items())
    }
    figures["request_for_a_gpu"] = {}
    for kind in ("gpus", "gres"):
        section = {**day.config.settings["cluster"], "gpu_request": kind}
        other = {**day.config.settings, "cluster": section}
        if any(one.gpus for one in day.cluster.partitions.values()):
            figures["request_for_a_gpu"][kind] = _taken(day, other)


def _taken(day: Day, settings: dict[str, Any]) -> str:
    """Return whether Slurm takes a request for a GPU that is written in a way, or why not."""
    from dataclasses import replace

    other = replace(day, config=replace(day.config, settings=settings))
    try:
        refusal = slurm.refusal(options(other, day.folder, Request(gpu=True)))
    except SlurmError as error:
        return slurm.one_line(error)
    return slurm.one_line(refusal) if refusal else "taken"


def environments(day: Day, figures: Figures) -> None:
    """Tell what the set-up made of the engines' environments, and how long it takes to begin to work in them."""
    figures["main"] = {"size": _size(Path(sys.prefix))}
    figures["not_set_up"] = sorted(set(MODELS) - set(day.engines()))
    do_each(day.engines(), figures, _environment)


def _environment(engine: str, figures: Figures) -> None:
    python = engine_python(engine)
    packages = installed(python.parents[1])
    names = ("cellpose", "omnipose", "torch", "numpy", "numba", "opencv-python-headless")
    figures |= {
        "versions": {name: packages[name] for name in names if name in packages},
        "cuda": cuda_of(packages),
        "made_by_conda": (python.parents[1] / "conda-meta").is_dir(),
        "size": _size(python.parents[1]),
    }
    for time_of in ("first_import_s", "second_import_s"):
        figures[time_of] = _import_seconds(python, engine)


def _size(folder: Path) -> dict[str, float]:
    found = size_of([folder.resolve()])
    return {"gb": round(found.bytes / 1e9, 2), "files": found.files}


def _import_seconds(python: Path, engine: str) -> float:
    """Return how long it takes until an engine's environment is ready to work.

    Raises
    ------
    Problem
        ``SM-DAY-012`` if it is not.
    """
    command = [str(python), "-P", "-c", f"import {_IMPORTS[engine]}"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [say("phrases.silent")])[-1]
        raise Problem("SM-DAY-012", where=engine, ended=done.returncode, said=said)
    return round(time.perf_counter() - began, 2)


def conda(day: Day, figures: Figures) -> None:
    """Have Snakemake make environments with the conda that is here, in the day's own folder."""
    version = graphics.said("conda", "--version").strip()
    if not version:
        raise Skipped(Problem("SM-DAY-019"))
    figures["conda"] = version
    figures["channel_priority"] = graphics.said(
        "conda", "config", "--get", "channel_priority"
    ).strip()
    if not day.agree("firstday.conda"):
        raise Skipped(Problem("SM-DAY-011"))
    folder = day.fresh("run")
    runs.draw(folder / "images")
    engine = "cellpose3"
    runs.prepare(folder, {"images": {"folder": "images"}, "segmentation": {"engine": engine}})
    own = ("--software-deployment-method", "conda", "--conda-prefix", str(folder / "conda"))
    began = time.monotonic()
    done = runs.run(day, folder, *own, "--conda-create-envs-only", on_cluster=False)
    figures["seconds"] = round(time.monotonic() - began)
    done.refuse_failed()
    made = [path for path in (folder / "conda").iterdir() if (path / "conda-meta").is_dir()]
    figures["made"] = len(made)
    figures["size"] = _size(folder / "conda")
    figures["versions"] = [
        {
            name: found[name]
            for name in ("cellpose", "torch", "numpy", "scikit-image")
            if name in found
        }
        for found in map(installed, made)
    ]
    if not made:
        raise Problem("SM-DAY-014", ended=done.code, said=done.said[-300:])
