"""Installs the packages of the catalogue and imports each: ``catalogue_imports.toml`` has what came of it.

After an edit of ``catalogue.yaml``, with a network, some minutes and 15 GB of disk in the temporary folder:
``python -m segmake.tools.catalogue_imports``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import uv

from segmake.core.files import write_atomically
from segmake.environments.making.trial import LIMIT_SECONDS, PROGRAM
from segmake.environments.solving.compiling import compile_pins
from segmake.environments.wanted import catalogue
from segmake.environments.wanted.catalogue import Package

TABLE = Path(__file__).with_suffix(".toml")
PYTHON = "3.11"

# They have an environment to themselves: TensorFlow and the triton of PyTorch crash each other.
_APART = ("tensorflow", "keras", "stardist", "csbdeep")

_HEAD = """\
# The packages of catalogue.yaml, installed together and imported one by one without a GPU by
# `python -m segmake.tools.catalogue_imports` with Python {python} on {day}: their versions, and modules.

"""


@dataclass(frozen=True)
class Imported:
    """A package that was imported.

    Attributes
    ----------
    version : str
    module : str
    """

    version: str
    module: str


def imported() -> dict[str, Imported]:
    """Return the packages that were imported, by their names on PyPI."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {project: Imported(**found) for project, found in table.items()}


def failures(found: Iterable[dict[str, Any]]) -> list[str]:
    """Return the packages that can't be used, with the reason.

    Parameters
    ----------
    found : iterable of dict
        What `import_all` returned.
    """
    # Without a GPU some are not imported to the end; all that they need is there.
    bad = [one for one in found if one["kind"] not in ("ok", "no_gpu") or not one["modules"]]
    return [f"{one['package']}: {one['kind']} {one['why']}" for one in bad]


def import_all(folder: Path) -> list[dict[str, Any]]:
    """Install all packages, and return what came of importing each.

    Parameters
    ----------
    folder : Path
        Where the environments are made.
    """
    groups = [
        [one for one in catalogue.packages() if (one.project in _APART) is apart]
        for apart in (False, True)
    ]
    return [
        record
        for number, group in enumerate(groups)
        for record in _import_group(group, folder / str(number))
    ]


def _import_group(group: list[Package], folder: Path) -> Iterator[dict[str, Any]]:
    # Without the extras that bring the CUDA of a GPU.
    lines = {one.project: f"{one.project}=={one.version}" for one in group}
    ready = [lines[one.project] for one in group if not one.least]
    wheels = compile_pins(ready, PYTHON)
    pins = compile_pins(lines.values(), PYTHON, wheels=wheels)
    command = [uv.find_uv_bin(), "venv", "--quiet", "--python", PYTHON, str(folder)]
    subprocess.run(command, check=True)
    python = folder / "bin" / "python"
    requirements = "\n".join(f"{name}=={version}" for name, version in pins.items())
    install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
    subprocess.run([*install, "-r", "-"], input=requirements, text=True, check=True)
    packages = {one.project: one.modules[0] for one in group}
    request: dict[str, Any] = {
        "packages": packages,
        "imports": [],
        "known": None,
        "seconds": LIMIT_SECONDS,
    }
    asked, answer = folder / "request.json", folder / "answer.json"
    asked.write_text(json.dumps(request), encoding="utf-8")
    options = ["--request", str(asked), "--answer", str(answer)]
    subprocess.run([str(python), "-I", str(PROGRAM), *options], check=True)
    yield from json.loads(answer.read_text(encoding="utf-8"))["packages"]


def write_table(found: Iterable[dict[str, Any]]) -> None:
    """Write down what was imported."""
    lines = [
        f'"{one["package"]}" = {{version = "{one["version"]}", module = "{one["module"]}"}}\n'
        for one in sorted(found, key=lambda one: one["package"])
    ]
    with write_atomically(TABLE) as part:
        head = _HEAD.format(python=PYTHON, day=date.today())
        part.write_text(head + "".join(lines), encoding="utf-8")


def main() -> int:
    """Import all packages, and write the table if all can be imported."""
    with tempfile.TemporaryDirectory() as folder:
        found = import_all(Path(folder))
    if bad := failures(found):
        print("\n".join(bad), file=sys.stderr)
        return 1
    write_table(found)
    print(TABLE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
