"""Whether an experiment has arrived on the other computer, and is still there."""

from __future__ import annotations

from segmake.messages import Problem
from segmake.remote.config_copy import apart, sign_of
from segmake.remote.memory import (
    Memory,
    memories,
    noting,
    read_memory,
    taken_along,
    write_memory,
)
from segmake.remote.session import Session

# sh FOLDER FILE...: whether one of the files is in the folder.
_ANY = 'cd -- "$1" 2>/dev/null || exit 1; shift; for one; do [ -e "$one" ] && exit 0; done; exit 1'


async def has_arrived(session: Session) -> bool:
    """Return whether the experiment is over there.

    Raises
    ------
    Problem
        ``SM-REM-017`` if it was, and is no more: somebody has moved or removed its folder.
    """
    memory = read_memory(session.experiment, session.place)
    names = {*memory.configs, session.config.as_posix()}
    words = ["sh", "-c", _ANY, "sh", session.place.folder, *sorted(names)]
    if (await session.computer.run(words)).code == 0:
        return True
    if memory.arrived:
        names_of_it = {"host": session.place.host, "folder": session.place.folder}
        raise Problem("SM-REM-017", where=session.place.host, **names_of_it)
    return False


async def memory_of(session: Session) -> Memory:
    """Return what is remembered of the place; also what was remembered of it when it was called or lay otherwise.

    The copy of the config that lies there tells that it is the same: it was sent from here. That is noted.
    """
    memory = read_memory(session.experiment, session.place)
    if memory.configs:
        return memory
    for earlier in memories(session.experiment):
        if await _has_sent(session, earlier):
            memory = read_memory(session.experiment, session.place)
            if memory.configs:
                return memory
            taken = taken_along(earlier, session.place)
            taken.fetched |= memory.fetched
            taken.brought = memory.brought
            write_memory(session.experiment, taken)
            return taken
    return memory


async def _has_sent(session: Session, memory: Memory) -> bool:
    """Return whether one of the configs over there was sent as a memory has it; it may be edited since."""
    for name, signs in memory.configs.items():
        text = await session.text(f"{session.place.folder}/{name}")
        if text is not None:
            body, sign = apart(text)
            if sign in signs or sign_of(body) in signs:
                return True
    return False


async def forget_if_gone(session: Session) -> bool:
    """Forget what was sent, if it is gone; return whether it is still there instead."""
    try:
        return await has_arrived(session)
    except Problem as problem:
        if problem.code != "SM-REM-017":
            raise
    _forget(session)
    return False


def _forget(session: Session) -> None:
    """Forget what was sent. What was fetched is still here."""
    with noting(session.experiment, session.place) as memory:
        memory.configs, memory.sent, memory.others, memory.alike = {}, {}, [], {}
        memory.arrived = False
