"""Keeps out of a Snakemake that starts what it has no use for: pandas and numpy, and a question to Slurm's controller.

Seen in Snakemake 9.27 and its Slurm plugin 2.8; a third of the time of a dry run, and of the start of each job. That
so much is imported unasked is known: https://github.com/snakemake/snakemake/issues/3847. The question is for a help
text of the plugin, and where the controller is away each start waits for its answer, for up to ten seconds.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

EFFICIENCY_REPORT = "snakemake_executor_plugin_slurm.efficiency_report"
STATUS_QUERY = "snakemake_executor_plugin_slurm.job_status_query"


def lighten() -> None:
    """Do so before Snakemake is imported."""
    # All executor plugins are imported, whatever the executor; this report is for --slurm-efficiency-report alone.
    sys.modules[EFFICIENCY_REPORT] = _Report(EFFICIENCY_REPORT)
    sys.modules[STATUS_QUERY] = _Unasked(STATUS_QUERY)
    # It takes numpy, where it is there, for values of numpy in the templates that it fills in.
    if "numpy" in sys.modules:
        return
    sys.modules["numpy"] = None  # type: ignore[assignment]
    with suppress(ImportError):
        import_module("yte")
    del sys.modules["numpy"]


class _Late(ModuleType):
    """Stands in for a module of the plugin, and imports it once something of it is wanted."""

    def __getattr__(self, name: str) -> Any:
        # What another version of the plugin imports from it is no reason to fail.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.real_module(), name)

    def real_module(self) -> ModuleType:
        """Import the plugin's own module in place of this one, and return it."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return import_module(self.__name__)


class _Report(_Late):
    """Stands in for the plugin's report."""

    def create_efficiency_report(self, *arguments: Any, **named: Any) -> Any:
        return self.real_module().create_efficiency_report(*arguments, **named)


class _Unasked(_Late):
    """Stands in for the plugin's questions to Slurm, and leaves out the one for its help text."""

    def should_recommend_squeue_status_command(self, *arguments: Any) -> bool:
        return False

    def is_query_tool_available(self, tool_name: str) -> bool:
        # The plugin runs `which` for it, three times at each start, and ends where there is none.
        return shutil.which(tool_name) is not None
