"""An experiment of a laptop, computed on another computer by SSH with a real SegMake there, and brought back."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from segmake.cli import main
from segmake.places import copying
from segmake.remote import running, sending
from segmake.remote.remembered import PlaceFile, read_place, write_place
from tests.projects import ROOT, draw_image, installation
from tests.ssh.conftest import make_key
from tests.ssh.server import Server

# How long is waited on a machine that has much else to do.
PATIENCE_S = 600

# What no shell and no page may stumble over.
NAME = 'day 1, it\'s "été"\nand more'

SLOW = """\
import argparse, pathlib, time
import helper
parser = argparse.ArgumentParser()
parser.add_argument("--rate"); parser.add_argument("--output-dir", type=pathlib.Path)
options = parser.parse_args()
waiting = pathlib.Path(__file__).with_name("wait")
while waiting.exists():
    time.sleep(0.1)
(options.output_dir / "out.csv").write_text(f"twice\\n{helper.twice(options.rate)}\\n")
"""
SIMULATION = """\
images: {folder: null}
scripts:
  - {name: grow, script: scripts/grow.py, run: sweep, sweep: {rate: [1, 2]}}
"""


@dataclass
class Laptop:
    """A laptop with an experiment, and the other computer."""

    server: Server
    experiment: Path
    there: Path
    monkeypatch: pytest.MonkeyPatch

    def write_config(self, text: str, name: str = "config/config.yaml") -> None:
        path = self.experiment / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def write_scripts(self) -> None:
        self.write_config(SLOW, "scripts/grow.py")
        self.write_config("def twice(rate):\n    return 2 * int(rate)\n", "scripts/helper.py")

    def does(self, *words: str, typed: str = "") -> int:
        """Run ``segmake remote`` and return its exit code."""
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return main(["remote", words[0], str(self.experiment), *words[1:]])

    def runs(self) -> int:
        return self.does("run", "--yes", "--profile", "local")

    def starts(self, *words: str) -> subprocess.Popen[str]:
        """Start ``segmake remote`` as a program of its own."""
        return subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "segmake", "remote", *words],
            cwd=self.experiment,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "SEGMAKE_LANG": "en"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def laptop(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    monkeypatch.setattr(copying, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(running, "PAUSES", (0.5,))
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    monkeypatch.chdir(tmp_path)
    server.permit(make_key())
    server.start(methods="publickey", segmake=True)
    key = (server.folder / "host_key.pub").read_text()
    (tmp_path / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {key}")
    there = server.user.home / f"{tmp_path.name} {NAME}"
    made = Laptop(server, tmp_path / NAME, there, monkeypatch)
    made.experiment.mkdir()
    write_place(made.experiment, PlaceFile(server.host, str(there), f"{sys.prefix}/bin/segmake"))
    return made


def draw(path: Path, cells: int) -> None:
    draw_image(path, cells, seed=cells)
    os.utime(path, (1.7e9, 1.7e9))


def damage(path: Path) -> None:
    """Change what is in a file, and neither its size nor its time."""
    known = path.stat()
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


def wait_for(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.1)


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


def state(laptop: Laptop, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    laptop.does("status", "--json")
    answer = json.loads(capsys.readouterr().out)
    return answer.get("state", answer["answer"])


def test_what_was_edited_over_there_is_shown_and_kept(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends(*words: str) -> tuple[int, str]:
        code = laptop.does("run", "--profile", "local", *words, typed="n\n")
        out, err = capsys.readouterr()
        return code, out + err

    laptop.write_scripts()
    laptop.write_config(SIMULATION)
    assert "Sent: the config and 2 files." in sends()[1]
    assert "Sent: 0 files" in sends()[1]
    # An edit here is sent.
    laptop.write_config(SIMULATION.replace("[1, 2]", "[1, 3]"))
    assert "Sent: the config." in sends()[1]
    copy, script = laptop.there / "config/config.yaml", laptop.there / "scripts/grow.py"
    assert "[1, 3]" in copy.read_text()
    # One over there stops it.
    copy.write_text(copy.read_text().replace("[1, 3]", "[7]"))
    code, said = sends()
    assert code == 1 and "SM-REM-006" in said
    assert "rate: [7]" in said and "rate: [1, 3]" in said and "line 3:" in said
    # Not its note, nor what only programmers read.
    assert said.count("\n  -") == 2 and "@@" not in said
    assert "[7]" in copy.read_text()
    assert "Sent" in sends("--overwrite")[1]
    assert "[1, 3]" in copy.read_text()
    (kept,) = copy.parent.glob("config.yaml.*")
    assert "[7]" in kept.read_text()
    # So does one of a script.
    script.write_text(f"{script.read_text()}# mine\n")
    code, said = sends()
    assert code == 1 and "SM-REM-008" in said and "scripts/grow.py" in said
    assert "# mine" in script.read_text()
    assert "Sent: 1 file" in sends("--overwrite")[1]
    assert "# mine" not in script.read_text()
    assert "# mine" in script.with_name("grow.py.before-1").read_text()
    # A second laptop with the same experiment is at home; with another config, it is told.
    other = Laptop(
        laptop.server, laptop.experiment.with_name("other"), laptop.there, laptop.monkeypatch
    )
    shutil.copytree(laptop.experiment, other.experiment)
    (other.experiment / ".segmake-remote.json").unlink()
    os.utime(other.experiment / "scripts/helper.py", (1.7e9, 1.7e9))
    first, laptop = laptop, other
    laptop.monkeypatch.setenv("XDG_CONFIG_HOME", str(other.experiment.with_name("settings")))
    # Its copy of a module has another time, and holds the same.
    assert "Sent: 0 files." in sends()[1]
    other.write_config(SIMULATION.replace("[1, 2]", "[5]"))
    assert "Sent: the config." in sends()[1]
    other.write_config("def twice(rate):\n    return 1 + int(rate)\n", "scripts/helper.py")
    assert "Sent: 1 file" in sends()[1]
    laptop = first
    laptop.monkeypatch.delenv("XDG_CONFIG_HOME")
    code, said = sends()
    assert code == 1 and "SM-REM-008" in said and "scripts/helper.py" in said
    # Taken over, as is said.
    shutil.copy(other.experiment / "scripts/helper.py", first.experiment / "scripts")
    code, said = sends()
    assert code == 1 and "SM-REM-007" in said and "rate: [5]" in said


def test_what_is_gone_here_is_computed_no_more(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends(*words: str) -> str:
        laptop.does("run", "--profile", "local", *words, typed="n\n")
        return "".join(capsys.readouterr())

    images, there = laptop.experiment / "images", laptop.there / "images"
    for cells, name in enumerate(("a.tif", "day 2/b\n.tif", "c.tif", "d.tif"), 1):
        draw(images / name, cells)
    laptop.write_config(
        "images: {folder: images}\nsegmentation: {engine: threshold, min_size: 30}\n"
    )
    for name in ("c", "d"):
        laptop.write_config("", f"results/corrections/{name}_masks.tif")
    assert "Sent: the config and 6 files." in sends()
    damage(there / "a.tif")
    assert "Sent: 0 files" in sends() and "Sent: 1 file." in sends("--compare")
    assert (there / "a.tif").read_bytes() == (images / "a.tif").read_bytes()
    # Deleted, renamed; a correction is taken back; one that is left out by the config is still here.
    (images / "day 2/b\n.tif").unlink()
    (images / "c.tif").rename(images / "WT.tif")
    # Another one was changed over there meanwhile.
    for name in ("c", "d"):
        (laptop.experiment / f"results/corrections/{name}_masks.tif").unlink()
    (laptop.there / "results/corrections/d_masks.tif").write_text("edited")
    laptop.write_config(
        "images: {folder: images, exclude: [d.tif]}\n"
        "segmentation: {engine: threshold, min_size: 30}\n"
    )
    said = sends()
    assert "Sent: the config and 1 file." in said and "3 files that were sent earlier" in said
    assert "1 file (results/corrections/d_masks.tif)" in said
    aside = laptop.there / ".segmake-remote/set-aside"
    assert sorted(path.name for path in aside.rglob("*") if path.is_file()) == sorted(
        ["b\n.tif", "c.tif", "c_masks.tif"]
    )
    assert sorted(path.name for path in there.rglob("*")) == ["WT.tif", "a.tif", "d.tif"]
    # What comes back is sent again; the second time that it goes, nothing that was kept is lost.
    for size in (5, 6):
        draw(images / "c.tif", size)
        assert "Sent: 1 file" in sends()
        (images / "c.tif").unlink()
        assert "One file that was sent earlier" in sends()
    assert len(list((aside / "images").glob("c.tif*"))) == 3
    # Another laptop has another image of one name, the same one with another time, and none of the others.
    other = Laptop(
        laptop.server, laptop.experiment.with_name("other"), laptop.there, laptop.monkeypatch
    )
    shutil.copytree(laptop.experiment / "config", other.experiment / "config")
    shutil.copy(laptop.experiment / "segmake.place", other.experiment)
    draw(other.experiment / "images/WT.tif", 9)
    os.utime(other.experiment / "images/WT.tif", (1.6e9, 1.6e9))
    shutil.copy(images / "a.tif", other.experiment / "images/a.tif")
    ours, laptop = laptop, other
    # With settings of its own, as another laptop has them.
    laptop.monkeypatch.setenv("XDG_CONFIG_HOME", str(other.experiment.with_name("settings")))
    said = sends()
    assert "SM-REM-022" in said and "images/WT.tif" in said and "a.tif" not in said
    assert (there / "WT.tif").read_bytes() == (images / "WT.tif").read_bytes()
    (other.experiment / "images/WT.tif").rename(other.experiment / "images/KO.tif")
    said = sends("--also-there")
    assert "Sent: 1 file." in said and "there is an image more" in said and "WT.tif" in said
    # What the first one sent stays, whatever becomes of it here; and the other way round.
    (other.experiment / "images/a.tif").unlink()
    assert "there are 2 images more" in sends()
    laptop = ours
    laptop.monkeypatch.delenv("XDG_CONFIG_HOME")
    draw(other.experiment / "images/KO.tif", 2)
    (images / "WT.tif").unlink()
    said = sends()
    assert "One file that was sent earlier" in said and "KO.tif" in said
    # Renamed over there: nothing is sent anew without being asked.
    laptop.there.rename(laptop.there.with_name("moved"))
    said = sends("--yes")
    assert "SM-REM-017" in said and not laptop.there.exists()
    assert laptop.does("status") == 1 and "SM-REM-017" in capsys.readouterr().err
    assert "Sent: the config and 1 file." in sends("--anew")
    # Whoever wants it so replaces another's image, which is kept.
    draw(there / "a.tif", 7)
    os.utime(there / "a.tif", (1.5e9, 1.5e9))
    theirs = (there / "a.tif").read_bytes()
    assert "SM-REM-022" in sends() and "Sent: 1 file" in sends("--overwrite")
    assert (aside / "images/a.tif").read_bytes() == theirs
    assert (there / "a.tif").read_bytes() == (images / "a.tif").read_bytes()


def test_images_that_only_the_other_computer_has_are_asked_about(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends(*words: str, typed: str = "n\n") -> str:
        assert laptop.does("run", "--profile", "local", *words, typed=typed) == 1
        return "".join(capsys.readouterr())

    def names(folder: str) -> None:
        laptop.write_config(f"images: {{folder: {folder}}}\nsegmentation: {{engine: threshold}}\n")

    images, disk = laptop.experiment / "images", laptop.experiment.parent / "disk"
    for cells, path in enumerate((images / "a.tif", images / "b.tif", disk / "c.tif"), 1):
        draw(path, cells)
    names("[images, ../disk]")
    assert "Sent: the config and 3 files." in sends()
    # A disk that is away: refused without a question, asked about with one, computed if that is wanted.
    disk.rename(disk.with_name("away"))
    assert "SM-REM-070" in sends("--yes")
    said = sends()
    assert "folder of images ../disk" in said and "1 file." in said and "Nothing was sent" in said
    for said in (sends(typed="y\nn\n"), sends("--also-there")):
        assert "found          3" in said and "../disk" in said and "sent/" not in said
        assert "SM-REM-025" not in said and "on this computer (" not in said
    # It is the same for a folder that is empty, such as that of a share; nothing of it is set aside.
    disk.mkdir()
    assert "SM-REM-070" in sends("--yes")
    assert "found          3" in sends("--also-there")
    # Renamed here: no image is computed under two names.
    images.rename(images.with_name("photos"))
    shutil.rmtree(disk)
    (laptop.experiment.parent / "away").rename(disk)
    assert "2 files." in sends("--yes")
    names("[photos, ../disk]")
    assert "found          3" in sends()
    names("[images, photos, ../disk]")
    assert "SM-REM-070" in sends("--yes")
    # One that never was anywhere is told as before.
    names("[photos, nowhere]")
    assert "SM-REM-025" in sends("--yes")
    # A folder that is still there is not forgotten, and what is deleted here goes from the tables all the same.
    names("[photos, ../disk]")
    (laptop.experiment / "photos/a.tif").unlink()
    said = sends("--anew")
    assert "nothing is forgotten" in said and "One file that was sent earlier" in said
    assert "found          2" in said
    # Another experiment that gets into this folder does not go without a word, and nothing of it is written.
    other = Laptop(
        laptop.server, laptop.experiment.with_name("other"), laptop.there, laptop.monkeypatch
    )
    shutil.copytree(laptop.experiment / "config", other.experiment / "config")
    shutil.copy(laptop.experiment / "segmake.place", other.experiment)
    draw(other.experiment / "photos/z.tif", 4)
    laptop.monkeypatch.setenv("XDG_CONFIG_HOME", str(other.experiment.with_name("settings")))
    shutil.rmtree(disk)
    laptop = other
    names("photos")
    for said in (sends("--yes"), sends()):
        assert "SM-REM-071" in said and "photos/b.tif" in said
    assert not (laptop.there / "photos/z.tif").exists()
    assert "SM-REM-007" in sends("--also-there")
    assert "found          2" in sends("--also-there", "--overwrite")
    assert "SM-REM-071" not in sends()


def test_a_folder_that_lies_or_is_called_otherwise_is_known(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends() -> str:
        laptop.does("run", "--profile", "local", typed="n\n")
        return "".join(capsys.readouterr())

    def fetches() -> str:
        assert laptop.does("fetch") == 0
        return "".join(capsys.readouterr())

    def goes(folder: Path, host: str = "") -> None:
        place = read_place(laptop.experiment)
        write_place(laptop.experiment, replace(place, host=host or place.host, folder=str(folder)))

    def edits(min_size: int) -> None:
        laptop.write_config(
            f"images: {{folder: images}}\nsegmentation: {{engine: threshold, min_size: {min_size}}}\n"
        )

    def computes(folder: Path, text: str) -> None:
        user = laptop.server.user.name
        (folder / "results").mkdir(exist_ok=True)
        shutil.chown(folder / "results", user)
        for name in ("cells.csv", "images.csv"):
            (folder / "results" / name).write_text(text)
            shutil.chown(folder / "results" / name, user)
            os.utime(folder / "results" / name, (1.7e9, 1.7e9))

    images, results = laptop.experiment / "images", laptop.experiment / "results"
    for cells, name in enumerate(("a.tif", "b.tif", "c.tif")):
        draw(images / name, cells)
    edits(30)
    assert "Sent: the config and 3 files." in sends()
    first, moved, again, new = (
        laptop.there,
        *(Path(f"{laptop.there} {name}") for name in ("moved", "moved again", "new")),
    )
    computes(first, "first")
    assert "Fetched: 2 files" in fetches()
    # Moved over there: what was sent from here is known, and what was fetched.
    first.rename(moved)
    goes(moved)
    (results / "cells.csv").write_text("edited here")
    assert "Fetched: 0 files" in fetches()
    (images / "b.tif").unlink()
    edits(31)
    said = sends()
    assert "One file that was sent earlier" in said and "Sent: the config." in said
    assert sorted(path.name for path in (moved / "images").iterdir()) == ["a.tif", "c.tif"]
    # Moved once more, edited there, and under another name of the computer.
    copy = moved / "config/config.yaml"
    copy.write_text(copy.read_text().replace("31", "77"))
    moved.rename(again)
    known = Path("~/.ssh/known_hosts").expanduser()
    known.write_text(f"{known.read_text()}{known.read_text().replace('127.0.0.1', 'localhost')}")
    goes(again, laptop.server.host.replace("127.0.0.1", "localhost"))
    assert "SM-REM-006" in sends()
    edits(77)
    assert "Sent: 0 files" in sends()
    # A new place gets all; what is here as it came from the old one was edited by nobody.
    goes(new)
    assert "Sent: the config and 2 files." in sends()
    computes(new, "a newer one")
    said = fetches()
    assert "Fetched: 2 files" in said and "1 file (cells.csv)" in said
    assert (results / "changed/cells.csv").read_text() == "edited here"
    assert (results / "images.csv").read_text() == "a newer one"
    # And back: it is as it was left.
    goes(again)
    edits(78)
    (images / "c.tif").unlink()
    said = sends()
    assert "One file that was sent earlier" in said and "Sent: the config." in said


def test_what_has_only_another_time_is_neither_sent_nor_fetched_anew(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    """An experiment that was copied to another disk, or from a backup."""

    def sends() -> str:
        laptop.does("run", "--profile", "local", typed="n\n")
        return "".join(capsys.readouterr())

    images, results = laptop.experiment / "images", laptop.experiment / "results"
    for cells, name in enumerate(("a.tif", "b.tif", "c.tif")):
        draw(images / name, cells)
    laptop.write_config("images: {folder: images}\nsegmentation: {engine: threshold}\n")
    assert "Sent: the config and 3 files." in sends()
    for path in images.iterdir():
        os.utime(path, (1.6e9, 1.6e9))
    assert "Sent: 0 files" in sends() and "Sent: 0 files" in sends()
    assert {path.stat().st_mtime for path in (laptop.there / "images").iterdir()} == {1.7e9}
    # One that holds something else is.
    image = images / "c.tif"
    image.write_bytes(bytes([image.read_bytes()[0] ^ 1]) + image.read_bytes()[1:])
    assert "Sent: 1 file." in sends()
    assert (laptop.there / "images/c.tif").read_bytes() == image.read_bytes()
    tables = [laptop.there / "results" / name for name in ("cells.csv", "images.csv")]
    for path in tables:
        path.parent.mkdir(exist_ok=True)
        path.write_text("the first")
    assert laptop.does("fetch") == 0
    assert "Fetched: 2 files" in capsys.readouterr().out
    for path in results.iterdir():
        os.utime(path, (1.6e9, 1.6e9))
    (laptop.experiment / ".segmake-remote.json").unlink()
    assert laptop.does("fetch") == 0
    said = capsys.readouterr().out
    assert "Fetched: 0 files" in said and "changed" not in said
    # So they count as they came: nobody edited them when the next ones come.
    for path in tables:
        path.write_text("a second")
    assert laptop.does("fetch") == 0
    assert "Fetched: 2 files" in capsys.readouterr().out
    assert (results / "cells.csv").read_text() == "a second"
    assert not (results / "changed").exists()


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
