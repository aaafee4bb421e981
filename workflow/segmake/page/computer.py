"""What the computer of an experiment is like: whether it is ready, its cluster, the user's jobs there."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import Any

from segmake.messages import Problem, say
from segmake.page.connection import Connection
from segmake.page.work import problem_values, problems_in
from segmake.remote.memory import read_memory
from segmake.remote.remembered import PlaceFile
from segmake.remote.session import Session, answer_in, told
from segmake.remote.setup.checking import Found, check


@dataclass
class Seen:
    """What was seen of a computer.

    Attributes
    ----------
    place : PlaceFile or None
        Which one it is; None for this computer.
    found : Found or None
        What was found out by a login; None for this computer.
    was_sent : bool
        Whether the experiment was sent there before.
    cluster : dict or None
        What ``segmake cluster --json`` answers there; None where there is no Slurm, or it gave no answer.
    problems : list of dict
        What is wrong.
    at : float
        When it was seen.
    """

    place: PlaceFile | None
    found: Found | None = None
    was_sent: bool = False
    cluster: dict[str, Any] | None = None
    problems: list[dict[str, Any]] = field(default_factory=list)
    at: float = field(default_factory=time.time)


async def seen_of(connection: Connection) -> Seen:
    """Return what the computer of an experiment is like now; the login may ask something on the page."""
    seen = Seen(connection.place)
    session = await connection.session()
    if seen.place is None:
        has_slurm = shutil.which("sbatch") is not None
    else:
        reached = await connection.reached()
        seen.found = await check(session.experiment, connection.questions, reached)
        seen.was_sent = read_memory(session.experiment, seen.place).arrived
        seen.problems = [
            problem_values(each) for each in (*seen.found.problems, *seen.found.warnings)
        ]
        has_slurm = bool(seen.found.slurm and seen.found.program)
    if has_slurm:
        try:
            seen.cluster = await cluster_of(session)
            seen.problems += problems_in(seen.cluster)
        except Problem as problem:
            seen.problems.append(problem_values(problem))
    return seen


async def cluster_of(session: Session) -> dict[str, Any]:
    """Return what ``segmake cluster --json`` answers at the computer of an experiment.

    Raises
    ------
    Problem
        As `answer_of`.
    """
    # Of one that can't be given there is only what is wrong.
    return {"gpus": [], "partitions": [], "jobs": [], **await answer_of(session, "cluster")}


async def answer_of(session: Session, *words: str) -> dict[str, Any]:
    """Return what a command of SegMake answers in JSON at the computer of an experiment.

    Raises
    ------
    Problem
        ``SM-PAG-021`` if it does not, and what else is wrong there.
    """
    said = await session.program("segmake", *words, "--json")
    if answer := answer_in(said):
        return answer
    lines = session.own_words(told(said)).splitlines()
    last = lines[-1] if lines else say("phrases.silent")
    raise Problem("SM-PAG-021", where=session.computer.name, said=last)
