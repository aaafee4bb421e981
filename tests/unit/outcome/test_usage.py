from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pandas as pd
import pytest

from segmake.core.declared_steps import STEPS
from segmake.core.journal import Journal
from segmake.messages.numbers import hours_of, whole_minutes
from segmake.outcome.image_table import image_table
from segmake.outcome.memory import note, notes
from segmake.outcome.timing import Segmented
from segmake.outcome.usage import describe, usage_of, usage_of_runs
from segmake.plan.plan import Batch, Plan
from segmake.report.cell_columns import CellColumns
from segmake.report.page import Run, write_report
from segmake.runner.run_step import Task
from segmake.slurm.commands import Job, SlurmError
from segmake.slurm.history import shorten
from segmake.slurm.jobs import Sent

START = 1_800_000_000.0
BATCHES = ("0001", "0002", "0003")
GB, HOUR = 1024, 3600.0


@pytest.fixture
def plan(tmp_path):
    """Three batches of ten images on a GPU, whose cells were all found in this run."""

    def make(found: int = 10, **cluster) -> Plan:
        settings = {
            "results": str(tmp_path / "results"),
            "outputs": [],
            "segmentation": {"engine": "cellpose3", "gpu": "auto"},
            "cluster": {"memory_gb": 16, "hours": 2, "max_gpus": 18, "batch_size": "auto"},
        }
        settings["cluster"] |= cluster
        batches = {}
        for name in BATCHES:
            images = [f"{name}_{number}.tif" for number in range(10)]
            tasks = {
                step: [Task(i, tmp_path / i, 0, 1, "key", 1, ()) for i in images] for step in STEPS
            }
            batches[name] = Batch(name, tasks, {step: [1] * 10 for step in STEPS})
        made = Plan(settings, "c.yaml", "snakemake", START, 0, batches, {}, {}, [])
        for name in BATCHES:
            path = made.folders.journal("segment", name)
            path.unlink(missing_ok=True)
            entries = [
                {"image": task.image, "event": "done", "key": "key", "attempt": 1, "time": moment}
                for number, task in enumerate(batches[name].tasks["segment"])
                for moment in [START + 60 if number < found else START - 60]
            ]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        assert len(Journal(path).finished()) == 10
        return made

    return make


class Queue:
    """The jobs of a run, numbered as they are sent."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def add(self, batch, cause="", *, rule="segment", waits=60.0, runs=1900.0, gb=16, minutes=120):
        submitted = START + 10 * len(self.sent)
        started = None if waits is None else submitted + waits
        ended = None if started is None or runs is None else started + runs
        state = {"": "COMPLETED", "memory": "OUT_OF_MEMORY"}.get(cause, "FAILED")
        number = str(99 + len(self.sent))
        times = submitted, started, ended
        job = Job(number, rule, batch, state, "", *times, None if gb is None else gb * GB, minutes)
        self.sent.append(Sent("segmake_x", job, cause))


@pytest.fixture
def queue():
    return Queue()


def benchmark(plan, batch, mb, *, step="segment", when=START + 100):
    path = plan.folders.state / "benchmarks" / step / plan.outcome(step, batch).name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\tmax_vms\n1800.0\t0:30:00\t{mb}\t9999\n")
    os.utime(path, (when, when))


def words(plan, queue, now=START + HOUR):
    return describe(usage_of(plan, queue.sent, now, Segmented()))


def test_the_environment_of_the_report_is_enough(root):
    blocked = "import sys; sys.modules |= dict.fromkeys(('jsonschema', 'pathspec', 'ruamel.yaml', 'snakemake'))"
    command = f"{blocked}; import segmake.report.summary"
    folder = root / "workflow"
    subprocess.run([sys.executable, "-c", command], cwd=folder, check=True)


def test_the_numbers(plan, queue):
    made = plan()
    for batch, waits in zip(BATCHES, (60, 120, 600), strict=True):
        queue.add(batch, waits=waits, runs=2 * HOUR if batch == "0003" else HOUR)
    queue.add("0001", rule="measure", runs=30, gb=4, minutes=60)
    queue.add("", rule="report", runs=None)
    benchmark(made, "0001", 9000)
    benchmark(made, "0002", "NA")
    benchmark(made, "0003", 14000, when=START - 1)  # of an earlier run
    benchmark(made, "0001", "-", step="measure")
    usage = usage_of(made, queue.sent, START, Segmented())
    assert [kind.step for kind in usage.kinds] == ["segment", "measure"]
    assert usage.kinds[0].used_mb == 9000 and usage.kinds[1].used_mb is None
    assert usage.gpu_seconds == 4 * HOUR and usage.images == 30
    segment, measure = describe(usage)["rows"]
    waits, runs = ["2 min 00 s", "10 min 00 s"], ["1 h 00 min", "2 h 00 min"]
    expected = ["Finding cells", "3", "0", *waits, *runs, "2 h", "16 GB", "8.8 GB"]
    assert [value.replace("\u00a0", " ") for value in segment] == expected
    assert measure[-1] == "–" and measure[-2] == "4\u00a0GB"
    assert (
        "GPU hours: 4.00. Images segmented: 30, which makes 7.5 images" in words(made, queue)["gpu"]
    )
    assert not describe(usage)["mishaps"] and not describe(usage)["advice"]


def test_journals_that_the_table_of_images_was_made_of_are_not_read_again(plan, queue, monkeypatch):
    made = plan()
    for number, batch in enumerate(BATCHES):
        queue.add(batch, runs=HOUR)
        with Journal(made.folders.journal("segment", batch)).locked() as journal:
            phases = {"phases": {"network": 2.0 + number}}
            monkeypatch.setattr(time, "time", lambda: START + 90)
            journal.add(f"{batch}_0.tif", "done", "older", 2, **phases)
            # What was carried over took no GPU again.
            journal.add(f"{batch}_1.tif", "done", "older", 2, **phases, made_at=START - 9)
    anew = usage_of(made, queue.sent, START, Segmented())
    assert (anew.images, anew.network_seconds) == (30, 9.0)
    image_table(made, segmented := Segmented())
    monkeypatch.setattr(Journal, "_read_all", None)
    assert usage_of(made, queue.sent, START, segmented) == anew


def test_a_job_that_slurm_did_not_see_end(plan, queue):
    made = plan()
    queue.add("0001", "node", runs=None)
    queue.add("0001", waits=100, runs=None)
    usage = usage_of(made, queue.sent, START + 510, Segmented())
    # The first was over when the second was sent (it can't have run before), the second runs until now.
    assert usage.kinds[0].running == (0.0, 400.0) and usage.kinds[0].sent_again == 1
    outcome = made.outcome("segment", "0001")
    outcome.touch()
    os.utime(outcome, (START + 310, START + 310))
    assert usage_of(made, queue.sent, START + 9999, Segmented()).gpu_seconds == 200.0


def test_without_a_gpu_there_are_no_gpu_hours(plan, queue):
    made = plan()
    made.settings["segmentation"]["gpu"] = False
    queue.add("0001")
    assert words(made, queue)["gpu"] == ""


def test_memory_and_time_that_grew(plan, queue):
    made = plan()
    queue.add("0001", "memory", gb=16)
    queue.add("0002", "memory", gb=16)
    queue.add("0003", "time", minutes=120)
    queue.add("0001", gb=32)
    queue.add("0002", gb=32)
    queue.add("0003", minutes=240)
    benchmark(made, "0001", 3000)
    told = words(made, queue)
    first, second = (sentence.replace("\u00a0", " ") for sentence in told["mishaps"])
    assert "Finding cells: batches 0001, 0002 ran out of memory with 16 GB." in first
    assert "They were sent again with 32 GB, to go on" in first
    assert "batch 0003 hit its time limit of 2 h. It was sent again with 4 h" in second
    # What a job used in the end says nothing about the one that ran out of memory.
    assert told["rows"][0][-2:] == ["16\u00a0GB – 32\u00a0GB", "16\u00a0GB"]
    assert ["`memory_gb: 32`" in told["advice"][0], "`hours: 4`" in told["advice"][1]] == [True] * 2
    assert len(told["advice"]) == 2


@pytest.mark.parametrize(
    ("short", "enough", "setting"), [(5, 10, "0:10"), (60, 100, "1:40"), (60, 120, "2")]
)
def test_the_time_that_was_enough_is_advised_to_the_minute(plan, queue, short, enough, setting):
    made = plan(hours=short / 60)
    for batch in ("0001", "0002"):
        queue.add(batch, "time", minutes=short)
        queue.add(batch, minutes=enough)
    (told,) = words(made, queue)["advice"]
    assert f"`hours: {setting}`" in told
    assert whole_minutes(hours_of(setting)) == enough
    # Typed in, it is not advised again.
    made = plan(hours=hours_of(setting))
    assert words(made, queue)["advice"] == []


def test_other_mishaps_and_those_of_many_batches(plan, queue):
    made = plan()
    for cause in ("node", "cancelled", "failed"):
        queue.add("0001", cause, rule="measure")
    for number in range(1, 31):
        queue.add(f"{number:04d}", "node")
    told = words(made, queue)["mishaps"]
    for text, sentence in zip(
        ("computer of the cluster", "cancelled", "logs/measure"), told, strict=False
    ):
        assert text in sentence and sentence.startswith("Measuring: ")
    assert "sent again" in told[0] and "sent again" not in told[2]
    assert "0008 and 22 more." in told[3] and "0009" not in told[3]


def advice(plan, queue, mb=None, batches=BATCHES, **job):
    for batch in batches:
        queue.add(batch, **job)
        if mb:
            benchmark(plan, batch, mb)
    return [found.setting for found in usage_of(plan, queue.sent, START, Segmented()).advice]


@pytest.mark.parametrize(
    ("gb", "used_mb", "expected"),
    [
        (16, 2 * GB, [4]),
        (16, 6 * GB, [12]),
        (16, 7 * GB, []),  # more than 40 %
        (4, 100, [2]),
        (3, 100, []),  # not much to begin with
        (16, None, []),
    ],
)
def test_less_memory(plan, queue, gb, used_mb, expected):
    assert advice(plan(), queue, used_mb, gb=gb) == expected


@pytest.mark.parametrize(
    ("minutes", "seconds", "expected"),
    [
        (120, 600, [0.5]),
        (120, 1800, [1]),
        (120, 1801, []),
        (60, 60, []),
        (1440, 5 * HOUR, [12]),
        (None, 60, []),
    ],
)
def test_less_time(plan, queue, minutes, seconds, expected):
    made = plan(hours=(minutes or 120) / 60)
    assert advice(made, queue, minutes=minutes, runs=seconds) == expected


def test_no_advice_from_too_little(plan, queue):
    # Interrupted jobs add up to what the batch needs: 1000 and 1000 seconds.
    queue.add("0001", "node", runs=1000)
    assert advice(plan(), queue, runs=1000) == []
    # A few new images say little about all of them.
    assert advice(plan(found=4), Queue(), 1000, runs=60) == []
    # What failed may have lacked memory.
    failed = Queue()
    failed.add("0001", "failed")
    assert advice(plan(), failed, 1000) == []


def test_long_waiting(plan, queue):
    made = plan(batch_size=10, max_gpus=2)
    for batch in BATCHES:
        queue.add(batch, waits=2000, runs=1500)
        queue.add(batch, rule="measure", waits=500, runs=10)
    told = words(made, queue)["advice"]
    # Larger batches and a shorter time limit would contradict each other.
    assert "(finding cells)" in told[0] and "batch_size" in told[1] and len(told) == 2
    told = words(plan(), queue)["advice"]
    assert "`hours: 1`" in told[0] and "waited longer" in told[1] and len(told) == 2


def record(plan, sent, started=START):
    """Write down jobs as runs do: a line when one was sent, and one when it had ended."""
    lines: list[dict] = []
    for run in dict.fromkeys(one.run for one in sent):
        lines.append({"run": run, "started": started})
        for one in (one for one in sent if one.run == run):
            for state in ("PENDING", one.job.state):
                job = asdict(one.job) | {"state": state}
                lines.append({"run": run, "cause": one.cause, "job": job})
    plan.folders.jobs.parent.mkdir(parents=True, exist_ok=True)
    plan.folders.jobs.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def silent(monkeypatch):
    """A cluster whose Slurm knows nothing any more."""

    def answer(*words):
        raise SlurmError("no answer")

    monkeypatch.setattr("segmake.slurm.commands.jobs_of_run", answer)
    monkeypatch.setattr("segmake.slurm.commands.memory_of", answer)


def test_the_jobs_of_all_runs_count(plan, queue, silent):
    made = plan()
    assert usage_of_runs(made, Segmented()) is None
    queue.add("", rule="report")
    record(made, queue.sent)
    assert usage_of_runs(made, Segmented()) is None
    queue.add("0001", waits=60, runs=HOUR)
    queue.add("0002", "memory", waits=60, runs=HOUR, gb=8)
    queue.add("0002", waits=600, runs=HOUR)
    # The same batch again, after a setting was changed, is no job that was sent again.
    later = Queue()
    later.add("0001", waits=60, runs=2 * HOUR)
    # Of a run that was lost, nobody saw the end; the last word of it is a minute old.
    later.add("0003", waits=30, runs=None)
    again = [
        replace(one, run="segmake_y", job=replace(one.job, id=f"2{number}"))
        for number, one in enumerate(later.sent)
    ]
    last = [replace(queue.sent[0], run="segmake_z", job=replace(queue.sent[0].job, id="30"))]
    record(made, [*queue.sent, *again, *last])
    text = made.folders.jobs.read_text()
    usage = usage_of_runs(made, Segmented())
    (kind,) = usage.kinds
    assert (kind.jobs, kind.sent_again, usage.runs) == (5, 1, 2)
    assert sorted(kind.waiting) == [30, 60, 60, 60, 600]
    assert usage.gpu_seconds == 5 * HOUR + 20, "journals have their last words at START + 60"
    assert len(usage.mishaps) == 1
    assert made.folders.jobs.read_text() == text
    assert "all 2 runs" in describe(usage)["runs"]

    # A record of one line for each job says the same.
    shorten(made.folders.jobs)
    assert len(made.folders.jobs.read_text().splitlines()) == 3 + 7
    assert usage_of_runs(made, Segmented()) == usage
    before = made.folders.jobs.read_bytes()
    shorten(made.folders.jobs)
    assert made.folders.jobs.read_bytes() == before


def test_memory_is_what_the_accounts_say(plan, queue, monkeypatch):
    made = plan()
    for batch in BATCHES:
        queue.add(batch)
        benchmark(made, batch, 600)
    asked = []

    def accounts(ids):
        asked.append(sorted(ids))
        # The number of the second was another job's once.
        return {"99": (START, 1126.4), "100": (START - 9999, 50_000.0)}

    monkeypatch.setattr("segmake.slurm.commands.memory_of", accounts)
    noted = made.folders.state / "memory" / "0003.jsonl"
    noted.parent.mkdir()
    lines = [{"job": "101", "time": START + 30, "mb": mb, "gpu": True} for mb in (700, 900)]
    lines.append({"job": "101", "time": START - 9999, "mb": 7000, "gpu": True})
    noted.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{")
    monkeypatch.setattr("segmake.outcome.memory.time.time", lambda: START + 9999)
    (kind,) = usage_of(made, queue.sent, START + HOUR, Segmented()).kinds
    assert (kind.used_mb, kind.measured) == (1126.4, 3)
    assert words(made, queue)["rows"][0][-1] == "1.1\u00a0GB"
    # Each job is asked for once.
    queue.add("0001")
    usage_of(made, queue.sent, START + HOUR, Segmented())
    assert asked == [["100", "101", "99"], ["102"]]
    # Without accounts it is what the jobs saw of themselves, Snakemake's own processes among them.
    (noted.parent / "accounts.json").unlink()
    monkeypatch.setattr("segmake.slurm.commands.memory_of", lambda ids: {})
    assert usage_of(made, queue.sent, START + HOUR, Segmented()).kinds[0].used_mb == 900


def test_a_job_notes_its_processes(plan, monkeypatch):
    made = plan()
    note(made.folders, "0001", gpu=True)
    assert not (made.folders.state / "memory").exists(), "it is in no job"
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    hold = "x = bytearray(200_000_000); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold], **pipes) as process:
        process.stdout.readline()
        note(made.folders, "0001", gpu=True)
        process.communicate(b"\n")
    note(made.folders, "0001", gpu=True)
    job = Job("4711", "segment", "0001", "COMPLETED", "", time.time() - 60, time.time() - 50)
    (noted,) = notes(made.folders, [job]).values()
    assert noted.gpu and 195 < noted.mb < 260


def test_the_share_of_the_gpu_that_the_network_used(plan, queue, silent):
    made = plan()
    queue.add("0001", runs=1000)
    queue.add("0001", rule="after", runs=500)
    assert "network" not in words(made, queue)["gpu"]
    path = made.folders.journal("segment", "0001")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["details"] = {"phases": {"network": 80.0}}
    # An attempt of another day, in another job, is none of this one's.
    lines.append(lines[0] | {"time": START - 9999})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    usage = usage_of(made, queue.sent, START, Segmented())
    assert (usage.gpu_seconds, usage.network_seconds) == (1000, 800)
    told = describe(usage)
    assert "for 80\u00a0% of that" in told["gpu"] and told["rows"][1][0].startswith("Masks,")


def page(folder, plan, usage):
    run = Run("results", "", "", {}, "cellpose3", "", {}, "A40", "snakemake", usage=usage)
    images = image_table(plan)
    pd.DataFrame().to_parquet(folder / "cells.parquet")
    cells = CellColumns(folder / "cells.parquet")
    write_report(folder / "r.html", images=images, cells=cells, thumbnails=lambda _: None, run=run)
    return (folder / "r.html").read_text(encoding="utf-8")


def test_the_section_in_the_report(plan, queue, tmp_path, monkeypatch):
    made = plan()
    assert 'id="cluster"' not in page(tmp_path, made, None)
    queue.add("0001", "memory", gb=1)
    queue.add("0001", gb=2, minutes=100, waits=None)
    queue.add("0002", "time", minutes=60)
    queue.add("0002", minutes=150)
    made.settings["cluster"] |= {"hours": 1}
    usage = usage_of(made, queue.sent, START, Segmented())
    english = page(tmp_path, made, usage)
    assert "On the cluster</h2>" in english and "<code>hours: 2:30</code>" in english
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    french = page(tmp_path, made, usage)
    assert "Recherche des cellules\u00a0: le lot 0001 a manqué de mémoire avec 1\u00a0Go." in french
    assert "2,5\u00a0h" in french and "<code>hours: 2:30</code>" in french and "`" not in french
