"""What scripts get beside options: constants in a copy (`set`), variables, and parameters of a sweep at any place."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from segmake.config.load import load_config
from segmake.messages import Problems
from segmake.plan.make import make_plan
from segmake.plan.scripts import code_of, facts_in_job, journal_of
from segmake.plan.written_plan import read_plan, write_plan
from segmake.runner.run_step import run_step
from segmake.scripts.checks.command import command_line, variables
from segmake.scripts.checks.notes import script_notes
from segmake.scripts.definition.designs import DesignError, read_design
from segmake.scripts.definition.script import scripts_of, values_of
from segmake.scripts.results.results import script_results
from segmake.scripts.running.work import ScriptWork
from segmake.scripts.source.constants import SetError, constants_of, with_values

# Quotes, a shell's signs, a line's end, letters that an encoding may not have, a byte that is no letter.
HOSTILE = "a\"b'c\\n$(touch evil) `id` ${HOME} {0} é€\n#;\udcff"

PYTHON = '''\
#!/usr/bin/env python
# -*- coding: latin-1 -*-
"""Text, even before INPUT = "no"."""
from __future__ import annotations
INPUT = "/home/me/a.tif"  # à changer
OUTPUT = 'out'; SIZE: int = 16
MODEL = None
SIGMAS = [
    1, 2,
    3]  # three
AXES = (1, "a")
LEFT, RIGHT = 1.5, """x
y"""
from pathlib import Path
FOLDER = Path("a") / "b"
DEEP, RATES = True, {"birth": 1, "name": "x"}
class Config:
    STEPS = 3
def work():
    SIZE = "not this one"
    return 7
if __name__ == "__main__":
    THRESHOLD = -5
    TOTAL = work()
'''

VALUES = {
    "INPUT": HOSTILE,
    "OUTPUT": "007",
    "SIZE": "032",
    "MODEL": 3,
    "SIGMAS": ["5", 0.5],
    "AXES": ["7", 8],
    "LEFT": "1e-3",
    "RIGHT": "z",
    "FOLDER": "/q",
    "DEEP": "false",
    "RATES": {"birth": "2"},
    "Config.STEPS": 9,
    "THRESHOLD": "inf",
}


def test_constants_get_values_of_their_type_and_nothing_else_is_changed(tmp_path):
    script = tmp_path / "a b.py"
    script.write_bytes(PYTHON.encode("latin-1"))
    data, changes = with_values(script, VALUES)
    names: dict = {"__name__": "__main__"}
    exec(compile(data, "copy", "exec"), names)
    found = {name: names.get(name) for name in VALUES if "." not in name}
    assert found == {
        "INPUT": HOSTILE,
        "OUTPUT": "007",
        "SIZE": 32,
        "MODEL": 3,
        "SIGMAS": [5, 0.5],
        "AXES": (7, "8"),
        "LEFT": 0.001,
        "RIGHT": "z",
        "FOLDER": Path("/q"),
        "DEEP": False,
        "RATES": {"birth": 2, "name": "x"},
        "THRESHOLD": float("inf"),
    }
    assert names["Config"].STEPS == 9 and names["TOTAL"] == 7
    old, new = PYTHON.split("\n"), data.decode("latin-1").split("\n")
    assert len(old) == len(new)
    changed = [line for line in range(len(old)) if old[line] != new[line]]
    assert changed == [4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 17, 22]
    assert "# à changer" in new[4] and [change.line for change in changes][:2] == [5, 6]
    # What is not to be changed stays as it is, byte for byte.
    assert with_values(script, {})[0] == script.read_bytes()


@pytest.mark.parametrize(
    ("text", "value", "refused"),
    [
        ("N = 3", "many", True),
        ("N = 3", ["1"], True),
        ("N = [1]", "1", True),
        ("N = [1]", ["x"], True),
        ("N = True", "perhaps", True),
        ("N = 3", {"a": 1}, True),
        ("N = 3", None, False),
        ("N = None", "many", False),
        ("N = len(x)", "many", False),
        ("N = [1]", [], False),
    ],
)
def test_values_that_do_not_go_with_what_stands_there(tmp_path, text, value, refused):
    script = tmp_path / "a.py"
    script.write_text(f"x = []\n{text}\n")
    if refused:
        with pytest.raises(SetError) as error:
            with_values(script, {"N": value})
        assert error.value.stands == text[4:]
    else:
        with_values(script, {"N": value})


def test_which_of_several_assignments_is_meant(tmp_path):
    script = tmp_path / "a.py"
    script.write_text(
        "import sys, os\n"
        "try:\n    PATH = sys.argv[1]\nexcept IndexError:\n    PATH = 'a.tif'\n"
        "PATH = os.path.abspath(PATH)\n"
        "OUT = 'x'\nfor OUT in 'abc':\n    N = 5\n"
        "OUT = os.path.join(OUT, 'y')\n"
    )
    text = with_values(script, {"PATH": "/i", "OUT": "o"})[0].decode()
    assert text.count("PATH = '/i'") == 2 and "PATH = os.path.abspath(PATH)" in text
    assert "OUT = 'o'\n" in text and "OUT = os.path.join(OUT, 'y')" in text
    assert set(constants_of(script)) == {"PATH", "OUT"}


SHELL = """\
#!/bin/bash
set -e
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
INPUT=a.tif  # a comment
export SIZE=5
NAMES=(a b
  c)
LC_ALL=C true
cat <<END
INPUT=not_this
END
[ "$0" = "$1" ] && [ -f "$HERE/own.sh" ]
printf '%s\\0' "$INPUT" "$SIZE" "${NAMES[@]}"
"""


def run_copy(tmp_path, name, text, values, *arguments):
    """Run the copy of a script as a job does, and return what it says as bytes."""
    from segmake.scripts.checks.copies import write_copy

    script = tmp_path / "own" / name
    script.parent.mkdir(exist_ok=True)
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    section = {"name": "s", "script": str(script), "run": "once", "set": values}
    section = {
        **{"needs": None, "arguments": [str(script), *arguments], "environment": None},
        **{"outputs": [], "sweep": {}, "max_runs": 1, "batch_size": "auto", "parallel": None},
        **{"variables": [], "files": [], "protect": True, "resources": {"gpu": 0, "cpus": 1}},
        **section,
    }
    definition = scripts_of({"scripts": [section]})["s"]
    words = command_line(definition, sys.executable, {"output_dir": "/o"}, {}, {})
    words, changes = write_copy(definition, words, {}, tmp_path / "copies" / name)
    assert changes
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return subprocess.run(words, cwd=work, capture_output=True, check=False)


def test_constants_of_a_shell_script(tmp_path):
    values = {"INPUT": HOSTILE, "SIZE": "7", "NAMES": ["x y", 3]}
    done = run_copy(tmp_path, "own.sh", SHELL, values)
    assert done.returncode == 0, done.stderr
    said = done.stdout.removeprefix(b"INPUT=not_this\n").split(b"\0")[:-1]
    assert said == [HOSTILE.encode("utf-8", "surrogateescape"), b"7", b"x y", b"3"]
    assert not (tmp_path / "work" / "evil").exists()
    assert not {"LC_ALL"} & set(constants_of(tmp_path / "own" / "own.sh"))


def test_constants_of_r(tmp_path):
    script = tmp_path / "a.R"
    text = (
        "# size <- 1\ninput <- 'a; <- b'  # why\nsize = 5L; x <- c(1,\n  2)\nflag <- TRUE\n"
        'raw <- r"(a " b)"\nf <- function(x) {\n  input <- 3\n}\nempty <- NULL\n'
    )
    script.write_text(text)
    values = {"input": 'q"\\\n', "size": "7", "x": [4, "5"], "flag": False, "empty": "z"}
    new = with_values(script, values)[0].decode()
    assert new == (
        '# size <- 1\ninput <- "q\\"\\\\\\n"  # why\nsize = 7L; x <- (c(4, 5)\n)\nflag <- FALSE\n'
        'raw <- r"(a " b)"\nf <- function(x) {\n  input <- 3\n}\nempty <- "z"\n'
    )
    with pytest.raises(SetError):
        with_values(script, {"size": "much"})


def cell(text: str, *tags: str) -> dict:
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": text.splitlines(True)}


def test_constants_of_a_notebook_are_set_as_papermill_does(tmp_path):
    book = tmp_path / "a.ipynb"
    first = cell("%matplotlib inline\nINPUT = 'x'\nSIZE = 3")
    cells = [{"cell_type": "markdown", "source": "# A"}, first, cell("SIZE = 1", "parameters")]
    content = {"cells": [*cells, cell("seen = (INPUT, SIZE)")], "metadata": {}, "nbformat": 4}
    book.write_text(json.dumps(content))
    data, changes = with_values(book, {"INPUT": HOSTILE, "SIZE": 5})
    texts = ["".join(each["source"]) for each in json.loads(data)["cells"]]
    assert texts[2:4] == ["SIZE = 1", "SIZE = 5\n"]
    names: dict = {}
    assert texts[1].startswith("%matplotlib inline\nINPUT = ")
    exec("\n".join([texts[1].split("\n")[1], *texts[2:]]), names)
    assert names["seen"] == (HOSTILE, 5)
    assert [(change.cell, change.line) for change in changes] == [(2, 2), (2, 3), (3, 1)]


BESIDE = """\
import os, sys, json, multiprocessing
from pathlib import Path
import beside
SIZE = 1
def times(number):
    return number * SIZE
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seen = pool.map(times, [2])
    print(json.dumps([seen, sys.argv, (Path(__file__).parent / "beside.py").exists()]))
    beside.fail()
"""


def test_a_copy_runs_as_if_it_were_the_script(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "beside.py").write_text("def fail():\n    raise ValueError('é')\n")
    done = run_copy(tmp_path, "a b.py", BESIDE, {"SIZE": 5}, "--x", "y z")
    script = str(tmp_path / "own" / "a b.py")
    assert json.loads(done.stdout) == [[10], [script, script, "--x", "y z"], True]
    told = done.stderr.decode()
    assert told.startswith(f'Traceback (most recent call last):\n  File "{script}", line 11')
    assert "launcher" not in told and "beside.py" in told and done.returncode == 1


# In the config


@pytest.fixture
def scripted(configure, tmp_path, monkeypatch, draw):
    """Write a script, and return its definition by a config with one section, or the problems of this."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "images" / "a.tif")

    def make(text: str, suffix: str = ".py", **section):
        (tmp_path / f"s{suffix}").write_text(text)
        known = {"name": "s", "script": f"s{suffix}"}
        try:
            config = configure(scripts=[known | section])
        except Problems as problems:
            return problems.problems
        return config

    return make


CONSTANTS = 'INPUT = "a.tif"\nSIZE = 3\nprint(open(INPUT))\n'


@pytest.mark.parametrize(
    ("section", "code", "words"),
    [
        ({"set": {"INPUT": "{image}", "SIZE": 5}}, "", ""),
        ({"set": {"input": "{image}"}}, "SM-SCR-050", "`INPUT`"),
        ({"set": {"THRESHOLD": 1, "INPUT": "{image}"}}, "SM-SCR-050", "INPUT, SIZE"),
        ({"set": {"SIZE": "{image}", "INPUT": "{image}"}}, "SM-SCR-051", "same kind"),
        ({"set": {"INPUT": "{mask}"}}, "SM-SCR-021", "`needs: [images, masks]`"),
        ({"set": {"INPUT": "{imgae}"}}, "SM-SCR-021", "`{image}`"),
        (
            {"run": "sweep", "sweep": {"n": [1, "x"]}, "set": {"SIZE": "{n}"}},
            "SM-SCR-051",
            "same kind",
        ),
        ({"set": {"INPUT": "{image}"}, "variables": {"LD_PRELOAD": "x"}}, "SM-SCR-053", ""),
        ({"set": {"INPUT": "{image}"}, "variables": ["PATH=/x"]}, "SM-SCR-053", ""),
        ({"set": {"INPUT": "{image}"}, "variables": {"a b": "x"}}, "SM-SCR-053", ""),
        ({"set": {"INPUT": "{image}"}, "variables": ["a b"]}, "SM-CFG-002", ""),
        ({"run": "sweep", "sweep": {"a b": [1]}}, "SM-SCR-059", "`growth_rate`"),
        ({"run": "sweep", "sweep": {"": [1]}}, "SM-SCR-059", ""),
    ],
)
def test_what_set_and_variables_can_not_do(scripted, section, code, words):
    found = scripted(CONSTANTS, **section)
    if not code:
        assert found.settings["scripts"][0]["set"]["SIZE"] == 5
    else:
        problems = [p for p in found if p.code != "SM-SCR-052"]
        assert [problem.code for problem in problems] == [code], found
        assert words in problems[0].remedy


def test_the_plan_shows_what_is_set_once(scripted):
    config = scripted(
        CONSTANTS, run="sweep", sweep={"n": [1, 2]}, set={"INPUT": "{project}/a", "SIZE": "{n}"}
    )
    lines = script_notes(scripts_of(config.settings)["s"], 2)
    assert [line.split(": ", 1)[1] for line in lines[1:3]] == [
        "INPUT = \"a.tif\"  ->  INPUT = '{project}/a'",
        "SIZE = 3  ->  SIZE = {n}",
    ]


VALUES_OF = {"name": "a.tif", "position": "1", "seed": "5", "cpus": "2", "project": "/p"}


def call(script, parameters=None, **given):
    arguments = (script, given, VALUES_OF, parameters or {})
    return command_line(script, "python", *arguments[1:])[2:], variables(*arguments, {})


def test_variables_have_values_beside_those_let_through(scripted):
    values = {"OPT1": "", "data_dir": "{project}/data", "EMPTY": None, "NUMBER": 1e-3, "YES": True}
    config = scripted("import os\nos.environ\n", variables=values)
    script = scripts_of(config.settings)["s"]
    seen = call(script, input="/i", output_dir="/o")[1]
    assert {name: seen[name] for name in values} == {
        "OPT1": "",
        "data_dir": "/p/data",
        "EMPTY": "",
        "NUMBER": "0.001",
        "YES": "true",
    }
    listed = scripted("import os\nos.environ\n", variables=["TOKEN", "OPT1=a=b", "NONE="])
    script = scripts_of(listed.settings)["s"]
    assert script.variables == ("TOKEN",) and script.values == {"OPT1": "a=b", "NONE": ""}


def test_only_what_is_used_is_in_the_key(scripted):
    plain = scripted("import sys\nN = 1\nsys.argv\n")
    (section,) = plain.settings["scripts"]

    def key(**changes):
        return code_of(scripts_of({"scripts": [section | changes]})["s"], plain.settings)

    # As it was before there were `set` and variables with values.
    from segmake.core.files import fingerprint

    data = Path("s.py").read_bytes().hex()
    assert key() == fingerprint([data], ["image", ("images",)], {}, None)
    assert key(variables=["TOKEN"]) == key() == key(set={})
    others = {key(set={"N": 2}), key(set={"N": 3}), key(variables={"A": "1"}), key()}
    assert len(others) == 4
    sweep = {"run": "sweep", "sweep": {"seed": ["1"]}}
    assert key(**sweep, arguments={"x": "{seed}"}) != key(run="sweep", arguments={"x": "{seed}"})
    # A parameter that is passed by its name is called as ever.
    assert key(**sweep, arguments={"x": "1"}) == key(run="sweep", arguments={"x": "1"})


ARGV = "import sys\nmu, d, seed = sys.argv[1:4]\n"


def test_parameters_of_a_sweep_stand_where_they_are_put(scripted):
    sweep = {"mu": [0.1], "seed": [7], "fast": [True]}
    listed = scripted(
        ARGV, run="sweep", sweep=sweep, arguments=["{mu}", "{seed}", "{fast}", "{cpus}"]
    )
    script = scripts_of(listed.settings)["s"]
    (parameters,) = script.runs()
    words, seen = call(script, parameters, output_dir="/o")
    assert words == ["0.1", "7", "true", "2"]
    assert seen["SEGMAKE_SEED"] == "5" and seen["SEED"] == "7"
    assert "{seed} is the parameter of the sweep" in "\n".join(script_notes(script, 1))
    mixed = scripted(
        "import sys\nprint(sys.argv)\n",
        run="sweep",
        sweep={"mu": [0.1], "rate": [3], "n": [1]},
        arguments={"random": "a{mu}"},
        variables={"RATE": "{rate}"},
    )
    script = scripts_of(mixed.settings)["s"]
    words, seen = call(script, script.runs()[0], output_dir="/o")
    assert words == ["--output-dir", "/o", "--random", "a0.1", "-n", "1"] and seen["RATE"] == "3"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{mu}", "{seed}"], "SM-SCR-019", '"{D}"'),
        ({}, "SM-SCR-019", 'arguments: ["{mu}", "{D}", "{seed}"]'),
        (["{mu}", "{D}", "{seeed}"], "SM-SCR-021", "`{seed}`"),
    ],
)
def test_parameters_that_would_not_arrive(scripted, arguments, code, words):
    text = "import sys\nmu, D, seed = sys.argv[1], sys.argv[2], sys.argv[3]\n"
    sweep = {"mu": [1], "D": [2], "seed": [3]}
    found = scripted(text, run="sweep", sweep=sweep, arguments=arguments)
    assert code in [problem.code for problem in found] and words in "\n".join(map(str, found))


def test_places_of_argparse_in_a_sweep(scripted):
    text = (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('mu', type=float)\n"
        "p.add_argument('--rate')\na = p.parse_args()\n"
    )
    sweep = {"rate": [1], "mu": [2]}
    problems = scripted(text, run="sweep", sweep=sweep)
    assert '`arguments: ["{mu}", --rate, "{rate}"]`' in "\n".join(map(str, problems))
    assert scripted(text, run="sweep", sweep=sweep, arguments=["{mu}", "--rate", "{rate}"]).settings


@pytest.mark.parametrize(
    ("value", "values"),
    [
        (
            {"from": 0.001, "to": 10, "number": 5, "scale": "log"},
            ["0.001", "0.01", "0.1", "1", "10"],
        ),
        ({"from": 1, "to": 100, "number": 3, "scale": "log"}, ["1", "10", "100"]),
        ({"from": 1, "to": 2, "number": 4}, ["1", "1.33333", "1.66667", "2"]),
        ({"from": 1, "to": 70, "factor": 2}, ["1", "2", "4", "8", "16", "32", "64"]),
        ({"from": 0.001, "to": 10, "factor": 10}, ["0.001", "0.01", "0.1", "1", "10"]),
        # Logarithms of these are a last digit too small.
        ({"from": 1, "to": 8, "factor": 2}, ["1", "2", "4", "8"]),
        ({"from": 5, "to": 5, "factor": 3}, ["5"]),
    ],
)
def test_ranges_by_number_and_factor(value, values):
    assert list(values_of(value)) == values


@pytest.mark.parametrize(
    "value",
    [
        {"from": 1, "to": 9, "step": 2, "number": 3},
        {"from": 0, "to": 9, "number": 3, "scale": "log"},
        {"from": -1, "to": 9, "factor": 3},
        {"from": 1, "to": 9, "scale": "log"},
    ],
)
def test_ranges_that_can_not_be_counted(scripted, value):
    found = scripted("import sys\nsys.argv\n", run="sweep", sweep={"x": value})
    assert [problem.code for problem in found] == ["SM-SCR-057"]


def test_a_design_is_read_whoever_wrote_it(tmp_path):
    path = tmp_path / "design.csv"
    rows = [{"mu": "0.5", "né": "a b"}, {"mu": "1", "né": "1,5,x"}]
    path.write_bytes("mu;né\r\n0,5;a b\r\n\r\n1;1,5,x\r\n".encode("cp1252"))
    assert read_design(path) == rows
    for text, encoding in (
        ('mu,né\n0.5,a b\n1,"1,5,x"\n', "utf-8-sig"),
        ("mu\tné\n0,5\ta b\n1\t1,5,x\n", "utf-16"),
    ):
        path.write_bytes(text.encode(encoding))
        assert read_design(path) == rows
    faults = {"a,b\n": "empty", "a,a\n1,2\n": "twice", "a,\n1,2\n": "name"}
    faults |= {"a,b\n1\n": "ragged", "a,b\n1,\n": "blank", "a,b\n1,2\n1,2\n": "same"}
    for text, kind in faults.items():
        path.write_text(text)
        with pytest.raises(DesignError) as error:
            read_design(path)
        assert error.value.kind == kind


def test_a_sweep_by_a_design(scripted, tmp_path):
    (tmp_path / "design.csv").write_text("mu,D\n0.5,1\n0.7,2\n")
    section = {"run": "sweep", "sweep": {"file": "design.csv", "seed": {"from": 1, "to": 2}}}
    config = scripted(ARGV, **section, arguments=["{mu}", "{D}", "{seed}"])
    script = scripts_of(config.settings)["s"]
    runs = [tuple(run.values()) for run in script.runs()]
    expected = [("0.5", "1", "1"), ("0.5", "1", "2"), ("0.7", "2", "1"), ("0.7", "2", "2")]
    assert runs == expected
    # What else changes in the file is none of a run's business, and the plan holds what was read.
    before = code_of(script, config.settings)
    (tmp_path / "design.csv").write_text("mu;D\n0,5;1\n0,7;2\n0,9;2\n")
    assert code_of(script, config.settings) == before and len(script.runs()) == 4
    assert len(scripts_of(json.loads(json.dumps(config.settings)))["s"].runs()) == 4
    (tmp_path / "design.csv").write_text("mu;D\n0,5;\n")
    found = scripted(ARGV, **section, arguments=["{mu}", "{D}", "{seed}"])
    assert [problem.code for problem in found] == ["SM-SCR-056"]
    # A parameter may still be called so.
    config = scripted("import sys\nsys.argv\n", run="sweep", sweep={"file": ["a", "b"]})
    assert [run["file"] for run in scripts_of(config.settings)["s"].runs()] == ["a", "b"]


PARSER = "import argparse\np = argparse.ArgumentParser()\n{}a = p.parse_args()\n"


def test_a_script_without_an_option_for_outputs_writes_where_it_is_run(scripted):
    text = PARSER.format("p.add_argument('--input')\np.add_argument('--sigma')\n")
    script = scripts_of(scripted(text).settings)["s"]
    assert call(script, input="/i", output_dir="/o")[0] == ["--input", "/i"]
    text = PARSER.format("p.add_argument('--input')\np.add_argument('--output-dir')\n")
    script = scripts_of(scripted(text).settings)["s"]
    assert call(script, input="/i", output_dir="/o")[0][2:] == ["--output-dir", "/o"]
    # One that can't be read in full gets it as ever.
    script = scripts_of(scripted("import sys\nprint(sys.argv)\n").settings)["s"]
    assert call(script, input="/i", output_dir="/o")[0][2:] == ["--output-dir", "/o"]


@pytest.mark.parametrize(
    ("options", "arguments", "words"),
    [
        ("p.add_argument('--outfile', required=True)\n", {}, 'outfile: "{output_dir}/out.csv"'),
        ("p.add_argument('--save-png', required=True)\n", {}, 'save-png: "{output_dir}/out.png"'),
        ("p.add_argument('--k', type=int)\n", {"k": 3}, '`"--k": VALUE`'),
        ("import os\nos.environ['SIZE']\n", {"size": 3}, "variables: {SIZE: VALUE}"),
        ("SIZE = 1\n", {"SIZE": 3}, "set: {SIZE: VALUE}"),
        ("p.add_argument('--results-folder')\n", {}, 'results-folder: "{output_dir}"'),
    ],
)
def test_remedies_that_can_be_typed_in(scripted, options, arguments, words):
    text = PARSER.format(f"p.add_argument('--input')\n{options}")
    found = scripted(text, arguments=arguments)
    assert len(found) == 1 and words in found[0].remedy, found
    key, value = words.strip("`").split(": ", 1)
    if value.startswith("{"):
        name = value[1:].split(":")[0]
        assert scripted(text, **{key: {name: 3}}).settings
        return
    value = 3 if value == "VALUE" else value.strip('"')
    assert scripted(text, arguments={key.strip('"'): value}).settings


def test_a_run_with_set_leaves_its_results_alone(configure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "s.py"
    # As numba: what is in its folder was compiled with the values of another run.
    cache = "import os\nC = os.environ['NUMBA_CACHE_DIR']\nassert not os.listdir(C)\nopen(C + '/a', 'w')\n"
    out = "print(C, open(f'{OUT}/a.csv', 'w').write(f'n\\n{N}\\n'))\n"
    script.write_text(f"OUT = 'x'\nN = 1\n{cache}{out}")
    section = {"name": "s", "script": str(script), "run": "sweep", "sweep": {"n": [5, 7]}}
    section["set"] = {"N": "{n}", "OUT": "{output_dir}"}
    plan, _ = make_plan(configure(images={"folder": None}, scripts=[section]))
    write_plan(plan)
    plan = read_plan(plan.folders.plan)
    work = ScriptWork(plan, "s", sys.executable, 2)
    ((batch, tasks),) = plan.scripts["s"].batches.items()
    keys = facts_in_job(plan)
    tasks = [replace(task, key=keys.key("s", task.image)) for task in tasks]
    run_step(tasks, journal_of(plan.folders, "s", batch), work, print, print, work.line)
    (result,) = script_results(plan)
    assert result.done == 2 and not result.failures
    for number in (5, 7):
        folder = plan.folders.scripts / "s" / f"n={number}"
        assert [path.name for path in folder.iterdir()] == ["a.csv"]
        with (folder / "a.csv").open() as lines:
            assert next(csv.DictReader(lines)) == {"n": str(number)}
    logs = "".join(path.read_text() for path in plan.folders.results.rglob("*.log"))
    assert "# 2: N = 7" in logs
    folders = set(re.findall(r"^\S*segmake-numba-\S+", logs, re.MULTILINE))
    assert len(folders) == 2 and not any(map(os.path.exists, folders))
    assert not [p for p in (plan.folders.state / "copies").rglob("*") if p.is_file()]


def test_numbers_of_set_are_as_they_are_written(tmp_path, draw, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "images" / "a.tif")
    Path("a.py").write_text("PLATE = 'x'\nSMALL = 0.5\nSIZE = 3\nimport sys\nsys.argv\n")
    Path("config.yaml").write_text(
        "images: {folder: images}\nsegmentation: {engine: threshold}\nscripts:\n"
        "  - name: a\n    script: a.py\n    set: {PLATE: 007, SMALL: 1e-3, SIZE: 012}\n"
    )
    values = load_config(Path("config.yaml")).settings["scripts"][0]["set"]
    text = with_values(Path("a.py"), values)[0].decode()
    assert text.startswith("PLATE = '007'\nSMALL = 1e-3\nSIZE = 12\n")
