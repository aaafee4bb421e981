"""The command line of ``segmake``: its commands and their options.

Whoever asks often, such as a page that shows where a run is, waits for the start of each command: only what was typed
is taken apart, and what a command does is loaded when it is done.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from segmake import __version__
from segmake.cli import of_users
from segmake.cli.here import table
from segmake.cli.speaking import Parser
from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import LANGUAGES, say

# What argparse makes a command with.
Commands = Any


class _CommandLine(Parser):
    """All commands; those of users are listed."""

    def format_help(self) -> str:
        """Return what ``segmake --help`` says."""
        rows = [
            (f"snakemake --profile {name} -n", say(f"help.on_{place}"))
            for name, place in (("slurm", "cluster"), ("local", "computer"))
        ]
        lines = [
            f"{say('help.usage')}segmake {say('help.COMMAND')} ...",
            "",
            say("help.overview"),
            "",
            say("help.commands"),
            *table([(name, say(f"help.{name}")) for name in OF_USERS]),
            "",
            say("help.begin_run"),
            *table(rows),
            "",
            say("help.more"),
        ]
        return "\n".join(lines) + "\n"


def command_line(words: Sequence[str] | None = None) -> Parser:
    """Return what takes the words of a command apart: each command sets ``run``, the function that does it.

    Parameters
    ----------
    words : sequence of str, optional
        Those that were typed. The commands that are not among them are left out.
    """
    parser = _CommandLine(prog="segmake")
    parser.commands = OF_USERS
    version = f"SegMake {__version__}"
    parser.add_argument("--version", action="version", version=version, help=say("help.version"))
    parser.set_defaults(run=of_users.show_here, parser=parser)
    commands = parser.add_subparsers(metavar=say("help.COMMAND"), parser_class=Parser)
    # Before the command stand switches alone.
    typed = next((word for word in words or () if not word.startswith("-")), None)
    known = {**OF_USERS, **_EARLIER}
    for name, add in known.items():
        if words is None or name == typed:
            add(commands)
    if typed not in known and (typed or words is None):
        _add_commands_of_rules(commands)
    return parser


# Those of users


def _of_users(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int | None], **settings: Any
) -> Parser:
    command = commands.add_parser(name, description=say(f"help.{name}"), **settings)
    command.set_defaults(run=run, parser=command)
    return command


def _add_new(commands: Commands) -> None:
    from segmake.experiment.examples import EXAMPLES

    new = _of_users(commands, "new", of_users.new)
    folder = say("help.FOLDER")
    new.add_argument("folder", nargs="?", type=Path, metavar=folder, help=say("help.new.folder"))
    what = new.add_alternatives()
    example: dict[str, Any] = {"metavar": say("help.NAME"), "help": say("help.new.example")}
    what.add_argument("--example", choices=EXAMPLES, **example)
    what.add_argument("--examples", action="store_true", help=say("help.new.examples"))
    what.add_argument("--images", type=Path, metavar=folder, help=say("help.new.images"))
    what.add_argument("--simulation", action="store_true", help=say("help.new.simulation"))
    other = {"dest": "other", "type": Path, "metavar": folder, "help": say("help.new.from")}
    new.add_argument("--from", **other)
    new.add_argument("--lang", choices=LANGUAGES, help=say("help.new.lang"))


def _add_get(commands: Commands) -> None:
    get = _of_users(commands, "get", of_users.get)
    get.add_argument("key", nargs="?", metavar=say("help.KEY"), help=say("help.get.key"))
    get.add_argument("--json", action="store_true", help=say("help.get.json"))
    _add_configs(get)


def _add_set(commands: Commands) -> None:
    edit = _of_users(commands, "set", of_users.edit)
    words = {"metavar": say("help.KEY_VALUE"), "help": say("help.set.words")}
    edit.add_argument("words", nargs="*", **words)
    default = {"metavar": say("help.KEY"), "help": say("help.set.default")}
    edit.add_argument("--default", nargs="*", **default)
    edit.add_argument("--force", action="store_true", help=say("help.set.force"))
    edit.add_argument("--json", action="store_true", help=say("help.set.json"))
    _add_configs(edit)


def _add_check(commands: Commands) -> None:
    check = _of_users(commands, "check", of_users.check)
    words: dict[str, Any] = {"metavar": say("help.FILE"), "help": say("help.configfile")}
    check.add_argument("file", nargs="?", type=Path, action=_Configs, **words)
    _add_json(check)
    _add_configs(check, nargs="+")


def _add_plan(commands: Commands) -> None:
    plan = _of_users(commands, "plan", of_users.show_plan)
    _add_configs(plan, nargs="+")
    profile = say("help.plan.profile")
    plan.add_argument("--profile", metavar=say("help.NAME"), default="slurm", help=profile)
    form = plan.add_alternatives()
    form.add_argument("--slurm", action="store_true", help=say("help.plan.slurm"))
    _add_json(form)
    folder = {"metavar": say("help.FOLDER"), "help": say("help.plan.to")}
    plan.add_argument("--to", type=Path, **folder)


def _add_status(commands: Commands) -> None:
    status = _of_users(commands, "status", of_users.show_status)
    _add_places(status, nargs="+")
    status.add_argument("--follow", action="store_true", help=say("help.status.follow"))
    _add_json(status)


def _add_runs(commands: Commands) -> None:
    runs = _of_users(commands, "runs", of_users.show_runs)
    _add_config(runs, "--configfile")
    _add_results(runs)
    _add_about_runs(runs)


def _add_about_runs(command: Parser) -> None:
    form = command.add_alternatives()
    number: dict[str, Any] = {"type": int, "metavar": say("help.NUMBER")}
    form.add_argument("--again", help=say("help.runs.again"), **number)
    _add_json(form)
    command.add_argument("--force", action="store_true", help=say("help.set.force"))


def _add_environment(commands: Commands) -> None:
    from segmake.cli import of_environments

    one = _of_users(commands, "environment", of_environments.do_environment)
    names = say("help.environment.names")
    one.add_argument("names", nargs="*", metavar=say("help.NAME"), help=names)
    what = one.add_alternatives()
    for action in ("make", "export", "remove"):
        words = say(f"help.environment.{action}")
        what.add_argument(f"--{action}", action="store_true", help=words)
    _add_places(one)
    _add_about_kept(one)


def _add_environments(commands: Commands) -> None:
    from segmake.cli import of_environments

    kept = _of_users(commands, "environments", of_environments.do_environments)
    actions = ("list", "export", "remove")
    words = say("help.environments.action")
    kept.add_argument("action", nargs="?", choices=actions, default=actions[0], help=words)
    names = say("help.environment.names")
    kept.add_argument("names", nargs="*", metavar=say("help.NAME"), help=names)
    _add_places(kept)
    _add_about_kept(kept)


def _add_about_kept(command: Parser) -> None:
    folder = say("help.FOLDER")
    command.add_argument("--to", type=Path, metavar=folder, help=say("help.environment.to"))
    command.add_argument("--unused", action="store_true", help=say("help.environment.unused"))
    command.add_argument("--yes", action="store_true", help=say("help.environment.yes"))


def _add_jupyter(commands: Commands) -> None:
    from segmake.cli import of_jupyter

    lab = _of_users(commands, "jupyter", of_jupyter.do_jupyter)
    words = {"metavar": say("help.NAME"), "help": say("help.jupyter.words")}
    lab.add_argument("words", nargs="*", **words)
    number, hours = say("help.NUMBER"), say("help.HOURS")
    lab.add_argument("--gpus", metavar=number, help=say("help.jupyter.gpus"))
    lab.add_argument("--memory-gb", metavar=number, help=say("help.jupyter.memory"))
    lab.add_argument("--hours", metavar=hours, help=say("help.jupyter.hours"))
    lab.add_argument("--cpus", metavar=number, help=say("help.jupyter.cpus"))
    name = say("help.NAME")
    lab.add_argument("--partition", metavar=name, help=say("help.jupyter.partition"))
    _add_places(lab)
    _add_json(lab)


def _add_submit(commands: Commands) -> None:
    # Else snakemake's --config would be taken for --configfile.
    sent = _of_users(commands, "submit", of_users.send, allow_abbrev=False)
    _add_configs(sent, "--configfiles", nargs="+")
    profile = say("help.submit.profile")
    sent.add_argument("--profile", default="slurm", metavar=say("help.NAME"), help=profile)


def _add_site(commands: Commands) -> None:
    from segmake.cli import of_site

    site = _of_users(commands, "site", of_site.do_site)
    actions = tuple(of_site.ACTIONS)
    words = say("help.site.action")
    site.add_argument("action", nargs="?", choices=actions, default=actions[0], help=words)
    file = {"metavar": say("help.FILE"), "help": say("help.site.file")}
    site.add_argument("file", nargs="?", type=Path, **file)
    site.add_argument("--node", action="store_true", help=say("help.site.node"))
    site.add_argument("--write", action="store_true", help=say("help.site.write"))


def _add_firstday(commands: Commands) -> None:
    from segmake.cli import of_site
    from segmake.firstday.step import NAMES

    day = _of_users(commands, "firstday", of_site.do_first_day)
    day.add_argument("--list", action="store_true", help=say("help.firstday.list"))
    for option in ("only", "skip"):
        steps: dict[str, Any] = {"metavar": say("help.STEP"), "choices": NAMES, "default": ()}
        words = say(f"help.firstday.{option}")
        day.add_argument(f"--{option}", nargs="+", help=words, **steps)
    number = {"type": int, "metavar": say("help.NUMBER"), "help": say("help.firstday.minutes")}
    day.add_argument("--gpu-minutes", **number)
    day.add_argument("--here", action="store_true", help=say("help.firstday.here"))
    day.add_argument("--allow-cpu", action="store_true", help=say("help.firstday.cpu"))
    folder = {"metavar": say("help.FOLDER"), "help": say("help.firstday.folder")}
    day.add_argument("--folder", type=Path, default=Path("segmake-firstday"), **folder)
    file = {"metavar": say("help.FILE"), "help": say("help.firstday.config")}
    day.add_argument("--configfile", type=Path, **file)
    day.add_argument("--yes", action="store_true", help=say("help.yes"))


def _add_update(commands: Commands) -> None:
    update = _of_users(commands, "update", of_users.update)
    what = update.add_alternatives()
    what.add_argument("--check", action="store_true", help=say("help.update.check"))
    what.add_argument("--back", action="store_true", help=say("help.update.back"))
    settings = {"metavar": say("help.FILE"), "help": say("help.update.settings")}
    what.add_argument("--settings", type=Path, **settings)
    what.add_argument("--continue", dest="go_on", action="store_true", help=argparse.SUPPRESS)
    update.add_argument("--yes", action="store_true", help=say("help.yes"))


def _add_look(commands: Commands) -> None:
    from segmake.cli import of_looking

    look = _of_users(commands, "look", of_looking.look)
    folder = say("help.FOLDER")
    look.add_argument("place", type=Path, metavar=folder, help=say("help.look.place"))
    look.add_argument("--channel", metavar=say("help.NAME"), help=say("help.look.channel"))
    names = {"action": "append", "default": [], "metavar": say("help.NAME")}
    look.add_argument("--include", help=say("help.look.include"), **names)
    meaning = {"default": "", "metavar": say("help.PATTERN"), "help": say("help.look.pattern")}
    look.add_argument("--pattern", **meaning)
    pictures = look.add_alternatives()
    where: dict[str, Any] = {"metavar": folder, "help": say("help.look.pictures")}
    pictures.add_argument("--pictures", type=Path, **where)
    none = {"dest": "draw", "action": "store_false", "help": say("help.look.no-pictures")}
    pictures.add_argument("--no-pictures", **none)
    _add_json(look)


def _add_try(commands: Commands) -> None:
    from segmake.cli import of_looking

    trial = _of_users(commands, "try", of_looking.try_settings)
    image = {"metavar": say("help.FILE"), "help": say("help.try.image")}
    trial.add_argument("image", type=Path, **image)
    number = {"type": int, "metavar": say("help.NUMBER"), "default": 1}
    trial.add_argument("--position", help=say("help.try.position"), **number)
    trial.add_argument("--time", help=say("help.try.time"), **number)
    trial.add_argument("--picture", action="store_true", help=say("help.try.picture"))
    _add_configs(trial)
    _add_json(trial)


def _add_page(commands: Commands) -> None:
    from segmake.cli import of_page

    page = _of_users(commands, "page", of_page.open_page)
    folder = {"metavar": say("help.FOLDER"), "help": say("help.page.folder")}
    page.add_argument("folder", nargs="?", type=Path, default=Path(), **folder)
    no_browser = {"dest": "browser", "action": "store_false", "help": say("help.page.no-browser")}
    page.add_argument("--no-browser", **no_browser)
    minutes = {"type": int, "metavar": say("help.NUMBER"), "help": say("help.page.idle")}
    page.add_argument("--idle", default=60, **minutes)
    file = {"metavar": say("help.FILE"), "help": say("help.page.socket")}
    page.add_argument("--socket", type=Path, **file)
    kinds = {"choices": of_page.LAUNCHERS, "help": say("help.page.launchers")}
    page.add_argument("--launchers", **kinds)


def _add_cluster(commands: Commands) -> None:
    from segmake.cli import of_looking

    _add_json(_of_users(commands, "cluster", of_looking.show_cluster))


def _add_helpfile(commands: Commands) -> None:
    from segmake.cli import of_looking

    helpfile = _of_users(commands, "helpfile", of_looking.write_helpfile)
    _add_places(helpfile, nargs="+")
    file = {"metavar": say("help.FILE"), "help": say("help.helpfile.to")}
    helpfile.add_argument("--to", type=Path, **file)


def _add_space(commands: Commands) -> None:
    space = _of_users(commands, "space", of_users.space)
    words: dict[str, Any] = {"metavar": say("help.FOLDER"), "help": say("help.space.folder")}
    space.add_argument("folder", nargs="?", type=Path, default=Path(), **words)
    kinds = say("help.space.delete")
    space.add_argument("--delete", nargs="+", metavar=say("help.KIND"), help=kinds)
    space.add_argument("--yes", action="store_true", help=say("help.yes"))


def _add_uninstall(commands: Commands) -> None:
    gone = _of_users(commands, "uninstall", of_users.uninstall)
    gone.add_argument("--models", action="store_true", help=say("help.uninstall.models"))
    gone.add_argument("--yes", action="store_true", help=say("help.yes"))


def _add_demo_data(commands: Commands) -> None:
    demo = _of_users(commands, "demo-data", of_users.draw_demo)
    folder = say("help.FOLDER")
    demo.add_argument("folder", type=Path, metavar=folder, help=say("help.demo-data.folder"))


def _add_remote(commands: Commands) -> None:
    from segmake.cli import of_remote

    remote = _of_users(commands, "remote", of_remote.show_help)
    remote.epilog = say("help.remote.first")
    remote.commands = OF_REMOTE
    title = say("help.commands").removesuffix(":")
    actions = remote.add_subparsers(title=title, metavar=say("help.COMMAND"), parser_class=Parser)
    for name, add in OF_REMOTE.items():
        words = say(f"help.remote.{name}")
        action = actions.add_parser(name, description=words, help=words)
        action.set_defaults(parser=action)
        add(action)


def _add_remote_setup(setup: Parser) -> None:
    from segmake.cli import of_remote_setup

    host, file, folder = say("help.HOST"), say("help.FILE"), say("help.FOLDER")
    setup.add_argument("host", nargs="?", metavar=host, help=say("help.remote.host"))
    port = {"metavar": say("help.PORT"), "help": say("help.remote.port")}
    setup.add_argument("-p", "--port", **port)
    for name, metavar in (
        ("through", host),
        ("name", say("help.NAME")),
        ("segmake", say("help.PROGRAM")),
        ("into", folder),
        ("engine", say("help.NAME")),
    ):
        setup.add_argument(f"--{name}", metavar=metavar, help=say(f"help.remote.{name}"))
    setup.add_argument("--folder", metavar=folder, help=say("help.remote.there"))
    address = {"dest": "address", "metavar": say("help.ADDRESS"), "help": say("help.remote.from")}
    setup.add_argument("--from", **address)
    for name in ("site", "bundle"):
        words: dict[str, Any] = {"metavar": file, "help": say(f"help.remote.{name}")}
        setup.add_argument(f"--{name}", type=Path, **words)
    kinds = of_remote_setup.LAUNCHERS
    which: dict[str, Any] = {"choices": kinds, "default": kinds[0]}
    setup.add_argument("--launchers", help=say("help.remote.launchers"), **which)
    profiles = of_remote_setup.PROFILES
    setup.add_argument("--profile", choices=profiles, help=say("help.remote.setup.profile"))
    setup.add_argument("--yes", action="store_true", help=say("help.remote.yes"))
    setup.set_defaults(run=of_remote_setup.set_up)


def _add_remote_check(check: Parser) -> None:
    from segmake.cli import of_remote_setup

    _add_folder(check)
    _add_json(check)
    check.set_defaults(run=of_remote_setup.check)


def _add_remote_run(run: Parser) -> None:
    from segmake.cli import of_remote

    _add_experiment(run)
    run.add_argument("--yes", action="store_true", help=say("help.yes"))
    profile = say("help.remote.profile")
    run.add_argument("--profile", metavar=say("help.NAME"), help=profile)
    run.add_argument("--no-wait", action="store_true", help=say("help.remote.no-wait"))
    run.add_argument("--overwrite", action="store_true", help=say("help.remote.overwrite"))
    run.add_argument("--anew", action="store_true", help=say("help.remote.anew"))
    run.add_argument("--also-there", action="store_true", help=say("help.remote.also-there"))
    _add_ticked(run)
    run.set_defaults(run=of_remote.run)


def _add_remote_status(status: Parser) -> None:
    from segmake.cli import of_remote

    _add_experiment(status)
    status.add_argument("--follow", action="store_true", help=say("help.status.follow"))
    _add_json(status)
    status.set_defaults(run=of_remote.status)


def _add_remote_runs(runs: Parser) -> None:
    from segmake.cli import of_remote

    _add_experiment(runs)
    _add_about_runs(runs)
    runs.set_defaults(run=of_remote.runs)


def _add_remote_stop(stop: Parser) -> None:
    from segmake.cli import of_remote

    _add_experiment(stop)
    stop.set_defaults(run=of_remote.stop)


def _add_remote_fetch(fetch: Parser) -> None:
    from segmake.cli import of_remote

    _add_experiment(fetch)
    _add_ticked(fetch)
    fetch.set_defaults(run=of_remote.fetch)


def _add_remote_open(report: Parser) -> None:
    from segmake.cli import of_remote

    _add_experiment(report)
    report.set_defaults(run=of_remote.show_report)


def _add_experiment(action: Parser) -> None:
    _add_folder(action)
    _add_config(action, "--configfile")


def _add_folder(action: Parser) -> None:
    words: dict[str, Any] = {"metavar": say("help.FOLDER"), "help": say("help.remote.experiment")}
    action.add_argument("folder", nargs="?", type=Path, default=Path(), **words)


def _add_ticked(action: Parser) -> None:
    for kind in ("masks", "rois", "pictures", "all", "compare"):
        action.add_argument(f"--{kind}", action="store_true", help=say(f"help.remote.{kind}"))


# What `segmake remote` does, in this order, and what adds the options of each; the texts are help.remote.NAME.
OF_REMOTE: dict[str, Callable[[Parser], None]] = {
    "setup": _add_remote_setup,
    "check": _add_remote_check,
    "run": _add_remote_run,
    "status": _add_remote_status,
    "runs": _add_remote_runs,
    "stop": _add_remote_stop,
    "fetch": _add_remote_fetch,
    "open": _add_remote_open,
}

# The commands that the help lists, in this order, and what adds each; the text of each is in the catalogue, help.NAME.
OF_USERS: dict[str, Callable[[Commands], None]] = {
    "new": _add_new,
    "page": _add_page,
    "check": _add_check,
    "get": _add_get,
    "set": _add_set,
    "plan": _add_plan,
    "status": _add_status,
    "runs": _add_runs,
    "environment": _add_environment,
    "jupyter": _add_jupyter,
    "submit": _add_submit,
    "remote": _add_remote,
    "look": _add_look,
    "try": _add_try,
    "cluster": _add_cluster,
    "helpfile": _add_helpfile,
    "space": _add_space,
    "site": _add_site,
    "firstday": _add_firstday,
    "update": _add_update,
    "uninstall": _add_uninstall,
    "demo-data": _add_demo_data,
}

# What commands of today were called before; the help does not list them.
_EARLIER: dict[str, Callable[[Commands], None]] = {"environments": _add_environments}


def _add_places(command: Parser, nargs: str | None = None) -> None:
    _add_configs(command, nargs=nargs)
    _add_results(command)


def _add_results(command: Parser) -> None:
    folder = say("help.FOLDER")
    command.add_argument("--results", type=Path, metavar=folder, help=say("help.results"))


def _add_json(command: Any) -> None:
    command.add_argument("--json", action="store_true", help=say("help.json"))


class _Configs(argparse.Action):
    """Takes down each config that is named, in one option or in several; the last one counts most."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        named = [values] if isinstance(values, Path) else values or []
        namespace.configfiles = (*namespace.configfiles, *named)
        namespace.configfile = (DEFAULT_CONFIG, *namespace.configfiles)[-1]
        namespace.before = namespace.configfiles[:-1]


def _add_configs(command: Parser, *names: str, nargs: str | None = None) -> None:
    """Add the option for configs, several of which are one: those of a run."""
    words: dict[str, Any] = {"metavar": say("help.FILE"), "help": say("help.configfiles")}
    command.set_defaults(configfile=DEFAULT_CONFIG, configfiles=(), before=())
    option: dict[str, Any] = {"type": Path, "action": _Configs, "nargs": nargs, "dest": "named"}
    command.add_argument("--configfile", *names, **option, **words)


def _add_config(command: Parser, *names: str) -> None:
    words = {"metavar": say("help.FILE"), "help": say("help.configfile")}
    command.add_argument(*names, type=Path, default=DEFAULT_CONFIG, **words)


# Those of the rules: the help does not list them


def _add_commands_of_rules(commands: Commands) -> None:
    from segmake.cli import of_rules
    from segmake.core.declared_steps import SEGMENT, STEPS

    for step in STEPS:
        command = _of_rules(commands, step, of_rules.do_step, "batch", "out")
        command.add_argument("--cpus", type=int, default=1, help=say("help.cpus"))
        command.set_defaults(step=step, without_gpu=0)
        if step == SEGMENT:
            command.add_argument("--without-gpu", type=int, help=say("help.without-gpu"))
    script = _of_rules(commands, "script", of_rules.do_script, "name", "batch", "python", "out")
    script.add_argument("--cpus", required=True, type=int, help=say("help.cpus"))
    _of_rules(commands, "join", of_rules.join_results, "name", "out")
    _of_rules(commands, "try-environment", of_rules.try_packages, "name", "python")
    _of_rules(commands, "check-model", of_rules.check_model, "out")
    _of_rules(commands, "report", of_rules.write_report, "out")
    _of_rules(commands, "verify", of_rules.list_failed)


def _of_rules(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int | None], *needed: str
) -> Parser:
    """Add a command with the options that it needs, and with those that all have."""
    from segmake.plan.written_plan import PLAN_VARIABLE

    words = f"{say(f'help.rule.{name}')} {say('help.of_rules')}"
    command = commands.add_parser(name, description=words)
    command.set_defaults(run=run, parser=command)
    for option in needed:
        kind = Path if option == "out" else str
        command.add_argument(f"--{option}", required=True, type=kind, help=say(f"help.{option}"))
    plan = os.environ.get(PLAN_VARIABLE)
    command.add_argument(
        "--plan",
        type=Path,
        default=plan,
        required=plan is None,
        help=say("help.plan_of_run", variable=PLAN_VARIABLE),
    )
    command.add_argument("--log", type=Path, help=say("help.log"))
    return command
