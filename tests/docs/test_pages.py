"""Every page: what is typed in it is right, both languages have the same, and it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import checked, pairs, terms, whole
from tests.docs.blocks import french_of, pages, read
from tests.projects import ROOT

PAGES = {page.relative_to(ROOT).as_posix(): page for page in pages()}
ENGLISH = [name for name in PAGES if not name.endswith(".fr.md")]
FRENCH = [name for name in PAGES if name.endswith(".fr.md")]


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_says_to_type_is_right_and_what_it_names_is_there(name: str) -> None:
    assert checked.faults(read(PAGES[name])) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole(name: str) -> None:
    assert whole.faults(read(PAGES[name])) == []


@pytest.mark.parametrize("name", ENGLISH)
def test_a_page_is_the_same_in_french(name: str) -> None:
    french = french_of(PAGES[name])
    assert french.is_file(), f"{name} has no French"
    assert pairs.differences(read(PAGES[name]), read(french)) == []


@pytest.mark.parametrize("name", FRENCH)
def test_a_french_page_has_an_english_one_and_the_words_of_the_table(name: str) -> None:
    assert Path(str(PAGES[name]).replace(".fr.md", ".md")).is_file()
    assert terms.faults(read(PAGES[name])) == []
