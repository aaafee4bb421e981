"""The versions of Snakemake, of its Slurm plugin and of SegMake's rules that go together: others are refused.

SegMake uses parts of both that are not meant for others (`segmake.adapter.touch_points`), which a new minor version may
change. ``bash scripts/test_next.sh`` tries the newest versions; what it finds in order can be written here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet

from segmake import __version__
from segmake.adapter.refusal import refuse
from segmake.messages import Problem

# The package, as PyPI calls it, and its minor version: each release that only repairs it is taken.
TESTED = {
    "snakemake": "9.27",
    "snakemake-executor-plugin-slurm": "2.8",
    "snakemake-interface-executor-plugins": "9.4",
}

# For those who try another version: refuse none.
ANY_VERSION = "SEGMAKE_ANY_VERSION"


def refuse_untested(rules: str) -> None:
    """End Snakemake if it, its plugin or the package beside it is a version that the rules were not tested with.

    Parameters
    ----------
    rules : str
        The version of SegMake that the rules are of: those of a module may come from another place than the package.
    """
    if rules != __version__:
        refuse(Problem("SM-RUN-066", rules=rules, package=__version__))
    for problem in untested():
        refuse(problem)


def untested() -> Iterator[Problem]:
    """Yield ``SM-RUN-064`` for each package that is here in a version that SegMake was not tested with."""
    for name, tested in () if os.environ.get(ANY_VERSION) else TESTED.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            # To be told by whoever needs it.
            continue
        if not is_tested(name, found):
            yield Problem("SM-RUN-064", name=name, version=found, tested=tested)


def is_tested(name: str, found: str) -> bool:
    """Return whether a version is one that SegMake was tested with, or repairs it."""
    return SpecifierSet(f"=={TESTED[name]}.*").contains(found, prereleases=True)
