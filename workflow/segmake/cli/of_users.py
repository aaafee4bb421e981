"""The commands that users run by hand: each loads only what it needs, so that it answers at once."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from segmake.messages import Problem, Problems, language, say

# The profile of a computer by itself.
LOCAL = "local"


def show_here(options: argparse.Namespace) -> None:
    """Say what can be done in this folder."""
    from segmake.cli.here import describe_here

    print(describe_here())


def check(options: argparse.Namespace) -> int:
    """Say that a config can be used, as far as the file and its folders tell; else raise all that is wrong with it."""
    from segmake.answers.check import check_answer, checked
    from segmake.remote.remembered import FILE as PLACE

    path, before = options.configfile, options.before
    here = not (path.absolute().parent.parent / PLACE).exists()
    if options.json:
        from segmake.answers.answer import write

        return write(check_answer(path, here=here, before=before))
    found = checked(path, here=here, before=before)
    for problem in found.warnings:
        print(problem)
    if found.problems:
        raise Problems(found.problems)
    environments = any(problem.code.startswith("SM-ENV") for problem in found.warnings)
    others = "check.asked" if found.warnings else "check.fine"
    print(say("check.usable" if environments else others, path=path))
    if found.absent:
        print(say("check.absent", folders=", ".join(found.absent)))
    return 0


def get(options: argparse.Namespace) -> int:
    """Say what counts for a setting, or all that are not at their defaults."""
    path, key, before = options.configfile, options.key, options.before
    if options.json:
        from segmake.answers.answer import write
        from segmake.answers.settings import get_answer

        return write(get_answer(path, key, before))
    from segmake.config.in_force import described_changes, shown_value

    if key:
        print(shown_value(path, key, before))
    else:
        print(described_changes(path, before) or say("edit.at_defaults", path=path))
    return 0


def edit(options: argparse.Namespace) -> int:
    """Set settings of a config, and say what has changed."""
    from segmake.config.edit import DEFAULT, set_values
    from segmake.config.typed_values import typed_value

    words, back = options.words, options.default
    if back == []:
        words, back = [], options.words
    if not words and not back:
        usage = options.parser.usage_line()
        options.parser.refuse("SM-CMD-003", names=say("help.KEY_VALUE"), usage=usage)
    if len(words) % 2:
        options.parser.refuse("SM-EDT-009", words=" ".join(words))
    pairs = zip(words[::2], words[1::2], strict=True)
    values = {key: typed_value(key, text) for key, text in pairs}
    values |= dict.fromkeys(back or (), DEFAULT)
    path = options.configfile
    changes = set_values(path, values, force=options.force, before=options.before)
    if options.json:
        from segmake.answers.answer import write
        from segmake.answers.settings import set_answer

        return write(set_answer(path, changes))
    for change in changes:
        none = say("edit.not_set")
        sides = {"before": change.before or none, "after": change.after or none}
        if change.earlier:
            earlier = {"value": change.earlier, "where": change.earlier_where}
            sides["before"] = say("edit.earlier", **earlier)
        print(say("edit.changed", name=change.name, where=change.where, **sides))
    if not changes:
        print(say("edit.same", path=path))
    return 0


def show_runs(options: argparse.Namespace) -> int:
    """Say which runs there were, and with which settings; take up those of one of them again."""
    from segmake.answers.runs import runs_answer
    from segmake.outcome.status import results_of

    results = options.results or results_of(options.configfile)
    return tell_runs(runs_answer(results, options.configfile), options)


def tell_runs(told: dict[str, Any], options: argparse.Namespace) -> int:
    """Show the runs of an answer, or take up the settings of one of them."""
    from segmake.answers import runs
    from segmake.answers.answer import write
    from segmake.config.again import as_before, differences
    from segmake.config.edit import save

    path = options.configfile
    if options.again is None:
        if options.json:
            return write(told)
        print("\n".join([*runs.in_words(told), "", say("runs.again_with")]))
        return 0
    plan = as_before(path, runs.text_of(told, options.again))
    changed = differences(plan.before.decode("utf-8-sig"), plan.text)
    if changed:
        save(path, plan, force=options.force)
    none = say("edit.not_set")
    for each in changed:
        names = {"name": each.name, "where": path}
        print(say("edit.changed", before=each.then or none, after=each.now or none, **names))
    if not changed:
        print(say("edit.same", path=path))
    return 0


def new(options: argparse.Namespace) -> None:
    """Make the folder of an experiment, or list the examples."""
    if options.lang:
        os.environ["SEGMAKE_LANG"] = options.lang
    if options.examples:
        from segmake.experiment.examples import list_examples

        print(list_examples())
        return
    usage = options.parser.usage_line()
    if not options.folder:
        options.parser.refuse("SM-CMD-003", names=say("help.FOLDER"), usage=usage)
    if options.other and options.example:
        options.parser.refuse("SM-CMD-011", option="--from", other="--example", usage=usage)
    from segmake.experiment.new import make_experiment
    from segmake.experiment.recent import note

    told = make_experiment(
        options.folder,
        language(),
        images=options.images,
        other=options.other,
        simulation=options.simulation,
        example=options.example,
    )
    note(options.folder)
    print(told)


def show_plan(options: argparse.Namespace) -> int:
    """Say what a run would do, and with which settings; nothing is written, and no job is sent."""
    path, before = options.configfile, options.before
    if options.slurm or options.to:
        from segmake.cli.of_looking import show_job_scripts

        return show_job_scripts(options)
    if options.json:
        from segmake.answers.answer import write
        from segmake.answers.plan import plan_answer

        on_cluster = options.profile != LOCAL
        return write(plan_answer(path, on_cluster=on_cluster, before=before))
    from segmake.adapter.foreseen import foresee
    from segmake.config.sources import described
    from segmake.plan.described import describe

    on_cluster = options.profile != LOCAL
    found = foresee(path, on_cluster=on_cluster, before=before)
    plan = found.plan
    print(describe(plan))
    if plan.batches:
        print(say("plan.batches", number=len(plan.batches), open=len(plan.open_batches)))
    if on_cluster:
        lines = [say("plan.settings"), *described(plan.settings, plan.sources)]
    else:
        own = {key: value for key, value in plan.settings.items() if key != "cluster"}
        lines = [say("plan.settings_here"), *described(own, plan.sources, ())]
    print("\n".join(["", *lines]))
    for problem in found.warnings:
        print(f"\n{problem}")
    if found.refusals:
        print("\n".join(["", say("plan.refused"), *map(str, found.refusals)]))
    return int(bool(found.refusals))


def show_status(options: argparse.Namespace) -> None:
    """Say what the last run does or did, with ``--follow`` until it has ended."""
    from segmake.outcome.progress import LOOK_SECONDS
    from segmake.outcome.status import describe_status, is_over, results_of

    results = options.results or results_of(options.configfile, options.before)
    if options.json:
        from segmake.answers.answer import write
        from segmake.answers.status import status_answer

        while write(status_answer(results)) == 0 and options.follow and not is_over(results):
            time.sleep(LOOK_SECONDS)
        return
    while True:
        # Asked first: what is said then is how a run that is over ended.
        last = not options.follow or is_over(results)
        try:
            print(describe_status(results))
        except Problem as problem:
            # A run that was just sent has written nothing yet.
            if last:
                raise
            print(problem)
        if last:
            return
        time.sleep(LOOK_SECONDS)
        print()


def send(options: argparse.Namespace) -> None:
    """Send the main process of a run as a job, with Snakemake's options."""
    from segmake.cluster.submit import snakemake_options, submit

    path, before = options.configfile, options.before
    own = snakemake_options(options.profile, path, before)
    print(submit(path, [*own, *options.snakemake], before))


def draw_demo(options: argparse.Namespace) -> None:
    """Draw the pictures of the demo."""
    from segmake.demo.synthetic import write_demo_images

    drawn = write_demo_images(options.folder)
    print(say("example.images", number=len(drawn), folder=options.folder))


def space(options: argparse.Namespace) -> int:
    """Say what takes room, or delete what the user names of it."""
    from segmake.updates import space as room

    if options.delete:
        return room.delete(options.folder, options.delete, yes=options.yes)
    print(room.describe(options.folder))
    return 0


def uninstall(options: argparse.Namespace) -> int:
    """Remove what SegMake put on this computer outside of experiments."""
    from segmake.updates.uninstall import uninstall as go

    return go(yes=options.yes, models=options.models)


def update(options: argparse.Namespace) -> int:
    """Bring SegMake to a newer version or back; or say what is new, or take over the settings of a config."""
    from segmake.updates import update as updates

    if options.go_on:
        return updates.go_on()
    if options.settings:
        print(updates.take_settings(options.settings))
        return 0
    if options.check:
        print(updates.check())
        return 0
    return updates.update(yes=options.yes, back=options.back)
