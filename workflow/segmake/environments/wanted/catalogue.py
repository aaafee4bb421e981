"""The packages that SegMake knows by name: ``catalogue.yaml``, which says what its keys mean."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rapidfuzz import process
from rapidfuzz.distance import OSA
from ruamel.yaml import YAML

CATALOGUE = Path(__file__).with_suffix(".yaml")

# A name that is less like any of the catalogue's is rather one of its own.
_LIKE = 0.7

# Below this length, many an honest name is one letter away from another (dask, task).
_LONG_ENOUGH = 5


@dataclass(frozen=True)
class Package:
    """A package of the catalogue.

    Attributes
    ----------
    name : str
        As people know it: ``"OpenCV"``.
    requirement : str
        Its name on PyPI, with extras: ``"tensorflow[and-cuda]"``.
    version : str
        The version that is taken if nothing stands against it.
    purposes : dict
        What it is for, by language.
    modules : tuple of str
        What a script imports: first the one by which the package is tried.
    aliases : tuple of str
    cuda : dict
        Another requirement for an older major version of CUDA.
    excepted : tuple of str
        The versions of Python on which `version` does not work.
    least : str
        The oldest version that works, where older ones can be had and don't; else empty.
    """

    name: str
    requirement: str
    version: str
    purposes: dict[str, str]
    modules: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    cuda: dict[int, str] = field(default_factory=dict)
    excepted: tuple[str, ...] = ()
    least: str = ""

    @property
    def project(self) -> str:
        """Its normalized name on PyPI, without extras."""
        return canonicalize_name(Requirement(self.requirement).name)

    def requirement_for(self, cuda: int | None) -> Requirement:
        """Return what to ask of PyPI where the driver supports a major version of CUDA; None: not known."""
        fitting = [major for major in self.cuda if cuda is not None and cuda <= major]
        return Requirement(self.cuda[min(fitting)] if fitting else self.requirement)


@cache
def contents() -> dict[str, Any]:
    """Return the catalogue as it is written."""
    return YAML(typ="safe").load(CATALOGUE.read_text(encoding="utf-8"))


@cache
def groups() -> dict[str, list[Package]]:
    """Return the packages of each group, by the group's key."""
    return {
        key: [_package(entry) for entry in group["packages"]]
        for key, group in contents()["groups"].items()
    }


def _package(entry: dict[str, Any]) -> Package:
    requirement = entry.get("package") or re.sub(r"[ _]+", "-", entry["name"].lower())
    imported = entry.get("import", Requirement(requirement).name.replace("-", "_"))
    return Package(
        name=entry["name"],
        requirement=requirement,
        version=entry["version"],
        purposes=entry["for"],
        modules=(imported,) if isinstance(imported, str) else tuple(imported),
        aliases=tuple(entry.get("aliases", ())),
        cuda=entry.get("cuda", {}),
        excepted=tuple(entry.get("except", ())),
        least=entry.get("least", ""),
    )


def packages() -> list[Package]:
    """Return all packages."""
    return [package for group in groups().values() for package in group]


def simplify(name: str) -> str:
    """Return what is the same in all ways to write a name: ``scikitimage`` for ``Scikit Image``."""
    return re.sub(r"[\s._-]+", "", name).lower()


@cache
def _by_name() -> dict[str, Package]:
    return {
        simplify(name): package
        for package in packages()
        for name in (package.name, package.project, *package.aliases)
    }


def find(name: str) -> Package | None:
    """Return the package that people know by a name, in any way of writing it."""
    return _by_name().get(simplify(name))


def nearest(name: str, number: int = 3) -> list[str]:
    """Return the names of the packages whose names are most like this one, the most alike first."""
    found = process.extract(
        simplify(name),
        list(_by_name()),
        scorer=OSA.normalized_similarity,
        score_cutoff=_LIKE,
        limit=2 * number,
    )
    return list(dict.fromkeys(_by_name()[key].name for key, _, _ in found))[:number]


def mistaken_for(name: str) -> Package | None:
    """Return the package that a name is one slip of the fingers away from.

    Names like these are what malicious packages on PyPI are given ("typosquatting").
    """
    simple = simplify(name)
    for key, package in _by_name().items():
        if min(len(key), len(simple)) >= _LONG_ENOUGH and OSA.distance(simple, key) == 1:
            return package
    return None


def is_standard(name: str) -> bool:
    """Whether a module comes with Python itself."""
    return name.lower() in {module.lower() for module in sys.stdlib_module_names}


def program(name: str) -> tuple[str, str | None] | None:
    """Return name and stand-in of a program that is no Python package; None for any other name."""
    known = {simplify(key): (key, package) for key, package in contents()["programs"].items()}
    return known.get(simplify(name))


def comes_with_cuda(name: str) -> bool:
    """Whether it is a part of CUDA, which the packages that need it bring themselves."""
    return simplify(name) in {simplify(part) for part in contents()["with_cuda"]}


def is_of_conda(name: str) -> bool:
    """Whether it is in lists of conda alone: libraries, tools and parts of CUDA, which packages of PyPI bring along."""
    name = name.lower()
    if name in contents()["of_conda"]:
        return True
    if find(name) is not None or name in contents()["of_pypi"]:
        return False
    known = any(fnmatchcase(name, pattern) for pattern in contents()["of_conda"])
    return name.startswith("_") or known or comes_with_cuda(name)


def name_of_conda(name: str) -> str:
    """Return the name on PyPI of what a list of conda calls so."""
    return contents()["conda_names"].get(name.lower(), name)


def is_only_of_conda(name: str) -> bool:
    """Whether it is a program or a library that conda has, and PyPI has not, or as something else."""
    return any(fnmatchcase(name.lower(), pattern) for pattern in contents()["only_conda"])


def preferred_versions() -> dict[str, str]:
    """Return the version of each package of the catalogue, by its name on PyPI."""
    return {package.project: package.version for package in packages()}


def torch_for(cuda: int) -> dict[str, str] | None:
    """Return the versions of torch and torchvision for a driver's major version of CUDA, if there are any."""
    return next((pins for major, pins in contents()["torch"].items() if major <= cuda), None)
