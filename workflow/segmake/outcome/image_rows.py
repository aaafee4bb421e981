"""What became of each image, as the journals of all batches have it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from segmake.core.declared_steps import MASKS, MEASURE, OVERLAY, SEGMENT, STEPS
from segmake.core.files import natural_key
from segmake.core.journal import Entry, Journal, Record, as_record
from segmake.messages import Problem, joined, say
from segmake.outcome.last_judged import JudgedBatch, LastJudged
from segmake.outcome.quality import BETWEEN, flags_of, in_sentences
from segmake.outcome.timing import PHASES, Segmented, segmented_batch
from segmake.plan.plan import Plan
from segmake.plan.tasks import ATTEMPT, IMAGE, KEY, DoneTasks, Row, rows_of
from segmake.runner.run_step import problem_of
from segmake.runner.same_content import was_carried

# Where fewer cells are found again from one time point to the next, tracks say little.
WELL_FOLLOWED = 0.8

PIXEL_SIDES = ("pixel_size_um", "pixel_height_um")

IMAGE_COLUMNS = (
    "image",
    "state",
    "cells",
    "seconds",
    "code",
    "message",
    "remedy",
    "batch",
    "attempt",
    "width_px",
    "height_px",
    *PIXEL_SIDES,
    "channel",
    "selection",
    "estimated_diameter_px",
    "position",
    "objective",
    "acquired",
    "tracks",
    "divisions",
    "corrected",
    "left_out",
    "warning",
    "flags",
    "flag_reasons",
    "left_out_because",
    "looked_at_because",
    "device",
    *(f"{phase}_seconds" for phase in PHASES),
    "mask",
    "picture",
    "movie",
)


def image_rows(plan: Plan, segmented: Segmented | None = None) -> list[dict[str, Any]]:
    """Return a row per image that is there, with what became of it: values or None by `IMAGE_COLUMNS`, in order.

    ``state`` is ``"done"`` where every step ended well, else ``"failed"`` with the code, the message and the remedy
    of the first step that did not. ``seconds`` is the time of the segmentation, and ``load_seconds`` to
    ``write_seconds`` its phases. ``cells`` counts those of each time point (and of each slice that was segmented on
    its own). ``mask`` and ``picture`` are paths in the results folder. ``flags`` are the names of what speaks against
    an image that is done (`segmake.outcome.quality`), and ``flag_reasons`` the same in sentences; of images that the
    config leaves out of the tables, ``left_out_because`` says why, and of those that it says are right as they are,
    ``looked_at_because``: neither have flags.

    Parameters
    ----------
    plan : Plan
    segmented : Segmented, optional
        Takes in each batch as well, whose journals are read only once for it.
    """
    return judged_images(plan, segmented)[0]


def judged_images(
    plan: Plan, segmented: Segmented | None = None, last: LastJudged | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what `image_rows` does, and the images whose cells were looked for when the last process ended.

    Parameters
    ----------
    plan : Plan
    segmented : Segmented, optional
        As for `image_rows`.
    last : LastJudged, optional
        Says what became of batches that are as they were, and notes what became of the others.
    """
    rows: dict[str, dict[str, Any]] = {}
    facts: dict[str, dict[str, Any]] = {}
    in_work: list[str] = []
    made = {step: DoneTasks(plan.folders, step) for step in STEPS}
    for batch in plan.batches.values():
        planned = rows_of(batch.tasks, plan.folders)
        found = last.batch(batch.name, planned, plan.outdated) if last else None
        if found is None or (segmented and not found.segmented):
            found = _judged_batch(plan, batch.name, planned, made, segmented, last)
        if segmented and found.segmented:
            segmented.add(batch.name, found.segmented)
        rows |= {row["image"]: row for row in found.rows}
        for row, task in zip(found.rows, planned[OVERLAY], strict=True):
            # No attempt need have noted it.
            if row["state"] == "done":
                row["movie"] = _movie(plan, made[OVERLAY], task)
        facts |= found.facts
        in_work += found.in_work
    _judge(rows, facts, plan.left_out_because, plan.looked_at_because)
    return [rows[image] for image in sorted(rows, key=natural_key)], in_work


def _judged_batch(
    plan: Plan,
    batch: str,
    planned: Mapping[str, list[Row]],
    made: Mapping[str, DoneTasks],
    segmented: Segmented | None,
    last: LastJudged | None,
) -> JudgedBatch:
    """Return what became of a batch, by its journals and results."""
    journals = {step: Journal(plan.folders.journal(step, batch)) for step in STEPS}
    finished = {step: journal.finished() for step, journal in journals.items()}
    # That a file was compared is noted like an attempt, and none was made.
    compared = Counter(each.image for each in journals[SEGMENT].ends() if was_carried(each))
    whole = segmented_batch(planned[SEGMENT], journals[SEGMENT]) if segmented else None
    found = JudgedBatch([], {}, [], whole)
    noted: list[list[Record | None] | None] = []
    for tasks in zip(*(planned[step] for step in STEPS), strict=True):
        of_image = dict(zip(STEPS, tasks, strict=True))
        entries = [finished[step].get(tasks[0][IMAGE]) for step in STEPS]
        row, of_row, done = _image_row(plan, batch, of_image, entries, made)
        if row["attempt"]:
            row["attempt"] -= compared[row["image"]]
        found.rows.append(row)
        if row["state"] == "done":
            found.facts[row["image"]] = of_row
        noted.append(_looked_at(tasks, entries, done) if last else None)
    there = {row["image"] for row in found.rows}
    found.in_work.extend(image for image in journals[SEGMENT].in_work() if image in there)
    if last and noted and None not in noted:
        by_step = zip(STEPS, zip(*filter(None, noted), strict=True), strict=True)
        last.note(batch, planned, dict(by_step), found)
    return found


def _looked_at(
    tasks: Sequence[Row], entries: Sequence[Entry | None], done: int
) -> list[Record | None] | None:
    """Return what was noted of the results of each step that made an image what it is; None if one is not as it was.

    Parameters
    ----------
    tasks, entries : sequence
        Of each step, the image's task, and how it ended last.
    done : int
        How many steps ended well, and have their results.
    """
    records: list[Record | None] = []
    for entry in entries[:done]:
        noted = entry and not entry.details.get("overwritten") and entry.details.get("outputs")
        if (record := as_record(noted)) is None:
            return None
        records.append(record)
    if done < len(tasks):
        entry = entries[done]
        # As if it had not been made: once its results are there again, it has been.
        if entry and (entry.event, entry.key) == ("done", tasks[done][KEY]):
            return None
    return records + [None] * (len(tasks) - done)


def _movie(plan: Plan, made: DoneTasks, task: Row) -> str | None:
    """Return the movie of an image, if there is one: a path in the results folder."""
    _, (movie,) = made.names(task)
    return movie if os.path.exists(f"{plan.folders.results}/{movie}") else None


def _judge(
    rows: Mapping[str, dict[str, Any]],
    facts: Mapping[str, dict[str, Any]],
    left_out: Mapping[str, str],
    looked_at: Mapping[str, str],
) -> None:
    """Note in the rows why images are left out of the tables, or right, and what speaks against the others."""
    flags = flags_of({image: of for image, of in facts.items() if image not in left_out})
    for image, row in rows.items():
        # Whoever drew a mask by hand has looked, too.
        has_looked = row.get("corrected") or image in looked_at
        found = [] if has_looked else flags.get(image, [])
        row["flags"] = BETWEEN.join(flag.name for flag in found)
        row["flag_reasons"] = in_sentences(found)
        row["left_out_because"] = left_out.get(image, "")
        row["looked_at_because"] = looked_at.get(image, "")


def _facts(segmented: Mapping[str, Any], masks: Mapping[str, Any], left_out: int) -> dict[str, Any]:
    """Return what is known of an image to be judged by; an earlier version noted little.

    Parameters
    ----------
    segmented, masks : mapping
        What the journal notes of its labels and of its mask.
    left_out : int
        How many cells the tables leave out.
    """
    cells = masks.get("cells_kept") or 0
    planes = len(segmented.get("times", ())) or 1
    return {
        "objects": cells / planes,
        **masks.get("quality", {}),
        "cells": cells,
        "found": cells + segmented.get("dropped", 0),
        "dropped": segmented.get("dropped", 0) + left_out,
        "doubts": segmented.get("doubts", ()),
    }


def describe_selection(details: Mapping[str, Any]) -> str:
    """Return in a sentence which channel, time points and slices of an image were taken.

    Parameters
    ----------
    details : mapping
        What the journal notes of a segmented image.
    """
    words = []
    if details["channels"] > 1:
        numbers = {"number": details["channel_number"], "all": details["channels"]}
        words.append(say("selection.channel", channel=details["channel"], **numbers))
    for axis in ("times", "slices"):
        total, taken = details[f"all_{axis}"], details[axis]
        if total == 1:
            continue
        if len(taken) == total:
            words.append(say(f"selection.{axis}.all", all=total))
        else:
            words.append(say(f"selection.{axis}", taken=_numbers(taken), all=total))
    if details["projection"]:
        words.append(say(f"selection.{details['projection']}"))
    return joined(words)


def _numbers(taken: list[int]) -> str:
    """Return numbers in few characters: ``1-20``, ``1, 11, 21... 91``."""
    if len(taken) > 1 and taken == list(range(taken[0], taken[-1] + 1)):
        return f"{taken[0]}-{taken[-1]}"
    if len(taken) > 4:
        return f"{taken[0]}, {taken[1]}, {taken[2]}... {taken[-1]}"
    return ", ".join(map(str, taken))


def _warning(details: Mapping[str, Any]) -> str:
    """Return what a reader should know before trusting the numbers of an image.

    Parameters
    ----------
    details : mapping
        What the journals note of its labels, its mask and its cells.
    """
    words = [say("warning.lossy")] if details["lossy"] else []
    for axis in ("times", "slices"):
        if planned := details.get(f"planned_{axis}"):
            numbers = {"saved": details[f"all_{axis}"], "planned": planned}
            words.append(say(f"warning.stopped.{axis}", **numbers))
    if details.get("anisotropy_unknown"):
        words.append(say("warning.anisotropy"))
    if details.get("followed", 1.0) < WELL_FOLLOWED:
        words.append(say("warning.tracking", percent=round(100 * details["followed"])))
    width, height = (details.get(name) for name in PIXEL_SIDES)
    if height and width != height:
        words.append(say("warning.oblong", width=f"{width:.4g}", height=f"{height:.4g}"))
    if details.get("step_unknown"):
        words.append(say("warning.step_unknown"))
    if details.get("doubted"):
        words.append(say("warning.doubted", facts=", ".join(details["doubted"])))
    if changed := details.get("changed"):
        words.append(say("warning.changed", files=", ".join(changed)))
    return " ".join(words)


def _told(problem: Problem | None) -> dict[str, str]:
    if problem is None:
        return {}
    return {"code": problem.code, "message": problem.what, "remedy": problem.remedy}


def _is_of_now(entry: Entry | None, task: Row) -> bool:
    return entry is not None and (entry.key, entry.attempt) == (task[KEY], task[ATTEMPT])


def _image_row(
    plan: Plan,
    batch: str,
    tasks: Mapping[str, Row],
    entries: list[Entry | None],
    made: Mapping[str, DoneTasks],
) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return the row of an image, what it is judged by, and how many steps ended well and have their results."""
    image = tasks[SEGMENT][IMAGE]
    segmented = entries[0]
    # What another version noted, or of other settings, says nothing of this run.
    key = tasks[SEGMENT][KEY]
    current = segmented is not None and (segmented.event, segmented.key) == ("done", key)
    details = segmented.details if segmented and current else {}
    # Each has all columns, in their order, from the start: of 100,000 rows there need be no copies.
    row: dict[str, Any] = dict.fromkeys(IMAGE_COLUMNS)
    row |= {"image": image, "state": "failed", "batch": batch}
    row |= {"code": "", "message": "", "remedy": ""}
    row["attempt"] = segmented.attempt if segmented else None
    names = ("seconds", "width_px", "height_px", "channel", "position", "objective", "acquired")
    row |= {name: details.get(name) for name in (*names, "device")}
    if details:
        row["selection"] = describe_selection(details)
        row["estimated_diameter_px"] = details.get("diameter_estimated")
    seconds = details.get("phases", {})
    row |= {f"{phase}_seconds": seconds.get(phase) for phase in PHASES}
    of_step = dict(zip(STEPS, entries, strict=True))
    masked, measured = of_step[MASKS], of_step[MEASURE]
    masks = masked.details if masked else {}
    row |= {name: masks.get(name) for name in ("tracks", "divisions", "corrected")}
    row["cells"] = masks.get("cells_kept")
    changed = [file for entry in entries if entry for file in entry.details.get("changed", ())]
    cells = measured.details if measured else {}
    row["warning"] = _warning({**details, **masks, **cells, "changed": changed}) if details else ""
    if file := plan.outdated.get(image):
        outdated = Problem("SM-OUT-020", file=file)
        row["warning"] = f"{row['warning']} {outdated.what} {outdated.remedy}".strip()
    row |= {name: cells.get(name) for name in ("pixel_size_um", "left_out")}
    facts = _facts(details, masks, cells.get("left_out") or 0)
    # What 0.1.0 measured has square pixels.
    row["pixel_height_um"] = cells.get("pixel_height_um", row["pixel_size_um"])
    problems = [problem_of(entry) if entry else None for entry in entries]
    in_order = list(tasks.values())
    for number, (step, entry) in enumerate(of_step.items()):
        if made[step].has(tasks[step], entry, tasks[step][KEY]) and problems[number] is None:
            continue
        # A step that found what the one before it had made damaged says so, and that one has no result any more.
        later = [found for found in range(number, len(in_order)) if problems[found]]
        if later and (later[0] == number or _is_of_now(entries[later[0]], in_order[later[0]])):
            row |= _told(problems[later[0]])
        return row, facts, number
    (mask, *_), _ = made[MASKS].names(tasks[MASKS])
    (picture, *_), _ = made[OVERLAY].names(tasks[OVERLAY])
    row |= {"state": "done", "mask": mask, "picture": picture}
    return row, facts, len(in_order)
