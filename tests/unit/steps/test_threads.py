"""The threads of the process of a job, counted by the system: libraries start no more than the job has cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from threading import Lock

import numpy as np
import pytest
import tifffile

from segmake import engines
from segmake.adapter.shell_commands import shell_prefix
from segmake.core.declared_steps import SEGMENT
from segmake.core.journal import Journal
from segmake.core.threads import VARIABLES, allowed
from segmake.plan.make import make_plan
from segmake.plan.written_plan import write_plan
from segmake.runner.run_step import run_step
from segmake.steps.segmentation import Segmentation
from tests.projects import ROOT

# Does a step as its job does, and tells the threads that are there when it is done. SegMake's own, which wait for disks,
# have ended then; one of pyarrow's only gives memory back now and then.
STEP = """
import json, os, sys, time
from contextlib import suppress
from pathlib import Path
from segmake.cli import main

def threads():
    found = []
    for task in os.listdir("/proc/self/task"):
        # One that ends meanwhile is none.
        with suppress(OSError):
            found.append(Path(f"/proc/{os.getpid()}/task/{task}/comm").read_text().strip())
    return [name for name in found if name != "jemalloc_bg_thd"]

code, found = main(sys.argv[1:]), threads()
for _ in range(50):
    # One that was joined is gone from the system's list a moment later.
    time.sleep(0.01)
    found = min(found, threads(), key=len)
print(json.dumps([code, found]))
"""

# Does a step in several processes, and tells the most threads that one of them had.
SPREAD = """
import json, multiprocessing, os, sys, threading, time
from segmake.cli import main

seen, names = {}, {}
def watch():
    while True:
        for child in multiprocessing.active_children():
            try:
                tasks = os.listdir(f"/proc/{child.pid}/task")
                # A thread is given its name a moment after it began.
                names.update((task, open(f"/proc/{child.pid}/task/{task}/comm").read().strip()) for task in tasks)
            except OSError:
                continue
            seen.setdefault(child.pid, []).append(tasks)
        time.sleep(0.005)

threading.Thread(target=watch, daemon=True).start()
code = main(sys.argv[1:])
most = [
    max(sum(names[task] != "jemalloc_bg_thd" for task in tasks) for tasks in of_one) for of_one in seen.values()
]
print(json.dumps([code, most, sorted(names.values())]))
"""


# What libraries start when they need threads for a moment, on a node with many cores.
AT_MOST = """
import json, os

os.cpu_count = lambda: 64
import pyarrow, tifffile

print(json.dumps([tifffile.TIFF.MAXWORKERS, pyarrow.io_thread_count(), pyarrow.cpu_count()]))
"""


@pytest.fixture
def project(configure, draw, tmp_path):
    """Images, and a plan for them with all kinds of outputs."""

    def make(number: int, **segmentation: object):
        for each in range(number):
            draw(tmp_path / "images" / f"{each:02d}.tif")
        engine = {"engine": "threshold", **segmentation}
        kinds = ["rois", "cellpose", "ome_zarr"]
        plan, _ = make_plan(configure(segmentation=engine, outputs=kinds))
        write_plan(plan)
        return plan

    return make


def run(plan, step: str, code: str, cores: int, python: str = sys.executable, *more: str):
    """Do a step in a shell as its rule does, on so many cores; return what the code prints."""
    (batch,) = plan.batches
    given = [
        step,
        "--plan",
        plan.folders.plan,
        "--batch",
        batch,
        "--out",
        plan.outcome(step, batch),
    ]
    # What Snakemake sets before it calls the shell, and what SegMake does then.
    environ: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if name not in VARIABLES},
        **dict.fromkeys(VARIABLES[:6], str(cores)),
    }
    prefix = shell_prefix(plan.folders.plan, python, conda=False).format()
    words = [python, "-P", "-c", code, *map(str, given), *more]
    ran = subprocess.run(
        ["bash", "-c", f'{prefix} "$@"', "-", *words],
        env={**environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_libraries_start_no_more_threads_than_the_job_has_cores(project):
    plan = project(16)
    for step in ("segment", "masks", "overlay"):
        code, threads = run(plan, step, STEP, 1)
        assert code == 0
        # tensorstore has one that copies, one that writes, and one that waits for them.
        assert len(threads) <= (4 if step == "masks" else 1), (step, threads)
    code, most, names = run(plan, "measure", SPREAD, 2, sys.executable, "--cpus", "2")
    # In each of two processes one works, and one waits for the end of the process that started it.
    assert code == 0 and len(most) == 2 and max(most) <= 2, names


@pytest.mark.parametrize("cores", [1, 3])
def test_libraries_of_a_node_with_many_cores_take_those_of_the_job(project, cores):
    assert run(project(1), "masks", AT_MOST, cores) == [cores] * 3


def test_cellpose_starts_no_threads_where_there_is_one_core(project, root):
    python = root / ".environments" / "cellpose3" / "bin" / "python"
    if not python.exists():
        pytest.skip("the environment of cellpose3 is not on this machine")
    model = str(root / "resources/models/segmake_demo_cp3")
    plan = project(2, engine="cellpose3", model=model, gpu=False, allow_cpu=True)
    code, threads = run(plan, "segment", STEP, 1, str(python))
    assert code == 0 and len(threads) == 1, threads


class Network:
    """An engine that counts what is computed with it at the same time."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._counting, self._at_work, self.most = Lock(), 0, 0

    def _compute(self, planes):
        with self._counting:
            self._at_work += 1
            self.most = max(self.most, self._at_work)
        time.sleep(0.05)
        with self._counting:
            self._at_work -= 1
        return np.ones(planes[0].shape, np.int32)

    def load(self, settings):
        return "model"

    def predict(self, loaded, planes):
        return self._compute(planes)

    def masks(self, loaded, prediction):
        return self._compute([prediction])

    def describe(self, loaded):
        return {"model": "model", "device": self._device}


@pytest.mark.parametrize(
    ("device", "cores", "most"), [("CPU", 1, 1), ("CPU", 4, 1), ("H200", 4, 2)]
)
def test_on_the_cpu_one_thing_at_a_time_has_all_cores(
    configure, tmp_path, monkeypatch, device, cores, most
):
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        # Of a movie the masks of a plane are made while the network sees the next one.
        movie = np.zeros((3, 16, 16), np.uint16)
        axes = {"axes": "TYX"}
        tifffile.imwrite(images / f"{number}.tif", movie, imagej=True, metadata=axes)
    section = {"engine": "cellpose3", "gpu": device != "CPU", "allow_cpu": True}
    plan, _ = make_plan(
        configure(images={"folder": str(images), "time": "all"}, segmentation=section)
    )
    network = Network(device)
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    monkeypatch.setattr(engines, "engine", lambda name: network)
    (batch,) = plan.batches.values()
    with Journal(plan.folders.journal(SEGMENT, batch.name)).locked() as journal:
        run_step(batch.tasks[SEGMENT], journal, Segmentation(plan, str), str, str)
    assert {entry.event for entry in journal.finished().values()} == {"done"}
    assert network.most == most


@pytest.mark.parametrize(
    ("environ", "number"),
    [
        ({"OMP_NUM_THREADS": "3", "SLURM_CPUS_PER_TASK": "8"}, 3),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
        ({"SLURM_CPUS_PER_TASK": "8"}, 8),
        ({"OMP_NUM_THREADS": "", "SLURM_CPUS_PER_TASK": "x"}, os.cpu_count()),
    ],
)
def test_what_the_job_was_given_is_known(environ, number):
    assert allowed(environ) == number
