"""Judges all runs of a script together: whether they can have taken their image, and their parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from segmake.runner.script_products import summarise
from segmake.scripts.definition.script import Script, image_of, run_label


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
    whole = summarise(done.values())
    # Of an image alone, its runs have to be the same.
    several = _several(done, lambda run: run_label(runs[run])) or [list(done.values())]
    unopened = whole.judged == whole.noted == len(done) and not whole.opened
    return unopened and all(summarise(each).took_nothing for each in several)


def ignored(
    script: Script, runs: Mapping[str, dict[str, str | bool]], done: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return what makes no difference where images and parameters are combined: parameters, images or nothing.

    Parameters
    ----------
    script, runs, done
        As `took_nothing` has them.
    """
    if not script.per_image or not script.parameters or summarise(done.values()).same:
        return ""
    by = {
        "parameters": _several(done, lambda run: image_of(script, run)),
        "images": _several(done, lambda run: run_label(runs[run])),
    }
    same = (
        name for name, groups in by.items() if groups and all(summarise(g).same for g in groups)
    )
    return next(same, "")


def _several(
    done: Mapping[str, Mapping[str, Any]], of: Callable[[str], str]
) -> list[list[Mapping[str, Any]]]:
    """Return what is noted of runs, those of which something is the same together; of one alone nothing."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for run, details in done.items():
        groups.setdefault(of(run), []).append(details)
    return [each for each in groups.values() if len(each) > 1]
