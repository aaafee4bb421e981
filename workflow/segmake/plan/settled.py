"""Knows batches again in which nothing is to be done, so that a start need not work through their images one by one.

What a plan says of a batch follows from the settings, the images, their corrections and the journals, and from the
sizes of the results. Where all images of a batch are done, a sign of the former and the sizes are kept in the user's
own cache (``$XDG_CACHE_HOME/segmake/plans``): a later start that finds the same sign and the same sizes says the same,
and reads no journal. Journals stay the truth: one line more in them, and the batch is planned from them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from segmake import __version__
from segmake.core import versions
from segmake.core.caches import own_cache
from segmake.core.files import fingerprint, result_name, write_atomically
from segmake.core.journal import Entry, Record, as_record
from segmake.core.json_lines import read_lines
from segmake.images.corrections import correction_fingerprint
from segmake.runner.records import name_of
from segmake.runner.step_names import STEPS

if TYPE_CHECKING:
    from segmake.images.image import ImageFile
    from segmake.plan.plan import Batch
    from segmake.plan.result_paths import ResultPaths

# How each step of an image ended last.
Entries = Mapping[str, Entry | None]

# Fewer images are planned in a moment.
WORTH_KEEPING = 100

# What decides keys besides settings; a clone that is worked on keeps its version.
_VERSIONS = {name: value for name, value in vars(versions).items() if name.isupper()}

# Where the name of an image's results stands in that of a file; no file has it in its name.
_NAME = "\0"


class SettledBatches:
    """The batches of a results folder in which nothing was to be done.

    Parameters
    ----------
    folders : ResultPaths
    decisive : sequence
        What decides the keys of all images: settings, and the model's file.
    corrections : mapping
        The corrected masks, by the names of the results.
    """

    def __init__(
        self, folders: ResultPaths, decisive: Sequence[Any], corrections: Mapping[str, Path]
    ) -> None:
        self._folders = folders
        self._corrections = corrections
        self._decisive = fingerprint(decisive, _VERSIONS, __version__)
        self._file = own_cache("plans", str(folders.state.absolute())).with_suffix(".jsonl")
        self._known = {
            line["batch"]: line
            for line in read_lines(self._file)
            if isinstance(line.get("batch"), str)
        }
        self._now: dict[str, dict[str, Any]] = {}
        self._signs: dict[str, str] = {}

    def attempts(self, name: str, images: Sequence[ImageFile]) -> dict[str, list[int]] | None:
        """Return the attempts of a batch if nothing has changed since nothing was to be done in it; else None."""
        sign = self._signs[name] = self._sign(name, images)
        line = self._known.get(name)
        # What is kept may be damaged.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if line and line["sign"] == sign and self._are_there(images, line["sizes"]):
                found = {step: list(map(int, line["attempts"][step])) for step in STEPS}
                if all(len(each) == len(images) for each in found.values()):
                    self._now[name] = line
                    return found
        return None

    def note(self, batch: Batch, entries: Mapping[str, Entries]) -> None:
        """Note a batch of which all images are done, if their results can be known by their sizes alone.

        Parameters
        ----------
        batch : Batch
        entries : mapping
            Of each image, how each step ended last.
        """
        if (sizes := self._sizes(batch, entries)) is not None:
            sign = self._signs[batch.name]
            own = {"batch": batch.name, "sign": sign, "attempts": batch.attempts, "sizes": sizes}
            self._now[batch.name] = own

    def keep(self, number: int) -> None:
        """Write down what was noted, where that is worth it; `number` is that of all images."""
        if number < WORTH_KEEPING or self._now == self._known:
            return
        # Whoever has no room at home plans from the journals.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with write_atomically(self._file, lasting=False) as part:
                part.write_text(
                    "".join(json.dumps(line) + "\n" for line in self._now.values()),
                    encoding="ascii",
                )

    def _sign(self, name: str, images: Iterable[ImageFile]) -> str:
        """Return what differs when a batch's images, journals, or what decides about them do."""
        journals = [_state_of(self._folders.journal(step, name)) for step in STEPS]
        facts = [
            (
                *(image.image, str(image.path), image.size, image.mtime_ns),
                *(image.position, image.positions, image.present, image.arranged, image.outdated),
                vars(image.header) if image.header else None,
                image.problem.code if image.problem else None,
                self._correction(image),
            )
            for image in images
        ]
        return fingerprint(self._decisive, journals, facts)

    def _correction(self, image: ImageFile) -> list[Any] | None:
        if not self._corrections:
            return None
        path = self._corrections.get(image.result_name)
        return [str(path), *correction_fingerprint(path)] if path else None

    def _sizes(self, batch: Batch, entries: Mapping[str, Entries]) -> dict[str, list[int]] | None:
        """Return the size of each result, by its name without the image's; -1 where an image has none of it."""
        found: dict[str, list[int]] = {}
        for step, tasks in batch.tasks.items():
            for number, task in enumerate(tasks):
                record = _known_by_sizes(entries[task.image][step])
                if record is None or task.before:
                    return None
                name = result_name(task.image)
                for path in task.made():
                    inside = name_of(path, task.results)
                    kind = inside.replace(f"/{name}", f"/{_NAME}")
                    if inside in record:
                        # Users save in the last ones. A folder never is there again as it was (`_are_there`).
                        if kind.count(_NAME) != 1 or inside.endswith("_seg.npy"):
                            return None
                        found.setdefault(kind, [-1] * len(tasks))[number] = record[inside][0]
                    elif path not in task.optional:
                        return None
        return found

    def _are_there(self, images: Iterable[ImageFile], sizes: Mapping[str, list[int]]) -> bool:
        """Whether all results have the sizes that they had."""
        names = [result_name(image.image) for image in images if image.present]
        for kind, of_images in sizes.items():
            before, after = f"{self._folders.results}/{kind}".split(_NAME)
            for name, size in zip(names, of_images, strict=True):
                if size < 0:
                    continue
                try:
                    found = os.stat(f"{before}{name}{after}")
                except OSError:
                    return False
                if found.st_size != size or not S_ISREG(found.st_mode):
                    return False
        return True


def _known_by_sizes(entry: Entry | None) -> Record | None:
    """Return what was noted of results that are known by their sizes; None where more has to be looked at."""
    if entry is None or entry.version != __version__ or entry.details.get("overwritten"):
        return None
    return as_record(entry.details.get("outputs"))


def _state_of(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_ino, found.st_size, found.st_mtime_ns]
