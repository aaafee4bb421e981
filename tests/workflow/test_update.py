"""`segmake update` in real git clones; a stand-in for the set-up notes that it was called, and installs nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.projects import ROOT, draw_image
from tests.workflow.updates import (
    CONFIG,
    IDENTITY,
    NEWS,
    OTHER_DEFAULT,
    RAISED,
    Installation,
    git,
    own_commits,
)


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
