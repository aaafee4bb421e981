"""Notebooks, other languages, and Python that is newer than the one of the environment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.scripts.checking import (
    codes,
    growth,
)


def notebook(*cells: str, **metadata: Any) -> str:
    return json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": ["# Growth"]},
                *(
                    {"cell_type": "code", "source": cell.splitlines(keepends=True)}
                    for cell in cells
                ),
            ],
            "metadata": metadata,
            "nbformat": 4,
        }
    )


@pytest.mark.parametrize(
    ("text", "section", "listed", "code", "words"),
    [
        (
            notebook("%matplotlib inline\n!ls\nimport pandas", "%%bash\nls |", "x = !ls\ny?"),
            {},
            ["jupyter", "pandas"],
            None,
            "",
        ),
        (notebook("if 1:\n    !ls\n", "await f()"), {}, ["nbconvert", "ipykernel"], None, ""),
        (
            notebook("import pandas"),
            {},
            ["nbconvert", "pandas"],
            "SM-SCR-011",
            "[nbconvert, pandas, ipykernel]",
        ),
        (notebook("import seaborn"), {}, ["jupyter"], "SM-SCR-011", "[jupyter, seaborn]"),
        (notebook("x = 1", "x = (\n"), {}, ["jupyter"], "SM-SCR-007", "correct the script"),
        ("{}", {}, ["jupyter"], "SM-SCR-008", "save it again"),
        ('{"cells": [{"cell', {}, ["jupyter"], "SM-SCR-008", "save it again"),
        (notebook("library(ggplot2)", kernelspec={"language": "R"}), {}, ["nbconvert"], None, ""),
        (notebook("x = 1"), {"arguments": ["x"]}, ["jupyter"], "SM-SCR-019", "os.environ"),
    ],
)
def test_notebooks(check, text, section, listed, code, words):
    script = growth(script="growth.ipynb", environment="notes", **section)
    problems = check({"growth.ipynb": text}, [script], environments={"notes": {"packages": listed}})
    assert codes(problems) == ([code] if code else []), "\n".join(map(str, problems))
    assert words in "".join(problem.remedy for problem in problems)


def test_the_cell_of_a_fault_is_told(check):
    script = growth(script="growth.ipynb", environment="notes")
    text = notebook("x = 1", "y = 2\nx = (\n")
    environments = {"notes": {"packages": ["jupyter"]}}
    problems = check({"growth.ipynb": text}, [script], environments=environments)
    assert "growth.ipynb, cell 3, line 2" in problems[0].what


def test_other_languages_need_their_program(check, monkeypatch):
    files = {"a.R": "x <- 1\n", "b.sh": "echo\r\n"}
    scripts = [growth(name="a", script="a.R"), growth(name="b", script="b.sh")]
    monkeypatch.setattr("shutil.which", lambda name: None if name == "Rscript" else name)
    problems = check(files, scripts)
    assert codes(problems) == ["SM-SCR-006", "SM-SCR-009"]
    assert not check({"b.sh": "echo $2\n"}, scripts[1:])


@pytest.mark.parametrize("python", ["3.13", "3.14"])
def test_syntax_that_is_newer_than_this_python_is_no_fault(check, python):
    environments = {"new": {"python": python, "packages": ["numpy"]}}
    script = growth(environment="new")
    newer = "type Pair[T] = tuple[T, T]\nprint(f'{f'{1}'}')\n"
    assert not check({"growth.py": newer}, [script], environments=environments)
    problems = check({"growth.py": "print 'x'\n"}, [script], environments=environments)
    assert codes(problems) == ["SM-SCR-007"]


def test_syntax_that_is_newer_than_the_python_of_the_environment_is_a_fault(check):
    environments = {"old": {"python": "3.10", "packages": ["natsort"]}}
    text = "try:\n    pass\nexcept* ValueError:\n    pass\n"
    assert not check({"growth.py": text}, [growth()])
    problems = check({"growth.py": text}, [growth(environment="old")], environments=environments)
    assert codes(problems) == ["SM-SCR-007"]
