"""The commands that show what is there, to users and to those who help them: jobs, images, the cluster, a help file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.core.files import natural_key, on_screen, write_atomically
from segmake.messages import Problem, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segmake.look.many_files import Looks
    from segmake.look.trial import Trial


def show_job_scripts(options: argparse.Namespace) -> int:
    """Show what would be handed to sbatch for each kind of job, or write it to a folder; no job is sent."""
    from segmake.cluster.job_scripts import head, job_scripts
    from segmake.cluster.submit import snakemake_options
    from segmake.config.load import load_config

    path, folder, before = options.configfile, options.to, options.before
    words = snakemake_options("slurm", path, before)
    scripts = job_scripts(load_config(path, before=before), words)
    if folder is None:
        named = (f"# ----- {name}\n{text}" for name, text in scripts.items())
        print("\n".join([head(path, scripts), "", *named]))
        return 0
    try:
        for name, text in scripts.items():
            with write_atomically(folder / name) as part:
                part.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        reason = error.strerror or str(error)
        raise Problem("SM-CLU-055", where=str(folder), folder=folder, error=reason) from None
    print(say("jobs.written", number=len(scripts), folder=folder))
    return 0


def write_helpfile(options: argparse.Namespace) -> None:
    """Write one file to hand to whoever helps, and say what is in it."""
    from segmake.helpfile.archive import write_helpfile as write
    from segmake.outcome.status import results_of
    from segmake.updates.space import shown_bytes

    configs = (*options.before, options.configfile)
    results = options.results or results_of(options.configfile, options.before)
    file = write(configs, results, options.to, print)
    print(say("help.written", file=file.absolute(), size=shown_bytes(file.stat().st_size)))


def look(options: argparse.Namespace) -> int:
    """Say what images hold: in a table, or as a line of JSON for each as soon as it was looked at."""
    from segmake.answers.answer import write
    from segmake.answers.look import look_answers
    from segmake.look.many_files import Looks

    looks = Looks(
        options.place,
        draw=options.draw,
        pictures=options.pictures,
        channel=options.channel or "",
        include=options.include,
        pattern=options.pattern,
    )
    if options.json:
        return max(map(write, look_answers(looks)))
    return _show_table(looks)


def _show_table(looks: Looks) -> int:
    from segmake.look.table import rows, told

    faulty = 0
    pictures = None
    seen = sorted(looks.each(), key=lambda look: natural_key(look.name))
    print("\n".join(rows(seen)))
    for look in seen:
        pictures = look.picture or pictures
        faulty += bool(look.problems)
        for problem in (*look.problems, *look.warnings):
            print(told(problem))
    print(say("look.sum", files=len(seen), faulty=faulty, left_out=len(looks.others)))
    if pictures:
        print(say("look.pictures", folder=on_screen(str(pictures.parent))))
    if looks.not_kept:
        print(told(looks.not_kept))
    return int(faulty > 0)


def try_settings(options: argparse.Namespace) -> int:
    """Draw one picture, and find its cells with the settings of the config; no result of a run is touched."""
    from segmake.look.trial import seen, tried

    settings = _settings_for(options.configfile, options.before)
    drawn = seen(options.image.absolute(), settings["images"], options.position, options.time)
    found = () if options.picture else tried(drawn, settings["images"], settings["segmentation"])
    return _tell_trial([drawn], json=options.json) or _tell_trial(found, json=options.json)


def _settings_for(path: Path, before: Sequence[Path]) -> dict[str, Any]:
    from segmake.config.load import load_config

    return load_config(path, images=False, before=before).settings


def _tell_trial(steps: Iterable[Trial], *, json: bool) -> int:
    if json:
        from segmake.answers.answer import write
        from segmake.answers.trial import trial_answers

        return max(map(write, trial_answers(steps)), default=0)
    from segmake.messages.numbers import significant

    for step in steps:
        size = significant(step.diameter) if step.diameter else "-"
        names = {"cells": step.cells, "diameter": size, "outlines": step.outlines}
        print(say(f"try.{step.state}", picture=step.picture, channel=step.channel, **names))
        if step.estimated:
            print(say("try.estimated", size=significant(step.estimated)))
    return 0


def show_cluster(options: argparse.Namespace) -> int:
    """Say what the cluster has, and what the user has there."""
    if options.json:
        from segmake.answers.answer import write
        from segmake.answers.cluster import cluster_answer

        return write(cluster_answer())
    from segmake.cluster.table import describe
    from segmake.cluster.watched import watched

    known = watched()
    print(describe(known))
    if known["error"]:
        raise Problem("SM-CLU-001", error=known["error"])
    return 0
