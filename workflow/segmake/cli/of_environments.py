"""The commands ``segmake environment`` and ``segmake jupyter``: what is done with one environment, and with all."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segmake.messages import Problem, say

if TYPE_CHECKING:
    from segmake.core.config import Config
    from segmake.environments.making.kept_environments import Kept


def do_environment(options: argparse.Namespace) -> int:
    """Say how an environment is entered, make it, export it or remove it; without a name, list all that were made."""
    config, results = _config_and_results(options)
    if options.remove or options.unused:
        return _remove(config, results, options)
    if options.export or options.to:
        return _export(config, results, options.names, options.to)
    if options.make or options.names:
        return _show(config, options.names or list(config.typed.environments), options.make)
    return _list(config, results)


def do_environments(options: argparse.Namespace) -> int:
    """Do the same as it was typed before there was ``segmake environment``."""
    config, results = _config_and_results(options)
    if options.action == "export":
        return _export(config, results, options.names, options.to)
    if options.action == "remove":
        return _remove(config, results, options)
    return _list(config, results)


def _config_and_results(options: argparse.Namespace) -> tuple[Config, Path]:
    from segmake.config.load import load_config

    config = load_config(options.configfile, images=False, before=options.before)
    return config, options.results or Path(config.typed.results)


def _show(config: Config, names: Iterable[str], make: bool) -> int:
    """Say how environments are entered, made first if that is asked for."""
    from segmake.adapter.light_start import lighten

    lighten()
    from segmake.adapter import one_environment
    from segmake.environments.making.entering import describe

    for number, name in enumerate(names):
        entrance = one_environment.find(name, config, ask=make)
        if make:
            entrance = one_environment.make(entrance, config)
        print("\n" * bool(number) + "\n".join(describe(entrance)))
    return 0


def _list(config: Config, results: Path) -> int:
    from segmake.environments.making import kept_environments as kept

    found = kept.find(config, results)
    print("\n".join(kept.table(found, config)) if found else say("kept.none"))
    return 0


def _export(config: Config, results: Path, names: list[str], folder: Path | None) -> int:
    """Write the files of environments, of those that no run has made yet, too."""
    from segmake.adapter.light_start import lighten

    lighten()
    from segmake.adapter import one_environment
    from segmake.environments.making import kept_environments as kept

    own = config.typed.environments
    for name in names or own:
        file = one_environment.find(name, config).file if name in own else None
        paths = kept.export(name, results, folder, file)
        print("\n".join(say("kept.exported", path=path) for path in paths))
        if not any(path.name == kept.LOCK for path in paths):
            print(say("kept.no_lock", name=name))
    return 0


def _refuse_while_open(going: Iterable[Kept]) -> None:
    """Refuse to remove what a JupyterLab uses, be it on another machine.

    Raises
    ------
    Problem
        ``SM-ENV-054``
    """
    from segmake.jupyter.session import jobs_here, sessions

    places = {str(kept.place) for kept in going}
    for session in sessions():
        jobs = jobs_here() if session.job and places & set(session.uses) else {}
        if places & set(session.uses) and session.state(jobs) != "ended":
            who = f"segmake jupyter {session.name} ({session.job or session.process})"
            raise Problem("SM-ENV-054", who=who)


def _remove(config: Config, results: Path, options: argparse.Namespace) -> int:
    """Remove environments, and return 1 where none was after all."""
    from segmake.environments.making import kept_environments as kept

    found = kept.find(config, results)
    going = kept.chosen(found, options.names, unused=options.unused)
    if not going:
        print(say("kept.nothing_to_go"))
        return 0
    kept.refuse_while_used(going, results)
    _refuse_while_open(going)
    if not kept.confirmed(going, config, yes=options.yes):
        print(say("kept.kept"))
        return 1
    for one in going:
        kept.remove(one)
        print(say("kept.removed", path=one.place))
    return 0
