"""Environments that a user has already, `existing` in the config: they are found, looked at, and used as they are.

Nothing is ever installed into one, and none is removed. What is in one is written into a file like those of the other
environments, so that results tell what they were computed with.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from segmake.core.files import fingerprint, readable, write_atomically
from segmake.environments.wanted import git_packages
from segmake.messages import Problem, enumerated, joined, say

if TYPE_CHECKING:
    from segmake.core.config import Config
    from segmake.environments.wanted.words import Wanted

# What looks into an environment (workflow/segmake/environments/making/try_environment.py) needs no newer Python.
OLDEST = (3, 8)

# Conda, or a Python with many packages, on a slow file system takes its time to start.
PATIENCE_SECONDS = 120

# So many names are offered in place of one that is not there.
_OFFERED = 8

# The first words of a file that says what is in one.
_MARK = "# Found by SegMake, which did not make it, in "

_ASK = """\
import json, sys
from importlib.metadata import distributions
there, origins = {}, {}
for one in distributions():
    try:
        there.setdefault(one.metadata["Name"], one.version)
        origins.setdefault(one.metadata["Name"], one.read_text("direct_url.json"))
    except Exception:
        pass
there = {n: v for n, v in there.items() if n and v}
print("\\n" + json.dumps(["%d.%d.%d" % sys.version_info[:3], there, {n: v for n, v in origins.items() if n and v}]))
"""


@dataclass(frozen=True)
class Existing:
    """An environment that was there before.

    Attributes
    ----------
    prefix : Path
        Its folder.
    python : Path
        Its Python.
    version : str
        That of its Python, such as ``"3.11"``, as files tell it; empty if they don't.
    """

    prefix: Path
    python: Path
    version: str

    def contents(self) -> list[str]:
        """Return what tells its packages and their versions, by the names of their files alone."""
        patterns = [f"lib/python*/site-packages/*.{end}-info" for end in ("dist", "egg")]
        found = [path for one in (*patterns, "conda-meta/*.json") for path in self.prefix.glob(one)]
        return sorted(str(path.relative_to(self.prefix)) for path in found)


def find(words: str, where: str = "") -> Existing:
    """Return an environment that is there.

    Parameters
    ----------
    words : str
        The name of an environment of conda; or a folder, or the Python in it, from the working folder.
    where : str
        File and line, for the message.

    Raises
    ------
    Problem
        ``SM-ENV-035`` if there is none, ``SM-ENV-036`` if it can't be used.
    """
    prefix = _place(words, where)
    python = next(
        (p for n in ("python", "python3") if os.path.lexists(p := prefix / "bin" / n)), None
    )
    if python is None:
        raise _unusable(words, where, say("existing.no_python", path=readable(str(prefix))))
    version = _version(prefix, python)
    if version and tuple(map(int, version.split("."))) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise _unusable(words, where, say("existing.old", version=version, oldest=oldest))
    if not os.access(python, os.X_OK):
        leads = f"{python} -> {os.path.realpath(python)}"
        raise _unusable(words, where, say("existing.broken", path=readable(leads), error=""))
    return Existing(prefix, python, version)


def _unusable(words: str, where: str, reason: str) -> Problem:
    return Problem("SM-ENV-036", where=where, existing=readable(words), reason=reason.rstrip(": "))


def _place(words: str, where: str) -> Path:
    """Return the folder that is meant."""
    is_path = os.sep in words or words.startswith((".", "~"))
    for known in () if is_path else (_of_files, _of_conda):
        places = known().get(words, [])
        if len(own := [place for place in places if _is_of_conda_in_use(place)]) == 1:
            places = own
        if len(places) > 1:
            raise _unusable(
                words, where, say("existing.several", paths=readable(", ".join(places)))
            )
        if places:
            return Path(places[0])
    path = os.path.abspath(os.path.expanduser(words))
    folder = os.path.dirname(path)
    if os.path.isfile(path) and os.path.basename(folder) == "bin":
        path = os.path.dirname(folder)
    if os.path.isdir(path):
        return Path(path)
    offered = enumerated(_nearest(words, path if is_path else ""))
    raise Problem("SM-ENV-035", where=where, existing=readable(words), known=readable(offered))


def _is_of_conda_in_use(place: str) -> bool:
    """Return whether an environment belongs to the conda that is set up in this shell, where there are several."""
    program = os.environ.get("CONDA_EXE")
    return bool(program) and Path(place).is_relative_to(Path(str(program)).parents[1])


def _nearest(words: str, path: str) -> list[str]:
    """Return what may be meant: folders beside one that is not there, and the names that are like it; else all."""
    beside: list[str] = []
    if path:
        pythons = Path(path).parent.glob("*/bin/python")
        with suppress(OSError):
            beside = sorted(str(python.parents[1]) for python in pythons)
    names = sorted({*_of_files(), *_of_conda()})
    name = os.path.basename(os.path.normpath(words))
    like = {os.path.basename(one): one for one in reversed([*beside, *names])}
    near = [like[one] for one in difflib.get_close_matches(name, like, _OFFERED, 0.6)]
    return near or [*beside, *names][:_OFFERED]


def _of_files() -> dict[str, list[str]]:
    """Return the environments of conda that it has noted in files, by their names."""
    places = []
    with suppress(OSError):
        noted = Path(os.path.expanduser("~"), ".conda", "environments.txt")
        places = noted.read_text(encoding="utf-8", errors="replace").splitlines()
    roots = [os.environ.get("MAMBA_ROOT_PREFIX", ""), os.environ.get("CONDA_ROOT", "")]
    if program := os.environ.get("CONDA_EXE"):
        roots.append(str(Path(program).parents[1]))
    for root in filter(None, roots):
        places += [root, *map(str, Path(root, "envs").glob("*"))]
    return _by_name(place.strip() for place in places)


@cache
def _of_conda() -> dict[str, list[str]]:
    """Return the environments that conda tells when it is asked, by their names."""
    for program in ("conda", "mamba", "micromamba"):
        if found := shutil.which(program):
            with suppress(OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError):
                answer = subprocess.run(
                    [found, "env", "list", "--json"],
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE_SECONDS,
                    check=False,
                )
                return _by_name(json.loads(answer.stdout)["envs"])
    return {}


def _by_name(places: Iterable[str]) -> dict[str, list[str]]:
    """Return folders by the names that conda has for them."""
    found: dict[str, dict[str, str]] = {}
    for place in places:
        if place and os.path.isdir(os.path.join(place, "conda-meta")):
            # That of conda itself holds the others.
            base = any(os.path.isdir(os.path.join(place, part)) for part in ("condabin", "envs"))
            name = "base" if base else os.path.basename(os.path.normpath(place))
            found.setdefault(name, {}).setdefault(os.path.realpath(place), place)
    return {name: list(several.values()) for name, several in found.items()}


def _version(prefix: Path, python: Path) -> str:
    """Return the version of a Python without starting it."""
    text = ""
    with suppress(OSError, UnicodeDecodeError):
        text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8")
    written = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", text, re.MULTILINE)
    named = re.search(r"python(\d+\.\d+)$", os.path.realpath(python))
    folders = [path.name for path in prefix.glob("lib/python*.*")]
    held = re.fullmatch(r"python(\d+\.\d+)", folders[0]) if len(folders) == 1 else None
    return next((match[1] for match in (written, named, held) if match), "")


def settle(config: Config, name: str) -> list[Problem]:
    """Put the Python of an existing environment into the settings, and return what is wrong with its section.

    Parameters
    ----------
    config : Config
    name : str
        The environment's.
    """
    section = config.settings["environments"][name]
    written = (config.written.get("environments") or {}).get(name) or {}
    where = config.where("environments", name, "existing")
    problems = []
    beside = [key for key in ("file", "conda") if section.get(key)]
    try:
        own = find(section["existing"], where)
        if "python" in written and str(written["python"]) != own.version:
            beside.insert(0, "python")
        section["python"] = own.version or section["python"]
    except Problem as problem:
        problems.append(problem)
    if beside:
        place = config.where("environments", name, beside[0])
        keys = ", ".join(f"`{key}`" for key in beside)
        problems.append(Problem("SM-ENV-038", where=place, name=name, keys=keys))
    return problems


def has_program(words: str, program: str) -> bool:
    """Return whether an existing environment has a program, such as ``Rscript``."""
    with suppress(Problem):
        return shutil.which(program, path=str(find(words).prefix / "bin")) is not None
    return False


def listed(words: str) -> list[Any]:
    """Return what stands for an existing environment in the keys of scripts: its name, and what is in it.

    Parameters
    ----------
    words : str
        `existing` of the config.
    """
    with suppress(Problem):
        return ["existing", words, find(words).contents()]
    return ["existing", words]


def file_of(name: str, words: str, wanted: Sequence[Wanted], where: str, kept: Path) -> Path:
    """Return the file that says what is in an existing environment; it is written if that is new.

    Parameters
    ----------
    name : str
        The environment's, in the config.
    words : str
        `existing`.
    wanted : sequence of Wanted
        The packages that have to be in it.
    where : str
        File and line of these, for messages.
    kept : Path
        The folder of the files.

    Raises
    ------
    Problem
        What `find` raises, ``SM-ENV-036`` also if its Python does not run, ``SM-ENV-039`` if packages are missing or of
        other versions.
    """
    own = find(words, where)
    python, there, origins = look(own, words, where)
    if faults := [*_not_there(wanted, there), *_of_another_commit(wanted, there, origins)]:
        raise missing(name, own.python, faults, where)
    place = readable(json.dumps(str(own.prefix), ensure_ascii=False))
    lines = [f"{_MARK}{place}", "channels:", "  - conda-forge", "  - nodefaults"]
    lines += ["dependencies:", f"  - python={python}", "  - pip", "  - pip:"]
    pins = [f"      - {json.dumps(f'{one}=={version}')}" for one, version in sorted(there.items())]
    text = "\n".join([*lines, *(pins or ["      []"])]) + "\n"
    file = kept.absolute() / f"{name}.{fingerprint(str(own.python), text)}.yaml"
    if not file.exists():
        with write_atomically(file) as part:
            part.write_text(text, encoding="utf-8")
    return file


def is_described(file: Path) -> bool:
    """Return whether an environment's file says what was found in one that SegMake did not make."""
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8").startswith(_MARK)
    return False


def missing(name: str, python: Path | str, faults: Iterable[str], where: str = "") -> Problem:
    """Return the problem of an existing environment that lacks something."""
    values = {"name": name, "python": readable(str(python)), "packages": joined(faults)}
    return Problem("SM-ENV-039", where=where, **values)


def _not_there(wanted: Iterable[Wanted], there: dict[str, str]) -> Iterator[str]:
    for one in wanted:
        version = next((there[name] for name in one.names if name in there), None)
        if version is None:
            yield f"{one.words} ({say('trial.absent')})"
        elif not one.requirement.specifier.contains(version, prereleases=True):
            yield f"{one.words} ({say('existing.version', version=version)})"


def _of_another_commit(
    wanted: Iterable[Wanted], there: dict[str, str], origins: dict[str, str]
) -> Iterator[str]:
    sources = git_packages.sources(one.asked for one in wanted)
    commits = {name: git_packages.commit_of(text) for name, text in origins.items()}
    yield from git_packages.other_commits((s for s in sources if s.project in there), commits)


def look(own: Existing, words: str, where: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the version of an environment's Python, and of each package, by its normalized name.

    What installers have noted of where a package came from is returned, too.

    Parameters
    ----------
    own : Existing
    words, where : str
        What the user calls it, and file and line, for the message.

    Raises
    ------
    Problem
        ``SM-ENV-036`` if its Python does not run.
    """
    # What modules set for other Pythons must not keep this one from starting.
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        answer = subprocess.run(
            [str(own.python), "-I", "-c", _ASK],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        error = (answer.stderr.strip().splitlines() or [str(answer.returncode)])[-1]
        python, *found = json.loads((answer.stdout.strip().splitlines() or [""])[-1])
    except (OSError, subprocess.TimeoutExpired) as failure:
        error = getattr(failure, "strerror", None) or say("existing.slow")
    except (ValueError, TypeError):
        pass
    else:
        there, origins = (
            {str(canonicalize_name(name)): text for name, text in one.items()} for one in found
        )
        return python, there, origins
    broken = say("existing.broken", path=readable(str(own.python)), error=readable(error))
    raise _unusable(words, where, broken)
