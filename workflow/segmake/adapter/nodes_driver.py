"""Which CUDA the driver of the cluster's nodes runs: by the config, or by a node that was asked."""

from __future__ import annotations

from typing import Any

from segmake.adapter.workflow_object import WorkflowObject
from segmake.core.settings import Settings
from segmake.slurm import commands as slurm


class NodesDriver:
    """The driver of the GPUs of the nodes.

    Parameters
    ----------
    workflow : WorkflowObject
    settings : dict
        The settings of a checked config.
    """

    def __init__(self, workflow: WorkflowObject, settings: dict[str, Any]) -> None:
        self._workflow = workflow
        self._settings = settings
        self._asked = False

    def newest_cuda(self, *, ask: bool = True) -> str | None:
        """Return the newest CUDA that it supports, as far as the config or a node says.

        Parameters
        ----------
        ask : bool
            Whether a node may be asked, if none was before.
        """
        from segmake.environments.solving.cuda import driver_of_nodes
        from segmake.environments.solving.environment_files import KEPT

        known = Settings.of(self._settings).cluster.cuda_driver
        if known is None and self._workflow.sends_jobs and slurm.is_here():
            # A dry run asks nothing of the cluster, and a node that did not answer is not asked twice.
            ask = ask and not self._workflow.is_dry_run and not self._asked
            self._asked |= ask
            return driver_of_nodes(self._settings, KEPT, ask=ask)
        return known
