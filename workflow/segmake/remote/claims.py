"""Which folder of this computer is computed in which folder of another one: a copy is told from what was moved.

The file ``segmake.place`` goes along when somebody copies a folder to begin the next experiment. Its run would then
work in the folder of the first one over there. Another laptop notes its own: several may send one experiment.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from segmake.core.files import write_atomically
from segmake.core.user_settings import own_settings_folder
from segmake.messages import Problem
from segmake.remote.known_computers import leads_to, named_in_full
from segmake.remote.remembered import PlaceFile, read_place


@dataclass(frozen=True)
class Claim:
    """A folder of this computer, and where it is computed.

    Attributes
    ----------
    host : str
        As `segmake.remote.known_computers.named_in_full` returns it.
    there : str
        The folder over there.
    here : str
        The folder here.
    identity : list of int
        What stays when it is renamed, and is another one for a copy.
    """

    host: str
    there: str
    here: str
    identity: list[int]


def claim(experiment: Path, place: PlaceFile) -> None:
    """Note that an experiment's folder is the one that is computed in a place.

    Parameters
    ----------
    experiment : Path
        Its folder on this computer; one that was moved is taken without a word.
    place : PlaceFile

    Raises
    ------
    Problem
        ``SM-REM-055`` if another folder is that one, and is still there; ``SM-SSH-009``.
    """
    refuse_copy(experiment, place)
    noted = Claim(
        named_in_full(place.host),
        place.folder,
        str(experiment.absolute()),
        _identity(experiment),
    )
    before = _claims()
    if noted not in before:
        _write([noted, *(each for each in before if not _is_of(each, noted))])


def refuse_copy(experiment: Path, place: PlaceFile) -> None:
    """Raise that an experiment is a copy of another one, if it is; nothing is noted.

    Raises
    ------
    Problem
        ``SM-REM-055``, ``SM-SSH-009``
    """
    if other := other_folder(experiment, place):
        raise is_copy(experiment, place, other)


def is_copy(experiment: Path, place: PlaceFile, other: Path) -> Problem:
    """Return what to say of an experiment that is a copy of another one."""
    names = {"other": other, "host": place.host, "folder": place.folder}
    return Problem("SM-REM-055", where=str(experiment.absolute()), **names)


def other_folder(experiment: Path, place: PlaceFile) -> Path | None:
    """Return the folder of this computer that is computed in a place, if it is there and is another experiment's."""
    host = named_in_full(place.host)
    for noted in _claims():
        if (noted.host, noted.there) == (host, place.folder):
            return None if _is_noted(experiment, noted) else _found(noted, experiment)
    return None


def _found(noted: Claim, experiment: Path) -> Path | None:
    """Return where a noted folder is, perhaps renamed since; None if it is nowhere, or is the experiment."""
    folder = Path(noted.here)
    beside: list[Path] = []
    with suppress(OSError):
        beside = sorted(folder.parent.iterdir())
    for each in (folder, *beside):
        is_it = each == folder or _is_noted(each, noted)
        if is_it and not _is_same(each, experiment) and _has_place(each, noted):
            return each
    return None


def _is_noted(folder: Path, noted: Claim) -> bool:
    return bool(noted.identity) and _identity(folder) == noted.identity


def _has_place(folder: Path, noted: Claim) -> bool:
    try:
        place = read_place(folder)
    except Problem:
        return False
    return place.folder == noted.there and leads_to(place.host, noted.host)


def _is_same(folder: Path, other: Path) -> bool:
    with suppress(OSError):
        return os.path.samefile(folder, other)
    return False


def _identity(folder: Path) -> list[int]:
    """Return the numbers that a disk has for a folder; none where it has none, or the folder is not there."""
    with suppress(OSError):
        known = folder.stat()
        return [known.st_dev, known.st_ino] if known.st_ino else []
    return []


def _is_of(claimed: Claim, other: Claim) -> bool:
    return (claimed.host, claimed.there) == (other.host, other.there)


def _claims() -> list[Claim]:
    try:
        listed = json.loads(_file().read_text(encoding="utf-8"))
        return [Claim(**each) for each in listed]
    except (OSError, ValueError, TypeError):
        return []


def _write(claims: list[Claim]) -> None:
    text = json.dumps([asdict(each) for each in claims], indent=1, ensure_ascii=True)
    with write_atomically(_file()) as part:
        part.write_text(text + "\n", encoding="ascii")


def _file() -> Path:
    return own_settings_folder() / "experiments.json"
