"""Reads and checks the user's config file.

Everything that can be known to be wrong without looking at an image is found here, all of it at once, with file
and line: `segmake.config.yaml_lines` knows the lines, `segmake.config.schema` what a single setting may hold, and
`segmake.config.together` what can't go together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from segmake.config.schema import (
    engine_of,
    schema,
    schema_problems,
    with_defaults,
    without_faults,
)
from segmake.config.shared_paths import cut_paths, path_problems, understood
from segmake.config.site_settings import limit_problems, take_from_site
from segmake.config.together import checks
from segmake.config.yaml_lines import read_yaml, text_of
from segmake.config.yaml_values import item_lines
from segmake.core.config import Config, Keys
from segmake.core.site import read_site
from segmake.core.yaml_nodes import plain
from segmake.environments.solving.package_lists import read_lists
from segmake.images.folders import folder_problems, results_problems
from segmake.messages import Problem, Problems
from segmake.scripts.checks.text_values import note_texts
from segmake.scripts.definition.designs import read_designs


def load_config(
    path: Path,
    overrides: dict[str, Any] | None = None,
    *,
    images: bool = True,
    text: str | None = None,
    before: Sequence[Path] = (),
) -> Config:
    """Read, check and complete a config file.

    Parameters
    ----------
    path : Path
        A YAML file.
    overrides : dict, optional
        Nested settings that replace those of the file (Snakemake's ``--config``).
    images : bool
        Whether the folders of the images are to be here, where anything else is wrong; if nothing is, whoever lists
        the images tells.
    text : str, optional
        What is to stand in the file, in place of what stands there now.
    before : sequence of Path
        Other files, each of which counts where those behind it say nothing (``--configfile A B``).

    Raises
    ------
    Problems
        Everything that is wrong with the file, in the order of its lines.
    """
    written, lines, numbers, files = read_files(before, path, text)
    given = plain(overrides or {})
    written = merged(written, given)
    config = Config(written, path, lines, written, given, site=read_site(), files=files)
    foreign = [*path_problems(config), *cut_paths(config, text_of(path) if text is None else text)]
    config, problems = completed(config)
    _write_arguments_as_text(config.settings, {} if "scripts" in (overrides or {}) else numbers)
    if faults := list(results_problems(config)):
        problems += faults
        config.settings["results"] = schema()["properties"]["results"]["default"]
    read_lists(config)
    problems += [*checks(config), *limit_problems(config), *config.site.problems]
    if problems and images and config.settings["images"]["folder"]:
        problems += folder_problems(config)
    # What else is wrong with a path that is none here says less.
    problems = [*foreign, *(each for each in problems if each.where not in _places(foreign))]
    if problems:
        in_order = list(map(str, before))
        raise Problems(sorted(problems, key=lambda problem: _place(problem, in_order)))
    _keep_what_the_engine_takes(config.settings)
    _write_versions_as_text(config.settings)
    config.settings["results"] = os.path.expanduser(config.settings["results"])
    read_designs(config.settings)
    note_texts(config.settings, config.written)
    return config


def text_of_all(paths: Sequence[Path]) -> str:
    """Return what several config files say together, as one file would say it.

    Raises
    ------
    Problems
        If one can't be read, or is no YAML.
    """
    *before, last = paths
    written, _, numbers, _ = read_files(before, last)
    return "\n".join(item_lines(written, 100, numbers)) + "\n"


def read_files(
    before: Sequence[Path], path: Path, text: str | None = None
) -> tuple[dict[str, Any], dict[Keys, int], dict[Keys, str], dict[Keys, Path]]:
    """Return what `read_yaml` does of several files of which the later ones count, and the file of each key.

    Of the last file, nothing is said.

    Parameters
    ----------
    before : sequence of Path
    path : Path
        The last one.
    text : str, optional
        What is to stand in the last one, in place of what stands there now.

    Raises
    ------
    Problems
        If one can't be read, or is no YAML.
    """
    written: dict[str, Any] = {}
    lines: dict[Keys, int] = {}
    numbers: dict[Keys, str] = {}
    files: dict[Keys, Path] = {}
    for file in (*before, path):
        own, own_lines, own_numbers = read_yaml(file, text if file is path else None)
        if written:
            replaced = set(_replaced(written, own))
            for kept in (lines, numbers, files):
                for keys in [each for each in kept if replaced & set(_beginnings(each))]:
                    del kept[keys]
        written = merged(written, own)
        lines |= own_lines
        numbers |= own_numbers
        files = {each: where for each, where in files.items() if each not in own_lines}
        files |= dict.fromkeys(own_lines, file) if file is not path else {}
    return written, lines, numbers, files


def _replaced(written: Any, own: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the keys of what another file puts in the place of what was written: all but sections, which are joined."""
    if isinstance(written, dict) and isinstance(own, dict):
        for key in written.keys() & own.keys():
            yield from _replaced(written[key], own[key], (*keys, key))
    else:
        yield keys


def _beginnings(keys: Keys) -> Iterator[Keys]:
    return (keys[:length] for length in range(1, len(keys) + 1))


def completed(config: Config) -> tuple[Config, list[Problem]]:
    """Return a config with defaults, and what the site file says, where it says nothing; and what the schema refuses.

    What is refused is set aside, so that the rest can be looked at too.

    Parameters
    ----------
    config : Config
        With what the user wrote alone.
    """
    written = understood(config.written, config)
    config = replace(config, settings=written, written=written)
    problems = list(schema_problems(config))
    sound = without_faults(config.settings) if problems else config.settings
    settings = with_defaults(sound, schema(), engine_of(sound))
    config = replace(config, settings=settings, written=sound)
    take_from_site(config)
    return config, problems


def _places(problems: Iterable[Problem]) -> set[str]:
    return {problem.where for problem in problems}


def _place(problem: Problem, files: list[str]) -> tuple[int, int]:
    """Return which of several files a problem is in, and its line."""
    file = getattr(problem.where, "file", "")
    number = files.index(file) if file in files else len(files)
    return number, getattr(problem.where, "line", None) or 0


def merged(settings: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return settings with others in their place, section by section."""
    found = dict(settings)
    for key, value in overrides.items():
        nested = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if nested else value
    return found


def _write_versions_as_text(settings: dict[str, Any]) -> None:
    """Make text of versions that YAML took for numbers."""
    for environment in settings["environments"].values():
        environment["python"] = str(environment["python"])
    for key in ("cuda_driver", "compute_capability"):
        version = settings["cluster"][key]
        settings["cluster"][key] = None if version is None else str(version)


def _write_arguments_as_text(
    settings: dict[str, Any], numbers: dict[tuple[str | int, ...], str]
) -> None:
    """Make text of the numbers that scripts are given, as they stand in the file.

    In ``set``, numbers that Python would write so stay numbers.
    """
    for index, script in enumerate(settings["scripts"]):
        for key in ("arguments", "sweep", "set", "variables"):
            script[key] = _texts(script[key], numbers, ("scripts", index, key))


def _texts(value: Any, numbers: Mapping[tuple, str], keys: tuple[str | int, ...]) -> Any:
    if isinstance(value, dict):
        # The ends of a range are counted with.
        ends = "from" in value and keys[2] == "sweep" and len(keys) == 4
        return {
            key: each if ends else _texts(each, numbers, (*keys, key))
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_texts(each, numbers, (*keys, index)) for index, each in enumerate(value)]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    written = numbers.get(keys, str(value))
    return value if keys[2] == "set" and written == str(value) else written


def _keep_what_the_engine_takes(settings: dict[str, Any]) -> None:
    rules = schema()["properties"]["segmentation"]["properties"]
    engine = settings["segmentation"]["engine"]
    settings["segmentation"] = {
        key: value
        for key, value in settings["segmentation"].items()
        if engine in rules[key].get("x-engines", [engine])
    }
