"""What is double-clicked: its text for each system, and what it does on this one."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from segmake.cli import main
from segmake.messages import LANGUAGES, Problem, say
from segmake.remote.handed_out import HandedOut
from segmake.remote.setup.launchers import ENDINGS, Launchers, launchers, write_launchers
from tests.programs import program as a_program

# What each shell has a meaning for, in the name of a folder.
HARD = "Müller's 100% & day^1! $HOME"
SITE = HandedOut(
    {
        "addresses": {"segmake": "https://git.example.org/segmake.git"},
        "contact": "Jo & Zoé (room <3>) 100%",
    }
)


def run(script: Path, answer: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a launcher as macOS does: from the home, with little in the surroundings."""
    return subprocess.run(
        [str(script)],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": str(script.parent / "home"), **variables},
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


# In place of a browser: goes to an address, keeps what it sees, and ends the page as its button does.
BROWSER = """#!{python}
import re, sys, urllib.request as web
with web.urlopen(sys.argv[1]) as answer:
    root, _, _ = answer.url.partition("/?")
    own = {{"Cookie": answer.headers["Set-Cookie"].partition(";")[0], "Origin": root}}
with web.urlopen(web.Request(root + "/file", headers=own)) as answer:
    seen = answer.read()
open({seen!r}, "wb").write(seen)
(secret,) = set(re.findall(rb'name="csrf" value="[^"]+"', seen))
body = b"csrf=" + secret.split(b'"')[-2]
web.urlopen(web.Request(root + "/close", body, own)).read()
"""


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_double_click_opens_the_page_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoken: str
) -> None:
    pytest.importorskip("uvicorn", reason="what the page needs is not installed")
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    folder = tmp_path / HARD
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").write_text("# of this folder\nimages:\n  folder: null\n")
    assert main(["page", str(folder), "--launchers", "all"]) == 0
    made = {path.suffix: path for path in folder.glob(f"{say('reach.page_launcher')}*")}
    assert sorted(made) == sorted(ENDINGS)
    seen, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(BROWSER.format(python=sys.executable, seen=str(seen)))
    browser.chmod(0o755)
    around = {"BROWSER": str(browser), "DISPLAY": ":0", "XDG_CONFIG_HOME": str(tmp_path)}
    # What the entry of Linux' desktops starts is the same.
    assert (folder / ".segmake-page.sh").read_bytes() == made[".command"].read_bytes()
    done = run(made[".command"], **around)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = seen.read_text()
    assert f'<html lang="{spoken}"' in shown and "# of this folder" in shown
    # Why it does not open stays to be read, until Enter is pressed.
    (folder / "config" / "config.yaml").unlink()
    made[".command"].write_text(made[".command"].read_text().replace(" page ", " page none "))
    failed = run(made[".command"], "\n", **around)
    assert failed.returncode == 1 and "SM-PAG-001" in failed.stdout + failed.stderr
    assert failed.stdout.rstrip().endswith(say("reach.close"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """What is run in place of SegMake: it notes where and how, and fails where it is told to."""
    path = tmp_path / HARD / "bin" / "segmake"
    path.parent.mkdir(parents=True)
    path.write_text(
        '#!/bin/sh\necho "$PWD: $SEGMAKE_LANG: $*"\n[ "$2" != "$FAILS" ] || { echo SM-XYZ-001; exit ${CODE:-1}; }\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_double_click_computes_and_opens_the_report(
    program: Path, monkeypatch: pytest.MonkeyPatch, spoken: str
) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    folder = program.parents[1]
    script, entry = write_launchers(folder, Launchers(str(program), SITE), (".command", ".desktop"))
    assert script.stem == say("reach.launcher")
    subprocess.run(["sh", "-n", str(script)], check=True)
    done = run(script)
    lines = [f"{folder}: {spoken}: remote {words}" for words in ("run --yes", "open")]
    assert (done.returncode, done.stdout.splitlines()) == (0, lines), done.stderr
    # An error stays on the screen until Enter is pressed.
    failed = run(script, "\n", FAILS="run")
    assert failed.returncode == 1 and "SM-XYZ-001" in failed.stdout
    assert say("reach.failed") in failed.stdout and "remote open" not in failed.stdout
    assert failed.stdout.rstrip().endswith(say("reach.close"))
    # Of a run in which some images failed, the report is shown, and it stays as well.
    some = run(script, "\n", FAILS="run", CODE="3")
    assert some.returncode == 1 and some.stdout.splitlines()[0:3:2] == lines
    assert say("remote.some_failed") in some.stdout and say("reach.failed") not in some.stdout
    # The desktop starts the same: once its rules for values and for quoted words are undone.
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(entry.read_text(encoding="utf-8"))
    value = parser["Desktop Entry"]["Exec"].replace("\\\\", "\\").replace("%%", "%")
    # A quoted word of an entry is one of the shell's, too.
    words = subprocess.check_output(["sh", "-c", f"printf '%s\\n' {value}"], text=True)
    started = folder / ".segmake-launcher.sh"
    assert words.splitlines() == ["sh", str(started)]
    assert started.read_bytes() == script.read_bytes()
    assert parser["Desktop Entry"]["Terminal"] == "true" and os.access(entry, os.X_OK)


def test_the_entry_is_one_by_the_desktops_own_rules(program: Path) -> None:
    validate = a_program("desktop-file-validate", "desktop-file-utils")
    (entry,) = write_launchers(program.parents[1], Launchers(str(program), SITE), (".desktop",))
    told = subprocess.run([validate, str(entry)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


def test_where_segmake_is_gone_uv_installs_it_for_the_user(program: Path) -> None:
    folder = program.parents[1]
    (script,) = write_launchers(folder, Launchers("/no/such/segmake", SITE), (".command",))
    # Without uv and without a network: what is tried is said, and what to do.
    said = run(script, "\n")
    assert said.returncode == 1 and say("reach.bringing") in said.stdout
    assert "Jo & Zoé (room <3>) 100%" in said.stdout
    # With uv: it is asked for SegMake, and what it has installed is run.
    local = folder / "home" / ".local" / "bin"
    local.mkdir(parents=True)
    uv = local / "uv"
    uv.write_text(
        f'#!/bin/sh\necho "uv $*"\ncp {shlex.quote(str(program))} "$HOME/.local/bin/segmake"\n'
    )
    uv.chmod(0o755)
    done = run(script)
    assert done.returncode == 0, done.stderr
    package = "segmake[page] @ git+https://git.example.org/segmake.git"
    assert f"uv tool install --python 3.12 {package}" in done.stdout
    assert "remote run --yes" in done.stdout
    # Nothing is fetched from where nobody said that SegMake comes from.
    (script,) = write_launchers(folder, Launchers("/no/such", HandedOut()), (".command",))
    assert "tool install" not in script.read_text()


@pytest.mark.parametrize("open_page", [False, True])
@pytest.mark.parametrize("spoken", LANGUAGES)
def test_what_windows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoken: str, open_page: bool
) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    made = Launchers(rf"C:\Users\Zoé\{HARD}\segmake.exe", SITE, open_page=open_page)
    (path,) = write_launchers(tmp_path, made, (".bat",))
    data = path.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") and not data.startswith(b"\xef\xbb\xbf")
    lines = data.decode("utf-8").splitlines()
    assert lines.index("chcp 65001 >nul") < min(
        n for n, line in enumerate(lines) if not line.isascii()
    )
    # Of a batch file, only a doubled % is one, and ! is one as long as nothing expands later.
    assert rf'set "SEGMAKE=C:\Users\Zoé\{HARD.replace("%", "%%")}\segmake.exe"' in lines
    assert "setlocal DisableDelayedExpansion" in lines
    # Each label that is gone to is there, once.
    labels = [line[1:] for line in lines if line.startswith(":")]
    gone_to = set(re.findall(r"goto (\w+)", "\n".join(lines)))
    assert sorted(labels) == sorted(gone_to)
    deeds = [line for line in lines if line.startswith('"%SEGMAKE%"')]
    wanted = ["page"] if open_page else ["remote run --yes", "remote open"]
    assert deeds == [f'"%SEGMAKE%" {words}' for words in wanted]
    # Outside of quotes, what is said has nothing that cmd takes for a command or a variable.
    for line in lines:
        if line.startswith("echo "):
            assert not re.search(r"(?<!\^)[&|<>]", line), line
            assert not re.search(r"(?<!%)%(?:%%)*(?!%)", line), line
    assert lines[-2:] == ["pause", "exit /b 1"]


def test_runs_get_the_profile_that_was_chosen(program: Path) -> None:
    made = Launchers(str(program), SITE, "local")
    (script,) = write_launchers(program.parents[1], made, (".command",))
    assert "remote run --yes --profile local\n" in run(script).stdout
    assert "remote run --yes --profile local\r\n" in made.bat()


def test_a_file_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    made = launchers(HandedOut())
    write_launchers(tmp_path, made, ENDINGS)
    written = write_launchers(tmp_path, made, ENDINGS)
    assert len({path.suffix for path in written}) == 3
    written[0].write_text("mine")
    with pytest.raises(Problem) as refused:
        write_launchers(tmp_path, made, ENDINGS)
    assert refused.value.code == "SM-REM-047" and written[0].read_text() == "mine"
