"""The environments of the config in a run: which of them it needs, how they are made, and what one costs that fails.

A script that is to run needs its environment: without it nothing begins. Any other is made as well, since the user
asked for it; but if that fails it is told, and the run goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.core.files import fingerprint, write_atomically
from segmake.core.settings import Settings
from segmake.messages import Problem, say
from segmake.plan.plan import Plan

# What finds versions and makes environments takes its time to load, and each job reads this module.
if TYPE_CHECKING:
    from segmake.core.config import Config

# Beside the record of an environment: what kept it from being made or used.
_FAILED = ".failed"


class OwnEnvironments:
    """The environments of the config, as a run needs them.

    Parameters
    ----------
    plan : Plan
        Of the run: with the environments' files, and, where there is no conda, their Pythons.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._needed = needed(plan)

    def record(self, name: str) -> Path:
        """Return the file that is there once an environment was tried."""
        plan = self._plan
        python = [plan.pythons[name]] if name in plan.pythons else []
        wanted = fingerprint(plan.environments[name], plan.imports[name], *python)
        return plan.folders.state / "environments" / f"{name}.{wanted}.txt"

    def failed(self, name: str) -> Path:
        """Return the file that is there if an environment that no script needs could not be made or used."""
        return self.record(name).with_suffix(_FAILED)

    def otherwise(self, name: str) -> str:
        """Return the words for a shell that say what follows where an environment can't be used."""
        return "false" if name in self._needed else "touch"

    def forgive(self, file: str, problem: Problem) -> bool:
        """Tell what is wrong with an environment, and return True, if the run can do without it."""
        names = [name for name, own in self._plan.environments.items() if own == file]
        if not names or names[0] in self._needed:
            return False
        goes_on(names[0], problem)
        with write_atomically(self.failed(names[0])) as part:
            part.write_text(str(problem), encoding="utf-8")
        return True

    def make(self) -> None:
        """Make, with uv, those that a job of this run needs and that are not there.

        Raises
        ------
        Problem
            If one that a script needs can't be made.
        """
        for name in self._missing():
            from segmake.environments.making import uv as uv_environments

            file, version = self._plan.environments[name], self._version(name)
            place = Path(self._plan.pythons[name]).parents[1]
            try:
                uv_environments.make(name, version, Path(file), place)
            except Problem as problem:
                if not self.forgive(file, problem):
                    raise

    def say_what_would_be_made(self) -> None:
        """Say in a dry run what `make` would do."""
        for name in self._missing():
            from segmake.environments.making import uv as uv_environments

            place = Path(self._plan.pythons[name]).parents[1]
            print(say("environments.would_be_made", name=name, path=place), file=sys.stderr)
            if uv_environments.python_of(self._version(name), place.parents[1]) is None:
                words = say("uv.no_python", name=name, python=self._version(name))
                print(words, file=sys.stderr)

    def conda_file(self, name: str) -> str | None:
        """Return the file from which conda would make an environment; None for one that is there and used as it is."""
        return None if self._is_existing(name) else self._plan.environments[name]

    def _is_existing(self, name: str) -> bool:
        return self._plan.typed.environments[name].existing is not None

    def _version(self, name: str) -> str:
        return self._plan.typed.environments[name].python

    def _missing(self) -> list[str]:
        if not self._plan.pythons:
            return []
        from segmake.environments.making.uv import is_made

        names = sorted(self._plan.pythons, key=lambda name: name not in self._needed)
        return [
            name
            for name in names
            if not self._is_existing(name)
            and (name in self._needed or not self.record(name).exists())
            and not is_made(Path(self._plan.pythons[name]).parents[1])
        ]


def needed(plan: Plan) -> set[str]:
    """Return the environments in which a script has something to do."""
    return {
        script.environment
        for name, script in plan.definitions.items()
        if script.environment and plan.scripts[name].batches
    }


def find_files(
    config: Config,
    plan: Plan,
    *,
    conda: bool,
    ask_driver: Callable[[], str | None],
    tell: bool,
) -> dict[str, Path]:
    """Return the file of each environment of the config; without those that can't be had and that nothing needs.

    Parameters
    ----------
    config : Config
    plan : Plan
    conda : bool
        Whether conda makes the environments.
    ask_driver, tell
        As for `environment_files`.

    Raises
    ------
    Problems
        What is wrong with those that a script needs.
    """
    from segmake.environments.solving.environment_files import environment_files

    hold = needed(plan)

    def forgive(name: str, problem: Problem) -> bool:
        if name in hold:
            return False
        goes_on(name, problem)
        return True

    return environment_files(config, conda=conda, ask_driver=ask_driver, forgive=forgive, tell=tell)


def pythons_of(
    files: dict[str, Path], settings: dict[str, Any], prefix: Path | None, *, conda: bool
) -> dict[str, str]:
    """Return where the Python of each environment is, or will be, that conda does not make."""
    from segmake.environments.making.uv import place_of
    from segmake.environments.solving.existing_environments import find

    found, sections = {}, Settings.of(settings).environments
    for name, file in files.items():
        section = sections[name]
        if words := section.existing:
            found[name] = str(find(words).python)
        elif not conda:
            place = place_of(name, section.python, file, prefix)
            found[name] = str(place / "bin" / "python")
    return found


def goes_on(name: str, problem: Problem) -> None:
    """Tell what is wrong with an environment that no script of the run needs."""
    print(f"\n{say('environments.not_needed', name=name)}\n{problem}", file=sys.stderr, flush=True)


def forget_failed(state: Path) -> list[Path]:
    """Forget that environments were tried which failed, so that the next run tries again; return their records.

    Parameters
    ----------
    state : Path
        The state folder of the results.
    """
    records = []
    for mark in (state / "environments").glob(f"*{_FAILED}"):
        record = mark.with_suffix(".txt")
        record.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
        records.append(record)
    return records
