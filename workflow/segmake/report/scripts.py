"""What the report shows of the users' own scripts: how their runs went, what failed, and what they made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segmake.environments.wanted import git_packages
from segmake.messages import joined, say
from segmake.messages.numbers import brief, duration, number
from segmake.report.parts import href, inside, shown, shown_lines
from segmake.scripts.results.outcome import (
    Failure,
    ScriptResults,
    listed,
    said_of_inputs,
    same_words,
)

PICTURES_LIMIT = 24
# Of a run that made many pictures, so many are shown before runs are left out.
PICTURES_OF_A_RUN = 4
LONGEST_PICTURE = 480
# The last lines of so many logs are on the page; the others are linked.
LOGS_LIMIT = 100
# So many failed runs of a script are named: the page stays small whatever their number.
NAMES_LIMIT = 2000
NAMES_IN_A_NOTE = 3
SCRIPTS_IN_VERDICT = 3

SINGLE = ("dataset", "once")


def describe_scripts(scripts: Sequence[ScriptResults]) -> list[dict[str, Any]]:
    """Return what the template shows of each script, in the order given."""
    return [_described(script, place) for place, script in enumerate(scripts, start=1)]


def verdict_with_scripts(
    verdict: Mapping[str, Any] | None, scripts: Sequence[ScriptResults]
) -> dict[str, Any]:
    """Return the sentence at the top of the page, with what became of the scripts.

    Parameters
    ----------
    verdict : mapping or None
        ``kind`` (``"good"``, ``"mixed"`` or ``"bad"``) and ``text`` on the images, and whether any ``failed``; None if
        there are none.
    scripts : sequence of ScriptResults
        At least one.
    """
    complete = all(script.done == script.runs for script in scripts)
    if verdict is None:
        runs, done = sum(script.runs for script in scripts), sum(script.done for script in scripts)
        kind = "good" if complete else "mixed" if done else "bad"
        words = "all_done" if complete else "some_done" if done else "none_done"
        first = say(f"report.scripts.verdict.{words}", done=number(done), runs=number(runs))
    else:
        kind, first = verdict["kind"], verdict["text"]
        kind = "mixed" if kind == "good" and not complete else kind
    # That images failed is said with where the reason is, and leaves runs without what they need.
    told = verdict is not None and bool(verdict["failed"])
    return {"kind": kind, "text": " ".join([first, *_said_of_runs(scripts, told=told)])}


def _said_of_runs(scripts: Sequence[ScriptResults], *, told: bool) -> list[str]:
    failed = [_short(script, len(script.failures)) for script in scripts if script.failures]
    if failed:
        names = listed(failed, SCRIPTS_IN_VERDICT)
        words = say("report.scripts.verdict.failed", number=len(failed), names=names)
        return [words] if told else [words, say("report.scripts.verdict.below")]
    waiting = [_short(script, left) for script in scripts if (left := _not_run(script))]
    if told or not waiting:
        return []
    return [say("report.scripts.verdict.waiting", names=listed(waiting, SCRIPTS_IN_VERDICT))]


def script_tiles(scripts: Sequence[ScriptResults], elapsed: float | None) -> list[dict[str, str]]:
    """Return the big numbers of a page without images: runs done, failed, not made, and the time."""
    runs, done = sum(script.runs for script in scripts), sum(script.done for script in scripts)
    failed = sum(len(script.failures) for script in scripts)
    waiting = sum(map(_not_run, scripts))
    if elapsed is None:
        elapsed = sum((script.seconds or 0) * script.done for script in scripts)
    rows = [
        ("done", number(done), say("report.tile.done.of", n=number(runs)), "good" if done else ""),
        ("failed", number(failed), _remark(failed), "bad" if failed else ""),
        ("waiting", number(waiting), "", ""),
    ]
    tiles = [
        {
            "label": say(f"report.scripts.tile.{name}", n=value),
            "value": value,
            "remark": remark,
            "kind": kind,
        }
        for name, value, remark, kind in rows
    ]
    time = {"label": say("report.tile.time"), "value": duration(elapsed), "remark": "", "kind": ""}
    return [*tiles, time]


def _remark(failed: int) -> str:
    return say("report.tile.failed.below" if failed else "report.tile.failed.none")


def _described(script: ScriptResults, place: int) -> dict[str, Any]:
    failed, groups = len(script.failures), _groups(script)
    pictures, of_pictures = _gallery(script)
    fragment, of_fragment = _fragment(script)
    return {
        "id": f"script-{place}",
        "name": shown(script.name),
        "file": shown(script.file),
        "state": _state(script),
        "evidence": _evidence(script),
        "failed": failed,
        "failed_words": _short(script, failed, alone=True),
        "first_message": groups[0]["message"] if failed else "",
        "folder": (shown(script.folder) + "/", href(script.folder) + "/"),
        "tables": [(shown(Path(table).name), href(table)) for table in script.tables],
        "environments": [
            (
                shown(name),
                href(f"environments/history/{name}.txt"),
                _from_git(script.results / "environments" / "history" / f"{name}.txt"),
            )
            for name in script.environments
        ],
        "failures": groups,
        "logs": f"logs/scripts/{shown(script.name)}/",
        "not_named": failed - sum(len(group["runs"]) for group in groups),
        "pictures": pictures,
        "pictures_notes": of_pictures,
        "fragment": fragment,
        "fragment_notes": of_fragment,
    }


def _from_git(kept: Path) -> str:
    """Return which commits of git repositories are in an environment, in words."""
    return joined(
        say("history.commit", package=one.name, commit=one.commit, address=shown(one.place))
        for one in git_packages.read_file(kept)
    )


# How the runs went


def _not_run(script: ScriptResults) -> int:
    gone = script.evidence.gone
    return max(script.waiting, script.runs - script.done - len(script.failures) - gone, 0)


def _state(script: ScriptResults) -> list[tuple[str, str]]:
    """Return what became of the runs, in pieces, each with the look that it has."""
    if script.kind in SINGLE and script.runs <= 1:
        return [_state_of_one(script), *_state_of_inputs(script)]
    unit = "image" if script.kind == "image" else "run"
    failed, waiting = len(script.failures), script.waiting
    left = script.runs - script.done - failed - waiting - script.evidence.gone
    numbers = {"done": number(script.done), "runs": number(script.runs)}
    look = "good" if script.runs and script.done == script.runs else ""
    pieces = [(say(f"report.scripts.done.{unit}", **numbers), look)]
    for count, section, look in (
        (failed, "report.scripts.failed", "bad"),
        (waiting, "report.scripts.waiting", "mixed"),
        (left, "report.scripts.left", "mixed"),
    ):
        if count > 0:
            pieces.append((say(section, n=number(count)), look))
    pieces += [(script.each, "")] if script.each else []
    pieces += _state_of_inputs(script)
    if script.seconds is not None and script.done:
        pieces.append((say(f"report.scripts.seconds.{unit}", time=duration(script.seconds)), ""))
    return pieces


def _state_of_inputs(script: ScriptResults) -> list[tuple[str, str]]:
    return [(words, "mixed") for words in said_of_inputs(script)]


def _evidence(script: ScriptResults) -> list[tuple[str, str]]:
    """Return what is known of what the runs took and made, in pieces, each with the look that it has."""
    found, pieces = script.evidence, []
    if found.judged:
        numbers = {"opened": number(found.opened), "judged": number(found.judged)}
        look = "" if found.opened == found.judged else "mixed"
        pieces.append((say("report.scripts.evidence.opened", **numbers), look))
    if found.files:
        sizes = {"files": number(found.files), "size": brief(found.bytes / 1000)}
        pieces.append((say("report.scripts.evidence.made", **sizes), ""))
    if script.ignored:
        pieces.append((say(f"script.ignored.{script.ignored}"), "mixed"))
    if script.strays:
        files = listed([shown(name) for name in script.strays], NAMES_IN_A_NOTE)
        words = say("script.strays", number=number(len(script.strays)), files=files)
        pieces.append((words, "bad"))
    for count, section in (
        (found.nothing, "report.scripts.evidence.nothing"),
        (found.same, "report.scripts.evidence.same"),
        (found.gone, "report.scripts.evidence.gone"),
    ):
        if count:
            words = say(section, number=number(count), done=number(found.noted))
            pieces.append((words, "bad" if section.endswith("gone") else "mixed"))
    return pieces


def _state_of_one(script: ScriptResults) -> tuple[str, str]:
    if script.failures:
        return say("report.scripts.one.failed"), "bad"
    if not script.done:
        return say("report.scripts.one.waiting"), "mixed"
    if script.seconds is None:
        return say("report.scripts.one.done"), "good"
    return say("report.scripts.one.done_in", time=duration(script.seconds)), "good"


def _short(script: ScriptResults, count: int, *, alone: bool = False) -> str:
    """Return a script's name and of how many of its runs something is said; `alone`: the numbers only."""
    if script.runs <= 1:
        return "" if alone else shown(script.name)
    unit = "image" if script.kind == "image" else "run"
    numbers = say(f"report.scripts.of.{unit}", n=number(count), runs=number(script.runs))
    return numbers if alone else f"{shown(script.name)} ({numbers})"


# What failed


def _groups(script: ScriptResults) -> list[dict[str, Any]]:
    """Return the failed runs by what is wrong with them, the most frequent first, and as many as have room named."""
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in script.failures:
        message = _without_log(failure.message, failure, script) or say("report.failed.unknown")
        groups.setdefault((failure.code, message), []).append(failure)
    found: list[dict[str, Any]] = []
    logs, room = LOGS_LIMIT, NAMES_LIMIT
    for (code, message), all_failures in sorted(groups.items(), key=lambda group: -len(group[1])):
        if not (failures := all_failures[:room]):
            break
        # Of many that say the same, the words of the first one are enough.
        first = {id(each[0]) for each in same_words(failures)}
        remedies = [_without_log(failure.remedy, failure, script) for failure in failures]
        common = len(set(remedies)) == 1
        runs = [
            _failed_run(
                failure,
                "" if common else remedy,
                with_log=place < logs and id(failure) in first,
            )
            for place, (failure, remedy) in enumerate(zip(failures, remedies, strict=True))
        ]
        logs, room = logs - len(failures), room - len(failures)
        remedy = remedies[0] if common else ""
        known = {"code": code, "message": message, "remedy": remedy}
        found.append({**known, "number": len(all_failures), "runs": runs})
    return found


def _without_log(text: str, failure: Failure, script: ScriptResults) -> str:
    """Return a text that says the same of every run: the path of the log, which is linked, is not in it."""
    if not failure.log:
        return text
    here = say("report.scripts.log.here")
    whole = text.replace(str(script.results / failure.log), here)
    return re.sub(rf"[^\s\"'`]*{re.escape(failure.log)}", lambda _: here, whole)


def _failed_run(failure: Failure, remedy: str, *, with_log: bool) -> dict[str, str]:
    again = say("report.failed.attempt", n=failure.attempt) if failure.attempt > 1 else ""
    said = shown_lines(failure.said) if with_log else ""
    return {
        "name": shown(failure.run),
        "attempt": again,
        "remedy": remedy,
        "said": said,
        "last": said.strip().rpartition("\n")[2].strip(),
        "log": href(failure.log),
    }


# What was made


def _fragment(script: ScriptResults) -> tuple[str, list[tuple[str, str, str]]]:
    """Return the script's own text for the report, and notes on it: sentence, name and link of a file."""
    if script.section is None:
        return "", []
    # Jobs on other nodes know this module, but have no sanitiser.
    from segmake.report.fragment import LONGEST_TEXT, read_fragment

    name, link = _file(script.section, script)
    folder = script.results / script.folder
    fragment = read_fragment(script.section, folder=folder, results=script.results)
    if fragment is None:
        return "", [(say("report.scripts.section.unread"), name, link)]
    notes = []
    if fragment.cut:
        size = number(LONGEST_TEXT / 1000)
        notes.append((say("report.scripts.section.cut", size=size), name, link))
    if fragment.refused:
        names = listed([shown(address) for address in fragment.refused], NAMES_IN_A_NOTE)
        notes.append((say("report.scripts.section.refused", names=names), "", ""))
    return fragment.html, notes


def _gallery(script: ScriptResults) -> tuple[list[dict[str, str]], list[str]]:
    """Return the pictures that are shown, and sentences on those that are not."""
    if not script.pictures:
        return [], []
    from segmake.report.embedded_pictures import embedded

    chosen = _chosen(script.pictures)
    folder = script.results / script.folder
    shots, unread = [], 0
    for run, path in chosen:
        data = embedded(path, LONGEST_PICTURE) if inside(path, folder) else None
        if data is None:
            unread += 1
            continue
        file, link = _file(path, script)
        shots.append({"data": data, "run": shown(run), "file": file, "href": link})
    notes = []
    if len(chosen) < len(script.pictures):
        numbers = {"shown": number(len(shots)), "pictures": number(len(script.pictures))}
        notes.append(say("report.scripts.pictures.capped", **numbers))
    if unread:
        notes.append(say("report.scripts.pictures.unread", n=number(unread)))
    return shots, notes


def _chosen(pictures: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Return pictures of runs that are evenly spread, with the same number of each run."""
    from segmake.labels.pictures import evenly_spread

    runs: dict[str, list[tuple[str, Path]]] = {}
    for run, path in pictures:
        runs.setdefault(run, []).append((run, path))
    of_each = list(runs.values())
    if len(pictures) <= PICTURES_LIMIT:
        return [picture for of_run in of_each for picture in of_run]
    of_a_run = min(PICTURES_OF_A_RUN, max(map(len, of_each)))
    shown_runs = evenly_spread(len(of_each), PICTURES_LIMIT // of_a_run)
    most = PICTURES_LIMIT // len(shown_runs)
    return [
        of_each[run][place]
        for run in shown_runs
        for place in evenly_spread(len(of_each[run]), most)
    ]


def _file(path: Path, script: ScriptResults) -> tuple[str, str]:
    """Return the name of a file, and the link to it; no link if it is not in the results folder."""
    try:
        return shown(path.name), href(path.relative_to(script.results).as_posix())
    except ValueError:
        return shown(path.name), ""
