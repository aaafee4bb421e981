"""What a form shows of a script, and what may be typed in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.config.edit import DEFAULT
from segmake.page.fields import all_fields
from segmake.page.script_form import form_of, read

BY_PLACE = '''
"""Counts spots."""
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("image")
parser.add_argument("margin")
parser.add_argument("--threshold", type=float, default=3, help="cut there")
parser.add_argument("--way", required=True, choices=["up", "down"])
parser.parse_args()
'''


def test_of_a_script_that_takes_something_by_its_place_all_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(BY_PLACE)
    reading = read(str(tmp_path / "own.py"))
    assert (reading.by_place, reading.known) == (["image", "margin"], False)
    assert [each.title for each in reading.told] == ["--threshold", "--way"]
    # The line that is shown is one that can be typed.
    form = form_of([{"name": "own", "script": str(tmp_path / "own.py")}], 0)
    meant = form.fields["arguments"].meant(reading.line)
    assert meant == ["{image}", "MARGIN", "--way", "up"]


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("needs", "needs: [images, masks]", ["images", "masks"]),
        ("needs", "needs:\n  - images\n  - masks", ["images", "masks"]),
        ("needs", "[images, masks]", ["images", "masks"]),
        ("arguments", "arguments: {way: up}", {"way": "up"}),
        ("arguments", "way: up", {"way": "up"}),
        ("run", "run: dataset", "dataset"),
        ("run", "  ", DEFAULT),
    ],
)
def test_a_whole_line_of_the_file_may_be_typed(name: str, text: str, meant: object) -> None:
    form = form_of([{"name": "own", "script": ""}], 0)
    assert form.fields[name].meant(text) == meant


def test_a_text_with_a_colon_stays_what_it_is() -> None:
    assert all_fields()["images.channel"].meant("channel: 488") == "channel: 488"
    assert all_fields()["images.include"].meant("include: ['*.tif']") == ["*.tif"]
