"""Where SegMake lies: its package, the files of its workflow, and the folder in which it was set up.

In a clone, which ``bash scripts/setup.sh`` sets up, the package lies in ``workflow``, beside the rules. Installed from
a wheel, it has no clone around it: the wheel brings ``workflow/envs`` along, and what would lie in the clone lies in
``share/segmake`` of the Python environment.
"""

from __future__ import annotations

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


def environments() -> Path:
    """Return the folder of the environments that are made without conda."""
    return home() / ".environments"


def environment_file(name: str) -> Path:
    """Return the file of one of SegMake's own environments, ``"imaging"``, ``"report"``, or of an engine's."""
    found = clone()
    folder = found / "workflow" / "envs" if found else PACKAGE / "envs"
    return folder / f"{name}.yaml"


def python_path() -> Path:
    """Return the folder from which a Python that has not installed SegMake finds the package, and nothing else.

    Each rule runs in an environment of its own, in which SegMake is not installed: it gets this folder in PYTHONPATH.
    """
    if clone():
        return PACKAGE.parent
    # Beside an installed package lie all others of its Python, which an engine's must not see.
    folder = home() / "package"
    link = folder / PACKAGE.name
    if not link.is_symlink():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(PACKAGE)
        except FileExistsError:
            pass
    return folder
