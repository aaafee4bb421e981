"""Copies of scripts in which `set` gives constants other values, and how a copy is run in the place of its script."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segmake.core.files import fingerprint
from segmake.scripts.checks.command import fill
from segmake.scripts.definition.script import Script
from segmake.scripts.source.constants import Change, with_values

LAUNCHER = Path(__file__).with_name("launcher.py")


def filled(values: Any, known: Mapping[str, str]) -> Any:
    """Return values with what their placeholders stand for."""
    if isinstance(values, dict):
        return {name: filled(value, known) for name, value in values.items()}
    if isinstance(values, list):
        return [filled(value, known) for value in values]
    return fill(values, known) if isinstance(values, str) else values


def copy_place(state: Path, script: Script, run: str) -> Path:
    """Return where the copy of a script for a run lies while it is run."""
    return state / "copies" / script.name / fingerprint(run) / script.file.name


def write_copy(
    script: Script, words: list[str], known: Mapping[str, str], copy: Path
) -> tuple[list[str], list[Change]]:
    """Write the copy of a script with the values of this run.

    Return the words that run it, and what was changed; without any values `words`, and nothing.

    Parameters
    ----------
    script : Script
    words : list of str
        The words that run the script itself.
    known : dict
        What placeholders stand for.
    copy : Path
        Where the copy is to be. That of a notebook is where the notebook is run.

    Raises
    ------
    SetError
        If the script was changed since it was looked at.
    """
    if not script.constants:
        return words, []
    data, changes = with_values(script.file, filled(script.constants, known))
    if script.file.suffix == ".ipynb":
        Path(words[-1]).write_bytes(data)
        return words, changes
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(_with_own_path(script, data))
    program, file, *rest = words
    place = str(copy.absolute())
    if script.file.suffix == ".sh":
        # So that $0 is the script itself.
        return [program, "-c", f". {shlex.quote(place)}", file, *rest], changes
    if script.file.suffix == ".py":
        return [program, str(LAUNCHER), place, file, *rest], changes
    return [program, place, *rest], changes


def _with_own_path(script: Script, data: bytes) -> bytes:
    """Let a script for bash that asks where it lies find its own folder."""
    if script.file.suffix != ".sh":
        return data
    for word in (b"${BASH_SOURCE[0]}", b"${BASH_SOURCE}", b"$BASH_SOURCE"):
        data = data.replace(word, b"${0}")
    return data


@contextmanager
def fresh_cache(script: Script) -> Iterator[dict[str, str]]:
    """Give a copy a new folder for what numba compiles; in the block it is there.

    Numba would go on with what it has compiled with other values, also where it may not write to its folder.

    Returns
    -------
    dict
        The variable that names it; nothing where no constants are set.

    Raises
    ------
    OSError
        If there is no room for temporary files.
    """
    if not script.constants:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="segmake-numba-", ignore_cleanup_errors=True) as folder:
        yield {"NUMBA_CACHE_DIR": folder}


def remove_copy(copy: Path) -> None:
    """Remove the copy of a script after its run."""
    shutil.rmtree(copy.parent, ignore_errors=True)


def changes_of(script: Script, values: Mapping[str, Any]) -> list[Change]:
    """Return what is changed in a copy of a script.

    Raises
    ------
    SetError, OSError
    """
    return with_values(script.file, values)[1] if values else []
