"""An experiment of a laptop, computed on another computer by SSH with a real SegMake there, and brought back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segmake.cli import main
from segmake.places import copying
from segmake.remote import running, sending
from segmake.remote.remembered import PlaceFile, write_place
from tests.projects import draw_image, installation
from tests.ssh.laptop import (
    PATIENCE_S,
    SIMULATION,
    Laptop,
    damage,
    draw,
    state,
    wait_for,
)


def test_a_whole_round(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = laptop.experiment.parent / "pictures of été"
    draw(pictures / "a" / "img 1.tif", 1)
    draw(pictures / "img\n2.tif", 2)
    (pictures / "a" / "notes.avi").write_bytes(b"a film that nobody reads")
    laptop.write_config(
        "images:\n  folder: '../pictures of été'  # mine\n"
        "segmentation: {engine: threshold, min_size: 30}\nresults: results\n"
    )
    for action in ("status", "runs"):
        assert laptop.does(action) == 1
        assert "SM-REM-018" in capsys.readouterr().err
    # Seen, and left.
    assert laptop.does("run", "--profile", "local", typed="n\n") == 1
    said = capsys.readouterr().out
    assert "to segment     2" in said and "Nothing was started" in said
    assert laptop.runs() == 0
    said = capsys.readouterr().out
    assert "Sent: 0 files" in said and "2 images done, 3 cells" in said
    # In the words of this computer.
    assert "../pictures of été" in said and "sent/" not in said
    copy = (laptop.there / "config/config.yaml").read_text().splitlines()
    assert copy[1].endswith('pictures of été"  # mine') and copy[1].startswith('  folder: "sent/')
    assert str(laptop.experiment / "config/config.yaml").partition("\n")[2] in "\n".join(copy)
    (sent,) = (path for path in laptop.there.glob("sent/**/*") if path.name == "pictures of été")
    files = sorted(str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file())
    assert files == ["a/img 1.tif", "img\n2.tif"]
    assert (sent / files[0]).read_bytes() == (pictures / files[0]).read_bytes()
    results, over_there = laptop.experiment / "results", laptop.there / "results"
    for name in ("report.html", "cells.csv", "images.csv"):
        assert (results / name).read_bytes() == (over_there / name).read_bytes()
    assert not (results / "masks").exists() and "masks (" in said
    # The next day: one image more, and a table that somebody edited here.
    draw(pictures / "b.tif", 3)
    (pictures / "cut.tif").write_bytes((pictures / "b.tif").read_bytes()[:3000])
    os.utime(pictures / "cut.tif", (1.7e9, 1.7e9))
    (results / "cells.csv").write_text("mine")
    # One that can't be read is no reason to withhold the others.
    assert laptop.does("run", "--yes", "--profile", "local", "--masks") == 3
    said = capsys.readouterr().out
    assert "Sent: 2 files" in said and "3 images done, 1 FAILED" in said
    # Over is over: the last thing that is told is no beginning.
    assert "starting" not in said.partition("cells found")[2]
    assert (results / "changed/cells.csv").read_text() == "mine"
    assert (results / "cells.csv").read_bytes() == (over_there / "cells.csv").read_bytes()
    assert len(list((results / "masks").rglob("*.tif"))) == 3
    # What is not new over there is not brought again over what is edited here.
    (results / "cells.csv").write_text("mine again")
    mask = next((results / "masks").rglob("img 1*.tif"))
    mask.write_text("corrected")
    os.utime(results / "report.html", (1.6e9, 1.6e9))
    assert laptop.does("fetch") == 0
    said = capsys.readouterr().out
    assert "Fetched: 0 files" in said
    assert (results / "cells.csv").read_text() == "mine again"
    # It is said that it is not what was computed, also where only the times are others; and where masks belong.
    assert f"2 files (cells.csv, {mask.relative_to(results)})" in said and "fetch --masks" in said
    assert f"once it is in {results}/corrections" in said and mask.read_text() == "corrected"
    # What a disk has damaged, and looks the same, comes anew where that is asked for.
    damage(results / "images.csv")
    assert laptop.does("fetch") == 0
    assert "Fetched: 0 files" in capsys.readouterr().out
    assert laptop.does("fetch", "--compare") == 0
    assert "Fetched: 1 file." in capsys.readouterr().out
    assert (results / "images.csv").read_bytes() == (over_there / "images.csv").read_bytes()
    assert (results / "cells.csv").read_text() == "mine again"
    shown: list[str] = []
    laptop.monkeypatch.setattr("webbrowser.open", shown.append)
    assert laptop.does("open") == 0
    assert shown == [(results / "report.html").as_uri()]
    assert laptop.does("status", "--json") == 0
    # From elsewhere, with a config that is named as it is seen from there.
    laptop.monkeypatch.chdir(laptop.experiment.parent)
    name = laptop.experiment.name
    capsys.readouterr()
    again = ["--configfile", f"{name}/config/config.yaml", "--again", "1"]
    assert main(["remote", "runs", name, *again]) == 0, capsys.readouterr().err
    capsys.readouterr()


def test_a_run_goes_on_without_anybody(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> None:
    """The connection is cut while it is followed, it is left with Ctrl-C, asked after from elsewhere, and stopped."""
    laptop.write_scripts()
    laptop.write_config("", "scripts/wait")
    laptop.write_config(SIMULATION)
    (laptop.there / "scripts").mkdir(parents=True)
    (laptop.there / "scripts/wait").touch()
    for folder in (laptop.there, laptop.there / "scripts"):
        shutil.chown(folder, laptop.server.user.name)
    # One that a group works in.
    laptop.there.chmod(0o2770)
    first = laptop.starts("run", "--yes", "--profile", "local")
    said: list[str] = []
    assert first.stdout
    for line in first.stdout:
        said.append(line)
        if "Following" in line:
            break
    wait_for(lambda: state(laptop, capsys) == "running", "the run")
    laptop.server.stop()
    for line in first.stdout:
        said.append(line)
        if "is lost" in line:
            break
    laptop.server.start(methods="publickey", segmake=True)
    for line in first.stdout:
        said.append(line)
        if "again" in line:
            break
    first.send_signal(signal.SIGINT)
    out, _ = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 130 and "The run goes on" in out
    assert state(laptop, capsys) == "running"
    # What is fetched meanwhile, or after it was stopped, is told to be of an earlier run.
    assert laptop.does("fetch") == 0
    assert "Its report and its tables come at its end" in capsys.readouterr().out
    laptop.write_config("an earlier one", "results/report.html")
    os.utime(laptop.experiment / "results/report.html", (1.7e9, 1.7e9))
    assert laptop.does("fetch") == 0
    assert "are still those of 2023-11-1" in capsys.readouterr().out
    assert laptop.does("stop") == 0
    said_of_it = capsys.readouterr().out
    assert "Stopped" in said_of_it
    assert state(laptop, capsys) == "stopped"
    assert laptop.does("fetch") == 0
    assert "did not come to its end: the report and the tables are still those of" in (
        capsys.readouterr().out
    )
    assert laptop.does("stop") == 0
    assert "Nothing of this experiment runs" in capsys.readouterr().out
    # It goes on from there.
    (laptop.there / "scripts/wait").unlink()
    assert laptop.runs() == 0
    capsys.readouterr()
    table = laptop.experiment / "results/scripts/grow/all_out.csv"
    assert [line.split(",")[-1] for line in table.read_text().split()] == ["twice", "2", "4"]
    # Whoever else works in it can go on there, and nobody beside the group.
    made = [laptop.there / name for name in ("config", ".segmake-remote", ".snakemake")]
    made += [laptop.there / "results", *(laptop.there / "results").rglob("*")]
    closed = [path for path in made if not path.is_symlink() and not path.stat().st_mode & 0o020]
    assert not closed and not [path for path in made if path.stat().st_mode & 0o002]
    # What is told next is not that run any more, but one that was refused since.
    assert laptop.does("status") == 0
    laptop.write_config(SIMULATION.replace("[1, 2]", "[1, 2, 3]"))
    (laptop.there / "results/report.html").chmod(0o444)
    assert laptop.runs() == 1
    capsys.readouterr()
    assert laptop.does("status") == 1
    assert "SM-REM-074" in capsys.readouterr().out


def test_what_another_account_has_made_or_started_is_told(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    laptop.write_scripts()
    laptop.write_config(SIMULATION)
    report = laptop.there / "results/report.html"
    report.parent.mkdir(parents=True)
    report.write_text("an earlier one")
    name = laptop.server.user.name
    for folder in (laptop.there, report.parent):
        shutil.chown(folder, name)
    assert laptop.runs() == 1
    said = capsys.readouterr().err
    assert "SM-REM-072" in said and "ask root to type" in said and str(report)[-20:] in said
    assert not (laptop.there / "config").exists()
    # What only Snakemake finds is told in other words than its own, and of an earlier run nothing is fetched.
    shutil.chown(report, name)
    report.chmod(0o444)
    assert laptop.runs() == 1
    said = capsys.readouterr().out
    assert "SM-REM-074" in said and ": results/report.html.\n" in said
    assert "Exception" not in said and "Fetched" not in said
    assert not (laptop.experiment / "results/report.html").exists()
    # A run of somebody else is not waited for in vain.
    (note,) = laptop.there.glob(".segmake-remote/*.json")
    with subprocess.Popen(["sleep", "600"]) as anothers:
        try:
            at = Path(f"/proc/{anothers.pid}/stat").read_text().split()[21]
            work = f"{os.uname().nodename} process {anothers.pid} {at}"
            note.write_text(json.dumps({**json.loads(note.read_text()), "work": work}))
            assert laptop.does("stop") == 1
            assert "SM-REM-073" in capsys.readouterr().err and anothers.poll() is None
        finally:
            anothers.kill()
    shutil.chown(laptop.there, 0)
    laptop.there.chmod(0o755)
    assert laptop.does("run", "--yes", "--profile", "local") == 1
    assert f"write to {laptop.there}"[:40] in capsys.readouterr().err


def test_some_that_start_at_one_moment_and_scripts_that_opened_nothing(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run is started, all follow it, and all say that something failed although all went to its end."""
    for name in ("a.tif", "b.tif"):
        draw(laptop.experiment / "images" / name, 2)
    # It goes on until all of them follow it, however long each takes to begin.
    laptop.write_config(
        "import pathlib, time\n"
        "while pathlib.Path(__file__).with_name('wait').exists():\n    time.sleep(0.1)\n",
        "scripts/blind.py",
    )
    laptop.write_config(
        "images: {folder: images}\nsegmentation: {engine: threshold, min_size: 30}\n"
        "scripts:\n  - {name: blind, script: scripts/blind.py, run: image}\n"
    )
    # It is there already, so that both are equally quick.
    assert laptop.does("run", "--profile", "local", typed="n\n") == 1
    (laptop.there / "scripts/wait").touch()
    both: list[subprocess.Popen[str]] = []
    really_send, really_follow = sending.send, running.follow

    def start_both() -> None:
        both.extend(laptop.starts("run", "--yes", "--profile", "local") for _ in range(2))
        for each in both:
            assert each.stdout and any("Following" in line for line in each.stdout)

    async def send_late(*words: Any, **more: Any) -> Any:
        """Send, and see the plan no sooner than the others have begun."""
        sent = await really_send(*words, **more)
        await asyncio.to_thread(start_both)
        return sent

    async def follow_last(*words: Any) -> Any:
        (laptop.there / "scripts/wait").unlink()
        return await really_follow(*words)

    laptop.monkeypatch.setattr(sending, "send", send_late)
    laptop.monkeypatch.setattr(running, "follow", follow_last)
    capsys.readouterr()
    assert laptop.runs() == 3
    late, errors = capsys.readouterr()
    assert "Meanwhile" in late and "Following" in late and "SM-RUN-009" not in late + errors, errors
    said = [late, *(each.stdout.read() for each in both if each.stdout)]
    assert [each.wait() for each in both] == [3, 3], said
    assert all("SM-SCR-043" in text and "2 FAILED" in text for text in said), said
    assert len(list((laptop.there / ".segmake-remote").glob("*.log"))) == 1
    assert not list((laptop.there / ".segmake-remote").glob("*.starting*"))


def test_a_lost_connection_while_sending_and_an_end_of_it(laptop: Laptop) -> None:
    """It goes on by itself, says so, and nothing that only programmers read."""
    laptop.write_config("images: {folder: images}\nsegmentation: {engine: threshold}\n")
    (laptop.experiment / "images").mkdir()

    def sends(name: str) -> subprocess.Popen[str]:
        with (laptop.experiment / "images" / name).open("wb") as file:
            file.truncate(600_000_000)
        os.utime(laptop.experiment / "images" / name, (1.7e9, 1.7e9))
        begun = laptop.starts("run", "--profile", "local")
        parts = (laptop.there / "images").glob
        wait_for(lambda: any(each.stat().st_size for each in parts("*.segmake-part*")), "a part")
        return begun

    begun = sends("first.tif")
    laptop.server.stop()
    said = []
    assert begun.stdout
    for line in begun.stdout:
        said.append(line)
        if "is lost" in line:
            break
    laptop.server.start(methods="publickey", segmake=True)
    rest, _ = begun.communicate(timeout=PATIENCE_S)
    text = "".join([*said, rest])
    assert "Sent: the config and 1 file" in text, text
    assert "Traceback" not in text and "never retrieved" not in text and "Error" not in text
    begun = sends("second.tif")
    begun.send_signal(signal.SIGINT)
    text, _ = begun.communicate(timeout=PATIENCE_S)
    assert begun.returncode == 130 and "What was sent is kept" in text, text
    assert "Traceback" not in text and "never retrieved" not in text
    for file in (laptop.there / "images").iterdir():
        file.unlink()


def test_an_end_of_fetching(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> None:
    laptop.write_config("images: {folder: images}\nsegmentation: {engine: threshold}\n")
    table = laptop.there / "results/cells.csv"
    table.parent.mkdir(parents=True)
    with table.open("wb") as file:
        file.truncate(600_000_000)
    results = laptop.experiment / "results"
    begun = laptop.starts("fetch")
    wait_for(lambda: any(each.stat().st_size for each in results.glob("*.segmake-part*")), "a part")
    begun.send_signal(signal.SIGINT)
    text, _ = begun.communicate(timeout=PATIENCE_S)
    assert begun.returncode == 130 and "What was fetched is kept" in text, text
    assert "Traceback" not in text and "never retrieved" not in text
    # Nothing has its name before it is whole; the rest comes the next time.
    assert not (results / "cells.csv").exists() and list(results.glob("*.segmake-part*"))
    assert laptop.does("fetch") == 0
    assert "Fetched: 1 file" in capsys.readouterr().out
    assert (results / "cells.csv").stat().st_size == 600_000_000
    assert not list(results.glob("*.segmake-part*"))
    table.unlink()
    (results / "cells.csv").unlink()


def test_what_was_saved_just_now_is_waited_for(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    laptop.monkeypatch.setattr(copying, "QUIET_SECONDS", 3)
    laptop.write_config("images: {folder: images}\nsegmentation: {engine: threshold}\n")
    image = laptop.experiment / "images/a.tif"
    draw_image(image, 1)
    slowly = ["sh", "-c", 'while :; do printf x >>"$0"; sleep 0.1; done', str(image)]
    with subprocess.Popen(slowly) as microscope:
        try:
            assert laptop.does("run", "--profile", "local", typed="n\n") == 1
        finally:
            microscope.kill()
    said = capsys.readouterr()
    assert "SM-REM-024" in said.err and "images/a.tif" in said.err and "Start it" not in said.out
    assert "was saved just now" in said.out and "SM-DIR" not in said.out
    draw_image(image, 1)
    assert laptop.does("run", "--profile", "local", typed="n\n") == 1
    said = capsys.readouterr()
    assert "Sent: 1 file" in said.out and "to segment     1" in said.out


def test_what_ended_before_it_began(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that Ctrl-C has ended while it was starting, as it leaves things."""
    laptop.write_scripts()
    laptop.write_config(SIMULATION)
    assert laptop.does("run", "--yes", "--no-wait", "--profile", "local") == 0
    # However far it came, it ends.
    assert laptop.does("stop") == 0
    laptop.does("status")
    said = "".join(capsys.readouterr())
    assert "SM-RUN" not in said and "Traceback" not in said
    notes = laptop.there / ".segmake-remote"
    (log,), (code,) = notes.glob("*.log"), notes.glob("*.code")
    shutil.rmtree(laptop.there / "results", ignore_errors=True)
    log.write_text("Building...\nTraceback (most recent call last):\n  File x\nKeyboardInterrupt\n")
    code.write_text("1\n")
    assert laptop.does("status") == 1
    said = capsys.readouterr().out
    assert "Building" in said and "Traceback" not in said and "File x" not in said
    code.write_text("130\n")
    assert laptop.does("status") == 1
    assert "stopped before it began" in capsys.readouterr().out


def test_errors_over_there_are_told_as_they_are(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    laptop.write_scripts()
    more = "    environment: lab\nenvironments:\n  lab: {existing: /no/such/environment}\n"
    laptop.write_config(
        SIMULATION.replace("- {name: grow, ", "- name: grow\n    ")
        .replace(", run: ", "\n    run: ")
        .replace(", sweep: {rate: [1, 2]}}", "\n    sweep: {rate: [1, 2]}")
        + more
    )
    laptop.monkeypatch.setenv("SEGMAKE_LANG", "fr")
    assert laptop.runs() == 1
    said = "".join(capsys.readouterr())
    assert "config/config.yaml, ligne 9" in said and "/no/such/environment" in said
    # What is wrong here is told before anything is sent.
    laptop.write_config("images: {folder: nowhere}\nsegmentation: {engine: threshold}\n")
    assert laptop.runs() == 1
    assert "SM-REM-025  config/config.yaml, ligne 1" in capsys.readouterr().err
    laptop.write_config("images: {folder: nowhere}\nsegmentation: {engine: treshold}\n")
    assert laptop.runs() == 1
    said = capsys.readouterr()
    assert "SM-CFG-002" in said.err and "ligne 2" in said.err and "SM-DIR" not in said.out
    laptop.write_config('images: {folder: "D:\\new day"}\nsegmentation: {engine: threshold}\n')
    assert laptop.runs() == 1
    assert "SM-CFG-016" in capsys.readouterr().err
    # An engine that is not installed there is told before anything starts, with what to do from here.
    draw(laptop.experiment / "images/a.tif", 1)
    laptop.write_config("images: {folder: images}\nsegmentation: {engine: omnipose}\n")
    assert laptop.runs() == 1
    said = "".join(capsys.readouterr())
    assert "SM-REM-019" in said and "segmake remote setup --engine omnipose" in said
    assert "SM-ENV-001" not in said and "scripts/setup.sh" not in said
    write_place(laptop.experiment, PlaceFile(laptop.server.host, str(laptop.there), "/no/segmake"))
    assert laptop.does("status") == 1
    assert "SM-REM-004" in capsys.readouterr().err


def test_what_the_cluster_sees_is_not_sent(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    home = laptop.server.user.home
    draw(home / "share" / "me" / "monday" / "img.tif", 2)
    # A SegMake with a site file of its own, which says what the share is called on laptops.
    own = installation(home / "segmake")
    (own / "site.yaml").write_text(f"paths:\n  - {{there: {home}/share, here: smb://server/lab}}\n")
    for name in ("segmake", "snakemake"):
        line = f'PYTHONPATH={own}/workflow exec {sys.executable} -m {name} "$@"'
        (own / name).write_text(f"#!/bin/sh\n{line}\n")
        (own / name).chmod(0o755)
    place = PlaceFile(laptop.server.host, str(laptop.there), str(own / "segmake"))
    write_place(laptop.experiment, place)
    laptop.write_config(
        "images: {folder: 'smb://server/lab/me/monday'}\nsegmentation: {engine: threshold}\n"
    )
    assert laptop.does("run", "--profile", "local", typed="n\n") == 1
    said = capsys.readouterr().out
    assert "Sent: the config. No other" in said and "found          1" in said
    copy = (laptop.there / "config/config.yaml").read_text()
    assert f"{{folder: {home}/share/me/monday}}" in copy
    assert not (laptop.there / "sent").exists()
