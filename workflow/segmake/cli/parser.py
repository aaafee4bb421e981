"""The command line of ``segmake``: its commands and their options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from segmake import __version__
from segmake.cli import of_rules, of_users
from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import LANGUAGES
from segmake.plan.plan import PLAN_VARIABLE
from segmake.runner.run_step import STEPS

_DESCRIPTION = """\
What you may run by hand: check, status, environments, submit and demo-data. The other commands are what the rules of
the workflow run in their jobs.
"""


def command_line() -> argparse.ArgumentParser:
    """Return what takes the words of a command apart: each command sets ``run``, the function that does it."""
    parser = argparse.ArgumentParser(prog="segmake", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"SegMake {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for step in STEPS:
        command = commands.add_parser(step, help=f"{step} the images of one batch of the plan")
        command.add_argument("--batch", required=True)
        command.add_argument("--out", required=True, type=Path, help="table of what became of them")
        command.add_argument("--cpus", type=int, default=1, help="how many images at a time")
        command.set_defaults(run=of_rules.do_step, step=step)
        _add_common(command)
    script = commands.add_parser("script", help="do the runs of a user's script in one batch")
    script.add_argument("--name", required=True)
    script.add_argument("--batch", required=True)
    script.add_argument("--python", required=True, help="the Python of its environment")
    script.add_argument("--cpus", required=True, type=int, help="the cores of the job")
    script.add_argument("--out", required=True, type=Path, help="table of what became of them")
    script.set_defaults(run=of_rules.do_script)
    _add_common(script)
    join = commands.add_parser("join", help="join the tables that the runs of a script made")
    join.add_argument("--name", required=True)
    join.add_argument("--out", required=True, type=Path, help="file that says that it was done")
    join.set_defaults(run=of_rules.join_results)
    _add_common(join)
    tried = commands.add_parser("try-environment", help="import the packages of an environment")
    tried.add_argument("--name", required=True)
    tried.add_argument("--python", required=True, help="its Python")
    tried.set_defaults(run=of_rules.try_packages)
    _add_common(tried)
    model = commands.add_parser("check-model", help="download the model if needed, and load it")
    model.add_argument("--out", required=True, type=Path, help="record of its files")
    model.set_defaults(run=of_rules.check_model)
    _add_common(model)
    report = commands.add_parser("report", help="join the tables and write the report")
    report.add_argument(
        "--out", required=True, type=Path, help="file that says that it was written"
    )
    report.set_defaults(run=of_rules.write_report)
    _add_common(report)
    verify = commands.add_parser("verify", help="list the images that failed; exit 1 if any did")
    verify.set_defaults(run=of_rules.list_failed)
    _add_common(verify)
    _add_new(commands)
    _add_update(commands)
    _add_space(commands)
    gone = commands.add_parser("uninstall", help="remove what SegMake put on this computer")
    gone.add_argument("--models", action="store_true", help="the models of the engines, too")
    gone.add_argument("--yes", action="store_true", help="remove without asking")
    gone.set_defaults(run=of_users.uninstall)
    check = commands.add_parser("check", help="look for mistakes in a config; nothing is run")
    check.add_argument("configfile", nargs="?", type=Path, default=DEFAULT_CONFIG, metavar="CONFIG")
    check.set_defaults(run=of_users.check)
    status = commands.add_parser("status", help="say what the last run does, or how it ended")
    status.add_argument("--configfile", type=Path, default=DEFAULT_CONFIG)
    status.add_argument("--results", type=Path, help="the results folder, if not the config's")
    status.add_argument(
        "--follow", action="store_true", help="say it again and again, until the run has ended"
    )
    status.set_defaults(run=of_users.show_status)
    kept = commands.add_parser(
        "environments", help="list the environments that were made; export or remove some"
    )
    kept.add_argument("action", nargs="?", choices=("list", "export", "remove"), default="list")
    kept.add_argument(
        "names", nargs="*", metavar="NAME", help="of environments, as the list has them"
    )
    kept.add_argument("--configfile", type=Path, default=DEFAULT_CONFIG)
    kept.add_argument("--results", type=Path, help="the results folder, if not the config's")
    kept.add_argument("--to", type=Path, metavar="FOLDER", help="export to this folder")
    kept.add_argument(
        "--unused", action="store_true", help="remove all that the config does not use"
    )
    kept.add_argument("--yes", action="store_true", help="remove without asking")
    kept.set_defaults(run=of_users.show_environments)
    sent = commands.add_parser(
        "submit",
        help="run snakemake as a job of its own; takes its options",
        # Else snakemake's --config would be taken for --configfile.
        allow_abbrev=False,
    )
    sent.add_argument("--configfile", "--configfiles", type=Path, default=DEFAULT_CONFIG)
    sent.add_argument("--profile", default="slurm")
    sent.set_defaults(run=of_users.send)
    demo = commands.add_parser("demo-data", help="draw the pictures of the demo")
    demo.add_argument("folder", type=Path)
    demo.set_defaults(run=of_users.draw_demo)
    return parser


def _add_new(commands: Any) -> None:
    new = commands.add_parser("new", help="make the folder of an experiment, with its config")
    new.add_argument("folder", type=Path, metavar="FOLDER")
    new.add_argument("--images", type=Path, metavar="FOLDER", help="look at these images first")
    new.add_argument(
        "--from",
        dest="other",
        type=Path,
        metavar="OTHER",
        help="take the settings of another experiment",
    )
    new.add_argument("--simulation", action="store_true", help="without images")
    new.add_argument("--lang", choices=LANGUAGES, help="language of the config's comments")
    new.set_defaults(run=of_users.new)


def _add_update(commands: Any) -> None:
    update = commands.add_parser("update", help="bring SegMake to the newest version, or back")
    what = update.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="say what is new; change nothing")
    what.add_argument("--back", action="store_true", help="go back to before the last update")
    what.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="only bring the settings of this config into config/config.yaml",
    )
    what.add_argument("--continue", dest="go_on", action="store_true", help=argparse.SUPPRESS)
    update.add_argument("--yes", action="store_true", help="update without asking")
    update.set_defaults(run=of_users.update)


def _add_space(commands: Any) -> None:
    space = commands.add_parser("space", help="say what takes room on the disk, or free some")
    space.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="of an experiment"
    )
    space.add_argument(
        "--delete", nargs="+", metavar="KIND", help="delete these kinds of files, as it names them"
    )
    space.add_argument("--yes", action="store_true", help="delete without asking")
    space.set_defaults(run=of_users.space)


def _add_common(command: argparse.ArgumentParser) -> None:
    plan = os.environ.get(PLAN_VARIABLE)
    command.add_argument(
        "--plan",
        type=Path,
        default=plan,
        required=plan is None,
        help=f"the plan of the run (${PLAN_VARIABLE})",
    )
    command.add_argument(
        "--log", type=Path, help="file that gets everything the screen gets, and more"
    )
