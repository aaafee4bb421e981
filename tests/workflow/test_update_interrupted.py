"""An update that was killed, failed, or had no room: the same command goes on, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.disks import small_disk
from tests.workflow.updates import (
    CONFIG,
    OTHER_DEFAULT,
    Installation,
    git,
)


def run(installed: Installation, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=installed.environment(),
        cwd=installed.root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_set_up_that_fails_is_gone_on_with(installed: Installation) -> None:
    commit = installed.publish(OTHER_DEFAULT)
    installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.write(".environments/fails", "")
    installed.refused("SM-UPD-011")
    # Until it is over, the user's own file is in force.
    assert installed.settings()["segmentation"]["diameter"] == 22
    assert "is not over" in installed.update("--check")
    # An edit of the meantime counts, too.
    installed.edit(CONFIG, "min_size: 15", "min_size: 17")
    (installed.root / ".environments" / "fails").unlink()
    said = installed.update()
    assert "Going on" in said and installed.head() == commit
    settings = installed.settings()["segmentation"]
    assert (settings["diameter"], settings["min_size"]) == (22, 17)


def test_a_set_up_that_fails_can_be_gone_back_from(installed: Installation) -> None:
    before = installed.head()
    installed.publish(OTHER_DEFAULT)
    own = installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.write(".environments/fails", "")
    installed.refused("SM-UPD-011")
    (installed.root / ".environments" / "fails").unlink()
    installed.update("--back")
    assert installed.head() == before
    assert installed.read(CONFIG) == own


# How many steps there are in what follows: git, notes, files that are copied or put.
STEPS = 20


@pytest.mark.parametrize(
    "step",
    [n if n == 12 else pytest.param(n, marks=pytest.mark.long) for n in range(1, STEPS + 2)],
)
def test_killed_at_any_step_the_same_command_goes_on_and_nothing_is_lost(
    installed: Installation, step: int
) -> None:
    """Killed before the step of that number: each command of git, each note, each file that is put."""
    commit = installed.publish(
        OTHER_DEFAULT,
        ("scripts/new.txt", "", "theirs"),
        ("scripts/template.py", installed.read("scripts/template.py").splitlines()[0], "# theirs"),
    )
    own = installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.write("scripts/new.txt", "mine")
    script = installed.edit(
        "scripts/template.py", installed.read("scripts/template.py").splitlines()[0], "# mine"
    )
    growth = installed.edit("scripts/growth_curve.py", "import", "import  ")
    code = f"""
import os, signal, sys
from segmake.updates import clone, edits, record, update
number = 0
def counted(place, name):
    function = getattr(place, name)
    def wrapper(*words, **named):
        global number
        number += 1
        if number == {step}:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*words, **named)
    setattr(place, name, wrapper)
real = clone.Clone.git
def git(self, *words):
    global number
    if words[0] in ("merge", "reset", "checkout"):
        number += 1
        if number == {step}:
            if words[0] == "merge":
                # It was killed in its midst, too.
                (self.root / ".git/index.lock").touch()
                (self.root / "scripts/gillespie.py").write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *words)
clone.Clone.git = git
counted(record, "_write")
counted(edits, "put")
counted(update, "put")
counted(update, "_write")
counted(edits.shutil, "copy2")
counted(update, "_set_up")
update._continue_as_new = update.go_on
from segmake.cli import main
sys.exit(main(["update", "--yes"]))
"""
    killed = run(installed, code)
    assert killed.returncode == (-signal.SIGKILL if step <= STEPS else 0), killed.stderr
    installed.update()
    assert installed.head() == commit
    assert installed.settings()["segmentation"]["diameter"] == 22
    assert installed.settings()["segmentation"]["min_size"] == 15
    everything = installed.tree().values()
    assert own.encode() in everything, "the config as it was"
    assert b"mine" in everything
    assert script.encode() in everything
    assert installed.read("scripts/growth_curve.py") == growth
    assert installed.read("scripts/new.txt") == "theirs"
    assert not (installed.root / ".git" / "index.lock").exists()
    edited = git(installed.root, "diff", "--name-only").split()
    assert edited == [CONFIG, "scripts/growth_curve.py"]


def test_a_full_disk_is_told_and_the_same_command_goes_on(installed: Installation) -> None:
    commit = installed.publish(OTHER_DEFAULT)
    own = installed.edit(CONFIG, "diameter: null", "diameter: 22")
    code = """
import errno, sys
from segmake.updates import edits, update
def full(source, place):
    raise OSError(errno.ENOSPC, "No space left on device", str(place))
edits.put = full
from segmake.cli import main
sys.exit(main(["update", "--yes"]))
"""
    failed = run(installed, code)
    assert failed.returncode == 1 and "SM-RUN-040" in failed.stderr
    installed.update()
    assert installed.head() == commit
    assert installed.settings()["segmentation"]["diameter"] == 22
    assert installed.kept()[0].read_text() == own


@pytest.mark.parametrize(
    "left",
    [
        0,
        *(
            pytest.param(kb, marks=pytest.mark.long)
            for kb in (8, 16, 24, 40, 60, 80, 120, 160, 200)
        ),
    ],
)
def test_on_a_disk_that_is_really_full_nothing_is_lost(
    published: Path, tmp_path: Path, left: int
) -> None:
    """As many kilobytes are left: git, the notes or the copies have no room."""
    git(tmp_path, "clone", "--quiet", "--shared", str(published), str(tmp_path / "origin"))
    with small_disk(tmp_path / "disk", "100m"):
        target = tmp_path / "disk" / "clone"
        git(tmp_path, "clone", "--quiet", "--shared", str(tmp_path / "origin"), str(target))
        one = Installation(tmp_path / "origin", target)
        large = "".join(f"# {number}\n" for number in range(20_000))
        commit = one.publish(OTHER_DEFAULT, ("scripts/large.py", "", large))
        own = one.edit(CONFIG, "diameter: null", "diameter: 22")
        growth = one.edit("scripts/growth_curve.py", "import", "import  ")
        filler = tmp_path / "disk" / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        os.truncate(filler, filler.stat().st_size - left * 1024)
        done = one.segmake("update", "--yes")
        assert done.returncode == 1, done.stdout
        assert "SM-RUN-040" in done.stderr, done.stderr
        assert own.encode() in one.tree().values() or own.encode() in [
            path.read_bytes() for path in (one.root / ".git" / "segmake").rglob("config.yaml")
        ]
        filler.unlink()
        one.update()
        assert one.head() == commit
        assert one.settings()["segmentation"]["diameter"] == 22
        assert own.encode() in one.tree().values()
        assert one.read("scripts/growth_curve.py") == growth
        assert one.read("scripts/large.py") == large


def test_an_interrupted_update_is_noted_where_git_clean_does_not_reach(
    installed: Installation,
) -> None:
    installed.publish(OTHER_DEFAULT)
    installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.write(".environments/fails", "")
    installed.refused("SM-UPD-011")
    git(installed.root, "clean", "-qxfd")
    noted = json.loads((installed.root / ".git" / "segmake" / "under_way.json").read_text())
    assert noted["stage"] == "placed"
