"""The commands that the rules run in their jobs, by the plan of the run."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from segmake.cli.log import Log, speaker
from segmake.core.declared_steps import MASKS, SEGMENT, STEPS
from segmake.core.ended_runs import Origin, ended_runs, note_failures
from segmake.core.files import folders_stay_open, listed
from segmake.core.journal import Journal
from segmake.messages import Problem, say
from segmake.outcome import memory
from segmake.plan.plan import Plan
from segmake.plan.written_plan import read_batch, read_outline, read_plan, read_script_batch
from segmake.runner.run_step import discard, pending, run_step, write_outcome
from segmake.runner.same_content import carry_over, carry_over_runs

# So many images to a process at least, where several are at work: it takes seconds to start.
IMAGES_OF_A_PROCESS = 8


def do_step(options: argparse.Namespace) -> None:
    """Do a step for the images of a batch that are not done yet, and write the table of what became of all of them."""
    # The environment of the report has none of what the steps need.
    from segmake.engines import needs_gpu
    from segmake.steps.work import forget, work_of

    plan = read_batch(options.plan, options.batch)
    batch = plan.batches[options.batch]
    tasks = list(batch.tasks[options.step])
    with (
        Log(options.log) as log,
        Journal(plan.folders.journal(options.step, batch.name)).locked() as journal,
        folders_stay_open(),
    ):
        tell, detail = speaker(log)
        # Libraries warn of things that a user can do nothing about.
        warnings.showwarning = lambda *warning: detail(warnings.formatwarning(*warning[:4]))
        ready = tasks
        segmented = None
        if before := STEPS[options.step].after:
            earlier = Journal(plan.folders.journal(before, batch.name))
            keys = {task.image: task.key for task in batch.tasks[before]}
            ready = [
                replace(task, source=earlier.record(task.image) or {})
                for task in tasks
                if earlier.is_done(task.image, keys[task.image])
            ]
            # What earlier runs made of images that have no mask now.
            named = {task.image for task in ready}
            for task in (task for task in tasks if task.image not in named):
                if discard(task, journal, tell) and options.step == MASKS:
                    forget(plan.folders, task.image)
            segmented = Journal(plan.folders.journal(SEGMENT, batch.name))
        model = str(plan.typed.segmentation.model)
        others = carry_over(ready, journal, segmented, model, plan.weights)
        if others and options.without_gpu:
            names = listed([task.image for task in others])
            raise Problem("SM-IMG-090", where=batch.name, number=len(others), names=names)
        doing = say(f"step.{options.step}")
        if left := pending(ready, journal):
            tell(say("step.start", step=doing, batch=batch.name, number=len(left)))
            detail(f"Python {sys.version.split()[0]}: {sys.prefix}")
        gpu = (
            options.step == SEGMENT
            and needs_gpu(plan.typed.segmentation)
            and not options.without_gpu
        )
        processes = min(options.cpus, len(left) // IMAGES_OF_A_PROCESS)
        origin = _origin(plan)
        try:
            if options.step != SEGMENT and processes > 1:
                from segmake.steps.spread import Spread

                spread = Spread(options.step, options.plan, batch.name, processes)
                run_step(ready, journal, spread, tell, detail, spread.line, origin, doing)
                memory.note(plan.folders, batch.name, gpu=gpu)
                spread.close()
            else:
                work = work_of(options.step, plan, tell)
                run_step(ready, journal, work, tell, detail, origin=origin, doing=doing)
        finally:
            memory.note(plan.folders, batch.name, gpu=gpu)
        write_outcome(options.out, ready, journal)


def _origin(plan: Plan) -> Origin:
    return Origin(plan.name, ended_runs(plan.folders.runs))


def do_script(options: argparse.Namespace) -> None:
    """Do the runs of a user's script that a batch has and that are not done yet, and write the table of all of them."""
    from segmake.plan.scripts import facts_in_job, journal_of
    from segmake.scripts.running.work import ScriptWork

    plan = read_script_batch(options.plan, options.name, options.batch)
    journal = journal_of(plan.folders, options.name, options.batch)
    with Log(options.log) as log, journal.locked():
        tell, detail = speaker(log)
        keys = facts_in_job(plan)
        ready = []
        for task in plan.scripts[options.name].batches[options.batch]:
            if key := keys.key(options.name, task.image):
                ready.append(replace(task, key=key))
            else:
                # What it needs is not there: it waits for another run of SegMake, and has no results meanwhile.
                discard(task, journal, tell)
        if plan.images_before:
            older = facts_in_job(plan, before=True)
            known = {task.image: older.key(options.name, task.image) or "" for task in ready}
            carry_over_runs([replace(task, before=known[task.image]) for task in ready], journal)
        _put_first(Path(options.python).parent)
        work = ScriptWork(plan, options.name, options.python, options.cpus)
        if left := pending(ready, journal):
            batch = {"batch": options.batch, "number": len(left)}
            tell(say("step.script", name=options.name, at_once=work.at_once, **batch))
            work.prepare()
        try:
            run_step(ready, journal, work, tell, detail, work.line, _origin(plan))
        finally:
            gpu = bool(plan.definitions[options.name].resources.gpu)
            memory.note(plan.folders, f"{options.name}.{options.batch}", gpu=gpu)
        write_outcome(options.out, ready, journal)


def join_results(options: argparse.Namespace) -> None:
    """Join the tables that the runs of a script made."""
    from segmake.scripts.results.results import join_tables

    plan = read_plan(options.plan)
    with Log(options.log) as log:
        join_tables(plan, options.name, speaker(log)[0])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.touch()


def try_packages(options: argparse.Namespace) -> None:
    """Import the packages of an environment, with its own Python."""
    from segmake.environments.making.trial import try_environment

    try_environment(read_outline(options.plan), options.name, options.python, options.log)


def check_model(options: argparse.Namespace) -> None:
    """Download the model if it is not here, load it, and note its files."""
    from segmake.engines import BUILTIN_MODELS, engine
    from segmake.engines.weights import note_content
    from segmake.steps.checked_model import write_record

    plan = read_outline(options.plan)
    own, settings = plan.typed.segmentation, plan.settings["segmentation"]
    module = engine(own.engine)
    files = module.fetch(settings)
    # The machine that sends the jobs has no GPU, or one that is not for this.
    module.load({**settings, "gpu": False})
    if own.model in BUILTIN_MODELS[own.engine]:
        note_content(files)
    write_record(options.out, settings, files)


def write_report(options: argparse.Namespace) -> None:
    """Write the tables and the report of the whole run."""
    from segmake.report.summary import write_summary

    write_summary(read_plan(options.plan))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for earlier in options.out.parent.iterdir():
        earlier.unlink(missing_ok=True)
    options.out.touch()


def list_failed(options: argparse.Namespace) -> int:
    """Say how the run ended, and return 1 if anything in it failed."""
    from segmake.outcome.last_words import describe_judged, judge, keep_last_words, read_told
    from segmake.scripts.results.results import script_results

    # The report has judged all images a moment ago.
    plan, told = read_told(options.plan)
    images, scripts = told or judge(plan)[1], script_results(plan)
    failed = images.failed + sum(script.runs - script.done for script in scripts)
    words = describe_judged(plan, images, scripts)
    with Log(options.log) as log:
        log.write(f"{words}\n")
    # A full disk is no failure of what is judged.
    with suppress(OSError, Problem):
        note_failures(plan.folders.runs, plan.name, failed)
        keep_last_words(plan, words)
    return 1 if failed else 0


def _put_first(folder: Path) -> None:
    """Put the commands of a script's environment first on the PATH, as activating it would."""
    if folder != Path(sys.executable).parent:
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
