"""Keeps pandas and numpy out of a Snakemake that starts, where it imports them and has no use for them.

Seen in Snakemake 9.27 and its Slurm plugin 2.8; a third of the time of a dry run, and of the start of each job. That
so much is imported unasked is known: https://github.com/snakemake/snakemake/issues/3847.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

EFFICIENCY_REPORT = "snakemake_executor_plugin_slurm.efficiency_report"


def lighten() -> None:
    """Do so before Snakemake is imported."""
    # All executor plugins are imported, whatever the executor; this report is for --slurm-efficiency-report alone.
    sys.modules[EFFICIENCY_REPORT] = _Late(EFFICIENCY_REPORT)
    # It takes numpy, where it is there, for values of numpy in the templates that it fills in.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    with suppress(ImportError):
        import_module("yte")
    del sys.modules["numpy"]


class _Late(ModuleType):
    """Stands in for the plugin's report, and imports it once it is to be written."""

    def create_efficiency_report(self, *arguments: Any, **named: Any) -> Any:
        return self._real().create_efficiency_report(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        # What another version of the plugin imports from it is no reason to fail.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._real(), name)

    def _real(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return import_module(self.__name__)
