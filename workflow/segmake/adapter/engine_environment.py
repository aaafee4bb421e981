"""The engine that finds the cells: its environment, its Python, and the file that says that its model was checked."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.core import installation
from segmake.core.files import fingerprint, write_atomically
from segmake.core.settings import Settings
from segmake.engines import BUILTIN_MODELS, needs_gpu
from segmake.environments.making.conda import DEFAULT_PLACE
from segmake.messages import Problem
from segmake.plan.keys import model_fingerprint
from segmake.steps.checked_model import is_current

# Whoever only looks needs no Snakemake.
if TYPE_CHECKING:
    from segmake.adapter.nodes_driver import NodesDriver
    from segmake.adapter.workflow_object import WorkflowObject


class EngineEnvironment:
    """What the rules that find cells run in.

    Parameters
    ----------
    settings : dict
        The settings of a checked config.
    conda : bool
        Whether Snakemake makes the environments.
    """

    def __init__(self, settings: dict[str, Any], *, conda: bool) -> None:
        self._settings = settings
        self._conda = conda
        self._segmentation = Settings.of(settings).segmentation
        self.engine: str = self._segmentation.engine

    @cached_property
    def file(self) -> str:
        """The environment's file; one with another PyTorch where GPUs or their driver are too old for it.

        Raises
        ------
        Problem
            If there is no PyTorch for them.
        """
        from segmake.environments.solving.cuda import fitted
        from segmake.environments.solving.environment_files import KEPT

        file, cluster = self._plain_file, Settings.of(self._settings).cluster
        if not self._conda or not needs_gpu(self._segmentation):
            return str(file)
        text = fitted(file, cluster.cuda_driver, cluster.compute_capability)
        if text == file.read_text(encoding="utf-8"):
            return str(file)
        other = KEPT.absolute() / f"{file.stem}.{fingerprint(text)}.yaml"
        if not other.exists() or other.read_bytes() != text.encode():
            with write_atomically(other) as part:
                part.write_bytes(text.encode())
        return str(other)

    @property
    def python(self) -> str:
        """The Python of the environment that the set-up made."""
        if self._name == "imaging":
            return sys.executable
        return str(installation.environments() / self.engine / "bin" / "python")

    def refuse_missing(self) -> None:
        """Refuse to work without the environment, where Snakemake does not make it.

        Raises
        ------
        Problem
            ``SM-ENV-001``
        """
        if not self._conda and not Path(self.python).exists():
            raise Problem("SM-ENV-001", engine=self.engine)

    def fit(self, workflow: WorkflowObject, driver: NodesDriver) -> None:
        """Have the environment made for the driver of the GPUs, or tell that the one here does not fit.

        Raises
        ------
        Problem
            ``SM-ENV-043`` or ``SM-ENV-029``, if every job would fail.
        """
        from segmake.environments.making import engine_fit
        from segmake.environments.solving.cuda import capability_of_nodes
        from segmake.environments.solving.environment_files import KEPT

        settings = self._settings
        if not needs_gpu(self._segmentation):
            return
        if self._conda:
            place = Path(workflow.conda_prefix or DEFAULT_PLACE)
            made = engine_fit.was_made(self._plain_file, place)
            # The jobs look for the same environment.
            settings["cluster"]["cuda_driver"] = driver.newest_cuda(ask=not made)
            settings["cluster"]["compute_capability"] = capability_of_nodes(settings, KEPT)
            return
        refuse = workflow.sends_jobs and not self._segmentation.allow_cpu
        self._check_fit(driver.newest_cuda(ask=False), refuse=refuse)

    def refuse_unfit(self) -> None:
        """Refuse an environment of the set-up in which every job of a cluster would fail, as far as is known of it.

        Raises
        ------
        Problem
            ``SM-ENV-043`` or ``SM-ENV-029``
        """
        from segmake.environments.solving.cuda import driver_of_nodes
        from segmake.environments.solving.environment_files import KEPT

        settings = self._settings
        if needs_gpu(self._segmentation) and not self._segmentation.allow_cpu:
            said = Settings.of(settings).cluster.cuda_driver
            self._check_fit(said or driver_of_nodes(settings, KEPT, ask=False), refuse=True)

    def _check_fit(self, newest: str | None, *, refuse: bool) -> None:
        from segmake.environments.making import engine_fit
        from segmake.environments.solving.cuda import capability_of_nodes
        from segmake.environments.solving.environment_files import KEPT

        prefix = Path(self.python).parents[1]
        capability = capability_of_nodes(self._settings, KEPT)
        engine_fit.check(self.engine, prefix, newest, capability, refuse=refuse)

    def checked_model(self, state: Path) -> Path | None:
        """Return the file that is there once the model was checked, another for each model; None for no model.

        Parameters
        ----------
        state : Path
            The state folder of the results.
        """
        if self.engine not in BUILTIN_MODELS:
            return None
        segmentation = self._segmentation
        name = fingerprint(self.engine, segmentation.model, model_fingerprint(segmentation))
        return state / "model" / f"{name}.txt"

    def forget_another_model(self, state: Path) -> None:
        """Have the model checked again before the next image, where a file or a setting is another than it was."""
        record = self.checked_model(state)
        if record and not is_current(record, self._settings["segmentation"]):
            record.unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        return "imaging" if self.engine == "threshold" else self.engine

    @property
    def _plain_file(self) -> Path:
        return installation.environment_file(self._name)
