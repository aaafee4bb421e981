from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import pytest

from segmake.firstday.nameless import Nameless, names_here

NAMES = Nameless(
    people=["mreiter", "Mina", "Reiter", "ag-smith", "li"],
    machines=["node17.hpc.uni.example", "node17", "hpc.uni.example", "gpu1"],
    partitions=["gpu", "smithlab"],
    places={"/home/mreiter": "~", "/home/mreiter/day": "."},
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/home/mreiter/day/images/a.tif", "./images/a.tif"),
        ("/home/mreiter/.cellpose/models/cyto3", "~/.cellpose/models/cyto3"),
        ("/home/mreiter/Smith/x.tif", "~…/x.tif"),
        ("/home/mreiter2/x", "…/x"),
        ('"/data/Smith lab/the best/x y.tif" is broken', '"…/x y.tif" is broken'),
        ("File '/gpfs/ag-smith/run.py', line 3", "File '…/run.py', line 3"),
        ("error:/gpfs/ag-smith/run.py", "error:…/run.py"),
        ("NODE17: out of memory", "machine-2: out of memory"),
        ("node170 and xnode17", "node170 and xnode17"),
        ("slurmstepd@node17.hpc.uni.example", "slurmstepd@machine-1"),
        ("li of ag-smith asked for --partition=smithlab", "user-5 of user-4 asked for --partition=partition-2"),
        ("no gpu in partition gpu", "no gpu in partition gpu"),
        ("refused by 10.17.3.4 (fe80:0:0:0:1c2:33ff)", "refused by … (…)"),
        ("write to mina.reiter@uni.example", "write to …"),
        ("GPU-5fd4a087-86f3-9d4c-9a3d-0123456789ab", "…"),
        ("4.11.0.86", "4.11.0.86"),
        ("see http://www.nvidia.com/Download/index.aspx", "see http://www.nvidia.com/Download/index.aspx"),
        ("/usr/bin/srun and /proc/self/mounts", "/usr/bin/srun and /proc/self/mounts"),
    ],
)  # fmt: skip
def test_what_is_told_of_a_text(text: str, told: str) -> None:
    assert NAMES.clean(text) == told


def test_names_are_taken_out_of_lists_and_figures_and_keys_stay() -> None:
    found = {NAMES.of("smithlab"): {"node": "gpu1", "busy": 0.93}, "log": ["on gpu1", None, True]}
    assert NAMES.clean(found) == {
        "partition-2": {"node": "machine-4", "busy": 0.93},
        "log": ["on machine-4", None, True],
    }
    assert NAMES.of("gpu") == "gpu"


def test_this_computer_is_not_named(tmp_path: Path) -> None:
    names = names_here(tmp_path, on_slurm=False)
    host, user = socket.gethostname(), getpass.getuser()
    text = (
        f"{user} on {host}, in {tmp_path}/work and {Path.home()}/.cellpose, by {socket.getfqdn()}"
    )
    told = json.dumps(names.clean({"said": text}))
    assert "./work and ~/.cellpose" in told
    assert host not in told
    # What each Linux has is no name.
    assert user == "root" or user not in told
