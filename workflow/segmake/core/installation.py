"""Where SegMake lies: its package, the files of its workflow, and the folder in which it was set up.

In a clone, which ``bash scripts/setup.sh`` sets up, the package lies in ``workflow``, beside the rules. Installed from
a wheel, it has no clone around it: the wheel brings ``workflow/envs`` and the scripts along, and what else would lie in
the clone lies in ``share/segmake`` of the Python environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def clone() -> Path | None:
    """Return the clone that the package is part of; None where it was installed from a wheel."""
    folder = PACKAGE.parent
    return folder.parent if (folder / "Snakefile").is_file() else None


def home() -> Path:
    """Return the folder of ``site.yaml``, and of ``.environments`` with what the set-up made."""
    return clone() or Path(sys.prefix) / "share" / "segmake"


def can_run() -> bool:
    """Whether runs can be made by this SegMake; without Snakemake, as on a laptop, another computer makes them."""
    from importlib.util import find_spec

    return find_spec("snakemake") is not None


def can_look() -> bool:
    """Whether this SegMake can open images; a laptop may have what the page needs alone."""
    from importlib.util import find_spec

    return all(map(find_spec, ("numpy", "PIL", "tifffile")))


def is_shared() -> bool:
    """Whether somebody else has set SegMake up: whoever runs it may only read there."""
    folder = home()
    # Beside a package that pip installed, nothing has been made yet.
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return not os.access(there, os.W_OK)


def environments() -> Path:
    """Return the folder of the environments that the set-up makes."""
    return home() / ".environments"


def environment_file(name: str) -> Path:
    """Return the file of one of SegMake's own environments, ``"imaging"``, ``"report"``, or of an engine's."""
    found = clone()
    folder = found / "workflow" / "envs" if found else PACKAGE / "envs"
    return folder / f"{name}.yaml"


def own_scripts() -> Path:
    """Return the folder of the scripts that SegMake brings."""
    return home() / "scripts" if clone() else PACKAGE / "examples"


def example_configs() -> Path:
    """Return the folder of the configs of the examples, which has a folder with their own scripts in it."""
    found = clone()
    return found / "config" / "examples" if found else PACKAGE / "example_configs"


def python_path(state: Path) -> Path:
    """Return the folder from which a Python that has not installed SegMake finds the package, and nothing else.

    Each rule runs in an environment of its own, in which SegMake is not installed: it gets this folder in PYTHONPATH.

    Parameters
    ----------
    state : Path
        What is SegMake's own in a results folder; `link_package` has made the link there before any rule runs.
    """
    # Beside an installed package lie all others of its Python, which an engine's must not see.
    return PACKAGE.parent if clone() else state.absolute() / "package"


def link_package(state: Path) -> None:
    """Make what `python_path` tells of, where the package was installed from a wheel."""
    if clone():
        return
    folder = python_path(state)
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / PACKAGE.name
    # An earlier run's may lead to an environment that is gone.
    if not link.is_symlink() or link.readlink() != PACKAGE:
        part = folder / f".{PACKAGE.name}.{os.getpid()}.part"
        part.symlink_to(PACKAGE)
        part.replace(link)
