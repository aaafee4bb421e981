"""What a script of the config is, and which runs of it there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

from segmake.core import installation
from segmake.core.declared_steps import MASKS, MEASURE
from segmake.core.files import LONGEST_NAME, fingerprint, result_name, shortened
from segmake.core.settings import Resources, Run, script_section
from segmake.core.settings import Script as Section

# What of SegMake's own a script can work on; other words in `needs` are scripts.
OWN = ("images", "masks", "cells")

# The step of SegMake that makes each of them; the images are there from the start.
MADE_BY = {"masks": MASKS, "cells": MEASURE}

# What a job works off one after the other, where the config does not say: enough to be worth the start of a job.
ROUNDS = 25

# A word in braces, which stands for something else.
PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")

# Between an image and what it is run with: no path, and so no name of an image, has two slashes in a row.
WITH = " // "

# Before the name of a script that SegMake brings.
OF_SEGMAKE = "segmake:"

_UNSAFE = re.compile(r"[^A-Za-z0-9=.,_+-]+")
_LONGEST_NAME = 100

# Of values between the ends of a range so many digits are worth a folder's name.
_DIGITS = Context(prec=6)

# A whole number that is written as a decimal one.
_WHOLE = re.compile(r"((?:\A|=)-?(?:0|[1-9]\d*))\.0+\Z")

# A number of a sweep, in any way that it is written. What begins with a needless zero is more often a name: 007.
_NUMBER = re.compile(
    r"[+-]?(?:(?:0|[1-9]\d{0,30})(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII
)
_EXACT = Context(prec=80)


@dataclass(frozen=True)
class Script:
    """A script of a checked config.

    Attributes
    ----------
    name : str
    file : Path
        As `script_file` returns it.
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
        The names of those of the user's own environment that it sees.
    resources : Resources
    constants : dict
        The values of constants in a copy of the script, by their names (``set``).
    values : dict
        Of variables of its environment.
    design : list of dict
        The parameters of each row of a file, which go together; none: there is no file.
    files : tuple of str
        Patterns of other files that its results depend on.
    protect : bool
        Whether it may write to nothing but its own folder.
    quoted : tuple of str
        The parameters of a sweep that are texts also where they look like numbers.
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
    resources: Resources
    constants: dict[str, Any] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    design: list[dict[str, str]] = field(default_factory=list)
    files: tuple[str, ...] = ()
    protect: bool = True
    quoted: tuple[str, ...] = ()

    @property
    def per_image(self) -> bool:
        """Whether it is run for each image; of one that has parameters, with each combination of these."""
        return self.run == "image"

    @property
    def alone(self) -> bool:
        """Whether there is nothing but a single run of it."""
        return not self.per_image and not self.parameters

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
        """Return each combination of the parameters of a sweep; of any other script, one without any."""
        if not self.parameters:
            return [{}]
        values = list(self.sweep.values())
        points = zip(*values, strict=False) if self.zipped else product(*values)
        runs = [dict(zip(self.sweep, point, strict=True)) for point in points]
        if not self.design:
            return runs
        pairs = zip(self.design, runs, strict=False) if self.zipped else product(self.design, runs)
        return (
            [{**row, **run} for row, run in pairs]
            if self.sweep
            else [{**row} for row in self.design]
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of what differs between the runs of a sweep."""
        return (*self.design[0], *self.sweep) if self.design else tuple(self.sweep)

    @property
    def added(self) -> list[Any]:
        """What decides its results besides its arguments; what is not used is not there, so that results last."""
        swept = sorted(placeholders(self.texts) & {name.lstrip("-") for name in self.parameters})
        used = {"set": self.constants, "variables": self.values, "swept": swept}
        return [[name, value] for name, value in used.items() if value]

    @property
    def texts(self) -> list[Any]:
        """All in which placeholders may stand."""
        return [self.arguments, self.constants, self.values]


def scripts_of(settings: dict[str, Any]) -> dict[str, Script]:
    """Return the scripts of a config whose section ``scripts`` is as the schema says, by their names."""
    quoted = [tuple(section.get("quoted", ())) for section in settings["scripts"]]
    sections = map(script_section, settings["scripts"])
    return {
        section.name: _script(section, texts)
        for section, texts in zip(sections, quoted, strict=True)
    }


def _script(section: Section, quoted: tuple[str, ...]) -> Script:
    needs = section.needs
    if needs is None:
        needs = {"image": ("images",), "dataset": ("cells",)}.get(section.run, ())
    sweep = {key: value for key, value in section.sweep.items() if key != "zip"}
    # All images together, with each combination of parameters, are a sweep that works on them.
    run: Run = "sweep" if section.run == "dataset" and sweep else section.run
    resources = section.resources
    alone = resources.gpu or run in ("dataset", "once")
    size = section.batch_size
    # What a file of a design holds was put in its place.
    rows = sweep.get("file")
    design = sweep.pop("file") if isinstance(rows, list) and isinstance(rows[0], dict) else []
    names, values = variables_of(section.variables)
    return Script(
        name=section.name,
        file=script_file(section.script),
        run=run,
        needs=needs,
        arguments=section.arguments,
        environment=section.environment,
        outputs=section.outputs,
        sweep={key: list(values_of(value)) for key, value in sweep.items()},
        zipped=bool(section.sweep.get("zip")),
        max_runs=section.max_runs,
        batch_size=None if size == "auto" else size,
        parallel=section.parallel or (1 if alone else resources.cpus),
        variables=names,
        resources=resources,
        constants=section.set,
        values=values,
        design=design,
        files=section.files,
        protect=section.protect,
        quoted=quoted,
    )


def script_file(words: str) -> Path:
    """Return the file of a script.

    Parameters
    ----------
    words : str
        As the config names it: a path from the folder in which SegMake is started, or ``segmake:growth_curve.py`` for
        a script that SegMake brings.
    """
    if words.startswith(OF_SEGMAKE):
        return installation.own_scripts() / words.removeprefix(OF_SEGMAKE)
    return Path(words).expanduser()


def variables_of(section: list[str] | dict[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return which variables of the environment a script sees, and those that have a value of the config.

    Parameters
    ----------
    section : list of str or dict
        Names; or names and values, which also a list can have (``NAME=VALUE``).
    """
    if isinstance(section, dict):
        return (), {n: "" if v is None else as_text(v) for n, v in section.items()}
    pairs = (each.partition("=") for each in section if "=" in each)
    return tuple(each for each in section if "=" not in each), {n: v for n, _, v in pairs}


def placeholders(values: Any) -> set[str]:
    """Return the words in braces in values, however nested."""
    if isinstance(values, str):
        return set(PLACEHOLDER.findall(values))
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, list):
        return set()
    return {word for value in values for word in placeholders(value)}


def values_of(value: Any) -> Iterator[str | bool]:
    """Yield the values of a parameter of a sweep: those of a list, or from one number to another; numbers as text.

    A range is counted in decimal numbers: 0.1, 0.2, 0.3, and not 0.30000000000000004.
    """
    if isinstance(value, list):
        yield from (each if isinstance(each, bool) else str(each) for each in value)
        return
    first, last = Decimal(str(value["from"])), Decimal(str(value["to"]))
    for index in range(number_of_values(value)):
        yield format(_point(value, first, last, index).normalize(), "f")


def _point(value: dict[str, Any], first: Decimal, last: Decimal, index: int) -> Decimal:
    """Return a value of a range, which is counted from 0."""
    if factor := value.get("factor"):
        return first * Decimal(str(factor)) ** index
    number = value.get("number")
    if not number:
        return first + index * Decimal(str(value.get("step") or 1))
    # Both ends are as they are written.
    if index in (0, number - 1):
        return last if index else first
    part = Decimal(index) / (number - 1)
    logarithmic = value.get("scale") == "log"
    point = first * (last / first) ** part if logarithmic else first + (last - first) * part
    return _DIGITS.create_decimal(point)


def number_of_values(value: Any) -> int:
    """Return how many values a parameter of a sweep has, without making them."""
    if isinstance(value, list):
        return len(value)
    first, last = Decimal(str(value["from"])), Decimal(str(value["to"]))
    if last < first or (is_logarithmic(value) and first <= 0):
        return 0
    if number := value.get("number"):
        return number
    if factor := value.get("factor"):
        steps = (last / first).ln() / Decimal(str(factor)).ln()
        # Of 0.001, 0.01... 10 the last one is not lost to a rounding.
        return int(steps + Decimal("1e-9")) + 1
    return int((last - first) // Decimal(str(value.get("step") or 1))) + 1


def is_logarithmic(value: dict[str, Any]) -> bool:
    """Whether the values of a range are multiplied from one to the next."""
    return bool(value.get("factor")) or value.get("scale") == "log"


def as_text(value: Any) -> str:
    """Return a value as it goes to a script."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def run_label(parameters: dict[str, str | bool]) -> str:
    """Return what a run of a sweep is called on the screen: ``seed=1, rate=0.1``."""
    return ", ".join(f"{name}={as_text(value)}" for name, value in parameters.items())


def run_of(image: str, label: str) -> str:
    """Return what the run of a script is called for an image, a combination of parameters, or both."""
    return WITH.join(filter(None, (image, label)))


def image_of(script: Script, run: str) -> str:
    """Return the image that a run is for; empty if for none."""
    return run.partition(WITH)[0] if script.per_image else ""


def label_of(script: Script, run: str) -> str:
    """Return the `run_label` of a run; empty if it has no parameters."""
    if not script.parameters:
        return ""
    return run.partition(WITH)[2] if script.per_image else run


def label_meant(label: str, script: Script) -> tuple[str, ...]:
    """Return the parameters that a `run_label` has, in alphabetical order; none where it is not clear which they are.

    Parameters
    ----------
    label : str
    script : Script
        The one whose parameters these are.
    """
    parts = sorted(label.split(", "))
    names = [part.partition("=")[0] for part in parts]
    if sorted(names) != sorted(script.parameters):
        return ()
    pairs = zip(names, parts, strict=True)
    return tuple(part if name in script.quoted else _same_value(part) for name, part in pairs)


def same_number(text: str) -> str:
    """Return a text so that ``1`` and ``1.0``, or ``rate=1`` and ``rate=1.0``, are the same."""
    return _WHOLE.sub(r"\1", text)


def is_number(text: str) -> bool:
    """Whether a text is a number, in any way of writing it."""
    return bool(_NUMBER.fullmatch(text))


def _same_value(text: str) -> str:
    """Return a parameter with its value, so that ``0.5``, ``0.50`` and ``5e-1`` are the same."""
    name, _, value = text.partition("=")
    if not is_number(value):
        return text
    return f"{name}={_EXACT.create_decimal(value).normalize(_EXACT)}"


@lru_cache(1 << 16)
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
        What `run_of` gives; of an image alone, the folder with all of its runs.
    """
    label = label_of(script, run)
    of_label = [folder_name(label)] if label else []
    if script.per_image:
        # In the folder of an image's results without a sweep, no others lie.
        ending = f"{script.name}_sweep" if script.parameters else script.name
        return "/".join([_image_folder(image_of(script, run), ending), *of_label])
    return "".join(of_label)


@lru_cache(1 << 16)
def _image_folder(image: str, ending: str) -> str:
    # A folder of images may be called like an image: without an ending, one folder would be within another. No folder
    # on the way has the same ending.
    *folders, name = result_name(image).split("/")
    same = re.compile(rf"_{re.escape(ending)}_*\Z")
    folders = [f"{each}_" if same.search(each) else each for each in folders]
    # Its log has the same name, and an ending of its own.
    room = LONGEST_NAME - len(f"_{ending}.log")
    return "/".join([*folders, f"{shortened(name, room)}_{ending}"])
