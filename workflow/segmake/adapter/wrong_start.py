"""What is wrong with how a Snakemake is started, told before it says so itself, in English and at length.

The folder has no experiment, a profile is not there, an option is mistyped. Called by `segmake.adapter.front` for what
a user typed, and for no job: nothing is imported that a right start has no need of.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from segmake.adapter.own_files import MARK, is_experiment, is_own

# Where SegMake looks for its settings.
_CONFIG = "config/config.yaml"

_NAMES = ("slurm", "local")

# What Snakemake says of each profile, on the screen alone.
_USING = ("Using profile", "for setting default command line arguments.")


def what_is_wrong(arguments: list[str]) -> Exception | None:
    """Return what is wrong with the command line of a Snakemake, or with the folder that it is started in.

    Parameters
    ----------
    arguments : list of str
        What follows ``snakemake``.
    """
    names = _values(arguments, "--profile")
    profiles = [_profile(name) for name in names if name != "none"]
    for name, file in zip([name for name in names if name != "none"], profiles, strict=True):
        if file is None:
            return _no_profile(name)
    for name in _values(arguments, "--workflow-profile"):
        if not _is_workflow_profile(name, _values(arguments, "--snakefile", "-s")):
            return _no_workflow_profile(name)
    folder = "".join(_values(arguments, "--directory", "-d")[-1:])
    has_config = os.path.isfile(os.path.join(folder, _CONFIG)) or _has(arguments, "--configf")
    if is_experiment(arguments) and not has_config:
        return _no_experiment(folder)
    typed = any(word.startswith("-") for word in arguments)
    if has_config and is_own(arguments) and not typed:
        return None if os.environ.get("SNAKEMAKE_PROFILE") else _problem("SM-CMD-015", line=_line())
    return None


def fault_of_config(arguments: list[str]) -> Exception | None:
    """Return why a file of ``--configfile`` can't be read, before Snakemake says so in its own words.

    Parameters
    ----------
    arguments : list of str
        What follows ``snakemake``.
    """
    files = _values_of_list(arguments, "--configfile", "--configfiles")
    if not files or not is_own(arguments):
        return None
    from pathlib import Path

    from segmake.config.yaml_lines import read_yaml
    from segmake.core.site_language import speak_its_language
    from segmake.messages import Problems

    speak_its_language()
    try:
        for file in files:
            read_yaml(Path(file))
    except Problems as problems:
        return problems
    return None


def explain(arguments: list[str]) -> None:
    """Have Snakemake tell of a mistyped option in SegMake's way, and keep the line on SegMake's own profiles away.

    Parameters
    ----------
    arguments : list of str
        What follows ``snakemake``.
    """
    import argparse

    usual = argparse.ArgumentParser.error

    def error(parser: argparse.ArgumentParser, message: str) -> NoReturn:
        # Not that of a program which a Snakefile brings along.
        if type(parser).__module__.startswith("snakemake."):
            _refuse_option(parser, message)
        usual(parser, message)

    argparse.ArgumentParser.error = error  # type: ignore[assignment, method-assign]
    files = [_profile(name) for name in _values(arguments, "--profile")]
    if files and all(file and _first_line(file).startswith(MARK) for file in files):
        sys.meta_path.insert(0, _QuietCli())


def _values(arguments: list[str], *options: str) -> list[str]:
    """Return the values of an option, each of whose names is written out."""
    found = []
    for word, after in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if name in options:
            found.append(value if equals else after)
    return found


def _values_of_list(arguments: list[str], *options: str) -> list[str]:
    """Return the values of an option that takes all words up to the next option."""
    found: list[str] = []
    is_open = False
    for word in arguments:
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            is_open = name in options
            # A later one takes the place of what was named before.
            found = [value] if is_open and equals else [] if is_open else found
            is_open = is_open and not equals
        elif is_open:
            found.append(word)
    return found


def _has(arguments: list[str], *beginnings: str) -> bool:
    return any(word.startswith(beginnings) for word in arguments)


# Profiles


def _folders() -> list[str]:
    """Return where Snakemake looks for profiles, besides the folder of now."""
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    site = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)[0]
    return [os.path.join(folder, "snakemake") for folder in (own, site)]


def _profile(name: str) -> str | None:
    """Return the file of a profile, as Snakemake finds it; None if it finds none."""
    places = [name] if os.path.exists(name) else [os.path.join(place, name) for place in _folders()]
    for place in places:
        if os.path.isfile(place):
            return place
        files = sorted(os.listdir(place)) if os.path.isdir(place) else []
        # profile.yaml, profile.v9+.yaml and the like.
        named = [file for file in files if file.startswith(("profile.", "config."))]
        if found := [file for file in named if file.endswith(".yaml")]:
            return os.path.join(place, found[-1])
    return None


def _first_line(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            return lines.readline()
    except OSError:
        return ""


def _no_profile(name: str) -> Exception:
    from difflib import get_close_matches

    from segmake.messages import say

    registered = [place for place in _folders() if os.path.isdir(place)]
    there = [os.path.join(place, each) for place in registered for each in os.listdir(place)]
    usable = sorted({*_NAMES, *(os.path.basename(each) for each in there if _profile(each))})
    if os.path.isdir(name) and (place := _registered(os.path.basename(name.rstrip("/")))):
        return _problem("SM-CMD-013", path=os.path.abspath(name), name=name, profile=place)
    if near := get_close_matches(name, usable, 1):
        remedy = say("mistake.nearest", line=f"snakemake --profile {near[0]}")
    else:
        remedy = say("mistake.profiles", names=", ".join(usable), line=_line())
    return _problem("SM-CMD-012", name=name, remedy=remedy)


def _is_workflow_profile(name: str, snakefiles: list[str]) -> bool:
    """Return whether there is such a profile: Snakemake goes on without one that it does not find."""
    beside = [os.path.dirname(file) for file in snakefiles] or ["", "workflow"]
    places = [name, *(os.path.join(each, "profiles", name) for each in ["", *beside])]
    return name == "none" or any(map(os.path.exists, places))


def _no_workflow_profile(name: str) -> Exception:
    from difflib import get_close_matches

    from segmake.messages import say

    near = get_close_matches(name, _NAMES, 1)
    line = f"snakemake --profile {near[0]}" if near else _line()
    return _problem("SM-CMD-012", name=name, remedy=say("mistake.nearest", line=line))


def _registered(name: str) -> str | None:
    for folder in _folders():
        if _profile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    return None


# Folders


def _no_experiment(folder: str) -> Exception:
    return _problem("SM-CMD-010", config=_CONFIG, folder=os.path.abspath(folder))


def _line() -> str:
    """Return how a run is started on this computer."""
    import shutil

    return f"snakemake --profile {_NAMES[0] if shutil.which('sbatch') else _NAMES[1]}"


def _problem(code: str, **values: Any) -> Exception:
    from segmake.messages import Problem

    return Problem(code, **values)


# Snakemake's own words


def _refuse_option(parser: Any, message: str) -> NoReturn:
    """Say what is wrong with an option; argparse would write down all that there are first."""
    from difflib import get_close_matches

    from segmake.messages import say

    options = [name for name in parser._option_string_actions if name.startswith("--")]
    words = message.partition("unrecognized arguments: ")[2]
    if words:
        near = get_close_matches(words.split()[0].partition("=")[0], options, 1)
        remedy = say("mistake.usage", usage="snakemake --help")
        if near:
            remedy = say("mistake.nearest", line=near[0])
        parser.exit(2, f"\n{_problem('SM-CMD-014', words=words, remedy=remedy)}\n")
    problem = _problem("SM-CMD-009", error=message, usage="snakemake --help")
    parser.exit(2, f"\n{problem}\n")
    raise AssertionError


class _QuietCli:
    """Finds `snakemake.cli` once it is imported, and takes one line out of what it prints."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "snakemake.cli":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_quietly(module: Any) -> None:
                execute(module)
                module.print = _print_news

            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


def _print_news(*words: object, **settings: Any) -> None:
    told = " ".join(map(str, words))
    if not (told.startswith(_USING[0]) and told.endswith(_USING[1])):
        print(*words, **settings)
