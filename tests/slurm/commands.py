"""Commands of Slurm that are written down when a run calls them, or that fail some times first."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.projects import Project, wait_until

COUNTED = ("squeue", "sacct", "scontrol", "sinfo", "sbatch", "scancel", "sacctmgr")

# The real command answers; this one only writes down when, from where and with what it was called.
NOTE = """\
#!/bin/bash
arguments="$*"
# Two may be called in one microsecond.
now="$EPOCHREALTIME $$"
printf '%s\\t%s\\t%s\\t%s\\n' "$now" "${{SLURMD_NODENAME:-}}" {name} "${{arguments//$'\\n'/ }}" >>{log}
{first}exec {real} "$@"
"""
# Keeps what sbatch is given to run, as a file whose name has the moment of the call and its process.
KEEP = """\
if [[ "$arguments" == */dev/stdin ]]; then
    kept={folder}/"$now.sh"
    cat >"$kept"
    exec {real} "$@" <"$kept"
fi
"""
# Waits until the test has done what it has to do in between.
WAIT = """\
if [[ "$arguments" != *--test-only* ]]; then
    while [ -e {gate} ]; do sleep 0.1; done
fi
"""
# A stand-in for what a real Slurm can't be made to say: words of its own, for the first so many jobs.
REFUSE = """\
for number in $(seq {times}); do
    if [[ "$arguments" != *--test-only* ]] && mkdir {counter}."$number" 2>/dev/null; then
        {before}
        echo {words} >&2
        exit 1
    fi
done
"""


@dataclass(frozen=True)
class Call:
    """A call of a command: when, by which process, on which node (empty where no job made it), and with what."""

    time: float
    process: int
    node: str
    name: str
    arguments: str


class Commands:
    """Slurm's commands as one project finds them.

    Parameters
    ----------
    project : Project
        Its runs find these commands first, and so do their jobs.
    """

    def __init__(self, project: Project) -> None:
        self._folder = project.folder / "commands of Slurm"
        self._log = project.folder / "calls.tsv"
        self._folder.mkdir()
        for name in COUNTED:
            self._write(name, "")
        path = project.environment()["PATH"]
        project.variables["PATH"] = f"{self._folder}:{path}"

    def calls(self, *names: str, since: float = 0.0) -> list[Call]:
        """Return the calls of these commands, or of all, in their order."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        found = []
        for moment, node, name, arguments in (line.split("\t", 3) for line in lines):
            time, process = moment.split()
            if float(time) >= since and name in (names or COUNTED):
                found.append(Call(float(time), int(process), node, name, arguments))
        return found

    @contextmanager
    def sending_waits(self, run: Callable[[], subprocess.Popen]) -> Iterator[subprocess.Popen]:
        """Start a run, and let sbatch wait from the first job on: all checks have passed then, and no job is sent."""
        gate = self._folder / "gate"
        gate.touch()
        self._write("sbatch", WAIT.format(gate=shlex.quote(str(gate))))
        process = run()
        try:
            wait_until(lambda: bool(self.sent()), process)
            yield process
        finally:
            gate.unlink()

    def sent(self, since: float = 0.0) -> list[Call]:
        """Return the calls of sbatch that were to send a job."""
        return [
            call
            for call in self.calls("sbatch", since=since)
            if "--test-only" not in call.arguments
        ]

    def keep_scripts(self) -> None:
        """Let the scripts be kept that sbatch is given."""
        folder, real = (shlex.quote(str(name)) for name in (self._folder, shutil.which("sbatch")))
        self._write("sbatch", KEEP.format(folder=folder, real=real))

    def script(self, call: Call) -> str:
        """Return the script that was kept of a call."""
        (kept,) = self._folder.glob(f"{call.time:.6f} {call.process}.sh")
        return kept.read_text()

    def refuse(self, times: int, words: str, *, taken: bool = False) -> None:
        """Let sbatch say some words and fail, so many times.

        Parameters
        ----------
        times : int
        words : str
            Slurm's.
        taken : bool
            Whether the job is in the queue all the same, as after an answer that got lost.
        """
        real = shlex.quote(str(shutil.which("sbatch")))
        first = REFUSE.format(
            counter=shlex.quote(str(self._folder / "refused")),
            times=times,
            before=f'{real} "$@" >/dev/null' if taken else ":",
            words=shlex.quote(words),
        )
        self._write("sbatch", first)

    def _write(self, name: str, first: str) -> None:
        real = shlex.quote(str(shutil.which(name)))
        file = self._folder / name
        log = shlex.quote(str(self._log))
        file.write_text(NOTE.format(name=name, log=log, first=first, real=real))
        file.chmod(0o755)
