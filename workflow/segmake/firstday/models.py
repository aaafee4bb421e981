"""The models that the engines' authors publish: downloaded by SegMake's own code, loaded, their checksums noted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.config.schema import schema, with_defaults
from segmake.core import installation
from segmake.engines import models_folder
from segmake.firstday.day import Day, engine_python
from segmake.firstday.jobs import PROBES
from segmake.firstday.step import Figures, Skipped, do_each
from segmake.messages import Problem, say
from segmake.updates.space import shown_bytes

# Those that are downloaded: what biologists take first, and what the steps work with.
PUBLISHED = {
    "cellpose3": ("cyto3", "bact_phase_cp3", "bact_fluor_cp3"),
    "cellpose": ("cpsam_v2", "cpsam"),
    "omnipose": ("bact_phase_omni", "bact_fluor_omni"),
}


def models(day: Day, figures: Figures) -> None:
    """Download what is not here yet, and note the checksums of all."""
    sizes: dict[str, dict[str, dict[str, int]]] = {}
    engines = day.engines()
    for engine in engines:
        with suppress(Skipped):
            sizes[engine] = _ask(day, "sizes", engine, _settings(day, engine))
    found = [
        size for models in sizes.values() for files in models.values() for size in files.values()
    ]
    free = _free(day.folder)
    figures["to_download"] = {"files": len(found), "bytes": sum(found), "free_bytes": free}
    if sum(found) * 1.1 > free:
        needed = {"needed": shown_bytes(sum(found)), "free": shown_bytes(free)}
        raise Skipped(Problem("SM-DAY-018", where=str(day.folder), **needed))
    words = {"number": len(found), "size": shown_bytes(sum(found)), "free": shown_bytes(free)}
    if found and not day.agree("firstday.download", **words):
        raise Skipped(Problem("SM-DAY-011"))

    def fetch(engine: str, own: Figures) -> None:
        wanted = _settings(day, engine)
        # Where the server can't be reached, those that are here are looked at all the same.
        here = wanted if engine in sizes else [one for one in wanted if _is_here(day, one)]
        if here:
            own |= _ask(day, "fetch", engine, here)
        if len(here) < len(wanted):
            _ask(day, "sizes", engine, wanted)

    do_each(engines, figures, fetch)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _is_here(day: Day, settings: dict[str, Any]) -> bool:
    return settings["models_folder"] != str(day.work / "models")


def _settings(day: Day, engine: str) -> list[dict[str, Any]]:
    """Return the section ``segmentation`` for each model of an engine, with the folder in which it is or will be."""
    usual = models_folder(day.config.settings["segmentation"]["models_folder"])
    found = []
    for model in PUBLISHED[engine]:
        # Omnipose and the older models of Cellpose have other names for their files.
        there = any(path.is_file() for path in (usual / model, usual / f"{model}torch_0"))
        own = {"engine": engine, "model": model}
        own["models_folder"] = str(usual if there else day.work / "models")
        written = {"images": {"folder": "."}, "segmentation": own}
        found.append(with_defaults(written, schema(), engine)["segmentation"])
    return found


def _ask(day: Day, task: str, engine: str, settings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the probe says, in the environment of an engine.

    Raises
    ------
    Problem
        ``SM-DAY-012`` if it says nothing that can be understood.
    Skipped
        With ``SM-DAY-008`` if the server of the models can't be reached.
    """
    (day.work / "models").mkdir(parents=True, exist_ok=True)
    words = [str(engine_python(engine)), "-P", str(PROBES / "weights.py"), task, engine]
    done = subprocess.run(
        [*words, *map(json.dumps, settings)],
        env=engine_environment(day),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        said = (done.stderr.strip().splitlines() or [say("phrases.silent")])[-1]
        raise Problem("SM-DAY-012", where=engine, ended=done.returncode, said=said) from None
    if error := answer.get("error"):
        problem = Problem("SM-DAY-008", where=engine, error=error)
        raise Skipped(problem) if task == "sizes" else problem
    return answer


def engine_environment(day: Day) -> dict[str, str]:
    """Return the variables with which an engine's Python finds SegMake, as a job's does."""
    installation.link_package(day.work)
    package: Path = installation.python_path(day.work)
    return {**os.environ, "PYTHONPATH": str(package), "PYTHONNOUSERSITE": "1"}
