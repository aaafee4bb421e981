"""Which images of a results folder are affected by what earlier versions did wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmake.core.declared_steps import STEPS
from segmake.core.settings import Images
from segmake.formats.believed import Header
from segmake.images.image import ImageFile
from segmake.messages import LANGUAGES, Problem
from segmake.plan import known_errors
from segmake.plan.known_errors import Seen, affected, describe

SECTION = Images(channel=1)
HEADER = Header(10, 10, 1, 1, ("Phase", "GFP"), False, "uint16", 0.1)


@dataclass(frozen=True)
class Line:
    """An entry of a journal that says which version wrote it, or not."""

    event: str = "done"
    details: dict[str, Any] = field(default_factory=dict)
    version: str = "0.1.0"


class OldLine:
    event, details = "done", {}


def seen(
    folder: Path,
    name: str,
    *,
    header: Header | None = HEADER,
    below: str = "monday",
    correction: Path | None = None,
    version: str = "0.1.0",
    time: int = 0,
    **details: dict[str, Any],
) -> Seen:
    image = ImageFile(name, name, folder / below / name, 100, time, header=header)
    entries = {step: Line(details=details.get(step, {}), version=version) for step in STEPS}
    mask, table = folder / f"{name}_masks.ome.tif", folder / f"{name}_cells.csv"
    tifffile.imwrite(mask, np.ones((9, 9), np.uint16))
    table.write_text("label,area_px\n1,20\n", encoding="utf-8-sig")
    return Seen(image, entries, correction, mask, table)


def with_height(height: float | None, width: float | None = 0.1) -> Any:
    """Return a header that says both sides of a pixel, as the readers of this version do."""
    header = Header(**{**HEADER.as_dict(), "channels": HEADER.channels, "pixel_size_um": width})
    object.__setattr__(header, "pixel_height_um", height)
    return header


def test_every_error_can_be_told_and_has_its_texts():
    errors = known_errors.known_errors()
    assert set(errors) >= set(known_errors._CIRCUMSTANCES)
    for error in errors.values():
        assert set(error.steps) <= set(STEPS) and known_errors.number_of(error.before) > (0, 1, 0)
        assert all(set(texts) == set(LANGUAGES) for texts in error.texts.values())
        assert not any(error.text("title", words).endswith(".") for words in LANGUAGES)
    # Once published, a code keeps its meaning.
    assert list(errors) == [f"KE-{number:03d}" for number in range(1, 8)]


def test_pixels_that_are_not_square(tmp_path):
    measured = {"measure": {"pixel_size_um": 0.1}}
    images = [
        seen(tmp_path, "high.tif", header=with_height(0.2), **measured),
        seen(tmp_path, "printed.tif", header=with_height(None, None), **measured),
        seen(tmp_path, "square.tif", header=with_height(None), **measured),
        seen(tmp_path, "same.tif", header=with_height(0.1), **measured),
        seen(tmp_path, "unknown.tif", header=with_height(None, None)),
        seen(tmp_path, "broken.tif", header=None, **measured),
        seen(tmp_path, "new.tif", header=with_height(0.2), version="0.2.0", **measured),
    ]
    assert affected(images, SECTION) == {"KE-001": ["high.tif", "printed.tif"]}
    assert affected(images, replace(SECTION, pixel_size_um=0.3)) == {}


def test_a_correction_of_another_image(tmp_path):
    correction = tmp_path / "a_seg.npy"
    correction.write_bytes(b"")
    os.utime(correction, ns=(5000, 5000))
    old = {"correction": correction, "masks": {"corrected": True}}
    assert affected([seen(tmp_path, "a.tif", time=4000, **old)], SECTION) == {}
    assert affected([seen(tmp_path, "a.tif", time=6000, **old)], SECTION) == {"KE-002": ["a.tif"]}
    two = [seen(tmp_path, "a.tif", **old), seen(tmp_path, "b.tif", below="tuesday")]
    assert affected(two, SECTION) == {"KE-002": ["a.tif"]}
    one = [seen(tmp_path, "a.tif", **old), seen(tmp_path, "b.tif")]
    assert affected(one, SECTION) == {}
    new = [seen(tmp_path, "a.tif", time=6000, version="0.2.1", **old)]
    assert affected(new, SECTION) == {}


def test_a_channel_number_with_several_names(tmp_path):
    def segmented(*channels: str, version: str = "0.1.0", wanted: Any = 1) -> dict[str, list[str]]:
        images = [
            seen(
                tmp_path,
                f"{index}.tif",
                version=version,
                segment={"channel": channel, "channel_number": 1},
            )
            for index, channel in enumerate(channels)
        ]
        return affected(images, Images.of({"channel": wanted}))

    assert segmented("Phase", "GFP", "Phase") == {"KE-003": ["1.tif"]}
    assert segmented("Phase", "GFP", "GFP", wanted="phase ") == {"KE-003": ["1.tif", "2.tif"]}
    assert segmented("Phase", "PH3", wanted=["Phase", "PH3"]) == {}
    assert segmented("Phase", "phase ", "1") == {}
    assert segmented("Phase", "GFP", "Phase", version="0.2.0") == {}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("label;area_px\n1;20\n", True),
        ("\ufefflabel\tarea_px\n", True),
        ("", True),
        ("\ufefflabel,area_px\n1,2", True),
        ("\ufefflabel,area_px\n", False),
    ],
)
def test_tables_that_another_program_saved(tmp_path, start, expected):
    image = seen(tmp_path, "a.tif")
    image.table.write_text(start, encoding="utf-8")
    assert ("KE-004" in affected([image], SECTION)) == expected


def test_empty_masks_and_results_that_are_gone(tmp_path):
    image = seen(tmp_path, "a.tif")
    for size in (image.mask.stat().st_size - 9, 0):
        os.truncate(image.mask, size)
        assert affected([image], SECTION) == {"KE-004": ["a.tif"]}
    image.mask.unlink()
    assert affected([image], SECTION) == {}


def test_files_that_were_not_all_there(tmp_path):
    whole = seen(tmp_path, "a.tif")
    cut = replace(whole, image=replace(whole.image, header=None, problem=Problem("SM-IMG-050")))
    assert affected([whole], SECTION) == {} and affected([cut], SECTION) == {"KE-005": ["a.tif"]}


def test_entries_without_a_version_are_of_the_first(tmp_path):
    old = Seen(seen(tmp_path, "a.tif").image, {"masks": OldLine()}, None, tmp_path, tmp_path)
    assert old.made_before("0.2.0", ["masks"]) and not old.made_before("0.2.0", ["segment"])
    assert known_errors.number_of("0.10.0") > known_errors.number_of("0.9.0")
    assert known_errors.number_of("odd") == (0, 1, 0)


def test_what_is_said_names_the_images_and_what_to_do(monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    many = [f"{number}.tif" for number in range(12)]
    found = {"KE-003": many, "KE-999": ["of a newer version"]}
    (line,) = describe(found, "plan.known_error")
    assert "KE-003" in line and "12" in line and "known-errors.fr.md" in line
    (line,) = describe(found, "warning.known_error")
    assert "0.tif, 1.tif" in line and "9.tif..." in line and "`channel`" in line
