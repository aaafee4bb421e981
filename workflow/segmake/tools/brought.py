"""Makes ``brought.toml``: what each package that SegMake knows by name brings along of the others.

After an edit of ``catalogue.yaml`` or ``workflow/envs/imaging.yaml``, with a network:
``python -m segmake.tools.brought``.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

import uv
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from segmake.core.files import write_atomically
from segmake.environments.wanted import catalogue, provided
from segmake.environments.wanted.provided import own_packages

TABLE = provided.BROUGHT
PYTHON = "3.11"

_HEAD = """\
# What each package that SegMake knows by name brings along of the others, and so need not be listed beside it: made by
# `python -m segmake.tools.brought`. Of a package that is not here nothing is known.

"""

# Its extras name packages that it does not bring by itself.
_BRINGS_NOTHING = ("fsspec",)


def needs_of(requirements: Iterable[str]) -> dict[str, set[str]]:
    """Return what each package, and each that comes with it, needs directly: names on PyPI, normalized.

    Parameters
    ----------
    requirements : iterable of str
        Those that are resolved together.

    Raises
    ------
    subprocess.CalledProcessError
        If uv finds no versions that go together.
    """
    options = ["pip", "compile", "-", "--annotation-style", "split", "--python-version", PYTHON]
    text = "\n".join(requirements)
    done = subprocess.run(
        [uv.find_uv_bin(), *options], input=text, capture_output=True, text=True, check=True
    )
    needs: dict[str, set[str]] = {}
    package = ""
    for line in done.stdout.splitlines():
        if pin := re.match(r"([A-Za-z0-9._-]+)(\[.*\])?==", line):
            package = canonicalize_name(pin[1])
            needs.setdefault(package, set())
        # "via" alone is the head of a list.
        elif by := re.match(r"    #\s+(?:via )?(?!via$)([A-Za-z0-9._-]+)(\[.*\])?$", line):
            needs.setdefault(canonicalize_name(by[1]), set()).add(package)
    return needs


def write_table() -> None:
    """Resolve all packages together, and write the table."""
    known = {package.project: package for package in catalogue.packages()}
    listed = {f"{package.requirement}=={package.version}" for package in known.values()}
    # Where both name a package, versions may differ: what it brings hardly does.
    listed |= set(own_packages())
    needs = needs_of(sorted(listed))
    with write_atomically(TABLE) as part:
        lines = []
        for project in sorted(canonicalize_name(Requirement(words).name) for words in listed):
            brought = _all_of(project, needs) - {project}
            names = " ".join(sorted(name for name in brought if name in known))
            lines.append(f'{project} = "{names}"\n')
        part.write_text(_HEAD + "".join(dict.fromkeys(lines)), encoding="utf-8")


def _all_of(project: str, needs: dict[str, set[str]]) -> set[str]:
    """Return all that comes with a package, and what comes with that."""
    found: set[str] = set()
    todo = [project]
    while todo:
        name = todo.pop()
        if name not in _BRINGS_NOTHING:
            new = needs.get(name, set()) - found
            found |= new
            todo += new
    return found


if __name__ == "__main__":
    write_table()
    print(TABLE)
