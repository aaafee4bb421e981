"""The record of a checked model: which files the engine loaded, so that it is done again only when one is another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segmake.core.files import fingerprint, write_atomically
from segmake.engines import NOT_DECISIVE, models_folder


def write_record(record: Path, settings: Mapping[str, Any], files: Iterable[Path]) -> None:
    """Write down that the files of a model were loaded with these settings.

    Parameters
    ----------
    record : Path
        The file to write.
    settings : mapping
        The section ``segmentation`` of a checked config.
    files : iterable of Path
        What the engine's ``fetch`` returned.
    """
    found = {"settings": _settings(settings), "files": {str(file): _state(file) for file in files}}
    with write_atomically(record) as part:
        # ASCII keeps the bytes of a path that are no UTF-8.
        part.write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")


def is_current(record: Path, settings: Mapping[str, Any]) -> bool:
    """Return whether the model was loaded with these settings, and its files are there as they were.

    Parameters
    ----------
    record : Path
        What `write_record` wrote; it may be missing.
    settings : mapping
        The section ``segmentation`` of a checked config.
    """
    try:
        found = json.loads(record.read_text(encoding="ascii"))
        return found["settings"] == _settings(settings) and all(
            _state(Path(file)) == state for file, state in found["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _settings(settings: Mapping[str, Any]) -> str:
    decisive = {key: value for key, value in settings.items() if key not in NOT_DECISIVE}
    return fingerprint(decisive, str(models_folder(settings["models_folder"])))


def _state(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]
