"""The help of segmake and of its commands, and mistakes in what was typed, in the user's language."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segmake.cli import main
from segmake.cli.parser import OF_REMOTE, OF_USERS, command_line
from segmake.cli.speaking import Mistake
from segmake.messages import LANGUAGES, catalogue

# What argparse says by itself.
ENGLISH = re.compile(
    r"usage:|positional|show this help|show program|required|invalid|argument|choose from|unrecognized"
)

OF_RULES = [
    section.removeprefix("help.rule.")
    for section in catalogue()
    if section.startswith("help.rule.")
]


def said(capsys, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    return ended.value.code, out + err


@pytest.fixture
def french(monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    "command",
    [
        (),
        *((name,) for name in (*OF_USERS, *OF_RULES)),
        *(("remote", name) for name in OF_REMOTE),
    ],
)
def test_help_has_no_english_in_french(french, capsys, command):
    code, text = said(capsys, *command, "--help")
    assert code == 0 and ("segmake COMMANDE --help" if not command else "afficher ce texte") in text
    assert text.startswith(" ".join(["utilisation : segmake", *command]))
    assert not ENGLISH.search(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_help_of_users_lists_their_commands_and_no_others(monkeypatch, capsys, language):
    monkeypatch.setenv("SEGMAKE_LANG", language)
    _, text = said(capsys, "--help")
    listed = re.findall(r"^  ([a-z-]+)  +\S", text, re.MULTILINE)
    assert listed == list(OF_USERS)
    for name in OF_USERS:
        assert catalogue()[f"help.{name}"]["say"][language] in text


def test_each_command_has_a_text_and_each_text_a_command():
    # A command that is not known would be refused.
    for name in (*OF_USERS, *OF_RULES):
        with pytest.raises(SystemExit) as ended:
            command_line().parse_args([name, "--help"])
        assert ended.value.code == 0


@pytest.mark.parametrize(
    ("words", "code", "words_to_type"),
    [
        (["stats"], "SM-CMD-001", "segmake status"),
        (["remote", "runn"], "SM-CMD-001", "segmake remote run"),
        (["remote", "x"], "SM-CMD-001", "segmake remote"),
        (["demo"], "SM-CMD-001", "segmake demo-data"),
        (["nothing-like-it"], "SM-CMD-001", "segmake --help"),
        (["--folow"], "SM-CMD-002", "segmake [-h]"),
        (["status", "--folow"], "SM-CMD-002", "segmake status --follow"),
        (["check", "a.yaml", "b.yaml"], "SM-CMD-002", "segmake check [-h] [--json]"),
        (["demo-data"], "SM-CMD-003", "segmake demo-data [-h] DOSSIER"),
        (["report"], "SM-CMD-003", "segmake report [-h] --out OUT"),
        (["status", "--results"], "SM-CMD-004", "--results DOSSIER"),
        (["environments", "lst"], "SM-CMD-005", "list, export, remove"),
        (["masks", "--cpus", "two"], "SM-CMD-005", "un nombre entier"),
        (["environments", "--re=x", "--to"], "SM-CMD-004", "--to DOSSIER"),
        (["report", "--p", "x", "--=y"], "SM-CMD-006", "en entier"),
        (["status", "--follow=yes"], "SM-CMD-007", "`--follow` seul"),
        (["submit", "--config", "a=1"], "SM-CMD-008", "--configfile FICHIER"),
        (["look", "x", "--no-pictures", "--pictures", "y"], "SM-CMD-011", "--no-pictures]"),
        (["new", "x", "--images", "y", "--simulation"], "SM-CMD-011", "--simulation"),
        (["remote", "fetch", "--maskes"], "SM-CMD-002", "segmake remote fetch --masks"),
        (["submit", "-Ca=1"], "SM-CMD-008", "--configfile FICHIER"),
        (["remote", "runs", *("--configfile", "a"), *("--configfile", "b")], "SM-CMD-017", "runs"),
    ],
)
def test_a_mistake_is_a_message_with_what_to_type(french, capsys, words, code, words_to_type):
    exit_code, text = said(capsys, *words)
    assert exit_code == 2
    assert text.startswith(code) and words_to_type in text.splitlines()[-1]
    assert not ENGLISH.search(text)


def test_no_command_passes_over_a_config_that_is_named():
    """Where there are several, each counts, or the command says that it takes one."""
    found = []
    for command in parsers(command_line()):
        options = [one for one in command._actions if "--configfile" in one.option_strings]
        for action in options:
            found.append(command.prog)
            given = argparse.Namespace(configfiles=())
            try:
                for name in ("a", "b"):
                    action(command, given, Path(name), "--configfile")
            except Mistake as mistake:
                assert mistake.problem.code == "SM-CMD-017"
            else:
                assert given.configfiles == (Path("a"), Path("b")), command.prog
    assert {"segmake runs", "segmake firstday", "segmake remote run", "segmake plan"} <= set(found)


def parsers(command: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield command
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


def test_what_argparse_says_otherwise_is_passed_on(french):
    with pytest.raises(Mistake) as ended:
        command_line().error("something new")
    text = str(ended.value.problem)
    assert ended.value.code == 2
    assert text.startswith("SM-CMD-009") and "something new" in text and "Tapez : segmake" in text


def test_submit_hands_the_options_of_snakemake_on(monkeypatch):
    handed = []
    monkeypatch.setattr("segmake.cluster.submit.submit", lambda *all_: handed.append(all_) or "")
    assert main(["submit", "--profile", "p", "--keep-going", "-n"]) == 0
    assert handed[0][1] == ["--profile", "p", "--keep-going", "-n"]


SAID = """
import sys
from contextlib import suppress
from segmake.cli import main

with suppress(SystemExit):
    main({words!r})
print(sorted({{"numpy", "pandas", "snakemake"}} & set(sys.modules)))
"""


@pytest.mark.parametrize("words", [[], ["--help"], ["status", "--help"]])
def test_what_can_be_done_is_said_without_numpy_or_snakemake(words, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("images: {folder: null}\n")
    command = [sys.executable, "-c", SAID.format(words=words)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "segmake" in done.stdout and done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("output", "code"), [(">/dev/full", "SM-RUN-040  /dev"), (">&-", "SM-CMD-016")]
)
@pytest.mark.parametrize("words", [["check", "--json"], ["--help"]])
def test_an_output_that_takes_nothing_is_told_beside_it(tmp_path, words, output, code):
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {output}', "sh", sys.executable, "-m", "segmake", *words],
        cwd=tmp_path,
        # Without a buffer argparse passes over what it can't write.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and not done.stdout
    head, *rest = done.stderr.splitlines()
    # One message, and no traceback.
    assert head == code and len(rest) == 2


@pytest.mark.parametrize("spoken", LANGUAGES)
@pytest.mark.parametrize(
    "words",
    [
        ["jupyter", "stop"],
        ["environment", "absent"],
        ["environment", "absent", "--remove"],
        ["environment", "absent", "--export"],
        ["space", "--delete", "absent"],
        ["set", "scripts.absent.run", "once"],
        ["get", "environments.absent"],
    ],
)
def test_where_there_is_nothing_to_list_a_remedy_says_so(
    tmp_path, monkeypatch, capsys, words, spoken
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    (tmp_path / "config").mkdir()
    config = tmp_path / "config" / "config.yaml"
    config.write_text("images: {folder: null}\nsegmentation: {engine: threshold}\n")
    assert main(words) == 1
    told = capsys.readouterr().err
    assert "SM-RUN-001" not in told
    assert not re.search(r"[:(] *(-|\.|$)", told, re.MULTILINE), told


def test_no_line_of_the_help_begins_with_a_sign(monkeypatch, capsys):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    for columns in (60, 70, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        for name in OF_USERS:
            with pytest.raises(SystemExit):
                main([name, "--help"])
            told = capsys.readouterr().out
            described = told.partition("\n\n")[2]
            assert not re.search(r"^ *[;:?!]", described, re.MULTILINE), (name, columns)
