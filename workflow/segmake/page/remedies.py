"""Which step of the page does what a remedy says to type in a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from segmake.messages import say
from segmake.page.steps import address_of
from segmake.page.work import in_readers_language

# Of each command the step that does the same, and the options that the step has too; None where it has to be typed.
COMMANDS: dict[str, tuple[str, tuple[str, ...]] | None] = {
    "bash": None,
    "segmake cluster": ("start", ()),
    "segmake demo-data": None,
    "segmake environment": ("environments", ("--make",)),
    "segmake firstday": None,
    "segmake get": ("settings", ()),
    "segmake helpfile": None,
    "segmake jupyter": ("environments", ()),
    "segmake look": ("images", ()),
    "segmake new": ("experiments", ("--images",)),
    "segmake plan": ("start", ("--slurm",)),
    "segmake remote check": ("connect", ()),
    "segmake remote fetch": ("follow", ("--all", "--masks", "--pictures", "--rois")),
    "segmake remote open": ("follow", ()),
    "segmake remote runs": ("runs", ("--again",)),
    "segmake remote run": ("start", ("--also-there", "--anew", "--overwrite")),
    "segmake remote setup": (
        "connect",
        ("--engine", "--folder", "--into", "--segmake", "--site", "--through"),
    ),
    # There it is chosen where the run is computed.
    "segmake remote setup --profile local": ("start", ("--profile",)),
    "segmake remote status": ("follow", ("--follow",)),
    "segmake remote stop": ("follow", ()),
    "segmake runs": ("runs", ("--again",)),
    "segmake set": ("settings", ()),
    "segmake site": None,
    "segmake space": None,
    "segmake status": ("follow", ("--follow",)),
    "segmake submit": ("start", ()),
    "segmake uninstall": None,
    "segmake update": None,
    "snakemake": None,
    "snakemake --profile local": ("start", ("--profile",)),
    "snakemake --profile slurm": ("start", ("--profile",)),
    "snakemake -n": ("start", ()),
}

# A command and what belongs to it, as far as the next one.
_BEGINS = r"(?<![\w./-])(?:bash(?= scripts/)|segmake|snakemake) "
_TYPED = re.compile(rf"{_BEGINS}(?:(?!{_BEGINS})[^`,;()\n])*")

_OPTION = re.compile(r"--[a-z-]+")

# Folders of images are chosen there, whatever is typed else.
_FAMILIES = {"SM-DIR": "images"}

# Names of steps that are not in the row of steps.
_NAMES = {"environments": "page.environments", "runs": "page.runs"}


def as_shown(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return a problem in the reader's language, with the steps of the page that do what it says to type.

    Parameters
    ----------
    problem : mapping
        As `segmake.page.work.problem_values` or an answer has it.
    """
    shown = dict(in_readers_language(problem))
    remedy = shown.get("remedy") or ""
    found = dict(commands_in(remedy))
    first = _FAMILIES.get(shown["code"].rpartition("-")[0])
    typed = [command for command, step in found.items() if step is None]
    steps = {"": first, **found} if first else found
    return shown | {
        "steps_lead": say("page.remedy.steps"),
        "steps_here": say("page.remedy.here"),
        "steps": [
            {
                "command": command,
                "address": address_of(step),
                "name": say(_NAMES.get(step, f"page.nav.{step}")),
            }
            for command, step in steps.items()
            if step
        ],
        "terminal": say("page.remedy.terminal", commands=", ".join(typed)) if typed else "",
    }


def commands_in(remedy: str) -> Iterator[tuple[str, str | None]]:
    """Yield the commands of a remedy without their values, each with the step that does the same, or None."""
    for found in _TYPED.findall(remedy):
        words = re.split(r"[.:]?\s+|[.:]$", found)
        options = [word for word in words if _OPTION.fullmatch(word)]
        for length in range(len(words), 0, -1):
            command = " ".join(words[:length])
            if command in COMMANDS:
                known = COMMANDS[command]
                can = known and set(options) <= set(known[1])
                named = dict.fromkeys([*words[: max(length, 2)], *options])
                yield " ".join(named), known[0] if known and can else None
                break
