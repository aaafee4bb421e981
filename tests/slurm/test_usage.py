"""What the report says of the jobs of all runs, held against what Slurm's own accounts have of them."""

from __future__ import annotations

import re
import subprocess

from tests.projects import Project, draw_image
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
