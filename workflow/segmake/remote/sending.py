"""Sends an experiment: the copy of its config, and the files that it needs. Nothing over there is lost by it."""

from __future__ import annotations

import asyncio
import difflib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segmake.config.edited_text import settings_in
from segmake.config.yaml_lines import read_yaml
from segmake.core.config import Config
from segmake.core.files import listed, readable
from segmake.core.settings import Images
from segmake.images.set_image import other_files
from segmake.messages import Problem, Problems, say
from segmake.messages.numbers import shown_bytes
from segmake.places import copying
from segmake.places.copying import Outcome, copy
from segmake.places.here import Here
from segmake.places.place import File
from segmake.places.progress import Progress
from segmake.remote.arrival import memory_of
from segmake.remote.claims import claim
from segmake.remote.config_copy import ConfigCopy, apart, make_copy, sign_of
from segmake.remote.gone import absent_images, foreign, move_aside, set_aside
from segmake.remote.group_folders import open_to_group
from segmake.remote.laptop_paths import Laptop
from segmake.remote.luggage import Luggage, config_problems, is_in, pack, pack_one
from segmake.remote.memory import Memory, is_same, noted, noting, read_memory, state_of
from segmake.remote.passed_on import Among, Gathered
from segmake.remote.patience import Show
from segmake.remote.runs import keep_own
from segmake.remote.session import Session, own_name
from segmake.remote.shown_progress import Showing, shown

# What may be gone over with, if the user knows of it: images that only the other computer has.
ONLY_THERE = ("SM-REM-070", "SM-REM-071")

# So many bytes are read before anybody wonders.
_QUICKLY_READ = 100_000_000


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
    aside : tuple of str
        What was sent earlier, is not here any more, and was set aside over there.
    foreign : tuple of str
        Images over there that are not here, and were not sent from here as they are.
    stay : tuple of str
        Other files of this kind.
    """

    files: Outcome
    config: bool
    left: tuple[str, ...]
    aside: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    stay: tuple[str, ...] = ()


def check(session: Session) -> None:
    """Look whether anything is wrong with the config, or the experiment a copy, as far as this computer alone can tell.

    Raises
    ------
    Problem
        ``SM-REM-055`` if another folder of this computer is computed in the same place.
    Problems
        All that is wrong with the config.
    """
    named = make_copy(session.config, Laptop(Path.cwd(), Path.home()), session.place.folder).named
    if problems := config_problems(session.config, named):
        raise Problems(problems)
    claim(session.experiment, session.place)


@dataclass(frozen=True)
class Ahead:
    """What would be sent.

    Attributes
    ----------
    files, bytes : int
        New or changed files, and what is in them.
    config : bool
        Whether the copy of the config would be new.
    """

    files: int
    bytes: int
    config: bool


@dataclass(frozen=True)
class _Packed:
    """What is to be sent, and the files of both sides.

    Attributes
    ----------
    config : ConfigCopy
    luggage : Luggage
    memory : Memory
    here, there : dict of File
        By their names over there.
    """

    config: ConfigCopy
    luggage: Luggage
    memory: Memory
    here: dict[str, File]
    there: dict[str, File]


async def foreseen(session: Session, show: Show) -> Ahead:
    """Return what `send` would send; nothing is written over there.

    Parameters
    ----------
    session : Session
    show : callable
        Is told that files are compared.

    Raises
    ------
    Problem
        ``SM-REM-055`` if the experiment is a copy; what a connection may raise.
    Problems
        ``SM-REM-025`` if a folder of images is nowhere; what is wrong with the folders of images.
    """
    packed = await _packed(session)
    if packed is None:
        return Ahead(0, 0, config=False)
    here, there = packed.here, packed.there
    _, alike = await _others(session, packed, show)
    # What was compared isn't read once more when it is sent.
    if compared := {name: (state_of(here[name]), state_of(there[name])) for name in alike}:
        with noting(session.experiment, session.place) as memory:
            memory.alike |= compared
    sizes = [
        file.size
        for name, file in here.items()
        if name not in alike and not (name in there and is_same(there[name], state_of(file)))
    ]
    known = await session.text(f"{session.place.folder}/{session.config.as_posix()}")
    is_new = known is None or apart(known)[0] != packed.config.body
    return Ahead(len(sizes), sum(sizes), config=is_new)


async def _packed(session: Session, *, images: bool = True) -> _Packed | None:
    """Return what is to be sent, with images or without; None if that computer works in this very folder.

    Raises
    ------
    Problem
        ``SM-REM-055`` if the experiment is a copy; what a connection may raise.
    Problems
        ``SM-REM-025`` if a folder of images is nowhere; what is wrong with the folders of images.
    """
    claim(session.experiment, session.place)
    laptop = await session.laptop()
    memory = await memory_of(session)
    config = make_copy(session.config, laptop, session.place.folder, memory.sent)
    session.named = config.named
    if laptop.shared(str(session.experiment)) == session.place.folder.rstrip("/"):
        return None
    if images:
        await _refuse_absent_images(session, config)
    named = [one for one in config.named if images or one.kind != "images"]
    luggage = await asyncio.to_thread(pack, session.config, named, laptop)
    luggage.paths.pop(session.config.as_posix(), None)
    return await _with_files(session, config, luggage, memory)


async def _with_files(
    session: Session, config: ConfigCopy, luggage: Luggage, memory: Memory
) -> _Packed:
    target = Among(session.computer, luggage.folders, luggage.single)
    there = await target.files(session.place.folder)
    here = await Gathered(Here(), luggage.paths).files("")
    return _Packed(config, luggage, memory, here, there)


async def send(
    session: Session,
    show: Show,
    *,
    overwrite: bool = False,
    compare: bool = False,
    showing: Showing = shown,
    accepted: Collection[str] = (),
) -> Sent:
    """Bring an experiment's copy up to date.

    Parameters
    ----------
    session : Session
    show : callable
        Is told that files are waited for.
    overwrite : bool
        Whether what was edited over there is replaced; it is kept beside, and images are set aside.
    compare : bool
        Whether files that seem to be the same, by size and time, are compared by their content too.
    showing : callable
        Shows how far it is.
    accepted : collection of str
        Those of `ONLY_THERE` that the user knows of.

    Raises
    ------
    Problem
        ``SM-REM-070`` if a folder of images is not here, and was sent earlier; ``SM-REM-071`` if it is sent for the
        first time, and images lie there that are not here. Nothing was sent then.
        ``SM-REM-006`` or ``SM-REM-007`` if the copy of the config is another one than was sent from here,
        ``SM-REM-024`` if all images are still being written, ``SM-REM-055`` if the experiment is a copy; what a
        connection may raise.
    Problems
        ``SM-REM-025`` if a folder of images is nowhere, ``SM-REM-008`` and ``SM-REM-022`` if other files are other
        ones; what is wrong with the folders of images.
    """
    packed = await _packed(session)
    if packed is None:
        return Sent(Outcome((), ()), False, ())
    folder = session.place.folder
    config, luggage, memory = packed.config, packed.luggage, packed.memory
    here, there = packed.here, packed.there
    others, alike = await _others(session, packed, show)
    if others and not overwrite:
        _refuse(session, luggage, others)
    absent = await absent_images(session, config.named, memory)
    for problem in _only_there(session, luggage, memory, absent, there):
        if problem.code not in accepted:
            raise problem
    is_new = await _send_config(session, config, overwrite=overwrite)
    await _keep(session, [name for name in others if name in luggage.guarded])
    await move_aside(session, [name for name in others if name not in luggage.guarded])
    _remember(session, here, there, alike)
    aside, stay = await set_aside(session, luggage, config.named)
    _tell_of_waiting(show, [file for name, file in here.items() if name not in there])
    outcome = await _send_files(session, luggage, alike, showing, compare=compare)
    await open_to_group(session.computer, folder)
    now = {*there, *outcome.copied} - {*aside, *others}
    _refuse_growing(luggage, now | set(outcome.copied), outcome.growing)
    left = dict.fromkeys(readable(str(path)) for path in luggage.left)
    images = foreign(luggage, now - {name for names in absent.values() for name in names})
    stay = [name for name in stay if not any(is_in(name, image) for image in images)]
    return Sent(outcome, is_new, tuple(left), tuple(aside), tuple(images), tuple(stay))


async def send_one(
    session: Session, image: Path, config: Path, tell: Callable[[Progress], None]
) -> tuple[str, ConfigCopy]:
    """Bring one image to where a run would look for it, with the model that a config names.

    Parameters
    ----------
    session : Session
    image : Path
    config : Path
        Whose folders of images and model count; it may lie anywhere, with paths as in the experiment's.
    tell : callable
        Is told how far it is.

    Returns
    -------
    name : str
        The image's path over there, from the experiment's folder on.
    copied : ConfigCopy
        The config as it is written there.

    Raises
    ------
    Problem
        ``SM-REM-024`` if the image is still being written, ``SM-REM-055`` if the experiment is a copy.
    Problems
        ``SM-REM-008`` or ``SM-REM-022`` if another file lies over there in its place.
    """
    claim(session.experiment, session.place)
    laptop = await session.laptop()
    folder = session.place.folder
    copied = make_copy(config, laptop, folder)
    written = settings_in(config.read_text(encoding="utf-8")).get("images")
    told = written if isinstance(written, Mapping) else {}
    section = Images.of({name: value for name, value in told.items() if value is not None})
    files = other_files(image, section)
    luggage, name = pack_one(image, copied.named, laptop, files)
    if laptop.shared(str(session.experiment)) == folder.rstrip("/"):
        return name, copied
    packed = await _with_files(session, copied, luggage, await memory_of(session))
    others, alike = await _others(session, packed, lambda words: None)
    if others:
        _refuse(session, luggage, others)
    _remember(session, packed.here, packed.there, alike)
    outcome = await _copied(session, luggage, alike, tell)
    if set(outcome.growing).intersection(luggage.images):
        raise Problem("SM-REM-024", where=str(image), number=1, files=readable(image.name))
    return name, copied


async def send_settings(session: Session, show: Show) -> None:
    """Bring the config to where it counts, with the scripts and files that it names, and without images.

    Parameters
    ----------
    session : Session
    show : callable
        Is told that files are compared.

    Raises
    ------
    Problem
        ``SM-REM-006`` or ``SM-REM-007`` if the copy of the config is another one than was sent from here,
        ``SM-REM-055`` if the experiment is a copy; what a connection may raise.
    Problems
        ``SM-REM-008`` and ``SM-REM-022`` if other files are other ones.
    """
    packed = await _packed(session, images=False)
    if packed is None:
        return
    others, alike = await _others(session, packed, show)
    if others:
        _refuse(session, packed.luggage, others)
    await _send_config(session, packed.config, overwrite=False)
    _remember(session, packed.here, packed.there, alike)
    await _copied(session, packed.luggage, alike)
    await open_to_group(session.computer, session.place.folder)


async def _refuse_absent_images(session: Session, config: ConfigCopy) -> None:
    """Raise which folders of images are on neither computer."""
    problems = []
    for one in config.named:
        # What begins with `~` only a shell over there finds.
        if one.kind != "images" or one.source or one.there.startswith("~"):
            continue
        words = ["test", "-e", one.there]
        answer = await session.computer.run(words, folder=session.place.folder)
        if answer.code and not os.path.exists(os.path.expanduser(one.text)):
            written, lines, _ = read_yaml(session.config)
            where = Config(written, session.config, lines, written).where(*one.keys)
            names = {"folder": one.text, "host": session.place.host}
            problems.append(Problem("SM-REM-025", where=where, **names))
    if problems:
        raise Problems(problems)


def _only_there(
    session: Session,
    luggage: Luggage,
    memory: Memory,
    absent: Mapping[str, Sequence[str]],
    there: Iterable[str],
) -> Iterator[Problem]:
    """Yield what a run would compute that is not on this computer, and of which the user may not know."""
    host = session.place.host
    if absent:
        names = {"folder": ", ".join(absent), "host": host}
        number = sum(map(len, absent.values()))
        yield Problem("SM-REM-070", where=session.config.as_posix(), number=number, **names)
    images = [] if memory.configs else foreign(luggage, there)
    if images:
        names = {"folder": session.place.folder, "host": host, "files": listed(images)}
        yield Problem("SM-REM-071", where=host, number=len(images), **names)


async def _send_files(
    session: Session, luggage: Luggage, alike: Collection[str], showing: Showing, *, compare: bool
) -> Outcome:
    with showing(say("remote.sending_files", host=session.place.host)) as tell:
        return await _copied(session, luggage, alike, tell, checked=compare)


async def _copied(
    session: Session,
    luggage: Luggage,
    alike: Collection[str],
    tell: Callable[[Progress], None] = lambda progress: None,
    *,
    checked: bool = False,
) -> Outcome:
    """Copy what is to be sent to its places over there."""
    return await copy(
        (Gathered(Here(), luggage.paths), ""),
        (Among(session.computer, luggage.folders, luggage.single), session.place.folder),
        wanted=lambda name: name not in alike,
        tell=tell,
        checked=checked,
    )


def _tell_of_waiting(show: Show, files: Iterable[File]) -> None:
    """Say that new files are looked at twice, if some are so new that they may be growing."""
    now = time.time()
    young = sum(0 <= now - file.time < copying.QUIET_SECONDS for file in files)
    if young:
        show(say("remote.waiting", number=young))


def _refuse_growing(luggage: Luggage, there: Iterable[str], growing: Sequence[str]) -> None:
    """Raise that no image is there yet, if all that are here are still being written."""
    arrived = set(there)
    if not growing or not luggage.images or arrived.intersection(luggage.images):
        return
    folders = [name for name in luggage.images if name not in luggage.paths]
    if not any(is_in(name, folder) for folder in folders for name in arrived):
        names = {"number": len(growing), "files": listed(growing)}
        raise Problem("SM-REM-024", where=", ".join(luggage.image_folders), **names)


# The config


async def _send_config(session: Session, config: ConfigCopy, *, overwrite: bool) -> bool:
    """Write the copy of the config, if the one that is there is an earlier one from here; return whether it was."""
    name = session.config.as_posix()
    there = await session.text(f"{session.place.folder}/{name}")
    sign = sign_of(config.body)
    if there is not None:
        body, signed = apart(there)
        memory = read_memory(session.experiment, session.place)
        known = sign_of(body) in memory.configs.get(name, [])
        if not known and body != config.body and not overwrite:
            raise _difference(session, config.body, body, edited=sign_of(body) != signed)
        if not known and body != config.body:
            await _write(session, f"{name}.{sign_of(body)[:8]}", there)
    keep_own(sign, session.config.read_bytes().decode("utf-8-sig"))
    # Before it is sent: also if that is cut, it is nobody else's.
    with noting(session.experiment, session.place) as memory:
        memory.configs[name] = noted(memory.configs.get(name, []), sign)
    is_new = there is None or body != config.body
    if is_new:
        note = own_name(), session.experiment / session.config
        await _write(session, name, config.with_note(*note))
    with noting(session.experiment, session.place) as memory:
        memory.arrived = True
    return is_new


def _difference(session: Session, own: str, there: str, *, edited: bool) -> Problem:
    """Return that the copy is another one, with the lines that differ."""
    name = session.config.as_posix()
    lines = difflib.unified_diff(
        session.own_words(there).splitlines(),
        session.own_words(own).splitlines(),
        say("remote.there", host=session.place.host),
        say("remote.here"),
        lineterm="",
        n=0,
    )
    names = {"host": session.place.host, "difference": "\n  ".join(_in_words(lines))}
    return Problem("SM-REM-006" if edited else "SM-REM-007", where=name, **names)


def _in_words(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a difference, with the line of the config in place of ``@@``."""
    for line in lines:
        if line.startswith("@@"):
            number = line.split("+")[1].split()[0].partition(",")[0]
            yield say("remote.line", line=number)
        else:
            yield readable(line)


async def _write(session: Session, name: str, text: str) -> None:
    files = [(name, time.time(), text.encode())]
    await session.computer.write_many(session.place.folder, files)


# Other files that somebody may have edited over there


async def _others(session: Session, packed: _Packed, show: Show) -> tuple[list[str], set[str]]:
    """Compare the files of both sides.

    Returns
    -------
    others : list of str
        Those over there that are neither as they are here, nor as they were sent from here.
    alike : set of str
        Those that hold the same, but have another time: a copy of the experiment on another laptop may.
    """
    memory, here, there = packed.memory, packed.here, packed.there
    differ = [
        name
        for name, file in sorted(there.items())
        if name in here and not is_same(file, state_of(here[name]))
    ]
    alike = {name for name in differ if _is_known_alike(memory, name, here[name], there[name])}
    # Times get lost where an experiment is copied to another disk: that is no reason to send and compute all anew.
    unsure = [name for name in differ if name not in alike and there[name].size == here[name].size]
    if unsure:
        _tell_of_comparing(show, [here[name] for name in unsure])
        ours, theirs = await asyncio.gather(
            Gathered(Here(), packed.luggage.paths).checksums("", unsure),
            session.computer.checksums(session.place.folder, unsure),
        )
        alike |= {name for name in unsure if name in ours and ours[name] == theirs.get(name)}
    others = [
        name
        for name in differ
        if name not in alike
        and not any(is_same(there[name], state) for state in memory.sent.get(name, []))
    ]
    return others, alike


def _tell_of_comparing(show: Show, files: Sequence[File]) -> None:
    """Say that files are read on both sides, if that takes a while."""
    size = sum(file.size for file in files)
    if size > _QUICKLY_READ:
        show(say("remote.comparing", number=len(files), size=shown_bytes(size)))


def _is_known_alike(memory: Memory, name: str, here: File, there: File) -> bool:
    """Return whether two files were compared, and have not changed since."""
    known = memory.alike.get(name)
    return known is not None and is_same(here, known[0]) and is_same(there, known[1])


def _refuse(session: Session, luggage: Luggage, others: Sequence[str]) -> None:
    """Raise what lies over there in the place of which files."""
    host = session.place.host
    edited = [name for name in others if name in luggage.guarded]
    images = [name for name in others if name not in luggage.guarded]
    raise Problems(
        [
            Problem(code, where=host, host=host, number=len(names), files=listed(names))
            for code, names in (("SM-REM-008", edited), ("SM-REM-022", images))
            if names
        ]
    )


async def _keep(session: Session, names: Iterable[str]) -> None:
    """Keep files over there beside those that are sent."""
    for name in names:
        path = f"{session.place.folder}/{name}"
        await session.computer.run(["sh", "-c", _KEEP, "sh", path])


# sh FILE: gives it another name, which no file has yet.
_KEEP = """
number=1
while [ -e "$1.before-$number" ]; do number=$((number + 1)); done
mv -- "$1" "$1.before-$number"
"""


def _remember(
    session: Session, here: Mapping[str, File], there: Mapping[str, File], alike: Collection[str]
) -> None:
    """Note what is sent before it is: also if it is cut, none of it is somebody else's."""
    with noting(session.experiment, session.place) as memory:
        _note_sent(memory, here, there, alike)


def _note_sent(
    memory: Memory, here: Mapping[str, File], there: Mapping[str, File], alike: Collection[str]
) -> None:
    others = set(memory.others)
    for name, file in here.items():
        states = [(size, at) for size, at in memory.sent.get(name, [])]
        if name in alike:
            memory.alike[name] = (state_of(file), state_of(there[name]))
            memory.sent[name] = noted(states, state_of(there[name]))
        else:
            memory.alike.pop(name, None)
            memory.sent[name] = noted(states, state_of(file))
        is_there = name in alike or (name in there and is_same(there[name], state_of(file)))
        if not is_there:
            others.discard(name)
        elif not states:
            others.add(name)
    memory.others = sorted(others)
