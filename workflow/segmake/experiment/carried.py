"""The settings of one experiment as another one can use them: its images and results stay its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

from segmake.config.load import load_config
from segmake.config.yaml_lines import read_yaml
from segmake.config.yaml_values import Keys
from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import Problem
from segmake.scripts.definition.script import OF_SEGMAKE

_PROJECT = "{project}"


def carried_settings(other: Path, folder: Path) -> tuple[dict[str, Any], dict[Keys, str]]:
    """Return what the user of another experiment wrote, without its images and results, with paths that lead there.

    Beside it is how its numbers are written, by the keys that lead to them.

    Parameters
    ----------
    other : Path
        Its folder, or its config.
    folder : Path
        The folder of the new experiment.

    Raises
    ------
    Problem
        ``SM-EXP-004`` if there is no config.
    Problems
        What is wrong with it.
    """
    path = other / DEFAULT_CONFIG if other.is_dir() else other
    if not path.is_file():
        raise Problem("SM-EXP-004", where=str(other), path=path)
    home, path = _home_of(path), path.absolute()
    # Its paths start there.
    with chdir(home):
        config = load_config(path, images=False)

    def moved(text: str) -> str:
        return _moved(text, home, folder.absolute())

    settings = {key: value for key, value in config.written.items() if key != "results"}
    settings["images"] = {k: v for k, v in (settings.get("images") or {}).items() if k != "folder"}
    return _with_paths(settings, moved), read_yaml(path)[2]


def _home_of(config: Path) -> Path:
    """Return the folder that a config's paths start from: that above ``config``."""
    folder = config.absolute().parent
    return folder.parent if folder.name == DEFAULT_CONFIG.parent.name else folder


def _moved(text: str, home: Path, folder: Path) -> str:
    """Return a path that started from one folder, and leads to something there, as it is written in another folder."""
    if text.startswith((OF_SEGMAKE, "~")) or os.path.isabs(text) or home == folder:
        return text
    return str(home / text) if (home / text).exists() else text


def _with_paths(settings: dict[str, Any], moved: Callable[[str], str]) -> dict[str, Any]:
    """Return settings in which paths from the experiment's folder lead to the same files from anywhere."""
    found = dict(settings)
    segmentation = dict(found.get("segmentation") or {})
    for key in ("model", "models_folder"):
        if isinstance(segmentation.get(key), str):
            segmentation[key] = moved(segmentation[key])
    if segmentation:
        found["segmentation"] = segmentation
    environments = found.get("environments") or {}
    if environments:
        found["environments"] = {
            name: _with_moved(section, ("file", "existing"), moved)
            for name, section in environments.items()
        }
    if found.get("scripts"):
        found["scripts"] = [_script(section, moved) for section in found["scripts"]]
    return found


def _with_moved(
    section: dict[str, Any], keys: tuple[str, ...], moved: Callable[[str], str]
) -> dict[str, Any]:
    return {
        key: moved(value) if key in keys and isinstance(value, str) else value
        for key, value in section.items()
    }


def _script(section: dict[str, Any], moved: Callable[[str], str]) -> dict[str, Any]:
    found = _with_moved(section, ("script",), moved)
    if isinstance(found.get("files"), list):
        found["files"] = [moved(each) for each in found["files"]]
    if isinstance((found.get("sweep") or {}).get("file"), str):
        found["sweep"] = {**found["sweep"], "file": moved(found["sweep"]["file"])}
    home = moved(".")
    for key in ("arguments", "set", "variables"):
        if key in found:
            found[key] = _filled(found[key], home)
    return found


def _filled(value: Any, home: str) -> Any:
    """Return arguments in which the folder of the other experiment is named, and not that of the one that has them."""
    if isinstance(value, str):
        return value.replace(_PROJECT, home) if home != "." else value
    if isinstance(value, dict):
        return {key: _filled(each, home) for key, each in value.items()}
    return [_filled(each, home) for each in value] if isinstance(value, list) else value
