from __future__ import annotations

import ast
import ctypes
import errno
import itertools
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from segmake.core.journal import Entry
from segmake.labels.labels import LabelStack
from segmake.messages import LANGUAGES, Problem, catalogue, language, names, remembered, say
from segmake.messages.numbers import significant
from segmake.plan.result_paths import ResultPaths
from segmake.runner.run_step import problem_of
from tests.docs.terms import avoided
from tests.projects import ROOT

PROGRAMS = [
    path
    for folder in ("workflow", "scripts", ".ci")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file() and path.suffix not in (".toml", ".pyc", ".json")
]
CODE = re.compile(r"SM-[A-Z]{3}-\d{3}")


@pytest.mark.parametrize("section", sorted(catalogue()))
def test_every_text_says_the_same_in_every_language(section):
    entry = catalogue()[section]
    is_problem = CODE.fullmatch(section)
    assert set(entry) == ({"what", "why", "do"} if is_problem else {"say"})
    for texts in entry.values():
        assert set(texts) == set(LANGUAGES)
        assert all(text.strip() for text in texts.values())
        assert names(texts["en"]) == names(texts["fr"])


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
            given = {keyword.arg for keyword in node.keywords}
            if name not in ("say", "Problem") or None in given:
                continue
            first = node.args[0]
            choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            for choice in choices:
                if isinstance(choice, ast.Constant):
                    part = [a.value for a in node.args[1:] if isinstance(a, ast.Constant)]
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield where, "/".join([choice.value, *part]), {str(n) for n in given}


def test_every_value_that_a_text_needs_is_given():
    seen = 0
    for where, place, given in calls():
        section, _, part = place.partition("/")
        assert section in catalogue(), f"{where}: no text for {section}"
        entry = catalogue()[section]
        parts = [part] if part else ["say"] if "say" in entry else ["what", "do"]
        needed = set().union(*(names(entry[part]["en"]) for part in parts))
        assert needed <= given, f"{where}: {section} needs {sorted(needed - given)}"
        seen += 1
    assert seen > 50


LOCALES = [
    ({}, "en"),
    ({"LANG": "fr_FR.UTF-8"}, "fr"),
    ({"LANG": "fr"}, "fr"),
    ({"LANG": "fr_CH@euro"}, "fr"),
    # Arpitan has no French.
    ({"LANG": "frp_FR.UTF-8"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "LC_ALL": "POSIX"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "LC_ALL": ""}, "fr"),
    ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "C"}, "en"),
    ({"LANG": "C", "LC_MESSAGES": "fr_FR.UTF-8"}, "fr"),
    ({"LANG": "en_GB", "LC_MESSAGES": "fr_CA"}, "fr"),
    ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "fr_CA", "LC_ALL": "de_DE"}, "en"),
    ({"LANG": "de_DE.UTF-8"}, "en"),
    # It says how letters are written, not what language is spoken.
    ({"LC_CTYPE": "fr_FR.UTF-8"}, "en"),
    ({"LANG": "en_GB.UTF-8", "LANGUAGE": "fr"}, "fr"),
    ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:fr_CA:en"}, "fr"),
    ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:en:fr"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "de:C:fr"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "de"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "LANGUAGE": ""}, "fr"),
    ({"LANG": "C", "LANGUAGE": "fr"}, "en"),
    ({"LANGUAGE": "fr"}, "en"),
    ({"LANG": "fr_FR.UTF-8", "SEGMAKE_LANG": "en"}, "en"),
    ({"LC_ALL": "C", "LANGUAGE": "en", "SEGMAKE_LANG": "fr_FR"}, "fr"),
    ({"SEGMAKE_LANG": "FR"}, "fr"),
    ({"LANG": "fr_FR.UTF-8", "SEGMAKE_LANG": ""}, "fr"),
    ({"LANG": "fr_FR.UTF-8", "SEGMAKE_LANG": "klingon"}, "en"),
]
NAMES = ("SEGMAKE_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG")


@pytest.mark.parametrize(("variables", "expected"), LOCALES)
def test_the_language_is_that_of_the_user(monkeypatch, variables, expected):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


@pytest.mark.parametrize(("menus", "expected"), [(0x040C, "fr"), (0x0C0C, "fr"), (0x0407, "en")])
def test_windows_is_asked_for_the_language_of_its_menus(monkeypatch, menus, expected):
    """A mock, since there is no Windows here: these are the numbers of French, Canadian French and German."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    kernel = SimpleNamespace(GetUserDefaultUILanguage=lambda: menus)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert language() == expected
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    assert language() == "fr"


def test_the_scripts_of_the_set_up_choose_the_same_language():
    command = [shutil.which("bash"), "-c", f'. "{ROOT}/scripts/_common.sh" && language']
    for variables, expected in LOCALES:
        environment = {"PATH": os.environ["PATH"]} | variables
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == expected, variables


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_the_scripts_of_the_set_up_write_plurals_as_the_package(monkeypatch, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    for number in (0, 1, 2, 12):
        values = {"done": number, "failed": "x", "message": "y"}
        words = shlex.join(f"{name}={value}" for name, value in values.items())
        command = f'. "{ROOT}/scripts/_common.sh" && say demo.one_failed {words}'
        said = subprocess.run([shutil.which("bash"), "-c", command], capture_output=True, text=True)
        assert said.stdout == say("demo.one_failed", **values) + "\n"


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
        # The help tells what a command does.
        for part in set(entry) & {"do", "say"} if not section.startswith("help.") else ():
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
    from segmake.core.declared_steps import STEPS

    for step in STEPS:
        assert say(f"step.{step}") and say(f"usage.kind.{step}")


# What is English in French words, or is not what the field says.
NOT_FRENCH = re.compile(
    r"points? de temps|une tâche chacun|là-bas|images? d'étiquettes|ce que le réseau a vu|\bjobs?\b|reprend de là",
    re.IGNORECASE,
)
CODE_IN_TEXT = re.compile(r"`[^`]*`|\"[^\"]*\"|\{[^{}]*\}|^ +\w+:.*$", re.MULTILINE)


def test_french_has_its_own_words_and_spaces():
    wrong = []
    for section, entry in catalogue().items():
        for part, texts in entry.items():
            plain = CODE_IN_TEXT.sub("X", texts["fr"])
            wrong += [f"{section}/{part}: {found[0]}" for found in NOT_FRENCH.finditer(plain)]
            # The words of the list of terms, as the pages have them.
            wrong += [
                f"{section}/{part}: {word[0]}, which we call {instead}"
                for pattern, instead in avoided().items()
                if (word := pattern.search(plain))
            ]
            # Before these a space, unless it is code.
            found = re.search(r"\w[;?!](?=\s|$)|[\w)»]:(?=\s|$)|«\S|\S»", plain)
            wrong += [f"{section}/{part}: {found[0]}"] if found else []
    assert not wrong


# Such as {seconds:.1f}: 1.5 in French, too, where it is 1,5.
DECIMALS = re.compile(r"\{\w+:[<>^+\d]*(?:,|,?\.\d+)[a-z%]?\}")


def test_a_number_of_whatever_length_stands_apart_from_the_word_before_it():
    texts = [
        text for entry in catalogue().values() for each in entry.values() for text in each.values()
    ]
    assert [text for text in texts if re.search(r"[^\s(]\{\w+:>\d\}", text)] == []


def test_no_number_has_the_point_of_english_in_french():
    texts = [text["fr"] for entry in catalogue().values() for text in entry.values()]
    assert [text for text in texts if DECIMALS.search(text)] == []


def test_the_systems_words_are_said_in_the_language_of_the_reader(monkeypatch):
    problem = Problem("SM-IMG-001", where="a.tif", error=os.strerror(errno.EACCES))
    longer = Problem("SM-SCR-032", error=f"{os.strerror(errno.ENOENT)}: /no/such/bash")
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    assert problem.what == "Le fichier ne peut pas être ouvert : accès refusé."
    assert "fichier ou dossier introuvable : /no/such/bash" in longer.what
    # What was written down stays as it was.
    assert problem.values == {"error": os.strerror(errno.EACCES)}
    assert "X: y" in Problem("SM-IMG-001", error="X: y").what
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    assert problem.what == f"The file can't be opened: {os.strerror(errno.EACCES)}."


def test_the_systems_words_are_those_of_the_system():
    sections = [section for section in catalogue() if section.startswith("system.")]
    assert len(sections) > 20
    for section in sections:
        number = getattr(errno, section.partition(".")[2])
        assert catalogue()[section]["say"]["en"] == os.strerror(number)


def details() -> Iterator[tuple[str, str]]:
    """Yield where, and in which words, a reader tells what a file lacks, with 7 for each number."""
    known = {"name": ["page 7"], "what": ["pixels", "description"]}
    for path in sorted((ROOT / "workflow" / "segmake" / "formats").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_cut = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "CutShort"
            is_what = isinstance(node, ast.FunctionDef) and node.name == "_what"
            words = node.args[0] if is_cut else node.body[-1].value if is_what else None
            if isinstance(words, ast.Constant):
                yield path.name, words.value
            elif isinstance(words, ast.JoinedStr):
                pieces = [
                    [piece.value]
                    if isinstance(piece, ast.Constant)
                    else known.get(ast.unparse(piece.value), ["7"])
                    for piece in words.values
                ]
                yield from ((path.name, "".join(each)) for each in itertools.product(*pieces))


def test_what_a_file_lacks_is_said_in_french(monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    seen = list(details())
    assert len(seen) > 15
    for where, words in seen:
        said = Problem("SM-IMG-050", error=words).what
        assert words not in said, f"{where}: {words}"
        assert ("7" in said) == ("7" in words)
    of_zeros = Problem("SM-IMG-050", error="its last 20 of 300 bytes are zeros").what
    assert "ses 20 derniers octets sur 300 sont des zéros" in of_zeros


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.065, "0.065"),
        (0.108333, "0.1083"),
        (0.00001234567, "0.00001235"),
        (12.5, "12.5"),
        (9.99999, "10"),
        (100, "100"),
        (12345.6, "12,346"),
        (0, "0"),
    ],
)
def test_a_measured_number_keeps_the_digits_that_matter(monkeypatch, value, written):
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    assert significant(value) == written
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    assert significant(value) == written.replace(",", "\u202f").replace(".", ",")


# What is said of a run, in either language: that something is computed, or is so again with the same command.
OF_A_RUN = re.compile(
    r"\bcomputed?\b|\bcalcul|only this image|run the same command: |relancez la même commande :"
)


def test_what_is_said_of_an_image_by_itself_is_nothing_of_a_run():
    """Such problems are told where nothing is computed, too: by ``segmake look``, and before a run."""
    sources = [
        path
        for name in ("formats", "look")
        for path in (ROOT / "workflow" / "segmake" / name).glob("*.py")
        # `segmake try` does what a run does.
        if path.name != "trial.py"
    ]
    codes = {
        code for path in sources for code in re.findall(r"SM-[A-Z]{3}-\d{3}", path.read_text())
    }
    assert {"SM-IMG-002", "SM-IMG-050", "SM-LOK-006"} <= codes
    told = {
        (code, language): catalogue()[code][part][language]
        for code in codes
        for part in ("what", "do")
        for language in LANGUAGES
        if OF_A_RUN.search(catalogue()[code][part][language])
    }
    assert told == {}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Invalid ChunkMap signature b'~j' in file 'a.nd2'", "la liste de son contenu"),
        ("not a TIFF file: header=b'abcd'", "son début n'est pas celui"),
        ("cannot reshape array of size 3 into shape (4,4)", "il s'arrête trop tôt"),
        ("Error -3 while decompressing data", "décompressés"),
        ("what nobody has seen", "dit en anglais"),
    ],
)
def test_what_a_library_says_of_a_file_is_told_with_its_meaning(monkeypatch, said, meant):
    problem = Problem("SM-IMG-003", where="a.nd2", error=said)
    assert said in problem.what
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    assert meant in problem.what and said in problem.what
    # What SegMake itself says is no word of a library.
    own = Problem("SM-IMG-050", where="a.nd2", error="it ends before its pixels do").what
    assert "fin de ses pixels" in own and "anglais" not in own
