"""Finds versions of packages that go together, with uv: nothing is installed.

What the catalogue has tried is preferred, and given way where it does not go with what the user wants.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uv
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from segmake import catalogue, clashes, cuda
from segmake.messages import Problem, say
from segmake.packages import Wanted
from segmake.uv_settings import variables_of_uv

# The versions of Python that conda-forge and most packages have; the config's schema has the same.
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

# Those that it once had: what was built for them alone does not work with a newer one.
_OLD_PYTHONS = ("3.9", "3.8", "3.7")

TIMEOUT_SECONDS = 600

# The versions of glibc that uv knows by name, as in ``x86_64-manylinux_2_28``.
_GLIBC = (17, 28, *range(31, 41))

_NO_EXTRA = re.compile(r"package `([\w.-]+)==\S+` does not have an extra named")

_NO_NETWORK = re.compile(r"Request failed|Failed to fetch|error sending request|[Nn]etwork")


class NoSolution(Exception):
    """uv's own words about packages that can't be had together."""


@dataclass(frozen=True)
class Resolution:
    """Versions that go together.

    Attributes
    ----------
    pins : dict
        The version of each package, dependencies included, by its name on PyPI.
    built : tuple of str
        Those that are to be built from source when they are installed.
    """

    pins: dict[str, str]
    built: tuple[str, ...] = ()


def target_platform() -> str | None:
    """Return uv's name for this kind of computer; None where it is no Linux with glibc: uv then takes its own.

    The cluster's nodes are taken to be of the same kind as the machine that sends the jobs.
    """
    library, version = platform.libc_ver()
    machine = platform.machine()
    if sys.platform != "linux" or library != "glibc" or machine not in ("x86_64", "aarch64"):
        return None
    minor = int(version.split(".")[1])
    known = max((number for number in _GLIBC if number <= minor), default=_GLIBC[0])
    return f"{machine}-manylinux_2_{known}"


def resolve(wanted: Sequence[Wanted], python: str, driver: str | None, where: str) -> Resolution:
    """Return versions of all that is wanted and of what it depends on.

    Parameters
    ----------
    wanted : sequence of Wanted
    python : str
        Such as ``"3.11"``.
    driver : str or None
        The newest CUDA that the nodes' driver supports; None: not known.
    where : str
        File and line of the list, for the messages.

    Raises
    ------
    Problem
        ``SM-ENV-020`` without network, ``SM-ENV-021`` for a name that is not on PyPI, ``SM-ENV-022`` or
        ``SM-ENV-023`` for a CUDA that is too new for the driver, ``SM-ENV-025`` for packages that clash.
    """
    try:
        pins = _versions(wanted, python, driver)
    except NoSolution as error:
        words = str(error)
    else:
        # Some packages have CUDA in their names, and no other.
        if driver and not cuda.runs(cuda.cuda_of(pins), driver):
            raise _too_new(wanted, python, driver, where)
        return Resolution(pins)
    if unknown := clashes.unknown_project(words):
        raise _unknown(unknown, wanted, where)
    if driver:
        try:
            _versions(wanted, python, None)
        except NoSolution as error:
            # What is wrong whatever the driver.
            words = str(error)
        else:
            raise _too_new(wanted, python, driver, where)
    if clashes.without_wheels(words) and not (
        _other_python(wanted, python, driver)
        or any(_try(wanted, old, driver) for old in _OLD_PYTHONS)
    ):
        # A package with wheels for another Python is compiled: here that would rarely go well.
        with suppress(NoSolution):
            return _from_source(wanted, python, driver)
    clash = clashes.sentence(words, python)
    nothing = say("works.nothing" if len(wanted) > 1 else "works.alone")
    remedy = " ".join(_remedies(wanted, python, driver, clash)) or nothing
    raise Problem("SM-ENV-025", where=where, clash=clash, remedy=remedy)


def compile_pins(
    requirements: Iterable[str],
    python: str,
    *,
    limits: Iterable[str] = (),
    wheels: Iterable[str] = (":all:",),
    dependencies: bool = True,
) -> dict[str, str]:
    """Run ``uv pip compile``, and return the version of each package by its normalized name.

    Limits never cost an extra: rather than meet them with an old version that does not know ``jax[cuda13]`` yet, and
    so has no GPU, there is no solution.

    Parameters
    ----------
    requirements : iterable of str
    python : str
    limits : iterable of str
        Constraints on packages that need not be among the requirements.
    wheels : iterable of str
        The packages of which only files that are ready to be unpacked will do.
    dependencies : bool
        Whether what they depend on is resolved too.

    Raises
    ------
    NoSolution
    Problem
        ``SM-ENV-020`` if PyPI can't be reached.
    """
    requirements, limits = list(requirements), list(limits)
    options = [f"--only-binary={name}" for name in wheels] + ["--python-version", python]
    options += [] if dependencies else ["--no-deps"]
    pins, without_extra = _compile(requirements, options, limits)
    if limits and without_extra - _compile(requirements, options, [])[1]:
        raise NoSolution("; ".join(sorted(without_extra)))
    return pins


def _compile(
    requirements: list[str], options: list[str], limits: list[str]
) -> tuple[dict[str, str], set[str]]:
    """Return the versions, and the names of packages that lack an extra."""
    target = target_platform()
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "found.txt")
        # uv keeps to the versions that its output has already, where that is possible.
        preferred = catalogue.preferred_versions().items()
        found.write_text("".join(f"{name}=={version}\n" for name, version in preferred))
        options = ["--output-file", str(found), *options]
        if limits:
            limited = Path(folder, "limits.txt")
            limited.write_text("\n".join(limits))
            options += ["--constraints", str(limited)]
        options += ["--no-header", "--no-annotate", "--no-progress"]
        options += ["--python-platform", target] if target else []
        said = _run_uv(["pip", "compile", "-", *options], "\n".join(requirements))
        lines = found.read_text(encoding="utf-8").splitlines()
    pins = (line.split(";")[0].strip().split("==") for line in lines if "==" in line)
    versions: dict[str, str] = {
        str(canonicalize_name(name.split("[")[0])): version for name, version in pins
    }
    return versions, set(_NO_EXTRA.findall(said))


def _run_uv(arguments: list[str], text: str) -> str:
    command = [uv.find_uv_bin(), *arguments, "--python", sys.executable]
    try:
        answer = subprocess.run(
            command,
            input=text,
            env=variables_of_uv(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Problem("SM-ENV-020", error=say("uv.silent", number=TIMEOUT_SECONDS)) from None
    if answer.returncode == 0:
        return answer.stderr
    if _NO_NETWORK.search(answer.stderr) and "No solution found" not in answer.stderr:
        causes = re.findall(r"cause: (.+)|[Cc]aused by: (.+)", answer.stderr)
        last = "".join(causes[-1]) if causes else answer.stderr.strip().splitlines()[0]
        raise Problem("SM-ENV-020", error=last)
    raise NoSolution(answer.stderr)


def _versions(
    wanted: Sequence[Wanted], python: str, driver: str | None, wheels: Iterable[str] = (":all:",)
) -> dict[str, str]:
    requirements = [str(_fitting(one, driver)) for one in wanted]
    return compile_pins(requirements, python, limits=cuda.limits(driver), wheels=wheels)


def _fitting(one: Wanted, driver: str | None) -> Requirement:
    return one.fitting(cuda.major(driver) if driver else None)


def _pin(one: Wanted, pins: dict[str, str], driver: str | None) -> str:
    """Return what a user may write to get what was found."""
    project = _project(one, driver)
    return f"{project}=={pins[project]}"


def _project(one: Wanted, driver: str | None) -> str:
    return canonicalize_name(_fitting(one, driver).name)


def _try(wanted: Sequence[Wanted], python: str, driver: str | None) -> dict[str, str] | None:
    try:
        return _versions(wanted, python, driver)
    except NoSolution:
        return None


def _fitting_pins(wanted: Sequence[Wanted], python: str, driver: str) -> dict[str, str] | None:
    """Return versions whose CUDA the driver runs, if there are any."""
    pins = _try(wanted, python, driver)
    return pins if pins and cuda.runs(cuda.cuda_of(pins), driver) else None


def _unknown(project: str, wanted: Sequence[Wanted], where: str) -> Problem:
    near = catalogue.nearest(project)
    asked = any(one.project == canonicalize_name(project) for one in wanted)
    if near and asked:
        return Problem("SM-ENV-026", where=where, package=project, nearest=", ".join(near))
    return Problem("SM-ENV-021", where=where, package=project)


def _too_new(wanted: Sequence[Wanted], python: str, driver: str, where: str) -> Problem:
    """Return the problem of a package that brings a CUDA which the driver does not run."""
    for one in sorted(wanted, key=lambda one: not one.has_version):
        pins = _try([one], python, None)
        brought = cuda.cuda_of(pins or {})
        if pins is None or cuda.runs(brought, driver) or _fitting_pins([one], python, driver):
            continue
        names = {"package": _pin(one, pins, None), "cuda": brought}
        others = [other.any_version() if other is one else other for other in wanted]
        works = _fitting_pins(others, python, driver) if one.has_version else None
        if works:
            fitting = _pin(one, works, driver)
            return Problem("SM-ENV-022", where=where, driver=driver, fitting=fitting, **names)
        return Problem("SM-ENV-023", where=where, driver=driver, **names)
    names = {"package": ", ".join(one.words for one in wanted), "cuda": "?"}
    return Problem("SM-ENV-023", where=where, driver=driver, **names)


def _from_source(wanted: Sequence[Wanted], python: str, driver: str | None) -> Resolution:
    """Resolve with as few packages from source as possible."""
    asked = {one.project for one in wanted}
    wheels: list[str] = []
    pins = _versions(wanted, python, driver, wheels)
    built = list(_without_wheels(pins, python))
    # Dependencies were free to be newer than their last wheels; most can be had with one.
    while spared := [name for name in built if name not in asked and name not in wheels]:
        wheels += spared
        try:
            pins = _versions(wanted, python, driver, wheels)
        except NoSolution:
            break
        built = list(_without_wheels(pins, python))
    return Resolution(pins, tuple(f"{name}=={pins[name]}" for name in built))


def _without_wheels(pins: dict[str, str], python: str) -> Iterator[str]:
    """Yield the packages that are only there as source."""
    left = dict(pins)
    while left:
        lines = [f"{project}=={version}" for project, version in left.items()]
        try:
            compile_pins(lines, python, dependencies=False)
            return
        except NoSolution as error:
            missing = clashes.without_wheels(str(error))
        if missing is None or missing not in left:
            return
        del left[missing]
        yield missing


def _other_python(wanted: Sequence[Wanted], python: str, driver: str | None) -> str | None:
    """Return the version of Python nearest to the one asked for that has all that is wanted."""
    place = PYTHONS.index(python)
    others = sorted(set(PYTHONS) - {python}, key=lambda other: abs(PYTHONS.index(other) - place))
    return next((other for other in others if _try(wanted, other, driver)), None)


def _remedies(
    wanted: Sequence[Wanted], python: str, driver: str | None, clash: str
) -> Iterator[str]:
    """Yield what would work: other versions, another Python."""
    versioned = [one for one in wanted if one.has_version]
    # Those that the clash names come first; if none is enough, all are let go.
    single = [[one] for one in sorted(versioned, key=lambda one: one.project not in clash)]
    for freed in [*single, versioned]:
        pins = _try([w.any_version() if w in freed else w for w in wanted], python, driver)
        # Where no finished version is built for this Python, uv takes one that is not finished.
        if pins and not any(Version(pins[_project(one, driver)]).is_prerelease for one in freed):
            instead = ", ".join(_pin(one, pins, driver) for one in freed)
            written = ", ".join(one.words for one in freed)
            yield say("works.versions", instead=instead, written=written)
            break
    if other := _other_python(wanted, python, driver):
        yield say("works.python", python=other)
