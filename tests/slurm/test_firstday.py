"""The first day on a real Slurm: its jobs, what it counts, what is left; GPUs are only devices here, and the CPU computes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.answers import held_to_its_schema
from tests.projects import ROOT, Project
from tests.slurm import cluster
from tests.slurm.disturbed import LONG
from tests.slurm.test_launch import needs_mounts

DEMO_MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
ENGINE = ROOT / ".environments" / "cellpose3" / "bin" / "python"

pytestmark = pytest.mark.usefixtures("slurm")


@pytest.fixture
def project(slurm_project: Project) -> Project:
    """A folder with a config that says where jobs go: both nodes with GPUs take any."""
    slurm_project.settings["cluster"] = {"partition": "gpu"}
    slurm_project.write_config()
    return slurm_project


def command(*words: str) -> list[str]:
    config = ("--configfile", "config/config.yaml", "--yes")
    return [sys.executable, "-P", "-m", "segmake", "firstday", *config, *words]


def surroundings(project: Project) -> dict:
    environment = {**project.environment(), "PYTHONPATH": str(ROOT / "workflow")}
    return {"cwd": project.folder, "env": environment, "text": True}


def do(project: Project, *words: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    """Do steps, and return what was said and the outcome of each by its name."""
    done = subprocess.run(
        command(*words), capture_output=True, check=False, **surroundings(project)
    )
    return done, read(project)


def read(project: Project) -> dict:
    found = json.loads((project.folder / "segmake-firstday" / "firstday.json").read_text())
    return held_to_its_schema(found)


def step(found: dict, name: str) -> dict:
    return next(one for one in found["steps"] if one["name"] == name)


def queued() -> str:
    words = ("squeue", "--noheader", "--format=%j %T")
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_jobs_locks_and_partitions_and_nobody_is_named(project: Project) -> None:
    done, found = do(project, "--gpu-minutes", "1", "--only", "slurm", "file-systems", "partitions")
    assert done.returncode == 0, done.stdout + done.stderr
    assert step(found, "slurm")["figures"]["settings"]["SelectType"] == "select/cons_tres"
    locks = step(found, "file-systems")["figures"]
    for pair in ("locks_here_and_node", "locks_node_and_node"):
        assert locks[pair]["refused"] == locks[pair]["free"] == ["flock", "fcntl"]
    partitions = step(found, "partitions")["figures"]
    kinds = [kind for kinds in partitions.values() for kind in kinds]
    assert sorted(kinds) == ["cpu"] * 4 + ["gpu"] * 2
    assert partitions["gpu"]["gpu"]["gpus"] == 1 and partitions["gpu"]["cpu"]["gpus"] == 0
    # Two jobs with a GPU would need a minute each at the same time, and one was agreed to.
    other = next(kinds for name, kinds in partitions.items() if "gpu" in kinds and name != "gpu")
    assert other["gpu"]["state"] == "not_sent"
    [job] = found["gpu_minutes"]["jobs"]
    assert (job["step"], job["reserved"]) == ("partitions", 1) and 0 < job["used"] < 0.5
    # Partition `brief` and the nodes are names; so is this computer.
    written = (project.folder / "segmake-firstday" / "firstday.html").read_text()
    for name in (socket.gethostname(), "gpu1", "cpu1", "brief", "lab", project.folder.name):
        assert not re.search(rf"\b{re.escape(name)}\b", written.partition("<script")[2]), name
    left = sorted(path.name for path in (project.folder / "segmake-firstday").iterdir())
    assert left == ["firstday.html", "firstday.json"]
    assert queued() == ""


@needs_mounts
@pytest.mark.parametrize("_", [pytest.param("", marks=LONG)])
def test_a_node_does_not_see_a_folder(project: Project, _: str) -> None:
    local = project.folder / "only_here"
    local.mkdir()
    project.variables["TMPDIR"] = str(local)
    with cluster.hidden(local):
        done, found = do(project, "--gpu-minutes", "0", "--only", "missing-files")
    assert done.returncode == 0, done.stdout + done.stderr
    assert step(found, "missing-files")["state"] == "passed"
    assert "SM-" in step(found, "missing-files")["figures"]["messages"][0]
    assert list(local.iterdir()) == []


@pytest.mark.slow
@pytest.mark.long
def test_accounts_and_growth_and_the_main_process(project: Project) -> None:
    steps = ("main-process", "accounts", "memory", "time")
    done, found = do(project, "--gpu-minutes", "0", "--only", *steps)
    assert done.returncode == 0, done.stdout + done.stderr
    for name, key in (("memory", "memory_mb"), ("time", "minutes")):
        if name == "memory" and step(found, name)["state"] == "skipped":
            # Without cgroups, nobody keeps jobs within their memory.
            continue
        sent = [job for job in step(found, name)["figures"]["jobs"] if job["rule"] != "after"]
        assert [job["cause"] for job in sent] == [name] * (len(sent) - 1) + [""]
        assert sent[1][key] == 2 * sent[0][key]
    assert step(found, "accounts")["figures"]["memory_mb"] > 300
    assert found["gpu_minutes"]["used"] == 0


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not ENGINE.exists(), reason="Cellpose 3 is not set up")
def test_an_engine_within_segmake_and_alone(project: Project) -> None:
    # The demo model stands in for the one that its authors publish, and the CPU for the GPU.
    models = project.folder / "models"
    models.mkdir()
    shutil.copyfile(DEMO_MODEL, models / "cyto3")
    project.variables["CELLPOSE_LOCAL_MODELS_PATH"] = str(models)
    words = ("--allow-cpu", "--gpu-minutes", "200", "--only", "picture", "equality", "speed")
    _, found = do(project, *words)
    one = {name: step(found, name)["figures"]["cellpose3"] for name in words[4:]}
    assert one["picture"]["cells"] > 0 and one["picture"]["device"] == "CPU"
    assert one["equality"]["equal"] == one["equality"]["pictures"] > 1
    assert one["speed"]["segmake"]["pictures_per_s"] > 0
    assert one["speed"]["plain"]["pictures_per_s"] > 0
    assert 0 < found["gpu_minutes"]["used"] < 200


@pytest.mark.slow
@pytest.mark.long
def test_what_is_stopped_leaves_no_job_behind(project: Project) -> None:
    day = subprocess.Popen(
        command("--gpu-minutes", "0", "--only", "versions", "time"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **surroundings(project),
    )
    project.started.append(day)
    cluster.wait_for(lambda: "RUNNING" in queued(), "the job of the step")
    # As a terminal does on Ctrl-C: to all that run in it.
    subprocess.run(["kill", f"-{signal.SIGINT}", "--", f"-{day.pid}"], check=True)
    assert day.wait(timeout=120) == 128 + signal.SIGINT
    cluster.wait_for(lambda: queued() == "", "the queue to be empty")
    assert step(read(project), "versions")["state"] == "passed"
    assert step(read(project), "time")["state"] == "not_done"
