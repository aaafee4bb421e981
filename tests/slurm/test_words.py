"""Slurm's own words on a real cluster, and that what SegMake says to do about them helps when it is typed in."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from segmake.adapter.executor import forbidden_options
from segmake.cluster.checks import Cluster
from segmake.messages import Problems
from segmake.outcome.queue import Waiting, reasons_to_wait
from segmake.slurm import commands as slurm
from segmake.slurm.commands import SlurmError
from segmake.slurm.fates import ended, refused
from tests.slurm import cluster

pytestmark = pytest.mark.usefixtures("slurm")

# All jobs of a test have this name, as those of a run do.
NAME = "segmake_words"


@pytest.fixture(autouse=True)
def emptied(slurm: None) -> Iterator[None]:
    yield
    cluster.empty()


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def send(*options: str, script: str = "sleep 60") -> str:
    known = (f"--job-name={NAME}", "--mem=10", "--output=/dev/null")
    return slurm.submit([*known, *options], script)


def waiting() -> dict[str, Waiting]:
    """Return what jobs wait for, by the names of the rows of the table."""
    found = reasons_to_wait(slurm.jobs_of_run(NAME))
    return {one.fate.name if one.fate else one.reason: one for one in found}


def number_of(name: str) -> int:
    """Return how many jobs wait for what a row of the table says."""
    found = waiting().get(name)
    return len(found.jobs) if found else 0


def follow(advice: str) -> None:
    """Type in the first command of an advice."""
    run(*shlex.split(re.findall(r"`(s\w+ [^`]+)`", advice)[0]))


@contextmanager
def configured(*lines: str) -> Iterator[None]:
    """Add lines to the cluster's configuration for a while."""
    config = cluster.CONFIG / "slurm.conf"
    before = config.read_text()
    config.write_text("\n".join([before.rstrip(), *lines, ""]))
    try:
        run("scontrol", "reconfigure")
        yield
    finally:
        config.write_text(before)
        run("scontrol", "reconfigure")


@pytest.fixture
def tight() -> Iterator[Callable[[str], None]]:
    """A partition, ``tight``, whose time limit the test sets."""
    run("scontrol", "create", "PartitionName=tight", "Nodes=cpu1", "MaxTime=1")
    yield lambda limit: run("scontrol", "update", "PartitionName=tight", f"MaxTime={limit}")
    run("scontrol", "delete", "PartitionName=tight")


def test_the_advice_of_a_limit_is_taken_by_slurm_itself(configure, tight):
    def advised(hours: str) -> str | None:
        config = configure(
            cluster={"partition": "tight", "hours": hours, "memory_gb": 1, "cpus": 1}
        )
        try:
            Cluster(config.settings).check(config, forbidden_options())
        except Problems as problems:
            (problem,) = problems.problems
            assert problem.code == "SM-CLU-008"
            return re.findall(r"at most (\S+),", problem.remedy)[0]
        return None

    for limit, setting in {"10": "0:10", "100": "1:40", "7-0": "168", "1": "0:01"}.items():
        tight(limit)
        assert advised("200") == setting
        assert advised(setting) is None


def test_jobs_that_are_held_start_with_what_is_said():
    running = send()
    held = [send("--hold") for _ in range(2)]
    cluster.wait_for(lambda: slurm.state_of(running) == "RUNNING", "the job to start")
    run("scontrol", "requeuehold", running)
    cluster.wait_for(lambda: number_of("held") == 3, "the jobs to be held")
    assert waiting().keys() == {"held"}
    advice = waiting()["held"].describe()
    assert advice.startswith("3 jobs do not start: ")
    follow(advice)
    cluster.wait_for(lambda: slurm.state_of(held[1]) == "RUNNING", "the jobs to be released")
    assert "held" not in waiting()


def test_a_job_that_waits_for_one_that_was_cancelled_is_cancelled_with_what_is_said():
    first = send("--hold")
    second = send(f"--dependency=afterok:{first}")
    slurm.cancel([first])
    cluster.wait_for(lambda: "dependency_never" in waiting(), "the dependency to be found out")
    found = waiting()["dependency_never"]
    assert found.jobs == (second,)
    follow(found.describe())
    cluster.wait_for(lambda: not slurm.state_of(second), "the job to be gone")


def test_reasons_of_limits_licences_and_closed_partitions():
    with configured("Licenses=camera:1", "PartitionName=tight Nodes=cpu1 MaxTime=1"):
        for _ in range(2):
            send("--licenses=camera:1")
        send("--partition=tight", "--time=5")
        run("scontrol", "update", "PartitionName=short", "State=DOWN")
        try:
            for _ in range(3):
                send("--partition=short")
            expected = {"licences": 1, "partition_limit": 1, "partition_closed": 3}
            cluster.wait_for(
                lambda: {name: len(one.jobs) for name, one in waiting().items()} == expected,
                "the reasons to be given",
            )
            assert not any(one.passes for one in waiting().values())
        finally:
            run("scontrol", "update", "PartitionName=short", "State=UP")
            slurm.cancel(job.id for job in slurm.jobs_of_run(NAME))


def test_a_job_that_could_not_be_launched_is_held():
    with configured("Prolog=/bin/false"):
        job = send("--nodelist=cpu1", "--partition=cpu")
        cluster.wait_for(lambda: "held_launch" in waiting(), "the launch to fail")
    run("scontrol", "update", "NodeName=cpu1", "State=RESUME")
    found = waiting()["held_launch"]
    assert found.reason == "launch failed requeued held"
    follow(found.describe())
    # Slurm lets a minute or two pass before it starts it again.
    cluster.wait_for(lambda: "held_launch" not in waiting(), "the job to be released")
    assert slurm.state_of(job) in ("PENDING", "RUNNING")


REFUSALS = {
    "partition": "--partition=nosuch",
    "nodes": "--gpus=h100:1",
    "option": "--nodelist=node7",
    "time": "--time=0:0x",
}


@pytest.mark.parametrize(("name", "option"), REFUSALS.items())
def test_refusals(name, option):
    with pytest.raises(SlurmError) as caught:
        send(option)
    fate = refused(str(caught.value))
    assert fate.name == name and fate.stops


@pytest.mark.parametrize("limit", ["MaxSubmitJobs", "GrpSubmitJobs"])
def test_a_limit_on_the_jobs_in_the_queue_passes(limit):
    with cluster.limit(**{limit: 1}):
        send()
        with pytest.raises(SlurmError) as caught:
            send()
    fate = refused(str(caught.value))
    assert (fate.name, fate.passes, fate.counts) == ("submit_limit", True, False)


def test_a_limit_on_the_jobs_that_run_is_waited_for():
    with cluster.limit(MaxJobs=1):
        for _ in range(3):
            send()
        cluster.wait_for(lambda: number_of("user_limit") == 2, "the limit to be reached")
        assert waiting()["user_limit"].passes


def test_a_partition_that_drains_is_waited_for():
    run("scontrol", "update", "PartitionName=short", "State=DRAIN")
    try:
        with pytest.raises(SlurmError) as caught:
            send("--partition=short")
    finally:
        run("scontrol", "update", "PartitionName=short", "State=UP")
    fate = refused(str(caught.value))
    assert (fate.name, fate.passes, fate.counts) == ("partition_closed", True, False)


LAUNCHES = {
    "no-folder": (["--output=/nosuch/log"], "true"),
    "no-python": ([], "/nosuch/python -m snakemake"),
    "no-step": ([], "srun /nosuch/python"),
}


@pytest.mark.parametrize("case", LAUNCHES)
def test_what_fails_before_anything_began(case, tmp_path):
    options, script = LAUNCHES[case]
    log = tmp_path / "log"
    job = send(f"--output={log}", *options, script=script)

    def end() -> slurm.Job | None:
        known = {one.id: one for one in slurm.jobs_of_run(NAME)}
        return known[job] if known[job].state in slurm.ENDED else None

    cluster.wait_for(lambda: end() is not None, "the job to fail")
    found = end()
    said = log.read_text() if log.exists() else ""
    assert ended(found.state, said, reason=found.reason).name == "launch"
    # A job whose own program fails is another thing.
    assert ended("FAILED", "Traceback (most recent call last):", reason=found.reason).name == (
        "launch" if case == "no-folder" else "failed"
    )
