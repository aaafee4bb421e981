"""Finds the cells of one plane with the step that runs take.

``python -m segmake.look.segmented`` runs in an engine's environment: it is asked in JSON on its standard input, and
each line that it answers is JSON: ``loading``, then what the engine says of itself with ``done``; or a ``problem``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from segmake import engines
from segmake.core.absent_packages import absent
from segmake.core.disk import disk_problem
from segmake.core.files import error_line, readable
from segmake.core.settings import Settings
from segmake.messages import Problem
from segmake.runner.pipeline import Task
from segmake.steps.segmentation import Segmentation


class _Settings:
    """As much of a plan as the step asks for."""

    def __init__(self, settings: dict[str, Any], file_sets: dict[str, Any]) -> None:
        self.settings, self.file_sets = settings, file_sets
        self.typed = Settings.of(settings)
        # What is tried leaves no note of the file of its model.
        self.weights = None


def segment(question: dict[str, Any], answers: IO[bytes]) -> None:
    """Write the labels of one plane, and say how far that is."""
    section = question["segmentation"]
    engine = engines.engine(section["engine"])
    if section["engine"] in engines.BUILTIN_MODELS:
        engine.fetch(section)
    path = Path(question["path"])
    task = Task(path.name, path, question["position"], 0, "", 1, (Path(question["labels"]),))
    files = question.get("files")
    settings = {"images": question["images"], "segmentation": section}
    plan: Any = _Settings(settings, {path.name: files} if files else {})
    step = Segmentation(plan, lambda _: None)
    read = step.read(task)
    # The model is the first that is said, since it is what takes long.
    say(answers, {"loading": True})
    noted = step.finish(task, step.compute(task, read))
    told = {"model": noted["model"], "device": noted["device"]}
    say(answers, {**told, "estimated": noted.get("diameter_estimated"), "done": True})


def say(answers: IO[bytes], what: dict[str, Any]) -> None:
    """Write a line, at once."""
    answers.write(json.dumps(what, default=str).encode() + b"\n")
    answers.flush()


def main() -> None:
    """Answer one question."""
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    question = json.load(sys.stdin.buffer)
    try:
        segment(question, answers)
    except ModuleNotFoundError as error:
        missing = absent(error.name or str(error))
        say(answers, {"problem": [missing.code, missing.where, missing.values]})
    except Exception as error:
        problem = error if isinstance(error, Problem) else disk_problem(error, Path())
        problem = problem or Problem("SM-RUN-001", error=readable(error_line(error)))
        say(answers, {"problem": [problem.code, problem.where, problem.values]})


if __name__ == "__main__":
    main()
