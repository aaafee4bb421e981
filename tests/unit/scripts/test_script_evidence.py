"""What a user's script may not do, and what is known of a run: what it took, what it made, what became of it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from segmake.messages import Problem, remembered
from segmake.outcome.last_words import describe_end, judge
from segmake.plan.described import describe
from segmake.plan.make import make_plan
from segmake.plan.plan import Plan
from segmake.plan.scripts import facts_in_job, journal_of
from segmake.plan.written_plan import read_plan, write_plan
from segmake.runner import script_products as made
from segmake.runner.run_step import run_step
from segmake.scripts.results.results import script_results
from segmake.scripts.running import evidence, originals, process, protection, starter
from segmake.scripts.running.process import Processes
from segmake.scripts.running.work import ScriptWork

READS = "import os, sys\ndata = open(os.environ['SEGMAKE_INPUT'], 'rb').read()\n"


@pytest.fixture
def project(configure, tmp_path, draw):
    """Plan a script that is run for each of some drawn images, and return the plan."""

    def make(code: str, *, images: int = 1, config: dict | None = None, **section) -> Plan:
        for number in range(images):
            path = tmp_path / "images" / "day" / f"cell_{number}.tif"
            if not path.exists():
                draw(path, number + 1)
        script = tmp_path / "script.py"
        script.write_text(code)
        known = {"name": "s", "script": str(script)}
        plan, _ = make_plan(configure(scripts=[known | section], **(config or {})))
        write_plan(plan)
        return read_plan(plan.folders.plan)

    return make


@pytest.fixture
def no_mounts(monkeypatch):
    """A computer on which users get no mounts of their own."""
    monkeypatch.setattr(protection.Protection, "works", False)


def do(plan: Plan):
    """Do the runs of the script, as a job does, and return how each ended, and what was said."""
    work = ScriptWork(plan, "s", sys.executable, 2)
    keys, said = facts_in_job(plan), []
    for batch, tasks in plan.scripts["s"].batches.items():
        journal = journal_of(plan.folders, "s", batch)
        ready = [replace(task, key=keys.key("s", task.image)) for task in tasks]
        work.prepare()
        run_step(ready, journal, work, said.append, said.append, work.line)
    ends = journal_of(plan.folders, "s").finished()
    return {image: entry.details for image, entry in ends.items()}, "\n".join(said)


def last_words(plan: Plan) -> str:
    return describe_end(plan, judge(plan)[1], script_results(plan))


def need_mounts(folder: Path) -> None:
    if not protection.Protection([folder]).works:
        pytest.skip("users get no mounts of their own here")


WRITES = {
    "its image": "open(os.environ['SEGMAKE_INPUT'], 'wb').write(b'x')",
    "beside it": "open(os.path.dirname(os.environ['SEGMAKE_INPUT']) + '/mask.npy', 'w').write('x')",
    "results": "open('../../../../masks/x.tif', 'w').write('x')",
    "another run": "os.remove('../cell_1_s/t.csv')",
}


@pytest.mark.parametrize("what", WRITES)
def test_a_script_can_write_to_nothing_but_its_own_folder(project, tmp_path, what):
    need_mounts(tmp_path)
    table = tmp_path / "results" / "scripts" / "s" / "day" / "cell_1_s" / "t.csv"
    table.parent.mkdir(parents=True)
    table.write_text("a\n1\n")
    (tmp_path / "results" / "masks").mkdir()
    plan = project(f"{READS}open('own.txt', 'w').write('x')\n{WRITES[what]}")
    image = tmp_path / "images" / "day" / "cell_0.tif"
    before = image.read_bytes()
    (ended,) = do(plan)[0].values()
    assert ended["code"] == "SM-SCR-042" and "Read-only" in ended["values"]["files"]
    assert image.read_bytes() == before and table.read_text() == "a\n1\n"
    assert os.listdir(image.parent) == ["cell_0.tif"] and not os.listdir(
        plan.folders.results / "masks"
    )


def test_what_mounts_refuse_is_told_with_what_to_do(project, tmp_path):
    need_mounts(tmp_path)
    code = "import numpy; numpy.memmap(os.environ['SEGMAKE_INPUT'])"
    (ended,) = do(project(f"{READS}{code}"))[0].values()
    told = remembered(ended["code"], ended["where"], ended["values"])
    assert told.code == "SM-SCR-042" and '`mode="r"`' in told.remedy
    (tmp_path / "elsewhere").touch()
    code = f"os.rename({str(tmp_path / 'elsewhere')!r}, 'own.txt')"
    (ended,) = do(project(f"{READS}{code}"))[0].values()
    told = remembered(ended["code"], ended["where"], ended["values"])
    assert told.code == "SM-SCR-045" and "shutil.move" in told.remedy


def test_a_script_may_make_its_own_folder_anew_and_that_may_be_elsewhere(project, tmp_path):
    need_mounts(tmp_path)
    anew = "import shutil; d = os.getcwd(); shutil.rmtree(d); os.makedirs(d); os.chdir(d)\n"
    plan = project(f"{READS}{anew}open('t.csv', 'w').write('a\\n1\\n')", outputs=["t.csv"])
    ends, _ = do(plan)
    assert ends["day/cell_0.tif"]["protected"] and "code" not in ends["day/cell_0.tif"]
    # A link to another disk in the place of the script's folder.
    folder, other = plan.folders.scripts / "s", tmp_path / "other disk"
    shutil.move(folder, other)
    folder.symlink_to(other)
    shutil.rmtree(other / "day")
    plan = project(f"{READS}open('t.csv', 'w').write('a\\n2\\n')", outputs=["t.csv"])
    ends, _ = do(plan)
    assert ends["day/cell_0.tif"]["protected"] and "code" not in ends["day/cell_0.tif"]
    assert (other / "day" / "cell_0_s" / "t.csv").read_text() == "a\n2\n"
    plan = project("open('t.csv', 'w').write('a\\n3\\n')", run="once")
    ends, _ = do(plan)
    assert ends["s"]["protected"] and "code" not in ends["s"], ends
    assert (other / "t.csv").read_text() == "a\n3\n"


def test_without_mounts_a_script_works_on_the_originals(project, tmp_path, no_mounts):
    code = "names = os.listdir(os.path.dirname(os.environ['SEGMAKE_INPUT']))\n"
    plan = project(f"{READS}{code}open('t.csv', 'w').write(f'n\\n{{len(names)}}\\n')", images=3)
    do(plan)
    folders = (plan.folders.scripts / "s" / "day").iterdir()
    assert {(each / "t.csv").read_text() for each in folders} == {"n\n3\n"}


@pytest.mark.parametrize("what", ["its image", "beside it"])
def test_changed_originals_fail_the_run_by_name(project, tmp_path, draw, no_mounts, what):
    code = f"{READS}open('own.txt', 'w').write('x')\n{WRITES[what]}"
    name = {"its image": "cell_0.tif", "beside it": "mask.npy"}[what]
    plan = project(code)
    (ended,) = do(plan)[0].values()
    assert ended["code"] == "SM-SCR-041" and name in ended["values"]["files"]
    # Who allows it is told.
    (tmp_path / "images" / "day" / "mask.npy").unlink(missing_ok=True)
    draw(tmp_path / "images" / "day" / "cell_0.tif")
    ends, said = do(project(code + "# again", protect=False))
    assert "code" not in ends["day/cell_0.tif"]
    assert name in said and "changed, or are new" in said


def test_what_a_microscope_adds_meanwhile_is_no_scripts_fault(project, tmp_path, no_mounts):
    new = tmp_path / "images" / "day" / "frame_77.tif"
    plan = project(f"{READS}open('own.txt', 'w').write('x')\nopen({str(new)!r}, 'w').write('x')")
    ends, said = do(plan)
    assert "code" not in ends["day/cell_0.tif"] and "frame_77.tif" in said


def failures_of(plan: Plan) -> list[str]:
    return [failure.code for failure in script_results(plan)[0].failures]


@pytest.mark.parametrize("code", ["open('t.csv', 'w').write('a\\n1\\n')", "1"])
def test_runs_that_open_nothing_and_make_the_same_are_not_done(project, code):
    plan = project(code, images=2)
    do(plan)
    words = last_words(plan)
    assert failures_of(plan) == ["SM-SCR-043"] * 2 and "0 of 2 runs done" in words
    assert "2 of 2 runs opened nothing" in words and "1 more failed of the same" in words
    failure = script_results(plan)[0].failures[0]
    assert "opened nothing of what it was given: day/cell_0.tif" in failure.message
    assert (plan.folders.results / failure.log).is_file()
    # A plan that is made afterwards says the same, and runs nothing in vain.
    plan = project(code, images=2)
    counts = plan.scripts["s"].counts
    assert [counts[key] for key in ("done", "failed", "to_run")] == [0, 2, 0]
    assert "of these, 2 opened nothing" in describe(plan) and "SM-SCR-043" in describe(plan)
    plan = project(code, images=2, protect=False)
    assert plan.scripts["s"].counts["done"] == 2


RIGHT = {
    "one alone": (1, "open('t.csv', 'w').write('a\\n1\\n')"),
    "by the name": (2, "open('t.csv', 'w').write('a\\n' + os.environ['SEGMAKE_INPUT'])"),
    "one is left out": (3, "f = os.environ['SEGMAKE_INPUT']\n'cell_0' in f or open(f)"),
}


@pytest.mark.parametrize("what", RIGHT)
def test_runs_that_rightly_open_nothing_are_done_and_told(project, what):
    images, code = RIGHT[what]
    plan = project(f"import os, sys\n{code}", images=images)
    do(plan)
    assert not failures_of(plan)
    opened = images - 1 if what == "one is left out" else 0
    runs = "runs" if images > 1 else "run"
    assert f"{images - opened} of {images} {runs} opened nothing" in last_words(plan)


def test_a_run_that_reads_what_lies_beside_its_image_has_opened_something(project, tmp_path):
    (tmp_path / "images" / "day").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "images" / "day" / f"cell_{number}.txt").write_text("x")
    code = "import os; open(os.environ['SEGMAKE_INPUT'][:-3] + 'txt').read(); open('t', 'w').write('1')"
    plan = project(code, images=2)
    do(plan)
    assert not failures_of(plan) and "opened nothing" not in last_words(plan)


def test_what_runs_opened_is_judged_only_where_it_is_known(project, monkeypatch):
    # One that reads, also by a program that it starts, and one that needs nothing.
    reads = "import os, subprocess; subprocess.run(['head', '-c1', os.environ['SEGMAKE_IMAGE']])\n"
    ends, _ = do(project(f"{reads}open('t.csv', 'w').write('a\\n1\\n')"))
    assert ends["day/cell_0.tif"]["opened"] == ["input"]
    plan = project("open('t.csv', 'w').write('a\\n2\\n')", needs=[])
    ends, _ = do(plan)
    assert "code" not in ends["day/cell_0.tif"] and "opened nothing" not in last_words(plan)
    # Another computer may have opened it: that is told, and no failure.
    plan = project("open('t.csv', 'w').write('a\\n4\\n')", images=2, protect=False)
    do(plan)
    assert not failures_of(plan)
    assert "2 of 2 runs opened nothing of what they were given" in last_words(plan)
    # Where the kernel tells nothing, nothing is judged.
    monkeypatch.setattr(evidence, "Watch", lambda: (_ for _ in ()).throw(OSError()))
    ends, _ = do(project("open('t.csv', 'w').write('a\\n3\\n')"))
    assert "code" not in ends["day/cell_0.tif"] and "opened" not in ends["day/cell_0.tif"]


def test_what_is_opened_in_folders_is_seen_of_each_run_alone(tmp_path):
    zarr, plain = tmp_path / "a.ome.zarr", tmp_path / "b.tif"
    (zarr / "0" / "1").mkdir(parents=True)
    (zarr / "0" / "1" / "chunk").write_text("x")
    plain.write_text("x")
    opened = evidence.Opened()
    opened.begin("one", {"input": str(zarr), "mask": str(plain)})
    opened.begin("two", {"input": str(plain)})
    (zarr / "0" / "1" / "chunk").read_text()
    assert opened.end("one") == (["input"], ["mask"])
    plain.read_text()
    opened.begin("three", {"input": str(plain)})
    assert opened.end("two") == (["input"], [])
    assert opened.end("three") == ([], ["input"])


def test_runs_that_make_nothing_or_all_the_same_are_told(project):
    plan = project(f"{READS}print('only words')", images=3)
    _, said = do(plan)
    assert said.count("made no file with anything in it") == 3
    assert "3 of 3 runs that ended well made no file" in last_words(plan)
    plan = project(f"{READS}open(f'{{len(data)}}', 'w')", images=3)
    do(plan)
    assert "3 of 3 runs that ended well made no file" in last_words(plan)
    same = "print(open(f'{len(data)}.csv', 'w').write('a\\n1\\n'))"
    plan = project(f"{READS}{same}", images=3)
    do(plan)
    (result,) = script_results(plan)
    assert result.evidence.same == 3 and result.evidence.opened == 3
    assert "3 of 3 runs made the same, byte for byte" in last_words(plan)
    log = plan.folders.script_log(plan.definitions["s"], "day/cell_0.tif").read_text()
    assert "SegMake: of what it was given it opened: input; it made 1 file," in log
    plan = project(f"{READS}open('t.csv', 'w').write(f'a\\n{{hash(data)}}\\n')", images=3)
    do(plan)
    assert "byte for byte" not in last_words(plan)


def test_an_empty_file_is_none_of_the_outputs(project):
    plan = project(f"{READS}open('t.csv', 'w')", outputs=["t.csv"])
    (ended,) = do(plan)[0].values()
    assert ended["code"] == "SM-SCR-035" and ended["values"]["made"] == "t.csv (0 bytes)"


def test_what_disappears_or_changes_is_told_and_not_counted_as_done(project):
    code = f"{READS}open('t.csv', 'w').write(f'a\\n{{len(data)}}\\n'); open('big', 'w').write('x')"
    plan = project(code, images=3)
    do(plan)
    folder = plan.folders.scripts / "s" / "day"
    (folder / "cell_0_s" / "t.csv").unlink()
    (folder / "cell_1_s" / "t.csv").write_text("mine, and longer")
    (folder / "cell_1_s" / "notes.txt").write_text("mine")
    assert "1 of 3 runs done, 2 whose results have disappeared or were changed" in last_words(plan)
    again = project(code, images=3)
    assert again.scripts["s"].counts["to_run"] == 2
    assert "2 were done, and their results have disappeared or were changed" in describe(again)
    do(again)
    assert "3 of 3 runs done" in last_words(again)
    # What users changed is kept.
    kept = plan.folders.results / "changed" / "scripts" / "s" / "day" / "cell_1_s"
    assert {path.name: path.read_text() for path in kept.iterdir()} == {
        "t.csv": "mine, and longer",
        "notes.txt": "mine",
    }
    # What `outputs` does not name may be tidied up.
    plan = project(code + "\n1", images=3, outputs=["t.csv"])
    do(plan)
    (folder / "cell_0_s" / "big").unlink()
    assert project(code + "\n1", images=3, outputs=["t.csv"]).scripts["s"].counts["to_run"] == 0


def test_a_result_of_the_same_size_that_was_changed_is_seen_and_one_that_was_touched_is_not(
    project,
):
    code = f"{READS}open('t.csv', 'w').write(f'a\\n{{data[9]}}\\n'); open('x.txt', 'w').write('1')"
    plan = project(code, images=3)
    do(plan)
    table = plan.folders.scripts / "s" / "day" / "cell_1_s" / "t.csv"
    text = table.read_text()
    (table.parent.with_name("cell_0_s") / "t.csv").touch()
    assert project(code, images=3).scripts["s"].counts["to_run"] == 0
    # As another run may do that was at work when this one began.
    table.write_text(text.replace("a", "b"))
    again = project(code, images=3)
    assert again.scripts["s"].counts["to_run"] == 1
    assert "1 whose results have disappeared or were changed" in last_words(again)
    do(again)
    assert table.read_text() == text
    kept = plan.folders.results / "changed" / "scripts" / "s" / "day" / "cell_1_s"
    assert [path.name for path in kept.iterdir()] == ["t.csv"]


def test_what_runs_write_beside_their_folders_is_told(project):
    plan = project(f"{READS}open('../été.csv', 'w').write('a')\nopen('t.csv', 'w').write('a')")
    do(plan)
    (result,) = script_results(plan)
    assert result.strays == ["day/été.csv"]
    told = last_words(plan)
    assert "1 file that the runs wrote beside their own folders" in told and "été.csv" in told


def test_a_folder_that_another_run_removed_is_told(project, tmp_path, monkeypatch):
    plan = project(f"{READS}1")

    def gone(processes, words, *, folder, **other):
        shutil.rmtree(folder)
        raise FileNotFoundError(2, "No such file or directory", "bash")

    monkeypatch.setattr(Processes, "run", gone)
    (ended,) = do(plan)[0].values()
    assert ended["code"] == "SM-SCR-048"


def test_what_users_changed_is_kept_of_many_files_and_of_notebooks(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for number in range(made.MOST_NAMES + 10):
        (folder / f"{number:03}.txt").write_text("x")
    known = made.made_in(folder)
    assert made.changed_in(known, folder) == []
    for name in ("000.txt", "055.txt", "new.txt"):
        before = (folder / name).read_text() if (folder / name).exists() else None
        (folder / name).write_text("mine")
        assert made.changed_in(known, folder) == [folder]
        (folder / name).unlink() if before is None else (folder / name).write_text(before)
    (tmp_path / "link").symlink_to(folder)
    (folder / "000.txt").unlink()
    assert tmp_path / "link" / "001.txt" in made.changed_in(known, tmp_path / "link")
    shutil.rmtree(folder)
    assert made.changed_in(known, folder) == []
    # A notebook that was opened and saved is no reason to run it again, and is kept.
    folder.mkdir()
    book, table = folder / "a.ipynb", folder / "t.csv"
    book.write_text("executed")
    table.write_text("a")
    known = made.made_in(folder, ["a.ipynb"])
    assert made.changed_in(known, folder) == []
    book.write_text("executed, and saved")
    assert made.is_whole(known, folder) and made.changed_in(known, folder) == [book]


def test_memory_holds_without_slurm_and_a_run_is_tried_alone_first(project, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    # Two of them at the same time need more than there is, and one alone does not.
    code = f"{READS}import time; x = bytes(120_000_000)[:]; y = bytearray(b'1') * 150_000_000\ntime.sleep(1.5)\nopen('t', 'w').write(str(len(data)))"
    plan = project(code, images=2, resources={"memory_gb": 0.25, "cpus": 2})
    ends, _ = do(plan)
    assert all("code" not in ended for ended in ends.values())
    plan = project(code + "\n1", images=1, resources={"memory_gb": 0.1})
    ends, _ = do(plan)
    assert ends["day/cell_0.tif"]["code"] == "SM-SCR-044"
    assert ends["day/cell_0.tif"]["values"]["limit"] == "0.10"


def test_a_long_log_keeps_its_beginning_and_end(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "LONGEST_LOG", 300_000)
    monkeypatch.setattr(process, "KEPT_OF_LOG", 50_000)
    code = "print('first')\nfor n in range(40_000): print('line', n, 'x' * 60)\nprint('last')"
    log = tmp_path / "log"
    words, names = [sys.executable, "-c", code], {"folder": tmp_path, "variables": dict(os.environ)}
    assert Processes().run(words, **names, log=log, seconds=60, mark=str(tmp_path)).code == 0
    text = log.read_text()
    assert len(text) < 310_000 and text.startswith("first\n") and text.endswith("\nlast\n")
    assert text.count("MB of this log are left out here") == 1


def test_daemons_that_have_thrown_off_everything_end_with_their_script(tmp_path):
    daemon = "import os, time; os.chdir('/'); os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(99)"
    words = ["env", "-i", sys.executable, "-c", daemon, str(tmp_path)]
    code = f"import subprocess; subprocess.Popen({words!r}).wait()"
    names = {"folder": tmp_path, "variables": dict(os.environ), "log": tmp_path / "log"}
    before = psutil.Process().children()
    Processes().run([sys.executable, "-c", code], **names, seconds=60, mark=str(tmp_path))
    left = [p for p in psutil.process_iter(["cmdline"]) if "sleep(99)" in str(p.info)]
    left = [p for p in left if str(tmp_path) in str(p.info)]
    assert not left and not set(psutil.Process().children()) - set(before)


@pytest.mark.parametrize("most", [protection.MOST_BESIDE, 0])
def test_a_script_that_ends_the_process_above_it_harms_no_other_run(
    project, tmp_path, monkeypatch, most
):
    need_mounts(tmp_path)
    monkeypatch.setattr(protection, "MOST_BESIDE", most)
    # Not the tests themselves, should it be given no other.
    kill = "import signal, time; above = os.getppid()\n"
    kill += "'starter.py' in open(f'/proc/{above}/cmdline').read() or sys.exit('no starter')\n"
    kill += "os.kill(above, signal.SIGKILL); time.sleep(0.5)\n"
    plan = project(f"{READS}{kill}open('t.csv', 'w').write(f'a\\n{{len(data)}}\\n')", images=4)
    ends, _ = do(plan)
    assert len(ends) == 4 and all("code" not in ended for ended in ends.values())
    assert "4 of 4 runs done" in last_words(plan)


def test_many_runs_share_mounts_and_are_kept_from_all_but_their_script_s_folder(
    project, tmp_path, monkeypatch
):
    need_mounts(tmp_path)
    monkeypatch.setattr(protection, "MOST_BESIDE", 0)
    # As no other test does, here or elsewhere on this computer.
    seconds = f"{4000 + os.getpid() / 1e7:.7f}"
    code = f"""{READS}import signal, subprocess
assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and os.getsid(0) == os.getpid()
assert not sys.stdin.read() and os.getcwd() == os.environ["SEGMAKE_OUTPUT_DIR"]
subprocess.Popen(["sleep", "{seconds}"], start_new_session=True)
try:
    open(os.environ["SEGMAKE_INPUT"], "ab")
except OSError as error:
    print(os.stat("/proc/self/ns/mnt").st_ino, file=open("space.txt", "w"))
"""
    plan = project(code, images=8)
    ends, _ = do(plan)
    assert len(ends) == 8 and all(end["protected"] and "code" not in end for end in ends.values())
    spaces = {path.read_text() for path in plan.folders.scripts.rglob("space.txt")}
    assert len(spaces) < 8 and str(os.stat("/proc/self/ns/mnt").st_ino) not in spaces
    running = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
    assert not any(seconds in words for words in running)


@pytest.mark.parametrize("most", [protection.MOST_BESIDE, 0])
def test_what_cannot_be_started_is_told(project, tmp_path, monkeypatch, most):
    monkeypatch.setattr(protection, "MOST_BESIDE", most)
    monkeypatch.setattr("segmake.scripts.checks.command.interpreter", lambda *_: ["/no/such/bash"])
    ends = do(project("1", images=3))[0].values()
    assert {ended["code"] for ended in ends} == {"SM-SCR-032"} and len(ends) == 3
    assert all(
        ended["values"]["error"] == "No such file or directory: /no/such/bash" for ended in ends
    )


def test_what_segmake_itself_starts_is_not_taken_for_a_scripts(tmp_path):
    own = psutil.Popen(["sleep", "300"])
    names = {"folder": tmp_path, "variables": dict(os.environ), "log": tmp_path / "log"}
    Processes().run(["true"], **names, seconds=60, mark=str(tmp_path))
    assert own.poll() is None
    own.kill()
    own.wait()


def test_a_script_that_removes_its_folder_is_told_so(project, no_mounts):
    plan = project(f"{READS}import shutil; shutil.rmtree(os.getcwd())")
    (ended,) = do(plan)[0].values()
    assert ended["code"] == "SM-SCR-048"


def test_failures_that_say_the_same_are_told_once(project):
    plan = project(f"{READS}raise KeyError('area of ' + sys.argv[2])", images=5)
    do(plan)
    words = last_words(plan)
    assert words.count("Traceback") == 1 and "4 more failed of the same" in words


def test_a_disk_that_a_script_has_filled_is_told_with_its_name(project, monkeypatch):
    full = Problem("SM-RUN-040", folder="x")
    monkeypatch.setattr("segmake.scripts.running.work.probe", lambda folder: full)
    monkeypatch.setattr("segmake.scripts.running.work.LARGE_PART", 0.0)
    plan = project(
        f"{READS}open('big', 'wb').write(bytes(3_000_000)); sys.exit('no room')", images=2
    )
    with pytest.raises(Problem) as told:
        do(plan)
    assert told.value.code == "SM-SCR-049" and "script.py" in told.value.what


def test_files_are_named_for_their_image_alone():
    assert originals.named_for("1_mask.npy", "1") and originals.named_for("a-1.txt", "1")
    assert not originals.named_for("10.npy", "1") and not originals.named_for("11.npy", "1")


def test_a_starter_ends_when_who_orders_is_killed_within_an_order():
    orders, other = socket.socketpair()
    socket.send_fds(orders, [starter.LENGTH.pack(100)], [0, 1])
    orders.sendall(b"{")
    orders.close()
    with other:
        assert starter._take(other) is None


def test_looking_after_ten_thousand_images_costs_a_run_little(tmp_path):
    """ResultPaths that nothing was added to are not read again, whatever lies in them."""
    paths = [tmp_path / f"{number}.tif" for number in range(200)]
    for path in paths:
        path.touch()
    looked = originals.Originals(paths, whole=False)
    listed = []
    names, originals._names = (
        originals._names,
        lambda folder: listed.append(folder) or names(folder),
    )
    try:
        task = type("T", (), {"path": paths[0], "image": "0.tif"})()
        looked.before(task)
        assert looked.changed(task, alone=True) == ([], [])
        assert not listed
        time.sleep(0.02)
        (tmp_path / "0_mask.npy").touch()
        assert looked.changed(task, alone=False) == ([tmp_path / "0_mask.npy"], [])
        assert listed == [tmp_path]
    finally:
        originals._names = names
