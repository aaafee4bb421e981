"""The command line of ``segmake``: its commands and their options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from segmake import __version__
from segmake.cli import of_rules, of_site, of_users
from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import say
from segmake.plan.plan import PLAN_VARIABLE
from segmake.runner.run_step import STEPS

_DESCRIPTION = """\
What you may run by hand: check, plan, status, environments, submit, site and demo-data. The other commands are
what the rules of the workflow run in their jobs.
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
    check = commands.add_parser("check", help="look for mistakes in a config; nothing is run")
    check.add_argument("configfile", nargs="?", type=Path, default=DEFAULT_CONFIG, metavar="CONFIG")
    check.set_defaults(run=of_users.check)
    plan = commands.add_parser("plan", help=say("help.what_plan"))
    plan.add_argument("--configfile", type=Path, default=DEFAULT_CONFIG)
    plan.set_defaults(run=of_users.show_plan)
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
    _add_site(commands.add_parser("site", help=say("help.site")))
    demo = commands.add_parser("demo-data", help="draw the pictures of the demo")
    demo.add_argument("folder", type=Path)
    demo.set_defaults(run=of_users.draw_demo)
    return parser


def _add_site(site: argparse.ArgumentParser) -> None:
    actions = tuple(of_site.ACTIONS)
    words = say("help.site.action")
    site.add_argument("action", nargs="?", choices=actions, default=actions[0], help=words)
    site.add_argument("file", nargs="?", type=Path, help=say("help.site.file"))
    site.add_argument("--node", action="store_true", help=say("help.site.node"))
    site.add_argument("--write", action="store_true", help=say("help.site.write"))
    site.set_defaults(run=of_site.do_site)


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
