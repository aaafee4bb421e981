"""What a newer version brings, told from its files alone: changes, and what would be computed again and why."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from segmake.messages import catalogue, language, say
from segmake.updates.clone import Clone

CHANGES = "CHANGELOG.md"
PACKAGE = "workflow/segmake"
VERSIONS = f"{PACKAGE}/core/versions.py"
ERRORS = f"{PACKAGE}/plan/known_errors.toml"
SCHEMA = f"{PACKAGE}/config/config.schema.json"
ENVIRONMENTS = "workflow/envs"

# What decides results; of the other sections, none does.
_DECISIVE = ("images", "segmentation", "tracking", "outputs", "measurements", "overlays")

# More than this is read in the file.
_MOST_CHANGES = 25

_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
_PIN = re.compile(r"^\s*-\s*([A-Za-z0-9_.-]+)==?([^\s#]+)", re.MULTILINE)


def version_of(clone: Clone, commit: str) -> str:
    """Return the version of SegMake that a commit has."""
    found = _VERSION.search(clone.text(commit, f"{PACKAGE}/__init__.py"))
    return found[1] if found else commit[:7]


def new_changes(before: str, after: str) -> list[str]:
    """Return the entries of one list of changes that another one lacks, each after the heading that it stands under."""
    known = {entry for _, entry in _entries(before)}
    found: list[str] = []
    told = ""
    for heading, entry in _entries(after):
        if entry not in known:
            if heading != told:
                found.append(heading)
                told = heading
            found.append(entry)
    return found


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of a list of changes with their headings, each in one line."""
    heading = ""
    for block in re.split(r"\n(?=- |#|\n)", text):
        words = " ".join(block.split())
        if words.startswith("#"):
            heading = words.lstrip("# ")
        elif words.startswith("- "):
            yield heading, words


def describe_changes(clone: Clone, before: str, after: str) -> list[str]:
    """Return lines that say what is new: of the list of changes, or the subjects of the commits if it tells nothing."""
    found = new_changes(clone.text(before, CHANGES), clone.text(after, CHANGES))
    if not found:
        subjects = clone.git("log", "--format=- %s", "--no-merges", f"{before}..{after}")
        found = subjects.splitlines()
    lines = [f"  {line}" for line in found[:_MOST_CHANGES]]
    if len(found) > _MOST_CHANGES:
        lines.append(say("update.more", number=len(found) - _MOST_CHANGES, file=CHANGES))
    return lines


def describe_again(clone: Clone, before: str, after: str) -> list[str]:
    """Return lines that say what a newer commit would compute again, and why; empty if nothing."""
    old, new = (_versions(clone.text(commit, VERSIONS)) for commit in (before, after))
    lines = list(_raised(old, new)) if new else [say("update.unknown")]
    settings, others = (_settings_of(clone, commit) for commit in (before, after))
    for keys, default in settings.items():
        if keys[0] in _DECISIVE and keys in others and others[keys] != default:
            values = {"before": _written(default), "after": _written(others[keys])}
            lines.append(say("update.default", setting=" / ".join(keys), **values))
    return lines


def describe_gone(clone: Clone, before: str, after: str) -> list[str]:
    """Return a line for each setting that a newer commit does not have any more."""
    settings, others = (_settings_of(clone, commit) for commit in (before, after))
    gone = [keys for keys in settings if others and keys not in others]
    return [say("update.gone", setting=" / ".join(keys)) for keys in gone]


def _versions(text: str) -> dict[str, Any]:
    """Return the versions of the parts, read without running the file."""
    found: dict[str, Any] = {}
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    except (SyntaxError, ValueError):
        return {}
    return found


def _raised(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for part, version in new.items():
        if isinstance(version, dict):
            there = old.get(part, {})
            for engine, each in version.items():
                if engine in there and there[engine] != each:
                    yield say(f"update.again.{part}", engine=engine)
        elif old.get(part) != version:
            known = f"update.again.{part}"
            yield say(known) if known in catalogue() else say("update.again.other", part=part)


def _settings_of(clone: Clone, commit: str) -> dict[tuple[str, ...], Any]:
    """Return the default of each setting that a commit has; empty if its schema can't be read."""
    try:
        sections = json.loads(clone.text(commit, SCHEMA)).get("properties", {})
    except ValueError:
        return {}
    found: dict[tuple[str, ...], Any] = {}
    for section, rule in sections.items():
        if "properties" not in rule:
            found[(section,)] = (rule.get("default"), None)
        for key, child in rule.get("properties", {}).items():
            found[section, key] = (child.get("default"), child.get("x-defaults"))
    return found


def _written(default: tuple[Any, Any]) -> str:
    plain, of_engines = default
    return json.dumps(plain) + (f" {json.dumps(of_engines)}" if of_engines else "")


def describe_errors(clone: Clone, before: str, after: str) -> list[str]:
    """Return lines on the known errors of results that a newer commit knows of, and an older one did not."""
    old, new = (_toml(clone.text(commit, ERRORS)) for commit in (before, after))
    lines = []
    for code in [code for code in new if code not in old]:
        texts = {part: _in_words(new[code].get(part, {})) for part in ("title", "wrong", "do")}
        lines.append(say("update.known_error", code=code, **texts))
    return lines


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _in_words(texts: Mapping[str, str]) -> str:
    return texts.get(language(), texts.get("en", ""))


def describe_environments(
    clone: Clone, before: str, after: str, engines: list[str]
) -> Iterator[str]:
    """Yield a line for each environment that gets packages of other versions.

    Parameters
    ----------
    clone : Clone
    before, after : str
    engines : list of str
        Those that have an environment.
    """
    files = {"main": "environment.yml"} | {e: f"{ENVIRONMENTS}/{e}.yaml" for e in engines}
    for name, file in files.items():
        old, new = (dict(_PIN.findall(clone.text(commit, file))) for commit in (before, after))
        if number := sum(old.get(package) != version for package, version in new.items()):
            yield say("update.packages", name=name, number=number)
