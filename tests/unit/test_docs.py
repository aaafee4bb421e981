from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from segmake.remote.remembered import FILE as PLACE
from segmake.tools.drawing import layers
from tests.projects import ROOT

PACKAGE = ROOT / "workflow" / "segmake"
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / "config").glob("*.md"), ROOT / "README.md"]
)
FOLDERS = [*layers(), "environments", "scripts"]

MODULE = re.compile(r"(?:`|-m )(segmake(?:\.\w+)+)")
FILE = re.compile(r"\bworkflow/segmake/[\w/.-]*\w")
# What a recipe has one make: tests/docs follows it.
MADE = re.compile(r"^<!-- file: (\S+) -->$", re.MULTILINE)
WORD = re.compile(r"(?<!`)`([\w.]+)`(?!`)")


def is_there(name: str) -> bool:
    """Whether a name is that of a module, or of a function, class or value of one."""
    *folders, last = name.split(".")[1:]
    place = PACKAGE.joinpath(*folders)
    if is_module(place / last):
        return True
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return file.is_file() and defines(file, last)


def is_in(folder: Path, word: str) -> bool:
    """Whether a word is the name of a module in a folder, or of what one has."""
    return is_module(folder / word) or any(defines(file, word) for file in folder.glob("*.py"))


def is_module(place: Path) -> bool:
    return place.is_dir() or place.with_suffix(".py").is_file()


def defines(file: Path, name: str) -> bool:
    text = file.read_text(encoding="utf-8")
    return bool(re.search(rf"^(?:class |def )?{name}\b", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_of_the_package_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(MODULE.findall(text)) - {PLACE}
    assert [name for name in sorted(named) if not is_there(name)] == []
    files = set(FILE.findall(text)) - set(MADE.findall(text))
    assert [file for file in sorted(files) if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_folder_says_of_itself_is_there(folder: str) -> None:
    place = PACKAGE.joinpath(*folder.split("."))
    tree = ast.parse((place / "__init__.py").read_text(encoding="utf-8"))
    prose = (ast.get_docstring(tree) or "").partition(">>>")[0]
    missing = [
        word
        for word in WORD.findall(prose)
        if not (is_there(word) if word.startswith("segmake.") else is_in(place, word))
    ]
    assert missing == []
