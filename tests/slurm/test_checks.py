"""What is found out about the config's section ``cluster`` before any job is sent, on a real cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from segmake.adapter.executor import forbidden_options
from segmake.cluster.checks import Cluster
from segmake.messages import Problems
from tests.slurm import cluster

pytestmark = pytest.mark.usefixtures("slurm")


@pytest.fixture
def check(configure):
    """Check a config with a GPU engine; return the code and the words of each problem."""

    def run(**section) -> dict[str, str]:
        known = {"partition": "gpu", "cpu_partition": "cpu", "memory_gb": 8, "cpus": 2}
        engine = {"engine": "cellpose3", "model": "cyto3"}
        config = configure(segmentation=engine, cluster=known | section)
        try:
            Cluster(config.settings).check(config, forbidden_options())
        except Problems as problems:
            return {problem.code: str(problem) for problem in problems.problems}
        return {}

    return run


@pytest.fixture
def closed() -> Iterator[str]:
    """The partition short, closed."""
    update = ["scontrol", "update", "PartitionName=short"]
    subprocess.run([*update, "State=DOWN"], check=True)
    yield "short"
    subprocess.run([*update, "State=UP"], check=True)


@pytest.mark.parametrize(
    "section",
    [
        {"gpu_request": "gpus"},
        {"gpu_request": "gres"},
        {"gpu_request": "gpus", "gpu_model": "a40"},
        {"gpu_request": "gres", "gpu_model": "a40"},
        {"partition": None, "cpu_partition": None},
        {"partition": "gpu,cpu"},
        {"memory_gb": 125, "hours": 24, "cpus": 36},
        {"account": "lab", "qos": "few"},
        {"sbatch_options": ["-x gpu1", "--exclude gpu1", "--nice=5"]},
    ],
)
def test_what_the_cluster_can_do_passes(check, section):
    assert check(**section) == {}


@pytest.mark.parametrize(
    ("section", "code", "words"),
    [
        ({"partition": "gpus"}, "SM-CLU-002", "gpu (18 a40), brief (18 a40), cpu (no GPU)"),
        ({"partition": "gpu,gpus"}, "SM-CLU-002", "no partition gpus"),
        ({"cpu_partition": "cpus"}, "SM-CLU-002", "`cpu_partition`"),
        ({"partition": "cpu"}, "SM-CLU-005", "gpu (18 a40)"),
        ({"gpu_model": "h100"}, "SM-CLU-006", "It has: a40."),
        ({"memory_gb": 126}, "SM-CLU-008", "`memory_gb` under `cluster` is 126; the partition gpu gives a job at most 125"),
        ({"hours": 25}, "SM-CLU-008", "at most 24"),
        ({"cpus": 37}, "SM-CLU-008", "at most 36"),
        ({"account": "nobody"}, "SM-CLU-009", "lab"),
        ({"qos": "nosuch"}, "SM-CLU-010", "Invalid qos specification"),
        ({"constraint": "nosuch"}, "SM-CLU-010", "Invalid feature specification"),
        ({"sbatch_options": ["--exclude=node7"]}, "SM-CLU-010", "Invalid node name"),
        ({"sbatch_options": ["--nosuch"]}, "SM-CLU-010", "--nosuch"),
        ({"sbatch_options": ["-t30"]}, "SM-CLU-011", "`hours`"),
        ({"sbatch_options": ["--array=1-3"]}, "SM-CLU-012", "--array=1-3"),
    ],
)  # fmt: skip
def test_what_it_can_not_do_is_said_before_any_job_is_sent(check, section, code, words):
    problems = check(**section)
    assert list(problems) == [code]
    assert words in problems[code]


def test_nodes_that_are_away_are_waited_for(check):
    update = ["scontrol", "update", "NodeName=gpu[1-2]"]
    subprocess.run([*update, "State=DRAIN", "Reason=test"], check=True)
    try:
        assert check() == {}
        assert list(check(constraint="nosuch")) == ["SM-CLU-010"]
    finally:
        subprocess.run([*update, "State=RESUME"], check=True)
        cluster.wait_for(lambda: set(cluster.states().values()) == {"idle"}, "the nodes")


def test_a_closed_partition(check, closed):
    problem = check(cpu_partition=closed)["SM-CLU-004"]
    assert "The partition short is closed" in problem
    # It is not offered either.
    assert "gpu (18 a40)" in problem and "cpu (no GPU)." in problem and "short (" not in problem
    # Its jobs go to the one that is open.
    assert check(cpu_partition=f"{closed},cpu") == {}
