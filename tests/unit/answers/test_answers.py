"""The form of all answers in JSON: their schemas, mistakes in the command line, and errors that nobody expected."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from segmake.answers import check
from segmake.answers.answer import answer, write
from segmake.cli import main, of_users
from segmake.messages import LANGUAGES, Problem, Problems
from segmake.slurm.commands import SlurmError
from tests.answers import SCHEMAS, held, held_to_its_schema, read_by
from tests.projects import ROOT


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_describes_all_that_it_names(name: str) -> None:
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert re.fullmatch(rf"urn:segmake:answer:{name}:\d+", schema["$id"])
    assert undescribed(schema) == []


def undescribed(rule: object, place: str = "") -> list[str]:
    """Return the properties that a schema says nothing of."""
    if isinstance(rule, list):
        return [name for each in rule for name in undescribed(each, place)]
    if not isinstance(rule, dict):
        return []
    own = rule.get("properties", {})
    # Of the head, which is described once, an answer says what is its own.
    silent = [
        f"{place}.{name}"
        for name, child in own.items()
        if name not in ("answer", "version", "problems")
        and not {"description", "$ref"} & set(child)
    ]
    return silent + [
        name for key, each in rule.items() for name in undescribed(each, f"{place}.{key}")
    ]


@pytest.mark.parametrize("spoken", LANGUAGES)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["check", "a.yaml", "b.yaml", "--json"], "SM-CMD-002"),
        (["chek", "--json"], "SM-CMD-001"),
        (["check", "--json=yes"], "SM-CMD-007"),
        (["plan", "--slurm", "--json"], "SM-CMD-011"),
    ],
)
def test_a_mistake_in_the_command_line_is_an_answer(monkeypatch, capsys, words, code, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    answer = held(out)
    assert (ended.value.code, err) == (2, "")
    assert (answer["answer"], answer["language"]) == ("error", spoken)
    assert [problem["code"] for problem in answer["problems"]] == [code]


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (ValueError("a \udcff byte"), ["SM-RUN-001"]),
        (OSError(28, "No space left on device", "results/x"), ["SM-RUN-040"]),
        (SlurmError("no controller"), ["SM-CLU-001"]),
        (ModuleNotFoundError("No module named 'absent'", name="absent"), ["SM-RUN-065"]),
        (ModuleNotFoundError("No module named 'PIL'", name="PIL.Image"), ["SM-PAG-060"]),
        (Problems([Problem("SM-IMG-002", where="a"), Problem("SM-IMG-002")]), ["SM-IMG-002"] * 2),
    ],
)
def test_what_goes_wrong_is_an_answer(monkeypatch, capsys, error, codes):
    def fail(options: object) -> None:
        raise error

    monkeypatch.setattr(of_users, "check", fail)
    assert main(["check", "--json"]) == 1
    out, err = capsys.readouterr()
    assert [problem["code"] for problem in held(out)["problems"]] == codes and not err
    assert main(["check"]) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith(codes[0])


def test_check_names_file_line_and_key_of_each_problem(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    config = tmp_path / 'd\u00e9j\u00e0 "vu"\n.yaml'
    config.write_text(
        "images: {folder: images}\nsegmentation:\n  engine: treshold\n  colour: 1\n"
        "scripts:\n  - {name: growth, script: absent.py, run: image}\n"
    )
    assert main(["check", config.name, "--json"]) == 1
    answer = held(capsys.readouterr().out)
    assert answer["config"] == str(config) and not answer["usable"]
    found = {problem["key"]: problem for problem in answer["problems"]}
    assert set(found) == {"segmentation.engine", "segmentation.colour", "scripts.growth.script"}
    assert [problem["line"] for problem in answer["problems"]] == [3, 4, 6]
    assert {problem["file"] for problem in answer["problems"]} == {str(config)}
    told = found["segmentation.engine"]
    assert told["text"] == '`engine` under `segmentation` can\'t be "treshold".'
    assert (
        told["message"] == f"{told['code']}  {told['where']}\n  {told['text']}\n  {told['remedy']}"
    )
    config.write_text("images: {folder: images}\nsegmentation: {engine: threshold}\n")
    assert main(["check", config.name, "--json"]) == 0
    answer = held(capsys.readouterr().out)
    assert answer["usable"] and answer["problems"] == []


FAULTY = {
    "a folder that is none": "images: {folder: 5}\n",
    "one of several folders": "images: {folder: [a, 5]}\nsegmentation: {engine: threshold}\n",
    "nothing": "segmentation: {}\n",
    "a section that is none": "images: 1\nsegmentation: {normalize: {percentile: [9, 1]}}\n",
    "no such setting": "images: {folder: x, chanel: y}\ncolour: 1\nimages.folder: x\n",
    "a file and no folder": "images: {folder: config.yaml, include: ['!']}\nresults: config.yaml\n",
    "twice on a line": "images: {folder: x, chanel: y, folder: z}\n",
    "twice in a script": "images: {folder: x}\nscripts:\n  - {name: a, arguments: {b.c: 1, b.c: 2}}\n",
    "scripts without names": "images: {folder: x}\nscripts: [{run: image}, {script: a.py}, a.py]\n",
    "two of a name": "images: {folder: x}\nscripts:\n" + "  - {name: a, script: a.py}\n" * 2,
    "a number for a name": "images: {folder: x}\nscripts: [{name: 1, script: a.py}, {run: image}]\n",
    "a part of a list": "images: {folder: x}\nscripts:\n  - {name: a, script: a.py, needs: [b, 1]}\n",
    "names with dots": "images: {folder: x}\nenvironments: {'a.b \"c\"': {python: '3.11'}, d: {pyton: 1}}\n",
    "options of sbatch": "images: {folder: x}\ncluster: {sbatch_options: [--a, 1], hours: {}}\n",
}


@pytest.mark.parametrize("name", FAULTY)
def test_the_key_of_a_problem_is_one_that_get_and_set_take(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(FAULTY[name])

    def asked(*words: str) -> list[dict[str, str]]:
        main([*words, "--json"])
        return held(capsys.readouterr().out)["problems"]

    problems = asked("check", "config.yaml")
    assert problems and all(problem["key"] for problem in problems)
    told = {problem["code"] for problem in problems}
    for problem in problems:
        config.write_text(FAULTY[name])
        found = asked("get", problem["key"], "--configfile", "config.yaml")
        assert {each["code"] for each in found} <= told
        if problem["code"] == "SM-CFG-006":
            # Nothing is set in a file in which something stands twice.
            continue
        found = asked("set", "--default", problem["key"], "--force", "--configfile", "config.yaml")
        assert found == []
        assert problem["code"] == "SM-CFG-003" or config.read_text() != FAULTY[name]


def test_what_stops_no_run_is_a_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text(
        "images: {folder: images}\nsegmentation: {engine: threshold}\n"
        "environments:\n  a: {python: '3.11', file: absent.txt}\n"
    )
    assert main(["check", str(config), "--json"]) == 0
    answer = held(capsys.readouterr().out)
    [problem] = answer["problems"]
    assert (problem["code"], problem["severity"]) == ("SM-ENV-032", "warning")
    assert (problem["key"], problem["line"]) == ("environments.a.file", 4)
    assert answer["usable"]
    assert main(["check", str(config)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("SM-ENV-032  ") and "\nNothing else is wrong with " in told


def test_check_asks_about_a_diameter_that_may_be_meant_in_micrometres(tmp_path, capsys):
    config = tmp_path / "config.yaml"
    (tmp_path / "images").mkdir()
    text = "images: {folder: %s, pixel_size_um: 0.065}\nsegmentation:\n  diameter: %s\n"
    config.write_text(text % (tmp_path / "images", 2.5))
    assert main(["check", str(config)]) == 0
    told = capsys.readouterr().out
    assert "SM-CFG-071" in told and "line 3" in told and "write 38:" in told
    assert "\nNothing else is wrong" in told and "environment" not in told
    config.write_text(text % (tmp_path / "images", 38))
    assert main(["check", str(config)]) == 0
    assert "SM-CFG" not in capsys.readouterr().out


def test_check_looks_whether_the_images_are_here_where_they_are_computed(
    tmp_path, monkeypatch, capsys, site_file
):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "day1" / "config" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        "images: {folder: ['Z:\\\\day1', absent]}\nsegmentation: {engine: threshold}\n"
    )
    site_file(f"paths:\n  - {{here: 'Z:', there: {tmp_path / 'lab'}}}\n")

    def told() -> tuple[list[str], list[str]]:
        """Return the folders that are a problem and those that are none, told in JSON and in words."""
        code = main(["check", str(config), "--json"])
        found = held(capsys.readouterr().out)
        assert code == (not found["usable"]) == main(["check", str(config)])
        said = capsys.readouterr()
        assert all(folder in said.out for folder in found["absent"]) or found["problems"]
        assert all(problem["key"] == "images.folder" for problem in found["problems"])
        assert all(problem["message"] in said.err for problem in found["problems"])
        return [problem["text"] for problem in found["problems"]], found["absent"]

    here, there = "There is no folder absent.", str(tmp_path / "lab" / "day1")
    assert told() == ([here], [there])
    (tmp_path / "lab").mkdir()
    assert told() == ([f"There is no folder {there}.", here], [])
    (config.parents[1] / "segmake.place").touch()
    assert told() == ([], [there, "absent"])
    (config.parents[1] / "segmake.place").unlink()
    # A computer on which only configs are checked.
    monkeypatch.setattr(check.installation, "can_run", lambda: False)
    assert told() == ([], [there, "absent"])
    # Of a computer on which paths are written otherwise.
    config.write_text("images: {folder: 'W:\\\\day1'}\nsegmentation: {engine: threshold}\n")
    assert told() == ([], ["W:\\\\day1"])
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    main(["check", str(config), "--json"])
    [problem] = held(capsys.readouterr().out)["problems"]
    assert problem["code"] == "SM-SIT-007"


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1\n", 1), ("a: 1\na: 2\n", 2), ("- a\n", None), ("a:\n\t- 1\n", 2)]
)
def test_check_names_the_line_that_is_no_yaml(tmp_path, capsys, text, line):
    config = tmp_path / "config.yaml"
    config.write_text(text)
    assert main(["check", str(config), "--json"]) == 1
    [problem] = held(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["line"]) == (str(config), line)


def test_settings_are_told_and_set(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = Path("config.yaml")
    config.write_text("images: {folder: images}\nsegmentation: {engine: threshold}\n")
    assert main(["get", "segmentation.engine", "--json", "--configfile", "config.yaml"]) == 0
    [told] = held(capsys.readouterr().out)["settings"]
    assert told == {"name": "segmentation.engine", "value": "threshold", "source": None}
    words = ["segmentation.diameter", "25", "--json", "--configfile", "config.yaml"]
    assert main(["set", *words]) == 0
    said = capsys.readouterr().out
    assert read_by("set.pl", said) == "line 2: segmentation.diameter: - -> 25\n"
    [changed] = held(said)["changed"]
    assert (changed["before"], changed["after"], changed["line"]) == (None, "25", 2)
    assert main(["set", *words]) == 0
    assert held(capsys.readouterr().out)["changed"] == []
    assert main(["get", "--json", "--configfile", "config.yaml"]) == 0
    said = capsys.readouterr().out
    assert held(said)
    # As it is written there, and not as 25.0.
    assert (
        "segmentation.diameter = 25 (config.yaml, line 2)" in read_by("get.pl", said).splitlines()
    )
    assert main(["set", "segmentation.engin", "x", *words[2:]]) == 1
    said = capsys.readouterr().out
    assert held(said)["answer"] == "error" and read_by("set.pl", said).startswith("SM-CFG-001")


@pytest.mark.parametrize("page", ["json.md", "json.fr.md"])
def test_what_the_page_shows_is_as_the_schemas_say(page: str) -> None:
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    shown = [json.loads(block) for block in re.findall(r"```json\n(.+?)```", text, re.DOTALL)]
    answers = [held_to_its_schema(each)["answer"] for each in shown if "answer" in each]
    assert {"check", "plan", "status", "look.file", "look", "cluster"} <= set(answers)
    told = [problem for problem in shown if "answer" not in problem]
    assert told and held_to_its_schema(answer("error", 1, told))
    assert all(f"{name}.schema.json" in text for name in SCHEMAS if name not in ("common", "error"))


def test_an_answer_has_no_number_that_json_does_not_know(capsys):
    with pytest.raises(ValueError):
        write(answer("check", 1, share=float("nan")))
    assert json.loads(json.dumps(answer("check", 1)))["problems"] == []
