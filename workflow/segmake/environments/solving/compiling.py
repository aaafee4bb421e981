"""Runs ``uv pip compile``: which versions of packages go together. Nothing is installed."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

from segmake.environments.solving.uv_settings import variables_of_uv
from segmake.environments.wanted import catalogue, git_packages
from segmake.messages import Problem, say

TIMEOUT_SECONDS = 600

# The versions of glibc that uv knows by name, as in ``x86_64-manylinux_2_28``.
_GLIBC = (17, 28, *range(31, 41))

_NO_EXTRA = re.compile(r"package `([\w.-]+)==\S+` does not have an extra named")

_NO_NETWORK = re.compile(r"Request failed|Failed to fetch|error sending request|[Nn]etwork")


class NoSolution(Exception):
    """uv's own words about packages that can't be had together."""


class Forbidden(NoSolution):
    """Nothing is left that SegMake would take: the words are for users."""


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


def compile_pins(
    requirements: Iterable[str],
    python: str,
    *,
    limits: Iterable[str] = (),
    wheels: Iterable[str] = (":all:",),
    dependencies: bool = True,
    finished: bool = False,
) -> dict[str, str]:
    """Run ``uv pip compile``, and return the version of each package by its normalized name.

    Those that come from git repositories have none; they, and no others, may be built from source for it.

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
    finished : bool
        Whether versions that are not finished (``2.0rc1``) are taken only where a requirement names one; else they are
        taken, too, of packages of which no finished version fits.

    Raises
    ------
    NoSolution
        `Forbidden`, where all that is left lacks an extra.
    git_packages.Failed
        If a package of a git repository can't be had.
    Problem
        ``SM-ENV-020`` if PyPI can't be reached.
    """
    # uv takes the first solution that it finds, which depends on the order.
    requirements, limits = sorted(requirements), sorted(set(limits))
    options = [f"--only-binary={name}" for name in wheels] + ["--python-version", python]
    options += git_packages.build_options(requirements)
    options += [] if dependencies else ["--no-deps"]
    options += ["--prerelease=explicit"] if finished else []
    pins, without_extra = _compile(requirements, options, limits)
    if (
        limits
        and without_extra
        and without_extra - _lacking_anyway(tuple(requirements), tuple(options))
    ):
        raise Forbidden(say("clash.extra", package=", ".join(sorted(without_extra))))
    return pins


@cache
def _lacking_anyway(requirements: tuple[str, ...], options: tuple[str, ...]) -> set[str]:
    """Return the packages that lack an extra without limits, too: the user wants a version that does not know it."""
    return _compile(list(requirements), list(options), [])[1]


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
    if foreign := git_packages.foreign(lines, requirements):
        raise git_packages.Failed("SM-ENV-077", package=foreign[0])
    plain = (line.split(";")[0].strip() for line in lines)
    pins = (line.split("==") for line in plain if "==" in line and " @ " not in line)
    versions: dict[str, str] = {
        str(canonicalize_name(name.split("[")[0])): version for name, version in pins
    }
    return versions, set(_NO_EXTRA.findall(said))


def _run_uv(arguments: list[str], text: str) -> str:
    # What checks a config on a laptop does without.
    import uv

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
    if failure := git_packages.failure(answer.stderr):
        raise failure
    if _NO_NETWORK.search(answer.stderr) and "No solution found" not in answer.stderr:
        causes = re.findall(r"cause: (.+)|[Cc]aused by: (.+)", answer.stderr)
        last = "".join(causes[-1]) if causes else answer.stderr.strip().splitlines()[0]
        raise Problem("SM-ENV-020", error=last)
    raise NoSolution(answer.stderr)
