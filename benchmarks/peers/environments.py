"""An environment with napari-serialcellpose beside that of Cellpose 3: torch and Cellpose are not installed again."""

from __future__ import annotations

import subprocess
from pathlib import Path

# Without the window's own needs (napari, Qt): the batch function does without.
PACKAGE = "napari-serialcellpose"
NEEDED = ("scikit-image", "pandas", "bioio", "bioio-tifffile")


def make(folder: Path, cellpose: Path) -> Path:
    """Make it in a folder, and return its Python.

    Raises
    ------
    subprocess.CalledProcessError
        Where packages can't be had; its `stderr` says why.
    """
    site = _said([cellpose, "-c", "import site; print(site.getsitepackages()[0])"])
    installed = _said([cellpose, "-m", "pip", "list", "--format=freeze"]).splitlines()
    _said([cellpose, "-m", "venv", folder])
    python = folder / "bin" / "python"
    own = _said([python, "-c", "import site; print(site.getsitepackages()[0])"])
    Path(own, "cellpose.pth").write_text(f"{site}\n")
    # What is there already stays as it is: it belongs to another environment.
    kept = folder / "kept.txt"
    kept.write_text(
        "\n".join(line for line in installed if not line.startswith(("pip=", "torch=")))
    )
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _said([*pip, "--no-deps", PACKAGE])
    _said([*pip, "-c", kept, *NEEDED])
    return python


def _said(command: list[str | Path]) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return done.stdout.strip()
