"""What became of the scripts of a run, and how it is said in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segmake.messages import say
from segmake.messages.numbers import number
from segmake.runner.script_products import NOTHING_KNOWN, Summary
from segmake.scripts.definition.script import WITH


@dataclass(frozen=True)
class Failure:
    """One run of a script that failed.

    Parameters
    ----------
    run : str
        The name of the image, the values of the sweep, ``"seed=1, rate=0.1"``, or both; empty where there is only one
        run.
    code, message, remedy : str
        As of a `Problem`, in the user's language.
    said : str
        The last lines of its log; may be empty, and have any characters.
    log : str
        Path of the log in the results folder.
    attempt : int
    """

    run: str
    code: str
    message: str
    remedy: str
    said: str
    log: str
    attempt: int


@dataclass(frozen=True)
class ScriptResults:
    """What became of a script.

    Parameters
    ----------
    name, file : str
        What the step is called, and the file of the script.
    kind : str
        What it runs over: ``"image"``, ``"dataset"``, ``"sweep"`` (with images or without) or ``"once"``.
    runs, done : int
        How many runs there are, and how many of them went well.
    waiting : int
        Runs that were not made, since what they need failed or is missing.
    seconds : float or None
        The median of a run.
    failures : sequence of Failure
    tables : sequence of str
        Paths in the results folder.
    folder : str
        Its folder in the results folder.
    pictures : sequence of (str, Path)
        Run and absolute path of each picture that it made, in the order of the runs.
    section : Path or None
        A text for the report: ``report.md`` or ``report.html``.
    results : Path
        The results folder, absolute.
    inputs : sequence of (str, int, int)
        Where it did not work on all: of what (a script whose runs it takes; empty: images), on how many, of how many.
    evidence : Summary
        What the runs took and made.
    strays : sequence of str
        Files beside the folders of its runs, as seen from its folder.
    environments : sequence of str
        What runs were made in: names of files in ``environments/history``, without their endings.
    each : str
        How the runs come about, where images and parameters are combined.
    ignored : {"", "images", "parameters"}
        What makes no difference there.
    """

    name: str
    file: str
    kind: str
    runs: int
    done: int
    waiting: int
    seconds: float | None
    failures: Sequence[Failure]
    tables: Sequence[str]
    folder: str
    pictures: Sequence[tuple[str, Path]]
    section: Path | None
    results: Path
    inputs: Sequence[tuple[str, int, int]] = ()
    evidence: Summary = NOTHING_KNOWN
    strays: Sequence[str] = ()
    environments: Sequence[str] = ()
    each: str = ""
    ignored: str = ""


def said_of_inputs(script: ScriptResults) -> list[str]:
    """Return on how many of what it needs a script worked, where that was not all: ``on 16 of 20 images``."""
    found = []
    for name, done, runs in script.inputs if script.done else ():
        section = f"report.scripts.inputs.{'runs' if name else 'images'}"
        found.append(say(section, n=number(done), runs=number(runs), name=name))
    return found


def same_words(failures: Sequence[Failure]) -> list[list[Failure]]:
    """Return failures that say the same, but for the names of their runs, the most frequent first."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in failures:
        said, message = (_without_run(text, failure) for text in (failure.said, failure.message))
        groups.setdefault((failure.code, message, said), []).append(failure)
    return sorted(groups.values(), key=len, reverse=True)


def _without_run(text: str, failure: Failure) -> str:
    """Return a text in which neither the name of a run nor a part of it stands."""
    image, _, label = failure.run.partition(WITH)
    name = Path(image)
    for part in (Path(failure.log).stem, failure.run, label, name.name, name.stem):
        if len(part) > 2:
            text = text.replace(part, "*")
    return text


def listed(names: Sequence[str], most: int) -> str:
    """Return names in a line, the first of them and how many more there are."""
    words, more = ", ".join(names[:most]), len(names) - most
    return say("report.note.more", names=words, n=number(more)) if more > 0 else words
