"""Knows batches again in which nothing is to be done, so that a start need not work through their images one by one.

What a plan says of a batch follows from the settings, the images, their corrections and the journals, and from the
sizes of the results. Where all images of a batch are done, a sign of the former and the sizes are kept in the user's
own cache (``$XDG_CACHE_HOME/segmake/plans``): a later start that finds the same sign and the same sizes says the same,
and reads no journal. Settings that were tried and put back find what was kept of them. Journals stay the truth: one
line more in them, and the batch is planned from them. Where that holds of all batches, what the plan says of the images
as a whole is kept as well, with a sign of what lies in the images folders: as long as that stays the same, no image is
worked through at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from segmake import __version__
from segmake.core import versions
from segmake.core.caches import own_cache
from segmake.core.declared_steps import STEPS
from segmake.core.files import fingerprint, result_name, write_atomically
from segmake.core.journal import Entry, Record, as_record
from segmake.core.json_lines import read_lines
from segmake.images import derived, image_folders
from segmake.images.corrections import correction_fingerprint, find_corrections
from segmake.plan.sizes import Sizes, are_there, sizes_of, state_of
from segmake.plan.tasks import BEFORE, IMAGE, rows_of

if TYPE_CHECKING:
    from segmake.images.image import ImageFile
    from segmake.plan.plan import Batch, Plan
    from segmake.plan.result_paths import ResultPaths

# How each step of an image ended last.
Entries = Mapping[str, Entry | None]

# Of so many settings it is kept what was done by them: users try some, and put back those that they had.
_SETTINGS = 3

# Fewer images are planned in a moment.
WORTH_KEEPING = 100

# What decides keys besides settings; a clone that is worked on keeps its version.
_VERSIONS = {name: value for name, value in vars(versions).items() if name.isupper()}

# Raised when what is kept is written otherwise.
_FORMAT = 2

# What the inventory follows from, besides the files and itself, in the folder for the state.
_RECORDS = (image_folders.RECORD, derived.RECORD, "plan.json")


class Kept(NamedTuple):
    """A batch in which nothing was to be done: its images that are there, and the attempts of all of them."""

    images: tuple[str, ...]
    attempts: dict[str, list[int]]


# What a plan says of the images as a whole, whether or not there is something to do.
OF_ALL = (
    *("left_out", "other_kinds", "unselected", "lossy", "stopped", "copies", "diameter_um"),
    *("sets", "derived", "derived_before", "system"),
)
# What is empty in a plan of which nothing is to be done and nothing else is to be said.
EMPTY = (
    *("small", "hidden", "replaced", "all_replaced", "looks", "light", "images_before", "unknown"),
    *("file_sets", "corrections", "outdated", "bindings", "stray", "scripts", "images_of_scripts"),
    *("known_errors", "faults", "memory"),
)


class SettledBatches:
    """The batches of a results folder in which nothing was to be done.

    Parameters
    ----------
    folders : ResultPaths
    decisive : sequence
        What decides the keys of all images: settings, and the model's file.
    images : str or None
        What differs when what lies in the images folders does (`segmake.images.listing.state_of_folders`).
    """

    def __init__(self, folders: ResultPaths, decisive: Sequence[Any], images: str | None) -> None:
        self._folders = folders
        self._decisive = fingerprint(_FORMAT, decisive, _VERSIONS, __version__)
        folder = own_cache("plans", str(folders.state.absolute())).with_suffix("")
        self._file = folder / f"{self._decisive}.jsonl"
        # What the inventory follows from besides; those of before it was made.
        records = [folders.inventory, *(folders.state / name for name in _RECORDS)]
        self._sign_of_all = images and fingerprint(self._decisive, images, *map(state_of, records))
        self._all: dict[str, Any] = {}
        self._known: dict[str, dict[str, Any]] = {}
        # Those that nobody asked for the longest are forgotten first.
        with suppress(OSError):
            os.utime(self._file)
        for line in read_lines(self._file):
            if isinstance(name := line.get("batch"), str):
                self._known[name] = line
            else:
                self._all = line
        self._now: dict[str, dict[str, Any]] = {}
        self._signs: dict[str, tuple[str, list[list[int]]]] = {}

    def all_as_before(self) -> tuple[dict[str, Any], dict[str, Kept]] | None:
        """Return what was kept of a plan in which nothing was to be done, if nothing has changed since; else None.

        Its values `OF_ALL` by their names, and its batches.
        """
        # What is kept may be damaged.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            kept = self._all
            same = self._sign_of_all and kept.get("sign") == self._sign_of_all
            if (
                same
                and kept["batches"] == [*self._known]
                and find_corrections(self._folders.corrections, ()) == ({}, [])
                and all(line["journals"] == self._journals(n) for n, line in self._known.items())
                and self._are_there(self._known.values())
            ):
                facts = {name: kept["facts"][name] for name in OF_ALL}
                return facts, {name: _kept(line) for name, line in self._known.items()}
        return None

    def attempts(
        self, name: str, images: Sequence[ImageFile], correction: Callable[[ImageFile], Path | None]
    ) -> dict[str, list[int]] | None:
        """Return the attempts of a batch if nothing has changed since nothing was to be done in it; else None.

        Parameters
        ----------
        name : str
        images : sequence of ImageFile
        correction : callable
            Returns the corrected mask of an image, if it has one.
        """
        # Of one that was never begun, nothing is known, and nothing will be.
        if not any(journals := self._journals(name)):
            return None
        sign = self._sign(images, correction, journals)
        self._signs[name] = sign, journals
        line = self._known.get(name)
        # What is kept may be damaged.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if line and line["sign"] == sign and self._are_there([line]):
                found = _kept(line).attempts
                if all(len(each) == len(images) for each in found.values()):
                    self._now[name] = line
                    return found
        return None

    def note(self, batch: Batch, entries: Mapping[str, Entries]) -> bool:
        """Note a batch of which all images are done, if their results can be known by their sizes alone; say whether.

        Parameters
        ----------
        batch : Batch
        entries : mapping
            Of each image, how each step ended last.
        """
        if (sizes := self._sizes(batch, entries)) is None:
            return False
        sign, journals = self._signs[batch.name]
        self._now[batch.name] = {
            "batch": batch.name,
            "sign": sign,
            "journals": journals,
            "images": batch.images,
            "names": [result_name(image) for image in batch.images],
            "attempts": batch.attempts,
            "sizes": sizes,
        }
        return True

    def keep(self, plan: Plan, parts: Iterable[str]) -> None:
        """Write down what was noted, where that is worth it.

        Parameters
        ----------
        plan : Plan
        parts : iterable of str
            The names of the files beside images that these are looked at with.
        """
        if plan.number_of_images < WORTH_KEEPING:
            return
        kept: dict[str, Any] = {}
        # What lies elsewhere is in no sign of the images folders.
        hidden = any("/" in part or part.startswith(".") for part in parts)
        idle = self._now.keys() == plan.batches.keys() and not any(plan.to_do.values())
        if self._sign_of_all and idle and not hidden and not any(getattr(plan, e) for e in EMPTY):
            facts = {name: getattr(plan, name) for name in OF_ALL}
            kept = {"sign": self._sign_of_all, "batches": [*self._now], "facts": facts}
        if self._now == self._known and kept == self._all:
            return
        lines = [*self._now.values(), *([kept] if kept else [])]
        # Whoever has no room at home plans from the journals.
        with suppress(OSError):
            self._write(lines)

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        if not lines:
            self._file.unlink(missing_ok=True)
            return
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with write_atomically(self._file, lasting=False) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in lines), "ascii")
        kept = sorted(self._file.parent.glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[:-_SETTINGS]:
            path.unlink(missing_ok=True)

    def _journals(self, batch: str) -> list[list[int]]:
        return [state_of(self._folders.journal(step, batch)) for step in STEPS]

    def _sign(
        self,
        images: Iterable[ImageFile],
        correction: Callable[[ImageFile], Path | None],
        journals: list[list[int]],
    ) -> str:
        """Return what differs when a batch's images, journals, or what decides about them do."""
        facts = [
            (
                *(image.image, str(image.path), image.size, image.mtime_ns),
                *(image.position, image.positions, image.present, image.arranged, image.outdated),
                vars(image.header) if image.header else None,
                image.problem.code if image.problem else None,
                [str(path), *correction_fingerprint(path)] if (path := correction(image)) else None,
            )
            for image in images
        ]
        return fingerprint(self._decisive, journals, facts)

    def _sizes(self, batch: Batch, entries: Mapping[str, Entries]) -> Sizes | None:
        """Return the sizes of the results; None where more has to be known of one than that it has its size."""
        planned = rows_of(batch.tasks, self._folders)
        noted: dict[str, list[Record | None]] = {step: [] for step in planned}
        for step, rows in planned.items():
            for row in rows:
                record = _known_by_sizes(entries[row[IMAGE]][step])
                if record is None or row[BEFORE]:
                    return None
                noted[step].append(record)
        return sizes_of(self._folders, planned, noted)

    def _are_there(self, lines: Iterable[dict[str, Any]]) -> bool:
        return are_there(self._folders.results, lines)


def _kept(line: dict[str, Any]) -> Kept:
    images = tuple(map(str, line["images"]))
    return Kept(images, {step: list(map(int, line["attempts"][step])) for step in STEPS})


def _known_by_sizes(entry: Entry | None) -> Record | None:
    """Return what was noted of results that are known by their sizes; None where more has to be looked at."""
    if entry is None or entry.version != __version__ or entry.details.get("overwritten"):
        return None
    return as_record(entry.details.get("outputs"))
