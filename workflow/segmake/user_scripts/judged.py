"""Judges all runs of a script together: whether any of them can have taken its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segmake.user_scripts.definition import Script, run_label
from segmake.user_scripts.made import summarise


def took_nothing(
    script: Script, runs: Mapping[str, dict[str, str | bool]], done: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Whether no run opened anything of what it was given, and all images gave the same, or nothing.

    What combinations of parameters give may differ: images are compared under each of them.

    Parameters
    ----------
    script : Script
    runs : mapping
        The parameters of each run.
    done : mapping
        What the journal notes of each run that went well.
    """
    if not script.per_image or not script.protect or len(done) < 2:
        return False
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run, details in done.items():
        groups.setdefault(run_label(runs[run]), []).append(details)
    whole = summarise(done.values())
    # Of an image alone, its runs have to be the same.
    several = [each for each in groups.values() if len(each) > 1] or [list(done.values())]
    unopened = whole.judged == whole.noted == len(done) and not whole.opened
    return unopened and all(summarise(each).took_nothing for each in several)
