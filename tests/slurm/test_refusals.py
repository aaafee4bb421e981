"""Jobs that Slurm refuses: for now, which the run waits for, or for ever, which it says at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.projects import Project, wait_until
from tests.slurm import cluster
from tests.slurm.commands import Commands
from tests.slurm.disturbed import LONG, ended, held, processes, queued, status

# The six images of `slurm_project` are of two batches.
BATCHES = 2

# Slurm's own words, for refusals that a small, idle cluster never comes to.
TIMED_OUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
QUEUE_FULL = (
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
    "sbatch: error: Batch job submission failed: Resource temporarily unavailable"
)
TOO_LARGE = (
    "sbatch: error: Memory specification can not be satisfied\n"
    "sbatch: error: Batch job submission failed: Requested node configuration is not available"
)


@pytest.fixture
def commands(slurm_project: Project) -> Commands:
    return Commands(slurm_project)


def is_logged(project: Project, words: str) -> bool:
    """Whether words of sbatch are in a log of the results."""
    for log in (project.results / "logs").rglob("*"):
        with suppress(OSError):
            if words in log.read_text(errors="replace"):
                return True
    return False


def assert_all_done(project: Project, said: str, jobs: int) -> None:
    """Assert that each batch was done by one job, the only one that was sent for it."""
    assert "6 images done" in said, said
    assert list(ended(project).values()) == ["COMPLETED"] * jobs
    done = project.finished()
    assert len(done) == len(set(done)) == 6
    assert "Traceback" not in said


def test_more_batches_than_a_qos_takes(slurm_project: Project, commands: Commands) -> None:
    slurm_project.settings["cluster"] |= {"batch_size": 1, "qos": cluster.QOS}
    run = slurm_project.start("--retries", "0")
    with held(slurm_project):
        wait_until(lambda: len(processes(slurm_project, "segment")) == cluster.QOS_JOBS, run)
        wait_until(lambda: "QOSMaxSubmitJobPerUser" in status(slurm_project), run)
        wait_until(lambda: "QOSMaxSubmitJobPerUser" in slurm_project.said.read_text(), run)
        told = status(slurm_project)
        # The remedy, as it is to be typed.
        assert f"max_gpus: {cluster.QOS_JOBS}" in told, told
    assert run.wait() == 0, slurm_project.said.read_text()
    assert_all_done(slurm_project, slurm_project.said.read_text(), 6)
    # What is known to be refused is hardly tried.
    assert len(commands.sent()) <= 12


@pytest.mark.slow
@pytest.mark.long
def test_a_limit_of_the_account_that_is_lifted(slurm_project: Project, commands: Commands) -> None:
    with cluster.limit(MaxSubmitJobs=1):
        with held(slurm_project):
            run = slurm_project.start("--retries", "0")
            wait_until(lambda: "AssocMaxSubmitJobLimit" in status(slurm_project), run)
            wait_until(lambda: "AssocMaxSubmitJobLimit" in slurm_project.said.read_text(), run)
            assert len(queued(slurm_project)) == 1
    assert run.wait() == 0, slurm_project.said.read_text()
    assert is_logged(slurm_project, "AssocMaxSubmitJobLimit")
    assert_all_done(slurm_project, slurm_project.said.read_text(), BATCHES)


def test_a_limit_of_other_jobs_of_the_user(slurm_project: Project, commands: Commands) -> None:
    # Another run of the same user has all that the account allows: not one job of this one is taken.
    with cluster.limit(MaxSubmitJobs=1):
        other = ["sbatch", "--parsable", "--mem=100", "--output=/dev/null", "--wrap=sleep 1000"]
        job = subprocess.run(other, check=True, capture_output=True, text=True).stdout.strip()
        run = slurm_project.start("--retries", "0")
        wait_until(lambda: "AssocMaxSubmitJobLimit" in status(slurm_project), run)
        subprocess.run(["scancel", job], check=True)
        assert run.wait() == 0, slurm_project.said.read_text()
    assert_all_done(slurm_project, slurm_project.said.read_text(), BATCHES)


def test_the_controller_is_away_when_jobs_are_sent(
    slurm_project: Project, commands: Commands
) -> None:
    with commands.sending_waits(lambda: slurm_project.start("--retries", "0")) as run:
        cluster.kill_controller()
    try:
        words = "Unable to contact slurm controller"
        wait_until(lambda: words in slurm_project.said.read_text(), run)
        assert is_logged(slurm_project, words)
    finally:
        cluster.start_controller()
    assert run.wait() == 0, slurm_project.said.read_text()
    assert_all_done(slurm_project, slurm_project.said.read_text(), BATCHES)


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        pytest.param(TIMED_OUT, False, marks=LONG),
        (TIMED_OUT, True),
        pytest.param(QUEUE_FULL, False, marks=LONG),
    ],
    ids=["timed_out", "timed_out_and_taken", "full"],
)
def test_a_controller_that_is_too_busy(
    slurm_project: Project, commands: Commands, words: str, taken: bool
) -> None:
    # A stand-in for sbatch says Slurm's words, twice; a job may have been taken all the same.
    commands.refuse(2, words, taken=taken)
    run = slurm_project.run("--retries", "0")
    assert run.returncode == 0, run.stderr
    assert is_logged(slurm_project, words.splitlines()[-1])
    assert_all_done(slurm_project, run.stderr, BATCHES)


def _remove_partition() -> Callable[[], None]:
    (line,) = (
        line for line in cluster.SLURM_CONF.splitlines() if line.startswith("PartitionName=brief ")
    )
    subprocess.run(["scontrol", "delete", "PartitionName=brief"], check=True)
    return lambda: subprocess.run(["scontrol", "create", *line.split()], check=True)


def _take_away_qos() -> Callable[[], None]:
    modify = ["sacctmgr", "--immediate", "modify", "user", "root", "set"]
    subprocess.run([*modify, f"qos-={cluster.QOS}"], check=True)
    return lambda: subprocess.run([*modify, f"qos+={cluster.QOS}"], check=True)


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        (
            {"partition": "brief", "cpu_partition": None, "hours": 0.1},
            _remove_partition,
            "Invalid partition name",
        ),
        pytest.param({"qos": cluster.QOS}, _take_away_qos, "Invalid qos specification", marks=LONG),
    ],
    ids=["partition", "qos"],
)
def test_what_slurm_will_never_take_ends_the_run(
    slurm_project: Project,
    commands: Commands,
    section: dict,
    change: Callable[[], Callable[[], None]],
    words: str,
) -> None:
    slurm_project.settings["cluster"] |= {"batch_size": 1, **section}
    with commands.sending_waits(slurm_project.start) as run:
        restore = change()
    try:
        assert run.wait() == 1
    finally:
        restore()
    assert_given_up(slurm_project, commands, slurm_project.said.read_text(), words)


@pytest.mark.slow
@pytest.mark.long
def test_memory_that_no_node_has_ends_the_run(slurm_project: Project, commands: Commands) -> None:
    # A stand-in for sbatch says Slurm's words: a node can't be made smaller while jobs are planned.
    slurm_project.settings["cluster"]["batch_size"] = 1
    commands.refuse(1000, TOO_LARGE)
    run = slurm_project.run()
    assert run.returncode == 1
    assert_given_up(
        slurm_project, commands, run.stderr, "Memory specification can not be satisfied"
    )


def assert_given_up(project: Project, commands: Commands, said: str, words: str) -> None:
    """Assert that the reason was told once, with a code, and that what is refused was not sent again and again."""
    (told,) = [line for line in said.splitlines() if words in line]
    assert "SM-CLU-" in said
    assert "Traceback" not in said
    assert is_logged(project, words)
    # Two jobs are sent at a time.
    assert len(commands.sent()) <= 2, told
    assert queued(project) == {}
