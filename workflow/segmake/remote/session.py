"""An experiment and the computer that it is computed on: what is asked of SegMake over there."""

from __future__ import annotations

import json
import os
import platform
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.core import site_paths
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import fingerprint, one_line
from segmake.core.site_paths import Share
from segmake.messages import Problem, language
from segmake.places.asking import Terminal
from segmake.places.here import Here
from segmake.places.place import Answer, Place
from segmake.places.there import There
from segmake.remote.config_copy import Named
from segmake.remote.group_folders import FOR_THE_GROUP
from segmake.remote.known_computers import login_of, shares_of
from segmake.remote.laptop_paths import SENT, Laptop
from segmake.remote.remembered import FILE as PLACE_FILE
from segmake.remote.remembered import PlaceFile, read_place

# sh SEGMAKE PROGRAM...: with the programs of SegMake's own Python before all others.
_ENTER = f"""
{FOR_THE_GROUP}
program=$(readlink -f -- "$0" 2>/dev/null) || program=$0
PATH=$(dirname -- "$program"):$(dirname -- "$0"):$PATH
export PATH
exec "$@"
"""

# In the experiment's folder over there: what was started from here, and what it said.
STARTED = ".segmake-remote"

# Of a path in a narrow column, what is left of it.
_CUT = re.compile(rf"{SENT}/[0-9a-f]{{8}}/[^\n…]*…")

_NOTHING_RAN = "SM-RUN-013"
_NOT_FOUND = 127


@dataclass
class Session:
    """An experiment and where it is computed.

    Attributes
    ----------
    experiment : Path
        Its folder here, which is the working folder.
    config : Path
        As seen from there.
    place : PlaceFile
    computer : Place
    named : list of Named
        The paths of the config, once they are known: what is said of them over there is told in their own words.
    """

    experiment: Path
    config: Path
    place: PlaceFile
    computer: Place
    named: list[Named] = field(default_factory=list)

    @property
    def config_options(self) -> list[str]:
        """The options that name the config over there."""
        usual = self.config == DEFAULT_CONFIG
        return [] if usual else ["--configfile", self.config.as_posix()]

    @property
    def started(self) -> str:
        """What the files begin with in which it stands what was started of this config."""
        return f"{self.place.folder}/{STARTED}/{fingerprint(self.config.as_posix())[:8]}"

    @property
    def is_at_home(self) -> bool:
        """Whether this computer itself computes it, in its own folder."""
        return isinstance(self.computer, Here) and Path(self.place.folder) == self.experiment

    async def program(self, *words: str) -> Answer:
        """Run a program of SegMake's Python over there, in the experiment's folder."""
        answer = await self.computer.run(
            self.words(*words), folder=self.place.folder, variables={"SEGMAKE_LANG": language()}
        )
        if answer.code == _NOT_FOUND:
            raise Problem("SM-REM-004", where=self.computer.name, path=self.place.segmake)
        return answer

    def words(self, *words: str) -> list[str]:
        """Return the words that run a program of SegMake's Python over there."""
        return ["sh", "-c", _ENTER, self.place.segmake, *words]

    async def text(self, path: str) -> str | None:
        """Return what a file over there holds; None if it is not there."""
        if await self.computer.look(path) is None:
            return None
        pieces = [piece async for piece in self.computer.read(path)]
        return b"".join(pieces).decode(errors="replace")

    async def status(self) -> dict[str, Any] | None:
        """Return what ``segmake status --json`` says over there; None if nothing was ever run.

        Raises
        ------
        Problem
            ``SM-REM-005`` if it gives no answer, and what else is wrong there.
        """
        try:
            answer = await self.program("segmake", "status", "--json", *self.config_options)
        except Problem as problem:
            # SM-SSH-013: its folder is not there yet.
            if problem.code == "SM-SSH-013":
                return None
            raise
        said = answer_in(answer)
        problems = said.get("problems", []) if said and said["answer"] == "error" else []
        if said is None or (said["answer"] == "error" and not problems):
            words = one_line(self.own_words(_text(answer)))
            raise Problem("SM-REM-005", where=self.computer.name, said=words)
        if any(problem["code"] == _NOTHING_RAN for problem in problems):
            return None
        if problems:
            words = self.own_words(problems[0]["message"])
            raise Problem("SM-REM-005", where=self.computer.name, said=one_line(words))
        return said

    async def shares(self) -> list[Share]:
        """Return how folders of the cluster are called on users' computers.

        The site file over there says it, and the institute's file, which may be newer.
        """
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        answer = await self.program("segmake", "site", "export")
        try:
            said = YAML(typ="safe").load(answer.text) if answer.code == 0 else None
            there = site_paths.shares_of((said or {}).get("paths"))
        except (YAMLError, LookupError, TypeError, AttributeError):
            # An older SegMake, which says it in another way.
            there = []
        return [*there, *shares_of(self.place.host)]

    async def laptop(self) -> Laptop:
        """Return how paths are written here, with the folders that the cluster sees too."""
        return Laptop(Path.cwd(), Path.home(), await self.shares())

    def own_words(self, text: str) -> str:
        """Return what is said over there, with this computer's own paths in place of their copies'."""
        folder = self.place.folder.rstrip("/")
        pairs = {f"{folder}/{self.config.as_posix()}": str(self.config)}
        for one in self.named:
            if one.name.startswith(f"{SENT}/"):
                pairs |= {f"{folder}/{one.name}": str(one.source or one.text), one.name: one.text}
        for there in sorted(pairs, key=len, reverse=True):
            text = text.replace(there, pairs[there])
        return _CUT.sub(self._whole, text)

    def _whole(self, cut: re.Match[str]) -> str:
        """Return the own words for a path of which a table shows the beginning."""
        begun = cut[0].removesuffix("…")
        return next((one.text for one in self.named if one.name.startswith(begun)), cut[0])


def session_of(folder: Path, config: Path = DEFAULT_CONFIG) -> Session:
    """Return the session of an experiment, whose folder becomes the working folder.

    Nothing is asked of the other computer yet.

    Raises
    ------
    Problem
        ``SM-REM-001``, ``SM-REM-002``, those of `experiment_of`; ``SM-REM-014`` if the config is not in the folder,
        ``SM-REM-021`` if there is none of this name.
    """
    folder, config = experiment_of(folder, config)
    place = read_place(folder)
    typed = Path(os.path.abspath(config))
    os.chdir(folder)
    here = Path.cwd()
    full = Path(os.path.abspath(config))
    # Some name it as seen from where they are.
    full = typed if typed.exists() and not full.exists() else full
    if not full.is_relative_to(here):
        raise Problem("SM-REM-014", where=str(config), folder=str(here))
    if not full.is_file():
        raise Problem("SM-REM-021", where=str(full), folder=str(here))
    return Session(here, full.relative_to(here), place, _reached(place))


def experiment_of(typed: Path, config: Path = DEFAULT_CONFIG) -> tuple[Path, Path]:
    """Return the folder of an experiment and its config; some type the config, or are in its folder.

    Raises
    ------
    Problem
        ``SM-REM-020`` if there is no such folder.
    """
    folder = typed.absolute()
    if folder.is_file():
        if config == DEFAULT_CONFIG:
            config = folder
        folder = folder.parent
    if not folder.is_dir():
        raise Problem("SM-REM-020", where=str(typed))
    is_config = folder.name == DEFAULT_CONFIG.parent.name and not (folder / PLACE_FILE).exists()
    return (folder.parent if is_config else folder), config


def own_name() -> str:
    """Return what this computer is called."""
    return platform.node() or "?"


def answer_in(said: Answer) -> dict[str, Any] | None:
    """Return what a command of SegMake answered in JSON; None if it did not.

    Modules that are loaded at a login, and libraries, may say something too: the last line that is an answer counts.
    """
    for line in reversed(said.text.splitlines()):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "answer" in found:
                return found
    return None


def told(answer: Answer) -> str:
    """Return all that a command said, for the screen."""
    return _text(answer).rstrip()


def _reached(place: PlaceFile) -> Place:
    return There(login_of(place.host, Terminal(), place.through))


def _text(answer: Answer) -> str:
    return (answer.out + answer.err).decode(errors="replace")
