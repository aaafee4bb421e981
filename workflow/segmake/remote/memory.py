"""What an experiment's folder remembers of its copies on other computers: what was last sent, and last fetched.

It tells a file that somebody changed from one that is only older, without any clock. It is kept for several places: a
user may go to another one and back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from segmake.core.files import write_atomically
from segmake.places.place import File
from segmake.remote.remembered import PlaceFile

FILE = ".segmake-remote.json"

_STATES = 10

# The places that are remembered, the last ones.
_PLACES = 5

# File systems keep times to two seconds at worst (FAT).
_SAME_SECONDS = 2

T = TypeVar("T")


@dataclass
class Memory:
    """What was last sent and fetched.

    Attributes
    ----------
    place : dict
        Where it was sent to: of another place, nothing is known.
    configs : dict
        The fingerprints of the copies of each config that were sent, the last ones.
    sent : dict
        Size and time of the states of each file that were sent, or were there as they are here, by its name over there.
    others : list of str
        Those of them that lay over there already: another computer has sent them.
    alike : dict
        Of files that hold the same but have another time over there: size and time here, and there.
    arrived : bool
        Whether a config has arrived.
    fetched : dict
        Size and time of each file, by its path over there, when it was the same here.
    brought : dict
        Size and time of each file here when it came from any place, by its path from the experiment's folder on.
    """

    place: dict[str, str]
    configs: dict[str, list[str]] = field(default_factory=dict)
    sent: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    alike: dict[str, tuple[tuple[int, float], tuple[int, float]]] = field(default_factory=dict)
    arrived: bool = False
    fetched: dict[str, tuple[int, float]] = field(default_factory=dict)
    brought: dict[str, tuple[int, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, place: PlaceFile) -> Memory:
        """Return the memory of a place of which nothing is known."""
        return cls({"host": place.host, "folder": place.folder})


def read_memory(experiment: Path, place: PlaceFile) -> Memory:
    """Return what an experiment remembers of a place."""
    return _of(memories(experiment), Memory.of(place))


def memories(experiment: Path) -> list[Memory]:
    """Return what an experiment remembers of each place, the last one first."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        found: dict[str, Any] = json.loads((experiment / FILE).read_text(encoding="utf-8"))
        # An older SegMake remembered one place.
        return [Memory(**each) for each in found.get("places", [found])]
    return []


def write_memory(experiment: Path, memory: Memory) -> None:
    """Remember it."""
    others = [each for each in memories(experiment) if each.place != memory.place]
    for each in others:
        # One for all: the last one's.
        each.brought = {}
    places = [asdict(each) for each in (memory, *others[: _PLACES - 1])]
    with write_atomically(experiment / FILE) as part:
        # Names that are no UTF-8 stay what they are.
        part.write_text(json.dumps({"places": places}, separators=(",", ":")), encoding="ascii")


@contextmanager
def noting(experiment: Path, place: PlaceFile) -> Iterator[Memory]:
    """Give what is remembered of a place to change it; it is remembered when the block ends well.

    Sending and fetching may go on at once and take minutes: each notes what it has done in such a block, which waits
    for nothing, so that neither writes over what the other one has noted meanwhile.
    """
    memory = read_memory(experiment, place)
    yield memory
    write_memory(experiment, memory)


def carry_over(experiment: Path, before: PlaceFile, place: PlaceFile) -> None:
    """Keep what an experiment remembers where the same place is called by another name from now on."""
    if before.host != place.host and before.folder == place.folder:
        remembered = read_memory(experiment, before)
        if remembered != Memory(remembered.place, brought=remembered.brought):
            remembered.place = Memory.of(place).place
            write_memory(experiment, remembered)


def taken_along(memory: Memory, place: PlaceFile) -> Memory:
    """Return what is remembered of an experiment's folder over there that is in another place now."""
    old, new = (f"{folder.rstrip('/')}/" for folder in (memory.place["folder"], place.folder))
    fetched = {
        f"{new}{path.removeprefix(old)}" if path.startswith(old) else path: state
        for path, state in memory.fetched.items()
    }
    return replace(memory, place=Memory.of(place).place, fetched=fetched)


def _of(known: list[Memory], empty: Memory) -> Memory:
    found = next((each for each in known if each.place == empty.place), empty)
    found.brought = known[0].brought if known else {}
    return found


def noted(states: Sequence[T], state: T) -> list[T]:
    """Return the last states of something, with one more. Of a sending that was cut, some may be an earlier one's."""
    return [*(each for each in states if each != state), state][-_STATES:]


def state_of(file: File) -> tuple[int, float]:
    """Return size and time of a file; the time in few digits, for there may be many files."""
    return file.size, round(file.time, 1)


def is_same(file: File, known: tuple[int, float] | None) -> bool:
    """Return whether a file is as it was when it was remembered."""
    return (
        known is not None and file.size == known[0] and abs(file.time - known[1]) <= _SAME_SECONDS
    )
