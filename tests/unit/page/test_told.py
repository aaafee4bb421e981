"""What a command has told people is told on the page in the same words."""

from __future__ import annotations

from segmake.messages import Problem, Problems
from segmake.page.told import problems_told
from segmake.page.work import problem_values

FOUND = [Problem("SM-EXP-001", where="été", folder="été"), Problem("SM-PAG-035")]


def test_problems_are_taken_apart_as_they_were_put_together() -> None:
    said = f"Something before.\n{Problems(FOUND)}\n"
    names = ("code", "where", "text", "remedy")
    expected = [{name: problem_values(each)[name] for name in names} for each in FOUND]
    for text in (said, said.replace("\n", "\r\n")):
        assert problems_told(text) == expected
    assert problems_told("SM-EXP-001 is a code.\nSegmentation fault\n") == []
