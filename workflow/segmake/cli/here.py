"""What ``segmake`` alone says: what can be done in this folder, and what comes next."""

from __future__ import annotations

import shlex
from pathlib import Path

from segmake import __version__
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.installation import can_run, clone
from segmake.messages import Problem, Problems, say
from segmake.remote.remembered import FILE as PLACE
from segmake.remote.remembered import read_place

# What `segmake remote` can do, in the order of a day.
_OF_REMOTE = ("setup", "check", "run", "status", "stop", "fetch", "open")


def describe_here() -> str:
    """Return what can be done in the folder of now."""
    if not DEFAULT_CONFIG.is_file():
        return _describe_elsewhere()
    if (Path() / PLACE).is_file() or not can_run():
        return _describe_laptop()
    profile = profile_here()
    head = say("here.experiment", version=__version__, folder=Path.cwd())
    words, command = _next(profile)
    rows = [
        (str(DEFAULT_CONFIG), say("here.edit")),
        ("segmake check", say("here.check")),
        ("segmake page", say("here.page")),
        (f"snakemake --profile {profile} -n", say("here.dry")),
        (f"snakemake --profile {profile}", say("here.run")),
        ("segmake status", say("here.status")),
        ("segmake --help", say("here.help")),
    ]
    return "\n".join([head, "", words, f"  {command}", "", say("here.all"), *table(rows)])


def _describe_elsewhere() -> str:
    rows = [
        (f"segmake new {say('help.FOLDER')}", say("help.new")),
        (f"cd {say('help.FOLDER')}", say("here.go")),
    ]
    if not can_run():
        rows.append(("segmake remote setup", say("help.remote.setup")))
    if (folder := clone()) and (folder / DEFAULT_CONFIG).is_file():
        command = f"cd {shlex.quote(str(folder))}"
        rows.append((command, say("here.clone", config=DEFAULT_CONFIG)))
    rows.append(("segmake --help", say("here.help")))
    words = {"version": __version__, "config": DEFAULT_CONFIG, "folder": Path.cwd()}
    return "\n".join([say("here.nothing", **words), "", *table(rows)])


def _describe_laptop() -> str:
    """Return what can be done with an experiment that another computer computes."""
    head = say("here.experiment", version=__version__, folder=Path.cwd())
    words, command = _next_on_laptop()
    rows = [
        (str(DEFAULT_CONFIG), say("here.edit")),
        ("segmake check", say("here.check")),
        *((f"segmake remote {name}", say(f"help.remote.{name}")) for name in _OF_REMOTE),
        ("segmake --help", say("here.help")),
    ]
    return "\n".join([head, "", words, f"  {command}", "", say("here.all"), *table(rows)])


def _next_on_laptop() -> tuple[str, str]:
    if mistakes := _mistakes():
        return say("here.faulty", config=DEFAULT_CONFIG, number=mistakes), "segmake check"
    try:
        host = read_place(Path()).host
    except Problem:
        return say("here.unplaced"), "segmake remote setup"
    return say("here.placed", host=host), "segmake remote run"


def _mistakes() -> int:
    """Return how many mistakes the config has."""
    from segmake.config.load import load_config

    try:
        load_config(DEFAULT_CONFIG, images=False)
    except (Problem, Problems) as found:
        return len(found.problems) if isinstance(found, Problems) else 1
    return 0


def _next(profile: str) -> tuple[str, str]:
    """Return where the experiment is, and the command that comes next."""
    from segmake.outcome.status import is_over, results_of
    from segmake.plan.result_paths import ResultPaths

    results = results_of(DEFAULT_CONFIG)
    if not is_over(results):
        return say("here.running"), "segmake status --follow"
    if mistakes := _mistakes():
        return say("here.faulty", config=DEFAULT_CONFIG, number=mistakes), "segmake check"
    dry = f"snakemake --profile {profile} -n"
    if (report := results / "report.html").is_file():
        return say("here.reported", report=report), dry
    return say("here.begun" if ResultPaths(results).plan.is_file() else "here.ready"), dry


def profile_here() -> str:
    """Return the one of SegMake's profiles that is for this computer."""
    from segmake.slurm import commands as slurm

    return "slurm" if slurm.is_here() else "local"


def table(rows: list[tuple[str, str]]) -> list[str]:
    """Return a line for each command with what it does, in two columns."""
    width = max(len(command) for command, _ in rows)
    return [f"  {command:<{width}}  {words}" for command, words in rows]
