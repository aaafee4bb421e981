"""The packages that SegMake knows by name. What is said of versions is asked of PyPI, by uv."""

from __future__ import annotations

import pytest

from segmake.environments.solving.resolver import PYTHONS, compile_pins, resolve
from segmake.environments.wanted import catalogue
from segmake.environments.wanted.words import understand
from segmake.messages import LANGUAGES
from segmake.tools.catalogue_imports import Imported, failures, import_all, imported

ALL = [package for group in catalogue.groups().values() for package in group]

# Of the others, `version` has to be built from source.
WITH_WHEELS = [package for package in ALL if not package.least]


def test_no_name_means_two_packages():
    owners: dict[str, str] = {}
    for package in ALL:
        for name in {package.name, package.project, *package.aliases}:
            assert owners.setdefault(catalogue.simplify(name), package.name) == package.name


def test_no_name_is_refused_as_a_slip_or_as_no_package():
    for package in ALL:
        for name in (package.name, package.project, *package.aliases):
            assert catalogue.find(name) is package
            assert not catalogue.is_standard(name)
            assert catalogue.program(name) is None
            assert not catalogue.comes_with_cuda(name)


def test_each_package_is_explained_in_each_language():
    entries = [
        each for group in catalogue.contents()["groups"].values() for each in group["packages"]
    ]
    for entry in entries:
        texts = entry["for"]
        assert set(texts) == set(LANGUAGES) and all(texts.values()), entry["name"]


def test_every_stand_in_for_a_program_is_known():
    for stand_in in filter(None, catalogue.contents()["programs"].values()):
        assert catalogue.find(stand_in)


@pytest.mark.parametrize("title", catalogue.groups())
def test_a_group_works_together_on_python_3_11(title):
    group = [package for package in catalogue.groups()[title] if package in WITH_WHEELS]
    found = compile_pins([f"{one.requirement}=={one.version}" for one in group], "3.11")
    assert {one.project: found[one.project] for one in group} == {
        one.project: one.version for one in group
    }


def test_all_groups_work_together_on_python_3_11():
    found = compile_pins([f"{one.requirement}=={one.version}" for one in WITH_WHEELS], "3.11")
    assert all(found[one.project] == one.version for one in WITH_WHEELS)


@pytest.mark.parametrize("python", sorted(set(PYTHONS) - {"3.11"}))
def test_on_other_pythons_all_but_the_exceptions_work(python):
    there = [one for one in WITH_WHEELS if python not in one.excepted]
    found = compile_pins([f"{one.requirement}=={one.version}" for one in there], python)
    assert all(found[one.project] == one.version for one in there)


def test_packages_for_older_drivers_are_there():
    older = [one for one in ALL if one.cuda]
    assert older
    for package in older:
        for major in package.cuda:
            assert compile_pins([f"{package.requirement_for(major)}=={package.version}"], "3.11")


def test_versions_that_can_not_be_imported_are_not_found_first():
    for package in ALL:
        if package.least:
            found = resolve([understand(package.name)], "3.11", None, "line 1")
            assert found.pins[package.project] == package.version
            assert f"{package.project}=={package.version}" in found.built


def test_every_package_was_imported_in_the_version_that_is_taken():
    known = {one.project: Imported(one.version, one.modules[0]) for one in ALL}
    # After an edit: python -m segmake.tools.catalogue_imports
    assert imported() == known


@pytest.mark.long
def test_every_package_can_be_imported(tmp_path):
    assert failures(import_all(tmp_path)) == []
