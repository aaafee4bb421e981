"""Between Snakemake and the library: what happens when the Snakefile is read, and when a run starts and ends."""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn, TextIO

from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DeploymentMethod

from segmake.config import load_config
from segmake.engines import BUILTIN_MODELS
from segmake.files import fingerprint, lock_file
from segmake.inventory import Inventory, write_inventory
from segmake.messages import Problem, Problems
from segmake.plan import PLAN_VARIABLE, read_plan, write_plan
from segmake.planning import make_plan, model_fingerprint

DEFAULT_CONFIG = "config/config.yaml"
ROOT = Path(__file__).parents[2]

# What Snakemake says of a command that ended with a message of its own, and of the run's end: both are said already.
_SAID_BETTER = re.compile(
    r"segmake(_engine)? .*(returned non-zero exit status (1|130|143)\.|died with)"
    r"|At least one job did not|Exiting because a job execution",
    re.DOTALL,
)


class Session:
    """One reading of the Snakefile: in the main process it makes the plan, in a job it reads it.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        Snakemake's own object.
    """

    def __init__(self, workflow: Any) -> None:
        self._inventory: Inventory | None = None
        self._lock: TextIO | None = None
        written = os.environ.get(PLAN_VARIABLE)
        if workflow.is_main_process or not written:
            try:
                self._make_plan(workflow)
            except (Problem, Problems) as problem:
                _refuse(problem)
        else:
            self.plan = read_plan(Path(written))
        self._workflow = workflow
        self._conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method

    @property
    def engine(self) -> str:
        """The engine that finds the cells."""
        return self.plan.settings["segmentation"]["engine"]

    @property
    def engine_environment(self) -> str:
        """The name of the engine's environment: a file in ``workflow/envs``."""
        return "imaging" if self.engine == "threshold" else self.engine

    @property
    def checked_model(self) -> Path | None:
        """The file that is there once the model was checked, another for each model; None for an engine without one."""
        if self.engine not in BUILTIN_MODELS:
            return None
        segmentation = self.plan.settings["segmentation"]
        name = fingerprint(self.engine, segmentation["model"], model_fingerprint(segmentation))
        return self.plan.folders.state / "model" / f"{name}.txt"

    def slurm_resources(self, *, gpu: bool) -> dict[str, Any]:
        """Return what the config asks of Slurm for a job with or without a GPU; on one computer it has no effect.

        The names are those of snakemake-executor-plugin-slurm.
        """
        cluster = self.plan.settings["cluster"]
        partition = (
            cluster["partition"] if gpu else cluster["cpu_partition"] or cluster["partition"]
        )
        resources: dict[str, Any] = {
            "slurm_partition": partition,
            "slurm_account": cluster["account"],
        }
        if gpu and self.engine != "threshold":
            resources |= {"gpu": 1, "gpu_model": cluster["gpu_model"]}
        return {name: value for name, value in resources.items() if value is not None}

    @property
    def shell_prefix(self) -> str:
        """What comes before every rule's shell command: ``segmake`` and ``segmake_engine`` as commands.

        Where Snakemake makes the environments (``--sdm conda``) both are run by the ``python`` of the rule's
        environment, else by those that the set-up made.
        """
        python, engine_python = (
            ("python", "python") if self._conda else (sys.executable, self._engine_python)
        )
        prefix = (
            "set -euo pipefail; "
            f"export PYTHONNOUSERSITE=1 PYTHONPATH={shlex.quote(str(ROOT / 'workflow'))} "
            f"{PLAN_VARIABLE}={shlex.quote(str(self.plan.folders.plan.absolute()))}; "
            f'segmake() {{ {shlex.quote(python)} -m segmake "$@"; }}; '
            f'segmake_engine() {{ {shlex.quote(engine_python)} -m segmake "$@"; }}; '
        )
        # Snakemake fills in what stands in single braces.
        return prefix.replace("{", "{{").replace("}", "}}")

    @property
    def _engine_python(self) -> str:
        if self.engine_environment == "imaging":
            return sys.executable
        return str(ROOT / ".environments" / self.engine / "bin" / "python")

    def start(self) -> None:
        """Take the results folder for this run, and write down its plan.

        Raises
        ------
        SystemExit
            After a message, if another run works in the folder, it can't be written to, the engine's
            environment is missing, or jobs are to be sent from a machine without Slurm.
        """
        try:
            if not self._conda and not Path(self._engine_python).exists():
                raise Problem("SM-ENV-001", engine=self.engine)
            if self._workflow.executor_plugin.name == "slurm" and not shutil.which("sbatch"):
                raise Problem("SM-RUN-011")
            self._take_folder()
            write_plan(self.plan)
            if self._inventory:
                write_inventory(self._inventory, self.plan.folders.inventory)
        except Problem as problem:
            _refuse(problem)
        except OSError as error:
            results = self.plan.folders.results
            _refuse(
                Problem("SM-RUN-010", where=str(results), results=results, error=error.strerror)
            )

    def end(self, *, complete: bool) -> None:
        """Say what became of the run."""
        from segmake.summary import describe_end, describe_unfinished
        from segmake.tables import image_table

        images = image_table(self.plan)
        tried = (images["state"] == "done") | (images["code"] != "")
        words = describe_end if complete or tried.all() else describe_unfinished
        print(f"\n{words(self.plan, images)}", file=sys.stderr)

    def _make_plan(self, workflow: Any) -> None:
        files = [Path(file) for file in workflow.configfiles] or [Path(DEFAULT_CONFIG)]
        overrides = dict(workflow.config_settings.config)
        command = shlex.join(["snakemake", *sys.argv[1:]])
        self.plan, self._inventory = make_plan(load_config(files[-1], overrides), command)
        if workflow.is_main_process:
            os.environ[PLAN_VARIABLE] = str(self.plan.folders.plan.absolute())
            _speak_plainly(workflow.output_settings.quiet)
            print(self.plan.describe(), file=sys.stderr)

    def _take_folder(self) -> None:
        folders = self.plan.folders
        folders.state.mkdir(parents=True, exist_ok=True)
        self._lock = (folders.state / "lock").open("a+", encoding="utf-8")
        try:
            # The system lets go of it when this process ends, however it ends.
            lock_file(self._lock, wait=False)
        except BlockingIOError:
            self._lock.seek(0)
            pid, host, since = (self._lock.read().split("\t") + ["?"] * 3)[:3]
            names = {"results": folders.results, "pid": pid, "host": host, "since": since}
            raise Problem("SM-RUN-009", where=str(folders.results), **names) from None
        self._lock.truncate(0)
        now = time.strftime("%Y-%m-%d %H:%M")
        print(os.getpid(), socket.gethostname(), now, sep="\t", end="", file=self._lock, flush=True)


def _refuse(problem: Problem | Problems) -> NoReturn:
    """End Snakemake with a message of our own: an exception would bring a traceback with it."""
    print(f"\n{problem}", file=sys.stderr)
    sys.exit(1)


def _speak_plainly(quiet: Collection[Quietness] | None) -> None:
    """Keep Snakemake's own words about its doings off the screen, where the profile asks for quiet.

    Its warnings and errors stay, save those about a command that said itself what was wrong.
    """
    if not quiet or Quietness.RULES not in quiet:
        return

    def is_news(record: logging.LogRecord) -> bool:
        said = _SAID_BETTER.search(record.getMessage())
        return record.levelno >= logging.WARNING and not said

    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(is_news)
