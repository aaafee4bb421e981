"""The Snakefile and the profiles that a Snakemake gets which is started in the folder of an experiment.

An experiment is a folder with `config/config.yaml` and no Snakefile. It gets those of the installation whose Python
runs: a profile that was registered by another one would bring settings for another Snakefile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

# Where Snakemake itself looks for one.
_SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")

# Snakemake's option for configs, by both of its names.
_CONFIGS = ("--configfile", "--configfiles")

# The first line of a profile of SegMake's; `scripts/setup.sh` looks for it too.
MARK = "# SegMake profile"

_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))


def with_snakefile(arguments: list[str]) -> list[str]:
    """Return Snakemake's arguments with SegMake's Snakefile, where there is no other.

    Parameters
    ----------
    arguments : list of str
        What follows ``snakemake``.
    """
    snakefile = os.path.join(_HOME, "workflow", "Snakefile")
    if is_experiment(arguments) and os.path.isfile(snakefile):
        return ["--snakefile", snakefile, *arguments]
    return arguments


def with_profiles(arguments: list[str]) -> list[str]:
    """Return Snakemake's arguments with the paths of SegMake's profiles in place of their names."""
    return list(_with_profiles(arguments))


def with_all_configs(arguments: list[str]) -> list[str]:
    """Return Snakemake's arguments with all configs behind one option: of several, it would take the last one alone."""
    files: list[str] = []
    others: list[str] = []
    number, is_open = 0, False
    for word in arguments:
        name, equals, value = word.partition("=")
        if word.startswith("-"):
            is_open = name in _CONFIGS
            number += is_open
        if not is_open:
            others.append(word)
        elif equals and word.startswith("-"):
            files.append(value)
            is_open = False
        elif not word.startswith("-"):
            files.append(word)
    return [*others, _CONFIGS[0], *files] if number > 1 and is_own(arguments) else arguments


def is_own(arguments: list[str]) -> bool:
    """Whether Snakemake is started where it gets the Snakefile of SegMake."""
    return os.path.isdir("workflow/segmake") or is_experiment(arguments)


def is_experiment(arguments: list[str]) -> bool:
    """Whether Snakemake is started where there is no Snakefile, and told of none."""
    named = any(word.startswith(("-s", "--sn")) for word in arguments)
    return not named and not any(map(os.path.exists, _SNAKEFILES))


def _with_profiles(arguments: list[str]) -> Iterator[str]:
    are_profiles = False
    for word in arguments:
        if word.startswith("--profile="):
            yield f"--profile={_profile(word.partition('=')[2])}"
        elif word.startswith("-"):
            are_profiles = word == "--profile"
            yield word
        else:
            yield _profile(word) if are_profiles else word


def _profile(name: str) -> str:
    """Return the folder of SegMake's profile of a name, unless the user has another one of the same name."""
    own = os.path.join(_HOME, "profiles", name)
    if os.path.basename(name) != name or not os.path.isdir(own):
        return name
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for place in (name, os.path.join(settings, "snakemake", name)):
        for file in ("profile.yaml", "config.yaml"):
            try:
                with open(os.path.join(place, file), encoding="utf-8") as text:
                    if not text.readline().startswith(MARK):
                        return name
            except (OSError, UnicodeDecodeError):
                continue
    return own
