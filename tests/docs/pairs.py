"""In what a French page differs from the English one, where both should have the same."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from segmake.config.schema import schema
from segmake.core import site
from tests.docs import shell
from tests.docs.blocks import Block, Page, french_of

_WEB = re.compile(r"[a-z]+:")


def differences(english: Page, french: Page) -> list[str]:
    """Return what the French page lacks or has otherwise, in the order of headings, blocks, pictures, links."""
    found = []
    levels = [[(level, line) for level, _, line in page.headings] for page in (english, french)]
    if [level for level, _ in levels[0]] != [level for level, _ in levels[1]]:
        where = _first_difference(*[[level for level, _ in both] for both in levels])
        found.append(
            f"headings differ from number {where + 1}: {_title(english, where)} | {_title(french, where)}"
        )
    # A page that takes in another one names it.
    languages = [
        [block.language.replace(".fr.", ".") for block in page.blocks] for page in (english, french)
    ]
    if languages[0] != languages[1]:
        where = _first_difference(*languages)
        found.append(
            f"blocks differ from number {where + 1}: {_block(english, where)} | {_block(french, where)}"
        )
    else:
        for block, other in zip(english.blocks, french.blocks, strict=True):
            if _gist(block) != _gist(other):
                found.append(
                    f"{french.at(other.line)}: not the block of {english.at(block.line)}:\n"
                    f"    {_gist(block)}\n    {_gist(other)}"
                )
            if block.marks.keys() != other.marks.keys():
                found.append(
                    f"{french.at(other.line)}: not the comments of {english.at(block.line)}"
                )
    if english.place != french.place:
        found.append(f"{french.name}: place {french.place!r}, and {english.place!r} in English")
    pictures = [[_without_language(src) for src, _ in page.pictures] for page in (english, french)]
    if pictures[0] != pictures[1]:
        found.append(f"{french.name}: pictures {pictures[1]}, and {pictures[0]} in English")
    targets = [Counter(_targets(page)) for page in (english, french)]
    if targets[0] != targets[1]:
        found.append(
            f"{french.name}: lacks links to {sorted((targets[0] - targets[1]).elements())}, "
            f"has only here {sorted((targets[1] - targets[0]).elements())}"
        )
    return found + wrong_language(english) + wrong_language(french)


def wrong_language(page: Page) -> list[str]:
    """Return the links of a page to the other language of a page that there is in both."""
    wrong = []
    for link, line in page.links:
        target = _file(page, link)
        if target is None or target in (page.path, _other(page.path)) or not target.is_file():
            continue
        if page.is_french != target.name.endswith(".fr.md") and _other(target).is_file():
            wrong.append(f"{page.at(line)}: {link} is of the other language")
    return wrong


def _file(page: Page, link: str) -> Path | None:
    """Return the page that a link leads to, if it leads to one."""
    path = link.partition("#")[0]
    if _WEB.match(link) or not path.endswith(".md"):
        return None
    return Path((page.path.parent / path).resolve())


def _other(path: Path) -> Path:
    if path.name.endswith(".fr.md"):
        return path.with_name(path.name.replace(".fr.md", ".md"))
    return french_of(path)


def _targets(page: Page) -> list[str]:
    """Return where the links of a page lead, without those to its own other language."""
    return [
        _without_language(link.partition("#")[0]) or "#"
        for link, _ in page.links
        if _file(page, link) != _other(page.path)
    ]


def _without_language(name: str) -> str:
    path = PurePosixPath(name)
    return name.replace(".fr.", ".") if path.stem.endswith(".fr") and not _WEB.match(name) else name


def _first_difference(one: list[Any], other: list[Any]) -> int:
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _title(page: Page, number: int) -> str:
    if number >= len(page.headings):
        return f"{page.name}: no more"
    level, text, line = page.headings[number]
    return f"{page.at(line)}: {'#' * level} {text}"


def _block(page: Page, number: int) -> str:
    if number >= len(page.blocks):
        return f"{page.name}: no more"
    return f"{page.at(page.blocks[number].line)}: {page.blocks[number].language}"


# What two blocks have in common that say the same in two languages


def _gist(block: Block) -> Any:
    """Return what is the same in both languages: commands and options, keys and numbers, but no comments and names."""
    language, text = block.language, block.text
    if "file" in block.marks:
        return block.marks["file"], text.count("\n")
    if language == "bash":
        return [_words(command) for command in shell.commands(text)]
    if language == "powershell":
        return [
            _words(line.split()) for line in text.splitlines() if line.strip() and line[0] != "#"
        ]
    if language == "yaml":
        return _keys(yaml.safe_load(text), _known_keys())
    if language == "json":
        return _keys(json.loads(text), None) if _is_whole(block) else None
    if language == "toml":
        return _keys(tomllib.loads(text), set())
    if language == "python" and _is_whole(block):
        return _names(text)
    if language == "r":
        return [re.sub(r"""#.*|"[^"]*"|'[^']*'""", "", line).split() for line in text.splitlines()]
    if language == "{toctree}":
        return [line.strip().removesuffix(".fr") for line in text.splitlines()]
    return None


def _is_whole(block: Block) -> bool:
    """Return whether a block can be read alone, which one that shows rules of Snakemake can't as Python."""
    try:
        json.loads(block.text) if block.language == "json" else ast.parse(block.text)
    except (SyntaxError, ValueError):
        return False
    return True


def _words(command: list[str]) -> list[str]:
    """Return the program and its command and options as they are, and the number of all words."""
    program, *words = command or [""]
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    actions = words[:1] if program in {"git", "segmake"} else []
    return [program, *actions, *options, str(len(words))]


def _keys(value: Any, known: set[str] | None) -> Any:
    """Return the shape of settings: keys that SegMake knows (all, if None), numbers, and that there is a text."""
    if isinstance(value, dict):
        return [
            (key if known is None or str(key) in known else "…", _keys(each, known))
            for key, each in value.items()
        ]
    if isinstance(value, list):
        return [_keys(each, known) for each in value]
    return "…" if isinstance(value, str) else value


def _known_keys() -> set[str]:
    found: set[str] = set()

    def look(rule: Any) -> None:
        if isinstance(rule, dict):
            found.update(rule.get("properties", {}))
            for each in rule.values():
                look(each)
        elif isinstance(rule, list):
            for each in rule:
                look(each)

    look(schema())
    look(site.schema())
    return found


def _names(text: str) -> list[str]:
    """Return what a piece of Python does, without its comments and texts."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = "…"
    return [type(node).__name__ for node in ast.walk(tree)]
