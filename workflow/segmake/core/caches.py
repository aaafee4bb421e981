"""The user's own cache: what SegMake keeps there can be made again at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """Return the folder in which programs keep what they can make again (``$XDG_CACHE_HOME``)."""
    # By its standard, a relative path counts as none.
    named = os.environ.get("XDG_CACHE_HOME", "").strip()
    return Path(named) if os.path.isabs(named) else Path(os.path.expanduser("~"), ".cache")


def own_cache_folder() -> Path:
    """Return the folder of all that SegMake keeps there."""
    return cache_home() / "segmake"


def own_cache(subject: str, *names: str) -> Path:
    """Return the file in which something of a subject is kept, which its names tell from all others."""
    from segmake.core.files import fingerprint

    return own_cache_folder() / subject / f"{fingerprint(*names)}.json"
