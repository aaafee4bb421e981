"""What became of the images of a run when that was last looked at: whoever asks again waits for what has changed alone.

It is kept beside the journals (``judged.jsonl``), batch by batch: what the journals were, and the sizes of the results.
A batch of which both are as they were is as it was; the journals and the results stay the truth. What is first in the
file is all that is read where no batch has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from segmake import __version__
from segmake.core.declared_steps import STEPS
from segmake.core.files import result_name, write_atomically
from segmake.core.json_lines import read_lines
from segmake.messages import language
from segmake.plan.result_paths import ResultPaths
from segmake.plan.sizes import are_there, sizes_of, state_of

if TYPE_CHECKING:
    from segmake.core.journal import Record
    from segmake.plan.tasks import Row

# Fewer images are judged in a moment.
WORTH_KEEPING = 100

# Raised when what is kept is written otherwise.
_FORMAT = 1


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
    """

    rows: list[dict[str, Any]]
    facts: dict[str, dict[str, Any]]
    in_work: list[str]


class LastJudged:
    """The batches of a run as they were last judged.

    Parameters
    ----------
    folders : ResultPaths
    run : str
        The name of its plan: what was judged of another is not known again.
    """

    def __init__(self, folders: ResultPaths, run: str) -> None:
        self._folders = folders
        # What is kept is in words.
        self._about = [_FORMAT, __version__, run, language()]
        self._lines = read_lines(folders.judged)
        self._head = next(self._lines, {})
        self._signs: dict[str, dict[str, Any]] = {}
        if self._head.get("about") == self._about:
            for _, line in zip(self._batches(), self._lines, strict=False):
                self._signs[str(line.get("batch"))] = line
        self._kept: dict[str, Mapping[str, Any]] | None = None
        self._seen: dict[str, list[list[int]]] = {}
        self._now: dict[str, tuple[dict[str, Any], JudgedBatch]] = {}

    def _batches(self) -> list[Any]:
        found = self._head.get("batches")
        return found if isinstance(found, list) else []

    def told(self) -> Mapping[str, Any] | None:
        """Return what was told of all images, if nothing has changed since; else None."""
        batches = self._batches()
        if batches and batches == [*self._signs] and all(map(self._is_as_it_was, batches)):
            return self._head.get("told")
        return None

    def batch(self, name: str) -> JudgedBatch | None:
        """Return what became of a batch if its journals and results are as they were; else None."""
        # Before they are read: what is added meanwhile is not taken for known.
        self._seen[name] = self._journals(name)
        # What is kept may be damaged.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if self._is_as_it_was(name):
                if self._kept is None:
                    self._kept = {line["batch"]: line for line in self._lines}
                line = self._kept[name]
                rows = [dict(zip(line["columns"], row, strict=True)) for row in line["rows"]]
                found = JudgedBatch(rows, line["facts"], line["in_work"])
                self._now[name] = self._signs[name], found
                return found
        return None

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
        if noted is None or (sizes := sizes_of(self._folders, planned, noted)) is None:
            return
        names = [result_name(row["image"]) for row in found.rows]
        sign = {"batch": name, "journals": self._seen[name], "names": names, "sizes": sizes}
        self._now[name] = sign, found

    def keep(self, told: Mapping[str, Any], batches: Sequence[str]) -> None:
        """Write down what was noted, and what was told of it, where that is worth it.

        Parameters
        ----------
        told : mapping
        batches : sequence of str
            All of the run.
        """
        if sum(len(found.rows) for _, found in self._now.values()) < WORTH_KEEPING:
            return
        self._lines = iter(())
        # Whoever may not write here judges all of them again.
        with suppress(OSError), write_atomically(self._folders.judged, lasting=False) as part:
            with part.open("w", encoding="ascii") as file:
                file.writelines(json.dumps(line) + "\n" for line in self._written(told, batches))

    def _written(self, told: Mapping[str, Any], batches: Sequence[str]) -> Iterator[Any]:
        whole = told if [*self._now] == [*batches] else None
        yield {"about": self._about, "batches": [*self._now], "told": whole}
        for sign, _ in self._now.values():
            yield sign
        for name, (_, found) in self._now.items():
            columns, rows = [*found.rows[0]], [[*row.values()] for row in found.rows]
            yield {"batch": name, **found._asdict(), "columns": columns, "rows": rows}

    def _is_as_it_was(self, name: str) -> bool:
        # What is kept may be damaged.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            sign = self._signs[name]
            same = sign["journals"] == self._seen.get(name, self._journals(name))
            return same and are_there(self._folders.results, [sign])
        return False

    def _journals(self, batch: str) -> list[list[int]]:
        return [state_of(self._folders.journal(step, batch)) for step in STEPS]
