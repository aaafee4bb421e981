"""What the page says beside a command that a remedy has somebody type."""

from __future__ import annotations

import argparse
import re

import pytest

from segmake.cli.parser import command_line
from segmake.messages import Problem, catalogue, speaking
from segmake.page.remedies import as_shown, commands_in
from segmake.page.work import problem_values


def shown(code: str, language: str = "en", **values: object) -> dict[str, object]:
    with speaking(language):
        return as_shown(problem_values(Problem(code, where="there", **values)))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_command_that_a_remedy_names_is_known_to_the_page(language: str) -> None:
    told = {code: entry["do"][language] for code, entry in catalogue().items() if "do" in entry}
    assert len(told) > 400
    # `segmake page` itself is the page.
    named = re.compile(r"\b(?:segmake(?! page\b) [a-z]+|bash scripts/[a-z.]+|snakemake --?[a-z]+)")
    commands = {action for action in _commands() if action != "page"}
    for code, text in told.items():
        found = " ".join(command for command, _ in commands_in(text))
        for each in named.findall(text):
            if not each.startswith("segmake ") or each.split()[1] in commands:
                assert each in found, (code, each)


def _commands() -> set[str]:
    """Return the commands that there are."""
    actions = command_line()._actions
    (among,) = (each for each in actions if isinstance(each, argparse._SubParsersAction))
    return set(among.choices)


def test_what_is_typed_in_a_terminal_is_no_step() -> None:
    assert dict(commands_in("Type: segmake remote setup --folder FOLDER\n  or a bash script")) == {
        "segmake remote setup --folder": "connect"
    }
    # The step has no such option.
    assert dict(commands_in("Or segmake remote setup --bundle FILE, or segmake update.")) == {
        "segmake remote setup --bundle": None,
        "segmake update": None,
    }


@pytest.mark.parametrize(
    ("language", "name", "lead"),
    [("en", "Connect", "On this page:"), ("fr", "Connexion", "Sur cette page :")],
)
def test_a_problem_leads_to_the_step_that_does_the_same(
    language: str, name: str, lead: str
) -> None:
    found = shown("SM-REM-004", language, path="segmake")
    assert (
        found["steps"] == [{"command": "segmake remote setup", "address": "/connect", "name": name}]
        and found["steps_lead"] == lead
    )
    assert not found["terminal"]
    assert "bash scripts/setup.sh --engine" in str(
        shown("SM-ENV-001", language, engine="cellpose")["terminal"]
    )
    (images,) = shown("SM-DIR-007", language, results="images")["steps"]
    assert images["address"] == "/images"
