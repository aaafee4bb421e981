"""Where environments are made: where the site file says, else in SegMake's folder, else in the experiment.

And where SegMake notes what is open.
"""

from __future__ import annotations

import os
from pathlib import Path

from segmake.core import installation
from segmake.core.site import read_site


def state_folder() -> Path:
    """Return the user's own folder for what SegMake knows of things that are open."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser().absolute() / "segmake"


def named_environments() -> Path | None:
    """Return the folder that the user names for environments (``SNAKEMAKE_CONDA_PREFIX``); None if none is named."""
    named = os.environ.get("SNAKEMAKE_CONDA_PREFIX")
    return Path(named).expanduser().absolute() if named else None


def shared_environments() -> Path | None:
    """Return the folder that the site file names for the environments of all users; None if it names none."""
    return read_site().environments_folder


def made_environments() -> Path:
    """Return the folder of the environments that runs make without conda."""
    if folder := shared_environments():
        return folder
    # Where SegMake is shared, its users may only read there.
    return Path(".environments") if installation.is_shared() else installation.environments()


def conda_environments() -> Path | None:
    """Return the folder of the environments that Snakemake makes with conda, one for all experiments.

    None where Snakemake's own place is right, in the clone itself, and where SegMake is shared.
    """
    if folder := shared_environments():
        return folder
    home = installation.home()
    return None if installation.is_shared() or home == Path.cwd() else home / ".snakemake" / "conda"
