"""JupyterLab as a job of a real cluster: a cell runs in the environment, the way to it leads through the job and no other.

The emulated nodes share one loopback and one disk: that the way is the job's is seen by what carries it, and by its end.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from segmake.jupyter import relay
from tests.answers import held, read_by
from tests.programs import program
from tests.projects import ROOT, Project
from tests.slurm import cluster
from tests.slurm.test_lost_runs import drain, resume

if TYPE_CHECKING:
    from playwright.sync_api import Page

CELL = """\
import os, sys, natsort
print(sys.prefix, os.getcwd(), natsort.__version__, os.environ.get("CUDA_VISIBLE_DEVICES"), sep="\\n")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of environments, which are made once."""
    return tmp_path_factory.mktemp("made") / "l'été"


@pytest.fixture
def lab(slurm_project: Project, made: Path, tmp_path: Path) -> Iterator[Project]:
    """A project with an environment that has no JupyterLab; none is open when the test has ended."""
    slurm_project.settings["environments"] = {"growth": {"packages": ["natsort==8.4.0"]}}
    slurm_project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(made)
    slurm_project.variables["XDG_STATE_HOME"] = str(tmp_path / "state")
    slurm_project.write_config()
    yield slurm_project
    segmake(slurm_project, "stop")


def segmake(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, **surroundings(project))


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "segmake", "jupyter", *words]


def surroundings(project: Project) -> dict:
    return {"cwd": project.folder, "env": project.environment(), "text": True, "check": False}


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    options = {key: value for key, value in surroundings(project).items() if key != "check"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command(*words), **pipes, **options)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Return what a process has written to standard error when it has written some words."""
    said = ""
    for line in process.stderr:
        said += line
        if words in line:
            return said
    raise AssertionError(said)


def sessions(project: Project, *words: str) -> list[dict]:
    """Return what a program is told."""
    asked = segmake(project, *words, "--json")
    assert (asked.returncode, asked.stderr) == (0, ""), asked
    return held(asked.stdout)["sessions"]


def run_cell(project: Project, url: str) -> list[str]:
    """Return the lines that a cell prints, in a kernel behind an address."""
    own = Path(project.variables["SNAKEMAKE_CONDA_PREFIX"], "own")
    (packages,) = own.glob("growth-jupyterlab-*")
    # Of JupyterLab's packages one makes websockets.
    words = [sys.executable, str(ROOT / "tests" / "notebook.py"), str(packages), url, CELL]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def answers(url: str) -> bool:
    """Return whether JupyterLab answers at an address."""
    try:
        return urlopen(url.replace("/lab?", "/api/status?"), timeout=60).status == 200
    except (URLError, ConnectionError, TimeoutError):
        return False


def environment(project: Project) -> str:
    own = Path(project.variables["SNAKEMAKE_CONDA_PREFIX"], "own")
    (prefix,) = (place for place in own.glob("growth-*") if "jupyterlab" not in place.name)
    return str(prefix)


def far_ends(socket_file: str) -> list[psutil.Process]:
    """Return the processes that connect to a socket for the relay."""
    words = [relay.__file__, "far", socket_file]
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        # What starts them has these words behind others.
        if (process.info["cmdline"] or [])[2:] == words
    ]


def test_a_cell_runs_in_the_environment_and_the_way_ends_with_the_job(lab: Project) -> None:
    opened = segmake(lab, "growth", "--gpus", "1", "--memory-gb", "2", "--hours", "0:20")
    assert opened.returncode == 0, opened.stderr
    (session,) = sessions(lab, "list")
    job, url, token = session["job"], session["url"], session["token"]
    assert url in opened.stdout and session["forwarding"] in opened.stdout
    assert session["node"] and f"job {job}" in opened.stdout
    shown = cluster._output("scontrol", "show", "job", "-dd", job)
    for asked in ("gres:gpu", "MinMemoryNode=2G", "TimeLimit=00:20:00", "CPUs/Task=1"):
        assert asked in shown
    printed = run_cell(lab, url)
    assert printed[:3] == [environment(lab), str(lab.folder), "8.4.0"] and printed[3].isdigit()

    # Twice the same is one, at the same address.
    again = segmake(lab, "growth", "--gpus", "2")
    assert url in again.stdout and "there already" in again.stderr
    # What others can read of the job and its processes has no token in it.
    lists = [shown, cluster._output("squeue", "--format=%all")]
    lists += [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    assert not any(token in each for each in lists)
    (folder,) = Path(lab.variables["XDG_STATE_HOME"], "segmake", "jupyter").glob("growth-*")
    assert folder.stat().st_mode & 0o077 == 0
    with_token = [file for file in folder.rglob("*.json") if token in file.read_text()]
    assert with_token and all(file.stat().st_mode & 0o077 == 0 for file in with_token)

    # The way is a step of the job: without the step JupyterLab is there, and nothing leads to it.
    place = json.loads((folder / "ready.json").read_text())["socket"]
    (far,) = far_ends(place)
    variables = far.environ()
    assert variables["SLURM_JOB_ID"] == job
    subprocess.run(["scancel", f"{job}.{variables['SLURM_STEP_ID']}"], check=True)
    cluster.wait_for(lambda: not answers(url), "the way to end", 60)
    with socket.socket(socket.AF_UNIX) as direct:
        direct.connect(place)
    assert sessions(lab, "list")[0]["url"] is None
    assert url in segmake(lab, "growth").stdout and answers(url)

    # Nor does anything once the job has ended, though something listens in the same place.
    assert segmake(lab, "stop", "growth").returncode == 0
    assert not folder.exists() and not Path(place).parent.exists()
    Path(place).parent.mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(place)
        other.listen()
        cluster.wait_for(lambda: not answers(url) and not far_ends(place), "the way to end", 60)
    Path(place).unlink()
    Path(place).parent.rmdir()
    assert sessions(lab, "list") == []
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(folder) in str(one.info)]


def test_who_waits_is_told_why_and_may_leave(lab: Project) -> None:
    drain()
    try:
        opened = start(lab, "growth", "--partition", "gpu")
        cluster.wait_for(lambda: bool(sessions(lab, "list")), "the job", 120)
        # Slurm may give another reason first, and the line with that one may never come.
        reason = "the nodes are down or reserved"
        cluster.wait_for(lambda: sessions(lab, "list")[0]["reason"] == reason, "the reason", 60)
        # What a page would show meanwhile.
        shown = read_by("jupyter.pl", segmake(lab, "growth", "--json").stdout)
        (session,) = sessions(lab, "list")
        assert shown == f"growth: waiting ({reason})\n"
        said = read_until(opened, reason)
        opened.send_signal(signal.SIGINT)
        out, err = opened.communicate(timeout=60)
        assert opened.returncode == 130 and out == "" and "Traceback" not in said + err
        assert "segmake jupyter stop growth" in err
        # It is there still, and waited for again, until somebody cancels it.
        again = start(lab, "growth")
        read_until(again, reason)
        subprocess.run(["scancel", session["job"]], check=True)
        _, err = again.communicate(timeout=120)
        assert again.returncode == 1 and "SM-JUP-004" in err
        assert sessions(lab, "list") == []
    finally:
        resume()
    refused = segmake(lab, "growth", "--partition", "nowhere")
    assert refused.returncode == 1 and refused.stderr.startswith("SM-JUP-003")
    assert sessions(lab, "list") == []


def test_without_slurm_it_is_a_process_of_this_machine(lab: Project, tmp_path: Path) -> None:
    lab.variables["PATH"] = os.path.dirname(sys.executable)
    opened = segmake(lab, "growth")
    assert opened.returncode == 0, opened.stderr
    (session,) = sessions(lab, "list")
    assert session["job"] is None and session["forwarding"] is None
    assert run_cell(lab, session["url"])[:2] == [environment(lab), str(lab.folder)]
    assert segmake(lab, "stop").returncode == 0
    (state,) = Path(lab.variables["XDG_STATE_HOME"]).glob("segmake/jupyter")
    assert [file.name for file in state.iterdir()] == [".segmake.lock"]
    cluster.wait_for(lambda: not answers(session["url"]), "the way to end", 60)
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(state) in str(one.info)]


def runs_the_cell(page: Page) -> bool:
    """Run the selected cell, which stays selected, and wait a little for what it prints."""
    page.keyboard.press("Control+Enter")
    page.wait_for_timeout(3000)
    return True


@pytest.mark.slow
@pytest.mark.long
def test_a_cell_is_run_in_a_browser(lab: Project, tmp_path: Path) -> None:
    """Needs Playwright, which is no package of the tests: uv pip install playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    options = {"executable_path": program("chromium"), "args": ["--no-sandbox"]}
    assert segmake(lab, "growth", "--gpus", "1", "--hours", "0:20").returncode == 0
    (session,) = sessions(lab, "list")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(**options)
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.set_default_timeout(120_000)
        page.goto(session["url"])
        card = page.locator(".jp-LauncherCard[data-category='Notebook']").first
        assert "growth, until " in card.inner_text()
        card.click()
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.keyboard.insert_text(CELL)
        # A kernel that is still being connected would not be asked.
        page.get_by_text(re.compile(r"^growth, until .* \| Idle$")).wait_for()
        output = page.locator(".jp-OutputArea-output").first
        # What was typed may be there later than the kernel.
        cluster.wait_for(lambda: runs_the_cell(page) and output.is_visible(), "the output", 120)
        page.screenshot(path=tmp_path / "jupyterlab.png")
        assert output.inner_text().splitlines()[:3] == [
            environment(lab),
            str(lab.folder),
            "8.4.0",
        ]
        browser.close()
    assert (lab.folder / "Untitled.ipynb").exists()
    assert segmake(lab, "stop").returncode == 0 and sessions(lab, "list") == []
