"""What is remembered on this computer of others: where each experiment is computed. Nothing in it is secret."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import write_atomically
from segmake.messages import Problem, say

# Beside the folder `config` of an experiment.
FILE = "segmake.place"


@dataclass(frozen=True)
class PlaceFile:
    """Where an experiment is computed.

    Attributes
    ----------
    host : str
        ``USER@HOST:PORT``, the same for each laptop; an older SegMake wrote the name of an entry in ``~/.ssh/config``.
    folder : str
        The experiment's folder over there, from the root on.
    segmake : str
        The program ``segmake`` over there, from the root on.
    through : str
        The computers to go over, as in `segmake.places.login.Login`, for a laptop whose SSH settings name none; empty
        for none.
    profile : str
        What runs there are started with, for a laptop that knows nothing of it; empty for what is there.
    """

    host: str
    folder: str
    segmake: str
    through: str = ""
    profile: str = ""


def read_place(experiment: Path) -> PlaceFile:
    """Return where an experiment is computed.

    Parameters
    ----------
    experiment : Path
        Its folder on this computer.

    Raises
    ------
    Problem
        ``SM-REM-001`` if no place was chosen for it yet, ``SM-REM-002`` if the file can't be understood, and
        ``SM-REM-056`` if there is no experiment at all.
    """
    # Few commands have to do with it.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = experiment / FILE
    try:
        said: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8-sig"))
        known = [one.name for one in fields(PlaceFile) if one.name in said]
        return PlaceFile(**{name: _text(said[name]) for name in known})
    except FileNotFoundError:
        if not (experiment / DEFAULT_CONFIG.parent).is_dir():
            raise Problem("SM-REM-056", where=str(experiment.absolute())) from None
        raise Problem("SM-REM-001", where=str(path)) from None
    except (OSError, ValueError, KeyError, TypeError, YAMLError):
        raise Problem("SM-REM-002", where=str(path)) from None


def write_place(experiment: Path, place: PlaceFile) -> None:
    """Note where an experiment is computed."""
    from ruamel.yaml import YAML

    yaml = YAML()
    # Each value is on a line of its own: people read them, and copy them to other laptops.
    yaml.width = sys.maxsize
    with write_atomically(experiment / FILE) as part, part.open("w", encoding="utf-8") as file:
        file.write("".join(f"# {line}\n" for line in say("remote.place_file").splitlines()))
        yaml.dump({name: value for name, value in asdict(place).items() if value}, file)


def put_aside(experiment: Path) -> None:
    """Have an experiment computed on this computer again; what lies over there stays as it is."""
    with suppress(FileNotFoundError):
        os.replace(experiment / FILE, experiment / f"{FILE}.before")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(value)
    return value
