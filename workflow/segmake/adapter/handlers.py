"""Has Snakemake call SegMake when a run begins and ends, also where SegMake is a module of somebody's own workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import yaml

from segmake.adapter.workflow_object import WorkflowObject
from segmake.core.declared_steps import SEGMENT
from segmake.messages import Problem


def register(workflow: WorkflowObject, start: Callable[[], None], end: Callable[[], None]) -> None:
    """Have a run begin and end with SegMake's own steps, and then with those of the Snakefile that it is a part of.

    Parameters
    ----------
    workflow : WorkflowObject
    start, end : callable

    Raises
    ------
    Problem
        ``SM-RUN-063`` if SegMake is a module whose rules or files are to have other names.
    """
    _refuse_other_names(workflow.modifier)
    for event, own in (("onstart", start), ("onsuccess", end), ("onerror", end)):
        workflow.on(event, own)


def refuse_other_settings(workflow: WorkflowObject, config: Mapping[str, Any]) -> None:
    """Refuse a module whose settings are not those of the config file: SegMake reads them there, with their lines.

    Raises
    ------
    Problem
        ``SM-RUN-067``.
    """
    if workflow.modifier.is_main_snakefile() or not workflow.is_main_process:
        return
    from segmake.config.load import merged

    file = workflow.config_file
    # What is wrong with the files themselves is told better by whoever reads them.
    with suppress(OSError, ValueError, yaml.YAMLError):
        written: dict[str, Any] = {}
        for each in workflow.config_files:
            own = yaml.safe_load(each.read_text(encoding="utf-8")) or {}
            if not isinstance(own, dict):
                return
            written = merged(written, own)
        if config == merged(written, workflow.overrides):
            return
        raise Problem("SM-RUN-067", where=str(file))
    if config and not file.exists():
        raise Problem("SM-RUN-067", where=str(file))


def _refuse_other_names(modifier: Any) -> None:
    """Refuse a module whose rules get other names, or whose files another place: its jobs know them as they are."""
    if modifier.is_main_snakefile():
        return
    if modifier.modify_rulename(SEGMENT) != SEGMENT:
        raise Problem("SM-RUN-063", what="use rule * from segmake as ...")
    paths = modifier.path_modifier
    for kept, what in (("prefix", "prefix: ..."), ("_prefix_replacements", "replace_prefix: ...")):
        if getattr(paths, kept, None):
            raise Problem("SM-RUN-063", what=what)
