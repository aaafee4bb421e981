"""Other experiments in the folders where a user's own lie: those of a group that computes in one place."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import readable

# A folder with more in it is no folder of experiments; more neighbours nobody looks through.
_MOST_LOOKED_AT, MOST = 2000, 50

# sh FOLDER...: of each experiment in them, who made it and the path of its config, each with a zero behind it.
SCRIPT = f"""
for folder in "$@"; do
    cd -- "$folder" 2>/dev/null || continue
    [ "$(find . -mindepth 1 -maxdepth 1 | head -n {_MOST_LOOKED_AT + 1} | wc -l)" -gt {_MOST_LOOKED_AT} ] && continue
    for one in "${{PWD%/}}"/*/{DEFAULT_CONFIG.as_posix()}; do
        [ -f "$one" ] && find -H "$one" -maxdepth 0 -printf '%u\\0%p\\0'
    done
done
exit 0
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
        The folders of experiments, in full; none of them is returned, by whichever way it is reached.
    """
    above = dict.fromkeys(os.path.dirname(each) for each in own)
    known = set(map(_real, own))
    found = (config for folder in above for config in _configs(folder))
    others = (each for each in found if _real(each.parents[1]) not in known)
    return listed(((_owner(each), str(each.parents[1])) for each in others), own)


def found_by_script(said: str, own: Collection[str]) -> list[Neighbour]:
    """Return what `SCRIPT` has found, without one's own experiments.

    Parameters
    ----------
    said : str
    own : collection of str
    """
    words = said.split("\0")[:-1]
    folders = (config.removesuffix(f"/{DEFAULT_CONFIG.as_posix()}") for config in words[1::2])
    return listed(zip(words[::2], map(readable, folders), strict=False), own)


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
        shown = [each for each in islice(entries, _MOST_LOOKED_AT) if not each.name.startswith(".")]
        configs = [Path(entry.path, DEFAULT_CONFIG) for entry in shown if _is_folder(entry)]
        return [config for config in configs if _is_file(config)]
    return []


def _real(folder: str | Path) -> str:
    # Windows does not tell capitals apart.
    return os.path.normcase(os.path.realpath(folder))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir()
    return False


def _is_file(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file()
    return False


def _owner(path: Path) -> str:
    # Windows has none; nor has a number that no account has any more.
    with suppress(OSError, KeyError, NotImplementedError, ImportError):
        return path.owner()
    return ""
