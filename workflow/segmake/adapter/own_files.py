"""The Snakefile and the profiles that a Snakemake gets which is started in the folder of an experiment.

An experiment is a folder with `config/config.yaml` and no Snakefile. It gets those of the installation whose Python
runs: a profile that was registered by another one would bring settings for another Snakefile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

# Where Snakemake itself looks for one.
_SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")

# The first line of a profile of SegMake's; `scripts/setup.sh` looks for it too.
_MARK = "# SegMake profile"

_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))


def name_own_files(arguments: list[str], home: str = _HOME) -> list[str]:
    """Return Snakemake's arguments with SegMake's Snakefile, where there is no other, and with its profiles' paths.

    Parameters
    ----------
    arguments : list of str
        As they were typed.
    home : str
        SegMake's folder.
    """
    snakefile = os.path.join(home, "workflow", "Snakefile")
    if not os.path.isfile(snakefile):
        return arguments
    own = ["--snakefile", snakefile] if is_experiment(arguments) else []
    return [*own, *_with_profiles(arguments, home)]


def is_experiment(arguments: list[str]) -> bool:
    """Whether Snakemake is started where there is no Snakefile, and told of none."""
    named = any(word.startswith(("-s", "--sn")) for word in arguments)
    return not named and not any(map(os.path.exists, _SNAKEFILES))


def _with_profiles(arguments: list[str], home: str) -> Iterator[str]:
    are_profiles = False
    for word in arguments:
        if word.startswith("--profile="):
            yield f"--profile={_profile(word.partition('=')[2], home)}"
        elif word.startswith("-"):
            are_profiles = word == "--profile"
            yield word
        else:
            yield _profile(word, home) if are_profiles else word


def _profile(name: str, home: str) -> str:
    """Return the folder of SegMake's profile of a name, unless the user has another one of the same name."""
    own = os.path.join(home, "profiles", name)
    if os.path.basename(name) != name or not os.path.isdir(own):
        return name
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for place in (name, os.path.join(settings, "snakemake", name)):
        for file in ("profile.yaml", "config.yaml"):
            try:
                with open(os.path.join(place, file), encoding="utf-8") as text:
                    if not text.readline().startswith(_MARK):
                        return name
            except (OSError, UnicodeDecodeError):
                continue
    return own
