"""What became of the images of a run when that was last looked at: whoever asks again waits for what has changed alone.

It is kept beside the journals (``judged.jsonl``), batch by batch: what was planned, what the journals were, and the
sizes of the results. A batch of which all three are as they were is as it was, in whichever run; the journals and the
results stay the truth. What is first in the file is all that is read where no batch has changed since a run was judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from segmake import __version__
from segmake.core.declared_steps import SEGMENT, STEPS
from segmake.core.files import fingerprint, result_name, write_atomically
from segmake.core.json_lines import objects
from segmake.messages import language
from segmake.outcome.timing import SegmentedBatch
from segmake.plan.result_paths import ResultPaths
from segmake.plan.sizes import are_there, sizes_of, state_of
from segmake.plan.tasks import ATTEMPT, IMAGE, KEY, TRACKED

if TYPE_CHECKING:
    from segmake.core.journal import Record
    from segmake.plan.tasks import Row

# Fewer images are judged in a moment.
WORTH_KEEPING = 100

# Raised when what is kept is written otherwise.
_FORMAT = 2

# What of a task decides whether it is done, and what is told of it.
_DECISIVE = (IMAGE, KEY, ATTEMPT, TRACKED)


class JudgedBatch(NamedTuple):
    """What became of the images of a batch.

    Attributes
    ----------
    rows : list of dict
        Of each image, as `segmake.outcome.image_rows` has it.
    facts : dict
        What those are judged by that are done, by their names.
    in_work : list of str
        The images whose cells were being looked for when the last process that did so ended.
    segmented : SegmentedBatch or None
        What is to be said of its segmentation as a whole; None where nobody has asked.
    """

    rows: list[dict[str, Any]]
    facts: dict[str, dict[str, Any]]
    in_work: list[str]
    segmented: SegmentedBatch | None = None


class LastJudged:
    """The batches of a run as they were last judged.

    Parameters
    ----------
    folders : ResultPaths
    run : str
        The name of its plan: what was told of all images of another is not told again.
    columns : sequence of str
        What the row of an image has.
    """

    def __init__(self, folders: ResultPaths, run: str, columns: Sequence[str]) -> None:
        self._folders, self._run, self._columns = folders, run, columns
        # What is kept is in words.
        self._about = [_FORMAT, __version__, language(), [*columns]]
        self._lines = _lines(folders.judged)
        self._head = _read(next(self._lines, b""))
        self._signs: dict[str, dict[str, Any]] = {}
        if self._head.get("about") == self._about:
            for _, line in zip(self._batches(), self._lines, strict=False):
                sign = _read(line)
                self._signs[str(sign.get("batch"))] = sign
        self._passed: dict[str, bytes] = {}
        self._seen: dict[str, dict[str, Any]] = {}
        # Of those that are as they were, the line that says so is written again as it is.
        self._now: dict[str, tuple[dict[str, Any], JudgedBatch | bytes]] = {}

    def _batches(self) -> list[Any]:
        found = self._head.get("batches")
        return found if isinstance(found, list) else []

    def told(self) -> Mapping[str, Any] | None:
        """Return what was told of all images of this run, if nothing has changed since; else None."""
        batches = self._batches()
        is_whole = self._head.get("run") == self._run and batches and batches == [*self._signs]
        if is_whole and all(self._is_as_it_was(name) for name in batches):
            return self._head.get("told")
        return None

    def batch(
        self, name: str, planned: Mapping[str, list[Row]], outdated: Mapping[str, str]
    ) -> JudgedBatch | None:
        """Return what became of a batch if plan, journals and results are as they were; else None.

        Parameters
        ----------
        name : str
        planned : mapping
            What there is to say of each image's task, by step.
        outdated : mapping
            The corrections that are told to be so, by image.
        """
        decisive = [[row[i] for i in _DECISIVE] for rows in planned.values() for row in rows]
        images = (row[IMAGE] for row in planned[SEGMENT])
        told = {image: outdated[image] for image in images if image in outdated}
        # Before they are read: what is added meanwhile is not taken for known.
        seen = {"plan": fingerprint(decisive, told), "journals": self._journals(name)}
        self._seen[name] = seen
        # What is kept may be damaged.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if self._signs[name]["plan"] == seen["plan"] and self._is_as_it_was(name):
                line = self._kept(name)
                found = self._found(_read(line), planned[SEGMENT])
                self._now[name] = self._signs[name], line
                return found
        return None

    def _kept(self, name: str) -> bytes:
        """Return the line that says what became of a batch; empty if there is none."""
        while name not in self._passed and (line := next(self._lines, b"")):
            # What it is about stands first, and it need not be taken apart for it.
            self._passed[str(_read(line[: line.find(b",")] + b"}").get("batch"))] = line
        return self._passed.pop(name, b"")

    def _found(self, line: Mapping[str, Any], planned: list[Row]) -> JudgedBatch:
        rows = [dict(zip(self._columns, row, strict=True)) for row in line["rows"]]
        if [row["image"] for row in rows] != [row[IMAGE] for row in planned]:
            raise ValueError("rows of other images")
        segmented = SegmentedBatch(*line["segmented"]) if line["segmented"] else None
        return JudgedBatch(rows, line["facts"], line["in_work"], segmented)

    def note(
        self,
        name: str,
        planned: Mapping[str, list[Row]],
        noted: Mapping[str, Sequence[Record | None]] | None,
        found: JudgedBatch,
    ) -> None:
        """Note what became of a batch, if sizes tell whether its results stay as they are.

        Parameters
        ----------
        name : str
        planned, noted : mapping
            As for `segmake.plan.sizes.sizes_of`; None where a result that was made is not there as it was.
        found : JudgedBatch
        """
        self._now.pop(name, None)
        if noted is None or (sizes := sizes_of(self._folders, planned, noted)) is None:
            return
        names = [result_name(row["image"]) for row in found.rows]
        sign = {"batch": name, **self._seen[name], "names": names, "sizes": sizes}
        self._now[name] = sign, found

    def keep(self, told: Mapping[str, Any], batches: Sequence[str]) -> None:
        """Write down what was noted, and what was told of it, where that is worth it.

        Parameters
        ----------
        told : mapping
        batches : sequence of str
            All of the run.
        """
        if sum(len(sign["names"]) for sign, _ in self._now.values()) < WORTH_KEEPING:
            return
        self._lines = iter(())
        # Whoever may not write here judges all of them again.
        with suppress(OSError), write_atomically(self._folders.judged, lasting=False) as part:
            with part.open("wb") as file:
                file.writelines(self._written(told, batches))

    def _written(self, told: Mapping[str, Any], batches: Sequence[str]) -> Iterator[bytes]:
        whole = told if [*self._now] == [*batches] else None
        names = [*self._now]
        yield _line({"about": self._about, "run": self._run, "batches": names, "told": whole})
        for sign, _ in self._now.values():
            yield _line(sign)
        for name, (_, found) in self._now.items():
            if isinstance(found, bytes):
                yield found
            else:
                rows = [[row[column] for column in self._columns] for row in found.rows]
                yield _line({"batch": name, **found._asdict(), "rows": rows})

    def _is_as_it_was(self, name: str) -> bool:
        """Whether the journals and the results of a batch are as they were."""
        # What is kept may be damaged.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            sign, seen = self._signs[name], self._seen.get(name)
            journals = seen["journals"] if seen else self._journals(name)
            return sign["journals"] == journals and are_there(self._folders.results, [sign])
        return False

    def _journals(self, batch: str) -> list[list[int]]:
        return [state_of(self._folders.journal(step, batch)) for step in STEPS]


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file; of one that can't be read, none."""
    with suppress(OSError), path.open("rb") as lines:
        yield from lines


def _read(line: bytes) -> dict[str, Any]:
    """Return the object in a line; an empty one where it is damaged."""
    return next(objects([line]), {})


def _line(values: Mapping[str, Any]) -> bytes:
    # Arrays of numbers are lists in it.
    return json.dumps(values, default=list).encode("ascii") + b"\n"
