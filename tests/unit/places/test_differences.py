"""What is copied, and what waits."""

from __future__ import annotations

import time

import pytest

from segmake.places.differences import changed, may_grow
from segmake.places.parts import writer
from segmake.places.place import PART, File


def test_names_with_accents_spelled_in_two_ways() -> None:
    known = File(3, 5.0)
    assert changed({"e\u0301te\u0301.tif": known}, {"\u00e9t\u00e9.tif": known}) == {}
    assert changed({"e\u0301te\u0301.tif": File(4, 5.0)}, {"\u00e9t\u00e9.tif": known}) == {
        "e\u0301te\u0301.tif": "\u00e9t\u00e9.tif"
    }


def test_names_that_the_target_writes_in_another_way() -> None:
    known = File(3, 5.0)
    called = {"a:b": "a%3Ab"}
    assert changed({"a:b": known}, {"a%3Ab": known}, called) == {}
    assert changed({"a:b": known}, {}, called) == {"a:b": "a%3Ab"}


@pytest.mark.parametrize(
    ("ages", "waits"),
    [
        # Seconds since each file changed, and of which ones it is doubted that they are whole.
        ({"a": 2}, {"a": 8}),
        ({"a": 3600, "b": 7200}, {"a": 3}),
        ({"a": 3600, "b": 3605, "c": 3620}, {"a": 3, "b": 3}),
        ({"a": 30 * 3600}, {}),
        ({"a": -3600, "b": 60, "c": 90}, {"a": 10, "b": 3}),
        ({"a": -1e9, "b": 30 * 3600}, {"a": 10}),
    ],
)
def test_what_may_still_grow(ages: dict[str, float], waits: dict[str, float]) -> None:
    now = time.time()
    files = {name: File(1, now - age) for name, age in ages.items()}
    assert may_grow(files, files, 10) == pytest.approx(waits, abs=1)


def test_parts_belong_to_who_writes_them() -> None:
    file = File(3, 5.0)
    with writer("laptop", "cluster") as first, writer("laptop", "cluster") as second:
        parts = [
            f"day/{first.part('a', file)}",
            f"{first.stream(1)}/day/b",
            f"day/{first.stream(2)}",
        ]
        assert all(PART in part for part in parts)
        # One that is at work is nobody else's.
        assert list(second.left(iter(parts))) == []
    with writer("laptop", "cluster") as later:
        left = [part.path for part in later.left(iter([*parts, "day/a", f"x{PART}"]))]
        assert left == [parts[0], parts[1].partition("/")[0], parts[2]]
    with writer("another laptop", "cluster") as other:
        assert list(other.left(iter(parts))) == []
