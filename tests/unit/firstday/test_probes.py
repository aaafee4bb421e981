"""What the day runs on nodes: the file system's probe, and the watch over a GPU, whose nvidia-smi is a stand-in here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segmake.firstday import disks, engines
from segmake.firstday.jobs import PROBES, probe
from segmake.firstday.probes import disk, graphics, side_by_side
from segmake.messages import Problem

# No GPU is on the machines of the tests: it says what NVIDIA's says of an A40, busy half of the time.
NVIDIA_SMI = """#!/bin/sh
case "$*" in
*--loop-ms*)
    cd "${0%/*}/.."
    until [ -e begun ]; do sleep 0.05; done
    for pair in 1 2 3 4 5 6 7 8 9 10; do echo "100, 4096"; echo "0, 1024"; sleep 0.05; done
    touch enough ;;
*--query-gpu*) echo "NVIDIA A40, 535.104.05, 46068, 8.6, [N/A], Enabled" ;;
*) echo "| NVIDIA-SMI 535.104.05  Driver Version: 535.104.05  CUDA Version: 12.2 |" ;;
esac
"""


@pytest.fixture
def with_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nvidia-smi").write_text(NVIDIA_SMI)
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")


def test_locks_hold_from_one_process_to_another(tmp_path: Path) -> None:
    other = subprocess.Popen(
        probe("disk", "meet", str(tmp_path)), stdout=subprocess.PIPE, text=True
    )
    held = disk.hold(tmp_path)
    said, _ = other.communicate(timeout=60)
    found = {**held, **json.loads(said)}
    assert found["held"] == found["refused"] == found["free"] == ["flock", "fcntl"]
    assert found["waited_s"] >= 0
    disks.judge({"locks_here_and_node": found, "here": {"clock_ahead_s": 0.0}})
    # A file system without locks that hold between computers (mounted with nolock) gives them to both.
    broken = {**found, "refused": []}
    with pytest.raises(Problem) as problem:
        disks.judge({"locks_here_and_node": broken, "node": {"clock_ahead_s": 61.0}})
    assert problem.value.code == "SM-DAY-017"
    assert "flock" in problem.value.what and "61 s" in problem.value.what


def test_a_folder_is_measured_and_left_empty(tmp_path: Path, monkeypatch) -> None:
    for name, value in {"LARGE_MB": 2, "SMALL_FILES": 20, "SYNCS": 3}.items():
        monkeypatch.setattr(disk, name, value)
    found = disk.measure(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert all(value > 0 for name, value in found.items() if name != "clock_ahead_s")
    assert abs(found["clock_ahead_s"]) < 2


def test_the_driver_is_asked(with_gpu: None) -> None:
    found = graphics.driver()
    assert found["newest_cuda"] == "12.2"
    assert found["gpus"][0]["name"] == "NVIDIA A40" and found["gpus"][0]["compute_cap"] == "8.6"


def test_a_torch_without_a_gpu_says_why() -> None:
    # The main environment has no torch at all.
    found = graphics.torch_of(sys.executable)
    assert found["computes"] is False and "torch" in str(found["error"])


def test_both_ways_are_watched(with_gpu: None, tmp_path: Path) -> None:
    order = {
        "folder": str(tmp_path),
        "segmake": [
            "sh",
            "-c",
            "touch begun; until [ -e enough ]; do sleep 0.1; done; echo all done",
        ],
        "plain": ["sh", "-c", "echo wrong >&2; exit 3"],
    }
    (tmp_path / "order.json").write_text(json.dumps(order))
    command = [sys.executable, str(PROBES / "side_by_side.py"), str(tmp_path / "order.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["segmake"]["code"], found["plain"]["code"]) == (0, 3)
    assert found["segmake"]["said"] == ["all done"] and found["plain"]["said"] == ["wrong"]
    busy = engines.busy(found["watched"], found["segmake"]["began"], found["segmake"]["ended"])
    assert 0.3 < busy["gpu_busy"] < 0.7 and busy["gpu_memory_mb"] == 4096


def test_a_gpu_that_tells_nothing_is_no_idle_one(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    watch = side_by_side.Watch()
    time.sleep(0.05)
    assert engines.busy(watch.end(), 0.0, time.time()) == {"gpu_busy": None, "gpu_memory_mb": None}
