"""What the day found: one file of JSON, which is also where the day goes on from, and a page that has it in itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segmake.answers.answer import answer, problem_values
from segmake.core.files import write_atomically
from segmake.firstday.nameless import Nameless
from segmake.firstday.step import Figures, State, Step
from segmake.messages import Problem, language, say
from segmake.messages.numbers import brief, duration

NAME, PAGE = "firstday.json", "firstday.html"
VERSION = 1


@dataclass
class Outcome:
    """What became of a step.

    Attributes
    ----------
    state : {"passed", "failed", "skipped", "not_done"}
    problem : dict or None
        What is wrong, or why it could not be done, as `problem_values` gives it.
    left_out : bool
        Whether it was skipped since the user said so.
    began : str or None
        ISO 8601.
    seconds, gpu_minutes : float
        What it took.
    figures : dict
    """

    state: State = "not_done"
    problem: dict[str, Any] | None = None
    left_out: bool = False
    began: str | None = None
    seconds: float = 0.0
    gpu_minutes: float = 0.0
    figures: Figures = field(default_factory=dict)


@dataclass
class Record:
    """The record of a day, as it is written.

    Attributes
    ----------
    folder : Path
    here : bool
        Whether all was done without Slurm.
    allow_cpu : bool
        Whether the networks may have worked on the CPU.
    agreed : float
        The GPU minutes that may be used.
    spent : list of dict
        What was used of them, job by job.
    outcomes : dict
        Of each step that was begun, by its name.
    """

    folder: Path
    here: bool = False
    allow_cpu: bool = False
    agreed: float = 0.0
    spent: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def answer(self, steps: Iterable[Step], names: Nameless) -> dict[str, Any]:
        """Return what is told of the day, without names."""
        told = []
        for step in steps:
            outcome = self.outcomes.get(step.name, Outcome())
            needs = {"needs": list(step.needs), "gpu_minutes_at_most": step.gpu_minutes}
            own = {**asdict(outcome), "figures": names.clean(outcome.figures)}
            told.append({"name": step.name, "proves": step.proves, **needs, **own})
        problems = [one["problem"] for one in told if one["state"] == "failed"]
        used = sum(one["reserved"] if one["used"] is None else one["used"] for one in self.spent)
        return answer(
            "firstday",
            VERSION,
            problems,
            on_slurm=not self.here,
            cpu_allowed=self.allow_cpu,
            gpu_minutes={"agreed": self.agreed, "used": round(used, 2), "jobs": self.spent},
            steps=told,
        )

    def write(self, steps: Iterable[Step], names: Nameless) -> None:
        """Write the file, and the page."""
        found = self.answer(steps, names)
        with write_atomically(self.folder / NAME) as part:
            part.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="ascii")
        with write_atomically(self.folder / PAGE) as part:
            part.write_text(page(found), encoding="utf-8")


def read(folder: Path) -> Record | None:
    """Return the record of a day that was begun in a folder; None if there is none.

    Raises
    ------
    Problem
        ``SM-DAY-005`` if the file is none of a first day.
    """
    file = folder / NAME
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["answer"] != "firstday" or found["version"] != VERSION:
            raise KeyError(found["answer"])
        kept = {key: found["gpu_minutes"][key] for key in ("agreed", "jobs")}
        names = Outcome.__dataclass_fields__
        outcomes = {
            one["name"]: Outcome(**{key: one[key] for key in names if key in one})
            for one in found["steps"]
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise Problem("SM-DAY-005", where=str(file)) from None
    how = not found["on_slurm"], found["cpu_allowed"]
    return Record(folder, *how, kept["agreed"], kept["jobs"], outcomes)


def problem_of(problem: Problem, names: Nameless) -> dict[str, Any]:
    """Return a problem as it is written: its texts without names, and no file, which is nobody's to know."""
    values = problem_values(problem)
    texts = {key: values[key] for key in ("where", "text", "remedy", "message")}
    return {**values, **names.clean(texts), "file": None}


def page(found: dict[str, Any]) -> str:
    """Return the page of a day, for people, with its JSON for programs."""
    templates = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=templates, undefined=StrictUndefined, autoescape=True)
    rows = [
        {
            **step,
            "state_said": say(f"firstday.state.{step['state']}"),
            "took": duration(step["seconds"]) if step["seconds"] else "",
            "gpu": brief(step["gpu_minutes"]) if step["gpu_minutes"] else "",
            "lines": list(_lines(step["figures"])),
        }
        for step in found["steps"]
    ]
    minutes = {key: brief(found["gpu_minutes"][key]) for key in ("used", "agreed")}
    # A script's text ends at the first "</", whatever it is in.
    text = json.dumps(found, indent=1).replace("</", "<\\/")
    return environment.get_template("page.html").render(
        language=language(), say=say, steps=rows, minutes=minutes, found=found, text=text
    )


def _lines(figures: Any, name: str = "") -> Iterable[tuple[str, str]]:
    """Yield name and value of each figure, however deep it lies."""
    if isinstance(figures, dict):
        for key, value in figures.items():
            yield from _lines(value, f"{name}.{key}" if name else key)
    elif isinstance(figures, list) and any(isinstance(one, dict | list) for one in figures):
        for number, value in enumerate(figures, start=1):
            yield from _lines(value, f"{name}.{number}")
    else:
        shown = ", ".join(map(str, figures)) if isinstance(figures, list) else str(figures)
        yield name, shown
