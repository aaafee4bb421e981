"""Each image with each combination of parameters: a run of its own."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from segmake.messages import Problems
from segmake.outcome.last_words import describe_end, judge
from segmake.plan import scripts as planning
from segmake.plan.described import describe
from segmake.plan.make import make_plan
from segmake.plan.plan import Plan
from segmake.plan.scripts import facts_in_job, journal_of, note_meanings
from segmake.plan.written_plan import read_plan, write_plan
from segmake.report.scripts import describe_scripts
from segmake.runner.run_step import run_step
from segmake.scripts.results.outcome import same_words
from segmake.scripts.results.results import join_tables, script_results, write_tables_for
from segmake.scripts.running import protection
from segmake.scripts.running.work import ScriptWork

# Counts what is brighter than its threshold.
COUNTS = """
import argparse, csv, os, pathlib
p = argparse.ArgumentParser()
p.add_argument("--input", required=True)
p.add_argument("--output-dir", type=pathlib.Path, required=True)
p.add_argument("--threshold", type=float, required=True)
p.add_argument("--method", required=True)
a = p.parse_args()
data = open(a.input, "rb").read()
seen = [os.environ["SEGMAKE_NAME"], os.environ["THRESHOLD"], os.environ["SEGMAKE_SEED"]]
with open(a.output_dir / "t.csv", "w", newline="") as lines:
    csv.writer(lines).writerows([["size", "name", "t", "seed"], [len(data), *seen]])
"""


class Project:
    """Plans the scripts of a config, and does their runs as jobs do."""

    def __init__(self, configure, folder: Path, draw) -> None:
        self._configure, self._folder, self._draw = configure, folder, draw
        self.results = folder / "results"

    def images(self, *names: str) -> None:
        for place, name in enumerate(names):
            path = self._folder / "images" / name
            if not path.exists():
                self._draw(path, place + 1)

    def plan(self, *sections: dict, **code: str) -> Plan:
        for name, text in code.items():
            (self._folder / f"{name}.py").write_text(text)
        known = [{"script": str(self._folder / f"{each['name']}.py")} | each for each in sections]
        plan, _ = make_plan(self._configure(scripts=known))
        return plan

    def run(self, *sections: dict, **code: str) -> Plan:
        """Do what is to be done, and return the plan."""
        plan = self.plan(*sections, **code)
        write_plan(plan)
        note_meanings(plan)
        plan = read_plan(plan.folders.plan)
        for name, script in plan.scripts.items():
            for batch, tasks in script.batches.items():
                work, keys = ScriptWork(plan, name, sys.executable, 2), facts_in_job(plan)
                ready = [
                    replace(task, key=key) for task in tasks if (key := keys.key(name, task.image))
                ]
                work.prepare()
                journal = journal_of(plan.folders, name, batch)
                self.said: list[str] = []
                run_step(ready, journal, work, self.said.append, print, work.line)
            join_tables(plan, name, print)
        return plan

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.results / name).open(encoding="utf-8-sig", newline="") as lines:
            return list(csv.DictReader(lines))


@pytest.fixture
def project(configure, tmp_path, draw) -> Project:
    made = Project(configure, tmp_path, draw)
    made.images("day 1/a.tif", "day 1/b, threshold=2.tif")
    return made


SWEEP = {
    "name": "s",
    "run": "image",
    "sweep": {"threshold": [1, 2.5], "method": ["é'\n", "otsu"]},
}


def counts_of(plan: Plan) -> dict[str, int]:
    return {name: number for name, number in plan.scripts["s"].counts.items() if number}


def last_words(plan: Plan) -> str:
    return describe_end(plan, judge(plan)[1], script_results(plan))


def test_each_image_is_run_with_each_combination(project):
    plan = project.run(SWEEP, s=COUNTS)
    assert plan.scripts["s"].counts["to_run"] == 8
    assert "images x combinations of parameters: 2 x 4" in describe(plan)
    rows = project.table("scripts/s/all_t.csv")
    assert list(rows[0]) == ["image", "threshold", "method", "size", "name", "t", "seed"]
    names = {"day 1/a.tif", "day 1/b, threshold=2.tif"}
    combinations = {(i, t, m) for i in names for t in ("1", "2.5") for m in ("é'\n", "otsu")}
    assert {(row["image"], row["threshold"], row["method"]) for row in rows} == combinations
    for row in rows:
        size = (project._folder / "images" / row["image"]).stat().st_size
        shown = (row["size"], row["name"], row["t"])
        assert shown == (str(size), row["image"], row["threshold"])
    assert len({path.read_text() for path in project.results.rglob("t.csv")}) == 8
    folder = project.results / "scripts" / "s" / "day 1" / "a_s_sweep"
    assert sum(1 for _ in folder.glob("threshold=2.5,method=*/t.csv")) == 2
    (result,) = script_results(plan)
    assert (result.done, result.runs, result.evidence.opened) == (8, 8, 8)
    assert "8 of 8 runs done (images x combinations of parameters: 2 x 4)" in last_words(plan)
    (shown,) = describe_scripts([result])
    assert ("images x combinations of parameters: 2 x 4", "") in shown["state"]
    assert any("day 1/a.tif // threshold=1, method=otsu" in line for line in project.said)


def test_only_what_is_new_is_run_and_nothing_is_lost(project):
    project.run(SWEEP, s=COUNTS)
    before = {path: path.stat().st_mtime_ns for path in project.results.rglob("t.csv")}

    def to_run(**sweep) -> int:
        return project.plan(SWEEP | {"sweep": sweep}).scripts["s"].counts["to_run"]

    # Turned round, and numbers written in another way.
    assert to_run(method=["otsu", "é'\n"], threshold=[2.5, 1.0]) == 0
    assert to_run(method=["otsu"], threshold=[2.5]) == 0
    assert to_run(threshold=[1, 2.5, 3], method=["otsu"]) == 2
    project.run(SWEEP | {"sweep": {"threshold": [1, 3], "method": ["otsu"]}})
    assert len(project.table("scripts/s/all_t.csv")) == 4
    project.images("c.tif")
    plan = project.run(SWEEP)
    assert plan.scripts["s"].counts["to_run"] == 4
    # Without a sweep, the script's runs lie elsewhere; and the others count on.
    whole = COUNTS.replace(", required=True", "")
    plan = project.run({"name": "s", "run": "image"}, s=whole)
    assert counts_of(plan) == {"runs": 3, "to_run": 3}
    after = {path: path.stat().st_mtime_ns for path in project.results.rglob("t.csv")}
    assert before.items() <= after.items()
    project.plan(SWEEP, s=COUNTS)
    assert project.plan(SWEEP).scripts["s"].counts["done"] == 12


def test_a_run_that_fails_fails_and_is_tried_again_alone(project):
    fails = "\nif a.threshold == 1 and 'a.tif' in a.input:\n    raise SystemExit(f'no {a.input}')\n"
    plan = project.run(SWEEP, s=COUNTS + fails)
    (result,) = script_results(plan)
    assert {failure.run.split(" // ")[0] for failure in result.failures} == {"day 1/a.tif"}
    assert (result.done, len(result.failures)) == (6, 2)
    assert "day 1/a.tif // threshold=1, method=" in last_words(plan)
    assert len(same_words(result.failures)) == 1
    plan = project.plan(SWEEP)
    assert counts_of(plan) == {"runs": 8, "done": 6, "failed": 2, "to_run": 2}


LIST = "import os, sys\nopen('t.csv', 'w').write('a,b\\n' + ','.join(sys.argv[1:]) + '\\n')\nopen(sys.argv[1])\n"
TOP = "INPUT = 'x.tif'\nK = 1\nopen(INPUT)\nopen('t.csv', 'w').write(f'k\\n{K}\\n')\n"


def test_all_ways_to_pass_values_have_the_image_and_the_parameters(project):
    sweep = {"file": str(project._folder / "design.csv"), "seed": {"from": 1, "to": 2}}
    (project._folder / "design.csv").write_text("k;mode\n0,5;x\n1;y\n")
    section = {"run": "image", "sweep": sweep}
    plan = project.run(
        section | {"name": "listed", "arguments": ["{image}", "{k}{mode}{seed}"]},
        section | {"name": "top", "set": {"INPUT": "{image}", "K": "{k}"}},
        section | {"name": "named", "variables": {"B": "{name}+{k}+{seed}", "A": "{image}"}},
        listed=LIST,
        top=TOP,
        named="import os\nopen(os.environ['A'])\nopen('t.csv', 'w').write('b\\n' + os.environ['B'][-6:] + '\\n')\n",
    )
    assert [result.done for result in script_results(plan)] == [8, 8, 8]
    (project._folder / "design.csv").write_text("mode,k\nx,0.5\ny,1.0\n")
    again = project.plan(section | {"name": "listed", "arguments": ["{image}", "{k}{mode}{seed}"]})
    # Columns that changed places are the same; of a table it is not known what is a number.
    assert again.scripts["listed"].counts["to_run"] == 4
    for row in project.table("scripts/listed/all_t.csv"):
        assert row["b"] == row["k"] + row["mode"] + row["seed"] and row["a"].startswith("/")
    assert all(row["k (own)"] == row["k"] for row in project.table("scripts/top/all_t.csv"))
    for row in project.table("scripts/named/all_t.csv"):
        assert f"+{row['k']}+{row['seed']}".endswith(row["b"][-4:])


def test_a_run_gets_what_segmake_made_of_its_image(project):
    section = {
        "name": "s",
        "run": "image",
        "needs": ["images", "masks", "cells"],
        "sweep": {"k": [1]},
    }
    plan = project.plan(section, s="import sys; sys.argv")
    (tasks,) = plan.scripts["s"].batches.values()
    given = ScriptWork(plan, "s", sys.executable, 1)._given(tasks[0], Path("out"))
    names = [Path(given[name]).name for name in ("input", "mask", "cells")]
    assert names == ["a.tif", "a_masks.ome.tif", "a_cells.csv"]


def test_what_works_on_such_runs_gets_those_of_its_image_or_all(project):
    first = SWEEP | {"name": "s", "sweep": {"threshold": [1, 2], "method": ["m"]}}
    looks = "import os, pathlib\nfound = pathlib.Path(os.environ['SEGMAKE_S']).rglob('t.csv')\n"
    writes = "open('n.csv', 'w').write(f'n\\n{len(list(found))}\\n')\n"
    sections = (
        first,
        {"name": "each", "run": "image", "needs": ["s"], "arguments": {}},
        {"name": "both", "run": "image", "needs": ["each"], "sweep": {"k": [1, 2]}},
        {"name": "all", "run": "dataset", "needs": ["images", "s"]},
    )
    other = "import os\nopen('t.csv', 'w').write('x\\n1\\n')\nlen(os.listdir(os.environ['SEGMAKE_EACH']))\n"
    codes = {"each": looks + writes, "all": looks + writes, "both": other}
    plan = project.run(*sections, s=COUNTS, **codes)
    assert [row["n"] for row in project.table("scripts/each/all_n.csv")] == ["2", "2"]
    assert (project.results / "scripts" / "all" / "n.csv").read_text() == "n\n4\n"
    table = write_tables_for(plan, plan.definitions["all"])["images"].read_text("utf-8")
    assert table.splitlines()[0].endswith("cells,s") and "a_s_sweep" in table
    # What fails of them leaves the others, and is tried before what was made without it.
    text = COUNTS + "\nif a.threshold == 2 and 'a.tif' in a.input:\n    raise SystemExit(1)\n"
    plan = project.run(*sections, s=text)
    counted = {row["image"]: row["n"] for row in project.table("scripts/each/all_n.csv")}
    assert counted == {"day 1/a.tif": "1", "day 1/b, threshold=2.tif": "2"}
    inputs = {result.name: result.inputs for result in script_results(plan)}
    assert inputs["all"] == [("s", 3, 4)]
    assert "0000" in "".join(project.plan(*sections).scripts["each"].batches)


def test_runs_that_take_nothing_of_their_image_are_judged_for_each_combination(project):
    # The parameter makes a difference, the image none.
    text = "import os\nopen('t.csv', 'w').write('k\\n' + os.environ['K'] + '\\n')\n"
    section = {"name": "s", "run": "image", "sweep": {"k": [1, 2, 3]}}
    plan = project.run(section, s=text)
    (result,) = script_results(plan)
    assert [failure.code for failure in result.failures] == ["SM-SCR-043"] * 6 and not result.done
    # An image alone can't be compared with others; and one that is opened speaks for all.
    text = text.replace("\n", "\nif os.environ['K'] == '2': open(os.environ['SEGMAKE_INPUT'])\n", 1)
    (result,) = script_results(project.run(section | {"parallel": 1}, s=text))
    assert not result.failures and result.evidence.opened == 2


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("os.path.basename(i)", "Whatever the parameters"),
        ("k", "With the same parameters, all images"),
        ("0", "8 of 8 runs made the same"),
        ("k + i", ""),
    ],
)
def test_what_makes_no_difference_is_told(project, written, words):
    text = (
        f"import os\ni, k = os.environ['SEGMAKE_INPUT'], os.environ['K']\nopen(i)\nt = {written}\n"
    )
    text += "open('t.csv', 'w').write(f't\\n{t}\\n')\n"
    plan = project.run({"name": "s", "run": "image", "sweep": {"k": [1, 2, 3, 4]}}, s=text)
    said = last_words(plan)
    assert words in said and said.count("byte for byte") == bool(words)
    (shown,) = describe_scripts(script_results(plan))
    assert sum("byte for byte" in piece for piece, _ in shown["evidence"]) == bool(words)


def test_an_image_that_changes_under_several_runs_fails_them_all(project, monkeypatch):
    monkeypatch.setattr(protection.Protection, "works", False)
    text = """
import os, time
path, mine = os.environ["SEGMAKE_INPUT"], os.environ["K"]
size = os.path.getsize(path)
open(f"{mine}.csv", "w").write("x\\n1\\n")
there = os.path.join(os.path.dirname(os.getcwd()), "k=2", "2.csv")
# Each is at work when the image changes.
while not os.path.exists(there) if mine == "1" else os.path.getsize(path) == size:
    time.sleep(0.01)
if mine == "1":
    open(path, "ab").write(b"x")
"""
    plan = project.run({"name": "s", "run": "image", "sweep": {"k": [1, 2]}, "parallel": 4}, s=text)
    (result,) = script_results(plan)
    assert [failure.code for failure in result.failures] == ["SM-SCR-041"] * 4


@pytest.mark.parametrize(
    ("section", "codes"),
    [
        ({"sweep": {"k": [1]}}, ["SM-SCR-023"]),
        ({"run": "once", "sweep": {"k": [1]}}, ["SM-SCR-023"]),
        ({"run": "sweep"}, ["SM-SCR-023"]),
        ({"run": "image", "sweep": {"image": [1]}}, ["SM-SCR-058"]),
        ({"run": "image", "sweep": {"file": "d.csv"}}, ["SM-SCR-058"]),
        ({"run": "image", "sweep": {"k": {"from": 1, "to": 1001}}}, ["SM-SCR-026"]),
        ({"run": "image", "sweep": {"k": [1], "j": [1, 2], "zip": True}}, ["SM-SCR-024"]),
        ({"run": "image", "sweep": {"k": [1]}, "arguments": ["{image}"]}, ["SM-SCR-019"]),
        ({"run": "image", "sweep": {"k": [1]}, "set": {"K": "{k}"}}, ["SM-SCR-052"]),
        ({"run": "image", "sweep": {"k": [1]}}, []),
        ({"run": "dataset", "sweep": {"k": [1]}}, []),
    ],
)
def test_what_does_not_go_together(project, monkeypatch, section, codes):
    monkeypatch.chdir(project._folder)
    Path("d.csv").write_text("k,Image\n1,2\n")
    text = TOP if "set" in section else "import sys\nsys.argv\n"
    found = []
    try:
        project.plan({"name": "s"} | section, s=text)
    except Problems as problems:
        found = [problem.code for problem in problems.problems]
    assert found == codes


def test_all_images_together_with_each_combination_are_a_sweep(project):
    plan = project.plan({"name": "s", "run": "dataset", "sweep": {"k": [1, 2]}}, s="1")
    script = plan.definitions["s"]
    assert (script.run, script.needs, plan.scripts["s"].counts["runs"]) == ("sweep", ("cells",), 2)


def test_jobs_of_a_cluster_are_divided_among_batches(project):
    plan = project.plan(
        {"name": "s", "run": "image", "sweep": {"k": [1, 2]}}, s="import sys; sys.argv"
    )
    script = plan.definitions["s"]
    sizes = [planning.runs_per_job(script, [], 20_000, None, batches) for batches in (1, 10, 1000)]
    assert sizes == [200, 2000, 20_000]
