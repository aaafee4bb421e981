"""Whether a block is right without running it: commands, settings, data, programs."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from segmake.config.load import merged
from segmake.config.schema import schema_problems
from segmake.core import site
from segmake.core.config import Config
from tests.docs import commands, shell
from tests.docs.blocks import Block, Page
from tests.projects import ROOT

# What is said of a file of SegMake's clone; names in capitals, and scripts in Python, are the reader's.
_FILE = re.compile(r"(?:(?:workflow|docs|benchmarks|profiles|tests)/[\w./-]*\w|scripts/[\w-]+\.sh)")
_COMMAND = re.compile(r"(?:segmake|snakemake|bash \S*scripts/\S+\.sh) .+")
_VAGUE = re.compile(r"\.\.\.|…")
_SHOWS_RULES = re.compile(r"^(?:rule|module|configfile|use rule|include)\b", re.MULTILINE)
_LANGUAGES = {
    "bash",
    "powershell",
    "yaml",
    "text",
    "python",
    "r",
    "json",
    "toml",
    "ini",
    "diff",
    "groovy",
    "lua",
    "css",
    "",
}


def faults(page: Page) -> list[str]:
    """Return what is wrong with the blocks of a page, and with the files and commands that its sentences name."""
    found = []
    for block in page.blocks:
        if block.is_directive:
            continue
        if block.language not in _LANGUAGES:
            found.append(f"{page.at(block.line)}: {block.language!r} is no language of blocks")
        # What is put into a file may be a piece: test_recipes.py and the walks try it.
        check = None if "file" in block.marks else _CHECKS.get(block.language)
        if block.marks.get("file", "").endswith("site.yaml"):
            check = _site
        found += [f"{page.at(block.line)}: {fault}" for fault in (check(block) if check else [])]
        if page.place and is_run(block) and (hole := re.search(r"<[A-Za-z][^<>\n]*>", block.text)):
            found.append(f"{page.at(block.line)}: {hole[0]} in a block that is run")
    for text, line in page.code:
        if (
            _FILE.fullmatch(text)
            and not re.search(r"[A-Z]{3}", text)
            and not (ROOT / text).exists()
        ):
            found.append(f"{page.at(line)}: there is no {text}")
        elif _COMMAND.fullmatch(text) and not _VAGUE.search(text):
            found += [
                f"{page.at(line)}: `{text}`: {fault}" for fault in commands.named_faults(text)
            ]
    return found


def is_run(block: Block) -> bool:
    """Return whether a block of a page with a place is typed there."""
    return block.language in {"bash", "python", "r", "yaml"} and "not run" not in block.marks


def _bash(block: Block) -> list[str]:
    try:
        typed = shell.commands(block.text)
    except ValueError as error:
        return [f"bash: {error}"]
    if block.text.lstrip().startswith(("$ ", "> ")):
        return ["has a prompt sign"]
    return [fault for command in typed if command != ["for"] for fault in commands.faults(command)]


def _powershell(block: Block) -> list[str]:
    found = []
    for line in block.text.splitlines():
        words = line.split()
        # What goes on from the line before is indented.
        if not words or line[0] in "# }" or words[0].startswith(("$", "&", "PS")):
            continue
        if words[0] in {"segmake", "snakemake"}:
            found += commands.faults([word.strip("\"'") for word in words])
        elif words[0].lower().removesuffix(".exe") not in commands.WINDOWS:
            found.append(f"{words[0]}: no command that the docs may use (WINDOWS)")
    return found


def _yaml(block: Block) -> list[str]:
    try:
        value = yaml.safe_load(block.text)
    except yaml.YAMLError as error:
        return [f"YAML: {error}"]
    return config_faults(value, block.marks.get("below", ""))


def _site(block: Block) -> list[str]:
    value = yaml.safe_load(block.text)
    return [error.message for error in Draft202012Validator(site.schema()).iter_errors(value)]


def config_faults(value: Any, below: str = "") -> list[str]:
    """Return what is wrong with lines of a config, of which others may be left out.

    Parameters
    ----------
    value : Any
        What the lines mean.
    below : str
        The section that they stand in, such as ``scripts``, if they do not begin with one.
    """
    if below:
        value = {below: [value] if below == "scripts" and isinstance(value, dict) else value}
    if not isinstance(value, dict):
        return [
            "no lines of config/config.yaml: <!-- below: SECTION -->, or <!-- file: NAME --> if of another file"
        ]
    # What each config needs, and a part of one may leave to the others.
    whole = merged({"images": {"folder": "images"}}, value)
    config = Config(whole, Path("config.yaml"), {}, whole)
    missing = "SM-CFG-003" if below else ""
    return [
        " ".join(str(problem).split())
        for problem in schema_problems(config)
        if problem.code != missing
    ]


def _json(block: Block) -> list[str]:
    # One answer, or lines of a stream.
    try:
        json.loads(block.text)
    except ValueError:
        try:
            for line in block.text.splitlines():
                json.loads(line or "null")
        except ValueError as error:
            return [f"JSON: {error}"] if not _VAGUE.search(block.text) else []
    return []


def _toml(block: Block) -> list[str]:
    try:
        tomllib.loads(block.text)
    except tomllib.TOMLDecodeError as error:
        return [f"TOML: {error}"]
    return []


def _ini(block: Block) -> list[str]:
    try:
        ConfigParser().read_string(block.text)
    except Error as error:
        return [f"ini: {error}"]
    return []


def _python(block: Block) -> list[str]:
    # A piece of a Snakefile is Snakemake's own language.
    if _SHOWS_RULES.search(block.text):
        return []
    try:
        ast.parse(block.text)
    except SyntaxError as error:
        return [f"Python: {error}"]
    return []


def _r(block: Block) -> list[str]:
    if not (program := shutil.which("Rscript")):
        return []
    read = subprocess.run(
        [program, "-e", "invisible(parse(file('stdin')))"],
        input=block.text,
        capture_output=True,
        text=True,
    )
    return [f"R: {read.stderr.strip()}"] if read.returncode else []


_CHECKS: dict[str, Callable[[Block], list[str]]] = {
    "bash": _bash,
    "powershell": _powershell,
    "yaml": _yaml,
    "json": _json,
    "toml": _toml,
    "ini": _ini,
    "python": _python,
    "r": _r,
}
