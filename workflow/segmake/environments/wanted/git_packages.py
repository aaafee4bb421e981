"""Packages that come from a git repository, ``name @ git+https://host/path@commit``: where the site file permits it.

A commit is its own checksum: whatever a repository answers, what is installed is what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from segmake.messages import Problem, say

# The report reads what is in environments, and its own has no YAML.
if TYPE_CHECKING:
    from segmake.core.site import Address

# pip's two forms: the name before the address, and behind it.
_EXTRA = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_NAME = (
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*"
    rf"(?P<extras>\[\s*{_EXTRA}(?:\s*,\s*{_EXTRA})*\s*\])?"
)
_BEFORE = re.compile(rf"{_NAME}\s*@\s*(?P<address>\S+)", re.ASCII)
_BEHIND = re.compile(rf"[#&]egg={_NAME}(?=&|$)", re.ASCII)
_PART = r"(?!\.{1,2}(?:[/&]|$))[\w.-]+"
_FOLDER = re.compile(rf"[#&]subdirectory=(?P<folder>{_PART}(?:/{_PART})*)(?=&|$)", re.ASCII)

# As `Source` writes them, into environment files and lists of packages.
_LINE = re.compile(
    rf"{_NAME}\s*@\s*git\+(?P<place>https://\S+)@(?P<commit>[0-9a-f]{{40}})(?:#subdirectory=(?P<folder>\S+))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII | re.IGNORECASE)
_IN_FILE = re.compile(r'^(?: *- ")?([^"#\n]+ @ git\+[^"\s]+)"?$', re.MULTILINE)

# How addresses begin that are not taken, and the sentence that says why.
_REFUSED = (
    (re.compile(r"git\+ssh://|ssh://|git@|git\+git@", re.IGNORECASE), "address.ssh"),
    (re.compile(r"git\+http://|(git\+)?git://", re.IGNORECASE), "address.plain"),
    (re.compile(r"(git\+)?file:|(?!\S*://)", re.IGNORECASE), "address.folder"),
    (re.compile(r"(hg|svn|bzr)\+", re.IGNORECASE), "address.not_git"),
    (re.compile(r"(?!git\+https://)", re.IGNORECASE), "address.file"),
)

# An address anywhere in a line; a file or a folder that is all of it.
_ADDRESS = re.compile(
    r"(?:^|@\s*|\s)(?:\w+\+)?(?:(?:https?|ssh|git|file|ftp)://|git@[\w.-]+:|git\+|file:)\S+",
    re.IGNORECASE,
)
_PATH = re.compile(
    r"\.{1,2}|(?:[\w.\[\]-]+\s*@\s*)?(?:\.{0,2}/|~/).*|[^\s=<>!~]+\.(?:whl|zip|tar\.\w+)"
)

# What uv and pip say, and what it means; the first that fits counts.
_CAUSES = {
    "SM-ENV-072": r"Git executable not found|Cannot find command 'git'",
    "SM-ENV-074": r"not our ref|couldn't find remote ref|unadvertised object|reference is not a tree",
    "SM-ENV-073": r"Git operation failed|git (?:clone|fetch)\b.* did not run successfully",
    "SM-ENV-077": r"Building source distributions for `[^`]*` is disabled",
    "SM-ENV-075": r"Failed to (?:download and )?build|Failed building wheel|metadata-generation-failed"
    r"|did not run successfully|does not appear to be a Python project",
}
_OTHER_NAME = re.compile(r"metadata name `([^`]+)` does not match given name `([^`]+)`")

# Which package it was: as uv says it, and as pip does.
_BY_UV = re.compile(r"`([\w.-]+)(?:\[[^\]]*\])? @ git\+")
_BY_PIP = re.compile(r"([\w.-]+)(?:\[[^\]]*\])? ?@ git\+")
_FETCHED = re.compile(r"git (?:clone|fetch)\b[^\n]*?(https://\S+)[^\n]* did not run successfully")
_COLLECTED = re.compile(r"^\s*Collecting (.+)$", re.MULTILINE)

# Of what git, or a build, says: these lines tell most.
_OF_GIT = re.compile(r"(?:fatal|remote): ")
_OF_BUILD = re.compile(
    r"[\w.]*(?:Error|Exception)\b|error: |.*does not appear to be|.*has no subdirectory"
)
_NOT_TELLING = re.compile(r"Pip failed|CalledProcessError|subprocess-exited-with-error")
_LONGEST_REASON = 300
_INDEX_SILENT = re.compile(
    r"Request failed|error sending request|NewConnectionError|ConnectionError"
)


@dataclass(frozen=True)
class Source:
    """A commit of a git repository that holds a package.

    Attributes
    ----------
    name : str
        Of the package, with extras.
    place : str
        The address of the repository.
    commit : str
        Its 40 digits.
    folder : str
        In which the package lies there; empty for the repository itself.
    """

    name: str
    place: str
    commit: str
    folder: str = ""

    @property
    def project(self) -> str:
        """The package's normalized name."""
        return str(canonicalize_name(self.name.split("[")[0]))

    @property
    def line(self) -> str:
        """What pip and uv are told."""
        folder = f"#subdirectory={self.folder}" if self.folder else ""
        return f"{self.name} @ git+{self.place}@{self.commit}{folder}"


class Failed(Exception):
    """A package of a git repository that can't be had: `code`, and `values` for its message.

    Parameters
    ----------
    code : str
    **values
    """

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code, values)
        self.code, self.values = code, values


def read_line(words: str) -> Source | None:
    """Return the source that a line names as `Source.line` has it; None for any other line."""
    found = _LINE.fullmatch(words.strip())
    if found is None:
        return None
    name = found["name"] + (found["extras"] or "")
    return Source(name, found["place"], found["commit"], found["folder"] or "")


def sources(lines: Iterable[str]) -> list[Source]:
    """Return the sources among the lines of a list."""
    return [found for one in lines if (found := read_line(one))]


def is_address(text: str) -> bool:
    """Return whether a line of a list names an address, a file or a folder, and no package of PyPI."""
    return bool(_ADDRESS.search(text) or _PATH.fullmatch(text.strip()))


def understand(
    text: str, where: str, *, installed: bool = False
) -> tuple[str | None, list[Problem]]:
    """Return a line with an address in the form that `read_line` takes, and what is wrong with it.

    One that is only not permitted has its line all the same: results that were made with it before go on.

    Parameters
    ----------
    text : str
        What somebody wrote, without comment and marker.
    where : str
        File and line, for the messages.
    installed : bool
        Whether it is installed already, and needs no permission.

    Returns
    -------
    line : str or None
        None if it lacks its name or commit.
    problems : list of Problem
        ``SM-ENV-070`` if the site file does not permit it, ``SM-ENV-071`` and ``SM-ENV-076`` for what it lacks.

    Raises
    ------
    Problem
        ``SM-ENV-034`` for an address of another kind, ``SM-ENV-076`` for one that can't be read.
    """
    from segmake.core import site

    before = _BEFORE.fullmatch(text.strip())
    address = before["address"] if before else text.strip()
    if kind := next((words for start, words in _REFUSED if start.match(address)), None):
        raise Problem("SM-ENV-034", where=where, line=_without_secret(text), reason=say(kind))
    place, version = _parted(address)
    found, folder = site.read_address(place), _FOLDER.search(address)
    if found is None or not found.segments or ("subdirectory=" in address and not folder):
        line, reason = _without_secret(text), say("git.address")
        raise Problem("SM-ENV-076", where=where, line=line, reason=reason)
    named = before or _BEHIND.search(address)
    name = named["name"] + re.sub(r"\s", "", named["extras"] or "") if named else ""
    problems = list(_lacking(text, where, name, version, found))
    source = Source(name, str(found), version.lower(), folder["folder"] if folder else "")
    lacking = bool(problems)
    if not installed and not site.read_site().permits(found):
        prefix = f"{str(found).rpartition('/')[0]}/"
        values = {"line": text, "path": site.SITE, "prefix": prefix}
        problems.append(Problem("SM-ENV-070", where=where, **values))
    return None if lacking else source.line, problems


def _parted(address: str) -> tuple[str, str]:
    """Return the place in an address of git, and its branch, tag or commit."""
    place, at, version = address[len("git+") :].partition("#")[0].rpartition("@")
    if "/" in place.partition("://")[2]:
        return place, version
    # It names no version, or what stands before the host is none.
    return f"{place}{at}{version}", ""


def _lacking(text: str, where: str, name: str, version: str, found: Address) -> Iterator[Problem]:
    """Yield a problem for a name and a commit that are missing."""
    if not name:
        yield Problem("SM-ENV-076", where=where, line=text, reason=say("git.nameless", line=text))
    if not _COMMIT.fullmatch(version):
        line = f"{name or say('git.name')} @ git+{found}@"
        values = {"version": version or "-", "line": line, "address": str(found)}
        yield Problem("SM-ENV-071", where=where, **values)


def _without_secret(text: str) -> str:
    """Return an address without name and password."""
    return re.sub(r"(://)[^/\s]*@(?=[^/\s]+/)", r"\1", text)


def failure(said: str) -> Failed | None:
    """Return what kept a package of a git repository from being had; None if it was something else.

    Parameters
    ----------
    said : str
        What uv or pip said.
    """
    if other := _OTHER_NAME.search(said):
        return Failed("SM-ENV-076", line=other[2], reason=say("git.other_name", found=other[1]))
    code = next((code for code, words in _CAUSES.items() if re.search(words, said)), None)
    package = _culprit(said)
    if code is None or package is None:
        return None
    if code == "SM-ENV-075" and _INDEX_SILENT.search(said):
        # What would build it can't be downloaded.
        return Failed("SM-ENV-020", package=package, error=_last_words(said, _INDEX_SILENT))
    return Failed(
        code,
        package=package,
        said=_last_words(said, _OF_BUILD if code == "SM-ENV-075" else _OF_GIT),
    )


def _culprit(said: str) -> str | None:
    """Return which package of a repository a program speaks of at last, or which repository."""
    if found := _BY_UV.search(said):
        return found[1]
    if found := _FETCHED.search(said):
        return found[1]
    # pip says of some failures only what it was about before.
    if found := re.search(r"Failed building wheel for (\S+)", said):
        return found[1] if found[1] in _BY_PIP.findall(said) else None
    found = _BY_PIP.search((_COLLECTED.findall(said) or [""])[-1])
    return found[1] if found else None


def _last_words(said: str, telling: re.Pattern[str]) -> str:
    """Return the line of what a program said that tells most."""
    lines = [line.strip().removeprefix("cause: ") for line in said.splitlines()]
    lines = [line for line in lines if line and not _NOT_TELLING.search(line)]
    found = [line for line in lines if telling.match(line)]
    # git says first what it is; a build says last why it ends.
    words = (found[:1] if telling is _OF_GIT else found[-1:]) or lines[-1:] or [""]
    return words[0][:_LONGEST_REASON].rstrip(".")


def foreign(listed: Iterable[str], asked: Iterable[str]) -> list[str]:
    """Return the lines of an answer that name addresses which nobody asked for.

    Parameters
    ----------
    listed : iterable of str
        The answer of uv.
    asked : iterable of str
        The requirements.
    """
    known = {_plain(one) for one in asked}
    return [one for one in listed if " @ " in one and _plain(one) not in known]


def _plain(line: str) -> str:
    """Return a line without what may be written in several ways."""
    name, _, address = line.partition("@")
    return f"{canonicalize_name(name.split('[')[0].strip())}@{address.split(';')[0].strip()}"


def build_options(requirements: Iterable[str]) -> list[str]:
    """Return what lets uv build these packages, and none of the others, from their source."""
    built = sorted({one.project for one in sources(requirements)})
    return [f"--no-binary={name}" for name in built]


def other_commits(wanted: Iterable[Source], commits: dict[str, str]) -> list[str]:
    """Return the sources of which something else is installed, in words.

    Parameters
    ----------
    wanted : iterable of Source
    commits : dict
        The commit that each installed package says to be of, by its normalized name.
    """
    return [
        f"{one.project} {commits.get(one.project) or '-'} ({one.commit})"
        for one in wanted
        if commits.get(one.project) != one.commit
    ]


def commit_of(direct_url: str | None) -> str:
    """Return the commit in the note that installers leave beside a package (``direct_url.json``); else nothing."""
    found = re.search(r'"commit_id"\s*:\s*"([0-9a-f]{40})"', direct_url or "")
    return found[1] if found else ""


def read_file(file: Path) -> list[Source]:
    """Return the sources in an environment's file, or in one of its history; none if it can't be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return sources(_IN_FILE.findall(text))
