"""Makes the folder of an experiment: its config, with what was asked for, and nothing else."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from segmake.config.load import load_config
from segmake.config.schema import schema_file
from segmake.config.template import commented_config, suggested
from segmake.core import installation
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import write_atomically
from segmake.experiment.carried import carried_settings
from segmake.experiment.examples import make_example
from segmake.experiment.seen import NONE_SEEN, Seen, look
from segmake.messages import Problem, say
from segmake.slurm import commands as slurm

# The one that SegMake brings; a simulation needs no image.
SIMULATION = {
    "name": "simulation",
    "script": "segmake:gillespie.py",
    "run": "sweep",
    "sweep": {"seed": {"from": 1, "to": 10}},
}

_SNAKEFILES = ("Snakefile", "snakefile", "workflow")


def make_experiment(
    folder: Path,
    language: str,
    *,
    images: Path | None = None,
    other: Path | None = None,
    simulation: bool = False,
    example: str | None = None,
) -> str:
    """Make an experiment, and return what to tell the user.

    Parameters
    ----------
    folder : Path
        It may be there, with images in it; an experiment is never overwritten.
    language : str
        Of the config's comments, ``"en"`` or ``"fr"``.
    images : Path, optional
        A folder of images, whose headers are read: what they hold is written beside the settings.
    other : Path, optional
        The folder of an experiment, or a config, whose settings are taken; its images and results are not.
    simulation : bool
        Whether there are no images, but a script that simulates.
    example : str, optional
        One of `segmake.experiment.examples.EXAMPLES`, which brings its images, drawn; nothing else is asked for then.

    Raises
    ------
    Problem
        ``SM-EXP-001`` if there is an experiment already, ``SM-EXP-002`` if it can't be written, ``SM-EXP-003`` if a
        workflow of somebody else is there, ``SM-EXP-005`` if images or scripts of an example are.
    Problems
        What is wrong with the other's config, or with the folder of images.
    """
    _refuse_what_is_there(folder)
    if example:
        with _refused_writing(folder):
            told = make_example(folder, example, language)
        _read_back(folder)
        key = "new.next.example" if installation.can_run() else "new.next.laptop"
        made = say("new.example", config=folder / DEFAULT_CONFIG, example=example)
        profile = "slurm" if slurm.is_here() else "local"
        return "\n".join([made, *told, say(key, shown=shlex.quote(str(folder)), profile=profile)])
    settings, numbers = carried_settings(other, folder) if other else (suggested(), {})
    seen = NONE_SEEN
    if simulation:
        settings = _merged(settings, {"images": {"folder": None}})
        settings.setdefault("scripts", [SIMULATION])
    elif images:
        seen = look(images)
        settings = _merged(settings, {"images": {"folder": _as_seen_from(images, folder)}})
        if seen.channel and not settings["images"].get("channel"):
            settings["images"]["channel"] = seen.channel
    address = str(schema_file(language))
    text = commented_config(language, schema_address=address, values=settings, numbers=numbers)
    config = folder / DEFAULT_CONFIG
    with _refused_writing(folder):
        (folder / DEFAULT_CONFIG.parent).mkdir(parents=True, exist_ok=True)
        with write_atomically(config) as part:
            part.write_text(_with_notes(text, seen.notes), encoding="utf-8")
    _read_back(folder)
    return _what_next(folder, seen, images=images, simulation=simulation)


@contextmanager
def _refused_writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise Problem("SM-EXP-002", where=str(folder), folder=folder, error=reason) from None


def _read_back(folder: Path) -> None:
    """Read a config that was just written: what is wrong with it would be found at the first run only."""
    with chdir(folder):
        load_config(DEFAULT_CONFIG, images=False)


def _refuse_what_is_there(folder: Path) -> None:
    if os.path.lexists(folder / DEFAULT_CONFIG):
        raise Problem("SM-EXP-001", where=str(folder / DEFAULT_CONFIG), folder=folder)
    if folder.exists() and not folder.is_dir():
        reason = os.strerror(errno.ENOTDIR)
        raise Problem("SM-EXP-002", where=str(folder), folder=folder, error=reason)
    if any((folder / name).exists() for name in _SNAKEFILES):
        raise Problem("SM-EXP-003", where=str(folder), folder=folder)


def _merged(settings: dict[str, Any], more: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return settings | {key: {**settings.get(key, {}), **value} for key, value in more.items()}


def _as_seen_from(images: Path, folder: Path) -> str:
    """Return the path of a folder of images: from the experiment's folder if it lies in there, else a whole one."""
    images, folder = _without_dots(images), _without_dots(folder)
    return str(images.relative_to(folder)) if images.is_relative_to(folder) else str(images)


def _without_dots(path: Path) -> Path:
    """Return a whole path, without `..` where it leads to the same without: behind a link it may lead elsewhere."""
    plain = Path(os.path.abspath(path))
    same = plain.exists() and path.exists() and plain.samefile(path)
    return plain if same else path.absolute()


def _with_notes(text: str, notes: dict[str, str]) -> str:
    """Return a config with a line of comment above some settings of the images: what was seen of them."""
    lines = []
    section = ""
    for line in text.splitlines():
        if line[:1].isalpha():
            section = line.partition(":")[0]
        # Rare settings are commented out.
        key = line.strip().removeprefix("#").partition(":")[0]
        if section == "images" and line.startswith("  ") and key in notes:
            lines.append(f"  # {notes[key]}")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _what_next(folder: Path, seen: Seen, *, images: Path | None, simulation: bool) -> str:
    told = [say("new.made", folder=folder, config=folder / DEFAULT_CONFIG)]
    if images:
        told.append(say("new.seen", seen=seen.files, folder=images))
        told += [f"  {say('new.note', key=key, note=note)}" for key, note in seen.notes.items()]
    key = "new.next.simulation" if simulation else "new.next.seen" if images else "new.next"
    key = key if installation.can_run() else "new.next.laptop"
    told.append(say(key, shown=shlex.quote(str(folder))))
    return "\n".join(told)
