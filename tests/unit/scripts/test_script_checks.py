"""What is found in users' scripts before a run, and what is not, since nothing is wrong with it."""

from __future__ import annotations

import ast
import sys
import textwrap
from typing import Any

import pytest
from ruamel.yaml import YAML

from segmake.messages import Problems
from segmake.scripts.definition.script import script_file
from segmake.scripts.source.options import parser_of
from segmake.scripts.source.static import read_source
from tests.projects import ROOT
from tests.unit.scripts.checking import (
    GROWTH,
    LOOP,
    OTHER_NAMES,
    POSITIONAL,
    codes,
    growth,
)

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
    "an environment without a name": ("", {"environment": ""}, "SM-SCR-010", "plots"),
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
