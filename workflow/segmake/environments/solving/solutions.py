"""Chooses among the versions that go together: what rules forbid is never taken, and no package is left far behind.

uv takes the first solution that it finds, which may have one package of last month beside one of years ago. So each
package that was asked for is held against the version that it would have alone, on the same Python, driver and GPUs;
where it is far below, newer ones are demanded, and given up again for as few packages as possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from segmake.environments.solving import clashes, cuda
from segmake.environments.solving.compiling import Forbidden, NoSolution, compile_pins
from segmake.environments.wanted import compatibility
from segmake.environments.wanted.words import Wanted

# So many minor versions, or months of those that are called after their date, are still near.
NEAR_MINORS = 2
NEAR_MONTHS = 12

# Combinations of packages that newer versions of are given up for: no more at once than these.
_GIVEN_UP = 2
_CANDIDATES = 4

# From this on, the first number of a version is a year.
_FIRST_YEAR = 2000


@dataclass(frozen=True)
class Target:
    """What packages have to work on.

    Attributes
    ----------
    python : str
        Such as ``"3.11"``.
    driver : str or None
        The newest CUDA that the nodes' driver supports; None: not known.
    capability : str or None
        The compute capability of the nodes' GPUs, such as ``"8.6"``; None: not known.
    """

    python: str
    driver: str | None = None
    capability: str | None = None

    @property
    def cuda(self) -> int | None:
        """The major version of the newest CUDA that driver and GPUs can do with."""
        known = [compatibility.newest_cuda(self.capability)]
        known += [compatibility.major(self.driver)] if self.driver else []
        return min((major for major in known if major is not None), default=None)

    @property
    def limits(self) -> list[str]:
        """What keeps a resolver from packages that do not work there."""
        newest = None if self.cuda is None else str(self.cuda)
        return [*compatibility.limits(newest), *compatibility.limits_of_gpus(self.capability)]

    def runs(self, pins: dict[str, str]) -> bool:
        """Whether the CUDA that packages bring can be used."""
        return cuda.runs(cuda.cuda_of(pins), None if self.cuda is None else str(self.cuda))

    def fitting(self, one: Wanted) -> Requirement:
        """Return what is asked of PyPI for a package."""
        return one.fitting(self.cuda)

    def project(self, one: Wanted) -> str:
        """Return its normalized name on PyPI."""
        return canonicalize_name(self.fitting(one).name)


@dataclass(frozen=True)
class Behind:
    """A package that is far below the version that it would have alone.

    Attributes
    ----------
    package : str
    found : str
        Its version in the answer.
    newest : str
        Its version alone.
    reason : str
        What holds it back, in the user's language.
    """

    package: str
    found: str
    newest: str
    reason: str


def versions(
    wanted: Iterable[Wanted],
    target: Target,
    *,
    limits: Iterable[str] = (),
    wheels: Iterable[str] = (":all:",),
    cost: Callable[[dict[str, str]], tuple[int, ...]] = lambda pins: (),
) -> dict[str, str]:
    """Return versions that go together, and obey the rules.

    Parameters
    ----------
    wanted : iterable of Wanted
    target : Target
    limits : iterable of str
        Further limits on packages.
    wheels : iterable of str
        As for `compile_pins`.
    cost : callable
        How bad an answer is: where a rule has several ways out, the one that costs least is taken.

    Raises
    ------
    NoSolution
    Problem
        ``SM-ENV-020`` if PyPI can't be reached.
    """
    requirements = [str(target.fitting(one)) for one in wanted]
    search = _Search(requirements, target.python, tuple(wheels), cost)
    return search.answer((*target.limits, *limits))


@dataclass
class _Search:
    """The ways through the rules to an answer."""

    requirements: list[str]
    python: str
    wheels: tuple[str, ...]
    cost: Callable[[dict[str, str]], tuple[int, ...]]
    _known: dict[tuple[str, ...], dict[str, str] | NoSolution] = field(default_factory=dict)

    def answer(self, limits: tuple[str, ...]) -> dict[str, str]:
        pins = self._compiled(limits)
        rule = compatibility.broken(pins)
        if rule is None:
            return pins
        answers = []
        for way in rule.ways:
            # A way that is no news would lead here again.
            if set(way) <= set(limits):
                continue
            try:
                answers.append(self.answer((*limits, *way)))
            except NoSolution:
                continue
            if not any(self.cost(answers[-1])):
                break
        if not answers:
            raise Forbidden(rule.sentence)
        return min(answers, key=self.cost)

    def _compiled(self, limits: tuple[str, ...]) -> dict[str, str]:
        key = tuple(sorted(set(limits)))
        if key not in self._known:
            try:
                pins = compile_pins(self.requirements, self.python, limits=key, wheels=self.wheels)
                self._known[key] = self._finished(pins, key)
            except NoSolution as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, NoSolution):
            raise found
        return found

    def _finished(self, pins: dict[str, str], limits: tuple[str, ...]) -> dict[str, str]:
        """Return the answer without versions that are not finished, where there is one."""
        if not any(Version(version).is_prerelease for version in pins.values()):
            return pins
        try:
            return compile_pins(
                self.requirements, self.python, limits=limits, wheels=self.wheels, finished=True
            )
        except NoSolution:
            return pins


@dataclass
class Newest:
    """What each package would be alone, where that is to be known."""

    wanted: Sequence[Wanted]
    target: Target
    _alone: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _highest(self) -> dict[str, str]:
        """The versions of all if none depended on anything: no package is newer alone."""
        requirements = [str(self.target.fitting(one)) for one in self._free]
        try:
            return compile_pins(requirements, self.target.python, dependencies=False)
        except NoSolution:
            return {}

    @property
    def _free(self) -> list[Wanted]:
        """Those whose version the user left open."""
        return [one for one in self.wanted if not _is_exact(one)]

    def of(self, project: str, found: str) -> str:
        """Return the version of a package alone, given that in an answer, below which it is not."""
        if project not in self._alone:
            highest = self._highest.get(project)
            if highest is not None and not is_far(found, highest):
                return max(found, highest, key=Version)
            one = next(one for one in self._free if self.target.project(one) == project)
            try:
                self._alone[project] = versions([one], self.target)[project]
            except NoSolution:
                self._alone[project] = found
        return self._alone[project]

    def behind(self, pins: dict[str, str]) -> dict[str, str]:
        """Return the packages of an answer that are far below what they would be alone, with that version."""
        found = {}
        for project in sorted({self.target.project(one) for one in self._free} & set(pins)):
            newest = self.of(project, pins[project])
            if is_far(pins[project], newest):
                found[project] = newest
        return found

    def cost(self, pins: dict[str, str]) -> tuple[int, ...]:
        """Return how bad an answer is: how many packages are far behind, and by how much."""
        behind = self.behind(pins)
        return (len(behind), sum(_gap(pins[name], newest) for name, newest in behind.items()))

    def floors(self, pins: dict[str, str]) -> dict[str, str]:
        """Return for each package the limit that keeps it near."""
        projects = sorted({self.target.project(one) for one in self._free} & set(pins))
        return {name: f"{name}>={_floor(self.of(name, pins[name]))}" for name in projects}


def nearest_versions(
    wanted: Sequence[Wanted], target: Target
) -> tuple[dict[str, str], list[Behind]]:
    """Return versions of which none is far below what it would be alone, as far as there are any.

    Parameters
    ----------
    wanted : sequence of Wanted
    target : Target

    Returns
    -------
    pins : dict
    behind : list of Behind
        The packages that are far below after all.

    Raises
    ------
    NoSolution
    Problem
        ``SM-ENV-020`` if PyPI can't be reached.
    """
    newest = Newest(wanted, target)
    pins = versions(wanted, target, cost=newest.cost)
    if not newest.behind(pins):
        return pins, []
    floors = newest.floors(pins)
    try:
        return versions(wanted, target, limits=floors.values(), cost=newest.cost), []
    except NoSolution as error:
        held = error
    given_up = sorted({*newest.behind(pins), *(clashes.named(str(held)) & set(floors))})
    answers = [pins, *_give_up_least(wanted, target, floors, newest, given_up[:_CANDIDATES])]
    best = min(answers, key=newest.cost)
    reason = clashes.held_back(str(held), isinstance(held, Forbidden), set(floors))
    return best, [
        Behind(name, best[name], version, reason) for name, version in newest.behind(best).items()
    ]


def _give_up_least(
    wanted: Sequence[Wanted],
    target: Target,
    floors: dict[str, str],
    newest: Newest,
    candidates: list[str],
) -> list[dict[str, str]]:
    """Return the answers in which the fewest packages may be old."""
    found: list[dict[str, str]] = []
    for number in range(1, _GIVEN_UP + 1):
        for given_up in combinations(candidates, number):
            kept = [limit for name, limit in floors.items() if name not in given_up]
            with suppress(NoSolution):
                found.append(versions(wanted, target, limits=kept, cost=newest.cost))
        if found:
            break
    return found


def unfinished(wanted: Iterable[Wanted], pins: dict[str, str]) -> list[str]:
    """Return the versions of an answer that are not finished, but for those that the user named."""
    named = {one.project for one in wanted if one.requirement.specifier.prereleases}
    return [
        f"{name}=={version}"
        for name, version in sorted(pins.items())
        if Version(version).is_prerelease and name not in named
    ]


def is_far(found: str, newest: str) -> bool:
    """Whether a version is so old beside another that a user should know."""
    low, high = Version(found), Version(newest)
    if low >= high:
        return False
    if high.major >= _FIRST_YEAR:
        return _months(high) - _months(low) > NEAR_MONTHS
    return low.major < high.major or high.minor - low.minor > NEAR_MINORS


def _gap(found: str, newest: str) -> int:
    low, high = Version(found), Version(newest)
    if high.major >= _FIRST_YEAR:
        return _months(high) - _months(low)
    return 100 * (high.major - low.major) + max(high.minor - low.minor, 0)


def _floor(newest: str) -> str:
    """Return the oldest version that is still near."""
    version = Version(newest)
    if version.major >= _FIRST_YEAR:
        return f"{version.major - NEAR_MONTHS // 12}.{version.minor}"
    return f"{version.major}.{max(version.minor - NEAR_MINORS, 0)}"


def _months(version: Version) -> int:
    return 12 * version.major + version.minor


def _is_exact(one: Wanted) -> bool:
    """Whether there is one version alone: a commit is one, too."""
    if one.requirement.url:
        return True
    signs = list(one.requirement.specifier)
    return any(s.operator in ("==", "===") and not s.version.endswith("*") for s in signs)
