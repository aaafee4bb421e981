"""What the packages of an environment are known to bring, before it is made."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from segmake.core import installation
from segmake.environments.wanted import catalogue
from segmake.environments.wanted.words import understand
from segmake.messages import Problem

BROUGHT = Path(__file__).with_name("brought.toml")
_OWN = installation.environment_file("imaging")


def package_of(module: str) -> catalogue.Package | None:
    """Return the package of the catalogue that a module belongs to."""
    return _packages_by_module().get(module)


@cache
def _packages_by_module() -> dict[str, catalogue.Package]:
    return {
        module.split(".")[0]: package
        for package in catalogue.packages()
        for module in package.modules
    }


def projects_of(listed: Iterable[str]) -> set[str] | None:
    """Return all packages of the catalogue that an environment will have, by their names on PyPI.

    Parameters
    ----------
    listed : iterable of str
        Its packages, as the config has them.

    Returns
    -------
    set of str or None
        None if one of them may bring anything: one that the catalogue does not have, or another version of it.
    """
    projects = []
    for words in listed:
        try:
            one = understand(words)
        except Problem:
            return None
        versions = one.requirement.specifier
        if one.package is None or one.own_extras:
            return None
        if not versions.contains(one.package.version, prereleases=True):
            return None
        projects.append(one.package.project)
    return _with_what_they_bring(projects)


def own_projects() -> set[str] | None:
    """Return the packages of SegMake's own environment for images, as `projects_of` does."""
    return _with_what_they_bring(own_packages())


@cache
def own_packages() -> tuple[str, ...]:
    """Return the packages that are listed for SegMake's own environment for images."""
    listed = YAML(typ="safe").load(_OWN.read_text(encoding="utf-8"))["dependencies"][-1]["pip"]
    return tuple(canonicalize_name(Requirement(words).name) for words in listed)


def lacking(modules: Iterable[str], projects: set[str] | None) -> dict[str, catalogue.Package]:
    """Return the modules that an environment is sure not to have, with the packages that they are in."""
    known = {module: package_of(module) for module in modules}
    return {
        module: package
        for module, package in known.items()
        if package is not None and projects is not None and package.project not in projects
    }


def _with_what_they_bring(projects: Iterable[str]) -> set[str] | None:
    found: set[str] = set()
    for project in projects:
        if project not in brought():
            return None
        found |= {project, *brought()[project]}
    return found


@cache
def brought() -> dict[str, list[str]]:
    """Return what each package of the catalogue brings along of the others."""
    table = tomllib.loads(BROUGHT.read_text(encoding="utf-8"))
    return {project: names.split() for project, names in table.items()}
