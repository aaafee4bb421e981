r"""The command ``segmake``, for users and for the rules.

`parser` has its command line and its help, which `speaking` has argparse say in the user's language; `of_users` and
`of_site` what users run, each loading only what it needs, `of_page` the page in the browser, and `of_rules` what the
rules run in their jobs, by the plan.
`here` says what can be done in a folder, `computed_there` what can't as another computer has the experiment, `log` a
line on the screen and in the log. ``main`` turns whatever goes wrong into a message and an exit code; with ``--json``
the message is an answer of `segmake.answers` as well.

May import `segmake.page` and what is below it.

>>> import sys
>>> from contextlib import redirect_stderr
>>> from pathlib import Path
>>> from segmake.cli import main
>>> Path("images").mkdir()
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: threshold}\n")
>>> main(["check", "config.yaml"])
Nothing is wrong with config.yaml. Images and cluster are looked at when a run begins (snakemake -n).
0
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: treshold}\n")
>>> with redirect_stderr(sys.stdout):
...     main(["check", "config.yaml"])
SM-CFG-002  config.yaml, line 2
  `engine` under `segmentation` can't be "treshold".
  Allowed: cellpose, cellpose3, omnipose, threshold.
1
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from segmake.cli.computed_there import instead, refuse_guess
from segmake.cli.log import Log
from segmake.cli.of_users import send
from segmake.cli.parser import command_line
from segmake.cli.speaking import Mistake
from segmake.core.absent_packages import absent
from segmake.core.disk import disk_problem
from segmake.core.files import error_line, readable
from segmake.core.site_language import speak_its_language
from segmake.messages import Problem, Problems

# Has a command answer in JSON, its errors as well.
JSON = "--json"

# The exit code of SIGPIPE, which Windows lacks.
READER_GONE = 128 + 13


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return its exit code: 0, or 1 after a message about what is wrong.

    Raises
    ------
    SystemExit
        With 2 after a message about a mistake in the command line.
    """
    speak_its_language()
    if sys.stdout is None:
        _stand_in_for_output()
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            # Here, where it is seen if nobody reads it.
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # `segmake ... | head` has read enough.
        _drop_output()
        return READER_GONE
    except OSError as error:
        # What a command meets is told above: without a file, this is of standard output, which can't tell it itself.
        if error.filename is not None:
            raise
        print(_of_output(error), file=sys.stderr)
        _drop_output()
        return 1


def _run(words: list[str]) -> int:
    """Run a command, and say what is wrong; return the exit code."""
    try:
        return _done(_understood(words))
    except Mistake as mistake:
        _tell(mistake.problem, json=any(word.partition("=")[0] == JSON for word in words))
        raise


def _done(options: argparse.Namespace) -> int:
    """Do what was typed, and say what goes wrong; return the exit code."""
    if "SLURM_JOB_ID" in os.environ and hasattr(options, "log"):
        from segmake.slurm.jobs import BEGAN

        # From Slurm's log of a job that failed, the main process sees that it got as far as this.
        print(BEGAN, file=sys.stderr)
    # What Slurm sends first when a job is cancelled or out of time, and Snakemake to its children.
    signal.signal(signal.SIGTERM, _end)
    try:
        refuse_guess(options)
        return options.run(options) or 0
    except BrokenPipeError:
        raise
    except Exception as error:
        # If it is standard output that fails, this fails again, and `main` says so.
        sys.stdout.flush()
        problem = _in_words(error, options)
        _tell(instead(problem, options) or problem, json=getattr(options, "json", False))
        return 1


def _understood(words: list[str]) -> argparse.Namespace:
    """Return what was typed, taken apart."""
    options, rest = command_line(words).parse_known_args(words)
    if options.run is send:
        options.snakemake = rest
        # They would be lost on what is read of the config here: the partition, the results folder.
        if any(word.split("=")[0] == "--config" or word.startswith("-C") for word in rest):
            options.parser.refuse("SM-CMD-008")
    elif rest:
        options.parser.refuse_words(rest)
    return options


def _in_words(error: Exception, options: argparse.Namespace) -> Problem | Problems:
    """Return what a user is told of an error; one that nobody expected is written to the log, too."""
    if isinstance(error, Problem | Problems):
        return error
    if isinstance(error, ModuleNotFoundError):
        if (error.name or "segmake").partition(".")[0] == "segmake":
            raise error
        _note(options)
        return absent(error.name or "")
    # Few commands have to do with it.
    from segmake.slurm.commands import SlurmError, one_line

    if isinstance(error, SlurmError):
        return Problem("SM-CLU-001", error=one_line(error))
    if failing := disk_problem(error, _place(options)):
        return failing
    _note(options)
    return Problem("SM-RUN-001", error=readable(error_line(error)))


def _tell(problem: Problem | Problems, *, json: bool) -> None:
    if json:
        from segmake.answers.answer import refusal, write

        write(refusal(problem))
    else:
        print(problem, file=sys.stderr)


def _stand_in_for_output() -> None:
    """Have what is written to a standard output that is closed (``>&-``) fail, as what is written to a full disk does.

    Else the next file that is opened would become the standard output of programs that are started.
    """
    sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")


def _drop_output() -> None:
    """Drop what is left for standard output: at its end Python would try to write it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_output(error: OSError) -> Problem:
    """Return what is wrong where standard output goes to."""
    try:
        folder = Path(os.readlink(f"/proc/self/fd/{sys.stdout.fileno()}")).parent
    except OSError:
        folder = Path()
    return disk_problem(error, folder) or Problem("SM-CMD-016", error=error.strerror or str(error))


def _note(options: argparse.Namespace) -> None:
    """Write the error to the log, for whoever has to find out; the user gets one sentence."""
    with suppress(Problem), Log(getattr(options, "log", None)) as log:
        log.write(traceback.format_exc())


def _place(options: argparse.Namespace) -> Path:
    """Return the folder that a command writes to."""
    plan = getattr(options, "plan", None)
    return plan.parents[1] if plan else getattr(options, "results", None) or Path()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # A second signal would interrupt the writing of the journal.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)
