"""Numbers and the words behind them, in every text of the catalogue."""

from __future__ import annotations

import re

import pytest

from segmake.messages import LANGUAGES, catalogue, filled, language, names, say
from segmake.messages.numbers import number

# The word behind a number; what stands between thousands or before a unit is no end of it.
BEHIND = re.compile(r"(?<![\w.,-])(\d+)[ \u00a0]+([^\W\d_]+)")

# What ends as a plural does, and is none, or begins another sentence.
NO_PLURALS = {
    "en": {"is", "was", "has", "s", "as", "this", "settings"},
    "fr": {
        "fois",
        "plus",
        "sous",
        "dans",
        "sans",
        "pas",
        "mais",
        "avez",
        "px",
        "s",
        "x",
        "réglages",
    },
}

# What a value of this name is, in every text.
COUNTS = {"number", "n", "runs", "done", "failed", "cells", "jobs", "times", "seconds", "minutes"}

FORM = re.compile(r"\{(\w+)[^{}|]*\} +\{\1:([^\W\d_]+)\|([^\W\d_]+)\}")


def rendered(text: str, count: int) -> str:
    """Return a text with a number for all that it counts, and letters for what it names."""
    counted = COUNTS | {name for name in names(text) if re.search(rf"\{{{name}:[^{{}}]*\|", text)}
    return filled(text, {name: count if name in counted else Name() for name in names(text)})


class Name(str):
    """A name in the place of a value, in whatever format."""

    def __new__(cls) -> Name:
        return super().__new__(cls, "Xyz")

    def __format__(self, spec: str) -> str:
        return str(self)


def texts(wanted: str) -> list[tuple[str, str]]:
    return [
        (f"{section}/{part}", entry[part][wanted])
        for section, entry in catalogue().items()
        for part in entry
        # Details have the number of a page.
        if names(entry[part][wanted]) and not section.startswith("detail.")
    ]


@pytest.fixture(params=LANGUAGES)
def spoken(request, monkeypatch) -> str:
    monkeypatch.setenv("SEGMAKE_LANG", request.param)
    assert language() == request.param
    return request.param


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_number_stands_before_a_word_that_does_not_agree(spoken, count):
    one_is_meant = count == 1 or (count == 0 and spoken == "fr")
    singular = singular_words(spoken)
    wrong = []
    for place, text in texts(spoken):
        for found in BEHIND.finditer(rendered(text, count)):
            word = found[2].lower()
            ends = word.endswith(("s", "x", "aux")) and word not in NO_PLURALS[spoken]
            if int(found[1]) == count and (ends if one_is_meant else word in singular):
                wrong.append(f"{place}: {found[0]}")
    assert not wrong


def singular_words(spoken: str) -> set[str]:
    """Return the words that texts have a plural for."""
    forms = [found for _, text in texts(spoken) for found in FORM.findall(text)]
    # "5 times", but "5 time points".
    return {one for _, one, more in forms if one != more} - {"time"}


def test_no_text_leaves_the_plural_to_the_reader(spoken):
    texts_of_all = [
        (f"{section}/{part}", entry[part][spoken])
        for section, entry in catalogue().items()
        for part in entry
    ]
    assert not [place for place, text in texts_of_all if re.search(r"\w\((?:s|x|e|es)\)", text)]


@pytest.mark.parametrize(
    ("spoken_here", "count", "said"),
    [
        ("en", 0, "0 jobs"),
        ("en", 1, "1 job"),
        ("en", 1001, "1,001 jobs"),
        ("fr", 0, "0 tâche"),
        ("fr", 1, "1 tâche"),
        ("fr", 2, "2 tâches"),
        ("fr", 1001, "1\u202f001 tâches"),
    ],
)
def test_a_number_and_its_word_follow_the_language(monkeypatch, spoken_here, count, said):
    monkeypatch.setenv("SEGMAKE_LANG", spoken_here)
    # As a number, and as it is written.
    assert say("progress.jobs", number=number(count)) == said
    assert say("progress.jobs", number=count).replace(str(count), number(count)) == said


def test_a_value_that_is_no_number_takes_the_plural(monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    assert filled("{n:image|images}", {"n": "1,5"}) == "image"
    assert filled("{n:image|images}", {"n": "-"}) == "images"
    assert filled("{n:une image|{n} images, {seconds:.1f} s}", {"n": 3, "seconds": 2}) == (
        "3 images, 2.0 s"
    )
