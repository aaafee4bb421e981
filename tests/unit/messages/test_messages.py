from __future__ import annotations

import ast
import pickle
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from segmake.core.journal import Entry
from segmake.labels.labels import LabelStack
from segmake.messages import LANGUAGES, Problem, catalogue, language, remembered, say
from segmake.plan.result_paths import ResultPaths
from segmake.runner.run_step import problem_of
from tests.projects import ROOT

PROGRAMS = [
    path
    for folder in ("workflow", "scripts", ".ci")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and path.suffix not in (".toml", ".pyc", ".json")
]
CODE = re.compile(r"SM-[A-Z]{3}-\d{3}")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("section", sorted(catalogue()))
def test_every_text_says_the_same_in_every_language(section):
    entry = catalogue()[section]
    is_problem = CODE.fullmatch(section)
    assert set(entry) == ({"what", "why", "do"} if is_problem else {"say"})
    for texts in entry.values():
        assert set(texts) == set(LANGUAGES)
        assert all(text.strip() for text in texts.values())
        assert placeholders(texts["en"]) == placeholders(texts["fr"])


def test_a_section_read_alone_says_what_it_does_in_its_file():
    folder = ROOT / "workflow" / "segmake" / "messages"
    files = [tomllib.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.toml")]
    assert catalogue() == {section: entry for file in files for section, entry in file.items()}
    assert len(catalogue()) == sum(map(len, files))


def test_every_code_is_used_and_every_used_code_has_a_text():
    used = set()
    for path in PROGRAMS:
        used |= set(CODE.findall(path.read_text(encoding="utf-8", errors="ignore")))
    assert used == {section for section in catalogue() if CODE.fullmatch(section)}


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Yield where, section and names of values of each call of `say` and `Problem` in the library."""
    for path in sorted((ROOT / "workflow").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", "")
            names = {keyword.arg for keyword in node.keywords}
            if name not in ("say", "Problem") or None in names:
                continue
            first = node.args[0]
            choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            for choice in choices:
                if isinstance(choice, ast.Constant):
                    part = [a.value for a in node.args[1:] if isinstance(a, ast.Constant)]
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield where, "/".join([choice.value, *part]), {str(n) for n in names}


def test_every_value_that_a_text_needs_is_given():
    seen = 0
    for where, place, given in calls():
        section, _, part = place.partition("/")
        assert section in catalogue(), f"{where}: no text for {section}"
        entry = catalogue()[section]
        parts = [part] if part else ["say"] if "say" in entry else ["what", "do"]
        needed = set().union(*(placeholders(entry[part]["en"]) for part in parts))
        assert needed <= given, f"{where}: {section} needs {sorted(needed - given)}"
        seen += 1
    assert seen > 50


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "fr_FR.UTF-8", "SEGMAKE_LANG": "en"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_GB", "LC_MESSAGES": "fr_CA"}, "fr"),
        ({"SEGMAKE_LANG": "FR"}, "fr"),
    ],
)
def test_the_language_is_that_of_the_user(monkeypatch, variables, expected):
    for name in ("SEGMAKE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_values_are_not_taken_for_texts():
    assert "{number}" in say("SM-DIR-001", "what", folder="{number}")


def test_a_problem_can_be_sent_to_another_process():
    problem = Problem("SM-IMG-010", where="a.tif", channel=3, channels="1 (GFP)")
    assert str(pickle.loads(pickle.dumps(problem))) == str(problem)


# What a text may tell to delete: the placeholder that names it in full, something that SegMake made itself.
DELETED = {
    "SM-OUT-001": "path",  # a label image below the results folder
    "SM-ENV-008": "path",  # an environment
    "SM-ENV-028": "prefix",  # an environment
    "SM-ENV-057": "path",  # an environment
    "SM-MOD-002": "note",  # the checksum beside a model
    "demo.next": "folder",
    "demo.next_own": "folder",
    "uninstall.last": "folder",  # SegMake's own folder, after a word on what of the user's lies in it
}
DELETING = re.compile(
    r"\b(?:delete|deletes|remove|erase|rmdir|rm|empty (?:the|it)|supprim\w+|effac\w+|enlevez|videz)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_remedy_endangers_nothing_but_what_segmake_made(language):
    telling = {}
    for section, entry in catalogue().items():
        for part in set(entry) & {"do", "say"}:
            if found := list(DELETING.finditer(entry[part][language])):
                telling[section] = entry[part][language], found
    assert set(telling) == set(DELETED)
    for section, (text, found) in telling.items():
        for match in found:
            # Its full path follows at once, or after a command that does the same.
            what = re.compile(rf"[^.;]{{0,60}}{{{DELETED[section]}}}")
            assert what.match(text, match.end()), f"{section}: {text}"


def test_a_label_image_that_is_to_be_deleted_is_named_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (
        ResultPaths(Path("results")).mask("a.tif"),
        ResultPaths(Path("results")).labels("a.tif"),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
        with pytest.raises(Problem) as caught:
            LabelStack(path)
        assert caught.value.code == "SM-OUT-001"
        assert f"delete {tmp_path / path}" in caught.value.remedy


def test_a_problem_that_another_version_wrote_down_is_still_told():
    problem = remembered("SM-OUT-001", "results/a.ome.tif", {"error": "no TIFF", "old": "x"})
    assert "results/a.ome.tif" in problem.what and "no TIFF" in problem.what
    assert "results/a.ome.tif" in problem.remedy
    entry = Entry(
        "a.tif", "failed", "key", 1, 0.0, {"code": "SM-OUT-001", "where": "", "values": {}}
    )
    assert problem_of(entry).remedy


def test_every_step_has_its_words():
    from segmake.runner.run_step import STEPS

    for step in STEPS:
        assert say(f"step.{step}") and say(f"usage.kind.{step}")
