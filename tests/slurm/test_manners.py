"""What a run costs a cluster that others share: questions to Slurm, and files."""

from __future__ import annotations

import time

from tests.projects import Project, draw_image, wait_until
from tests.slurm import cluster
from tests.slurm.commands import Commands
from tests.slurm.disturbed import held, jobs, processes, queued

# So many questions a minute, while nothing changes, whatever the number of jobs.
QUESTIONS = 4
SECONDS = 45.0

# Jobs in the queue, and those of them that Slurm lets work at once.
IMAGES = 24
AT_WORK = 4

# A job's end is seen so soon.
SEEN_SECONDS = 20.0


def test_slurm_is_asked_seldom_and_ends_are_seen_soon(slurm_project: Project) -> None:
    for number in range(IMAGES - 6):
        draw_image(slurm_project.images / "more" / f"img_{number}.tif", 1)
    slurm_project.settings["cluster"]["batch_size"] = 1
    commands = Commands(slurm_project)
    with cluster.limit(MaxJobs=AT_WORK):
        with held(slurm_project):
            run = slurm_project.start()
            wait_until(lambda: len(queued(slurm_project)) == IMAGES, run)
            wait_until(lambda: states(slurm_project).count("RUNNING") == AT_WORK, run)
            wait_until(lambda: len(processes(slurm_project, "segment")) == AT_WORK, run)
            began = time.time()
            wait_until(lambda: time.time() > began + SECONDS, run)
            asked = commands.calls(since=began)
            first = {line["job"]["id"] for line in jobs(slurm_project) if line["job"]["started"]}
        late = seconds_until_seen(slurm_project, first)
    run.terminate()
    assert run.wait() == 1
    between = asked[-1].time - asked[0].time
    assert (len(asked) - 1) / between * 60 <= QUESTIONS, asked
    assert max(late) <= SEEN_SECONDS, late


def states(project: Project) -> list[str]:
    return [line["job"]["state"] for line in jobs(project)]


def seconds_until_seen(project: Project, watched: set[str]) -> list[float]:
    """Return how long after their ends the run knew of the ends of jobs."""
    gone: dict[str, float] = {}
    seen: dict[str, float] = {}

    def all_seen() -> bool:
        now = time.time()
        # First what the run knows: an end in between is counted as late, never as early.
        known = {line["job"]["id"] for line in jobs(project) if line["job"]["state"] == "COMPLETED"}
        for job in watched - set(queued(project)):
            gone.setdefault(job, now)
        for job in watched & known:
            seen.setdefault(job, now)
        return set(seen) == watched

    cluster.wait_for(all_seen, "the ends to be seen", 300)
    return [seen[job] - gone.get(job, seen[job]) for job in watched]
