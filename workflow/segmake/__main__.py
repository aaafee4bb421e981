"""What the rules run, and what a user may run by hand: ``python -m segmake COMMAND``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from segmake.core.disk import disk_problem
from segmake.core.ended_runs import Origin, ended_runs
from segmake.core.files import error_line, open_own
from segmake.core.journal import Journal
from segmake.messages import Problem, Problems, say
from segmake.outcome import memory
from segmake.plan.plan import PLAN_VARIABLE, Plan, read_plan
from segmake.runner.run_step import AFTER, STEPS, discard, pending, run_step, write_outcome
from segmake.slurm.jobs import BEGAN

# So many images to a process at least, where several are at work: it takes seconds to start.
IMAGES_OF_A_PROCESS = 8


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and return its exit code: 0, or 1 after a message about what is wrong."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if options.run is _submit:
        options.snakemake = rest
        # They would be lost on what is read of the config here: the partition, the results folder.
        if any(word.split("=")[0] == "--config" or word.startswith("-C") for word in rest):
            parser.error(
                "submit does not take --config (-C): put it into a config file, and use --configfile FILE"
            )
    elif rest:
        parser.error(" ".join(rest))
    if "SLURM_JOB_ID" in os.environ and hasattr(options, "log"):
        # From Slurm's log of a job that failed, the main process sees that it got as far as this.
        print(BEGAN, file=sys.stderr)
    # What Slurm sends first when a job is cancelled or out of time, and Snakemake to its children.
    signal.signal(signal.SIGTERM, _end)
    try:
        return options.run(options) or 0
    except (Problem, Problems) as problem:
        print(problem, file=sys.stderr)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if failing := disk_problem(error, _place(options)):
            print(failing, file=sys.stderr)
            return 1
        # The log is for whoever has to find out; the user gets one sentence.
        with suppress(Problem), _Log(getattr(options, "log", None)) as log:
            log.write(traceback.format_exc())
        print(Problem("SM-RUN-001", error=error_line(error)), file=sys.stderr)
    return 1


def _place(options: argparse.Namespace) -> Path:
    """Return the folder that a command writes to."""
    plan = getattr(options, "plan", None)
    return plan.parents[1] if plan else getattr(options, "results", None) or Path()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    # A second signal would interrupt the writing of the journal.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m segmake", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for step in STEPS:
        command = commands.add_parser(step, help=f"{step} the images of one batch of the plan")
        command.add_argument("--batch", required=True)
        command.add_argument("--out", required=True, type=Path, help="table of what became of them")
        command.add_argument("--cpus", type=int, default=1, help="how many images at a time")
        command.set_defaults(run=_run_step, step=step)
        _add_common(command)
    script = commands.add_parser("script", help="do the runs of a user's script in one batch")
    script.add_argument("--name", required=True)
    script.add_argument("--batch", required=True)
    script.add_argument("--python", required=True, help="the Python of its environment")
    script.add_argument("--cpus", required=True, type=int, help="the cores of the job")
    script.add_argument("--out", required=True, type=Path, help="table of what became of them")
    script.set_defaults(run=_run_script)
    _add_common(script)
    join = commands.add_parser("join", help="join the tables that the runs of a script made")
    join.add_argument("--name", required=True)
    join.add_argument("--out", required=True, type=Path, help="file that says that it was done")
    join.set_defaults(run=_join)
    _add_common(join)
    tried = commands.add_parser("try-environment", help="import the packages of an environment")
    tried.add_argument("--name", required=True)
    tried.add_argument("--python", required=True, help="its Python")
    tried.set_defaults(run=_try_environment)
    _add_common(tried)
    model = commands.add_parser("check-model", help="download the model if needed, and load it")
    model.add_argument("--out", required=True, type=Path, help="record of its files")
    model.set_defaults(run=_check_model)
    _add_common(model)
    report = commands.add_parser("report", help="join the tables and write the report")
    report.add_argument(
        "--out", required=True, type=Path, help="file that says that it was written"
    )
    report.set_defaults(run=_write_report)
    _add_common(report)
    verify = commands.add_parser("verify", help="list the images that failed; exit 1 if any did")
    verify.set_defaults(run=_verify)
    _add_common(verify)
    status = commands.add_parser("status", help="say what the last run does, or how it ended")
    status.add_argument("--configfile", type=Path, default=Path("config/config.yaml"))
    status.add_argument("--results", type=Path, help="the results folder, if not the config's")
    status.add_argument(
        "--follow", action="store_true", help="say it again and again, until the run has ended"
    )
    status.set_defaults(run=_show_status)
    kept = commands.add_parser(
        "environments", help="list the environments that were made; export or remove some"
    )
    kept.add_argument("action", nargs="?", choices=("list", "export", "remove"), default="list")
    kept.add_argument(
        "names", nargs="*", metavar="NAME", help="of environments, as the list has them"
    )
    kept.add_argument("--configfile", type=Path, default=Path("config/config.yaml"))
    kept.add_argument("--results", type=Path, help="the results folder, if not the config's")
    kept.add_argument("--to", type=Path, metavar="FOLDER", help="export to this folder")
    kept.add_argument(
        "--unused", action="store_true", help="remove all that the config does not use"
    )
    kept.add_argument("--yes", action="store_true", help="remove without asking")
    kept.set_defaults(run=_show_environments)
    sent = commands.add_parser(
        "submit",
        help="run snakemake as a job of its own; takes its options",
        # Else snakemake's --config would be taken for --configfile.
        allow_abbrev=False,
    )
    sent.add_argument(
        "--configfile", "--configfiles", type=Path, default=Path("config/config.yaml")
    )
    sent.add_argument("--profile", default="slurm")
    sent.set_defaults(run=_submit)
    demo = commands.add_parser("demo-data", help="draw the pictures of the demo")
    demo.add_argument("folder", type=Path)
    demo.set_defaults(run=_draw_demo)
    return parser


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


def _run_step(options: argparse.Namespace) -> None:
    # The environment of the report has none of what the steps need.
    from segmake.engines import needs_gpu
    from segmake.steps.segmentation import forget, work_of

    plan = read_plan(options.plan)
    batch = plan.batches[options.batch]
    tasks = batch.tasks[options.step]
    with (
        _Log(options.log) as log,
        Journal(plan.folders.journal(options.step, batch.name)).locked() as journal,
    ):
        tell, detail = _speaker(log)
        # Libraries warn of things that a user can do nothing about.
        warnings.showwarning = lambda *warning: detail(warnings.formatwarning(*warning[:4]))
        ready = tasks
        if before := AFTER.get(options.step):
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
                if discard(task, journal, tell) and options.step == "masks":
                    forget(plan.folders, task.image)
        if left := pending(ready, journal):
            step = say(f"step.{options.step}")
            tell(say("step.start", step=step, batch=batch.name, number=len(left)))
            detail(f"Python {sys.version.split()[0]}: {sys.prefix}")
        gpu = options.step == STEPS[0] and needs_gpu(plan.settings)
        processes = min(options.cpus, len(left) // IMAGES_OF_A_PROCESS)
        origin = _origin(plan)
        try:
            if options.step != STEPS[0] and processes > 1:
                from segmake.steps.spread import Spread

                spread = Spread(options.step, options.plan, processes)
                run_step(ready, journal, spread, tell, detail, spread.line, origin)
                memory.note(plan.folders, batch.name, gpu=gpu)
                spread.close()
            else:
                work = work_of(options.step, plan, tell)
                run_step(ready, journal, work, tell, detail, origin=origin)
        finally:
            memory.note(plan.folders, batch.name, gpu=gpu)
        write_outcome(options.out, ready, journal)


def _origin(plan: Plan) -> Origin:
    return Origin(plan.name, ended_runs(plan.folders.runs))


def _run_script(options: argparse.Namespace) -> None:
    from segmake.plan.scripts import facts_in_job, journal_of
    from segmake.scripts.running.work import ScriptWork

    plan = read_plan(options.plan)
    journal = journal_of(plan.folders, options.name, options.batch)
    with _Log(options.log) as log, journal.locked():
        tell, detail = _speaker(log)
        keys = facts_in_job(plan)
        ready = []
        for task in plan.scripts[options.name].batches[options.batch]:
            if key := keys.key(options.name, task.image):
                ready.append(replace(task, key=key))
            else:
                # What it needs is not there: it waits for another run of SegMake, and has no results meanwhile.
                discard(task, journal, tell)
        _put_first(Path(options.python).parent)
        work = ScriptWork(plan, options.name, options.python, options.cpus)
        if left := pending(ready, journal):
            batch = {"batch": options.batch, "number": len(left)}
            tell(say("step.script", name=options.name, at_once=work.at_once, **batch))
            work.prepare()
        try:
            run_step(ready, journal, work, tell, detail, work.line, _origin(plan))
        finally:
            gpu = bool(plan.definitions[options.name].resources["gpu"])
            memory.note(plan.folders, f"{options.name}.{options.batch}", gpu=gpu)
        write_outcome(options.out, ready, journal)


def _join(options: argparse.Namespace) -> None:
    from segmake.scripts.results.results import join_tables

    plan = read_plan(options.plan)
    with _Log(options.log) as log:
        join_tables(plan, options.name, _speaker(log)[0])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.touch()


def _try_environment(options: argparse.Namespace) -> None:
    from segmake.environments.making.trial import try_environment

    try_environment(read_plan(options.plan), options.name, options.python, options.log)


def _check_model(options: argparse.Namespace) -> None:
    from segmake.engines import BUILTIN_MODELS, engine
    from segmake.engines.weights import note_content
    from segmake.steps.checked_model import write_record

    settings = read_plan(options.plan).settings["segmentation"]
    module = engine(settings["engine"])
    files = module.fetch(settings)
    # The machine that sends the jobs has no GPU, or one that is not for this.
    module.load({**settings, "gpu": False})
    if settings["model"] in BUILTIN_MODELS[settings["engine"]]:
        note_content(files)
    write_record(options.out, settings, files)


def _write_report(options: argparse.Namespace) -> None:
    from segmake.report.summary import write_summary

    write_summary(read_plan(options.plan))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for earlier in options.out.parent.iterdir():
        earlier.unlink(missing_ok=True)
    options.out.touch()


def _verify(options: argparse.Namespace) -> int:
    from segmake.outcome.image_rows import image_rows
    from segmake.outcome.last_words import describe_end
    from segmake.scripts.results.results import script_results

    plan = read_plan(options.plan)
    images, scripts = image_rows(plan), script_results(plan)
    failed = sum(row["state"] != "done" for row in images) + sum(s.runs - s.done for s in scripts)
    with _Log(options.log) as log:
        log.write(describe_end(plan, images, scripts) + "\n")
    return 1 if failed else 0


def _show_status(options: argparse.Namespace) -> None:
    from segmake.outcome.progress import LOOK_SECONDS
    from segmake.outcome.status import describe_status, is_over, results_of

    results = options.results or results_of(options.configfile)
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


def _show_environments(options: argparse.Namespace) -> int:
    from segmake.config.load import load_config
    from segmake.environments.making import kept_environments as kept

    config = load_config(options.configfile)
    results = options.results or Path(config.settings["results"])
    if options.action == "export":
        for name in options.names or list(config.settings["environments"]):
            for path in kept.export(name, results, options.to):
                print(say("kept.exported", path=path))
        return 0
    found = kept.find(config, results)
    if options.action == "list":
        print("\n".join(kept.table(found, config)) if found else say("kept.none"))
        return 0
    going = kept.chosen(found, options.names, unused=options.unused)
    if not going:
        print(say("kept.nothing_to_go"))
        return 0
    kept.refuse_while_used(going, results)
    if not kept.confirmed(going, config, yes=options.yes):
        print(say("kept.kept"))
        return 1
    for one in going:
        kept.remove(one)
        print(say("kept.removed", path=one.place))
    return 0


def _submit(options: argparse.Namespace) -> None:
    from segmake.cluster.submit import submit

    own = ["--profile", options.profile]
    if options.configfile != Path("config/config.yaml"):
        own += ["--configfile", str(options.configfile)]
    print(submit(options.configfile, [*own, *options.snakemake]))


def _draw_demo(options: argparse.Namespace) -> None:
    from segmake.demo.synthetic import write_demo_images

    write_demo_images(options.folder)


class _Log:
    """A log, or none; one that can't be written is no reason to end what it tells of."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                # Line by line, so that closing it has nothing left to write.
                self._file = open_own(path, "a", buffering=1, errors="backslashreplace")

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._file:
            with suppress(OSError):
                self._file.close()

    def write(self, text: str) -> None:
        """Add text."""
        if self._file:
            with suppress(OSError):
                self._file.write(text)
                self._file.flush()


def _put_first(folder: Path) -> None:
    """Put the commands of a script's environment first on the PATH, as activating it would."""
    if folder != Path(sys.executable).parent:
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _speaker(log: _Log) -> tuple[Callable[[str], None], Callable[[str], None]]:
    def detail(text: str) -> None:
        log.write(text + "\n")

    def tell(text: str) -> None:
        # A terminal that can't show a character gets its number, not a crash; a line is written in one piece,
        # since other jobs write to the same terminal.
        encoding = sys.stderr.encoding or "utf-8"
        with suppress(OSError):
            sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            sys.stderr.flush()
        detail(text)

    return tell, detail


if __name__ == "__main__":
    sys.exit(main())
