"""Binds each correction to the content of the image that it was made for.

An image whose file was replaced keeps its name, and a correction of the old picture would be laid over the new one. So
it is noted what was in the file when a correction was first used; once the file holds something else the correction
waits until the user saves it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.core.declared_steps import MASKS
from segmake.core.files import sampled_hash, write_atomically
from segmake.core.journal import Journal
from segmake.images.corrections import correction_fingerprint
from segmake.images.inventory import read_inventory

if TYPE_CHECKING:
    from segmake.images.image import ImageFile
    from segmake.plan.result_paths import ResultPaths

# The file, in the folder `.segmake`.
RECORD = "corrections.json"


@dataclass(frozen=True)
class Binding:
    """What a correction was made for.

    Attributes
    ----------
    correction : list of int
        What `correction_fingerprint` gave.
    size, mtime_ns : int
        Those of the image's file when it was last seen with this content.
    content : str or None
        What `sampled_hash` gave of the file; None if that is not known.
    """

    correction: list[int]
    size: int
    mtime_ns: int
    content: str | None


@dataclass(frozen=True)
class Bound:
    """The corrections of a run.

    Attributes
    ----------
    used, outdated : dict
        The corrections that fit what is in the files now, and those that do not, by the names of the results.
    bindings : dict
        What is to be written down, by the names of the results.
    """

    used: dict[str, Path] = field(default_factory=dict)
    outdated: dict[str, Path] = field(default_factory=dict)
    bindings: dict[str, dict[str, Any]] = field(default_factory=dict)


def bind_corrections(
    corrections: Mapping[str, Path], images: Iterable[ImageFile], folders: ResultPaths
) -> Bound:
    """Tell the corrections that were made for what is in the files now from those that were not.

    Parameters
    ----------
    corrections : mapping
        The correction of each image that has one, by the name of its results.
    images : iterable of ImageFile
        Those that are there now.
    folders : ResultPaths
    """
    known = _read(folders.state / RECORD)
    bound = Bound(bindings={name: vars(binding) for name, binding in known.items()})
    before: dict[str, ImageFile] | None = None
    for image in images:
        name = image.result_name
        if name not in corrections:
            continue
        fingerprint = correction_fingerprint(corrections[name])
        binding = known.get(name)
        if binding is None and before is None:
            before = {each.image: each for each in read_inventory(folders.inventory)}
        if binding is None and (old := _used_for(image, fingerprint, before or {}, folders)):
            binding = Binding(fingerprint, old.size, old.mtime_ns, None)
        if binding is None or binding.correction != fingerprint:
            binding = Binding(fingerprint, image.size, image.mtime_ns, _content(image))
        fits = _fits(binding, image)
        if fits:
            binding = replace(binding, size=image.size, mtime_ns=image.mtime_ns)
        (bound.used if fits else bound.outdated)[name] = corrections[name]
        bound.bindings[name] = vars(binding)
    return bound


def write_bindings(bindings: Mapping[str, Any], state: Path) -> None:
    """Write down, in the folder ``.segmake``, what corrections were made for."""
    with write_atomically(state / RECORD) as part:
        part.write_text(json.dumps(bindings, indent=1) + "\n", encoding="ascii")


def _read(record: Path) -> dict[str, Binding]:
    try:
        values = json.loads(record.read_text(encoding="ascii"))
        return {name: Binding(**value) for name, value in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _fits(binding: Binding, image: ImageFile) -> bool:
    """Whether an image holds what a correction was made for; the file is opened only where its time is another."""
    if binding.size != image.size:
        return False
    if binding.mtime_ns == image.mtime_ns:
        return True
    return binding.content is not None and binding.content == _content(image)


def _content(image: ImageFile) -> str | None:
    parts = image.header.parts if image.header else ()
    return sampled_hash([image.path, *(image.path.parent / part for part in parts)])


def _used_for(
    image: ImageFile, correction: list[int], before: Mapping[str, ImageFile], folders: ResultPaths
) -> ImageFile | None:
    """Return the image of the last run that a correction was used for, where no binding says it: as 0.1.0 left it."""
    old = before.get(image.image)
    if old is None or (old.size, old.mtime_ns) == (image.size, image.mtime_ns):
        return None
    entry = Journal(folders.journal(MASKS, old.batch)).last(image.image)
    if entry is None or not entry.details.get("corrected") or entry.time * 1e9 < correction[1]:
        return None
    return old
