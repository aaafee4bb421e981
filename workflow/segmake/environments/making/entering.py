"""How an environment of the config is entered by hand: where it lies, and the commands that make one like it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from segmake.core.config import Config
from segmake.core.files import readable
from segmake.environments.making.kept_environments import CONDA_MADE, Kept, gigabytes
from segmake.environments.making.uv import is_made, place_of
from segmake.environments.solving import existing_environments
from segmake.environments.solving.environment_file import pins, python_of
from segmake.environments.solving.environment_files import environment_files
from segmake.environments.wanted import git_packages
from segmake.messages import Problem, enumerated, say


@dataclass(frozen=True)
class Entrance:
    """An environment of the config, as it is made here.

    Attributes
    ----------
    name : str
    way : {"conda", "uv", "existing"}
        What makes it; ``"existing"`` if it was there before.
    file : Path
        The environment's file.
    folder : Path
        Where environments are made in this way; of one that was there before, its own folder.
    place : Path or None
        Its folder; None where conda has not made it, which names it then.
    """

    name: str
    way: Literal["conda", "uv", "existing"]
    file: Path
    folder: Path
    place: Path | None

    @property
    def is_made(self) -> bool:
        """Whether it is there, whole."""
        if self.way == "uv":
            return self.place is not None and is_made(self.place)
        return self.place is not None

    @property
    def is_of_conda(self) -> bool:
        """Whether conda activates it."""
        return self.way == "conda" or bool(self.place and (self.place / "conda-meta").is_dir())

    @property
    def python(self) -> Path:
        """Its Python, once it is made.

        Raises
        ------
        Problem
            ``SM-ENV-078`` if it is not.
        """
        if self.place is None or not self.is_made:
            raise Problem("SM-ENV-078", name=self.name)
        return self.place / "bin" / "python"

    def commands(self) -> tuple[str, str]:
        """Return the commands that enter and leave it.

        Raises
        ------
        Problem
            ``SM-ENV-078`` if it is not made.
        """
        prefix = self.python.parents[1]
        if self.is_of_conda:
            return shlex.join(["conda", "activate", str(prefix)]), "conda deactivate"
        return shlex.join(["source", str(prefix / "bin" / "activate")]), "deactivate"

    def commands_by_hand(self, folder: str) -> list[list[str]]:
        """Return the ways to make one like it without SegMake: the commands of each, from what was exported.

        Parameters
        ----------
        folder : str
            The folder that it was exported to.
        """
        python, name = python_of(self.file), self.name
        conda = ["conda", "env", "create", "-n", name, "-f", f"{folder}/environment.yml"]
        ways = [[shlex.join(conda), shlex.join(["conda", "activate", name])]]
        if has_conda_packages(self.file):
            return ways
        uv = [
            shlex.join(["uv", "venv", "--python", python, name]),
            shlex.join(["source", f"{name}/bin/activate"]),
            shlex.join(["uv", "pip", "install", "--no-deps", "-r", f"{folder}/requirements.txt"]),
        ]
        # First, what was used here.
        return [uv, *ways] if self.way == "uv" else [*ways, uv]


def find(
    name: str,
    config: Config,
    *,
    conda: bool,
    prefix: Path | None,
    folder_of_conda: Path,
    ask_driver: Callable[[], str | None] = lambda: None,
) -> Entrance:
    """Return an environment of the config, made or not; its versions are found if that was not done before.

    Parameters
    ----------
    name : str
    config : Config
    conda : bool
        Whether conda is to make environments here. One that the other way has made already is taken as it is.
    prefix : Path or None
        Where the user keeps environments (``SNAKEMAKE_CONDA_PREFIX``).
    folder_of_conda : Path
        Where conda makes environments.
    ask_driver : callable
        As for `environment_files`.

    Raises
    ------
    Problem, Problems
        ``SM-ENV-053`` if the config has none of this name; what is wrong with it.
    """
    sections = config.typed.environments
    if name not in sections:
        raise Problem("SM-ENV-053", name=readable(name), known=enumerated(sorted(sections)))
    section = sections[name]
    checked = {name: config.settings["environments"][name]}
    alone = replace(config, settings=config.settings | {"environments": checked})
    file = environment_files(alone, conda=conda, ask_driver=ask_driver)[name]
    if section.existing:
        place = existing_environments.find(section.existing).prefix
        return Entrance(name, "existing", file, place, place)
    own = place_of(name, section.python, file, prefix)
    by_uv = Entrance(name, "uv", file, own.parent, own)
    made = _made_by_conda(file, folder_of_conda)
    by_conda = Entrance(name, "conda", file, folder_of_conda, made)
    ways = [by_conda, by_uv] if conda else [by_uv, by_conda]
    return next((way for way in ways if way.is_made), ways[0])


def _made_by_conda(file: Path, folder: Path) -> Path | None:
    """Return the environment that conda has made from a file: Snakemake puts a copy of the file beside it."""
    text = file.read_bytes()
    for mark in sorted(folder.glob(f"*{CONDA_MADE}")):
        place = mark.with_name(mark.name.removesuffix(CONDA_MADE))
        copy = place.with_name(f"{place.name}.yaml")
        if place.is_dir() and copy.is_file() and copy.read_bytes() == text:
            return place
    return None


def has_conda_packages(file: Path) -> bool:
    """Return whether an environment's file names packages that only conda has, besides Python and pip."""
    lines = file.read_text(encoding="utf-8").splitlines()
    listed = [line.strip(' -"') for line in lines if line.startswith("  - ")]
    return any(
        not one.startswith(("python=", "pip", "conda-forge", "nodefaults")) for one in listed
    )


def describe(entrance: Entrance) -> Iterator[str]:
    """Yield the lines that say how an environment is entered, and how one like it is made."""
    packages = len(pins(entrance.file)) + len(git_packages.read_file(entrance.file))
    python = python_of(entrance.file)
    about = {"name": entrance.name, "python": python, "number": packages}
    yield say(f"entering.{entrance.way}", **about)
    if entrance.place is None or not entrance.is_made:
        yield f"  {say('entering.would_be', path=readable(str(entrance.place or entrance.folder)))}"
        rows = [("entering.make", f"segmake environment {shlex.quote(entrance.name)} --make")]
    else:
        enter, leave = entrance.commands()
        size = Kept(entrance.name, "", entrance.place, 0.0, ()).size()
        place = readable(str(entrance.place))
        rows = [
            ("entering.place", f"{place} ({gigabytes(size)})"),
            ("entering.enter", enter),
            ("entering.leave", leave),
        ]
    words = {key: say(key) for key, _ in rows}
    width = max(map(len, words.values()))
    yield from (f"  {words[key]:<{width}}  {command}" for key, command in rows)
    if entrance.way == "existing":
        return
    folder = f"{entrance.name}-environment"
    export = ["segmake", "environment", entrance.name, "--export", "--to", folder]
    yield from ("", say("entering.by_hand"), f"  {shlex.join(export)}")
    for number, commands in enumerate(entrance.commands_by_hand(folder)):
        yield from [say("entering.or")] if number else []
        yield from (f"  {command}" for command in commands)
