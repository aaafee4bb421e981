"""Holds the CUDA that packages bring against the driver of the cluster's GPUs.

On PyPI, PyTorch, TensorFlow, JAX and CuPy bring CUDA with them, as packages whose versions say which one. A driver runs
every older CUDA, and newer ones of its own major version: NVIDIA, *CUDA Compatibility*, section "Minor Version
Compatibility" (from CUDA 11 on). So only the major versions are compared.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.core.files import fingerprint, write_atomically
from segmake.core.settings import Settings
from segmake.environments.wanted import catalogue, compatibility
from segmake.environments.wanted.compatibility import major
from segmake.messages import Problem, say
from segmake.slurm.requests import executor_resources, option_words, request_options

# A node that is free answers at once; SegMake waits no longer than a user at the screen would.
PATIENCE_SECONDS = 20

# nvidia-smi's heading; newer ones tell the versions of the driver's two halves apart.
_VERSION = re.compile(r"(\d+(?:\.\d+)*)(?:\s+(\d+\.\d+))?")
_DRIVER = re.compile(r"CUDA (?:UMD )?Version\s*:\s*(\d+\.\d+)")

# Its answer to the question after compute_cap, which drivers before 510 do not know.
_CAPABILITY = re.compile(r"^(\d+\.\d+)\s*$", re.MULTILINE)
_QUESTION = "nvidia-smi; nvidia-smi --query-gpu=compute_cap --format=csv,noheader"

# Packages whose own version is that of CUDA, and those that have it in their names.
_RUNTIME = re.compile(r"cuda-toolkit|nvidia-cuda-runtime(-cu\d+)?")
_NAMED_AFTER = re.compile(r".*-cu(?:da)?(\d\d)(?:x|-.*)?")


def cuda_of(pins: Mapping[str, str]) -> str | None:
    """Return the newest CUDA that packages bring, such as ``"12.8"``, or ``"12"`` if they only say the major version.

    Parameters
    ----------
    pins : mapping
        The version of each package, by its name on PyPI.
    """
    found = []
    for project, version in pins.items():
        if _RUNTIME.fullmatch(project):
            found.append(".".join(version.split(".")[:2]))
        elif named := _NAMED_AFTER.fullmatch(project):
            found.append(named[1])
    return max(found, key=lambda cuda: [int(part) for part in cuda.split(".")], default=None)


def runs(cuda: str | None, driver: str | None) -> bool:
    """Whether a driver runs a CUDA, as far as both are known."""
    return cuda is None or driver is None or major(cuda) <= major(driver)


def fitted(file: Path, driver: str | None, capability: str | None = None) -> str:
    """Return an engine's environment file, with a PyTorch that the driver runs and that has code for the GPUs.

    Parameters
    ----------
    file : Path
        A file of ``workflow/envs``, with pinned packages.
    driver : str or None
        The newest CUDA that the driver supports, such as ``"12.4"``; None: not known.
    capability : str or None
        The compute capability of the GPUs, such as ``"7.0"``; None: not known.

    Returns
    -------
    str
        The text of the file; as it is if it has no PyTorch, or one that fits.

    Raises
    ------
    Problem
        ``SM-ENV-024`` if there is no PyTorch for this driver, ``SM-ENV-029`` if there is none for these GPUs.
    """
    text = _for_driver(file, compatibility.older(driver, capability))
    torch = re.search(r"^ *- torch==(\S+)", text, re.MULTILINE)
    if torch and not compatibility.has_code({"torch": torch[1]}, capability):
        names = {"package": f"torch {torch[1]}", "capability": capability}
        raise Problem("SM-ENV-029", where=file.name, remedy=say("engine.other_gpus"), **names)
    return text


def _for_driver(file: Path, driver: str | None) -> str:
    text = file.read_text(encoding="utf-8")
    written = re.search(r"^ *- torch==", text, re.MULTILINE)
    if driver is None or not written or major(driver) >= max(catalogue.contents()["torch"]):
        return text
    versions = catalogue.torch_for(major(driver))
    if versions is None:
        oldest = str(min(catalogue.contents()["torch"]))
        raise Problem("SM-ENV-024", where=file.name, driver=driver, cuda=oldest)
    for project, version in versions.items():
        text = re.sub(rf"(?m)^( *- {project}==)\S+", rf"\g<1>{version}", text)
    return text


def driver_of_nodes(settings: dict[str, Any], folder: Path, *, ask: bool = True) -> str | None:
    """Return the newest CUDA that the nodes' driver supports: what a node said, now or before; None if none answers.

    Parameters
    ----------
    settings : dict
        The settings of a checked config.
    folder : Path
        Where the answer is kept.
    ask : bool
        Whether to ask a node if no answer is kept.
    """
    return _said_by_a_node(settings, folder, ask=ask)[0]


def ask_a_node(settings: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return what a node says now: the newest CUDA that its driver supports, and its GPUs' compute capability.

    Parameters
    ----------
    settings : dict
        The settings of a checked config.
    """
    words = _ask_node(_srun_options(settings))
    return driver_in(words), capability_in(words)


def capability_of_nodes(settings: dict[str, Any], folder: Path) -> str | None:
    """Return the compute capability of the nodes' GPUs, such as ``"8.6"``; None: not known.

    Parameters
    ----------
    settings : dict
        The settings of a checked config.
    folder : Path
        Where the answer of a node that was asked for its driver is kept: no node is asked for this alone.
    """
    return (
        Settings.of(settings).cluster.compute_capability
        or _said_by_a_node(settings, folder, ask=False)[1]
    )


def _said_by_a_node(
    settings: dict[str, Any], folder: Path, *, ask: bool
) -> tuple[str | None, str | None]:
    """Return the CUDA of the driver, and the compute capability of the GPUs."""
    options = _srun_options(settings)
    kept = folder / f"driver.{fingerprint(options)}.txt"
    with suppress(OSError, ValueError):
        if known := _VERSION.fullmatch(kept.read_text(encoding="ascii").strip()):
            return known[1], known[2]
    if not ask:
        return None, None
    print(say("builder.asking"), file=sys.stderr, flush=True)
    driver, capability = ask_a_node(settings)
    if driver is None:
        print(say("builder.unanswered"), file=sys.stderr)
    else:
        with suppress(OSError), write_atomically(kept) as part:
            part.write_text(f"{driver}\n{capability or ''}\n", encoding="ascii")
    return driver, capability


def _srun_options(settings: dict[str, Any]) -> list[str]:
    """Return how to get what a segmentation job gets, for a moment."""
    section = Settings.of(settings).cluster
    resources = executor_resources(section, gpu=True, accounts=True)
    return [*request_options(resources), *option_words(section.sbatch_options)]


def _ask_node(options: Iterable[str]) -> str:
    """Return what nvidia-smi says on a node; nothing if none answers."""
    command = ["srun", *options, "--ntasks=1", "--time=1", "--mem=500", "--quiet"]
    # Slurm lets go of a request that it can't grant at once.
    command += [f"--immediate={PATIENCE_SECONDS // 2}", "sh", "-c", _QUESTION]
    try:
        answer = subprocess.run(
            command,
            # In a job of its own (scripts/submit.sh), srun would ask for a part of what that job has: no GPU.
            env={k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SLURMD_"))},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout


def driver_here() -> str | None:
    """Return the newest CUDA that the driver of this computer supports; None if it has no GPU."""
    return driver_in(_ask_here())


def capability_here() -> str | None:
    """Return the compute capability of this computer's GPUs, the lowest of several; None if it has none."""
    return capability_in(_ask_here("--query-gpu=compute_cap", "--format=csv,noheader"))


def _ask_here(*options: str) -> str:
    """Return what nvidia-smi says on this computer; nothing if there is none."""
    command = ["nvidia-smi", *options]
    with suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        ).stdout
    return ""


def driver_in(words: str) -> str | None:
    """Return the newest CUDA that a driver supports, from what nvidia-smi says."""
    found = _DRIVER.search(words)
    return found[1] if found else None


def capability_in(words: str) -> str | None:
    """Return the compute capability of a node's GPUs, the lowest of several, from what nvidia-smi says."""
    found = _CAPABILITY.findall(words)
    return min(found, key=lambda one: [int(part) for part in one.split(".")], default=None)
