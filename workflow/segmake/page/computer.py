"""What the computer of an experiment is like: whether it is ready, its cluster, the user's jobs there."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from typing import Any

from segmake.core.files import one_line
from segmake.messages import Problem
from segmake.page.connection import Connection
from segmake.page.work import problem_values, problems_in
from segmake.remote.memory import read_memory
from segmake.remote.remembered import PlaceFile
from segmake.remote.session import Session, told
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
        ``SM-REM-005`` if it gives no answer, and what else is wrong there.
    """
    answer = await session.program("segmake", "cluster", "--json")
    try:
        found: dict[str, Any] = json.loads(answer.text)
        # Of one that can't be given there is only what is wrong.
        return {"gpus": [], "partitions": [], "jobs": [], **found}
    except (ValueError, TypeError):
        said = one_line(told(answer))
        raise Problem("SM-REM-005", where=session.computer.name, said=said) from None
