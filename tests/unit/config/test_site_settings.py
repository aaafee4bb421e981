"""What the site file says for a config, and the limits that a config may not exceed."""

from __future__ import annotations

import pytest

from segmake.adapter.executor import forbidden_options
from segmake.cluster.checks import Cluster
from segmake.config.site_settings import settle
from segmake.messages import Problems
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition

SITE = """\
cluster:
  partition: gpu
  cpu_partition: cpu
  account: imaging
  gpu_model: a40
  gpu_request: gres
  sbatch_options: [--exclude=node7]
folders: {models: /data/models}
"""
CONTACT = "contact: Jo, room 3\n"
CELLPOSE = {"engine": "cellpose3", "model": "cyto3"}


def test_it_stands_where_a_config_says_nothing_or_null(site_file, configure, tmp_path):
    path = site_file(SITE)
    own = {"partition": "long", "cpu_partition": None, "sbatch_options": []}
    config = configure(segmentation=CELLPOSE, cluster=own)
    section = config.settings["cluster"]
    assert section["partition"] == "long"
    assert section["cpu_partition"] == "cpu"
    assert (section["account"], section["gpu_model"]) == ("imaging", "a40")
    assert (section["gpu_request"], section["sbatch_options"]) == ("gres", ["--exclude=node7"])
    assert config.settings["segmentation"]["models_folder"] == "/data/models"
    # A fault of what it says is told where it stands.
    assert config.where("cluster", "cpu_partition") == f"{path}, line 3"
    assert config.where("cluster", "partition") == f"{tmp_path / 'config.yaml'}, line 1"
    own = {**CELLPOSE, "models_folder": "/own"}
    config = configure(segmentation=own, cluster={"gpu_request": "gpus"})
    assert config.settings["segmentation"]["models_folder"] == "/own"
    assert config.settings["cluster"]["gpu_request"] == "gpus"


def test_without_it_the_defaults_hold(configure):
    section = configure().settings["cluster"]
    assert (section["partition"], section["gpu_request"]) == (None, "gpus")
    # An engine without models has no folder for them.
    assert "models_folder" not in configure().settings["segmentation"]


def script(tmp_path, **resources):
    (tmp_path / "own.py").write_text("print(1)\n")
    own = {"name": "own", "script": str(tmp_path / "own.py"), "run": "once"}
    return [{**own, "resources": resources}]


@pytest.mark.parametrize(
    ("limit", "cluster", "resources", "words"),
    [
        ("hours: 24", {"hours": 25}, {}, "`hours` under `cluster` is 25"),
        ("hours: 1-00:00", {"hours": "1-00:01"}, {}, "is 1-00:01; the rules of your institute"),
        ("memory_gb: 8", {"memory_gb": 8.5}, {}, "`memory_gb` under `cluster` is 8.5"),
        ("cpus: 4", {"cpus": 5}, {}, "allow at most 4"),
        ("max_gpus: 4", {"max_gpus": 5}, {}, "`max_gpus` under `cluster` is 5"),
        ("hours: 24", {}, {"hours": 25}, "`hours` under `resources` is 25"),
        ("memory_gb: 8", {}, {"memory_gb": 9}, "`memory_gb` under `resources` is 9"),
        ("cpus: 4", {}, {"cpus": 5}, "`cpus` under `resources` is 5"),
        ("max_gpus: 2", {"max_gpus": 2}, {"gpu": 3}, "`gpu` under `resources` is 3"),
    ],
)
def test_more_than_a_limit_is_refused_with_the_rule_and_whom_to_ask(
    site_file, configure, tmp_path, limit, cluster, resources, words
):
    path = site_file(f"{CONTACT}limits:\n  {limit}\n")
    with pytest.raises(Problems) as caught:
        configure(cluster=cluster, scripts=script(tmp_path, **resources))
    problem = next(one for one in caught.value.problems if one.code == "SM-SIT-005")
    assert words in problem.what
    assert problem.where == f"{tmp_path / 'config.yaml'}, line 1"
    assert f"ask Jo, room 3: the rule is in {path}, line 3" in problem.remedy


def test_what_is_at_the_limit_passes_and_a_default_above_it_is_lowered(
    site_file, configure, tmp_path
):
    path = site_file("limits: {hours: 1, memory_gb: 2, cpus: 1, max_gpus: 3}\n")
    config = configure(cluster={"memory_gb": 2}, scripts=script(tmp_path, hours=0.5))
    section, own = config.settings["cluster"], config.settings["scripts"][0]["resources"]
    assert (section["hours"], section["memory_gb"], section["cpus"]) == (1, 2, 1)
    assert (own["hours"], own["memory_gb"], own["cpus"]) == (0.5, 2, 1)
    assert config.where("cluster", "hours") == f"{path}, line 1"


@pytest.mark.parametrize(
    ("cluster", "resources"),
    [
        ({"partition": "gpu,long"}, {}),
        ({"cpu_partition": "long"}, {}),
        ({}, {"partition": "long"}),
    ],
)
def test_a_partition_that_is_not_allowed_is_refused(
    site_file, configure, tmp_path, cluster, resources
):
    site_file("limits: {partitions: [gpu, cpu]}\n")
    configure(cluster={"partition": "gpu,cpu"}, scripts=script(tmp_path, partition="cpu"))
    with pytest.raises(Problems) as caught:
        configure(cluster=cluster, scripts=script(tmp_path, **resources))
    (problem,) = (one for one in caught.value.problems if one.code == "SM-SIT-006")
    assert "the partition long" in problem.what
    assert "gpu, cpu" in problem.remedy and "whoever set up SegMake" in problem.remedy


@pytest.fixture
def asked(monkeypatch):
    """A cluster that takes every job; the options that sbatch was asked about."""
    asked: list[list[str]] = []
    gpu = Partition("gpu", default=True, minutes=None, memory_mb=64000, cpus=16, gpus={"a40": 9})
    monkeypatch.setattr(slurm, "partitions", lambda: {"gpu": gpu})
    monkeypatch.setattr(slurm, "keeps_accounts", lambda: True)
    monkeypatch.setattr(slurm, "accounts", lambda: ["imaging"])
    monkeypatch.setattr(slurm, "refusal", lambda options: asked.append(list(options)))
    return asked


def test_jobs_are_asked_for_as_the_site_file_says(site_file, configure, asked):
    site_file(SITE.replace("  cpu_partition: cpu\n", ""))
    config = configure(segmentation=CELLPOSE)
    Cluster(config.settings, config.site).check(config, forbidden_options())
    assert {"--partition=gpu", "--account=imaging", "--gres=gpu:a40:1", "--exclude=node7"} <= set(
        asked[0]
    )


def test_a_job_that_had_too_little_grows_no_further_than_the_limits(site_file, configure, asked):
    site_file("limits: {hours: 4, memory_gb: 20, cpus: 2}\n")
    config = configure(segmentation=CELLPOSE)
    cluster = Cluster(config.settings, config.site)
    assert cluster.memory_mb(16384, 16384, gpu=True) == 20 * 1024
    assert cluster.minutes(120, 200, gpu=True) == 240
    assert cluster.cores_afterwards == 2
    assert Cluster(config.settings).minutes(120, 200, gpu=True) == 400


def test_the_cluster_s_own_partition_is_held_against_the_allowed_ones(site_file, configure, asked):
    site_file("limits: {partitions: [cpu]}\n")
    config = configure(segmentation=CELLPOSE)
    with pytest.raises(Problems) as caught:
        Cluster(config.settings, config.site).check(config, forbidden_options())
    assert {one.code for one in caught.value.problems} == {"SM-SIT-006"}


def test_a_partition_of_the_site_file_that_is_not_there_is_told_with_its_line(
    site_file, configure, asked
):
    path = site_file("cluster:\n  partition: gpus\n")
    config = configure(segmentation=CELLPOSE)
    with pytest.raises(Problems) as caught:
        Cluster(config.settings, config.site).check(config, forbidden_options())
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("SM-CLU-002", f"{path}, line 2")
    path = site_file("cluster:\n  partition: gpu\n  sbatch_options:\n    - --time=5\n")
    config = configure(segmentation=CELLPOSE)
    with pytest.raises(Problems) as caught:
        Cluster(config.settings, config.site).check(config, forbidden_options())
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("SM-CLU-011", f"{path}, line 4")


@pytest.mark.parametrize(
    ("text", "cluster", "there", "expected", "origin"),
    [
        ("", {}, 9, 9, "the cluster"),
        ("", {}, 0, None, "config.yaml"),
        ("", {"max_gpus": None}, 9, 9, "the cluster"),
        ("", {"max_gpus": 18}, 9, 18, "config.yaml"),
        ("cluster: {max_gpus: 6}\n", {}, 9, 6, "site.yaml"),
        ("cluster: {max_gpus: 6}\n", {"max_gpus": 7}, 9, 7, "config.yaml"),
        ("limits: {max_gpus: 4}\n", {}, 9, 4, "site.yaml"),
        ("limits: {max_gpus: 4}\n", {}, 0, 4, "site.yaml"),
        ("limits: {max_gpus: 12}\n", {}, 9, 9, "the cluster"),
        ("limits: {max_gpus: 4}\ncluster: {max_gpus: 6}\n", {}, 9, 4, "site.yaml"),
    ],
)
def test_how_many_gpus_work_at_once(site_file, configure, text, cluster, there, expected, origin):
    site_file(text)
    config = configure(cluster=cluster)
    settle(config, there, "the cluster")
    assert config.settings["cluster"]["max_gpus"] == expected
    assert origin in config.where("cluster", "max_gpus")
    # What is settled stays.
    settle(config)
    assert config.settings["cluster"]["max_gpus"] == expected


def test_a_job_of_a_script_with_more_gpus_can_begin(configure, tmp_path):
    config = configure(scripts=script(tmp_path, gpu=20))
    settle(config, 4, "the cluster")
    assert config.settings["cluster"]["max_gpus"] == 20


def test_the_gpus_of_the_model_in_the_partition_count(configure, asked, monkeypatch):
    gpus = {"a40": 9, "t4": 2}
    there = {
        "gpu": Partition("gpu", default=True, memory_mb=64000, cpus=16, gpus=gpus),
        "cpu": Partition("cpu", memory_mb=64000, cpus=16),
    }
    monkeypatch.setattr(slurm, "partitions", lambda: there)

    def found(engine=CELLPOSE, **cluster):
        return Cluster(configure(segmentation=engine, cluster=cluster).settings).gpus

    assert found() == 11
    assert found(gpu_model="a40", partition="gpu") == 9
    assert found(gpu_model="h100") == found(partition="cpu") == found(partition="gone") == 0
    assert found(engine={"engine": "threshold"}) == 0
