"""What ``segmake cluster --json`` answers: partitions, GPUs that are free, the user's limits and jobs."""

from __future__ import annotations

from typing import Any

from segmake.answers.answer import Answer, answer, path_text, problem_values, time_text
from segmake.cluster.watched import watched
from segmake.messages import Problem
from segmake.slurm.fates import fates


def cluster_answer() -> Answer:
    """Return what the cluster is like, as Slurm said some seconds ago.

    Raises
    ------
    Problem
        If there is no Slurm here, or it does not answer and never did.
    """
    known = watched()
    # What it said before is better than nothing, with its age.
    error = known["error"]
    problems = [problem_values(Problem("SM-CLU-001", error=error))] if error else []
    limits = known["limits"]
    return answer(
        "cluster",
        1,
        problems,
        asked=time_text(known["asked"]),
        partitions=known["partitions"],
        gpus=known["gpus"],
        accounts=limits is not None,
        limits=limits or [],
        jobs=list(map(_job, known["jobs"])),
    )


def _job(known: dict[str, Any]) -> dict[str, Any]:
    times = ("submitted", "started", "ends", "starts_about")
    fate = fates("waiting").get(known["fate"] or "")
    own = known["of_segmake"]
    kept = ("id", "name", "partition", "state", "slurm_state", "reason", "max_minutes", "rule")
    return {
        **{name: known[name] for name in (*kept, "batch", "of_segmake")},
        **{name: time_text(known[name]) for name in times},
        "why": fate.says() if fate else None,
        "experiment": path_text(known["folder"]) if own and known["folder"] else None,
    }
