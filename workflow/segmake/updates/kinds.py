"""The kinds of files that take room: of an experiment, an installation, a home; and what each would cost again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from segmake.core import installation
from segmake.core.caches import own_cache_folder
from segmake.core.declared_steps import MASKS, MEASURE, OVERLAY, SEGMENT, STEPS
from segmake.core.journal import Journal
from segmake.core.json_lines import read_lines
from segmake.core.made_folders import shared_environments
from segmake.core.output_files import TABLES_OF_RUN
from segmake.engines import models_folder
from segmake.runner.run_files import NAMES
from segmake.updates.sizes import Size, size_of

# How it comes back: by a step, by the user's scripts, from the network, by Snakemake, by the set-up, or not at all.
# Of what stays, nothing is deleted here: it is the user's, or SegMake's memory.
Return = Literal["step", "scripts", "network", "itself", "set_up", "never", "stays"]

# Below the results folder, and the step that makes it.
_OF_RESULTS: dict[str, tuple[tuple[str, ...], Return, str]] = {
    "labels": ((".segmake/labels",), "step", SEGMENT),
    "masks": (("masks", "lineages", ".segmake/lineages"), "step", MASKS),
    "outputs": (("rois", "cellpose", "ome_zarr"), "step", MASKS),
    "tables": (("cells", ".segmake/tables"), "step", MEASURE),
    "pictures": (("overlays", ".segmake/thumbnails"), "step", OVERLAY),
    "scripts": (("scripts",), "scripts", ""),
    "failed": (("scripts/_failed",), "never", ""),
    "changed": (("changed",), "never", ""),
    "logs": (("logs",), "never", ""),
    "report": ((*NAMES, *TABLES_OF_RUN), "stays", ""),
    "corrections": (("corrections",), "stays", ""),
    "memory": ((".segmake",), "stays", ""),
}

# Caches of Snakemake, beside what it keeps of each folder; and of what installs packages.
_CACHES = {"snakemake-cache": "snakemake", "uv-cache": "uv", "pip-cache": "pip"}


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Attributes
    ----------
    name : str
    paths : tuple of Path
        Files and folders; what is in them belongs to it.
    back : Return
    step : str
        The step that makes it again.
    apart : tuple of Path
        What lies in these folders, and is of another kind.
    shared : bool
        Whether other programs use it, too.
    """

    name: str
    paths: tuple[Path, ...]
    back: Return
    step: str = ""
    apart: tuple[Path, ...] = ()
    shared: bool = False

    @cached_property
    def size(self) -> Size:
        """The room that it takes."""
        whole = size_of(self.paths)
        within = size_of(self.apart)
        whole.bytes -= within.bytes
        whole.files -= within.files
        return whole


def of_experiment(folder: Path, results: Path) -> list[Kind]:
    """Return what takes room in an experiment.

    Parameters
    ----------
    folder, results : Path
    """
    found = []
    state = results / ".segmake"
    for name, (places, back, step) in _OF_RESULTS.items():
        apart: tuple[Path, ...] = ()
        if name == "scripts":
            apart = (results / "scripts" / "_failed",)
        if name == "memory":
            apart = tuple(state / kind for kind in ("labels", "lineages", "tables", "thumbnails"))
        found.append(Kind(name, tuple(results / place for place in places), back, step, apart))
    own = folder / ".snakemake"
    conda = own / "conda"
    made = folder / ".environments"
    others = tuple(path for path in _inside(own) if path.name not in ("conda", "locks"))
    found.append(Kind("snakemake", others, "itself"))
    if folder.resolve() != installation.home().resolve():
        found.append(Kind("conda", (conda, made), "network"))
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def of_installation() -> list[Kind]:
    """Return what takes room in the folder of SegMake, without its program."""
    home, place = installation.home(), installation.environments()
    found = [Kind("main", (main_environment(),), "set_up")]
    for made in _inside(place):
        if made.is_symlink() or not (made / "bin").is_dir():
            continue
        found.append(Kind(made.name, (made,), "set_up"))
    found.append(Kind("own", (place / "own",), "network"))
    found.append(Kind("conda-shared", (home / ".snakemake" / "conda",), "network"))
    found.append(Kind("cache", (place / "cache",), "network"))
    if folder := shared_environments():
        # Runs of anybody may be at work with them.
        found.append(Kind("of-all", (folder,), "stays"))
    return found


def main_environment() -> Path:
    """Return the folder of the main environment."""
    return (installation.environments() / "main").resolve()


def of_home() -> list[Kind]:
    """Return what takes room in the user's home, or where variables say that such things lie."""
    models = models_folder(None)
    own = own_cache_folder()
    found = [Kind("models", (models,), "network"), Kind("segmake-cache", (own,), "itself")]
    caches = own.parent
    named = {"uv-cache": "UV_CACHE_DIR", "pip-cache": "PIP_CACHE_DIR"}
    for kind, folder in _CACHES.items():
        place = Path(os.environ.get(named.get(kind, "")) or caches / folder)
        back: Return = "itself" if kind == "snakemake-cache" else "network"
        found.append(Kind(kind, (place,), back, shared=True))
    return found


@dataclass
class Cost:
    """The time that it took to make something.

    Attributes
    ----------
    gpu, cpu : float
        Seconds.
    """

    gpu: float = 0.0
    cpu: float = 0.0


def cost_of(kind: Kind, results: Path) -> Cost:
    """Return how long it took to make what is there of a kind, as far as the journals tell."""
    return _cost(tuple(_journal_files(kind, results)))


@cache
def _cost(files: tuple[Path, ...]) -> Cost:
    cost = Cost()
    for file in files:
        # Of an image that was made several times, the last one counts.
        done = {
            line.get("image"): line.get("details") or {}
            for line in read_lines(file)
            if line.get("event") == "done"
        }
        for details in done.values():
            seconds = details.get("seconds")
            if isinstance(seconds, int | float) and details.get("device", "CPU") == "CPU":
                cost.cpu += seconds
            elif isinstance(seconds, int | float):
                cost.gpu += seconds
    return cost


def journals(kind: Kind, results: Path) -> Iterator[Journal]:
    """Yield the journals of what makes a kind."""
    yield from map(Journal, _journal_files(kind, results))


def _journal_files(kind: Kind, results: Path) -> Iterator[Path]:
    state = results / ".segmake"
    of_scripts = _inside(state / "scripts") if kind.back == "scripts" else []
    for place in [state / kind.step] if kind.step in STEPS else of_scripts:
        yield from sorted(place.glob("*.jsonl"))
