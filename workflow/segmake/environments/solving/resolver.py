"""Finds versions of packages that go together, and says what is wrong where there are none: nothing is installed.

What the catalogue has tried is preferred, and given way where it does not go with what the user wants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from packaging.utils import canonicalize_name
from packaging.version import Version

from segmake.environments.solving import clashes, cuda
from segmake.environments.solving.compiling import Forbidden, NoSolution, compile_pins
from segmake.environments.solving.solutions import (
    Behind,
    Target,
    nearest_versions,
    unfinished,
    versions,
)
from segmake.environments.wanted import catalogue, compatibility
from segmake.environments.wanted.provided import brought
from segmake.environments.wanted.words import Wanted, understand
from segmake.messages import Problem, say

# The versions of Python that conda-forge and most packages have; the config's schema has the same.
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

# Those that it once had: what was built for them alone does not work with a newer one.
_OLD_PYTHONS = ("3.9", "3.8", "3.7")

# What brings CUDA of its own: two of them in one environment have to agree on it.
_FRAMEWORKS = ("torch", "tensorflow", "jax")


@dataclass(frozen=True)
class Resolution:
    """Versions that go together.

    Attributes
    ----------
    pins : dict
        The version of each package, dependencies included, by its name on PyPI.
    built : tuple of str
        Those that are to be built from source when they are installed.
    behind : tuple of Behind
        Those that are far below the version that they would have alone.
    unfinished : tuple of str
        Versions that are not finished, of which the user named none: ``"name==2.0rc1"``.
    added : dict
        What was added to the list, by the package that needs it without saying so.
    apart : str
        What works in place of one list in which a framework is far below; empty if nothing is known to.
    """

    pins: dict[str, str]
    built: tuple[str, ...] = ()
    behind: tuple[Behind, ...] = ()
    unfinished: tuple[str, ...] = ()
    added: dict[str, str] = field(default_factory=dict)
    apart: str = ""


def resolve(
    wanted: Sequence[Wanted],
    python: str,
    driver: str | None,
    where: str,
    capability: str | None = None,
) -> Resolution:
    """Return versions of all that is wanted and of what it depends on, whatever the order.

    Parameters
    ----------
    wanted : sequence of Wanted
    python : str
        Such as ``"3.11"``.
    driver : str or None
        The newest CUDA that the nodes' driver supports; None: not known.
    where : str
        File and line of the list, for the messages.
    capability : str or None
        The compute capability of the nodes' GPUs, such as ``"8.6"``; None: not known.

    Raises
    ------
    Problem
        ``SM-ENV-020`` without network, ``SM-ENV-021`` for a name that is not on PyPI, ``SM-ENV-022`` or
        ``SM-ENV-023`` for a CUDA that is too new for the driver, ``SM-ENV-029`` for GPUs that a package has no code
        for, ``SM-ENV-025`` for packages that clash.
    git_packages.Failed
        If a package of a git repository can't be had.
    """
    target = Target(python, driver, capability)
    wanted = sorted(wanted, key=lambda one: (one.project, str(one.requirement)))
    try:
        pins, behind = nearest_versions(wanted, target)
        added = compatibility.missing_needs({one.project for one in wanted}, pins)
        if added:
            wanted = [*wanted, *map(understand, sorted(set(added.values())))]
            pins, behind = nearest_versions(wanted, target)
    except NoSolution as error:
        return _otherwise(wanted, target, where, error)
    # Some packages have CUDA in their names, and no other.
    if not target.runs(pins):
        raise _too_new(wanted, target, where)
    apart = any(one.package in _FRAMEWORKS for one in behind)
    return Resolution(
        pins,
        behind=tuple(behind),
        unfinished=tuple(unfinished(wanted, pins)),
        added=added,
        apart=" ".join(_split_in_words(wanted, target)) if apart else "",
    )


def _otherwise(
    wanted: Sequence[Wanted], target: Target, where: str, error: NoSolution
) -> Resolution:
    """Return versions some of which are built from source; or say why there are none."""
    words = str(error)
    if unknown := clashes.unknown_project(words):
        raise _unknown(unknown, wanted, where)
    if target.limits:
        try:
            versions(wanted, Target(target.python))
        except NoSolution as other:
            # What is wrong whatever driver and GPUs.
            error, words = other, str(other)
        else:
            raise _too_new(wanted, target, where)
    if clashes.without_wheels(words) and not (
        _other_python(wanted, target)
        or any(_try(wanted, replace(target, python=old)) for old in _OLD_PYTHONS)
    ):
        # A package with wheels for another Python is compiled: here that would rarely go well.
        with suppress(NoSolution):
            return _from_source(wanted, target)
    told = isinstance(error, Forbidden)
    clash = words if told else clashes.sentence(words, target.python)
    nothing = say("works.nothing" if len(wanted) > 1 else "works.alone")
    remedy = " ".join(_remedies(wanted, target, clash)) or nothing
    raise Problem("SM-ENV-025", where=where, clash=clash, remedy=remedy)


def _pin(one: Wanted, pins: dict[str, str], target: Target) -> str:
    """Return what a user may write to get what was found."""
    project = target.project(one)
    return f"{project}=={pins[project]}" if project in pins else one.words


def _try(wanted: Sequence[Wanted], target: Target) -> dict[str, str] | None:
    try:
        return versions(wanted, target)
    except NoSolution:
        return None


def _fitting_pins(wanted: Sequence[Wanted], target: Target) -> dict[str, str] | None:
    """Return versions that driver and GPUs can do with, if there are any."""
    pins = _try(wanted, target)
    return pins if pins and target.runs(pins) else None


def _unknown(project: str, wanted: Sequence[Wanted], where: str) -> Problem:
    near = catalogue.nearest(project)
    asked = any(one.project == canonicalize_name(project) for one in wanted)
    if near and asked:
        return Problem("SM-ENV-026", where=where, package=project, nearest=", ".join(near))
    return Problem("SM-ENV-021", where=where, package=project)


def _too_new(wanted: Sequence[Wanted], target: Target, where: str) -> Problem:
    """Return the problem of a package that does not work with the nodes' driver, or with their GPUs."""
    anywhere = Target(target.python)
    suspects = [one for one in wanted if _may_bring_cuda(one)]
    for one in sorted(suspects, key=lambda one: not one.has_version):
        pins = _try([one], anywhere)
        if pins is None or _fitting_pins([one], target):
            continue
        others = [other.any_version() if other is one else other for other in wanted]
        works = _fitting_pins(others, target) if one.has_version else None
        if works:
            return _not_for_nodes(_pin(one, pins, anywhere), pins, target, where, works, one)
        return _not_for_nodes(_pin(one, pins, anywhere), pins, target, where, None, one, wanted)
    return _not_together(wanted, target, where)


def _not_for_nodes(
    package: str,
    pins: dict[str, str],
    target: Target,
    where: str,
    works: dict[str, str] | None,
    one: Wanted,
    wanted: Sequence[Wanted] = (),
) -> Problem:
    brought = cuda.cuda_of(pins)
    remedy = " ".join(_other_targets(wanted, target)) or say("works.driver")
    if target.capability and cuda.runs(brought, target.driver):
        if works:
            remedy = say("works.fitting", fitting=_pin(one, works, target))
        values = {"package": package, "capability": target.capability, "remedy": remedy}
        return Problem("SM-ENV-029", where=where, **values)
    names = {"package": package, "cuda": str(brought), "driver": str(target.driver)}
    if works:
        return Problem("SM-ENV-022", where=where, fitting=_pin(one, works, target), **names)
    return Problem("SM-ENV-023", where=where, remedy=remedy, **names)


def _not_together(wanted: Sequence[Wanted], target: Target, where: str) -> Problem:
    """Return the problem of packages each of which works with driver and GPUs, but not all together."""
    remedy = " ".join([*_split_in_words(wanted, target), *_other_targets(wanted, target)])
    names = ", ".join(one.words for one in wanted if one.project in _heavy(wanted, target))
    values = {"packages": names or ", ".join(one.words for one in wanted)}
    values |= {"driver": str(target.driver or target.cuda), "remedy": remedy or say("works.driver")}
    return Problem("SM-ENV-030", where=where, **values)


def _other_targets(wanted: Sequence[Wanted], target: Target) -> Iterator[str]:
    """Yield with which Python, and with which driver, a list would work as it is."""
    if not wanted:
        return
    if other := _other_python(wanted, target):
        yield say("works.python", python=other)
    known = [major for major in sorted(catalogue.contents()["torch"]) if major > (target.cuda or 0)]
    for major in known if target.driver else ():
        if _fitting_pins(wanted, Target(target.python, str(major))):
            yield say("works.newer_driver", driver=major)
            break


def _may_bring_cuda(one: Wanted) -> bool:
    """Whether a package is not known to do without CUDA."""
    known = brought().get(one.project)
    if one.package is None or one.package.cuda or known is None:
        return True
    return not {one.project, *known}.isdisjoint(_FRAMEWORKS)


def _heavy(wanted: Sequence[Wanted], target: Target) -> dict[str, str]:
    """Return which framework each package brings, or is, by its name."""
    found = {}
    for one in wanted:
        known = brought().get(one.project)
        there = {one.project, *known} if known is not None else _try([one], Target(target.python))
        framework = next((name for name in _FRAMEWORKS if name in (there or ())), None)
        if framework:
            found[one.project] = framework
    return found


def split(wanted: Sequence[Wanted], target: Target) -> list[list[Wanted]]:
    """Return lists that work, one for each framework, where one list has several that do not go together; else none."""
    heavy = _heavy(wanted, target)
    parts = [
        [one for one in wanted if heavy.get(one.project, framework) == framework]
        for framework in sorted(set(heavy.values()))
    ]
    works = len(parts) > 1 and all(_fitting_pins(part, target) for part in parts)
    return parts if works else []


def _split_in_words(wanted: Sequence[Wanted], target: Target) -> Iterator[str]:
    """Yield the lists that work in place of one, to be written into the config."""
    parts = split(wanted, target)
    lists = [f"packages: [{', '.join(one.words for one in part)}]" for part in parts]
    if lists:
        yield say("works.split", lists="\n    ".join(lists))


def _from_source(wanted: Sequence[Wanted], target: Target) -> Resolution:
    """Resolve with as few packages from source as possible."""
    asked = {one.project for one in wanted}
    wheels: list[str] = []
    pins = versions(wanted, target, wheels=wheels)
    built = list(_without_wheels(pins, target.python))
    # Dependencies were free to be newer than their last wheels; most can be had with one.
    while spared := [name for name in built if name not in asked and name not in wheels]:
        wheels += spared
        try:
            pins = versions(wanted, target, wheels=wheels)
        except NoSolution:
            break
        built = list(_without_wheels(pins, target.python))
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


def _other_python(wanted: Sequence[Wanted], target: Target) -> str | None:
    """Return the version of Python nearest to the one asked for that has all that is wanted."""
    place = PYTHONS.index(target.python)
    others = sorted(
        set(PYTHONS) - {target.python}, key=lambda other: abs(PYTHONS.index(other) - place)
    )
    return next(
        (other for other in others if _fitting_pins(wanted, replace(target, python=other))), None
    )


def _remedies(wanted: Sequence[Wanted], target: Target, clash: str) -> Iterator[str]:
    """Yield what would work: other versions, another Python, two environments."""
    versioned = [one for one in wanted if one.has_version]
    # Those that the clash names come first; if none is enough, all are let go.
    single = [[one] for one in sorted(versioned, key=lambda one: one.project not in clash)]
    for freed in [*single, versioned] if versioned else []:
        pins = _try([w.any_version() if w in freed else w for w in wanted], target)
        # Where no finished version is built for this Python, uv takes one that is not finished.
        if pins and not any(Version(pins[target.project(one)]).is_prerelease for one in freed):
            instead = ", ".join(_pin(one, pins, target) for one in freed)
            written = ", ".join(one.words for one in freed)
            yield say("works.versions", instead=instead, written=written)
            break
    if other := _other_python(wanted, target):
        yield say("works.python", python=other)
    yield from _split_in_words(wanted, target)
