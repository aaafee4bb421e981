"""The command ``segmake jupyter``: JupyterLab with an environment, opened, listed and stopped."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

from segmake.messages import Problem, say
from segmake.messages.numbers import finite, hours_of

if TYPE_CHECKING:
    from segmake.core.config import Config
    from segmake.jupyter.opening import Opened
    from segmake.jupyter.starting import Asked

# The environment in which SegMake itself runs.
MAIN = "main"


def do_jupyter(options: argparse.Namespace) -> int:
    """Open JupyterLab with an environment; or list what is open, or stop it."""
    action, *names = options.words or ["list"]
    if action not in ("list", "stop"):
        names = options.words
    if len(names) > 1 or (action == "list" and names):
        options.parser.refuse_words(names[-1:])
    if action == "list":
        return _list(options)
    if action == "stop":
        return _stop(names, options)
    return _open(names[0], options)


def _open(name: str, options: argparse.Namespace) -> int:
    from segmake.jupyter.opening import open_lab

    asked = _asked(options)
    if options.json:
        # A program asks again; it is told nothing but the answer.
        with redirect_stderr(io.StringIO()):
            try:
                environment = _environment(name, options)
            except SystemExit:
                # Whatever makes it has said why, to nobody.
                raise Problem("SM-ENV-078", name=name) from None
            opened = open_lab(name, *environment, asked, wait=False)
        return _answer([opened])
    opened = open_lab(name, *_environment(name, options), asked)
    print("\n".join(_described(opened)))
    return 0


def _environment(name: str, options: argparse.Namespace) -> tuple[Path, dict]:
    """Return the Python of an environment, made if need be, and the settings of the config."""
    from segmake.config.load import load_config

    config = load_config(options.configfile, images=False, before=options.before)
    results = options.results or Path(config.typed.results)
    return _python(name, config, results), config.settings


def _python(name: str, config: Config, results: Path) -> Path:
    if name in config.typed.environments:
        from segmake.adapter.light_start import lighten

        lighten()
        from segmake.adapter import one_environment

        entrance = one_environment.find(name, config, ask=True)
        return one_environment.make(entrance, config).python
    if name == MAIN:
        return Path(sys.executable)
    there = dict(_of_segmake(config, results))
    if name in there:
        return there[name]
    known = ", ".join(sorted({*config.typed.environments, MAIN, *there}))
    raise Problem("SM-JUP-007", name=name, known=known)


def _of_segmake(config: Config, results: Path) -> Iterator[tuple[str, Path]]:
    """Yield the environments of engines and steps that are there, with their Pythons."""
    from segmake.core import installation
    from segmake.environments.making.kept_environments import ENGINES, find

    own = {file.stem for file in ENGINES.glob("*.yaml")}
    for kept in find(config, results):
        if kept.name in own:
            yield kept.name, kept.place / "bin" / "python"
    for name in own:
        if (python := installation.environments() / name / "bin" / "python").exists():
            yield name, python


def _list(options: argparse.Namespace) -> int:
    from segmake.jupyter.opening import found

    there = found()
    if options.json:
        return _answer(there)
    if not there:
        print(say("jupyter.none"))
        return 0
    for number, opened in enumerate(there):
        print("\n" * bool(number) + "\n".join(_described(opened)))
    return 0


def _stop(names: list[str], options: argparse.Namespace) -> int:
    """End the session of an environment of this experiment; without a name, all of this experiment."""
    from segmake.jupyter.opening import found, stop

    of_user = [opened.session for opened in found()]
    here = [one for one in of_user if Path(one.experiment) == Path.cwd()]
    going = [one for one in here if not names or one.name in names]
    if not going:
        known = ", ".join(f"{one.name} ({one.experiment})" for one in of_user)
        raise Problem(
            "SM-JUP-008",
            remedy=say("jupyter.elsewhere", known=known) if known else say("jupyter.none"),
        )
    for session in going:
        stop(session)
        if not options.json:
            print(say("jupyter.stopped", name=session.name))
    return _answer(found()) if options.json else 0


def _answer(there: list[Opened]) -> int:
    from segmake.answers.answer import write
    from segmake.answers.jupyter import jupyter_answer

    return write(jupyter_answer(there))


def _asked(options: argparse.Namespace) -> Asked:
    """Return what is asked of the cluster, and refuse what is no number of its kind."""
    from segmake.jupyter.starting import Asked

    def number(option: str, kind: str, least: float) -> float | None:
        written = getattr(options, option)
        if written is None:
            return None
        value = hours_of(written) if kind == "hours" else _number(written)
        whole = kind == "integer"
        if value is None or value < least or (whole and value != int(value)):
            _refuse(option, kind)
        return value

    def _refuse(option: str, kind: str) -> None:
        value = f'"{getattr(options, option)}"'
        usage = options.parser.usage_line()
        words = {"value": value, "allowed": say(f"allowed.{kind}"), "usage": usage}
        options.parser.refuse("SM-CMD-005", option=f"--{option.replace('_', '-')}", **words)

    gpus, cpus = number("gpus", "integer", 0), number("cpus", "integer", 1)
    return Asked(
        gpus=None if gpus is None else int(gpus),
        memory_gb=number("memory_gb", "number", 1 / 1024),
        hours=number("hours", "hours", 1 / 60),
        cpus=None if cpus is None else int(cpus),
        partition=options.partition,
    )


def _number(written: str) -> float | None:
    try:
        return finite(float(written.replace(",", ".")))
    except ValueError:
        return None


def _described(opened: Opened) -> list[str]:
    """Return the lines that say where a JupyterLab is, how it is reached and how it ends."""
    from segmake.jupyter import way
    from segmake.jupyter.opening import clock

    session = opened.session
    values = {"name": session.name, "experiment": session.experiment, "job": session.job}
    if opened.state != "running":
        words = say(
            f"jupyter.{opened.state}_now", reason=opened.reason or say("jupyter.queued"), **values
        )
        return [words, say("jupyter.stop"), f"  {_stop_command(opened)}"]
    node = opened.node or "-"
    lines = [say("jupyter.in_job" if session.job else "jupyter.here", node=node, **values)]
    if opened.ends:
        lines.append(say("jupyter.until", until=clock(opened.ends)))
    if opened.port is None:
        return [*lines, say("jupyter.no_way"), f"  segmake jupyter {session.name}"]
    if command := way.forwarding(opened.port):
        lines += [say("jupyter.on_your_computer"), f"  {command}", say("jupyter.open")]
    else:
        lines.append(say("jupyter.open_here"))
    return [*lines, f"  {opened.url}", say("jupyter.stop"), f"  {_stop_command(opened)}"]


def _stop_command(opened: Opened) -> str:
    return f"segmake jupyter stop {opened.session.name}"
