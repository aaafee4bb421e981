"""What the report says of the jobs of all runs, held against Slurm's own accounts; and what the cluster is like now."""

from __future__ import annotations

import re
import subprocess

from segmake.cli import main
from segmake.slurm import commands, now
from tests.answers import held, read_by
from tests.projects import Project, draw_image
from tests.slurm import cluster
from tests.slurm.disturbed import jobs


def test_two_runs_in_one_report_with_the_memory_of_the_accounts(slurm_project: Project) -> None:
    slurm_project.settings["cluster"] |= {"account": "lab", "batch_size": 10}
    for number in range(2):
        draw_image(slurm_project.images / f"new_{number}.tif", 3 + number)
        run = slurm_project.run()
        assert run.returncode == 0, run.stderr
    numbers = [line["job"]["id"] for line in jobs(slurm_project)]
    assert len({line["run"] for line in jobs(slurm_project)}) == len(numbers) == 2
    used = most_used(numbers)
    report = (slurm_project.results / "report.html").read_text(encoding="utf-8")
    section = report[report.index('id="cluster"') :]
    row = re.findall(
        r"<td[^>]*>(.*?)</td>", section[: section.index("</tr>", section.index("<tbody>"))]
    )
    assert row[0] == "2", row
    assert used > 0.1
    assert row[-1] == f"{used:.1f}\u00a0GB", row
    assert "all 2 runs" in section


def most_used(numbers: list[str]) -> float:
    """Return the most memory of a job in GB: that of its steps, which are one within the other."""
    command = ("sacct", "--noheader", "--parsable2", "--noconvert", "--format=JobID,MaxRSS")
    answer = subprocess.run(
        [*command, f"--jobs={','.join(numbers)}"], capture_output=True, text=True, check=True
    ).stdout
    steps: dict[str, int] = {}
    for line in answer.splitlines():
        number, memory = line.split("|")
        if digits := re.match(r"\d+", memory):
            job = number.split(".")[0]
            steps[job] = steps.get(job, 0) + int(digits[0]) * (1024 if memory.endswith("K") else 1)
    return max(steps.values()) / 1024**3


def test_what_the_cluster_is_like_now(slurm_project: Project, monkeypatch, capsys) -> None:
    folder = slurm_project.folder / 'd\u00e9j\u00e0 "vu"'
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(slurm_project.folder / "cache"))
    monkeypatch.chdir(folder)
    comment = "--comment=rule_segment_wildcards_0003_5f3a"
    known = ("--mem=200", "--time=5", "--output=/dev/null", "--partition=gpu", comment)
    runs = commands.submit([*known, "--gpus=a40:4", "--job-name=segmake_day_ab12"], "sleep 60")
    # A name may have any sign in it.
    waits = commands.submit([*known, "--begin=now+1hour", "--job-name=a|b c"], "true")
    with cluster.limit(MaxJobs=7, MaxSubmitJobs=9):
        cluster.wait_for(
            lambda: {job["id"]: job["state"] for job in now.own_jobs()}.get(runs) == "running",
            "the job to run",
        )
        with monkeypatch.context() as patched:
            asked: list[str] = []
            ask = commands.subprocess.run
            patched.setattr(
                commands.subprocess,
                "run",
                lambda words, **more: asked.append(words[0]) or ask(words, **more),
            )
            assert main(["cluster", "--json"]) == 0
            assert main(["cluster"]) == 0
        said, _, told = capsys.readouterr().out.partition("\n")
    answer = held(f"{said}\n")
    # The second answer is the first; and the accounting database is asked twice, seldom.
    assert sorted(asked) == ["sacctmgr", "sacctmgr", "scontrol", "sinfo", "sinfo", "squeue"]
    assert answer["gpus"] == [{"model": "a40", "total": 18, "free": 14}]
    found = {one["name"]: one for one in answer["partitions"]}
    assert set(found) == {"gpu", "cpu", "short", "brief"}
    assert found["gpu"]["default"] and found["gpu"]["gpus"] == answer["gpus"]
    assert (found["gpu"]["nodes"], found["gpu"]["usable_nodes"]) == (2, 2)
    assert found["brief"]["max_minutes"] == 10 and found["cpu"]["gpus"] == []
    jobs = {one["id"]: one for one in answer["jobs"]}
    assert jobs[runs]["experiment"] == str(folder) and jobs[runs]["of_segmake"]
    assert (jobs[runs]["rule"], jobs[runs]["batch"]) == ("segment", "0003")
    assert jobs[waits]["name"] == "a|b c" and jobs[waits]["experiment"] is None
    assert (jobs[waits]["state"], jobs[waits]["reason"]) == ("waiting", "BeginTime")
    assert jobs[waits]["why"]
    limits = {(one["of"], one["name"]): one for one in answer["limits"]}
    assert limits["account", "lab"]["max_jobs"] == 7
    assert limits["account", "lab"]["max_submitted"] == 9
    assert limits["qos", cluster.QOS]["max_submitted"] == cluster.QOS_JOBS
    assert "14 of 18 a40" in told and "7 jobs at once" in told and str(folder) in told
    shown = read_by("cluster.pl", said)
    assert "gpu: open 14/18 a40" in shown and f"{runs} running segment 0003 {folder}" in shown
