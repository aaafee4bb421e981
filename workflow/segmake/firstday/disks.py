"""The file system that jobs and the login node share: its speed, its locks, its clock."""

from __future__ import annotations

from pathlib import Path

from segmake.firstday.day import Day
from segmake.firstday.jobs import Request, do, probe, sent
from segmake.firstday.probes import disk
from segmake.firstday.step import Figures
from segmake.messages import Problem, say
from segmake.slurm import commands as slurm

# Files made on a server whose clock is so far off seem to be of another time to Snakemake and SegMake.
MOST_CLOCK_SECONDS = 5.0

# The node's own disk, for comparison.
_LOCAL = Path("/tmp")  # noqa: S108


def file_systems(day: Day, figures: Figures) -> None:
    """Measure the file system here and on a node, and try whether locks hold from one computer to another."""
    folder = day.fresh("speed")
    figures["here"] = disk.measure(folder)
    figures["here_temporary"] = disk.measure(_LOCAL)
    if not day.here:
        measured = do(day, folder, "node", probe("disk", "measure", str(folder)), _request())
        figures["node"] = measured.answer()
        local = do(day, folder, "local", probe("disk", "measure", str(_LOCAL)), _request())
        figures["node_temporary"] = local.answer()
        here, there = figures["here"]["clock_ahead_s"], figures["node"]["clock_ahead_s"]
        # Both compare their own clock with the server's.
        figures["node_clock_ahead_s"] = round(here - there, 3)
        figures["locks_here_and_node"] = _here_and_there(day)
        figures["locks_node_and_node"] = _on_two_nodes(day)
    judge(figures)


def _request(*options: str) -> Request:
    return Request(minutes=5, memory_mb=1000, options=options)


def _here_and_there(day: Day) -> dict[str, object]:
    """Hold locks here, and have a job try to get them."""
    folder = day.fresh("locks")
    with sent(day, folder, "meet", probe("disk", "meet", str(folder)), _request()) as job:
        # The patience of who waits for the other's word begins with the job.
        job.wait_for_begin()
        held = disk.hold(folder)
        found = job.wait().answer()
    return {**held, **found}


def _on_two_nodes(day: Day) -> dict[str, object] | None:
    """Have a job hold locks, and one on another node try to get them; None where there is no second node for it."""
    folder = day.fresh("two")
    with sent(day, folder, "hold", probe("disk", "hold", str(folder)), _request()) as holder:
        holder.wait_for_begin()
        node = holder.node()
        if not node or slurm.refusal([f"--exclude={node}", *holder.options]):
            return None
        other = _request(f"--exclude={node}")
        with sent(day, folder, "meet", probe("disk", "meet", str(folder)), other) as job:
            try:
                found = job.wait(disk.PATIENCE_SECONDS).answer()
                return {**holder.wait().answer(), **found}
            except Problem:
                day.tell(say("firstday.no_second_node"))
                return None


def judge(figures: Figures) -> None:
    """Raise what is wrong with the file system.

    Raises
    ------
    Problem
        ``SM-DAY-017``
    """
    wrong = []
    for pair in ("locks_here_and_node", "locks_node_and_node"):
        if (found := figures.get(pair)) is not None:
            for task, words in (("refused", "firstday.lock_given"), ("free", "firstday.lock_kept")):
                missing = sorted(set(disk.KINDS) - set(found[task]))
                wrong += [say(words, kind=kind) for kind in missing]
    for place in ("here", "node"):
        ahead = figures.get(place, {}).get("clock_ahead_s", 0.0)
        if abs(ahead) > MOST_CLOCK_SECONDS:
            wrong.append(say("firstday.clock", seconds=round(ahead)))
    if wrong:
        raise Problem("SM-DAY-017", what=say("pieces.between").join(dict.fromkeys(wrong)))
