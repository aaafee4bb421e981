"""Says what takes room, whether it can be made again and at what cost, and deletes what the user names.

Of results, only files go that a journal knows, that are as they were made, and that the next run can make again: what
somebody has edited stays, and what belongs to an image that is gone.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segmake.core import installation
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.journal import Entry, as_record
from segmake.messages import Problem, enumerated, joined, say
from segmake.messages.numbers import duration, shown_bytes
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.written_plan import read_plan
from segmake.runner.pipeline import Task
from segmake.runner.records import checksum, is_as_noted
from segmake.runner.script_products import changed_in
from segmake.updates.at_work import results_in, run_in, run_with
from segmake.updates.kinds import (
    Kind,
    cost_of,
    journals,
    main_environment,
    of_experiment,
    of_home,
    of_installation,
)
from segmake.updates.sizes import Size, size_of
from segmake.updates.update import confirmed


@dataclass(frozen=True)
class Place:
    """A folder, and the kinds of files that take room in it.

    Attributes
    ----------
    title : str
    kinds : list of Kind
    """

    title: str
    kinds: list[Kind]


@dataclass(frozen=True)
class Experiment:
    """An experiment: its folder, and that of its results.

    Attributes
    ----------
    folder, results : Path
    """

    folder: Path
    results: Path


def experiment_in(folder: Path) -> Experiment | None:
    """Return the experiment that a folder is, or the results of which it is; None if it is none.

    Raises
    ------
    Problem
        ``SM-SPC-001`` if there is no such folder.
    """
    if not folder.is_dir():
        raise Problem("SM-SPC-001", where=str(folder), folder=folder)
    folder = folder.absolute()
    if (folder / ".segmake").is_dir():
        return Experiment(folder.parent, folder.resolve())
    if (folder / DEFAULT_CONFIG).is_file() or (folder / "results" / ".segmake").is_dir():
        return Experiment(folder, results_in(folder).resolve())
    return None


def places(experiment: Experiment | None) -> list[Place]:
    """Return all places with their kinds."""
    found = []
    if experiment:
        title = say("space.experiment", folder=experiment.folder)
        found.append(Place(title, of_experiment(experiment.folder, experiment.results)))
    found.append(Place(say("space.installation", folder=installation.home()), of_installation()))
    found.append(Place(say("space.home", folder=Path.home()), of_home()))
    return found


def describe(folder: Path) -> str:
    """Return in words what takes room.

    Parameters
    ----------
    folder : Path
        That of an experiment, of results, or any other: then only what people share of SegMake is told.
    """
    experiment = experiment_in(folder)
    lines = [] if experiment else [say("space.no_experiment", folder=folder)]
    for place in places(experiment):
        there = [kind for kind in place.kinds if kind.size.files or kind.size.unread]
        total = sum(kind.size.bytes for kind in there)
        lines += ["", say("space.place", title=place.title, size=shown_bytes(total))]
        width = max((len(kind.name) for kind in there), default=0)
        for kind in sorted(there, key=lambda kind: -kind.size.bytes):
            size = f"{shown_bytes(kind.size.bytes):>10}"
            lines.append(f"  {kind.name:<{width}}  {size}  {_about(kind, experiment)}")
    return "\n".join([*lines, "", say("space.how", option="--delete")]).lstrip("\n")


def _about(kind: Kind, experiment: Experiment | None) -> str:
    told = [say(f"space.kind.{kind.name}") if _is_named(kind) else say("space.engine")]
    told.append(_back(kind, experiment))
    if kind.shared:
        told.append(say("space.shared"))
    if others := kind.size.owners - {os.getuid()}:
        told.append(say("space.others", names=", ".join(sorted(map(_name, others)))))
    if kind.size.unread:
        told.append(say("space.unread", number=kind.size.unread))
    return joined(told)


def _is_named(kind: Kind) -> bool:
    with suppress(KeyError):
        return bool(say(f"space.kind.{kind.name}"))
    return False


def _back(kind: Kind, experiment: Experiment | None) -> str:
    if kind.back in ("step", "scripts") and experiment:
        cost = cost_of(kind, experiment.results)
        time = [say("space.gpu", time=duration(cost.gpu))] if cost.gpu else []
        time += [say("space.cpu", time=duration(cost.cpu))] if cost.cpu or not time else []
        return say(f"space.back.{kind.back}", time=" + ".join(time))
    return say(f"space.back.{kind.back}", size=shown_bytes(kind.size.bytes))


@cache
def _name(owner: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(owner).pw_name
    return str(owner)


def delete(folder: Path, names: Sequence[str], *, yes: bool) -> int:
    """Delete files of some kinds, after a question; return the exit code.

    Parameters
    ----------
    folder : Path
        As `describe` takes it.
    names : sequence of str
    yes : bool
        Whether not to ask.

    Raises
    ------
    Problem
        ``SM-SPC-002`` for a name that is none, ``SM-SPC-003`` for what is never deleted here, ``SM-SPC-004`` while a
        run is at work, ``SM-SPC-005`` for a link, ``SM-SPC-006`` for what can't be deleted.
    """
    experiment = experiment_in(folder)
    kinds = _chosen(places(experiment), names)
    _refuse_while_at_work(kinds, experiment)
    going = {kind.name: list(_going(kind, experiment)) for kind in kinds}
    sizes = {name: size_of(paths) for name, paths in going.items()}
    if not any(size.files for size in sizes.values()):
        print(say("space.nothing"))
        return 0
    for kind in kinds:
        print(_asked(kind, sizes[kind.name], experiment))
    if not yes and not confirmed(
        "space.ask", size=shown_bytes(sum(s.bytes for s in sizes.values()))
    ):
        print(say("space.kept"))
        return 1
    for kind in kinds:
        for path in going[kind.name]:
            remove(path)
        for place in kind.paths:
            _remove_empty(place)
    print(say("space.done", size=shown_bytes(sum(size.bytes for size in sizes.values()))))
    return 0


def _chosen(found: Sequence[Place], names: Sequence[str]) -> list[Kind]:
    kinds = {kind.name: kind for place in found for kind in place.kinds}
    can = [name for name, kind in kinds.items() if kind.back != "stays" and name != "main"]
    for name in names:
        if name not in kinds:
            raise Problem("SM-SPC-002", name=name, known=enumerated(can))
        if name not in can:
            raise Problem("SM-SPC-003", where=str(kinds[name].paths[0]), name=name)
    return [kinds[name] for name in dict.fromkeys(names)]


def _refuse_while_at_work(kinds: Sequence[Kind], experiment: Experiment | None) -> None:
    who = run_in(experiment.folder, experiment.results) if experiment else None
    paths = [path for kind in kinds if kind.back in ("network", "set_up") for path in kind.paths]
    # What lies in a home is used by runs that have the same.
    of_home = [path for path in paths if path.is_relative_to(Path.home())]
    if of_home:
        who = who or run_with([*of_home, main_environment()], home=Path.home())
    if others := [path for path in paths if path not in of_home]:
        who = who or run_with([*others, main_environment()])
    if who:
        raise Problem("SM-SPC-004", who=who)


def _asked(kind: Kind, size: Size, experiment: Experiment | None) -> str:
    """Return what is said of a kind before it is deleted, and what of it stays."""
    line = say(
        "space.goes", name=kind.name, size=shown_bytes(size.bytes), about=_about(kind, experiment)
    )
    left = kind.size.files - size.files
    if kind.back in ("step", "scripts") and left > 0:
        line += "\n" + say("space.stays", number=left)
    return line


def _going(kind: Kind, experiment: Experiment | None) -> Iterator[Path]:
    """Yield the files and folders of a kind that are to go."""
    for place in kind.paths:
        if place.is_symlink():
            raise Problem("SM-SPC-005", where=str(place), path=place, target=os.readlink(place))
    if kind.back in ("step", "scripts") and experiment:
        yield from _made_again(kind, experiment)
        return
    for place in kind.paths:
        if os.path.lexists(place):
            yield place


def _made_again(kind: Kind, experiment: Experiment) -> Iterator[Path]:
    """Yield what of a kind is as SegMake made it, and would be made again as it is."""
    results = experiment.results
    tasks = _tasks(experiment)
    tops = tuple(f"{place.relative_to(results).as_posix()}/" for place in kind.paths)
    for journal in journals(kind, results):
        for image, entry in journal.finished().items():
            task = tasks.get((journal.path.parent.name, image))
            if entry.event != "done" or task is None:
                continue
            if kind.back == "scripts":
                made, folder = entry.details.get("made"), task.outputs[0]
                if made and not changed_in(made, folder) and _is_within(folder, results):
                    yield folder
                continue
            record = as_record(entry.details.get("outputs")) or {}
            for path in [results / name for name in record if name.startswith(tops)]:
                if _is_within(path, results) and _unedited(path, entry, record, results):
                    yield path


def _tasks(experiment: Experiment) -> dict[tuple[str, str], Task]:
    """Return what the last plan has to do for each image of each step, and each run of each script, if it still can."""
    try:
        plan: Plan = read_plan(ResultPaths(experiment.results).plan, experiment.results)
    except (OSError, ValueError, KeyError, TypeError):
        return {}

    @cache
    def exists(path: Path) -> bool:
        return path == Path() or (experiment.folder / path).exists()

    named = [(s, t) for batch in plan.batches.values() for s, ts in batch.tasks.items() for t in ts]
    for name, script in plan.scripts.items():
        named += [(name, task) for tasks in script.batches.values() for task in tasks]
    return {(name, task.image): task for name, task in named if exists(task.path)}


def _is_within(path: Path, results: Path) -> bool:
    """Whether a path leads into the results, and through no link."""
    return os.path.realpath(path) == str(path) and path.is_relative_to(results)


def _unedited(
    path: Path, entry: Entry, record: Mapping[str, tuple[int, str]], results: Path
) -> bool:
    """Whether a file is what was noted of it."""
    name = path.relative_to(results).as_posix()
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISDIR(status.st_mode):
        return is_as_noted(path, record, results)
    if status.st_size != record[name][0]:
        return False
    # It was written before that was noted; a file server may have another clock.
    return status.st_mtime <= entry.time or checksum(path) == record[name][1]


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it; where it is a link, the link alone.

    Raises
    ------
    Problem
        ``SM-SPC-006`` if it can't be deleted.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Problem("SM-SPC-006", where=str(path), path=path, error=error.strerror) from None


def _remove_empty(place: Path) -> None:
    """Remove folders in which nothing is left."""
    if place.is_symlink() or not place.is_dir():
        return
    for folder, _, _ in os.walk(place, topdown=False):
        with suppress(OSError):
            os.rmdir(folder)
