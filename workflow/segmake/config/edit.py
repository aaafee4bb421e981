r"""Sets single settings of a config, and says what is in force; all else in the file stays as it is, to the byte.

>>> from pathlib import Path
>>> from segmake.config.edit import DEFAULT, get_value, set_values
>>> Path("images").mkdir()
>>> config = Path("config.yaml")
>>> _ = config.write_text("images: {folder: images}  # mine\nsegmentation:\n  #niter: null\n  engine: cellpose3\n")
>>> changes = set_values(config, {"segmentation.niter": 200, "images.channel": "Phase"})
>>> print(config.read_text(), end="")
images: {folder: images, channel: Phase}  # mine
segmentation:
  niter: 200
  engine: cellpose3
>>> get_value(config, "segmentation.niter"), get_value(config, "segmentation.model")
(200, 'cyto3')
>>> _ = set_values(config, {"segmentation.niter": DEFAULT})
>>> print(config.read_text().splitlines()[2])
  #niter: null
"""

from __future__ import annotations

import copy
import errno
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segmake.config.as_written import with_numbers
from segmake.config.edited_text import edited_text, settings_in
from segmake.config.in_force import get_value
from segmake.config.load import load_config, read_files
from segmake.config.setting_names import names_of
from segmake.config.wanted_settings import DEFAULT, found_keys, put, said
from segmake.config.yaml_lines import read_yaml
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Config, Keys, at
from segmake.core.files import write_atomically
from segmake.messages import Problem, Problems, say

__all__ = [
    "DEFAULT",
    "Change",
    "Proposal",
    "Refused",
    "changed",
    "get_value",
    "new_problems",
    "problems_of",
    "proposed",
    "save",
    "set_values",
]

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


class Refused(Problems):
    """What would be wrong with a config, which was not changed for this reason."""

    def __str__(self) -> str:
        # What has no effect beside what was set can go back to its default with it.
        without = [problem for problem in self.problems if problem.code == "SM-CFG-010"]
        keys = [key for problem in without if (key := getattr(problem.where, "key", ""))]
        lines = [super().__str__(), say("edit.refused")]
        return "\n".join([*lines, *([say("edit.without", keys=shlex.join(keys))] if keys else [])])


@dataclass(frozen=True)
class Change:
    """A setting that was set.

    Attributes
    ----------
    name : str
        As it was asked for.
    before, after : str
        Its value as it stands in a config; empty where the config says none.
    where : str
        The file and line.
    earlier : str
        Where the config said none, what counted by another one that is given with it.
    earlier_where : str
        The file and line of that.
    """

    name: str
    before: str
    after: str
    where: str
    earlier: str = ""
    earlier_where: str = ""


@dataclass(frozen=True)
class Proposal:
    """What a config would be with some settings set.

    Attributes
    ----------
    before, after : bytes
        The file as it is, and as it would be.
    text : str
        What it would say, without a byte order mark.
    old, wanted : dict
        Its settings, as `segmake.config.edited_text.settings_in` returns them.
    named : dict
        The parts of the names of what was asked for.
    """

    before: bytes
    after: bytes
    text: str
    old: dict[str, Any]
    wanted: dict[str, Any]
    named: dict[str, tuple[str, ...]]


def proposed(path: Path, values: Mapping[str, Any]) -> Proposal:
    """Return what a config would be with some settings set; nothing is written.

    Parameters
    ----------
    path : Path
        The config.
    values : mapping
        As `set_values` takes them.

    Raises
    ------
    Problem
        ``SM-EDT-001`` to ``SM-EDT-006``, or that there is no such setting.
    Problems
        What is wrong with the config, if it can't be read.
    """
    named = {name: names_of(name) for name in values}

    def change(old: dict[str, Any]) -> dict[str, Any]:
        wanted = copy.deepcopy(old)
        # A new script begins with its file.
        for name, names in sorted(
            named.items(), key=lambda pair: len(pair[1]) > 2 and pair[1][2:] != ("script",)
        ):
            put(wanted, names, values[name])
        return wanted

    return replace(changed(path, change), named=named)


def changed(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Proposal:
    """Return what a config would be that says something else; nothing is written.

    Parameters
    ----------
    path : Path
        The config.
    change : callable
        Is given what it says, and returns what it is to say, both as `segmake.config.edited_text.settings_in` does.

    Raises
    ------
    Problem
        ``SM-EDT-005``, ``SM-EDT-006``
    Problems
        What is wrong with the config, if it can't be read.
    """
    read_yaml(path)
    content = path.read_bytes()
    marked = content.decode("utf-8")
    text = marked.removeprefix(_MARK)
    old = settings_in(text)
    wanted = change(old)
    new = text if wanted == old else edited_text(text, wanted, where=str(path))
    after = (marked[: len(marked) - len(text)] + new).encode()
    return Proposal(content, after, new, old, wanted, {})


def new_problems(before: Iterable[Problem], after: Iterable[Problem]) -> list[Problem]:
    """Return what would be wrong with a config that is not wrong with it now.

    Parameters
    ----------
    before, after : iterable of Problem
        What `problems_of` returned.
    """
    known = [_kind(problem) for problem in before]
    fresh = []
    for problem in after:
        if (kind := _kind(problem)) in known:
            known.remove(kind)
        else:
            fresh.append(problem)
    return fresh


def set_values(
    path: Path, values: Mapping[str, Any], *, force: bool = False, before: Sequence[Path] = ()
) -> list[Change]:
    """Set settings of a config, all of them or none.

    Parameters
    ----------
    path : Path
        The config.
    values : mapping
        Values by the names of settings, such as ``scripts.growth.arguments.threshold``, in Python's own types or as
        `segmake.config.typed_values.typed_value` returns them; ``DEFAULT`` for one that is no longer to be said. A
        script, or an environment, of a name that the config does not have yet is a new one.
    force : bool
        Whether to set also what is then wrong with the config.
    before : sequence of Path
        Other configs, which count where this one says nothing; they stay as they are.

    Returns
    -------
    list of Change
        What the config now says otherwise; if that is nothing, the file was not touched.

    Raises
    ------
    Problem
        ``SM-EDT-001`` to ``SM-EDT-008``, or that there is no such setting; ``SM-CFG-072`` if one that is no longer to
        be said is said by a config that counts as well.
    Problems
        What is wrong with the config, if it can't be read.
    Refused
        What would be wrong with it that is not so now.
    """
    _refuse_said_before([name for name, value in values.items() if value is DEFAULT], before)
    lines = read_yaml(path)[1]
    plan = proposed(path, values)
    if plan.wanted == plan.old:
        return []
    save(path, plan, force=force, before=before)
    # A setting that became a comment stands where it stood.
    stayed = lines if len(plan.after.splitlines()) == len(plan.before.splitlines()) else {}
    told = Config({}, path, stayed | read_yaml(path)[1])
    found = (
        Change(
            name,
            said(plan.old, names),
            _typed(values[name]),
            told.where(*found_keys(plan.wanted, names)),
        )
        for name, names in plan.named.items()
    )
    changes = [change for change in found if change.before != change.after]
    return _beside_earlier(changes, before) if before else changes


def _beside_earlier(changes: Iterable[Change], before: Sequence[Path]) -> list[Change]:
    """Note in changes of what a config did not say what other configs say of it."""
    earlier, numbers = _earlier(before)
    noted = []
    for change in changes:
        keys = _said_keys(earlier.written, change.name)
        if keys and not change.before:
            value = numbers.get(keys) or in_one_line(at(earlier.written, keys))
            change = replace(change, earlier=value, earlier_where=earlier.where(*keys))
        noted.append(change)
    return noted


def _earlier(before: Sequence[Path]) -> tuple[Config, dict[Keys, str]]:
    """Return what several configs say together, and its numbers as they are written."""
    written, lines, numbers, files = read_files(before[:-1], before[-1])
    return Config({}, before[-1], lines, written, files=files), numbers


def _said_keys(written: dict[str, Any], name: str) -> Keys:
    """Return the keys of a setting; none where nothing is said for it."""
    names = names_of(name)
    keys = found_keys(written, names)
    return keys if len(keys) == len(names) and at(written, keys) is not None else ()


def _refuse_said_before(names: Iterable[str], before: Sequence[Path]) -> None:
    """Refuse to take out what another config, which is not written to, says as well."""
    if not before:
        return
    config, _ = _earlier(before)
    for name in names:
        if keys := _said_keys(config.written, name):
            raise Problem(
                "SM-CFG-072",
                where=config.where(*keys),
                name=name,
                file=shlex.quote(str(config.file_of(*keys))),
                typed=shlex.quote(name),
            )


def _typed(value: Any) -> str:
    """Return a value as it is written into a config; empty where none is."""
    return "" if value is DEFAULT else in_one_line(with_numbers(value))


def save(path: Path, plan: Proposal, *, force: bool = False, before: Sequence[Path] = ()) -> None:
    """Write what is proposed.

    Raises
    ------
    Problem
        ``SM-EDT-007``, ``SM-EDT-008``
    Refused
        What would be wrong with the config that is not so now; nothing with `force`.
    """
    after = [] if force else problems_of(path, plan.text, before)
    now = problems_of(path, before=before) if after else []
    if fresh := new_problems(now, after):
        raise Refused(fresh)
    _write(path, plan.before, plan.after)


def problems_of(path: Path, text: str | None = None, before: Sequence[Path] = ()) -> list[Problem]:
    """Return what is wrong with a config, or would be with another text in its place."""
    try:
        load_config(path, images=False, text=text, before=before)
    except Problems as found:
        return found.problems
    return []


def _kind(problem: Problem) -> tuple[str, dict[str, object]]:
    """Return what a problem is, wherever it stands."""
    return problem.code, problem.values


def _write(path: Path, before: bytes, after: bytes) -> None:
    """Write a file anew where a link leads to, with its owner and rights, if it is as it was when it was read.

    Raises
    ------
    Problem
        ``SM-EDT-007``, ``SM-EDT-008``
    """
    place = path.resolve()
    try:
        with write_atomically(place) as part:
            if not os.access(place, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            part.write_bytes(after)
            shutil.copystat(place, part)
            os.utime(part)
            there = place.stat()
            for owner in (there.st_uid, -1):
                # Who may not give files away may often give them to the group.
                with suppress(OSError):
                    os.chown(part, owner, there.st_gid)
            if place.read_bytes() != before:
                raise Problem("SM-EDT-007", where=str(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise Problem("SM-EDT-008", where=str(path), error=reason) from None
