r"""The command ``segmake``, for users and for the rules.

`parser` has its command line and its help, which `speaking` has argparse say in the user's language; `of_users` and
`of_site` what users run, each loading only what it needs, and `of_rules` what the rules run in their jobs, by the plan.
`here` says what can be done in a folder, `log` a line on the screen and in the log. ``main`` turns whatever goes wrong
into a message and an exit code.

May import `segmake.adapter` and what is below it.

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

from segmake.cli.log import Log
from segmake.cli.of_users import send
from segmake.cli.parser import command_line
from segmake.core.disk import disk_problem
from segmake.core.files import error_line
from segmake.core.site_language import speak_its_language
from segmake.messages import Problem, Problems
from segmake.slurm.jobs import BEGAN


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return its exit code: 0, or 1 after a message about what is wrong.

    Raises
    ------
    SystemExit
        With 2 after a message about a mistake in the command line.
    """
    speak_its_language()
    options, rest = command_line().parse_known_args(arguments)
    if options.run is send:
        options.snakemake = rest
        # They would be lost on what is read of the config here: the partition, the results folder.
        if any(word.split("=")[0] == "--config" or word.startswith("-C") for word in rest):
            options.parser.refuse("SM-CMD-008")
    elif rest:
        options.parser.refuse_words(rest)
    if "SLURM_JOB_ID" in os.environ and hasattr(options, "log"):
        # From Slurm's log of a job that failed, the main process sees that it got as far as this.
        print(BEGAN, file=sys.stderr)
    # What Slurm sends first when a job is cancelled or out of time, and Snakemake to its children.
    signal.signal(signal.SIGTERM, _end)
    try:
        code = options.run(options) or 0
        # Here, where it is seen if nobody reads it.
        sys.stdout.flush()
        return code
    except (Problem, Problems) as problem:
        print(problem, file=sys.stderr)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # `segmake ... | head` has read enough; at its end Python would try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except ModuleNotFoundError as error:
        if (error.name or "segmake").partition(".")[0] == "segmake":
            raise
        _note(options)
        print(Problem("SM-RUN-065", package=error.name), file=sys.stderr)
    except Exception as error:
        if failing := disk_problem(error, _place(options)):
            print(failing, file=sys.stderr)
            return 1
        _note(options)
        print(Problem("SM-RUN-001", error=error_line(error)), file=sys.stderr)
    return 1


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
