"""Understands the packages of an environment as people write them: ``PyTorch 2.4``, ``numpy<2``, ``skimage``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from segmake.environments.wanted import catalogue, compatibility, git_packages
from segmake.messages import Problem, say

# The user's way to say: exactly this name of PyPI, whatever SegMake knows or suspects.
LITERAL = "pypi:"

# A name (words may be apart: "scikit image"), extras, and what versions: after a sign, or after a space a number.
_WORDS = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._ -]*?[A-Za-z0-9])?)\s*(?P<extras>\[[^\]]*\])?"
    r"(?P<versions>\s*[=<>~!].*|\s+v?\d[\d.]*(?:\.\*)?)?"
)
_VERSION = re.compile(r"=?\s*v?(?P<number>\d+(?:\.\d+)*)(?:\.\*)?")


@dataclass(frozen=True)
class Wanted:
    """A package that the user asked for.

    Attributes
    ----------
    words : str
        As it stands in the config.
    requirement : Requirement
        What that is on PyPI.
    package : catalogue.Package or None
        What the catalogue says of it.
    own_extras : bool
        Whether the extras are the user's.
    """

    words: str
    requirement: Requirement
    package: catalogue.Package | None
    own_extras: bool = False

    @property
    def project(self) -> str:
        """Its normalized name on PyPI."""
        return canonicalize_name(self.requirement.name)

    @property
    def projects(self) -> tuple[str, ...]:
        """The names that it may have on PyPI, one for each CUDA."""
        others = self.package.cuda.values() if self.package and not self.own_extras else ()
        return (self.project, *(canonicalize_name(Requirement(other).name) for other in others))

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it may have where somebody else has installed it."""
        others = self.package.aliases if self.package else ()
        return (*self.projects, *map(canonicalize_name, others))

    @property
    def asked(self) -> str:
        """The requirement as a text that no version of a library writes in another way."""
        source = git_packages.read_line(self.words) if self.requirement.url else None
        return source.line if source else str(self.requirement)

    @property
    def has_version(self) -> bool:
        """Whether the user says which versions will do."""
        return bool(self.requirement.specifier)

    @property
    def imported(self) -> str:
        """The module by which it is tried; empty if that is to be found in the list of its files."""
        return self.package.modules[0] if self.package else ""

    def fitting(self, cuda: int | None) -> Requirement:
        """Return the requirement, with the package that goes with a driver's major version of CUDA."""
        if self.package is None or self.own_extras:
            return self.requirement
        fitting = self.package.requirement_for(cuda)
        least = SpecifierSet(f">={self.package.least}" if self.package.least else "")
        fitting.specifier = self.requirement.specifier or least
        return fitting

    def any_version(self) -> Wanted:
        """Return the same package without the user's version."""
        free = Requirement(str(self.requirement))
        free.specifier = SpecifierSet()
        return replace(self, requirement=free)


def understand(words: str, where: str = "") -> Wanted:
    """Return what a package of the config is on PyPI.

    Parameters
    ----------
    words : str
        What the user wrote.
    where : str
        File and line, for the message.

    Raises
    ------
    Problem
        ``SM-ENV-013`` to ``SM-ENV-019`` and ``SM-ENV-037``, each for a kind of name or version that can't be had.
    """
    if source := git_packages.read_line(words):
        return Wanted(words, Requirement(source.line), None)
    literal = words.strip().lower().startswith(LITERAL)
    match = _WORDS.fullmatch(words.strip()[len(LITERAL) if literal else 0 :].strip())
    if match is None:
        raise Problem("SM-ENV-013", where=where, package=words)
    name = match["name"]
    package = None if literal else catalogue.find(name)
    if package is None and not literal:
        _refuse_what_is_none(name, where)
    requirement = Requirement(package.requirement) if package else _named(name, words, where)
    if match["extras"]:
        requirement.extras = _named(f"x{match['extras']}", words, where).extras
    requirement.specifier = _versions(match["versions"] or "", words, where)
    return Wanted(words, requirement, package, own_extras=bool(match["extras"]))


def _refuse_what_is_none(name: str, where: str) -> None:
    """Raise the problem of a name that is no package, or is too like another one."""
    if name.lower() == "python":
        raise Problem("SM-ENV-014", where=where)
    if catalogue.comes_with_cuda(name):
        raise Problem("SM-ENV-015", where=where, package=name)
    if found := catalogue.program(name):
        code = "SM-ENV-017" if found[1] else "SM-ENV-016"
        raise Problem(code, where=where, package=found[0], nearest=found[1])
    if catalogue.is_standard(name):
        raise Problem("SM-ENV-018", where=where, package=name)
    if other := compatibility.other_project(name):
        words = "works.other_name" if other[1] else "works.conda_forge"
        remedy = say(words, package=name, name=other[1])
        raise Problem("SM-ENV-037", where=where, package=name, remedy=remedy)
    if meant := catalogue.mistaken_for(name):
        raise Problem("SM-ENV-019", where=where, package=name, nearest=meant.name)


def _named(text: str, words: str, where: str) -> Requirement:
    try:
        return Requirement(re.sub(r"\s+", "-", text))
    except InvalidRequirement:
        raise Problem("SM-ENV-013", where=where, package=words) from None


def _versions(text: str, words: str, where: str) -> SpecifierSet:
    """Return the versions that will do; conda's ``=2.4`` and a bare ``2.4`` mean any 2.4.x."""
    text = text.strip()
    if match := _VERSION.fullmatch(text):
        return SpecifierSet(f"=={match['number']}.*")
    try:
        return SpecifierSet(re.sub(r"(?<=[\w*])\s+(?=[=<>~!])", ",", text))
    except InvalidSpecifier:
        raise Problem("SM-ENV-013", where=where, package=words) from None
