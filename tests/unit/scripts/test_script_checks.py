"""What is found in users' scripts before a run, and what is not, since nothing is wrong with it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from segmake.environments.wanted import catalogue, provided
from segmake.messages import Problem, Problems
from segmake.scripts.checks.checks import script_problems
from segmake.scripts.definition.script import script_file
from segmake.scripts.source.options import parser_of
from segmake.scripts.source.static import local_files, modules_of, read_source
from tests.projects import ROOT

GROWTH = """\
    import argparse
    from pathlib import Path

    import numpy as np
    import pandas as pd

    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("-w", "--window", type=int, default=0)
    parser.add_argument("--max_gap", type=float)
    parser.add_argument("--method", choices=["linear", "spline"], default="linear")
    parser.add_argument("--range", nargs=2, type=float)
    parser.add_argument("--skip", nargs="*")
    parser.add_argument("--log-scale", action="store_true")
    parser.add_argument("--smooth", action=argparse.BooleanOptionalAction)
    options = parser.parse_args()
    cells = pd.read_csv(options.cells)
    cells.to_csv(options.output_dir / "growth.csv")
"""

POSITIONAL = """\
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("out_dir")
    parser.add_argument("--mask", required=True)
    parser.add_argument("--sigma", type=float)
    args = parser.parse_args()
"""

LOOP = """\
    import argparse
    parser = argparse.ArgumentParser()
    for name in ["--cells", "--output-dir"]:
        parser.add_argument(name, required=True)
    for name, kind in {"level": int, "width": float}.items():
        parser.add_argument(f"--{name}", type=kind)
    args = parser.parse_args()
"""

OTHER_NAMES = """\
    import argparse
    def main(argv=None):
        parser = argparse.ArgumentParser()
        parser.add_argument("--picture", required=True)
        parser.add_argument("--results-folder", required=True)
        args = parser.parse_args(argv)
    if __name__ == "__main__":
        main()
"""

SIMULATION = """\
    import argparse
    import random
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--rate", type=float, default=1.0)
    p.add_argument("--quiet", action="store_true")
    p.add_argument("--output-dir", required=True)
    args = p.parse_args()
"""


@pytest.fixture
def check(configure, tmp_path, monkeypatch):
    """Write files, and return what is found in a config with these scripts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()

    def run(files: dict[str, str | bytes], scripts: list[dict], **sections: Any) -> list[Problem]:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(textwrap.dedent(text), encoding="utf-8")
        try:
            config = configure(scripts=scripts, **sections)
        except Problems as problems:
            return problems.problems
        assert not list(script_problems(config))
        return []

    return run


def growth(**section: Any) -> dict[str, Any]:
    return {"name": "growth", "script": "growth.py", "needs": ["cells"], **section}


def codes(problems: list[Problem]) -> list[str]:
    return sorted(problem.code for problem in problems)


GOOD: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "argparse": (GROWTH, {"arguments": {"w": 3, "max_gap": 0.5, "range": [0, -1.5]}}),
    "abbreviations, switches and empty values": (
        GROWTH,
        {
            "arguments": {
                "--win": 3,
                "log-scale": True,
                "no-smooth": True,
                "skip": [],
                "method": None,
            }
        },
    ),
    "a whole command line": (
        GROWTH,
        {"arguments": ["--cells={cells}", "--output-dir", "{output_dir}", "-w3"]},
    ),
    "placeholders": (
        GROWTH,
        {
            "arguments": {
                "window": "{seed}",
                "method": "{name}",
                "cells": "{cells}",
                "skip": "{project}/a/b",
            }
        },
    ),
    "subparsers": (
        """\
        import argparse
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        fit = commands.add_parser("fit")
        fit.add_argument("--cells")
        parser.parse_args()
        """,
        {"arguments": {"anything": 1}},
    ),
    "options of a loop": (
        """\
        import argparse
        RATES = {"growth": 1.0, "death": 0.5}
        def options():
            parser = argparse.ArgumentParser()
            for name, kind in (("cells", str), ("output-dir", str), ("level", int)):
                parser.add_argument("--" + name, type=kind, required=True)
            for name, default in RATES.items():
                parser.add_argument(f"--{name}-rate", type=float, default=default)
            return parser
        print(options().parse_args())
        """,
        {"arguments": {"level": 1, "growth-rate": 0.2, "death": 1}},
    ),
    "options of a table": (
        """\
        import argparse
        parser = argparse.ArgumentParser()
        for name in open("names.txt"):
            parser.add_argument(f"--{name}", required=True)
        parser.parse_args()
        """,
        {"arguments": {"level": 1}},
    ),
    "options of a function from elsewhere": (
        """\
        import argparse
        import common
        parser = argparse.ArgumentParser()
        common.add_paths(parser)
        parser.add_argument("--level")
        parser.parse_args()
        """,
        {"arguments": {"level": 1}},
    ),
    "unknown ones are passed over": (
        """\
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--level")
        args, others = parser.parse_known_args()
        """,
        {"arguments": {"other": 1}},
    ),
    "options with settings from elsewhere": (
        """\
        import argparse
        common = {"required": False}
        parser = argparse.ArgumentParser()
        parser.add_argument("--level", **common)
        parser.parse_args()
        """,
        {},
    ),
    "sys.argv": ("import sys\nprint(sys.argv[2])\n", {"arguments": {"level": [1, 2]}}),
    "its own command line": (
        """\
        import argparse, sys
        sys.argv = sys.argv[:1] + ["--level", "1"]
        parser = argparse.ArgumentParser()
        parser.add_argument("--level")
        parser.parse_args()
        """,
        {},
    ),
    "imports that may fail": (
        """\
        try:
            import torch
        except ImportError:
            torch = None
        from contextlib import suppress
        from typing import TYPE_CHECKING
        import os, sys
        with suppress(ModuleNotFoundError):
            import seaborn
        if TYPE_CHECKING:
            import polars
        if os.environ.get("FANCY"):
            import napari
        if sys.version_info < (3, 11):
            import tomli
        """,
        {},
    ),
    "modules in no catalogue": ("import in_house_package.stats\nfrom google import colab\n", {}),
    "Latin-1 that says so": ("# -*- coding: latin-1 -*-\nname = 'ä'\n".encode("latin-1"), {}),
    "a byte order mark": ("\ufeffprint('µ')\n".encode(), {}),
    "what others bring": ("import scipy, networkx, PIL, yaml, dateutil, joblib\n", {}),
    "odd words": (
        "print('x')\n",
        {"arguments": {"label": "a/b", "text": "{mask} of {x}", "-t": "a b"}},
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_nothing_is_said_of_what_is_right(check, case):
    text, section = GOOD[case]
    files = {"growth.py": text, "common.py": "def add_paths(parser): pass\n"}
    assert not check(files, [growth(**section)])


BY_PLACES = """
    import sys
    if len(sys.argv) < 3:
        sys.exit("usage: growth.py IMAGE OUT")
    image, out = sys.argv[1], sys.argv[2]
"""


def test_arguments_that_are_read_by_their_places(check):
    (problem,) = check({"growth.py": BY_PLACES}, [growth(needs=["images"], arguments={})])
    assert problem.code == "SM-SCR-019" and "sys.argv[2]" in problem.what
    assert '`arguments: ["{input}", "{output_dir}"]`' in problem.remedy
    listed = growth(needs=["images"], arguments=["{input}", "{output_dir}"])
    assert not check({"growth.py": BY_PLACES}, [listed])
    for other in ("import argparse", "from click import command", "words = sys.argv[1:]"):
        text = BY_PLACES.replace("import sys", f"import sys\n    {other}")
        environments = {"tools": {"packages": ["click"]}}
        section = growth(needs=["images"], arguments={}, environment="tools")
        assert not check({"growth.py": text}, [section], environments=environments), other


def test_click_is_not_looked_into(check):
    text = """\
    import click

    @click.command()
    @click.option("--cells")
    @click.argument("table")
    def main(cells, table):
        pass

    if __name__ == "__main__":
        main()
    """
    environments = {"tools": {"packages": ["click"]}}
    assert not check({"growth.py": text}, [growth(environment="tools")], environments=environments)


def examples() -> dict[str, str]:
    """Return what the scripts that come with SegMake say, last of all, to write into the config."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "scripts").glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        _, heading, rest = text.partition("    scripts:\n")
        found |= {path.name: textwrap.dedent(heading + rest)} if heading else {}
    return found


@pytest.mark.parametrize("name", examples())
def test_the_scripts_that_come_with_segmake_are_right(configure, monkeypatch, tmp_path, name):
    # They are named alike in any folder.
    monkeypatch.chdir(tmp_path)
    config = configure(**YAML(typ="safe").load(examples()[name]))
    script = config.settings["scripts"][0]
    assert script["script"] == f"segmake:{name}"
    # They are read in full, so that a wrong argument would be found.
    (tree,) = read_source(script_file(script["script"])).trees
    assert parser_of(tree) is not None


# The script, its section, the code, the line of the config (of `write`, below), and words of the remedy.
BAD: dict[str, tuple[str | bytes, dict[str, Any], str, str]] = {
    "no such option, one like it": (
        GROWTH,
        {"arguments": {"windw": 3}},
        "SM-SCR-013",
        "Did you mean `window`?",
    ),
    "hyphen for underscore": (GROWTH, {"arguments": {"max-gap": 3}}, "SM-SCR-013", "`max_gap`?"),
    "no option at all like it": (
        GROWTH,
        {"arguments": {"zzz": 3}},
        "SM-SCR-013",
        "It takes: cells, ",
    ),
    "in a whole command line": (
        GROWTH,
        {"arguments": ["--cells", "{cells}", "--output-dir", "{output_dir}", "--windo_w=3"]},
        "SM-SCR-013",
        "`--window`?",
    ),
    "an option of a loop": (LOOP, {"arguments": {"levle": 1}}, "SM-SCR-013", "`level`?"),
    "a value of a loop": (LOOP, {"arguments": {"level": "x"}}, "SM-SCR-018", "a whole number"),
    "a switch with a value": (
        GROWTH,
        {"arguments": {"log-scale": 2}},
        "SM-SCR-015",
        "`log-scale: true`",
    ),
    "no value": (GROWTH, {"arguments": {"window": True}}, "SM-SCR-015", "`window: VALUE`"),
    "one of two values": (
        GROWTH,
        {"arguments": {"range": 3}},
        "SM-SCR-015",
        "`range: [VALUE, VALUE]`",
    ),
    "too many values": (GROWTH, {"arguments": {"w": [3, 4]}}, "SM-SCR-015", "`w: VALUE`"),
    "not a whole number": (GROWTH, {"arguments": {"window": 0.5}}, "SM-SCR-018", "a whole number"),
    "not a number": (GROWTH, {"arguments": {"max_gap": "much"}}, "SM-SCR-018", "a number"),
    "none of the choices": (
        GROWTH,
        {"arguments": {"method": "cubic"}},
        "SM-SCR-018",
        "It takes: linear, spline.",
    ),
    "a command line that is cut short": (
        GROWTH,
        {"arguments": ["--cells", "{cells}"]},
        "SM-SCR-019",
        "growth.py --help",
    ),
    "an option and its value in one": (
        GROWTH,
        {"arguments": ["--cells", "{cells}", "--output-dir", "{output_dir}", "--window 3"]},
        "SM-SCR-016",
        '"--window", "3"',
    ),
    "a path from here": (
        "import sys",
        {"arguments": {"model": "models/net.pt"}},
        "SM-SCR-020",
        '"{project}/models/net.pt"',
    ),
    "a path within a list": (
        "import sys",
        {"arguments": {"model": ["x", "./models"]}},
        "SM-SCR-020",
        '"{project}/models"',
    ),
    "a character that is none": ("import sys", {"arguments": {"x": "a\0b"}}, "SM-SCR-021", "\\0"),
    "a placeholder for nothing": (
        "import sys",
        {"arguments": {"m": "{mask}"}},
        "SM-SCR-021",
        "`needs: [cells, masks]`",
    ),
    "the same option by its dashes": (
        "import sys",
        {"arguments": {"x1": 1, "--x1": 2}},
        "SM-SCR-022",
        "take one of the two",
    ),
    "the same option by its other name": (
        GROWTH,
        {"arguments": {"w": 1, "window": 2}},
        "SM-SCR-022",
        "`w` and `window` are the same",
    ),
    "what SegMake passes": (
        "import sys",
        {"arguments": {"output-dir": "/somewhere/else"}},
        "SM-SCR-022",
        '`output-dir: "{output_dir}"`',
    ),
    "no such file": (GROWTH, {"script": "grwoth.py"}, "SM-SCR-003", "Did you mean `growth.py`?"),
    "no file at all": (GROWTH, {"script": "a/\0.py"}, "SM-SCR-003", "your experiment's folder"),
    "a folder": (GROWTH, {"script": "models"}, "SM-SCR-004", "the file itself"),
    "another language": (GROWTH, {"script": "growth.m"}, "SM-SCR-005", ".py, .ipynb, .R, .r, .sh"),
    "not UTF-8": ("x = 'ä'\n".encode("latin-1"), {}, "SM-SCR-006", "UTF-8"),
    "UTF-16": ("x = 1\n".encode("utf-16"), {}, "SM-SCR-006", "UTF-8"),
    "not Python": ("import sys\n\nprint(1\nx = 2\n", {}, "SM-SCR-007", "correct the script"),
    "return outside of a function": (
        "import sys\nreturn 3\n",
        {},
        "SM-SCR-007",
        "correct the script",
    ),
    "Python 2": ("import sys\nprint 'hello'\n", {}, "SM-SCR-007", "print("),
    "newer than its Python": (
        "try:\n    pass\nexcept* ValueError:\n    pass\n",
        {},
        "SM-SCR-007",
        "script",
    )
    if sys.version_info < (3, 11)
    else ("def f(:\n", {}, "SM-SCR-007", "script"),
    "an unknown environment": ("", {"environment": "plot"}, "SM-SCR-010", "Did you mean `plots`?"),
    "a pattern that leads out": ("", {"outputs": ["../x.csv"]}, "SM-SCR-012", "`x.csv`"),
    "a pattern at home": ("", {"outputs": ["~/x.csv"]}, "SM-SCR-012", "`x.csv`"),
    "a pattern from the root": ("", {"outputs": ["/x.csv"]}, "SM-SCR-012", "`x.csv`"),
    "a sweep without values": ("", {"run": "sweep", "needs": []}, "SM-SCR-023", "`run: sweep`"),
    "values without a sweep": ("", {"sweep": {"x": [1]}}, "SM-SCR-023", "`run: sweep`"),
    "an unknown need": ("", {"needs": ["image"]}, "SM-SCR-027", "Did you mean `images`?"),
    "a strange need": ("", {"needs": ["weather"]}, "SM-SCR-027", "images, masks, cells, growth"),
    "itself": ("", {"needs": ["growth"]}, "SM-SCR-028", "out of `needs`"),
    "a reserved name": ("", {"name": "Output_Dir"}, "SM-SCR-002", "my-Output_Dir"),
}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_is_told_with_its_remedy(check, case):
    text, section, code, remedy = BAD[case]
    environments = {"plots": {"packages": ["matplotlib"]}}
    files = {"growth.py": text, "growth.m": "x", "models/net.pt": "x"}
    problems = check(files, [growth(**section)], environments=environments)
    assert codes(problems) == [code], "\n".join(map(str, problems))
    assert remedy in problems[0].remedy
    assert "growth" in str(problems[0]) or "config.yaml" in str(problems[0])


def test_the_line_of_the_config_and_that_of_the_script_are_told(check, tmp_path, configure):
    problems = check({"growth.py": "import sys\n\nprint(1\nx = 2\n"}, [growth()])
    assert (
        "growth.py, line 3: this is not correct Python ('(' was never closed)" in problems[0].what
    )
    path = tmp_path / "by_hand.yaml"
    lines = """\
    images: {folder: images}
    segmentation: {engine: threshold}
    results: results
    scripts:
      - name: growth
        script: growth.py
        needs: [cells]
        arguments:
          window: 3
          wndow: 4
      - name: growth2
        script: growth.py
        needs: [cells, gravity]
        outputs:
          - a.csv
          - /b.csv
    """
    path.write_text(textwrap.dedent(lines))
    (tmp_path / "growth.py").write_text(textwrap.dedent(GROWTH))
    from segmake.config.load import load_config

    with pytest.raises(Problems) as raised:
        load_config(path)
    found = {(p.code, int(p.where.rpartition(" ")[2])) for p in raised.value.problems}
    assert found == {("SM-SCR-013", 10), ("SM-SCR-027", 13), ("SM-SCR-012", 16)}


def test_names_are_unique_on_every_file_system(check):
    scripts = [growth(), growth(name="Growth"), growth(name="a-b"), growth(name="A_B")]
    problems = check({"growth.py": ""}, scripts)
    assert codes(problems) == ["SM-SCR-001"] * 2
    assert "`growth`" in problems[0].what and "`a-b`" in problems[1].what


def test_each_circle_of_scripts_is_told(check):
    needs = {"a": ["b"], "b": ["c", "images"], "c": ["a"], "d": ["e"], "e": ["d"], "f": ["a", "e"]}
    scripts = [growth(name=name, needs=need) for name, need in needs.items()]
    problems = check({"growth.py": ""}, scripts)
    assert codes(problems) == ["SM-SCR-028"] * 2
    assert {problem.values["scripts"] for problem in problems} == {
        "a -> b -> c -> a",
        "d -> e -> d",
    }


@pytest.mark.parametrize(
    ("section", "setting"),
    [
        ({"needs": ["images", "masks"]}, "needs: [images, masks]"),
        ({"needs": None}, "needs: [images]"),
        ({"needs": None, "run": "dataset"}, "needs: [cells]"),
        ({"needs": []}, "run: image"),
    ],
)
def test_without_images_nothing_works_on_them(check, section, setting):
    images = {"folder": None}
    problems = check({"growth.py": ""}, [growth(**section)], images=images)
    assert codes(problems) == ["SM-SCR-029"]
    assert problems[0].values["setting"] == setting
    good = growth(**section | {"needs": [], "run": "once"})
    assert not check({"growth.py": ""}, [good], images=images)


# What is passed to it, the options it does not know, and what to write.
@pytest.mark.parametrize(
    ("text", "section", "expected"),
    [
        (
            OTHER_NAMES,
            {"needs": ["images"]},
            {
                "SM-SCR-014 --input": '`picture: "{image}"`',
                "SM-SCR-014 --output-dir": '`results-folder: "{output_dir}"`',
            },
        ),
        (
            OTHER_NAMES,
            {"needs": ["images"], "run": "dataset"},
            {
                "SM-SCR-014 --input": '`picture: "{input}"`',
                "SM-SCR-014 --output-dir": '`results-folder: "{output_dir}"`',
            },
        ),
        (GROWTH, {"needs": ["cells", "masks"]}, {"SM-SCR-014 --mask": "`needs: [cells]`"}),
        (GROWTH, {"needs": []}, {"SM-SCR-017 --cells": "`needs: [cells]`"}),
        (GROWTH, {"needs": None}, {"SM-SCR-017 --cells": "`needs: [cells]`"}),
        (GROWTH, {"arguments": {"skip": ["{celsl}"]}}, {"SM-SCR-021 {celsl}": "`{cells}`"}),
        (
            POSITIONAL,
            {"needs": ["masks", "images"], "arguments": {"sigma": 2}},
            {
                "SM-SCR-017 image, out_dir": (
                    '`arguments: ["{input}", "{output_dir}", --mask, "{mask}", --sigma, "2"]`'
                )
            },
        ),
    ],
)
def test_options_that_segmake_passes_are_compared_too(check, text, section, expected):
    problems = check({"growth.py": text}, [growth(**section)])
    found = {
        f"{problem.code} {problem.values.get('option', problem.values.get('value'))}": problem.remedy
        for problem in problems
    }
    assert found.keys() == expected.keys(), found
    for key, words in expected.items():
        assert words in found[key]


def test_what_the_remedies_say_works(check):
    arguments: Any = {"picture": "{image}", "results-folder": "{output_dir}"}
    script = growth(needs=["images"], arguments=arguments)
    assert not check({"growth.py": OTHER_NAMES}, [script])
    arguments = ["{input}", "{output_dir}", "--mask", "{mask}", "--sigma", "2"]
    script = growth(needs=["masks", "images"], arguments=arguments)
    assert not check({"growth.py": POSITIONAL}, [script])


def test_a_script_gets_the_results_of_another_one_by_its_name(check):
    files = {"growth.py": GROWTH, "plot.py": OTHER_NAMES.replace("picture", "growth")}
    plot: dict[str, Any] = {"name": "plot", "script": "plot.py", "run": "once", "needs": ["growth"]}
    plot["arguments"] = {"results-folder": "{output_dir}"}
    assert not check(files, [growth(), plot])
    plot["needs"] = []
    assert codes(check(files, [growth(), plot])) == ["SM-SCR-017"]


def sweep(**section: Any) -> dict[str, Any]:
    values = {"seed": {"from": 1, "to": 20}, "rate": [0.1, 0.2]}
    return {"name": "sim", "script": "sim.py", "run": "sweep", "sweep": values, **section}


@pytest.mark.parametrize(
    ("section", "code", "words"),
    [
        ({}, None, ""),
        ({"sweep": {"seed": [1, 2], "rate": [1, 2], "zip": True}}, None, ""),
        ({"sweep": {"seed": [1, 2], "rate": [1], "zip": True}}, "SM-SCR-024", "seed: 2, rate: 1"),
        ({"sweep": {"seed": {"from": 5, "to": 1}}}, "SM-SCR-025", "from 5"),
        ({"sweep": {"seed": {"from": 1, "to": 2000}}}, "SM-SCR-026", "2000 runs, in 40 jobs"),
        ({"sweep": {"seed": {"from": 1, "to": 2000}}, "max_runs": 2000}, None, ""),
        ({"sweep": {"seed": {"from": 0, "to": 1e300}}}, "SM-SCR-026", "> 10^15"),
        (
            {"sweep": {"seed": {"from": 1, "to": 1e9}, "rate": {"from": 1, "to": 1e9}}},
            "SM-SCR-026",
            "",
        ),
        ({"sweep": {"seed": ["one", 2]}}, "SM-SCR-018", "one"),
        ({"sweep": {"seed": {"from": 0, "to": 1, "step": 0.5}}}, "SM-SCR-018", "0.5"),
        ({"sweep": {"seed": [1], "quiet": [True, False]}}, "", ""),
        ({"sweep": {"seed": [1], "quiet": [1, 2]}}, "SM-SCR-015", "--quiet"),
        ({"sweep": {"seed": [True, False]}}, "SM-SCR-015", "--seed"),
        ({"sweep": {"seed": [1], "speed": [2]}}, "SM-SCR-013", "--speed"),
        ({"sweep": {"rate": [1]}}, "SM-SCR-017", "--seed"),
        ({"arguments": {"rate": 3}}, "SM-SCR-022", "--rate"),
        ({"sweep": {"zip": True}}, "SM-SCR-023", "sim.py"),
        (
            {"arguments": ["--output-dir", "{output_dir}", "--seed=1"]},
            "SM-SCR-019",
            "would not reach",
        ),
    ],
)
def test_sweeps(check, section, code, words):
    problems = check({"sim.py": SIMULATION}, [sweep(**section)])
    assert codes(problems) == ([code] if code else []), "\n".join(map(str, problems))
    assert words in "".join(problem.what for problem in problems)


def test_a_parameter_that_only_numbers_repeats_need_be_no_option(check):
    repeats = {"seed": [1], "rep": [1, 2]}
    (problem,) = check({"sim.py": SIMULATION}, [sweep(sweep=repeats)])
    assert 'variables: {REP: "{rep}"}' in problem.remedy
    assert not check({"sim.py": SIMULATION}, [sweep(sweep=repeats, variables={"REP": "{rep}"})])


@pytest.mark.parametrize(
    ("listed", "text", "packages", "words"),
    [
        (
            ["numpy", "pandas"],
            "import sklearn.cluster",
            "scikit-learn",
            "[numpy, pandas, scikit-learn]",
        ),
        (
            ["numpy", "pandas==2.3.*"],
            "import skimage, cv2",
            "OpenCV, scikit-image",
            '[numpy, "pandas==2.3.*", OpenCV, scikit-image]',
        ),
        (["seaborn"], "def f():\n    import torch", "PyTorch", "[seaborn, PyTorch]"),
        (
            ["seaborn"],
            "import numpy, pandas, matplotlib.pyplot, PIL, scipy.stats",
            "SciPy",
            "SciPy]",
        ),
        # Any of these may bring anything.
        (["numpy", "pypi:mystery"], "import sklearn", None, ""),
        (["numpy", "mystery"], "import sklearn", None, ""),
        (["numpy", "scikit-image<0.20"], "import matplotlib", None, ""),
        (["numpy", "dask[complete]"], "import pandas", None, ""),
    ],
)
def test_packages_that_are_sure_to_be_missing(check, listed, text, packages, words):
    environments = {"growth": {"packages": listed}}
    script = growth(environment="growth")
    problems = check({"growth.py": text}, [script], environments=environments)
    assert codes(problems) == (["SM-SCR-011"] if packages else [])
    for problem in problems:
        assert problem.values["packages"] == packages
        assert "the environment `growth` does not have" in problem.what
        assert words in problem.remedy


def test_what_segmakes_own_environment_does_not_have(check):
    problems = check({"growth.py": "import numpy, seaborn\n"}, [growth()])
    assert codes(problems) == ["SM-SCR-011"]
    assert "SegMake's own environment does not have seaborn" in problems[0].what
    assert "`growth: {packages: [NumPy, seaborn]}`" in problems[0].remedy
    environments = {"plots": {"packages": ["seaborn"]}}
    problems = check(
        {"growth.py": "import numpy, seaborn\n"}, [growth()], environments=environments
    )
    assert "write `environment: plots`" in problems[0].remedy


def test_the_table_of_what_packages_bring_has_all_of_them():
    known = {package.project for package in catalogue.packages()}
    assert known <= provided.brought().keys()
    assert set(provided.own_packages()) <= provided.brought().keys()
    assert {name for names in provided.brought().values() for name in names} <= known


def notebook(*cells: str, **metadata: Any) -> str:
    return json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": ["# Growth"]},
                *(
                    {"cell_type": "code", "source": cell.splitlines(keepends=True)}
                    for cell in cells
                ),
            ],
            "metadata": metadata,
            "nbformat": 4,
        }
    )


@pytest.mark.parametrize(
    ("text", "section", "listed", "code", "words"),
    [
        (
            notebook("%matplotlib inline\n!ls\nimport pandas", "%%bash\nls |", "x = !ls\ny?"),
            {},
            ["jupyter", "pandas"],
            None,
            "",
        ),
        (notebook("if 1:\n    !ls\n", "await f()"), {}, ["nbconvert", "ipykernel"], None, ""),
        (
            notebook("import pandas"),
            {},
            ["nbconvert", "pandas"],
            "SM-SCR-011",
            "[nbconvert, pandas, ipykernel]",
        ),
        (notebook("import seaborn"), {}, ["jupyter"], "SM-SCR-011", "[jupyter, seaborn]"),
        (notebook("x = 1", "x = (\n"), {}, ["jupyter"], "SM-SCR-007", "correct the script"),
        ("{}", {}, ["jupyter"], "SM-SCR-008", "save it again"),
        ('{"cells": [{"cell', {}, ["jupyter"], "SM-SCR-008", "save it again"),
        (notebook("library(ggplot2)", kernelspec={"language": "R"}), {}, ["nbconvert"], None, ""),
        (notebook("x = 1"), {"arguments": ["x"]}, ["jupyter"], "SM-SCR-019", "os.environ"),
    ],
)
def test_notebooks(check, text, section, listed, code, words):
    script = growth(script="growth.ipynb", environment="notes", **section)
    problems = check({"growth.ipynb": text}, [script], environments={"notes": {"packages": listed}})
    assert codes(problems) == ([code] if code else []), "\n".join(map(str, problems))
    assert words in "".join(problem.remedy for problem in problems)


def test_the_cell_of_a_fault_is_told(check):
    script = growth(script="growth.ipynb", environment="notes")
    text = notebook("x = 1", "y = 2\nx = (\n")
    environments = {"notes": {"packages": ["jupyter"]}}
    problems = check({"growth.ipynb": text}, [script], environments=environments)
    assert "growth.ipynb, cell 3, line 2" in problems[0].what


def test_other_languages_need_their_program(check, monkeypatch):
    files = {"a.R": "x <- 1\n", "b.sh": "echo\r\n"}
    scripts = [growth(name="a", script="a.R"), growth(name="b", script="b.sh")]
    monkeypatch.setattr("shutil.which", lambda name: None if name == "Rscript" else name)
    problems = check(files, scripts)
    assert codes(problems) == ["SM-SCR-006", "SM-SCR-009"]
    assert not check({"b.sh": "echo $2\n"}, scripts[1:])


@pytest.mark.parametrize("python", ["3.13", "3.14"])
def test_syntax_that_is_newer_than_this_python_is_no_fault(check, python):
    environments = {"new": {"python": python, "packages": ["numpy"]}}
    script = growth(environment="new")
    newer = "type Pair[T] = tuple[T, T]\nprint(f'{f'{1}'}')\n"
    assert not check({"growth.py": newer}, [script], environments=environments)
    problems = check({"growth.py": "print 'x'\n"}, [script], environments=environments)
    assert codes(problems) == ["SM-SCR-007"]


def test_syntax_that_is_newer_than_the_python_of_the_environment_is_a_fault(check):
    environments = {"old": {"python": "3.10", "packages": ["natsort"]}}
    text = "try:\n    pass\nexcept* ValueError:\n    pass\n"
    assert not check({"growth.py": text}, [growth()])
    problems = check({"growth.py": text}, [growth(environment="old")], environments=environments)
    assert codes(problems) == ["SM-SCR-007"]


def test_everything_is_told_at_once(check):
    section = {
        "environment": "x",
        "outputs": ["/a"],
        "needs": ["cells", "y"],
        "arguments": {"z": 1},
    }
    problems = check({"growth.py": GROWTH + "    import seaborn\n"}, [growth(**section)])
    # What is passed is known only once the needs are: arguments are not judged before.
    assert codes(problems) == ["SM-SCR-010", "SM-SCR-012", "SM-SCR-027"]


def test_a_script_without_name_or_file_is_no_surprise(check):
    problems = check({}, [{"name": "growth"}, {"script": "x.py"}])
    assert codes(problems) == ["SM-CFG-003", "SM-CFG-003", "SM-SCR-003"]


@pytest.fixture
def folder(tmp_path) -> Path:
    files = {
        "main.py": """\
            import os
            import helpers
            import lib.fits
            from lib import curves
            import statistics
            import skimage.io
            import pandas as pd, in_house
            from compiled import f
            try:
                import fancy
            except Exception:
                import torch
            """,
        "helpers.py": "import main, lonely.part\nfrom scipy import stats\n",
        "lib/__init__.py": "from . import models\nfrom .fits import fit\n",
        "lib/fits.py": "from ..lib.deep import x\nimport helpers, lmfit\n",
        "lib/curves.py": "import seaborn",
        "lib/models.py": "",
        "lib/deep.py": "",
        "lib/unused.py": "import nowhere",
        "statistics.py": "import numpy",
        "fancy.py": "import napari",
        "skimage/notes.txt": "images",
        "compiled.cpython-311-x86_64-linux-gnu.so": "",
        "unused.py": "import unused_too",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def test_files_beside_a_script_are_followed(folder):
    names = ["lib/__init__.py", "lib/curves.py", "lib/deep.py", "lib/fits.py", "lib/models.py"]
    names += ["fancy.py", "helpers.py", "statistics.py"]
    found = local_files(folder / "main.py")
    assert found[0] == folder / "main.py"
    assert found[1:] == sorted(folder / name for name in names)


def test_files_beside_a_script_of_a_newer_python_are_followed_too(folder):
    script = folder / "main.py"
    before = local_files(script)
    text = script.read_text().replace(
        "from lib import curves", "from lib import (  # all\n    curves,\n)"
    )
    script.write_text(text + "type Pair[T] = tuple[T, T]\nprint(f'{f'{1}'}')\n")
    assert local_files(script) == before
    assert "in_house" not in modules_of(script) or sys.version_info >= (3, 12)


def test_modules_from_elsewhere_are_told_once(folder):
    expected = ["in_house", "lmfit", "lonely", "numpy", "pandas", "scipy", "seaborn", "skimage"]
    assert modules_of(folder / "main.py") == expected


def test_a_script_that_looks_elsewhere_may_have_modules_there(folder):
    script = folder / "main.py"
    script.write_text("import sys\nsys.path.append('..')\nimport in_house, pandas\n")
    assert modules_of(script) == ["pandas"]


def test_a_link_is_read_where_it_leads(folder, tmp_path):
    link = tmp_path / "elsewhere" / "link.py"
    link.parent.mkdir()
    link.symlink_to(folder / "main.py")
    assert local_files(link)[0] == link
    assert folder / "helpers.py" in local_files(link)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"\xff\xfe\x00",
        b"(" * 5000,
        b"x = " + b"-" * 20000 + b"1",
        b"import " + b"a." * 900 + b"b",
    ],
)
@pytest.mark.parametrize(
    "name", ["odd.py", "odd.ipynb", "odd.R", "odd.sh", "odd", "odd.py/missing.py"]
)
def test_odd_files_are_no_surprise(tmp_path, name, content):
    path = tmp_path / name
    (tmp_path / name.partition("/")[0]).write_bytes(content)
    assert local_files(path)[0] == path
    assert isinstance(modules_of(path), list)
    assert read_source(path).path == path


@pytest.mark.parametrize("path", ["a\0b.py", "x" * 5000 + ".py", ".", "/", "loop.py"])
def test_odd_paths_are_no_surprise(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    Path("loop.py").symlink_to("loop.py")
    assert local_files(Path(path)) == [Path(path)]
    assert modules_of(Path(path)) == []


def test_what_argparse_takes_is_read_without_running_it(tmp_path):
    text = "raise SystemExit('run')\n" + textwrap.dedent(GROWTH)
    path = tmp_path / "x.py"
    path.write_text(text)
    (tree,) = read_source(path).trees
    parser = parser_of(tree)
    assert parser is not None
    window = parser.find("--win")
    assert window is not None and window.names == ("-w", "--window")
    assert parser.find("--s") is None
    assert parser.refusal(["--cells", "a", "--output-dir", "b"]) == ""
    assert "required" in parser.refusal(["--cells", "a"])


def test_files_are_read_where_the_catalogue_is_not_installed(folder):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules.update(dict.fromkeys(["ruamel", "ruamel.yaml", "rapidfuzz", "packaging", "jsonschema"]))
from pathlib import Path
from segmake.scripts.source.static import local_files, modules_of
print(len(local_files(Path(sys.argv[2]))), "skimage" in modules_of(Path(sys.argv[2])))
"""
    words = [sys.executable, "-c", code, str(ROOT / "workflow"), str(folder / "main.py")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "9 True\n"
