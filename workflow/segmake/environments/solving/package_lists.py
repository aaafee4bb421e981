"""Reads lists of packages as people have them: lines of pip, ``requirements.txt``, ``environment.yml`` of conda.

What comes out are packages as the config has them. A package that stands alone stays as it was written: the keys of
scripts have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from segmake.environments.solving import existing_environments
from segmake.environments.wanted import catalogue, git_packages
from segmake.environments.wanted.words import LITERAL
from segmake.messages import Problem, joined, say
from segmake.messages.locations import location

if TYPE_CHECKING:
    from segmake.core.config import Config

# What no list that somebody wrote comes near to.
_MOST_BYTES = 1_000_000
_DEEPEST = 5

# The ends of the names of conda's files; all others are pip's.
_CONDA = (".yml", ".yaml")

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASHES = re.compile(r"\s+--hash[= ]\S+")
_OPTION = re.compile(r"-{1,2}[A-Za-z][\w-]*")
_INCLUDED = re.compile(r"(?:-r|--requirement)[= ]?\s*(?P<file>.+)")
_LOCAL = re.compile(r"(==\s*[^\s,;+]+)\+[\w.]+")
_PYTHON = re.compile(r"python\s*(?P<versions>(?:[=<>~!]|\s+\d).*)?", re.IGNORECASE)
_ITEM = re.compile(r"[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?(?:[=<>~!]=?[^\s,]+(?:,[=<>~!]=?[^\s,]+)*)?")
_BUILD = re.compile(r"^([^=<>!~\s]+=[^=\s]+)=[^=\s]+$")

# Every list of conda has them, and every environment gets them.
_EVERYWHERE = {"pip", "setuptools", "wheel"}

# Channels that say nothing of their own.
_USUAL_CHANNELS = {"conda-forge", "defaults", "nodefaults"}

# So many names of what is left out are told.
_TOLD = 12

# Two names that people write apart, and mean one.
_ONE_NAME = {"pytorchlightning", "numbascipy"}


@dataclass
class _List:
    """What a list asks for."""

    project: Path
    python: str
    installed: bool = False
    packages: list[tuple[str, str]] = field(default_factory=list)
    of_conda: list[str] = field(default_factory=list)
    pythons: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    builds: int = 0

    def line(
        self,
        text: str,
        where: str,
        *,
        conda: bool = False,
        beside: Path | None = None,
        depth: int = 0,
    ) -> None:
        """Take in a line, with whatever pip or conda allows in one."""
        try:
            self._line(text, where, conda=conda, beside=beside, depth=depth)
        except Problem as problem:
            self.problems.append(problem)

    def _line(self, text: str, where: str, *, conda: bool, beside: Path | None, depth: int) -> None:
        text = _HASHES.sub("", _COMMENT.sub("", text)).strip()
        if not text:
            return
        if included := _INCLUDED.fullmatch(text):
            self.file((beside or self.project) / included["file"].strip("\"' "), where, depth + 1)
            return
        if _OPTION.match(text):
            raise Problem("SM-ENV-033", where=where, line=text)
        text, _, marker = text.partition(";")
        if marker.strip() and not self._applies(marker, where):
            return
        if git_packages.is_address(text):
            line, problems = git_packages.understand(text, where, installed=self.installed)
            self.problems += problems
            self.packages += [(line, where)] if line else []
            return
        text = _LOCAL.sub(r"\1", text.strip())
        if conda:
            text, builds = _BUILD.subn(r"\1", text.rpartition("::")[2])
            self.builds += builds
        name = re.split(r"[=<>!~\s]", text)[0]
        if asked := _PYTHON.fullmatch(text):
            self.pythons.append((asked["versions"] or "", where))
        elif conda and catalogue.is_only_of_conda(name):
            self.of_conda.append(text)
        elif conda and catalogue.is_of_conda(name):
            self.left_out += [] if name in _EVERYWHERE else [name]
        else:
            text = catalogue.name_of_conda(name) + text[len(name) :] if conda else text
            self.packages += [(words, where) for words in apart(text)]

    def _applies(self, marker: str, where: str) -> bool:
        """Return whether a marker (``; python_version < "3.11"``) is true in the environment."""
        there = {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "extra": "",
        }
        try:
            return Marker(marker.strip()).evaluate(there)
        except InvalidMarker:
            raise Problem("SM-ENV-013", where=where, package=marker.strip()) from None

    def file(self, path: Path, where: str, depth: int = 0) -> None:
        """Take in a file, of pip or of conda."""
        text = self._text(path, where, depth)
        if path.suffix.lower() in _CONDA:
            self._conda_file(path, text, where)
            return
        # A backslash at its end goes on with a line.
        pending, first = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            first = first if pending else number
            pending += line.rstrip()
            if pending.endswith("\\"):
                pending = pending[:-1] + " "
                continue
            self.line(pending, location(path, first), beside=path.parent, depth=depth)
            pending = ""
        if pending:
            self.line(pending, location(path, first), beside=path.parent)

    def _text(self, path: Path, where: str, depth: int) -> str:
        try:
            if depth > _DEEPEST or path.stat().st_size > _MOST_BYTES:
                raise Problem("SM-ENV-032", where=where, path=path, error=say("list.deep"))
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise Problem("SM-ENV-032", where=where, path=path, error="UTF-8?") from None
        except OSError as error:
            raise Problem("SM-ENV-032", where=where, path=path, error=error.strerror) from None

    def _conda_file(self, path: Path, text: str, where: str) -> None:
        try:
            written = YAML().load(text)
            listed, channels = written["dependencies"], written.get("channels")
            lines = [(item, listed.lc.item(index)[0] + 1) for index, item in enumerate(listed)]
        except (YAMLError, LookupError, TypeError, AttributeError):
            raise Problem("SM-ENV-032", where=where, path=path, error=say("list.conda")) from None
        named = map(str, channels if isinstance(channels, list) else ())
        self.channels += [one for one in named if one not in _USUAL_CHANNELS]
        for item, number in lines:
            if isinstance(item, str):
                self.line(item, location(path, number), conda=True)
                continue
            pip = (item.get("pip") if isinstance(item, dict) else None) or CommentedSeq()
            for index, words in enumerate(pip):
                where = location(path, pip.lc.item(index)[0] + 1)
                self.line(str(words), where, beside=path.parent)

    def remark(self) -> str:
        """Return what of a list of conda is left out, in the user's language; nothing if that is nothing."""
        names = list(dict.fromkeys(self.left_out))
        shown, more = ", ".join(names[:_TOLD]), len(names) - _TOLD
        if more > 0:
            shown = say("list.more", names=shown, number=more)
        parts = [say("list.libraries", names=shown)] if names else []
        parts += [say("list.channels", names=", ".join(self.channels))] if self.channels else []
        parts += [say("list.builds", number=self.builds)] if self.builds else []
        return joined(parts)


def apart(text: str) -> list[str]:
    """Return the packages of a line that has several, ``numpy pandas matplotlib``; else the line as it is."""
    plain = text.strip()
    if plain.lower().startswith(LITERAL) or catalogue.find(plain):
        return [text]
    items = [match.group().strip(",") for match in _ITEM.finditer(plain)]
    covered = re.sub(r"[\s,]", "", plain) == re.sub(r",", "", "".join(items))
    names = [re.split(r"[\[=<>!~]", item)[0] for item in items]
    known = all(catalogue.find(name) or catalogue.mistaken_for(name) for name in names)
    if len(items) < 2 or not covered or not known or catalogue.simplify(plain) in _ONE_NAME:
        return [text]
    return items


def read_lists(config: Config) -> None:
    """Put the packages of lists into the settings of a config, and what is wrong with them into its `list_faults`.

    Parameters
    ----------
    config : Config
        Its `settings`, `origins`, `list_faults` and `list_remarks` are completed.
    """
    for name, section in config.settings["environments"].items():
        if not isinstance(section, dict):
            continue
        written = (config.written.get("environments") or {}).get(name) or {}
        existing = section.get("existing")
        wrong = existing_environments.settle(config, name) if existing else []
        said = "python" in written or bool(existing)
        found, faults = _with_its_python(config, name, section, said=said)
        faults = [*wrong, *faults]
        if not found.packages and not faults and not existing and not section.get("conda"):
            path, where = section.get("file") or "", config.where("environments", name)
            faults.append(Problem("SM-ENV-032", where=where, path=path, error=say("list.empty")))
        section["packages"] = [words for words, _ in found.packages]
        section["conda"] = [*section.get("conda", ()), *found.of_conda]
        config.list_faults[name] = faults
        config.list_remarks[name] = found.remark()
        for index, (_, where) in enumerate(found.packages):
            config.origins["environments", name, "packages", index] = where


def _with_its_python(
    config: Config, name: str, section: dict[str, Any], *, said: bool
) -> tuple[_List, list[Problem]]:
    """Return a list, read for the Python that it asks for, and what is wrong with it."""
    found = _read(config, name, section)
    python = section["python"]
    faults = list(_set_python(name, section, found, said=said))
    if section["python"] != python:
        # Markers may mean another thing with it.
        found = _read(config, name, section)
    return found, [*found.problems, *faults]


def _read(config: Config, name: str, section: dict[str, Any]) -> _List:
    project = Path.cwd()
    found = _List(project, str(section["python"]), bool(section.get("existing")))
    for index, words in enumerate(section.get("packages") or ()):
        where = config.where("environments", name, "packages", index)
        for line in str(words).splitlines() or [""]:
            if line.strip():
                found.line(line, where)
            else:
                found.packages.append((words, where))
    if (listed := section.get("file")) and not section.get("existing"):
        where = config.where("environments", name, "file")
        try:
            found.file(project / Path(listed).expanduser(), where)
        except Problem as problem:
            found.problems.append(problem)
    return found


def _set_python(
    name: str, section: dict[str, Any], found: _List, *, said: bool
) -> Iterator[Problem]:
    """Take the Python that a list asks for; yield a problem where it contradicts the config."""
    from segmake.environments.solving.resolver import PYTHONS

    for versions, where in found.pythons:
        if not versions.strip():
            continue
        wanted = _specifier(versions)
        fitting = [one for one in PYTHONS if wanted and wanted.contains(f"{one}.99")]
        python = str(section["python"])
        if python in fitting:
            said = True
            continue
        if fitting and not said:
            section["python"], said = fitting[-1], True
            continue
        values = {"name": name, "listed": f"python{versions}", "python": python}
        remedy = say("list.python", python=fitting[-1]) if fitting else say("list.no_python")
        yield Problem("SM-ENV-031", where=where, remedy=remedy, **values)


def _specifier(versions: str) -> SpecifierSet | None:
    """Return which versions of Python will do: conda's ``=3.10``, and pip's ``==3.10.13``, mean any 3.10."""
    minors = re.sub(r"(\d+\.\d+)\.[\d*]+", r"\1", versions.strip())
    minors = re.sub(r"^(?:==?|~=)?\s*(\d+\.\d+)$", r"==\1.*", minors)
    minors = re.sub(r"(>|<=)\s*(\d+\.\d+)(?=,|$)", _upper, minors)
    try:
        return SpecifierSet(minors)
    except InvalidSpecifier:
        return None


def _upper(match: re.Match[str]) -> str:
    """Return a bound that counts whole minor versions: ``<=3.10`` has 3.10.13 in it, ``>3.10`` has not."""
    minor = int(match[2].split(".")[1]) + 1
    return f"{'>=' if match[1] == '>' else '<'}3.{minor}"
