"""Where programs keep what a user told them."""

from __future__ import annotations

import os
from pathlib import Path


def settings_home() -> Path:
    """Return the folder in which programs keep a user's settings: ``$XDG_CONFIG_HOME``, on Windows ``%APPDATA%``."""
    # By its standard, a relative path counts as none.
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        named = os.environ.get(name, "").strip()
        if os.path.isabs(named):
            return Path(named)
    return Path(os.path.expanduser("~"), ".config")


def own_settings_folder() -> Path:
    """Return the folder of what SegMake keeps there."""
    return settings_home() / "segmake"
