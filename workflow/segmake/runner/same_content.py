"""Knows a file by what is in it, where its time alone is another: it was touched, or copied without its time.

The step that reads an image notes a hash of its file, and of the model's, beside the key. Where a file has the same
size and another time, the plan gives the task the key of the result that is there, too (``before``); a job then looks
at what is in the file, and notes the result under the key of now. The main process opens no file for this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from segmake.core.files import sampled_hash
from segmake.core.journal import Entry, Journal
from segmake.runner.pipeline import Task
from segmake.runner.records import checksum
from segmake.runner.run_step import is_current

# Files of up to so many bytes are looked at as a whole, of larger ones a sample.
WHOLE = 64 * 2**20


def source_note(task: Task, parts: Iterable[str]) -> dict[str, Any]:
    """Return what to note of the file that an image is read from; nothing if it can't be read.

    Parameters
    ----------
    task : Task
    parts : iterable of str
        The files beside it that hold a part of the image.
    """
    size, mtime_ns, arranged = task.file
    names = tuple(parts)
    content = _content(task.path, names, task.file)
    if content is None:
        return {}
    noted = {"size": size, "mtime_ns": mtime_ns, "content": content, "parts": names}
    if arranged:
        noted["arranged"] = arranged
    return {"source": noted}


def weights_note(model: str, weights: Sequence[int] | None) -> dict[str, Any]:
    """Return what to note of a model's file: nothing of one that the engine knows by its name.

    Parameters
    ----------
    model : str
    weights : sequence of int or None
        Size and time of change of the file, as they are in the key.
    """
    if weights is None:
        return {}
    size, mtime_ns = weights
    found = _sha256(model, size, mtime_ns)
    return {"weights": {"size": size, "mtime_ns": mtime_ns, "sha256": found}} if found else {}


def times_before(
    entry: Entry | None, file: tuple[int, int, str], weights: Sequence[int] | None
) -> tuple[int, list[int] | None, str] | None:
    """Return the time of an image's file, and size and time of the model's, as they were when it was segmented.

    Last, what tells the several files of an image. None where they are the same, where more than times is another, or
    where nothing is noted.

    Parameters
    ----------
    entry : Entry or None
        How the segmentation of the image ended last.
    file : tuple
        Size and time of the image's file now, and what tells its several files.
    weights : sequence of int or None
        The same of the model's file, where the config names one.
    """
    if entry is None or entry.event != "done":
        return None
    try:
        source, noted = entry.details["source"], entry.details.get("weights")
        model = [noted["size"], noted["mtime_ns"]] if noted else None
        before = (source["size"], source["mtime_ns"], source.get("arranged", ""))
    # What another version wrote.
    except (KeyError, TypeError):
        return None
    now = list(weights) if weights else None
    if (before, model) == (file, now):
        earlier = entry.details.get("times_before")
        return (earlier[0], earlier[1], earlier[2]) if earlier else None
    same_sizes = before[0] == file[0] and (model or [0])[0] == (now or [0])[0]
    # Which of its files is which plane, and how large each is, is before the point.
    same_planes = before[2].partition(".")[0] == file[2].partition(".")[0]
    return (before[1], model, before[2]) if same_sizes and same_planes else None


def carry_over(
    tasks: Sequence[Task],
    journal: Journal,
    segmented: Journal | None,
    model: str,
    weights: Sequence[int] | None,
) -> list[Task]:
    """Note the results that are there under their keys of now, where what they were made from is the same.

    Parameters
    ----------
    tasks : sequence of Task
    journal : Journal
        That of the step, locked.
    segmented : Journal or None
        For the steps that follow it, that of the segmentation.
    model : str
        The model's file.
    weights : sequence of int or None
        Its size and time, as they are in the keys.

    Returns
    -------
    list of Task
        Those that hold something else, and have to be segmented.
    """
    others = []
    for task in tasks:
        entry = journal.last(task.image)
        if (
            not task.before
            or entry is None
            or not is_current(entry, replace(task, key=task.before))
        ):
            continue
        noted: dict[str, Any] = {}
        if segmented is None:
            if not (noted := _same(task, entry.details, model, weights)):
                others.append(task)
                continue
        elif not was_carried(segmented.last(task.image)):
            continue
        if segmented is None:
            noted["times_before"] = times_before(entry, task.file, weights)
        _carry(task, entry, journal, noted)
    return others


def carry_over_runs(tasks: Sequence[Task], journal: Journal) -> None:
    """Do the same with runs of a script, each with the key (``before``) that it would have for what was the same."""
    for task in tasks:
        entry = journal.last(task.image)
        if entry and task.before and is_current(entry, replace(task, key=task.before)):
            _carry(task, entry, journal, {})


def _carry(task: Task, entry: Entry, journal: Journal, noted: Mapping[str, Any]) -> None:
    if task.before == task.key:
        return
    details = {name: value for name, value in entry.details.items() if name != "overwritten"}
    details |= {**noted, "carried": task.before, "made_at": made_at(entry)}
    journal.add(task.image, "done", task.key, task.attempt, **details)


def was_carried(entry: Entry | None) -> bool:
    """Whether a result counts for a key that it was not made with, since what it was made from is the same."""
    return entry is not None and entry.event == "done" and bool(entry.details.get("carried"))


def made_at(entry: Entry) -> float:
    """Return when a result was made, which may be long before it was carried over: seconds since 1970."""
    return float(entry.details.get("made_at", entry.time))


def _same(
    task: Task, details: Mapping[str, Any], model: str, of_model: Sequence[int] | None
) -> dict[str, Any]:
    """Return what to note of the files of an image and a model now, if the same is in them as before; else nothing."""
    source, weights = details["source"], details.get("weights")
    found = source_note(task, source["parts"])
    if not found or found["source"]["content"] != source["content"]:
        return {}
    if weights:
        now = weights_note(model, of_model)
        if not now or now["weights"]["sha256"] != weights["sha256"]:
            return {}
        found |= now
    return found


# The positions of a file lie in it together.
@cache
def _content(path: Path, parts: tuple[str, ...], _of: tuple[int, int, str]) -> str | None:
    return sampled_hash([path, *(path.parent / part for part in parts)], WHOLE)


@cache
def _sha256(model: str, size: int, mtime_ns: int) -> str | None:
    try:
        return checksum(Path(model).expanduser())
    except OSError:
        return None
