"""What ``segmake runs --json`` answers: the runs of an experiment, each with the settings that it had."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.answers.answer import Answer, answer, path_text, time_text
from segmake.config.again import differences
from segmake.messages import Problem, say
from segmake.outcome.past_runs import kept_config, past_runs
from segmake.plan.result_paths import ResultPaths

# More nobody looks through.
_MOST = 50


def runs_answer(results: Path, config: Path) -> Answer:
    """Return the runs of a results folder, the last one first.

    Parameters
    ----------
    results : Path
    config : Path
        The config of now, which those of the runs are compared with.

    Raises
    ------
    Problem
        ``SM-RUN-013`` if nothing was ever run there, ``SM-RUN-074`` if that was done by a version that noted no runs.
    """
    folders = ResultPaths(results)
    runs = past_runs(folders)[:_MOST]
    if not runs:
        code = "SM-RUN-074" if folders.plan.exists() else "SM-RUN-013"
        raise Problem(code, where=str(results), results=results)
    texts = {run.config: kept_config(folders, run.config) for run in runs}
    return answer(
        "runs",
        1,
        results=path_text(results),
        config=path_text(config),
        runs=[
            {
                "number": number,
                "began": time_text(run.began),
                "ended": time_text(run.ended),
                "how": run.how or None,
                "how_text": say(f"runs.{run.how or 'open'}"),
                "failed": run.failed,
                "settings": run.config if texts[run.config] is not None else None,
            }
            for number, run in enumerate(runs, 1)
        ],
        settings=settings_of(
            {name: text for name, text in texts.items() if text is not None}, config
        ),
    )


def settings_of(texts: dict[str, str], config: Path) -> dict[str, Any]:
    """Return texts of configs, each with what it says otherwise than the config of now."""
    found = {}
    for name, text in texts.items():
        # One that is being edited may be none at this moment.
        changed = None
        with suppress(OSError, ValueError, Problem):
            now = config.read_text(encoding="utf-8-sig")
            changed = [each._asdict() for each in differences(text, now)]
        found[name] = {"text": text, "differences": changed}
    return found


def text_of(told: Answer, number: int) -> str:
    """Return the config of one of the runs of an answer.

    Raises
    ------
    Problem
        ``SM-RUN-071`` if there is no such run, ``SM-RUN-072`` if its config is not known.
    """
    run = next((each for each in told["runs"] if each["number"] == number), None)
    if run is None:
        raise Problem("SM-RUN-071", where=str(number), number=number, last=len(told["runs"]))
    if run["settings"] not in told["settings"]:
        began = run["began"][:16].replace("T", " ")
        raise Problem("SM-RUN-072", where=str(number), began=began)
    return str(told["settings"][run["settings"]]["text"])


def in_words(told: Answer) -> list[str]:
    """Return the runs of an answer as a terminal shows them."""
    lines = []
    for run in told["runs"]:
        began = (run["began"] or "")[:16].replace("T", " ")
        how = run["how_text"]
        if run["failed"]:
            how = say("runs.failed", how=how, number=run["failed"])
        lines.append(f"{run['number']:>3}  {began}  {how}")
        lines += [f"     {line}" for line in _compared(told["settings"].get(run["settings"]))]
    return lines


def _compared(settings: dict[str, Any] | None) -> list[str]:
    """Return in words what the settings of a run were, beside those of now."""
    if settings is None:
        return [say("runs.unknown")]
    if settings["differences"] is None:
        return [say("runs.unread")]
    none = say("edit.not_set")
    return [
        say("runs.differs", name=each["name"], then=each["then"] or none, now=each["now"] or none)
        for each in settings["differences"]
    ] or [say("runs.same")]
