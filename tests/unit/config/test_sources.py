"""Where each setting comes from."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from segmake.cli import main
from segmake.cluster import checks
from segmake.config.load import load_config
from segmake.config.sources import changed, described, sources_of
from segmake.plan.make import make_plan
from segmake.plan.written_plan import read_plan, write_plan
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition
from tests.projects import ROOT

SITE = "cluster:\n  partition: gpu\n  account: lab\nlimits:\n  hours: 1\n"
OWN = """\
images:
  folder: images
segmentation:
  engine: threshold
  min_size: 30
cluster:
  partition: null
  account: own
  memory_gb: 8
measurements: {background: null}
results: out
"""


@pytest.fixture
def project(tmp_path, monkeypatch, site_file, draw):
    """A folder with a config, a site file and three images; no Slurm."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "is_here", lambda: False)
    site_file(SITE)
    for number in range(3):
        draw(tmp_path / "images" / f"{number}.tif")
    (tmp_path / "config.yaml").write_text(OWN)
    return tmp_path


def test_each_setting_that_is_no_default_has_its_place(project):
    site = project / "site.yaml"
    config = load_config(project / "config.yaml", {"cluster": {"memory_gb": 4}, "outputs": []})
    own = project / "config.yaml"
    assert sources_of(config) == {
        "images.folder": f"{own}, line 2",
        "segmentation.engine": f"{own}, line 4",
        "segmentation.min_size": f"{own}, line 5",
        "cluster.partition": f"{site}, line 2",
        "cluster.account": f"{own}, line 8",
        "cluster.hours": f"{site}, line 5",
        "cluster.memory_gb": "the command: --config",
        "outputs": "the command: --config",
        "results": f"{own}, line 11",
    }


def test_the_table_has_the_cluster_and_what_differs_from_the_default(project):
    config = load_config(project / "config.yaml")
    plan, _ = make_plan(config)
    shown = {".".join(map(str, keys)): value for keys, value in changed(plan.settings)}
    others = {name: value for name, value in shown.items() if not name.startswith("cluster.")}
    assert others == {
        "images.folder": "images",
        "segmentation.engine": "threshold",
        "segmentation.min_size": 30,
        "results": "out",
    }
    assert {f"cluster.{key}" for key in config.settings["cluster"]} <= shown.keys()
    rows = described(plan.settings, plan.sources)
    (row,) = (row for row in rows if "cluster.partition" in row)
    assert row.split(maxsplit=2)[1:] == ["gpu", f"{project / 'site.yaml'}, line 2"]
    # What nobody has set is no setting to read of; but what was set to nothing is.
    assert plan.settings["cluster"]["qos"] is None and "null" not in "".join(rows)
    without = {**plan.settings, "outputs": None}
    assert [row.split()[:2] for row in described(without, plan.sources) if "null" in row] == [
        ["outputs", "null"]
    ]
    (row,) = (row for row in rows if "cluster.batch_size" in row)
    assert row.split() == ["cluster.batch_size", "auto", "default"]
    assert "sbatch_options" not in "".join(rows)


def test_jobs_know_it_by_the_plan(project):
    plan, _ = make_plan(load_config(project / "config.yaml"))
    write_plan(plan)
    assert read_plan(plan.folders.plan).sources == plan.sources != {}


def test_segmake_plan_says_what_a_run_would_do(project, capsys):
    (project / "images" / "0.tif").write_bytes(b"")
    before = sorted(project.rglob("*"))
    assert main(["plan", "--configfile", "config.yaml"]) == 0
    said = capsys.readouterr().out
    assert "found          3" in said and "to segment     2" in said
    assert "in all         1  batch (with something to do: 1)" in said
    assert "site.yaml, line 2" in said and "config.yaml, line 8" in said
    assert sorted(project.rglob("*")) == before


def test_segmake_plan_asks_a_cluster_that_is_here(project, capsys, monkeypatch):
    there = {"gpu": Partition("gpu", default=True, memory_mb=64000, cpus=16, gpus={"a40": 9})}
    monkeypatch.setattr(slurm, "is_here", lambda: True)
    monkeypatch.setattr(slurm, "partitions", lambda: there)
    (project / "site.yaml").unlink()
    text = OWN.replace("engine: threshold\n  min_size: 30", "engine: cellpose3")
    (project / "config.yaml").write_text(text)
    # Whether the engine is set up on this computer is told, too.
    main(["plan", "--configfile", "config.yaml"])
    rows = {
        row.split()[0]: row.split(maxsplit=2)[1:]
        for row in capsys.readouterr().out.splitlines()
        if row.startswith("  cluster.")
    }
    assert rows["cluster.max_gpus"] == ["9", "the cluster: what the partition gpu has"]
    assert rows["cluster.partition"] == ["gpu", "the cluster: its default partition"]

    def silent():
        raise slurm.SlurmError("no controller")

    monkeypatch.setattr(slurm, "partitions", silent)
    main(["plan", "--configfile", "config.yaml"])
    assert "SM-CLU-001" in capsys.readouterr().out


def test_segmake_plan_loads_no_snakemake(project):
    script = (
        "import sys; from segmake.cli import main; main(['plan', '--configfile', 'config.yaml']);"
        "sys.exit('snakemake' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_a_cluster_that_does_not_answer_is_no_error_yet(project, monkeypatch):
    def silent():
        raise slurm.SlurmError("no controller")

    monkeypatch.setattr(slurm, "partitions", silent)
    answer = checks.ask_cluster(load_config(project / "config.yaml"))
    assert "no controller" in str(answer)
