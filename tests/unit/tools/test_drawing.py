from __future__ import annotations

import re
from pathlib import Path

import pytest

from segmake.tools import drawing


def test_the_drawing_is_up_to_date() -> None:
    there = drawing.DRAWING.read_text(encoding="utf-8")
    assert there == drawing.drawing(), f"it is out of date. Run: {drawing.COMMAND}"


def test_the_drawing_has_a_box_for_each_layer_and_a_dot_for_each_import() -> None:
    made = drawing.drawing()
    boxes = re.findall(r'<text class="name"[^>]*>([^<]*)</text>', made)
    assert boxes == drawing.layers()
    dots = re.findall(r"<title>(\S+) imports (\S+)</title>", made)
    assert dots == drawing.imports()
    assert ("cli", "steps") in dots and ("steps", "labels") in dots


def test_nothing_imports_what_stands_above_it() -> None:
    names = drawing.layers()
    assert all(names.index(one) < names.index(other) for one, other in drawing.imports())


@pytest.mark.parametrize("name", drawing.layers())
def test_the_first_sentence_of_a_folder_fits_into_its_box(name: str) -> None:
    assert 0 < len(drawing.first_sentence(name)) <= drawing.LONGEST_SENTENCE


def test_the_drawing_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / "architecture.svg"
    drawing.write_drawing(file)
    assert file.read_text(encoding="utf-8").endswith("</svg>\n")
