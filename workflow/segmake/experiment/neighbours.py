"""Other experiments in the folders where a user's own lie: those of a group that computes in one place."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from segmake.core.config import DEFAULT_CONFIG

# A folder with more in it is no folder of experiments; more neighbours nobody looks through.
_MOST_LOOKED_AT, MOST = 2000, 50

# sh FOLDER...: of each experiment in them, who made it and its path, each with a zero behind it.
SCRIPT = f"""
for folder in "$@"; do
    cd -- "$folder" 2>/dev/null || continue
    for one in */{DEFAULT_CONFIG.as_posix()}; do
        [ -f "$one" ] || continue
        find "$one" -maxdepth 0 -printf '%u\\0'
        printf '%s\\0' "$PWD/${{one%/{DEFAULT_CONFIG.as_posix()}}}"
    done
done
"""


class Neighbour(NamedTuple):
    """An experiment beside one's own.

    Attributes
    ----------
    folder : str
    owner : str
        The user name of whoever made it; empty where it is not known.
    """

    folder: str
    owner: str


def neighbours(own: Collection[str]) -> list[Neighbour]:
    """Return the experiments of this computer that lie beside some.

    Parameters
    ----------
    own : collection of str
        The folders of experiments, in full; none of them is returned.
    """
    above = dict.fromkeys(os.path.dirname(each) for each in own)
    found = (config for folder in above for config in _configs(folder))
    return listed(((_owner(each), str(each.parents[1])) for each in found), own)


def listed(found: Iterable[tuple[str, str]], own: Collection[str]) -> list[Neighbour]:
    """Return what was found, without one's own experiments.

    Parameters
    ----------
    found : iterable of tuple
        Owners and folders.
    own : collection of str
    """
    others = {folder: owner for owner, folder in found if folder not in own}
    return [Neighbour(folder, owner) for folder, owner in sorted(others.items())][:MOST]


def _configs(folder: str) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        each = [Path(entry.path, DEFAULT_CONFIG) for entry in islice(entries, _MOST_LOOKED_AT)]
        return [config for config in each if _is_file(config)]
    return []


def _is_file(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file()
    return False


def _owner(path: Path) -> str:
    # Windows has none; nor has a number that no account has any more.
    with suppress(OSError, KeyError, NotImplementedError, ImportError):
        return path.owner()
    return ""
