"""What somebody typed and what was edited by hand meanwhile are both there."""

from __future__ import annotations

from typing import Any

import pytest

from segmake.page.merging import by_name, on_top


@pytest.mark.parametrize(
    ("before", "typed", "now", "expected"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": 1}, {"a": 1, "c": 4}, {"a": 2}, {"a": 2, "c": 4}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"x": 2, "y": 1}}, {"a": {"x": 1}}, {"a": {"x": 2}}),
        ({"a": 1, "b": 1}, {"a": 1}, {"a": 1, "b": 1, "c": 1}, {"a": 1, "c": 1}),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, {}, {"a": {"x": 2}}),
        ({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"b": 1}, {"b": 2}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [3]}, {"a": [1, 2]}),
    ],
)
def test_where_one_side_has_changed_something_that_counts(
    before: Any, typed: Any, now: Any, expected: Any
) -> None:
    assert on_top(before, typed, now) == expected


def test_sections_of_one_name_are_told_apart() -> None:
    sections = [{"name": "a"}, {"name": "a", "x": 1}, {}, {"y": 1}, {"name": "b"}]
    assert list(by_name(sections).values()) == sections
