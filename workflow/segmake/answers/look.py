"""What ``segmake look --json`` answers: a line for each file as soon as it was looked at, and one on all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from segmake.answers.answer import Answer, answer, path_text, problem_values, time_text
from segmake.formats import FORMATS
from segmake.formats.believed import Header
from segmake.look.many_files import Look, Looks
from segmake.messages import say

# So many of the other files are named: a folder of images may have a hundred times as many others.
MOST_OTHERS = 1000


def look_answers(looks: Looks) -> Iterator[Answer]:
    """Yield an answer for each image, and at the end one on all."""
    counts: Counter[str] = Counter()
    channels: Counter[str] = Counter()
    sizes: Counter[float] = Counter()
    for look in looks.each():
        counts["files"] += 1
        counts["kept"] += look.kept
        counts["faulty"] += bool(look.problems)
        counts["positions"] += len(look.fields)
        channels.update(dict.fromkeys((c for f in look.fields for c in f.channels), 1))
        sizes.update({f.pixel_size_um: 1 for f in look.fields if f.pixel_size_um})
        yield file_answer(look, len(looks))
    not_kept = looks.not_kept
    yield answer(
        "look",
        1,
        [problem_values(not_kept, "warning")] if not_kept else [],
        place=path_text(looks.place),
        **{name: counts[name] for name in ("files", "kept", "faulty", "positions")},
        left_out=len(looks.others),
        others=list(_others(looks)),
        channels=[{"name": name, "files": number} for name, number in channels.most_common()],
        pixel_sizes_um=[{"um": size, "files": number} for size, number in sizes.most_common()],
    )


def _others(looks: Looks) -> Iterator[dict[str, str]]:
    """Yield what is taken for no image, and why; of the files whose names are none of an image, the first alone."""
    named = {**looks.made(), "system": looks.system, "name": looks.others[:MOST_OTHERS]}
    for kind, names in named.items():
        for name in names:
            yield {"name": name, "kind": kind, "reason": say(f"left_out.{kind}")}


def file_answer(look: Look, of: int) -> Answer:
    """Return what was seen of an image, one of so many."""
    of_file = {"file": path_text(look.path)}
    problems = [problem_values(one) | of_file for one in look.problems]
    problems += [problem_values(one, "warning") | of_file for one in look.warnings]
    # Of what is no image by its name, such as a folder that can't be read, there is no format.
    kind = FORMATS.get(look.path.suffix.lower())
    return answer(
        "look.file",
        1,
        problems,
        file=path_text(look.path),
        name=look.name,
        of=of,
        format=kind[0] if kind else None,
        bytes=look.size,
        changed=time_text(look.mtime_ns / 1e9) if look.mtime_ns else None,
        kept=look.kept,
        parts=look.files,
        picture=path_text(look.picture) if look.picture else None,
        shown=look.shown or None,
        positions=[_position(number, header) for number, header in enumerate(look.fields, 1)],
    )


def axes_of(header: Header) -> str:
    """Return the axes along which there is more than one plane, and those of a plane: ``TCYX``."""
    numbers = {
        "T": header.times,
        "Z": header.slices,
        "C": 1 if header.color else len(header.channels),
        "Q": header.unnamed,
    }
    more = "".join(axis for axis, number in numbers.items() if number > 1)
    return f"{more}YX{'S' if header.color else ''}"


def _position(number: int, header: Header) -> dict[str, Any]:
    names = (
        *("width", "height", "times", "slices", "color", "dtype", "pixel_size_um"),
        *("pixel_height_um", "slice_step_um", "acquired", "objective", "lossy"),
        *("planned_times", "planned_slices"),
    )
    return {
        "number": number,
        "name": header.position,
        "axes": axes_of(header),
        "channels": list(header.channels),
        "pages": header.unnamed,
        "doubted": list(header.doubted),
        **{name: getattr(header, name) for name in names},
        "interval_s": header.interval_s if header.times > 1 else None,
    }
