"""Sends an experiment: the copy of its config, and the files that it needs. Nothing over there is lost by it."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segmake.core.files import readable
from segmake.messages import Problem, Problems, say
from segmake.places.copying import Outcome, copy
from segmake.places.here import Here
from segmake.places.place import File
from segmake.remote.config_copy import ConfigCopy, apart, make_copy, sign_of
from segmake.remote.laptop_paths import Laptop
from segmake.remote.luggage import Luggage, config_problems, pack
from segmake.remote.memory import Memory, is_same, noted, read_memory, write_memory
from segmake.remote.passed_on import Among, Gathered
from segmake.remote.session import Session, own_name
from segmake.remote.shown_progress import shown

# So many files are asked about at once, and so many are named in a message.
_AT_ONCE, _DIGESTS_AT_ONCE = 20, 100
_NAMED = 10


@dataclass(frozen=True)
class Sent:
    """What was sent.

    Attributes
    ----------
    files : Outcome
        Which files are new over there, and which are still being written here.
    config : bool
        Whether the copy of the config is new.
    left : tuple of str
        What can't be sent.
    """

    files: Outcome
    config: bool
    left: tuple[str, ...]


def check(session: Session) -> None:
    """Look whether anything is wrong with the config, as far as this computer alone can tell.

    Raises
    ------
    Problems
        All that is.
    """
    named = make_copy(session.config, Laptop(Path.cwd(), Path.home()), session.place.folder).named
    if problems := config_problems(session.config, named):
        raise Problems(problems)


async def send(session: Session, *, overwrite: bool = False) -> Sent:
    """Bring an experiment's copy up to date.

    Parameters
    ----------
    session : Session
    overwrite : bool
        Whether what was edited over there is replaced; it is kept beside.

    Raises
    ------
    Problem
        ``SM-REM-006`` or ``SM-REM-007`` if the copy of the config is another one than was sent from here,
        ``SM-REM-008`` if other files are; what a connection may raise.
    Problems
        What is wrong with the folders of images.
    """
    laptop = await session.laptop()
    folder = session.place.folder
    config = make_copy(session.config, laptop, folder)
    session.named = config.named
    if laptop.shared(str(session.experiment)) == folder.rstrip("/"):
        # It works in this very folder.
        return Sent(Outcome((), ()), False, ())
    luggage = await asyncio.to_thread(pack, session.config, config.named, laptop)
    luggage.paths.pop(session.config.as_posix(), None)
    memory = read_memory(session.experiment, session.place)
    edited = await _edited(session, luggage, memory)
    if edited and not overwrite:
        _refuse(session, edited)
    is_new = await _send_config(session, config, memory, overwrite=overwrite)
    await _keep(session, edited)
    await _remember(session, luggage, memory)
    outcome = await _send_files(session, luggage)
    left = dict.fromkeys(readable(str(path)) for path in luggage.left)
    return Sent(outcome, is_new, tuple(left))


async def _send_files(session: Session, luggage: Luggage) -> Outcome:
    folder = session.place.folder
    target = Among(session.computer, luggage.folders, luggage.single)
    source = Gathered(Here(), luggage.paths)
    with shown(say("remote.sending_files", host=session.place.host)) as tell:
        return await copy((source, ""), (target, folder), tell=tell)


# The config


async def _send_config(
    session: Session, config: ConfigCopy, memory: Memory, *, overwrite: bool
) -> bool:
    """Write the copy of the config, if the one that is there is an earlier one from here; return whether it was."""
    name = session.config.as_posix()
    there = await _read(session, name)
    sign = sign_of(config.body)
    if there is not None:
        body, signed = apart(there)
        known = sign_of(body) in memory.configs.get(name, [])
        if not known and body != config.body and not overwrite:
            raise _difference(session, config.body, body, edited=sign_of(body) != signed)
        if not known and body != config.body:
            await _write(session, f"{name}.{sign_of(body)[:8]}", there)
    memory.configs[name] = noted(memory.configs.get(name, []), sign)
    write_memory(session.experiment, memory)
    if there is not None and body == config.body:
        return False
    await _write(session, name, config.with_note(own_name(), session.experiment / session.config))
    return True


def _difference(session: Session, own: str, there: str, *, edited: bool) -> Problem:
    """Return that the copy is another one, with the lines that differ."""
    name = session.config.as_posix()
    lines = difflib.unified_diff(
        session.own_words(there).splitlines(),
        session.own_words(own).splitlines(),
        say("remote.there", host=session.place.host),
        say("remote.here"),
        lineterm="",
        n=1,
    )
    names = {"host": session.place.host, "difference": "\n  ".join(map(readable, lines))}
    return Problem("SM-REM-006" if edited else "SM-REM-007", where=name, **names)


async def _read(session: Session, name: str) -> str | None:
    path = f"{session.place.folder}/{name}"
    if await session.computer.look(path) is None:
        return None
    pieces = [piece async for piece in session.computer.read(path)]
    return b"".join(pieces).decode(errors="replace")


async def _write(session: Session, name: str, text: str) -> None:
    files = [(name, time.time(), text.encode())]
    await session.computer.write_many(session.place.folder, files)


# Other files that somebody may have edited over there


async def _edited(session: Session, luggage: Luggage, memory: Memory) -> list[str]:
    """Return the files over there that are neither as they are here, nor as they were sent from here."""
    names = sorted(luggage.guarded - {session.config.as_posix()})
    there = await _looked(session, names)
    here = await Gathered(Here(), {name: luggage.paths[name] for name in names}).files("")
    others = [
        name
        for name, file in there.items()
        if name in here
        and not is_same(file, (here[name].size, here[name].time))
        and not any(is_same(file, state) for state in memory.sent.get(name, []))
    ]
    # A copy of the experiment on another laptop may have other times.
    alike = [name for name in others if there[name].size == here[name].size]
    equal = await _equal(session, {name: luggage.paths[name] for name in alike})
    return [name for name in others if name not in equal]


async def _equal(session: Session, paths: Mapping[str, str]) -> set[str]:
    """Return the files over there that hold the same as those here."""
    names = list(paths)
    found: set[str] = set()
    for first in range(0, len(names), _DIGESTS_AT_ONCE):
        some = names[first : first + _DIGESTS_AT_ONCE]
        words = ["sh", "-c", _DIGESTS, "sh", *(f"./{name}" for name in some)]
        answer = await session.computer.run(words, folder=session.place.folder)
        own = await asyncio.gather(*(asyncio.to_thread(_digest, paths[name]) for name in some))
        lines = answer.text.split("\n")
        found |= {
            name for name, digest, line in zip(some, own, lines, strict=False) if digest in line
        }
    return found


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _looked(session: Session, names: Sequence[str]) -> dict[str, File]:
    """Return what is known of those files that are over there."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def look(name: str) -> File | None:
        async with few:
            return await session.computer.look(f"{session.place.folder}/{name}")

    found = await asyncio.gather(*map(look, names))
    return {name: file for name, file in zip(names, found, strict=True) if file}


def _refuse(session: Session, edited: Sequence[str]) -> None:
    names = [*map(readable, edited[:_NAMED]), *(["..."] if len(edited) > _NAMED else [])]
    values = {"host": session.place.host, "number": len(edited), "files": ", ".join(names)}
    raise Problem("SM-REM-008", where=session.place.host, **values)


async def _keep(session: Session, names: Iterable[str]) -> None:
    """Keep files over there beside those that are sent."""
    for name in names:
        path = f"{session.place.folder}/{name}"
        await session.computer.run(["sh", "-c", _KEEP, "sh", path])


# sh FILE...: prints a line for each.
_DIGESTS = 'for one; do sha256sum <"$one" || echo; done'

# sh FILE: gives it another name, which no file has yet.
_KEEP = """
number=1
while [ -e "$1.before-$number" ]; do number=$((number + 1)); done
mv -- "$1" "$1.before-$number"
"""


async def _remember(session: Session, luggage: Luggage, memory: Memory) -> None:
    """Remember what is sent before it is: also if it is cut, none of it is somebody else's."""
    here = await Gathered(Here(), {name: luggage.paths[name] for name in luggage.guarded}).files("")
    for name, file in here.items():
        memory.sent[name] = noted(memory.sent.get(name, []), (file.size, file.time))
    write_memory(session.experiment, memory)
