"""Rules about packages that the registry's metadata lack: ``compatibility.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name

from segmake.environments.wanted.catalogue import simplify
from segmake.messages import language, say

TABLE = Path(__file__).with_suffix(".toml")

# The other side of each sign.
_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">"}

# No version: where a package is forbidden.
NONE = "<0"

# The major versions of CUDA whose packages have it in their names.
CUDAS = (11, 12, 13)

_RUNTIME = "nvidia-cuda-runtime-cu"


@dataclass(frozen=True)
class Broken:
    """A rule that an answer breaks.

    Attributes
    ----------
    sentence : str
        What is wrong with the answer, in the user's language.
    ways : tuple of tuple of str
        The ways out, the best first: limits on packages, as uv takes them.
    """

    sentence: str
    ways: tuple[tuple[str, ...], ...]


@cache
def rules() -> dict[str, list[dict[str, Any]]]:
    """Return the table as it is written."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def broken(pins: Mapping[str, str]) -> Broken | None:
    """Return the first rule that an answer breaks; None if it obeys them all.

    Parameters
    ----------
    pins : mapping
        The version of each package, by its normalized name on PyPI.
    """
    # Which CUDA it is decides on most of the others.
    return next(_broken_apart(pins), None) or next(_broken_together(pins), None)


def _broken_together(pins: Mapping[str, str]) -> Iterator[Broken]:
    for rule in rules()["together"]:
        when, then = Requirement(rule["when"]), Requirement(rule["then"])
        if not _holds(when, pins) or then.name not in pins or _holds(then, pins):
            continue
        names = {"one": _pin(when.name, pins), "other": _pin(then.name, pins), "need": str(then)}
        sentence = say("clash.rule", why=rule["why"][language()], **names)
        yield Broken(sentence, (*_negated(when), (str(then),)))


def _broken_apart(pins: Mapping[str, str]) -> Iterator[Broken]:
    for rule in rules()["apart"]:
        there = [name for name in _names(rule) if name in pins]
        for one, other in combinations(there, 2):
            names = {"one": _pin(one, pins), "other": _pin(other, pins)}
            sentence = say("clash.apart", why=rule["why"][language()], **names)
            # The newest one stays where it can.
            ways = [_only(name, rule) for name in there[::-1]]
            yield Broken(sentence, tuple(ways))


def _names(rule: Mapping[str, Any]) -> list[str]:
    """Return the packages of which there may be one."""
    if "cuda" in rule:
        return [f"{rule['cuda']}{major}" for major in CUDAS]
    return rule["packages"]


def _only(kept: str, rule: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the limits that keep one package and none of the others; with CUDA, everything of another CUDA goes."""
    if "cuda" not in rule:
        return tuple(f"{name}{NONE}" for name in _names(rule) if name != kept)
    major = int(kept.removeprefix(rule["cuda"]))
    starts = [other["cuda"] for other in rules()["apart"] if "cuda" in other] + [_RUNTIME]
    others = [other for other in CUDAS if other != major]
    forbidden = [f"{start}{other}{NONE}" for start in starts for other in others]
    return tuple(dict.fromkeys([*limits(str(major)), *forbidden]))


def _holds(requirement: Requirement, pins: Mapping[str, str]) -> bool:
    version = pins.get(requirement.name)
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def _negated(requirement: Requirement) -> list[tuple[str, ...]]:
    """Return the limits that keep an answer out of a requirement's versions, one way for each of its signs."""
    signs: list[Specifier] = sorted(requirement.specifier, key=str)
    return [(f"{requirement.name}{_OPPOSITE[one.operator]}{one.version}",) for one in signs]


def _pin(name: str, pins: Mapping[str, str]) -> str:
    return f"{name}=={pins[name]}"


def missing_needs(asked: Collection[str], pins: Mapping[str, str]) -> dict[str, str]:
    """Return what packages need without saying so, and do not get: by the name of each, what is to be added.

    Parameters
    ----------
    asked : collection of str
        The normalized names of the packages that a user asked for.
    pins : mapping
        The answer without it.
    """
    return {
        rule["package"]: rule["one_of"][0]
        for rule in rules()["needs"]
        if rule["package"] in asked and not any(name in pins for name in rule["one_of"])
    }


def limits_of_gpus(capability: str | None) -> list[str]:
    """Return what keeps a resolver from packages without code for GPUs of a compute capability."""
    return [limit for rule in _of_gpus(capability) for limit in rule["limits"]]


def newest_cuda(capability: str | None) -> int | None:
    """Return the major version of the newest CUDA that has code for GPUs of a compute capability; None: any has."""
    return min((rule["cuda"] for rule in _of_gpus(capability) if "cuda" in rule), default=None)


def has_code(pins: Mapping[str, str], capability: str | None) -> bool:
    """Whether none of the packages of an answer is known to lack code for GPUs of a compute capability."""
    limits = map(Requirement, limits_of_gpus(capability))
    return all(limit.name not in pins or _holds(limit, pins) for limit in limits)


def driver_for(capability: str | None) -> str | None:
    """Return the newest CUDA for GPUs of a compute capability, as if a driver had it; None: any."""
    newest = newest_cuda(capability)
    return None if newest is None else str(newest)


def older(driver: str | None, capability: str | None) -> str | None:
    """Return the newest CUDA that both a driver and GPUs of a compute capability can do with; None: not known."""
    both = [one for one in (driver, driver_for(capability)) if one is not None]
    return min(both, key=lambda one: int(one.partition(".")[0]), default=None)


def _of_gpus(capability: str | None) -> Iterator[dict[str, Any]]:
    if capability is None:
        return
    number = _numbers(capability)
    for rule in rules()["gpus"]:
        below, start = rule.get("below"), rule.get("from")
        if (below and number < _numbers(below)) or (start and number >= _numbers(start)):
            yield rule


def _numbers(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))


def other_project(name: str) -> tuple[str, str | None] | None:
    """Return name and stand-in of a project that has another name on PyPI, where this one is something else."""
    simple = simplify(name)
    for rule in rules()["others"]:
        if simplify(rule["name"]) == simple:
            return canonicalize_name(rule["name"]), rule.get("meant")
    return None


def major(cuda: str) -> int:
    """Return the major version of CUDA."""
    return int(cuda.split(".")[0])


def limits(driver: str | None) -> list[str]:
    """Return what keeps a resolver from packages with a CUDA that is too new for a driver."""
    if driver is None:
        return []
    newest = major(driver)
    # Up to CUDA 12 its packages had the major version in their names; the next ones may, too.
    named = [f"nvidia-cuda-runtime-cu{newer}<0" for newer in range(newest + 1, newest + 4)]
    return [f"cuda-toolkit<{newest + 1}", f"nvidia-cuda-runtime<{newest + 1}", *named]
