"""The pages on the first day name every step and every option, and no others."""

from __future__ import annotations

import re

import pytest

from segmake.cli.parser import command_line
from segmake.firstday.all_steps import STEPS
from segmake.firstday.step import NAMES
from segmake.messages import catalogue
from tests.projects import ROOT


def test_each_step_has_a_name_and_a_text() -> None:
    assert tuple(step.name for step in STEPS) == NAMES
    texts = {name for name in catalogue() if name.startswith("firstday.step.")}
    assert texts == {f"firstday.step.{name}" for name in NAMES}


@pytest.mark.parametrize("page", ["first-day.md", "first-day.fr.md"])
def test_a_page_names_all_steps(page: str, capsys) -> None:
    text = (ROOT / "docs" / "administrators" / page).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`([\w-]+)`", row)] == list(NAMES)
    with pytest.raises(SystemExit):
        command_line().parse_args(["firstday", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    typed = set(re.findall(r"`(?:segmake firstday )?(--[a-z-]+)", text)) | {"--list"}
    assert typed == options
    assert "segmake firstday --list " in text
