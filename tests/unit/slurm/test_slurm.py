"""What Slurm's commands print, and what is made of it.

The commands are small scripts that print what such clusters print: clusters of other sizes, settings and versions of
Slurm than the one of tests/slurm, which can't exist on this machine.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import replace

import pytest

from segmake.slurm import commands as slurm
from segmake.slurm.commands import Job, Partition, SlurmError

OLD = "1795461483"


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Put a command on the PATH that prints what it is told to, and notes how it was called."""
    folder = tmp_path / "commands"
    folder.mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "env", "sleep"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{tools}")

    def make(name: str, output: str = "", error: str = "", code: int = 0):
        log, path = tmp_path / f"{name}.log", folder / name
        path.write_text(
            "#!/bin/sh\n"
            f'{{ env; echo "called: $*"; }} >> {shlex.quote(str(log))}\n'
            f"printf '%s\\n' {shlex.quote(output)}\n"
            f"printf '%s\\n' {shlex.quote(error)} >&2\n"
            f"exit {code}\n"
        )
        path.chmod(0o755)
        return log

    return make


def partition(name: str, **facts: str) -> str:
    known = {"Default": "NO", "MaxTime": "1-00:00:00", "State": "UP", "MaxMemPerNode": "UNLIMITED"}
    words = [f"{key}={value}" for key, value in (known | facts).items() if value]
    return " ".join([f"PartitionName={name}", *words, "JobDefaults=DefMemPerGPU=10", "TRES=cpu=72"])


def test_partitions_of_a_large_cluster(command):
    command(
        "scontrol",
        "\n".join(
            [
                partition("gpu", Default="YES", MaxMemPerNode="128000"),
                partition("mixed", MaxTime="UNLIMITED", MaxMemPerNode="", MaxMemPerCPU="4000"),
                partition("shared", MaxTime="12:30:00", MaxCPUsPerNode="12"),
                partition("closed", State="DRAIN", Hidden="YES", MaxTime="45:00"),
                partition("empty"),
            ]
        ),
    )
    sinfo = command(
        "sinfo",
        "gpu|2|36|256000|mix|gpu:a40:9(S:0-1)\n"
        "gpu|1|64+|512000+|down*|gpu:a40:4(S:0,1),gpu:t4:2,shard:a40:16(S:0-1),tmpdisk:100\n"
        "mixed|4|8|64000|alloc|gpu:9\n"
        "mixed|1|16|32000|idle|(null)\n"
        "shared|3|36|96000|mix-|gpu:nvidia_a100-sxm4-80gb:4(IDX:0-3),gpu:a100:no_consume:1\n"
        "closed|1|4|8000|comp|gpu:0\n"
        "empty|0|0|0|n/a|(null)\n"
        "CLUSTER: other",
    )
    a100 = {"nvidia_a100-sxm4-80gb": 12, "a100": 3}
    day = 24 * 60
    beside = {name: one.memory_beside_gpus for name, one in slurm.partitions().items()}
    assert beside["gpu"] == {"a40": 512000, "t4": 512000} and beside["mixed"] == {"": 64000}
    found = slurm.partitions().items()
    assert {name: replace(one, memory_beside_gpus={}) for name, one in found} == {
        "gpu": Partition("gpu", True, True, False, day, 128000, 64, {"a40": 22, "t4": 2}, True),
        # All 16 cores of the largest node, with the memory that goes with each.
        "mixed": Partition("mixed", False, True, False, None, 64000, 16, {"": 36}),
        "shared": Partition("shared", False, True, False, 12 * 60 + 30, 96000, 12, a100),
        "closed": Partition("closed", False, False, True, 45, 8000, 4, {}),
        "empty": Partition("empty", False, True, False, day, 0, 0, {}),
    }
    assert "--all" in sinfo.read_text()


def test_memory_that_goes_with_the_cores(command):
    command("scontrol", partition("p", MaxMemPerNode="", MaxMemPerCPU="4000"))
    command("sinfo", "p|1|8|64000|idle|(null)")
    assert slurm.partitions()["p"].memory_mb == 32000


def test_a_job_with_a_gpu_has_the_memory_of_a_node_that_has_one(command):
    command("scontrol", partition("p", MaxMemPerNode=""))
    command(
        "sinfo", "p|1|8|900000|idle|(null)\np|1|8|64000|idle|gpu:t4:2\np|1|8|99000|idle|gpu:a40:2"
    )
    found = slurm.partitions()["p"]
    asked = [(False, None), (True, None), (True, "a40"), (True, "t4"), (True, "unknown")]
    most = [found.most_memory_mb(gpu=gpu, model=model) for gpu, model in asked]
    assert most == [900000, 99000, 99000, 64000, 900000]


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [
        ("1-12", 36 * 60),
        ("1-12:30", 36 * 60 + 30),
        ("2-00:00:00", 48 * 60),
        ("1:30:00", 90),
        ("30:00", 30),
        ("30", 30),
        ("infinite", None),
        ("UNLIMITED", None),
        ("Partition_Limit", None),
        ("N/A", None),
    ],
)
def test_time_limits(command, limit, minutes):
    command("squeue", f"1|PENDING|{OLD}|N/A|N/A|2G|{limit}|Priority|rule_segment")
    assert slurm.jobs_of_run("run")[0].minutes == minutes


def test_jobs_of_a_run(command, monkeypatch):
    monkeypatch.setenv("SQUEUE_FORMAT", "%j")
    log = command(
        "squeue",
        f"20|RUNNING|{OLD}|{OLD}|1795465352|16G|2:00:00|None|rule_segment_wildcards_0003_64cb\n"
        f"21|PENDING|{OLD}|1795465352|N/A|200M|1:00:00|ReqNodeNotAvail, UnavailableNodes:a|rule_overlay\n"
        f"22_[4-7]|REQUEUED|{OLD}|{OLD}|Unknown|1.50G|1:00:00|BeginTime|(null)\n"
        f"23_4|OUT_OF_MEMORY|{OLD}|{OLD}|1795461490|0|1:00:00|OutOfMemory|a|comment of the site\n"
        f"24|COMPLETING|{OLD}|{OLD}|1795461490|N/A|1:00:00|None|rule_measure_wildcards_12_ab\n"
        "slurm_load_jobs: something else",
    )
    start, end = float(OLD), 1795461490.0
    reason = "ReqNodeNotAvail, UnavailableNodes:a"
    assert slurm.jobs_of_run("segmake_x") == [
        Job("20", "segment", "0003", "RUNNING", "", start, start, None, 16384, 120),
        Job("21", "overlay", "", "PENDING", reason, start, None, None, 200, 60),
        Job("22_[4-7]", "", "", "REQUEUED", "BeginTime", start, None, None, 1536, 60),
        Job("23_4", "", "", "OUT_OF_MEMORY", "OutOfMemory", start, start, end, 0, 60),
        Job("24", "measure", "12", "COMPLETING", "", start, start, None, None, 60),
    ]
    said = log.read_text()
    assert "--name=segmake_x" in said
    assert "SLURM_TIME_FORMAT=%s" in said
    assert "SQUEUE_FORMAT" not in said


@pytest.mark.parametrize(
    ("comment", "rule", "batch"),
    [
        # What 0.1.0 sent, too: a job of all steps, which is one of segmentation.
        ("rule_batch0003_masks_measure_overlay_segment", "segment", "0003"),
        ("rule_batch0003_masks_measure_overlay", "after", "0003"),
        ("rule_after0003_masks_measure_overlay", "after", "0003"),
        ("rule_after0003_measure_overlay", "after", "0003"),
        ("rule_after12345_overlay", "overlay", "12345"),
        ("rule_step_after_wildcards_0001-2_ab", "step_after", "0001-2"),
    ],
)
def test_the_work_of_a_job(command, comment, rule, batch):
    command("squeue", f"20|RUNNING|{OLD}|{OLD}|N/A|16G|2:00:00|None|{comment}")
    (job,) = slurm.jobs_of_run("run")
    assert (job.rule, job.batch) == (rule, batch)


def test_memory_in_the_accounts(command, monkeypatch):
    log = command(
        "sacct",
        f"20|{OLD}|\n20.batch|{OLD}|880640K\n20.extern|{OLD}|0\n20.0|1795465352|0.25G\n"
        f"21|{OLD}|\n22_4|{OLD}|\n22_4.batch|{OLD}|1048576\nsomething else",
    )
    found = slurm.memory_of(["22_4", "20", "21"])
    start = float(OLD)
    # The step and the script that it is a part of are at work at the same time.
    expected = {"20": (start, 860 + 256), "21": (start, 0.0), "22_4": (start, 1.0)}
    assert {job: found[job] for job in expected} == expected
    assert "--jobs=20,21,22_4" in log.read_text()
    monkeypatch.setattr(slurm, "_ASKED_AT_ONCE", 2)
    slurm.memory_of(["20", "21", "22_4"])
    assert log.read_text().count("called:") == 3
    log.unlink()
    assert slurm.memory_of([]) == {} and not log.exists()


def test_ended_jobs_are_those_that_ended(command):
    log = command(
        "sacct",
        f"20|CANCELLED by 1000|{OLD}|None|{OLD}\n"
        f"21|RUNNING|{OLD}|{OLD}|Unknown\n"
        f"22_4|TIMEOUT|{OLD}|{OLD}|1795461490\n"
        f"23||{OLD}|Unknown|Unknown",
    )
    found = {
        job.id: (job.state, job.started, job.ended) for job in slurm.ended_jobs(["20", "22_4"])
    }
    old = float(OLD)
    assert found == {"20": ("CANCELLED", None, old), "22_4": ("TIMEOUT", old, 1795461490.0)}
    assert "--jobs=20,22_4" in log.read_text()


@pytest.mark.parametrize(("storage", "keeps"), [("slurmdbd", True), ("none", False), (None, False)])
def test_accounting_database(command, storage, keeps):
    config = (
        f"AccountingStorageType   = accounting_storage/{storage}" if storage else "ClusterName = x"
    )
    command("scontrol", f"AccountingStorageHost = localhost\n{config}")
    assert slurm.keeps_accounts() is keeps


def test_accounts(command):
    command("sacctmgr", "Biology\nroot\nbiology\n")
    assert slurm.accounts() == ["biology", "root"]
    command("sacctmgr", error="You are not running a supported accounting_storage plugin", code=1)
    assert slurm.accounts() == []


def test_refusal(command, monkeypatch):
    monkeypatch.setenv("SBATCH_ACCOUNT", "biology")
    log = command("sbatch", error="sbatch: Job 28 to start at 2026-11-23T19:22:51")
    assert slurm.refusal(["--gpus=1"]) is None
    # The real sbatch will charge it as well.
    assert "SBATCH_ACCOUNT=biology" in log.read_text()
    command(
        "sbatch",
        error="sbatch: error: invalid partition: x\nsbatch: error: invalid partition: x\nallocation failure: No",
        code=1,
    )
    assert slurm.refusal([]) == "invalid partition: x; allocation failure: No"


@pytest.mark.parametrize(
    "words",
    [
        "allocation failure: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Socket timed out on send/recv operation",
    ],
)
def test_a_silent_controller_refuses_nothing(command, words):
    command("sbatch", error=words, code=1)
    with pytest.raises(SlurmError):
        slurm.refusal([])


def test_a_hanging_command_and_one_that_is_not_there(command, monkeypatch):
    with pytest.raises(SlurmError, match="scontrol"):
        slurm.partitions()
    path = command("squeue").parent / "commands" / "squeue"
    path.write_text("#!/bin/sh\nexec sleep 20\n")
    monkeypatch.setattr(slurm, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(SlurmError, match="timed out"):
        slurm.jobs_of_run("run")


def test_a_job_that_is_being_stopped_waits_for_no_one(command, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    command("squeue", "1000|1060")
    monkeypatch.setattr(slurm.time, "time", lambda: 1070.0)
    assert slurm.times_of_this_job() == (70, -10)

    def run(*command, timeout, **options):
        assert timeout <= 5
        raise subprocess.TimeoutExpired("squeue", timeout)

    monkeypatch.setattr(subprocess, "run", run)
    assert slurm.times_of_this_job() is None


def test_nothing_is_cancelled_without_jobs(command):
    log = command("scancel")
    slurm.cancel([])
    assert not log.exists()
    slurm.cancel(["1", "2_3"])
    assert "called: --quiet 1 2_3" in log.read_text()
