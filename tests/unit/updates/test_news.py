from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from segmake.core import versions
from segmake.messages import catalogue
from segmake.updates import news

PARTS = [name for name in vars(versions) if name.isupper()]
OLD = 'ENGINES = {"threshold": 1, "cellpose": 1}\nLABELS = 1\nREPORT = 4\n'


class Commits:
    """What a clone would answer: the files of two commits."""

    def __init__(self, **files: Mapping[str, str]) -> None:
        self.files = files

    def text(self, commit: str, path: str) -> str:
        return self.files[commit].get(path, "")


def again(new: str, old: str = OLD, schemas: tuple[Any, Any] = ({}, {})) -> list[str]:
    files = [
        {news.VERSIONS: text, news.SCHEMA: json.dumps({"properties": schema})}
        for text, schema in zip((old, new), schemas, strict=True)
    ]
    return news.describe_again(Commits(a=files[0], b=files[1]), "a", "b")  # type: ignore[arg-type]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_that_decides_results_has_words_of_its_own(part: str) -> None:
    assert f"update.again.{part}" in catalogue()


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (OLD, []),
        (OLD.replace('"threshold": 1', '"threshold": 2'), ["with the engine threshold"]),
        (OLD.replace("LABELS = 1", "LABELS = 2"), ["Masks are written again"]),
        (OLD.replace('"cellpose": 1', '"cellpose": 1, "new": 1'), []),
        (OLD + "DREAMS = 1\n", ["DREAMS"]),
        ("", ["can't tell"]),
        ("LABELS = ", ["can't tell"]),
        ("LABELS = print(1)", ["can't tell"]),
    ],
)
def test_what_was_raised_is_said_and_nothing_else(new: str, words: list[str]) -> None:
    lines = again(new)
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))


def test_another_default_is_said_where_it_decides_results() -> None:
    before = {
        "segmentation": {"properties": {"min_size": {"default": 15}, "old": {"default": 1}}},
        "cluster": {"properties": {"hours": {"default": 2}}},
    }
    after = {
        "segmentation": {"properties": {"min_size": {"default": 30}, "new": {"default": 1}}},
        "cluster": {"properties": {"hours": {"default": 4}}},
    }
    (line,) = again(OLD, schemas=(before, after))
    assert "segmentation / min_size: the default was 15 and is 30" in line
    files = [{news.SCHEMA: json.dumps({"properties": each})} for each in (before, after)]
    clone: Any = Commits(a=files[0], b=files[1])
    (gone,) = news.describe_gone(clone, "a", "b")
    assert "segmentation / old" in gone
    clone = Commits(a=files[0], b={})
    assert news.describe_gone(clone, "a", "b") == []


def test_only_new_entries_are_told_under_their_headings() -> None:
    before = "# Changes\n\n## 0.2.0\n\n- One,\n  in two lines.\n- Two.\n"
    after = before.replace("- Two.\n", "- Two, and more.\n").replace(
        "# Changes\n", "# Changes\n\n## 0.3.0\n\n- Three.\n"
    )
    assert news.new_changes(before, after) == ["0.3.0", "- Three.", "0.2.0", "- Two, and more."]
    assert news.new_changes(before, before.replace("One,\n  in", "One, in")) == []
