"""Sends a command as a job of the day, or does it on this computer, and waits for its end."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from segmake.core import installation
from segmake.firstday.day import Day
from segmake.firstday.gpu_minutes import Spent
from segmake.messages import Problem, say
from segmake.messages.numbers import duration
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError
from segmake.slurm.requests import executor_resources, option_words, request_options

PROBES = Path(__file__).with_name("probes")

# How often Slurm is asked about a job, and after how many seconds a user is told what it waits for.
LOOK_SECONDS = 2.0
TOLD_SECONDS = 60.0

# A file of a job that has ended may be seen so much later.
LATE_SECONDS = 60.0

# A job's command is ended so many seconds before Slurm would end it.
_SPARE_SECONDS = 10

# Slurm gives a job that is cancelled so long to end by itself.
_GOING_SECONDS = 40

_SCRIPT = """\
cd {folder} || exit 1
export CUDA_DEVICE_ORDER=PCI_BUS_ID PYTHONNOUSERSITE=1 PYTHONPATH={package}
began=$(date +%s.%N)
timeout --kill-after=5 {seconds} {command} >{name}.out 2>&1
code=$?
printf '%s %s %s %s\\n' "$code" "$began" "$(date +%s.%N)" "${{SLURMD_NODENAME:-here}}" >{name}.part
mv {name}.part {name}.end
"""


@dataclass(frozen=True)
class Request:
    """What a job asks for.

    Attributes
    ----------
    gpu : bool
    minutes, memory_mb, cpus : int
    partition : str or None
        None: that of the settings.
    options : tuple of str
        Further ones of sbatch.
    """

    gpu: bool = False
    minutes: int = 2
    memory_mb: int = 1000
    cpus: int = 1
    partition: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """What became of a command.

    Attributes
    ----------
    code : int
        Its exit code; 124 if it ran out of time.
    seconds : float
        How long it took, by its own clock.
    said : str
        All that it wrote.
    node : str
        The computer that it ran on.
    job : str
        Slurm's number; empty where there is no Slurm.
    """

    code: int
    seconds: float
    said: str
    node: str
    job: str = ""

    def answer(self) -> dict[str, Any]:
        """Return the object that it printed in its last line.

        Raises
        ------
        Problem
            ``SM-DAY-012`` if there is none, or the exit code is not 0.
        """
        last = (self.said.strip().splitlines() or [""])[-1]
        with suppress(ValueError):
            found = json.loads(last)
            if self.code == 0 and isinstance(found, dict):
                return found
        raise Problem("SM-DAY-012", ended=self.code, said=_end(self.said))


def do(day: Day, folder: Path, name: str, command: list[str], request: Request) -> Ended:
    """Do a command in a job, or on this computer, and wait for its end.

    Parameters
    ----------
    day : Day
    folder : Path
        Where it works; its files begin with `name`.
    name : str
    command : list of str
    request : Request

    Raises
    ------
    Problem
        ``SM-CLU-010`` if Slurm refuses the job, ``SM-DAY-013`` if the job ends and leaves no word.
    Skipped
        If there are not enough GPU minutes left.
    """
    with sent(day, folder, name, command, request) as job:
        return job.wait()


@dataclass
class Sent:
    """A command that was begun.

    Attributes
    ----------
    base : Path
        What its files are called, without their ends.
    job : str
        Slurm's number; empty where it runs on this computer.
    options : list of str
        What sbatch was told.
    process : Popen or None
    began : float
        When it was begun or sent: seconds since 1970.
    never_began : bool
        Whether it was cancelled while it waited.
    """

    day: Day
    base: Path
    job: str = ""
    options: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    began: float = field(default_factory=time.time)
    never_began: bool = False

    def is_over(self) -> bool:
        """Whether it has left word of its end, or is not in the queue any more."""
        if self._end_file().exists():
            return True
        if self.process:
            return self.process.poll() is not None
        with suppress(SlurmError):
            return not slurm.state_of(self.job)
        return False

    def wait(self, patience: float | None = None) -> Ended:
        """Wait until it has ended.

        Parameters
        ----------
        patience : float, optional
            After so many seconds it is cancelled if it has not begun.

        Raises
        ------
        Problem
            ``SM-DAY-013`` if it ends without a word, or has not begun in time.
        """
        self.wait_for_begin(patience)
        while not self.is_over():
            time.sleep(LOOK_SECONDS if self.job else 0.1)
        return self.ended(LATE_SECONDS if self.job else 0.0)

    def wait_for_begin(self, patience: float | None = None) -> None:
        """Wait until it is not in the queue any more.

        Raises
        ------
        Problem
            ``SM-DAY-013`` if it has not begun in time.
        """
        asked = told = time.monotonic()
        while self.job and self.state == "PENDING":
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            if now - told > TOLD_SECONDS:
                told = now
                self.day.tell(say("firstday.waits", job=self.job, time=duration(now - asked)))
            if patience and now - asked > patience:
                self.cancel()
                raise Problem("SM-DAY-013", job=self.job, state="PENDING")

    def node(self) -> str:
        """Return the node that it runs on; empty where that is not known."""
        with suppress(SlurmError):
            return slurm.node_of(self.job)
        return ""

    @property
    def state(self) -> str:
        """Slurm's word for how it is; empty where it is over, or not known."""
        with suppress(SlurmError):
            return slurm.state_of(self.job) if self.job else ""
        return ""

    def cancel(self) -> None:
        """End it, if it has not ended."""
        if self.process and self.process.poll() is None:
            # `timeout` puts what it begins into a group of its own.
            begun = psutil.Process(self.process.pid).children(recursive=True)
            for process in (*begun, self.process):
                with suppress(psutil.Error, ProcessLookupError):
                    process.terminate()
            self.process.wait()
        if not self.job or self._end_file().exists():
            return
        self.never_began = self.state == "PENDING"
        with suppress(SlurmError):
            slurm.cancel([self.job])
        # What it took is known once it is gone.
        latest = time.monotonic() + _GOING_SECONDS
        while self.state and time.monotonic() < latest:
            time.sleep(1)

    def _end_file(self) -> Path:
        # What a node has written is seen at once where the folder was just read.
        os.listdir(self.base.parent)
        return self.base.with_name(f"{self.base.name}.end")

    def ended(self, patience: float = 0.0) -> Ended:
        """Return what became of it.

        Parameters
        ----------
        patience : float
            So many seconds are waited for its word to be seen.

        Raises
        ------
        Problem
            ``SM-DAY-013`` if it has left none.
        """
        latest = time.monotonic() + patience
        while not self._end_file().exists():
            if time.monotonic() > latest:
                raise Problem("SM-DAY-013", job=self.job or "-", state=_last_state(self.job))
            time.sleep(1)
        code, began, ended, node = self._end_file().read_text(encoding="utf-8").split()
        said = self.base.with_name(f"{self.base.name}.out")
        text = said.read_text(encoding="utf-8", errors="replace")
        return Ended(int(code), float(ended) - float(began), text, node, self.job)


@contextmanager
def sent(day: Day, folder: Path, name: str, command: list[str], request: Request) -> Iterator[Sent]:
    """Begin a command in a job, or on this computer; what has not ended by then is cancelled in the end.

    Raises
    ------
    Problem
        ``SM-CLU-010`` if Slurm refuses the job.
    Skipped
        If there are not enough GPU minutes left.
    """
    with reserved(day, request.minutes if request.gpu else 0) as spent:
        seconds = request.minutes * 60 - _SPARE_SECONDS
        script = _SCRIPT.format(
            folder=shlex.quote(str(folder.absolute())),
            package=shlex.quote(str(installation.python_path(day.work))),
            seconds=seconds,
            command=shlex.join(command),
            name=name,
        )
        one = _begin(day, folder / name, script, request)
        try:
            yield one
        finally:
            one.cancel()
            if spent:
                spent.used = _used(one)


def cancel_all(day: Day) -> None:
    """Cancel the jobs of the day that are in the queue, such as those of one that was killed."""
    if day.here:
        return
    with suppress(SlurmError):
        live = [job.id for job in slurm.jobs_of_run(day.run_name) if job.state not in slurm.ENDED]
        slurm.cancel(live)


def probe(name: str, *words: str) -> list[str]:
    """Return the command that runs a probe with the Python of now."""
    return [sys.executable, "-P", str(PROBES / f"{name}.py"), *words]


@contextmanager
def reserved(day: Day, minutes: int) -> Iterator[Spent | None]:
    """Set GPU minutes aside for a job with this time limit; none on a computer that has no GPU.

    Raises
    ------
    Skipped
        If there are not enough left.
    """
    if not minutes or (day.here and not day.has_gpu):
        yield None
        return
    with day.minutes.reserve(day.step, minutes + day.minutes_over) as spent:
        yield spent


def _begin(day: Day, base: Path, script: str, request: Request) -> Sent:
    if day.here:
        # Ctrl-C is for who sent it, which then ends all that was begun.
        process = subprocess.Popen(
            ["bash", "-c", script], stdin=subprocess.DEVNULL, start_new_session=True
        )
        return Sent(day, base, process=process)
    asked = options(day, base.parent, request)
    try:
        job = slurm.submit(asked, script)
    except SlurmError as error:
        raise Problem("SM-CLU-010", answer=slurm.one_line(error)) from None
    return Sent(day, base, job, asked)


def options(day: Day, folder: Path, request: Request) -> list[str]:
    """Return what sbatch is told of a job."""
    section = day.config.typed.cluster
    resources = executor_resources(section, gpu=request.gpu, accounts=day.cluster.keeps_accounts)
    if request.partition:
        resources["slurm_partition"] = request.partition
    words = [f"--job-name={day.run_name}", f"--time={request.minutes}"]
    words += [f"--mem={request.memory_mb}", f"--cpus-per-task={request.cpus}", "--no-requeue"]
    # Slurm puts the job's number for %j, and one percent sign for two.
    words.append(f"--output={str(folder.absolute()).replace('%', '%%')}/slurm-%j.log")
    own = option_words(section.sbatch_options)
    return [*words, *request_options(resources), *own, *request.options]


def _used(one: Sent) -> float | None:
    """Return the GPU minutes of a job that has ended: the longer time of its own clock and the accounts'.

    None where neither is known.
    """
    known = [0.0] if one.never_began else []
    if one.process:
        known.append(time.time() - one.began)
    with suppress(Problem, OSError, ValueError):
        known.append(one.ended().seconds)
    if one.job:
        with suppress(SlurmError, ValueError, IndexError):
            known.append(float(slurm.accounted(one.job)[0]["ElapsedRaw"]))
    return max(known) / 60 if known else None


def _last_state(job: str) -> str:
    if job:
        with suppress(SlurmError, IndexError):
            return slurm.accounted(job)[0]["State"]
    return "?"


def _end(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-3:])[:500] or say(
        "phrases.silent"
    )
