"""What a script of the config is, and which runs of it there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any, Literal

from segmake.files import fingerprint, result_name

Run = Literal["image", "dataset", "sweep", "once"]

# What of SegMake's own a script can work on; other words in `needs` are scripts.
OWN = ("images", "masks", "cells")

# The step of SegMake that makes each of them; the images are there from the start.
MADE_BY = {"masks": "masks", "cells": "measure"}

# What a job works off one after the other, where the config does not say: enough to be worth the start of a job.
ROUNDS = 25

_UNSAFE = re.compile(r"[^A-Za-z0-9=.,_+-]+")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Script:
    """A script of a checked config.

    Attributes
    ----------
    name : str
    file : Path
        As the config names it: from SegMake's folder.
    run : {"image", "dataset", "sweep", "once"}
    needs : tuple of str
        What it works on: words of `OWN`, and names of other scripts.
    arguments : dict or list
        Options by name, or the whole command line. Numbers are text, as they stand in the config.
    environment : str or None
    outputs : tuple of str
        Patterns of files that it must make.
    sweep : dict
        The values of each parameter, as text; true and false are switches.
    zipped : bool
        Whether the values are taken side by side.
    max_runs : int
    batch_size : int or None
        Runs per job; None: as many as are worth one.
    parallel : int
        Runs at the same time in a job.
    variables : tuple of str
    resources : dict
    protect : bool
        Whether it may write to nothing but its own folder.
    """

    name: str
    file: Path
    run: Run
    needs: tuple[str, ...]
    arguments: dict[str, Any] | list[str]
    environment: str | None
    outputs: tuple[str, ...]
    sweep: dict[str, list[str | bool]]
    zipped: bool
    max_runs: int
    batch_size: int | None
    parallel: int
    variables: tuple[str, ...]
    resources: dict[str, Any]
    protect: bool = True

    @property
    def per_image(self) -> bool:
        """Whether it is run for each image."""
        return self.run == "image"

    @property
    def scripts_needed(self) -> tuple[str, ...]:
        """The other scripts that it works on."""
        return tuple(need for need in self.needs if need not in OWN)

    @property
    def steps_needed(self) -> tuple[str, ...]:
        """The steps of SegMake that have to be done before."""
        return tuple(MADE_BY[need] for need in self.needs if need in MADE_BY)

    @property
    def works_on_images(self) -> bool:
        """Whether it takes anything of SegMake's own."""
        return any(need in OWN for need in self.needs)

    @property
    def runs_per_job(self) -> int:
        """How many images, or runs of a sweep, a job gets at most."""
        return self.batch_size or ROUNDS * self.parallel

    def runs(self) -> list[dict[str, str | bool]]:
        """Return the parameters of each run of a sweep; of any other script, one run without."""
        if self.run != "sweep":
            return [{}]
        values = list(self.sweep.values())
        points = zip(*values, strict=False) if self.zipped else product(*values)
        return [dict(zip(self.sweep, point, strict=True)) for point in points]


def scripts_of(settings: dict[str, Any]) -> dict[str, Script]:
    """Return the scripts of a config whose section ``scripts`` is as the schema says, by their names."""
    return {section["name"]: _script(section) for section in settings["scripts"]}


def _script(section: dict[str, Any]) -> Script:
    run, needs = section["run"], section["needs"]
    if needs is None:
        needs = {"image": ["images"], "dataset": ["cells"]}.get(run, [])
    resources = section["resources"]
    alone = resources["gpu"] or run in ("dataset", "once")
    size = section["batch_size"]
    sweep = {key: value for key, value in section["sweep"].items() if key != "zip"}
    return Script(
        name=section["name"],
        file=Path(section["script"]).expanduser(),
        run=run,
        needs=tuple(needs),
        arguments=section["arguments"],
        environment=section["environment"],
        outputs=tuple(section["outputs"]),
        sweep={key: list(values_of(value)) for key, value in sweep.items()},
        zipped=bool(section["sweep"].get("zip")),
        max_runs=section["max_runs"],
        batch_size=None if size == "auto" else size,
        parallel=section["parallel"] or (1 if alone else resources["cpus"]),
        variables=tuple(section["variables"]),
        resources=resources,
        protect=section["protect"],
    )


def values_of(value: Any) -> Iterator[str | bool]:
    """Yield the values of a parameter of a sweep: those of a list, or from one number to another; numbers as text.

    A range has both of its ends, and is counted in decimal numbers: 0.1, 0.2, 0.3, and not 0.30000000000000004.
    """
    if isinstance(value, list):
        yield from (each if isinstance(each, bool) else str(each) for each in value)
        return
    first, step = Decimal(str(value["from"])), Decimal(str(value.get("step", 1)))
    for number in range(number_of_values(value)):
        yield format((first + number * step).normalize(), "f")


def number_of_values(value: Any) -> int:
    """Return how many values a parameter of a sweep has, without making them."""
    if isinstance(value, list):
        return len(value)
    first, last, step = (Decimal(str(value.get(key, 1))) for key in ("from", "to", "step"))
    return max(0, int((last - first) // step) + 1) if last >= first else 0


def as_text(value: Any) -> str:
    """Return a value as it goes to a script."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def run_label(parameters: dict[str, str | bool]) -> str:
    """Return what a run of a sweep is called on the screen: ``seed=1, rate=0.1``."""
    return ", ".join(f"{name}={as_text(value)}" for name, value in parameters.items())


def folder_name(label: str) -> str:
    """Return a name for the folder of a run: its label, without what a name can't have or that would lead elsewhere.

    Labels that differ have names that differ.
    """
    short = label.replace(", ", ",")
    name = _UNSAFE.sub("_", short)
    # A comma within a value would look like one between two.
    plain = name == short and label.count(",") == label.count(", ")
    if plain and len(name) <= _LONGEST_NAME and name.strip("."):
        return name
    return f"{name[:_LONGEST_NAME].strip('.')}-{fingerprint(label)[:8]}"


def run_name(script: Script, run: str) -> str:
    """Return what the folder and the log of a run are called; empty for a script with a single run.

    Parameters
    ----------
    script : Script
    run : str
        The image's name, or `run_label`.
    """
    if script.per_image:
        # A folder of images may be called like an image: without an ending, one folder would be within another. No
        # folder on the way has the same ending.
        *folders, name = result_name(run).split("/")
        ending = re.compile(rf"_{re.escape(script.name)}_*\Z")
        folders = [f"{each}_" if ending.search(each) else each for each in folders]
        return "/".join([*folders, f"{name}_{script.name}"])
    return folder_name(run) if script.run == "sweep" else ""
