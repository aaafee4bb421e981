"""Packages that an environment of this clone has in the wanted versions: linked, they need not be unpacked anew."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

# Where this variable is set, pip gets all of them itself.
ONLY_PIP = "SEGMAKE_TEST_ONLY_PIP"


def put_there(wanted: list[str], packages: Path) -> None:
    """Put packages, and what they need, into a folder ``site-packages``, if one of this clone has them all.

    Parameters
    ----------
    wanted : list of str
        As in a requirements file, each with its version.
    packages : Path
        The folder, of the same version of Python.
    """
    own = Path(sysconfig.get_path("purelib"))
    engines = sorted(ROOT.glob(f".environments/*/lib/{packages.parent.name}/site-packages"))
    for folder in (own, *engines):
        known = {canonicalize_name(one.name): one for one in distributions(path=[str(folder)])}
        asked = [Requirement(line) for line in wanted]
        if all(_fits(known.get(canonicalize_name(one.name)), one) for one in asked):
            for found in _with_needed(asked, known).values():
                _link(found, folder, packages)
            return


def _fits(found: Distribution | None, wanted: Requirement) -> bool:
    return found is not None and wanted.specifier.contains(found.version, prereleases=True)


def _with_needed(
    wanted: list[Requirement], known: dict[str, Distribution]
) -> dict[str, Distribution]:
    """Return the packages and what they need; what is not there is left to pip."""
    found: dict[str, Distribution] = {}
    left = list(wanted)
    while left:
        name = canonicalize_name(left.pop().name)
        if name in known and name not in found:
            found[name] = known[name]
            needed = (Requirement(line) for line in known[name].requires or ())
            left += [one for one in needed if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


def _link(package: Distribution, source: Path, target: Path) -> None:
    """Link a package's files, all but its commands, which begin with the path of their own Python."""
    for file in _files(package):
        place = target / file
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / file, place)
        except FileExistsError:
            pass
        except OSError:
            # On another disk.
            shutil.copy2(source / file, place)


def _files(package: Distribution) -> Iterator[Path]:
    for file in package.files or ():
        if ".." not in file.parts and Path(str(package.locate_file(file))).is_file():
            yield Path(file)
