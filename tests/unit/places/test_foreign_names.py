"""Names of files that another system does not take."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmake.places.foreign_names import names_for


@pytest.mark.parametrize(
    ("name", "on_windows"),
    [
        ("day 1/été's.tif", "day 1/été's.tif"),
        ("a:b?.csv", "a%3Ab%3F.csv"),
        ("CON", "%43ON"),
        ("nul.csv", "%6Eul.csv"),
        ("nullable.csv", "nullable.csv"),
        ("com1 .x/a", "%63om1 .x/a"),
        ("dot./a ", "dot%2E/a%20"),
        ("back\\slash", "back%5Cslash"),
        ("l\nne", "l%0Ane"),
        ("caf\udce9.tif", "caf%E9.tif"),
        ("100%", "100%"),
        ("a%3Ab.csv", "a%253Ab.csv"),
    ],
)
def test_names_on_windows(name: str, on_windows: str) -> None:
    assert names_for("windows", [name]) == {name: on_windows}
    assert names_for("linux", [name]) == {name: name}


def test_names_that_differ_in_capitals_alone() -> None:
    names = ["Day/x", "day/x", "day/A.tif", "day/a.tif", "B", "É", "é"]
    found = {
        "Day/x": "%44ay/x",
        "day/x": "day/x",
        "day/A.tif": "day/%41.tif",
        "day/a.tif": "day/a.tif",
        "B": "B",
        "É": "%C3%89",
        "é": "é",
    }
    for system in ("windows", "macos"):
        assert names_for(system, names) == found
        assert names_for(system, reversed(names)) == found
    # One file, spelled in two ways.
    assert names_for("macos", ["e\u0301", "\u00e9"]) == {"e\u0301": "e\u0301", "\u00e9": "\u00e9"}


@given(st.sets(st.text("aAéÉcCoOnN:?. %34A\\", min_size=1, max_size=5)))
def test_no_two_files_get_the_same_name(names: set[str]) -> None:
    found = names_for("windows", names - {".", ".."})
    assert len({name.casefold() for name in found.values()}) == len(found)
    assert not any(re.search(r"[:?\\]|[. ]$", name) for name in found.values())
