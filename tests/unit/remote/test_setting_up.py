"""The parts of making a computer ready that need no computer: room, folders, versions."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from segmake import __version__
from segmake.places.here import Here
from segmake.remote.setup.experiment_there import (
    experiments_folder,
    left_of_lustre,
    left_of_quota,
    room_there,
)
from segmake.remote.setup.segmake_there import slurm_there, version_difference

QUOTA = """\
Disk quotas for user marie (uid 1001):
     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace
      /dev/sda1      10       0       0               1       0       0
server:/home/marie  900*    800    1000  6days     1       0       0
server:/full   1000*    800    1000  none     1       0       0
"""
LUSTRE = """\
     /lustre/a/very/long/name/of/a/file/system
                     24  0  1048  -  7  0  0  -
"""


@pytest.mark.parametrize(
    ("disk", "left"),
    [("/dev/sda1", None), ("server:/home/marie", 100 * 1024), ("server:/full", 0), ("no", None)],
)
def test_what_a_quota_leaves(disk: str, left: int | None) -> None:
    assert left_of_quota(QUOTA, disk) == left


def test_what_lustre_leaves() -> None:
    assert left_of_lustre(LUSTRE) == 1024 * 1024
    assert left_of_lustre("") is None and left_of_lustre("no such file system at all") is None


def test_room_is_told_below_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    room = asyncio.run(room_there(Here(), str(tmp_path / "not" / "yet")))
    assert abs(room.free - shutil.disk_usage(tmp_path).free) < 1e9
    assert room.left <= room.free


HOME = {"HOME": "/home/marie", "USER": "marie"}


@pytest.mark.parametrize(
    ("named", "variables", "folder"),
    [
        ("", {}, "/home/marie/segmake-experiments"),
        ("", {"WORK": "/scratch2/marie/"}, "/scratch2/marie/segmake-experiments"),
        ("", {"WORK": "/w", "SCRATCH": "/scratch/m"}, "/scratch/m/segmake-experiments"),
        ("/data/$USER/cells/", {"SCRATCH": "/s"}, "/data/marie/cells"),
        ("~/cells", {}, "/home/marie/cells"),
        # Of another cluster's file.
        ("$PROJECT/cells", {"SCRATCH": "/s"}, "/s/segmake-experiments"),
    ],
)
def test_where_experiments_go(named: str, variables: dict[str, str], folder: str) -> None:
    assert experiments_folder(named, HOME | variables) == folder


@pytest.mark.parametrize(
    ("programs", "there"),
    [
        ({}, False),
        ({"sbatch": 0}, None),
        ({"sbatch": 0, "sinfo": 1}, None),
        ({"sbatch": 0, "sinfo": 0}, True),
    ],
)
def test_slurm_is_there_where_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, int], there: bool | None
) -> None:
    for name in ("sh", "timeout"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    for name, code in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asyncio.run(slurm_there(Here())) is there


@pytest.mark.parametrize(
    ("there", "code"),
    [(__version__, None), ("0.0.1", "SM-REM-044"), ("99.0", "SM-REM-045"), ("x", "SM-REM-044")],
)
def test_what_follows_from_another_version(there: str, code: str | None) -> None:
    problem = version_difference(there)
    assert (problem and problem.code) == code
