"""`segmake update` in real git clones; a stand-in for the set-up notes that it was called, and installs nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from segmake.config.load import load_config
from tests.disks import small_disk
from tests.projects import ROOT, draw_image

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.org")
PARTS = (
    "workflow",
    "config",
    "scripts",
    "profiles",
    "CHANGELOG.md",
    "environment.yml",
    ".gitignore",
)
CONFIG = "config/config.yaml"
VERSIONS = "workflow/segmake/core/versions.py"
SETUP = """\
#!/usr/bin/env bash
cd "$(dirname "$0")/.."
mkdir -p .environments
echo '*' > .environments/.gitignore
echo "$* $(cat environment.yml | wc -l)" >> .environments/called.txt
if [ -e .environments/fails ]; then exit 1; fi
if [ -e .environments/hangs ]; then touch .environments/waits; sleep 60; fi
"""


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Installation:
    """A clone that somebody uses, and the repository that it came from."""

    origin: Path
    root: Path

    def publish(self, *changes: tuple[str, str, str], version: str | None = None) -> str:
        """Commit changes (file, text, text in its place; no text: the whole file) to the repository."""
        init = "workflow/segmake/__init__.py"
        more = [(init, '__version__ = "0.2.0"', f'__version__ = "{version}"')] if version else []
        for name, old, new in [*changes, *more]:
            path = self.origin / name
            text = path.read_text() if path.exists() else ""
            assert old in text
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace(old, new) if old else new)
        git(self.origin, "add", "-A")
        git(self.origin, "commit", "--quiet", "-m", "A newer version")
        return git(self.origin, "rev-parse", "HEAD").strip()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> str:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))
        return text.replace(old, new)

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "segmake", *words]

    def environment(self, language: str = "en") -> dict[str, str]:
        path = str(self.root / "workflow")
        return {
            **os.environ,
            "PYTHONPATH": path,
            "SEGMAKE_LANG": language,
            "HOME": str(self.root.parent),
        }

    def segmake(self, *words: str, language: str = "en") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment(language),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def update(self, *words: str) -> str:
        done = self.segmake("update", *words, *(["--yes"] if "--check" not in words else []))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, code: str, *words: str) -> str:
        done = self.segmake("update", "--yes", *words)
        assert done.returncode == 1, done.stdout
        assert code in done.stderr, done.stderr
        return done.stderr

    def head(self) -> str:
        return git(self.root, "rev-parse", "HEAD").strip()

    def kept(self, folder: str = "config") -> list[Path]:
        return sorted((self.root / folder).glob("*.before-*"))

    def settings(self, name: str = CONFIG) -> dict:
        return load_config(self.root / name, images=False).settings

    def tree(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".git" not in path.parts and "__pycache__" not in path.parts
        }


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with SegMake as it is on the disk now."""
    folder = tmp_path_factory.mktemp("published")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / "scripts" / "setup.sh").write_text(SETUP)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "As it is")
    # By its content: else each clone would be compiled anew.
    words = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "workflow/segmake")
    subprocess.run([sys.executable, *words], cwd=folder, check=True)
    return folder


@pytest.fixture
def installed(published: Path, tmp_path: Path) -> Installation:
    for source, target in (
        (published, tmp_path / "origin"),
        (tmp_path / "origin", tmp_path / "clé n° 1"),
    ):
        git(tmp_path, "clone", "--quiet", "--shared", str(source), str(target))
    one = Installation(tmp_path / "origin", tmp_path / "clé n° 1")
    for compiled in published.rglob("__pycache__"):
        shutil.copytree(compiled, one.root / compiled.relative_to(published), copy_function=os.link)
    return one


RAISED = (VERSIONS, '"threshold": 1', '"threshold": 2')
NEWS = (
    "CHANGELOG.md",
    "## 0.2.0 (unreleased)\n",
    "## 0.2.0 (unreleased)\n\n- Cells of two colours.\n",
)
OTHER_DEFAULT = (CONFIG, "min_size: 15", "min_size: 40")


def test_check_says_what_is_new_and_what_is_computed_again_and_changes_nothing(
    installed: Installation,
) -> None:
    error = '\n[KE-999]\nbefore = "0.3.0"\nsteps = ["measure"]\n' + "".join(
        f'{part}.en = "{part} of it"\n{part}.fr = "{part} de cela"\n'
        for part in ("title", "wrong", "when", "do")
    )
    errors = "workflow/segmake/plan/known_errors.toml"
    installed.publish(
        RAISED,
        NEWS,
        (errors, "\n[KE-002]\n", f"{error}\n[KE-002]\n"),
        ("workflow/envs/cellpose3.yaml", "cellpose==3.1.1.3", "cellpose==3.1.1.4"),
        version="0.3.0",
    )
    (installed.root / ".environments" / "cellpose3" / "bin").mkdir(parents=True)
    before = installed.tree()
    said = installed.update("--check")
    assert installed.tree() == before
    assert "SegMake 0.3.0" in said
    assert "- Cells of two colours." in said and "Positions without a name" not in said
    assert "Cells are found again with the engine threshold" in said
    assert "cellpose3," not in said
    assert "KE-999" in said and "title of it. wrong of it do of it" in said
    assert "Environment cellpose3: 1 package gets" in said
    french = installed.segmake("update", "--check", language="fr").stdout
    assert "cherchées à nouveau avec le moteur threshold" in french and "title de cela" in french


def test_check_says_that_nothing_is_computed_again(installed: Installation) -> None:
    installed.publish(NEWS)
    assert "Nothing that is finished would be computed again" in installed.update("--check")


def test_without_an_answer_nothing_is_changed(installed: Installation) -> None:
    installed.publish(NEWS)
    before = installed.tree()
    done = installed.segmake("update")
    assert done.returncode == 1
    assert "--yes" in done.stdout
    assert installed.tree() == before


def test_an_edited_config_has_its_settings_with_the_new_comments(installed: Installation) -> None:
    installed.publish(OTHER_DEFAULT, (CONFIG, "# ---", "# new ---"), version="0.3.0")
    # What the user states counts, also where it is what the version before had.
    own = installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.write("config/mine.txt", "mine")
    before = installed.settings()
    said = installed.update()
    after = installed.settings()
    assert after == before and after["segmentation"]["diameter"] == 22
    assert after["segmentation"]["min_size"] == 15
    (kept,) = installed.kept()
    assert "config.before-0.3.0-" in kept.name and kept.name in said
    assert kept.read_text() == own
    assert "0.3.0" in installed.segmake("--version").stdout
    assert installed.read("config/mine.txt") == "mine"
    # The clone's own file is in its new form: another update has nothing to merge.
    assert git(installed.root, "status", "--porcelain", CONFIG).startswith(" M")


def test_a_config_that_nobody_edited_is_the_new_one(installed: Installation) -> None:
    installed.publish(OTHER_DEFAULT)
    installed.update()
    assert installed.settings()["segmentation"]["min_size"] == 40
    assert installed.kept() == []


def test_a_config_with_results_stays_in_force_though_nobody_edited_it(
    installed: Installation,
) -> None:
    installed.publish(OTHER_DEFAULT)
    (installed.root / "results" / ".segmake").mkdir(parents=True)
    installed.update()
    assert installed.settings()["segmentation"]["min_size"] == 15


def test_a_setting_that_is_gone_is_told_with_its_line_and_kept(installed: Installation) -> None:
    installed.publish((CONFIG, "# ---", "# new ---"))
    installed.edit(CONFIG, "  diameter: null", "  halo: 3\n  diameter: 31")
    line = installed.read(CONFIG).splitlines().index("  halo: 3") + 1
    said = installed.update()
    assert f"segmentation / halo, line {line}" in said
    assert "halo: 3" not in installed.read(CONFIG)
    assert "halo: 3" in installed.kept()[0].read_text()
    assert installed.settings()["segmentation"]["diameter"] == 31


def test_a_config_that_is_no_yaml_stays_as_it_is(installed: Installation) -> None:
    installed.publish((CONFIG, "# ---", "# new ---"))
    installed.write(CONFIG, "images: [\n")
    assert "SM-CFG-066" in installed.update()
    assert installed.read(CONFIG) == "images: [\n"


def test_other_edited_files_are_joined_or_kept(installed: Installation) -> None:
    profile, script = "profiles/slurm/profile.yaml", "scripts/template.py"
    first, last = installed.read(script).splitlines()[0], installed.read(script).splitlines()[-1]
    installed.publish(
        (profile, installed.read(profile).splitlines()[-1], "theirs: 1"),
        (script, last, f"{last}  # new"),
    )
    installed.edit(script, first, f"{first}  # mine")
    own = installed.edit(profile, installed.read(profile).splitlines()[-1], "mine: 1")
    # A file that the new version leaves alone, and one that is staged.
    installed.edit("scripts/growth_curve.py", "import", "import  ")
    installed.write("scripts/mine.py", "mine")
    git(installed.root, "add", "scripts/mine.py")
    said = installed.update()
    joined = installed.read(script)
    assert "# mine" in joined and "# new" in joined
    (kept,) = installed.kept("profiles/slurm")
    assert kept.read_text() == own and kept.name in said
    assert "theirs: 1" in installed.read(profile)
    assert "import  " in installed.read("scripts/growth_curve.py")
    assert installed.read("scripts/mine.py") == "mine"


@pytest.mark.parametrize(
    "kind",
    [
        "file",
        "in the way",
        *(pytest.param(kind, marks=pytest.mark.long) for kind in ("ignored", "staged", "folder")),
    ],
)
def test_what_the_new_version_brings_too_is_kept(installed: Installation, kind: str) -> None:
    name = "scripts/new/new.txt"
    installed.publish((name, "", "theirs"))
    if kind == "ignored":
        installed.write(".git/info/exclude", "new.txt\n")
    own = {"folder": f"{name}/own.txt", "in the way": "scripts/new"}.get(kind, name)
    installed.write(own, "mine")
    if kind == "staged":
        git(installed.root, "add", own)
    said = installed.update()
    assert installed.read(name) == "theirs"
    texts = [
        p.read_text() for p in installed.root.rglob("*") if p.is_file() and "before-" in str(p)
    ]
    assert texts == ["mine"]
    assert "before-" in said


def test_a_config_that_git_was_told_to_pass_over_is_kept(installed: Installation) -> None:
    installed.publish(OTHER_DEFAULT)
    git(installed.root, "update-index", "--skip-worktree", CONFIG)
    installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.update()
    assert installed.settings()["segmentation"]["diameter"] == 22
    assert installed.settings()["segmentation"]["min_size"] == 15


def test_environments_are_brought_up_to_date_by_the_new_set_up(installed: Installation) -> None:
    (installed.root / ".environments" / "cellpose3" / "bin").mkdir(parents=True)
    installed.publish(("scripts/setup.sh", "$*", "new $*"))
    installed.update()
    called = [
        line.rsplit(" ", 1)[0] for line in installed.read(".environments/called.txt").splitlines()
    ]
    assert called == ["new --brief --engine none", "new --brief --engine cellpose3"]


def test_what_is_up_to_date_gets_its_environments_alone(installed: Installation) -> None:
    head = installed.head()
    assert "up to date" in installed.update()
    assert installed.head() == head
    assert "--engine none" in installed.read(".environments/called.txt")


# ---- what stands in the way


def no_network(one: Installation) -> None:
    one.origin.rename(one.origin.with_name("gone"))


def detached(one: Installation) -> None:
    git(one.root, "checkout", "--quiet", "--detach")


def no_upstream(one: Installation) -> None:
    git(one.root, "branch", "--unset-upstream")


def own_commits(one: Installation) -> None:
    one.write("own.txt", "mine")
    git(one.root, "add", "own.txt")
    git(one.root, "commit", "--quiet", "-m", "Mine")


def half_merged(one: Installation) -> None:
    git(one.root, "checkout", "--quiet", "-b", "other")
    one.edit("environment.yml", "name:", "# other\nname:")
    git(one.root, "commit", "--quiet", "-a", "-m", "Other")
    git(one.root, "checkout", "--quiet", "main")
    one.edit("environment.yml", "name:", "# mine\nname:")
    git(one.root, "commit", "--quiet", "-a", "-m", "Mine")
    subprocess.run(["git", *IDENTITY, "merge", "-q", "other"], cwd=one.root, capture_output=True)


def without_git_folder(one: Installation) -> None:
    (one.root / ".git").rename(one.root.parent / "kept.git")


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("SM-UPD-001", without_git_folder),
        ("SM-UPD-004", detached),
        ("SM-UPD-005", no_upstream),
        ("SM-UPD-006", no_network),
        ("SM-UPD-007", own_commits),
        ("SM-UPD-008", half_merged),
    ],
)
def test_what_stands_in_the_way_is_told_and_nothing_is_changed(
    installed: Installation, code: str, spoil: Callable[[Installation], None]
) -> None:
    installed.publish(NEWS)
    installed.edit("scripts/template.py", "import", "import  ")
    spoil(installed)
    before = installed.tree()
    installed.refused(code)
    assert installed.tree() == before


def test_without_git_it_says_so(installed: Installation, tmp_path: Path) -> None:
    environment = {**installed.environment(), "PATH": str(tmp_path)}
    done = subprocess.run(
        installed.command("update"), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "SM-UPD-002" in done.stderr


def test_what_can_only_be_read_names_whom_to_ask(installed: Installation) -> None:
    installed.publish(NEWS)
    code = (
        "from segmake.core import installation; installation.is_shared = lambda: True\n"
        "from segmake.cli import main; raise SystemExit(main(['update', '--yes']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=installed.environment(),
        cwd=installed.root.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "SM-UPD-003" in done.stderr
    assert installed.root.owner() in done.stderr


def test_a_run_at_work_is_a_refusal(installed: Installation) -> None:
    installed.publish(NEWS)
    lock = installed.root / "results" / ".segmake" / "lock"
    lock.parent.mkdir(parents=True)
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); f.write('7\\thost\\tnow'); f.flush(); print(1, flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout and holder.stdout.readline()
        before = installed.tree()
        assert "process 7 on host" in installed.refused("SM-UPD-009")
        assert installed.tree() == before
    finally:
        holder.kill()
        holder.wait()
    installed.update()


def test_a_refusal_of_git_leaves_all_as_it_was(installed: Installation) -> None:
    installed.publish(OTHER_DEFAULT, ("scripts/new.txt", "", "theirs"))
    own = installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.write("scripts/new.txt", "mine")
    installed.write("scripts/template.py", "mine")
    git(installed.root, "config", "merge.verifySignatures", "true")
    before = installed.tree()
    installed.refused("SM-UPD-010")
    assert installed.tree() == before
    git(installed.root, "config", "--unset", "merge.verifySignatures")
    installed.update()
    assert installed.kept()[0].read_text() == own


# ---- interrupted


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
    killed = subprocess.run(
        [sys.executable, "-c", code],
        env=installed.environment(),
        cwd=installed.root,
        capture_output=True,
        check=False,
    )
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
    failed = subprocess.run(
        [sys.executable, "-c", code],
        env=installed.environment(),
        cwd=installed.root,
        capture_output=True,
        text=True,
        check=False,
    )
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


# ---- back


def test_back_twice_and_forward_again(installed: Installation) -> None:
    zero = installed.head()
    own = installed.edit(CONFIG, "diameter: null", "diameter: 22")
    script = installed.edit(
        "scripts/template.py", installed.read("scripts/template.py").splitlines()[0], "# mine"
    )
    one = installed.publish(
        OTHER_DEFAULT,
        ("scripts/template.py", script.splitlines()[-1], "# theirs"),
        version="0.3.0",
    )
    installed.update()
    merged = installed.read(CONFIG)
    installed.publish((CONFIG, "# ---", "# new ---"), ("environment.yml", "name:", "# new\nname:"))
    installed.update()
    installed.update("--back")
    assert installed.head() == one and installed.read(CONFIG) == merged
    assert "environments" not in git(installed.root, "status", "--porcelain")
    installed.update("--back")
    assert installed.head() == zero
    assert installed.read(CONFIG) == own and installed.read("scripts/template.py") == script
    lines = [line.split()[-1] for line in installed.read(".environments/called.txt").splitlines()]
    assert lines[0] == lines[-1] and len(set(lines)) == 2
    installed.refused("SM-UPD-012", "--back")
    installed.update()
    assert installed.settings()["segmentation"]["diameter"] == 22


def test_back_keeps_what_was_edited_since(installed: Installation) -> None:
    installed.publish(OTHER_DEFAULT)
    installed.edit(CONFIG, "diameter: null", "diameter: 22")
    installed.update()
    text = installed.read(CONFIG)
    installed.write(CONFIG, text.replace("diameter: 22", "diameter: 33"))
    installed.update("--back")
    settings = installed.settings()["segmentation"]
    assert (settings["diameter"], settings["min_size"]) == (33, 15)


def test_back_from_where_somebody_has_moved_it_is_refused(installed: Installation) -> None:
    installed.publish(NEWS)
    installed.update()
    own_commits(installed)
    head = installed.head()
    installed.refused("SM-UPD-013", "--back")
    assert installed.head() == head


def test_a_file_that_was_kept_aside_is_back_in_its_place(installed: Installation) -> None:
    installed.publish(("scripts/new.txt", "", "theirs"))
    installed.write("scripts/new.txt", "mine")
    installed.update()
    installed.update("--back")
    assert installed.read("scripts/new.txt") == "mine"


# ---- by hand


def test_settings_of_a_file_are_brought_into_the_config(installed: Installation) -> None:
    text = installed.read(CONFIG).replace("diameter: null", "diameter: 19")
    installed.write("config/mine.yaml", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE))
    installed.update("--settings", "config/mine.yaml")
    assert installed.settings() == installed.settings("config/mine.yaml")
    assert "# --- " in installed.read(CONFIG)
    assert installed.kept() == []
    edited = installed.edit(CONFIG, "diameter: 19", "diameter: 20")
    assert installed.kept() == []
    installed.update("--settings", "config/mine.yaml")
    assert installed.settings()["segmentation"]["diameter"] == 19
    assert installed.kept()[0].read_text() == edited


def test_a_depth_of_one_is_no_obstacle(published: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--shared", str(published), str(tmp_path / "origin"))
    address = f"file://{tmp_path / 'origin'}"
    git(tmp_path, "clone", "--quiet", "--depth", "1", address, str(tmp_path / "clone"))
    one = Installation(tmp_path / "origin", tmp_path / "clone")
    commit = one.publish(NEWS)
    one.update()
    assert one.head() == commit


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


# The commit before which nothing knew of updates.
OLD = "fbcb7cc"
NOTHING = "nothing to compute"


def snakemake(one: Installation, *words: str) -> str:
    """Run Snakemake in the clone, as its user does."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile"]
    done = subprocess.run(
        [*command, "--profile", "profiles/local", "--cores", "2", *words],
        cwd=one.root,
        env={**os.environ, "SEGMAKE_LANG": "en"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def documented_line() -> str:
    """The line of docs/how-to/updates.md that helps with a pull by hand."""
    page = (ROOT / "docs" / "how-to" / "updates.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^cp config/config\.yaml .*git pull.*$", page, re.MULTILINE)
    assert line in (ROOT / "docs" / "how-to" / "updates.fr.md").read_text(encoding="utf-8")
    return line


def test_from_before_updates_by_the_documented_line_and_on_by_the_command(
    published: Path, tmp_path: Path
) -> None:
    """A config that was edited in the clone: no image is computed again, by hand and by the command."""
    there = subprocess.run(
        ["git", "cat-file", "-e", OLD], cwd=ROOT, capture_output=True, check=False
    )
    if there.returncode:
        pytest.skip(f"the history does not go back to {OLD}")
    git(tmp_path, "clone", "--quiet", "--shared", str(ROOT), str(tmp_path / "origin"))
    git(tmp_path / "origin", "checkout", "--quiet", "-B", "main", OLD)
    git(tmp_path, "clone", "--quiet", "--shared", str(tmp_path / "origin"), str(tmp_path / "clone"))
    one = Installation(tmp_path / "origin", tmp_path / "clone")
    draw_image(one.root / "images" / "a.tif", 4)
    one.edit(CONFIG, "engine: cellpose3", "engine: threshold")
    one.edit(CONFIG, "  model: bact_phase_cp3", "  #model: bact_phase_cp3")
    one.edit(CONFIG, "  cellprob_threshold: 0.0", "  #cellprob_threshold: 0.0")
    one.edit(CONFIG, "  flow_threshold: 0.4", "  #flow_threshold: 0.4")
    one.edit(CONFIG, "min_size: 15", "min_size: 30")
    snakemake(one)
    results = one.tree()
    shutil.copytree(
        published, one.origin, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
    )
    one.publish()
    command = one.root / ".environments" / "main" / "bin" / "segmake"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nPYTHONPATH=workflow exec {sys.executable} -P -m segmake "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", documented_line()], cwd=one.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert one.head() == git(one.origin, "rev-parse", "HEAD").strip()
    assert one.settings()["segmentation"]["min_size"] == 30
    assert NOTHING in snakemake(one, "-n")
    one.publish(NEWS, OTHER_DEFAULT)
    shutil.rmtree(one.root / ".environments" / "main")
    one.update()
    assert one.settings()["segmentation"]["min_size"] == 30
    assert NOTHING in snakemake(one, "-n")
    masks = {name: text for name, text in results.items() if name.startswith("results/masks")}
    assert masks and masks.items() <= one.tree().items()
