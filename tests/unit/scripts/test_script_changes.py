"""What of a script's changes runs it again, and what does not."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segmake.config.load import load_config
from segmake.plan.described import describe
from segmake.plan.make import make_plan
from segmake.plan.scripts import facts_in_job, journal_of, note_meanings
from segmake.plan.written_plan import read_plan, write_plan
from segmake.runner.run_step import run_step
from segmake.scripts.results.results import join_tables
from segmake.scripts.running.work import ScriptWork
from segmake.scripts.source import followed, static
from segmake.scripts.source.comments import lines_that_run, without_comments
from segmake.scripts.source.followed import follow

HERE = '"$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"'


def notebook(*cells: str) -> str:
    parts = [{"cell_type": "code", "source": cell, "outputs": [], "metadata": {}} for cell in cells]
    return json.dumps({"cells": parts, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sh", 'here=$(dirname "$0")\npython "$here/lib/x.py" "$1"\n'),
        ("a.sh", f'HERE={HERE}\nRscript -e "source(\'$HERE/lib/x.R\')"\n'),
        ("a.sh", 'cd "${0%/*}"\nT=lib\npython3 -u ${T}/x.py\n'),
        ("a.sh", 'D=`dirname $0`; L="$D"/lib\n. "$L"/x.sh\n'),
        ("a.sh", '. "$SEGMAKE_SCRIPT_FOLDER/lib/x.sh"\n'),
        ("a.sh", 'cd "${SEGMAKE_SCRIPT_FOLDER}"\npython lib/x.py\n'),
        ("a.sh", 'python3 ${SEGMAKE_SCRIPT_FOLDER}/lib/x.py\n'),
        ("a.py", "import sys, os\nsys.path.insert(0, os.environ['SEGMAKE_SCRIPT_FOLDER'] + '/lib')\nimport x\n"),
        ("a.py", "import os\nH = os.environ.get('SEGMAKE_SCRIPT_FOLDER')\nexec(open(os.path.join(H, 'lib/x.py')).read())\n"),
        ("a.sh", "export PYTHONPATH=$(dirname $0)/lib\ncd $(dirname $0)\npython -m x\n"),
        ("a.R", 'source("lib/x.R")\n'),
        ("a.R", "library(here)\nsource(here::here('lib', \"x.R\"), local = TRUE)\n"),
        ("a.R", 'f <- "lib/x.R"\nsource(f)\n'),
        ("a.R", 'source(file.path(dirname(me()), "lib", "x.R"))\n'),
        ("a.R", 'reticulate::source_python("lib/x.py")\n'),
        ("a.py", "import importlib\nm = importlib.import_module('lib.x')\n"),
        ("a.py", "from importlib import import_module\nfor n in ('re', 'lib.x'): import_module(n)\n"),
        ("a.py", "from pathlib import Path\nexec(open(Path(__file__).parent / 'lib' / 'x.py').read())\n"),
        ("a.py", "import os, runpy\nH = os.path.dirname(os.path.abspath(__file__))\nrunpy.run_path(os.path.join(H, 'lib/x.py'))\n"),
        ("a.py", "import subprocess as s, sys\nfrom pathlib import Path\nF = Path(__file__).resolve().parents[0] / 'lib'\ns.run([sys.executable, str(F / 'x.py'), '-n', '1'])\n"),
        ("a.py", "import os\nos.system(f'Rscript {os.path.dirname(__file__)}/lib/x.R > out.txt')\n"),
        ("a.py", "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))\nimport x\n"),
        ("a.ipynb", notebook("a = 1", "%run -i lib/x.py\nprint(a)")),
        ("a.ipynb", notebook("%run lib/x")),
        ("a.ipynb", notebook("!python lib/x.py {n}")),
        ("a.ipynb", notebook("%%bash\nRscript lib/x.R")),
    ],
)  # fmt: skip
def test_other_files_that_a_script_runs_are_followed(tmp_path, name, text):
    folder = tmp_path / "é b"
    (folder / "lib").mkdir(parents=True)
    for suffix in ("py", "R", "sh"):
        (folder / "lib" / f"x.{suffix}").touch()
    # What it runs imports in turn.
    (folder / "lib" / "x.py").write_text("import deep\n")
    (folder / "lib" / "deep.py").touch()
    (folder / "lib" / "other.py").touch()
    (folder / name).write_text(text, encoding="utf-8")
    found = follow(folder / name)
    names = {path.relative_to(folder).as_posix() for path in found.files}
    (run,) = names - {"lib/deep.py"}
    assert run.startswith("lib/x.") and found.unseen == []
    # A module of a package does not see what lies beside it.
    as_module = "import_module" in text
    assert ("lib/deep.py" in names) == (run.endswith(".py") and not as_module)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.sh", 'python "$1" --fast\n', "$1"),
        ("a.sh", 'source "$TOOLS/env.sh"\n', "$TOOLS/env.sh"),
        ("a.R", "source(path)\n", "source(path)"),
        ("a.R", 'sapply(list.files("R", full.names = TRUE), source)\n', "sapply"),
        ("a.py", "import importlib, sys\nimportlib.import_module(sys.argv[1])\n", "import_module"),
        ("a.py", "def f(p): exec(open(p).read())\n", "exec(open(p).read())"),
        ("a.py", "import subprocess, sys\nsubprocess.run([sys.executable, sys.argv[1]])\n", "argv[1]"),
        ("a.ipynb", notebook("%run $tool"), "%run $tool"),
    ],
)  # fmt: skip
def test_code_that_cant_be_told_is_told(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    (unseen,) = follow(tmp_path / name).unseen
    assert words in unseen.words and unseen.file.name == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sh", 'set -e\npython -c "print(1)" $n\nsource activate x\necho "$1" | bash -s\n'),
        ("a.R", 'd <- read.csv(path, sep = ";") # source(x)\nprint(source_of(d))\n'),
        (
            "a.py",
            '"""Like old.py."""\nimport subprocess\nsubprocess.run(["fiji", x])\nexec(code)\n',
        ),
    ],
)
def test_what_runs_no_file_of_its_own_is_not_told(tmp_path, name, text):
    (tmp_path / "old.py").touch()
    (tmp_path / name).write_text(text)
    found = follow(tmp_path / name)
    assert found.files == set() and found.unseen == []


def test_modules_that_import_each_other_are_read_once(tmp_path, monkeypatch):
    lib = tmp_path / "lib"
    lib.mkdir()
    every = "".join(f"import m{number}\n" for number in range(30))
    for number in range(30):
        (lib / f"m{number}.py").write_text(every + f"# {number}\n")
    path = tmp_path / "a.py"
    path.write_text("import sys\nsys.path.append('lib')\nimport m0\n")
    parsed = []
    parse = static._parse
    monkeypatch.setattr(static, "_parse", lambda *words: parsed.append(words) or parse(*words))
    assert len(follow(path).files) == 30
    # For its imports, and for what else it runs.
    assert len(parsed) <= 2 * 31


def test_of_too_many_files_the_first_are_followed_and_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(followed, "MOST_FILES", 5)
    lib = tmp_path / "lib"
    lib.mkdir()
    for number in range(9):
        (lib / f"m{number}.py").write_text(f"import m{number + 1}\n")
    path = tmp_path / "a.py"
    path.write_text("import sys\nsys.path.append('lib')\nimport m0\n")
    found = follow(path, [path])
    assert {file.name for file in found.files} == {f"m{number}.py" for number in range(5)}
    (unseen,) = found.unseen
    assert unseen.file.name == "m5.py"
    # Those that count anyway are not too many.
    assert follow(path, [path, *lib.iterdir()]).unseen == []


@pytest.mark.parametrize(
    ("kind", "text", "other", "same"),
    [
        ("shell", "a b\nc\n", "#!/bin/bash\na b  # it's\n\n\n  # d\nc", True),
        ("shell", "a 'b\n# c\n'\n", "a 'b\n'\n", False),
        ("shell", "cat <<E\n# a\nE\n", "cat <<E\nE\n", False),
        ("shell", "a \\\n\nb\n", "a \\\nb\n", False),
        ("shell", 'a "$(b "c # d")"\n', 'a "$(b "c # e")"\n', False),
        ("shell", "a \\ #b\n", "a \\ #c\n", False),
        ("shell", "a ${b#c} $#\n", "a ${b#d} $#\n", False),
        ("shell", 'echo "${x:-"a #b"}"\n', 'echo "${x:-"a #c"}"\n', False),
        ("shell", "echo ${x:-a #b}\n", "echo ${x:-a #c}\n", False),
        ("shell", "[[ $a =~ #x ]]\n", "[[ $a =~ #y ]]\n", False),
        ("shell", "shopt -s extglob\nls @(#a|#b)\n", "shopt -s extglob\nls @(#a|#c)\n", False),
        ("shell", 'a "`b "c" #d`"\n', 'a "`b "c" #e`"\n', False),
        ("shell", 'a "$(case b in b) echo " #c";; esac)"\n', 'a "$(case b in b) echo " #d";; esac)"\n', False),
        ("shell", 'a "${x%.*}" "${#y[@]}" ${z:-1}\n', 'a "${x%.*}" "${#y[@]}" ${z:-1} # b\n', True),
        ("R", "x %#% y\n", "x %#% z\n", False),
        ("R", "x %in% y\n", "x %in% y # z\n", True),
        ("R", "a <- 1\n", "# x\na <- 1 # isn't\n\n", True),
        ("R", "a <- '#1'\n", "a <- '#2'\n", False),
        ("R", "a <- r\"(\n# b)\"\n", "a <- r\"(\n# c)\"\n", False),
    ],
)  # fmt: skip
def test_comments_of_shell_and_r(kind, text, other, same):
    assert (without_comments(text, kind) == without_comments(other, kind)) is same


@pytest.mark.parametrize(
    ("kind", "text", "lines"),
    [
        ("shell", "#!/bin/bash\n\n  # a\necho '#b' # c\n", ["", "", "", "echo '#b'", ""]),
        ("shell", "a 'b\n# c\n'\n\nd\n", ["a 'b", "# c", "'", "", "d", ""]),
        ("R", "a <- '#1'  # b\n\n# c\nd", ["a <- '#1'", "", "", "d", ""]),
        # What a here-document is, is not known: what looks like a comment is none of the lines that run.
        ("shell", "cat <<E\n# a\nE\n# b\nc\n", ["cat <<E", "", "E", "", "c", ""]),
    ],
)
def test_lines_that_run_keep_their_places(kind, text, lines):
    assert lines_that_run(text, kind) == lines


PLAIN = '''"""A script."""
import argparse
p = argparse.ArgumentParser()
p.add_argument("--sigma", type=float, default=1.5)
p.add_argument("--num", type=int)
p.add_argument("--output-dir")
p.add_argument("--fast", action="store_true")
a = p.parse_args()
print(a.sigma)
'''

TAGGED = PLAIN.replace("--output-dir", "--tag")


@pytest.fixture
def project(configure, tmp_path):
    """Return what writes files, plans, and does the runs of a script; it says how many are to be run."""
    folder = tmp_path / "scripts"
    folder.mkdir()

    class Project:
        def __init__(self):
            self.section = {"name": "s", "run": "once", "script": str(folder / "s.py")}

        def write(self, name: str, text: str) -> None:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)

        def plan(self, **section):
            self.section |= section
            config = configure(images={"folder": None}, scripts=[self.section])
            return make_plan(config)[0]

        def to_run(self, **section) -> int:
            return self.plan(**section).scripts["s"].counts["to_run"]

        def run(self, **section) -> None:
            plan = self.plan(**section)
            write_plan(plan)
            note_meanings(plan)
            plan = read_plan(plan.folders.plan)
            for batch, tasks in plan.scripts["s"].batches.items():
                work, keys = ScriptWork(plan, "s", sys.executable, 2), facts_in_job(plan)
                tasks = [replace(task, key=keys.key("s", task.image)) for task in tasks]
                journal = journal_of(plan.folders, "s", batch)
                run_step(tasks, journal, work, print, print, work.line)
            assert self.to_run() == 0
            self.tables = join_tables(plan, "s", print)

        @property
        def table(self) -> Path:
            return self.plan().folders.state / "scripts" / "s" / "meanings.txt"

    return Project()


@pytest.mark.parametrize("upgraded", [False, True])
def test_an_edit_of_what_a_script_runs_runs_it_again(project, upgraded):
    project.write("s.sh", 'here=$(dirname "$0")\nbash "$here/part.sh"\n')
    project.write("part.sh", "echo 1 > a.csv\n")
    path = project.section["script"].replace(".py", ".sh")
    project.run(script=path)
    if upgraded:
        # Earlier versions did not write it, and saw the script alone.
        project.table.unlink()
        assert project.to_run() == 0
        project.run()
    project.write("part.sh", "echo 2 > a.csv\n")
    assert project.to_run() == 1
    project.run()
    # A comment, there and here, is none.
    project.write("part.sh", "# two\necho 2 > a.csv\n")
    project.write("s.sh", '# all\nhere=$(dirname "$0")\n\nbash "$here/part.sh"\n')
    assert project.to_run() == 0
    project.write("part.sh", "echo 3 > a.csv\n")
    assert project.to_run() == 1


def test_a_dry_run_writes_no_table(project):
    project.write("s.py", "print(1)\n")
    assert project.to_run() == 1
    assert not project.table.exists()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (PLAIN.replace("import", "# Reads options.\n\nimport"), {}),
        (PLAIN.replace("A script.", "Prints sigma."), {}),
        (PLAIN.replace('"--num"', "'--num'"), {}),
        (PLAIN, {"sigma": 1.5}),
        (PLAIN, {"sigma": 1.5, "fast": False, "num": None}),
    ],
)
def test_what_makes_no_difference_runs_nothing_again(project, text, arguments):
    project.write("s.py", PLAIN)
    project.run(arguments={})
    project.write("s.py", text)
    assert project.to_run(arguments=arguments) == 0
    # What follows makes one.
    assert project.to_run(arguments={"sigma": 1.6}) == 1
    project.write("s.py", text.replace("print(a.sigma)", "print(a.num)"))
    assert project.to_run(arguments=arguments) == 1


@pytest.mark.parametrize(
    ("text", "arguments", "other", "to_run"),
    [
        (PLAIN, {"sigma": 1, "num": 2}, {"num": 2, "sigma": 1.0}, 0),
        (PLAIN, {"sigma": 0.001}, {"sigma": "1e-3"}, 0),
        (PLAIN, ["--sigma", 2], ["--sigma", 2.0], 0),
        # What a script takes as text is another one.
        (TAGGED, {"tag": 1}, {"tag": 1.0}, 1),
        (TAGGED, ["--tag", 1], ["--tag", 1.0], 1),
        (TAGGED, {"sigma": 1}, {"sigma": 1.0}, 0),
        (TAGGED, {"tag": 1, "sigma": 2}, {"sigma": 2, "tag": 1}, 0),
        # Names and versions are no numbers.
        ("print(1)", {"plate": "007"}, {"plate": "7"}, 1),
        ("print(1)", {"release": "1.10"}, {"release": "1.1"}, 1),
        # This script sees it though it is the default.
        (f"import os\nos.environ['SIGMA']\n{PLAIN}", {}, {"sigma": 1.5}, 1),
    ],
)
def test_how_numbers_are_written(project, text, arguments, other, to_run):
    project.write("s.py", text)
    plan = project.plan(arguments=arguments)
    note_meanings(plan)
    before = plan.scripts["s"].code
    assert (project.plan(arguments=other).scripts["s"].code != before) == bool(to_run)


@pytest.mark.parametrize(
    ("line", "to_run"),
    [
        ("p.set_defaults(sigma=3)", 1),
        ("p = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)", 1),
        ("p = argparse.ArgumentParser(parents=[common()])", 1),
        ("pathlib.Path('x').mkdir(parents=True)", 0),
    ],
)
def test_a_default_counts_only_where_it_is_told_beside_its_option(project, line, to_run):
    making = "p = argparse.ArgumentParser()\n"
    text = PLAIN.replace(making, f"{making if 'p = ' not in line else ''}{line}\n")
    project.write("s.py", text)
    plan = project.plan(arguments={})
    note_meanings(plan)
    other = project.plan(arguments={"sigma": 1.5}).scripts["s"].code
    assert (other != plan.scripts["s"].code) == bool(to_run)


def test_a_docstring_that_a_script_reads_is_code(project):
    project.write("s.py", "import other\nprint(other.__doc__)\n")
    project.write("other.py", '"""One."""\n')
    project.run()
    project.write("other.py", '"""Two."""\n')
    assert project.to_run() == 1


def test_a_sweep_in_another_order_runs_nothing_again(project):
    project.write("s.py", "import sys\nopen('t.csv', 'w').write(f'x\\n{len(sys.argv)}\\n')\n")
    project.run(run="sweep", sweep={"seed": [1, 2], "rate": [0.5, 1]})
    before = {path: path.stat().st_mtime_ns for path in project.tables[0].parent.rglob("t.csv")}
    turned = {"rate": [1.0, 0.5], "seed": [2, 1]}
    assert project.to_run(sweep=turned) == 0
    # A new value is run alone, and the old ones keep their folders.
    turned["seed"].append(3)
    assert project.to_run(sweep=turned) == 2
    project.run(sweep=turned)
    after = {path: path.stat().st_mtime_ns for path in project.tables[0].parent.rglob("t.csv")}
    assert before.items() <= after.items() and len(after) == 6
    rows = project.tables[0].read_text("utf-8-sig").splitlines()
    assert rows[0] == "rate,seed,x" and len(rows) == 7
    # Two values that look alike are two runs.
    assert project.to_run(sweep={"seed": [1], "rate": [1, 1.0]}) == 1


FLOAT = (
    "import argparse\np = argparse.ArgumentParser()\np.add_argument('--rate', type=float)\n"
    "p.parse_args()\n"
)
TEXT = FLOAT.replace(", type=float", "")
UNKNOWN = "import sys\n"


@pytest.mark.parametrize(
    ("before", "after", "code", "to_run"),
    [
        ("0.50", "0.5", UNKNOWN, 0),
        ("1e-3", "0.001", TEXT, 0),
        ("100", "1e2", UNKNOWN, 0),
        ("0.50", "0.51", UNKNOWN, 1),
        ('".5"', '"5E-1"', FLOAT, 0),
        ('"1.10"', '"1.1"', FLOAT, 0),
        ('"1.10"', '"1.1"', TEXT, 1),
        ('"1.10"', '"1.1"', UNKNOWN, 1),
        ('"1"', '"1.0"', UNKNOWN, 1),
        # Whether it stands in quotes is no other value.
        ("1.10", '"1.10"', UNKNOWN, 0),
        ('"007"', '"7"', UNKNOWN, 1),
        ('"1e-3b"', '"0.001b"', UNKNOWN, 1),
        ('"1234567890.123456789012345678901"', '"1234567890.123456789012345678902"', FLOAT, 1),
    ],
)
def test_a_number_of_a_sweep_written_in_another_way_runs_nothing_again(
    project, tmp_path, monkeypatch, before, after, code, to_run
):
    def rewritten(path: Path) -> Any:
        text = path.read_text(encoding="utf-8").replace('"<value>"', value)
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    monkeypatch.setattr("tests.conftest.load_config", rewritten)
    project.write("s.py", f"{code}open('t.csv', 'w').write('x\\n1\\n')\n")
    value = before
    project.run(run="sweep", sweep={"rate": ["<value>"]})
    folder = project.plan().folders.results / "scripts" / "s"
    tables = {path: path.stat().st_mtime_ns for path in folder.rglob("t.csv")}
    value = after
    assert tables and project.to_run() == to_run
    project.run()
    now = {path: path.stat().st_mtime_ns for path in folder.rglob("t.csv")}
    assert tables.items() <= now.items() and len(now) == 1 + to_run


def test_files_that_are_named_are_watched(project):
    project.write("s.py", "import importlib, sys\nimportlib.import_module(sys.argv[0] or 'x')\n")
    project.write("lib/a.json", "1")
    remarks = project.plan().scripts["s"].remarks
    assert [code for code, _ in remarks] == ["SM-SCR-060"]
    plan = project.plan(files=["lib", "gone/*.R"])
    assert plan.scripts["s"].remarks == [("SM-SCR-061", {"script": "s", "pattern": "gone/*.R"})]
    assert "gone/*.R" in describe(plan)
    note_meanings(plan)
    before = project.plan().scripts["s"].code
    project.write("lib/a.json", "2")
    assert project.plan().scripts["s"].code != before
    project.write("lib/a.json", "1")
    assert project.plan().scripts["s"].code == before
    project.write("lib/b.json", "1")
    assert project.plan().scripts["s"].code != before


def test_a_damaged_table_loses_nothing_but_what_it_said(project):
    project.write("s.py", "print(1)\n")
    project.run()
    project.table.write_bytes(b"\xff\n" + project.table.read_bytes()[:30])
    assert project.to_run() == 0
    project.run()
    project.write("s.py", "print(1)  # one\n")
    assert project.to_run() == 1
