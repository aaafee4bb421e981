"""What is asked of a cluster, and how the config's section is held against one; the cluster's answers are given."""

from __future__ import annotations

import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest

from segmake.adapter.executor import forbidden_options
from segmake.cluster.checks import Cluster
from segmake.messages import Problem, Problems
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition, SlurmError
from segmake.slurm.requests import executor_resources

PARTITIONS = [
    Partition("cpu", default=True, minutes=30, memory_mb=2048, cpus=8),
    Partition("gpu", minutes=1440, memory_mb=64000, cpus=16, gpus={"a40": 9, "a100-sxm4": 4}),
    Partition("gpu2", minutes=None, memory_mb=32000, cpus=32, gpus={"t4": 2}, up=False),
    Partition("secret", hidden=True, minutes=60, memory_mb=64000, cpus=16, gpus={"": 1}),
]


@pytest.fixture
def asked(monkeypatch):
    """A cluster that takes every job; the options that sbatch was asked about."""
    asked: list[list[str]] = []
    monkeypatch.setattr(slurm, "partitions", lambda: {one.name: one for one in PARTITIONS})
    monkeypatch.setattr(slurm, "keeps_accounts", lambda: True)
    monkeypatch.setattr(slurm, "accounts", lambda: ["biology"])
    monkeypatch.setattr(slurm, "refusal", lambda options: asked.append(list(options)))
    return asked


@pytest.fixture
def gpu_config(configure):
    def make(**cluster):
        segmentation = {"engine": "cellpose3", "model": "cyto3"}
        known = {"partition": "gpu", "cpu_partition": "cpu"}
        return configure(segmentation=segmentation, cluster=known | cluster)

    return make


def problems(config):
    with pytest.raises(Problems) as caught:
        Cluster(config.settings).check(config, forbidden_options())
    return caught.value.problems


@pytest.mark.parametrize(
    ("section", "resources", "option"),
    [
        ({}, {"gpu": 1}, "--gpus=1"),
        ({"gpu_model": "a40"}, {"gpu": 1, "gpu_model": "a40"}, "--gpus=a40:1"),
        ({"gpu_request": "gres"}, {"gres": "gpu:1"}, "--gres=gpu:1"),
        ({"gpu_request": "gres", "gpu_model": "a40"}, {"gres": "gpu:a40:1"}, "--gres=gpu:a40:1"),
    ],
)
def test_how_a_gpu_is_asked_for(gpu_config, asked, section, resources, option):
    config = gpu_config(constraint="big", qos="long", account="Biology", cpus=3, **section)
    Cluster(config.settings).check(config, forbidden_options())
    for gpu in (True, False):
        common = {"slurm_account": "Biology", "qos": "long"}
        own = {"slurm_partition": "gpu", "constraint": "big", "gpus_at_once": 1, **resources}
        expected = common | (own if gpu else {"slurm_partition": "cpu"})
        assert executor_resources(config.typed.cluster, gpu=gpu, accounts=True) == expected
    assert "slurm_account" not in executor_resources(config.typed.cluster, gpu=True, accounts=False)
    common_options = {"--account=Biology", "--qos=long"}
    segment = {"--partition=gpu", "--constraint=big", "--mem=16384", "--time=120", option}
    other = {"--partition=cpu", "--mem=2048", "--time=30", "--cpus-per-task=4"}
    assert set(asked[0]) == common_options | segment | {"--cpus-per-task=3"}
    assert set(asked[1]) == common_options | other


def test_a_limit_of_cores_that_only_slurm_knows(gpu_config, asked, monkeypatch):
    def refusal(options):
        asked.append(list(options))
        return "QOSMaxCpuPerJobLimit" if "--cpus-per-task=4" in options else None

    monkeypatch.setattr(slurm, "refusal", refusal)
    config = gpu_config(cpus=1)
    cluster = Cluster(config.settings)
    assert cluster.cores_afterwards == 4
    cluster.check(config, forbidden_options())
    assert cluster.cores_afterwards == 1 and "--cpus-per-task=1" in asked[-1]
    # Where all steps are one job it measures and draws beside each other, and no more.
    config = gpu_config(cpus=1, memory_gb=1, hours=0.1)
    config.settings["segmentation"]["gpu"] = False
    cluster = Cluster(config.settings)
    cluster.check(config, forbidden_options())
    assert cluster.cores_afterwards == 2 and "--cpus-per-task=2" in asked[-1]


def test_memory_and_time_grow_within_the_limits(gpu_config, asked):
    cluster = Cluster(gpu_config().settings)
    grown = [cluster.memory_mb(16384, little, gpu=True) for little in (0, 16384, 32768, 64000)]
    assert grown == [16384, 32768, 64000, 64000]
    assert [cluster.minutes(700, little, gpu=True) for little in (0, 700, 1400)] == [
        700,
        1400,
        1440,
    ]
    # A setting that was raised meanwhile is enough.
    assert cluster.memory_mb(48000, 16384, gpu=True) == 48000
    assert cluster.minutes(60, 60, gpu=False) == 30
    # The most generous of several counts, and one without a limit has none.
    both = Cluster(gpu_config(partition="gpu,gpu2").settings)
    assert both.minutes(1000, 4000, gpu=True) == 8000
    assert both.memory_mb(1000, 60000, gpu=True) == 64000
    nowhere = Cluster(gpu_config(partition="gone").settings)
    assert nowhere.memory_mb(1000, 256000, gpu=True) == 512000


def test_jobs_with_a_gpu_ask_for_no_more_than_a_node_with_one_has(gpu_config, asked, monkeypatch):
    there = [replace(one, memory_beside_gpus={"a40": 30000}) for one in PARTITIONS]
    monkeypatch.setattr(slurm, "partitions", lambda: {one.name: one for one in there})
    cluster = Cluster(gpu_config().settings)
    assert cluster.memory_mb(40000, 0, gpu=True) == 30000
    # Of several partitions it is one of their nodes, too.
    several = Cluster(gpu_config(partition="gpu,gpu2").settings)
    assert several.memory_mb(40000, 0, gpu=True) == 30000
    config = gpu_config(memory_gb=40)
    with pytest.raises(Problems) as told:
        Cluster(config.settings).check(config, forbidden_options())
    assert [each.code for each in told.value.problems] == ["SM-CLU-008"]


@pytest.mark.parametrize(
    ("section", "code", "words"),
    [
        ({"partition": "gpu,gpus"}, "SM-CLU-002", "no partition gpus"),
        (
            {"partition": "nosuch"},
            "SM-CLU-002",
            "one of: gpu (4 a100-sxm4, 9 a40), cpu (no GPU).",
        ),
        ({"cpu_partition": "nosuch"}, "SM-CLU-002", "`cpu_partition`"),
        ({"cpu_partition": "gpu2"}, "SM-CLU-004", "gpu2"),
        ({"partition": "cpu"}, "SM-CLU-005", "cpu has no GPU"),
        ({"partition": None, "hours": 0.5, "memory_gb": 2}, "SM-CLU-005", "cpu has no GPU"),
        ({"gpu_model": "A40"}, "SM-CLU-006", "a100-sxm4, a40"),
        ({"partition": "secret", "gpu_model": "a40", "hours": 1}, "SM-CLU-006", "put null"),
        ({"gpu_model": "a100-sxm4"}, "SM-CLU-007", "a100-sxm4"),
        ({"memory_gb": 63}, "SM-CLU-008", "at most 62.5"),
        ({"hours": 24.1}, "SM-CLU-008", "at most 24"),
        ({"cpus": 17}, "SM-CLU-008", "at most 16"),
        ({"partition": "gpu,gpu2", "cpus": 33}, "SM-CLU-008", "gpu,gpu2"),
        ({"account": "physics"}, "SM-CLU-009", "biology"),
    ],
)
def test_problems(gpu_config, asked, section, code, words):
    config = gpu_config(**section)
    assert words in next(str(found) for found in problems(config) if found.code == code)
    assert not asked


@pytest.mark.parametrize("name", ["secret", "gpu,gpu2"])
def test_partitions_that_are_not_the_usual(gpu_config, asked, name):
    config = gpu_config(partition=name, hours=1)
    Cluster(config.settings).check(config, forbidden_options())
    assert f"--partition={name}" in asked[0]


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        *(
            (option, "SM-CLU-011", "`hours`")
            for option in ("-t30", "-t 30", "--time=30", "--time 30")
        ),
        ("-A biology", "SM-CLU-011", "`account`"),
        ("--gres=gpu:2", "SM-CLU-011", "`gpu_model`"),
        ("--exclude=node7 --mem=3G", "SM-CLU-011", "`memory_gb`"),
        *(
            (option, "SM-CLU-012", option)
            for option in ("-D/tmp", "--array=1-3", "--requeue", "--")
        ),
        *((option, "SM-CLU-012", option) for option in ("node7", "script.sh -x a", "--exclude='a")),
    ],
)
def test_options_that_are_refused(gpu_config, asked, option, code, words):
    config = gpu_config(sbatch_options=["--reservation=course", option])
    (problem,) = problems(config)
    assert problem.code == code
    assert words in str(problem)


def test_options_that_the_executor_takes_for_its_own(gpu_config, asked):
    # It looks for a space too, which is there only if another option follows.
    options = ["--reservation=COURSE-JUNE", "--licenses=a-n", "--reservation=b-n"]
    first, second = problems(gpu_config(sbatch_options=options))
    for problem, option in ((first, options[0]), (second, options[1])):
        assert problem.code == "SM-CLU-012"
        assert option in str(problem)

    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra

    config = gpu_config(sbatch_options=options[2:])
    Cluster(config.settings).check(config, forbidden_options())
    resources = executor_resources(config.typed.cluster, gpu=True, accounts=True)
    validate_slurm_extra(SimpleNamespace(resources=SimpleNamespace(**resources)))


def test_half_a_quotation_does_not_stop_a_run_without_cluster(gpu_config):
    config = gpu_config(sbatch_options=["--exclude='a"])
    assert "slurm_extra" not in executor_resources(config.typed.cluster, gpu=True, accounts=True)


def test_options_that_are_passed_on(gpu_config, asked):
    options = ["-x node7", "--exclude node8", "-xnode9", "--mail-user='a b'", "--nice"]
    words = ["-x", "node7", "--exclude", "node8", "-xnode9", "--mail-user=a b", "--nice"]
    config = gpu_config(sbatch_options=options)
    Cluster(config.settings).check(config, forbidden_options())
    assert [one[-len(words) :] for one in asked] == [words, words]
    extra = executor_resources(config.typed.cluster, gpu=True, accounts=True)["slurm_extra"]
    assert shlex.split(extra) == words


@pytest.mark.parametrize(("known", "has_database"), [([], True), (["physics"], False)])
def test_an_account_that_can_not_be_looked_up(gpu_config, asked, monkeypatch, known, has_database):
    monkeypatch.setattr(slurm, "accounts", lambda: known)
    monkeypatch.setattr(slurm, "keeps_accounts", lambda: has_database)
    config = gpu_config(account="biology")
    Cluster(config.settings).check(config, forbidden_options())
    assert ("--account=biology" in asked[0]) == has_database


def test_only_what_is_used_is_checked(configure, asked):
    config = configure(
        cluster={"cpu_partition": "cpu", "partition": "gone", "hours": 0.5, "memory_gb": 1}
    )
    Cluster(config.settings).check(config, forbidden_options())
    assert not any("gpu" in option for options in asked for option in options)


def test_many_partitions_are_not_all_named(gpu_config, asked, monkeypatch):
    many = [Partition(f"p{number}") for number in range(200)]
    many.append(Partition("gpu", gpus={"a40": 1}))
    monkeypatch.setattr(slurm, "partitions", lambda: {one.name: one for one in many})
    words = str(problems(gpu_config(partition="nosuch", cpu_partition=None))[0])
    assert "gpu (1 a40), p0" in words
    assert "p13 (no GPU), …." in words
    assert "p14" not in words


def test_what_slurm_itself_says(gpu_config, asked, monkeypatch):
    monkeypatch.setattr(slurm, "refusal", lambda options: "Invalid qos\n specification")
    (problem,) = problems(gpu_config())
    assert problem.code == "SM-CLU-010"
    assert "Invalid qos specification" in str(problem)

    # Slurm judges by the nodes that are up; a job would wait for the others.
    away = "allocation failure: Requested node configuration is not available"
    monkeypatch.setattr(slurm, "refusal", lambda options: away)
    assert [found.code for found in problems(gpu_config())] == ["SM-CLU-010"]
    config = gpu_config()
    incomplete = [replace(one, incomplete=True) for one in PARTITIONS]
    monkeypatch.setattr(slurm, "partitions", lambda: {one.name: one for one in incomplete})
    Cluster(config.settings).check(config, forbidden_options())

    def silent(*_):
        raise SlurmError("Unable to contact\nslurm controller")

    monkeypatch.setattr(slurm, "refusal", silent)
    assert [found.code for found in problems(gpu_config())] == ["SM-CLU-001"]
    monkeypatch.setattr(slurm, "partitions", silent)
    with pytest.raises(Problem, match="SM-CLU-001"):
        Cluster(gpu_config().settings)
