"""Every page: what is typed in it is right, both languages have the same, and it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import checked, pairs, terms, whole
from tests.docs.blocks import french_of, pages, read
from tests.docs.unfinished import STILL_ENGLISH_ONLY, STILL_UNCHECKED, STILL_WITHOUT_END
from tests.projects import ROOT

PAGES = {page.relative_to(ROOT).as_posix(): page for page in pages()}
ENGLISH = [name for name in PAGES if not name.endswith(".fr.md")]
FRENCH = [name for name in PAGES if name.endswith(".fr.md")]


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_says_to_type_is_right_and_what_it_names_is_there(name: str) -> None:
    faults = checked.faults(read(PAGES[name]))
    if name in STILL_UNCHECKED:
        assert faults, f"{name} is right: take it out of STILL_UNCHECKED"
        return
    assert faults == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole(name: str) -> None:
    page = read(PAGES[name])
    lacking = whole.faults(page)
    if name in STILL_WITHOUT_END:
        assert whole.without_end(page), f"{name} has its end: take it out of STILL_WITHOUT_END"
        lacking = [each for each in lacking if each not in whole.without_end(page)]
    assert lacking == []


@pytest.mark.parametrize("name", ENGLISH)
def test_a_page_is_the_same_in_french(name: str) -> None:
    french = french_of(PAGES[name])
    if name in STILL_ENGLISH_ONLY:
        assert not french.exists(), f"{name} has its French: take it out of STILL_ENGLISH_ONLY"
        return
    assert french.is_file(), f"{name} has no French"
    assert pairs.differences(read(PAGES[name]), read(french)) == []


@pytest.mark.parametrize("name", FRENCH)
def test_a_french_page_has_an_english_one_and_the_words_of_the_table(name: str) -> None:
    assert Path(str(PAGES[name]).replace(".fr.md", ".md")).is_file()
    assert terms.faults(read(PAGES[name])) == []


def test_what_is_unfinished_is_a_page() -> None:
    assert (STILL_ENGLISH_ONLY | STILL_UNCHECKED | STILL_WITHOUT_END) - set(PAGES) == set()
