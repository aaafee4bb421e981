"""Stands in for Snakemake's workflow: it has what the adapter uses of it, and no more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from segmake.adapter.workflow_object import WorkflowObject


def fake(
    config: Path | None = None,
    *,
    main: bool = True,
    dry: bool = False,
    nodes: int | None = None,
    forgotten: list[str] | None = None,
    **more: Any,
) -> WorkflowObject:
    """Return what the adapter sees of a run on this computer, or of one that sends jobs."""
    forgotten = [] if forgotten is None else forgotten
    workflow = SimpleNamespace(
        is_main_process=main,
        configfiles=[config] if config else [],
        config_settings=SimpleNamespace(config={}, configfiles=[config] if config else []),
        resource_settings=SimpleNamespace(cores=2, nodes=nodes),
        output_settings=SimpleNamespace(dryrun=dry, quiet=None),
        deployment_settings=SimpleNamespace(deployment_method=frozenset(), conda_prefix=None),
        executor_plugin=SimpleNamespace(name="slurm" if nodes else "local"),
        persistence=SimpleNamespace(cleanup_metadata=lambda file: forgotten.append(str(file))),
        scheduler=SimpleNamespace(keepgoing=True, _handle_error=lambda job: None),
    )
    vars(workflow).update(more)
    return WorkflowObject(workflow)
