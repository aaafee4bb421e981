"""What is noted of updates: the one that is under way, with all that it has to know to go on, and those before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from segmake.core.files import lock_file, open_own, write_atomically
from segmake.messages import Problem

# What is over when a stage is noted: all edits are kept; git has moved; the files are in their places; the main
# environment is of the new version; the config is merged.
Stage = Literal["kept", "moved", "placed", "main", "config"]
STAGES: tuple[Stage, ...] = ("kept", "moved", "placed", "main", "config")


@dataclass
class Edit:
    """A file of the user's that is not as the version before had it.

    Attributes
    ----------
    path : str
        As git names it.
    how : {"same", "gone", "merge", "clash", "config", "untracked"}
        What becomes of it: the new version leaves it alone; the user has deleted it; both have changed it, and git can
        join that, or not; it is the config; the new version brings a file of its name.
    saved : str
        Its copy among the notes.
    wanted : str
        What is to stand in its place, among the notes; empty for what the new version has.
    copy : str
        Where it is kept for the user, as seen from the clone; empty if it need not be.
    left : str
        The checksum of what the update left there: as long as it is that, going back gives the user's own back.
    """

    path: str
    how: str
    saved: str = ""
    wanted: str = ""
    copy: str = ""
    left: str = ""


@dataclass
class Record:
    """An update, or the way back from one.

    Attributes
    ----------
    before, after : str
        The commits.
    version : str
        The version that `after` has.
    stage : Stage
    folder : str
        Where the user's files are kept, among the notes.
    edits : list of Edit
    back : bool
    """

    before: str
    after: str
    version: str
    folder: str
    stage: Stage = "kept"
    edits: list[Edit] = field(default_factory=list)
    back: bool = False

    def has(self, stage: Stage) -> bool:
        """Whether a stage is over."""
        return STAGES.index(self.stage) >= STAGES.index(stage)


class Notes:
    """The notes of a clone on its updates.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._under_way = folder / "under_way.json"
        self._past = folder / "past.json"

    def under_way(self) -> Record | None:
        """Return the update that was begun and is not over."""
        return _record(_read(self._under_way))

    def past(self) -> list[Record]:
        """Return the updates that can be gone back from, the last one last."""
        return [record for each in _read(self._past) or [] if (record := _record(each))]

    def note(self, record: Record) -> None:
        """Note where an update is."""
        _write(self._under_way, asdict(record))

    def forget(self) -> None:
        """Note that none is under way."""
        self._under_way.unlink(missing_ok=True)

    def close(self, record: Record) -> None:
        """Note that an update is over; one that was gone back from is none any more."""
        past = self.past()
        if record.back:
            past = past[:-1]
        elif not past or (past[-1].before, past[-1].after) != (record.before, record.after):
            past.append(record)
        _write(self._past, [asdict(each) for each in past])
        self.forget()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other updates away.

        Raises
        ------
        Problem
            ``SM-UPD-014`` if one is at work.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open_own(self.folder / "lock", "a+") as lock:
            try:
                lock_file(lock, wait=False)
            except BlockingIOError:
                raise Problem("SM-UPD-014") from None
            yield


def _read(path: Path) -> Any:
    with suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    return None


def _write(path: Path, content: Any) -> None:
    with write_atomically(path) as part:
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _record(noted: Any) -> Record | None:
    """Return a record; what another version noted besides is passed over."""
    if not isinstance(noted, dict):
        return None
    with suppress(TypeError):
        edits = [Edit(**_known(Edit, each)) for each in noted.get("edits", [])]
        return Record(**{**_known(Record, noted), "edits": edits})
    return None


def _known(kind: Any, noted: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in noted.items() if name in names}
