"""Whether an experiment has arrived on the other computer, and is still there."""

from __future__ import annotations

from segmake.messages import Problem
from segmake.remote.memory import read_memory, write_memory
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


def forget(session: Session) -> None:
    """Forget what was sent: it is gone. What was fetched is still here."""
    memory = read_memory(session.experiment, session.place)
    memory.configs, memory.sent, memory.others, memory.alike = {}, {}, [], {}
    memory.arrived = False
    write_memory(session.experiment, memory)
