"""The users' own scripts as steps: Snakemake runs for real, and so do the scripts."""

from __future__ import annotations

import csv
import json
import os
import signal
import textwrap
from contextlib import suppress
from pathlib import Path

import psutil

from tests.programs import program
from tests.projects import Project, below, draw_image, wait_until

# What somebody writes who knows argparse, and neither Snakemake nor SegMake.
PLAIN = """
    import argparse
    from pathlib import Path
    import pandas as pd
    from skimage.io import imread

    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--mask", required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--threshold", type=float, default=1)
    options = parser.parse_args()
    image, mask = imread(options.input), imread(options.mask)
    print("working on", options.input)
    if "img_2" in options.input and options.threshold < 100:
        raise ValueError("this picture is not for me")
    bright = int((image[mask > 0] > options.threshold).sum())
    pd.DataFrame({"bright": [bright]}).to_csv(options.output_dir / "bright.csv", index=False)
"""


def write(project: Project, name: str, text: str) -> str:
    path = project.folder / "my scripts" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(path.relative_to(project.folder))


def runs(project: Project, name: str, event: str = "started") -> list[str]:
    """Return the runs of a script that were begun, or ended in a way, one entry for each time."""
    lines = project.journal(f"scripts/{name}")
    return sorted(line["image"] for line in lines if line["event"] == event)


def processes(folder: Path, words: str) -> list[psutil.Process]:
    """Return the processes whose command has these words and names a folder: other tests have such, too."""
    found = (
        (process, " ".join(process.info["cmdline"] or []))
        for process in psutil.process_iter(["cmdline"])
    )
    return [process for process, command in found if words in command and str(folder) in command]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_plain_script_is_a_step_and_only_what_failed_or_changed_is_run_again(project: Project):
    (project.images / "a" / "img_4.tif").unlink()
    script = write(project, "bright.py", PLAIN)
    step = {"name": "bright", "script": script, "needs": ["images", "masks"]}
    step |= {"arguments": {"threshold": 0.5}, "outputs": ["*.csv"]}
    project.settings["scripts"] = [step]

    first = project.run()
    assert first.returncode == 1, first.stderr
    assert "Traceback" not in first.stderr.replace("| Traceback", "")
    assert "script bright: 5 of 6 runs done, 1 FAILED" in first.stderr
    assert "SM-SCR-031  bright.py ended with an error (exit code 1)." in first.stderr
    assert "| ValueError: this picture is not for me" in first.stderr
    folder = project.results / "scripts" / "bright"
    assert [row["image"] for row in table(folder / "all_bright.csv")] == [
        *(f"a/img_{number}.tif" for number in (1, 3, 5, 6)),
        "b/empty.tif",
    ]
    assert (folder / "a" / "img_3_bright" / "bright.csv").is_file()
    log = (project.results / "logs" / "scripts" / "bright" / "a" / "img_3_bright.log").read_text()
    assert "working on" in log and "--threshold 0.5" in log
    report = (project.results / "report.html").read_text(encoding="utf-8")
    assert "this picture is not for me" in report and "all_bright.csv" in report

    # The one that failed is tried again, alone; its images are not.
    before, journal = runs(project, "bright"), project.journal()
    dry = project.run("-n")
    assert "script bright: runs 6, done 5, failed before 1, to run 1, jobs 1" in dry.stderr
    assert project.run().returncode == 1
    assert runs(project, "bright") == sorted([*before, "a/img_2.tif"])

    # Another argument is another result: all of the script again, and nothing else.
    step["arguments"]["threshold"] = 200
    good = project.run()
    assert good.returncode == 0, good.stderr
    assert len(runs(project, "bright")) == 6 + 1 + 6
    assert project.journal() == journal
    assert len(table(folder / "all_bright.csv")) == 6

    before = project.tree()
    again = project.run()
    assert again.returncode == 0
    assert "nothing to compute" in again.stderr
    assert project.tree() == before

    # A new image is all that a new image takes.
    done = runs(project, "bright")
    draw_image(project.images / "a" / "img_7.tif", 3)
    assert project.run().returncode == 0
    assert runs(project, "bright") == sorted([*done, "a/img_7.tif"])


DATASET = """
    import os
    from pathlib import Path
    import pandas as pd

    images = pd.read_csv(os.environ["SEGMAKE_INPUT"])
    cells = pd.read_csv(os.environ["SEGMAKE_CELLS"])
    assert sorted(images["image"]) == sorted(set(cells["image"]) | {"b/empty.tif"})
    bright = pd.read_csv(Path(os.environ["SEGMAKE_BRIGHT"]) / "all_bright.csv")
    Path("report.md").write_text(f"There are **{len(cells)} cells**, and {len(bright)} images.")
    with open(Path(os.environ["FOLDER"]) / "count", "a") as count:
        count.write("x")
"""


def test_scripts_build_on_each_other_and_a_broken_image_reruns_nothing(project: Project):
    first = write(project, "bright.py", PLAIN)
    second = write(project, "whole.py", DATASET)
    count = project.folder / "count"
    needs = ["images", "cells", "bright"]
    project.settings["scripts"] = [
        # In any order: what needs another comes after it.
        {"name": "whole", "script": second, "run": "dataset", "needs": needs}
        | {"arguments": {"folder": str(project.folder)}},
        {"name": "bright", "script": first, "needs": ["images", "masks"]}
        | {"arguments": {"threshold": 200}},
    ]
    run = project.run()
    # One image is cut short, and none of the scripts'.
    assert run.returncode == 1
    assert "script whole: done, on 6 of 7 images" in run.stderr, run.stderr
    report = (project.results / "report.html").read_text(encoding="utf-8")
    assert "<strong>17 cells</strong>, and 6 images" in report

    # The broken image is tried again; the data set is the same without it.
    assert project.run().returncode == 1
    assert count.read_text() == "x"
    # Once it is well, the data set is another one.
    draw_image(project.images / "a" / "img_4.tif", 4)
    good = project.run()
    assert good.returncode == 0, good.stderr
    assert count.read_text() == "xx"
    assert "<strong>21 cells</strong>" in (project.results / "report.html").read_text()
    bright = runs(project, "bright")

    # An edit of the first reruns both, of the second that one.
    path = project.folder / first
    path.write_text(path.read_text() + "edited = 1\n")
    assert project.run().returncode == 0
    assert len(runs(project, "bright")) == len(bright) + 7
    assert count.read_text() == "xxx"
    path = project.folder / second
    path.write_text(path.read_text() + "edited = 1\n")
    assert project.run().returncode == 0
    assert len(runs(project, "bright")) == len(bright) + 7
    assert count.read_text() == "xxxx"


SIMULATION = """
    import argparse, pathlib, time
    parser = argparse.ArgumentParser()
    parser.add_argument("--output-dir", type=pathlib.Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--rate", type=float)
    options = parser.parse_args()
    time.sleep(0.05)
    if options.seed == 7 and options.rate == 0.2:
        raise SystemExit("this one never works")
    (options.output_dir / "end.csv").write_text(f"size,rate\\n{options.seed * options.rate},x\\n")
"""


def test_a_sweep_without_images_is_stopped_and_goes_on_where_it_was(project: Project):
    script = write(project, "simulate.py", SIMULATION)
    project.settings["images"]["folder"] = None
    step = {"name": "simulate", "script": script, "run": "sweep", "batch_size": 10}
    step["sweep"] = {"seed": {"from": 1, "to": 20}, "rate": [0.1, 0.2, 0.5]}
    project.settings["scripts"] = [step]
    assert "runs 60, done 0, failed before 0, to run 60, jobs 6" in project.run("-n").stderr

    run = project.start()
    wait_until(lambda: len(runs(project, "simulate", "done")) > 15, run)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait() != 0
    half = runs(project, "simulate", "done")
    assert 15 < len(half) < 59

    whole = project.run()
    assert whole.returncode == 1, whole.stderr
    assert "script simulate: 59 of 60 runs done, 1 FAILED" in whole.stderr
    assert "rate=0.2, seed=7" in whole.stderr
    assert "| this one never works" in whole.stderr
    done = runs(project, "simulate", "done")
    assert len(done) == len(set(done)) == 59
    rows = table(project.results / "scripts" / "simulate" / "all_end.csv")
    assert list(rows[0]) == ["rate", "seed", "size", "rate (own)"]
    assert len({(row["seed"], row["rate"]) for row in rows}) == len(rows) == 59
    assert "rate=0.2, seed=7" in (project.results / "report.html").read_text(encoding="utf-8")

    # More of the same parameters: only what is new, and what failed.
    step["sweep"]["seed"]["to"] = 22
    assert project.run().returncode == 1
    assert len(runs(project, "simulate", "done")) == 59 + 6


HOSTILE = [
    "two words",
    "'single' \"double\" `back`",
    "$HOME ${PATH} $(touch /tmp/segmake_was_here)",
    "; rm -rf *",
    "a && b || c | d > e < f & g",
    "*.tif ?[a-z]",
    "~/home ~root",
    "back\\slash \\n \\t",
    "line\nbreak",
    "tab\tand  spaces ",
    "%s %d %%",
    "{braces} {} {0} {{x}}",
    '{"json": [1, 2, "é"]}',
    "{wildcards.batch} {input:q}",
    "-minus --dashes",
    "#comment: not",
    "é ü ñ 漢字 🦠",
    "!history ^caret",
    "",
    "007",
    "1e-3",
    "x" * 3000,
]
ECHO = """
    import json, os, sys
    open(os.environ["SEGMAKE_INPUT"], "rb").close()
    json.dump(sys.argv[1:], open("argv.json", "w"))
    json.dump({k: v for k, v in os.environ.items()}, open("environ.json", "w"))
"""


def test_an_upgrade_with_nothing_to_do_is_enough_to_see_later_edits(project: Project):
    script = write(project, "a.sh", 'bash "$(dirname "$0")/part.sh"\n')
    part = project.folder / write(project, "part.sh", "echo x > t.csv; echo 1 >> t.csv\n")
    project.settings["images"]["folder"] = None
    project.settings["scripts"] = [{"name": "a", "script": script, "run": "once"}]
    assert project.run().returncode == 0
    # Earlier versions did not write it.
    table = project.results / ".segmake" / "scripts" / "a" / "meanings.txt"
    table.unlink()
    assert project.run("-n").returncode == 0 and not table.exists()
    assert project.run().returncode == 0 and table.exists()
    part.write_text("# one\n" + part.read_text().replace("1", "2"))
    assert project.run().returncode == 0 and len(runs(project, "a")) == 2


def test_hostile_values_and_file_names_arrive_as_they_are(project: Project):
    for path in project.images.rglob("*.tif"):
        path.unlink()
    names = [
        'it\'s "one"; $HOME `x` & #2 (é).tif',
        "new\nline *?.tif",
        "-dash {image} %s \\ 漢.tif",
    ]
    for name in names:
        draw_image(project.images / "sub folder's" / name, 2)
    script = write(project, "echo's $1.py", ECHO)
    options = {f"value_{number}": value for number, value in enumerate(HOSTILE)}
    options |= {"flag": True, "off": False, "none": None, "list": HOSTILE[:4]}
    project.settings["scripts"] = [
        {"name": "echo", "script": script, "arguments": options},
        {"name": "bare", "script": script, "arguments": ["{image}", *HOSTILE]},
    ]
    # As a secret would stand there.
    project.variables |= {"MY_TOKEN": "secret", "AWS_SECRET_ACCESS_KEY": "secret"}
    run = project.run()
    assert run.returncode == 0, run.stderr
    assert not Path("/tmp/segmake_was_here").exists()
    found = sorted((project.results / "scripts" / "bare").rglob("argv.json"))
    assert len(found) == len(names)
    given = {}
    for path in found:
        image, *values = json.loads(path.read_text())
        assert values == HOSTILE
        given[Path(image).name] = image
    assert sorted(given) == sorted(names)
    assert all(Path(image).is_file() for image in given.values())
    for path in (project.results / "scripts" / "echo").rglob("argv.json"):
        words = json.loads(path.read_text())
        environ = json.loads(path.with_name("environ.json").read_text())
        assert words[0] == "--input" and words[2] == "--output-dir"
        assert Path(words[3]) == path.parent
        expected = []
        # The order of the file, which has them by their names.
        for name, value in sorted(options.items()):
            if isinstance(value, str):
                # A word that begins with a dash would be taken for another option.
                dashed = value.startswith("-")
                expected += [f"--{name}={value}"] if dashed else [f"--{name}", value]
                assert environ[name.upper()] == value
        position = expected.index("--value_0")
        assert words[4:] == ["--flag", "--list", *HOSTILE[:4], *expected[position:]]
        assert "secret" not in environ.values()
        assert environ["SEGMAKE_INPUT"] == words[1]


HUNG = """
    import os, subprocess, sys, time
    # A child that leaves, as daemons do.
    child = [sys.executable, "-c", "import time; time.sleep(600)", os.getcwd()]
    subprocess.Popen(child, start_new_session=True)
    if sys.argv[sys.argv.index("--seed") + 1] == "1":
        print("now I wait", flush=True)
        time.sleep(600)
"""


def sweep_of_six(project: Project, name: str, script: str) -> dict:
    """Return a step that needs no images, and runs a script with the seeds 1 to 6."""
    project.settings["images"]["folder"] = None
    seeds = {"seed": {"from": 1, "to": 6}}
    return {"name": name, "script": script, "run": "sweep", "sweep": seeds, "batch_size": 6}


def test_a_hung_script_is_ended_with_its_children_and_alone(project: Project):
    step = sweep_of_six(project, "hung", write(project, "hung.py", HUNG))
    project.settings["scripts"] = [step | {"resources": {"hours": 0.004}}]
    run = project.run()
    assert run.returncode == 1
    assert "script hung: 5 of 6 runs done, 1 FAILED" in run.stderr, run.stderr
    assert "SM-SCR-033  hung.py was ended after 0.24 minutes" in run.stderr
    assert "| now I wait" in run.stderr
    assert not processes(project.folder, "time.sleep(600)")


def test_what_outputs_names_must_be_there_and_what_was_made_is_kept(project: Project):
    project.settings["images"]["folder"] = None
    text = "open('other.csv', 'w').write('a\\n1\\n')"
    script = write(project, "other.py", text)
    step = {"name": "other", "script": script, "run": "once", "outputs": ["growth.csv"]}
    project.settings["scripts"] = [step]
    run = project.run()
    assert run.returncode == 1
    assert "SM-SCR-035  other.py did not make what `outputs` names: growth.csv" in run.stderr
    assert (project.results / "scripts" / "_failed" / "other" / "other.csv").is_file()
    assert not (project.results / "scripts" / "other").exists()
    step["outputs"] = ["*.csv"]
    assert project.run().returncode == 0
    assert (project.results / "scripts" / "other" / "other.csv").is_file()
    assert not (project.results / "scripts" / "_failed" / "other").exists()
    # A result that somebody deletes is made again.
    (project.results / "scripts" / "other" / "other.csv").unlink()
    assert project.run().returncode == 0
    assert (project.results / "scripts" / "other" / "other.csv").is_file()


def test_other_languages(project: Project):
    program("Rscript", "r-base-core")
    (project.images / "a" / "img_4.tif").unlink()
    # What lies beside a script is found, though it is run elsewhere.
    write(project, "helper.R", 'first <- format(readBin(commandArgs(TRUE)[2], "raw", 9))')
    texts = {
        "shell.sh": 'head -c 9 "$2" > "$SEGMAKE_OUTPUT_DIR/out.txt"\n',
        "r.R": 'source("helper.R"); local({source("helper.R", local = TRUE); writeLines(first, "out.txt")})',
    }
    project.settings["scripts"] = [
        {"name": Path(name).stem, "script": write(project, name, text), "outputs": ["out.txt"]}
        for name, text in texts.items()
    ]
    assert project.run().returncode == 0
    for name in texts:
        folder = project.results / "scripts" / Path(name).stem
        assert len(list(folder.rglob("out.txt"))) == 6


def test_a_killed_run_leaves_no_script_behind_for_the_next(project: Project):
    text = (
        "import time, sys; time.sleep(60 if sys.argv[sys.argv.index('--seed') + 1] == '1' else 0)"
    )
    script = write(project, "slow.py", text)
    project.settings["scripts"] = [sweep_of_six(project, "slow", script)]
    run = project.start()
    wait_until(lambda: "seed=1" in runs(project, "slow"), run)
    # All of SegMake at once, as when a node goes down; the script itself lives on.
    for process in [psutil.Process(run.pid), *below(run.pid)]:
        # One may end while it is looked at.
        with suppress(psutil.NoSuchProcess):
            if "slow.py" not in str(process.cmdline()[1:2]):
                process.kill()
    run.wait()
    (project.folder / script).write_text("import sys")
    assert project.run().returncode == 0
    assert not processes(project.folder, "slow.py")
