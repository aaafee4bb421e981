"""Has Snakemake call SegMake when a run begins and ends, also where SegMake is a module of somebody's own workflow.

Snakemake 9.27 passes over ``onstart``, ``onsuccess`` and ``onerror`` of modules (see its `Workflow.onstart`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from segmake.messages import Problem

# What Snakemake calls, with the path of its log.
Handler = Callable[[Any], None]


def register(workflow: Any, start: Callable[[], None], end: Callable[[], None]) -> None:
    """Have a run begin and end with SegMake's own steps, and then with those of the Snakefile that it is a part of.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
    start, end : callable

    Raises
    ------
    Problem
        ``SM-RUN-063`` if SegMake is a module whose rules or files are to have other names.
    """
    _refuse_other_names(workflow.modifier)
    for name, own in (("onstart", start), ("onsuccess", end), ("onerror", end)):
        _register(workflow, name, own)


def _register(workflow: Any, name: str, own: Callable[[], None]) -> None:
    def with_own(log: Any, then: Handler) -> None:
        own()
        then(log)

    def add(then: Handler) -> Handler:
        if workflow.modifier.is_main_snakefile():
            setattr(workflow, f"_{name}", lambda log: with_own(log, then))
        return then

    # One may stand in the Snakefile before SegMake, or behind it.
    add_now = getattr(workflow, f"_{name}")
    setattr(workflow, f"_{name}", lambda log: with_own(log, add_now))
    setattr(workflow, name, add)


def _refuse_other_names(modifier: Any) -> None:
    """Refuse a module whose rules get other names, or whose files another place: its jobs know them as they are."""
    if modifier.is_main_snakefile():
        return
    if modifier.modify_rulename("segment") != "segment":
        raise Problem("SM-RUN-063", what="use rule * from segmake as ...")
    paths = modifier.path_modifier
    for kept, what in (("prefix", "prefix: ..."), ("_prefix_replacements", "replace_prefix: ...")):
        if getattr(paths, kept, None):
            raise Problem("SM-RUN-063", what=what)
