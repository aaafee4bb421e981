"""`segmake space` in a real experiment: what it says, what it deletes, and what the next run then makes again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.projects import ROOT, Project, draw_image


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that has run: two images, and a script for each."""
    folder = tmp_path_factory.mktemp("finished")
    for number in (1, 2):
        draw_image(folder / "images" / f"{number}.tif", number, seed=number)
    (folder / "s.py").write_text(
        "import argparse\n"
        "p = argparse.ArgumentParser()\n"
        "p.add_argument('--input')\n"
        "p.add_argument('--output-dir')\n"
        "given = p.parse_args()\n"
        "size = len(open(given.input, 'rb').read())\n"
        "open(given.output_dir + '/made.txt', 'w').write(f'{given.input} {size}')\n"
    )
    done = project_in(folder).run()
    assert done.returncode == 0, done.stderr
    return folder


def project_in(folder: Path) -> Project:
    script = {"name": "s", "script": "s.py", "outputs": ["made.txt"]}
    settings = {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold", "min_size": 30},
        "results": "results",
        "scripts": [script],
    }
    return Project(folder, settings)


@pytest.fixture
def experiment(finished: Path, tmp_path: Path) -> Project:
    shutil.copytree(finished, tmp_path / "own", symlinks=True)
    return project_in(tmp_path / "own")


def space(project: Project, *words: str, language: str = "en") -> subprocess.CompletedProcess[str]:
    home = project.folder.parent / "home"
    (home / ".cellpose" / "models").mkdir(parents=True, exist_ok=True)
    (home / ".cellpose" / "models" / "one").write_bytes(bytes(50_000))
    return subprocess.run(
        [sys.executable, "-P", "-m", "segmake", "space", *words],
        cwd=project.folder,
        env={
            **os.environ,
            "SEGMAKE_LANG": language,
            "HOME": str(home),
            "PYTHONPATH": str(ROOT / "workflow"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def said(project: Project, *words: str) -> str:
    done = space(project, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(project: Project, code: str, *words: str) -> None:
    before = project.tree()
    done = space(project, *words)
    assert done.returncode == 1 and code in done.stderr, done.stdout + done.stderr
    assert project.tree() == before


def line_of(text: str, kind: str) -> str:
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [kind]]
    return line


def plan_of(project: Project) -> str:
    done = project.run("-n")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_it_says_what_takes_room_and_what_it_costs(experiment: Project) -> None:
    text = said(experiment)
    assert "on a core" in line_of(text, "labels") and "on a core" in line_of(text, "scripts")
    assert "CAN'T BE MADE AGAIN" in line_of(text, "logs")
    assert "setup.sh" in line_of(text, "main")
    assert "50" in line_of(text, "models") or "53" in line_of(text, "models")
    kinds = ("masks", "outputs", "tables", "pictures", "report", "memory", "snakemake")
    assert all(line_of(text, kind) for kind in kinds)
    french = space(experiment, language="fr").stdout
    assert "images avant/après" in line_of(french, "pictures")
    # The same from outside, and for the results alone.
    assert line_of(said(experiment, str(experiment.results)), "masks") == line_of(text, "masks")


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        ("pictures", {"to draw": 2}),
        pytest.param("tables", {"to measure": 2}, marks=pytest.mark.long),
        pytest.param("masks", {"to write": 2}, marks=pytest.mark.long),
        ("labels", {"to segment": 2}),
        pytest.param("scripts", {"to run": 2}, marks=pytest.mark.long),
    ],
)
def test_what_was_deleted_is_what_the_next_run_would_make_again(
    experiment: Project, kind: str, again: dict[str, int]
) -> None:
    said(experiment, "--delete", kind, "--yes")
    text = " ".join(plan_of(experiment).replace(",", " ").split())
    for words, number in again.items():
        assert f"{words} {number}" in text
    assert kind == "labels" or "to segment 2" not in text


@pytest.mark.long
@pytest.mark.parametrize(
    "kinds", [["pictures", "scripts", "outputs"], ["labels", "masks", "tables"]]
)
def test_the_next_run_makes_again_what_was_deleted(experiment: Project, kinds: list[str]) -> None:
    suffixes = (".tif", ".csv", ".png", ".zip", ".txt")
    everything = experiment.contents(*suffixes)
    assert "nothing to compute" in plan_of(experiment)
    said(experiment, "--delete", *kinds, "--yes")
    assert experiment.contents(*suffixes).keys() < everything.keys()
    done = experiment.run()
    assert done.returncode == 0, done.stderr
    assert experiment.contents(*suffixes).keys() == everything.keys()
    assert "nothing to compute" in plan_of(experiment)


def test_outputs_and_scripts_and_what_failed_go(experiment: Project) -> None:
    failed = experiment.results / "scripts" / "_failed" / "s" / "1"
    failed.mkdir(parents=True)
    (failed / "half.txt").write_text("x")
    done = space(experiment, "--delete", "scripts", "failed", "outputs", "--yes")
    assert done.returncode == 0, done.stderr
    assert "CAN'T BE MADE AGAIN" in done.stdout
    assert not (experiment.results / "rois").exists()
    assert not list((experiment.results / "scripts").rglob("*.txt"))
    assert (experiment.results / "masks").exists()


def test_from_another_folder_it_finds_the_images_all_the_same(experiment: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "segmake", "space", "own", "--delete", "pictures", "--yes"],
        cwd=experiment.folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (experiment.results / "overlays").exists()


def test_without_an_answer_nothing_goes(experiment: Project) -> None:
    before = experiment.tree()
    done = space(experiment, "--delete", "pictures")
    assert done.returncode == 1 and "--yes" in done.stdout
    assert experiment.tree() == before


def test_what_somebody_edited_or_whose_image_is_gone_stays(experiment: Project) -> None:
    edited, of_gone = (experiment.results / "masks" / f"{n}_masks.ome.tif" for n in (1, 2))
    edited.write_bytes(edited.read_bytes()[:-1] + b"x")
    (experiment.images / "2.tif").unlink()
    done = space(experiment, "--delete", "masks", "--yes")
    assert done.returncode == 0 and edited.exists() and of_gone.exists()
    own = experiment.results / "overlays" / "mine.png"
    own.write_bytes(b"mine")
    text = said(experiment, "--delete", "pictures", "--yes")
    assert own.exists()
    assert (experiment.results / "overlays" / "2_overlay.png").exists()
    assert not (experiment.results / "overlays" / "1_overlay.png").exists()
    assert "Files of it that stay" in text


def test_what_was_edited_to_the_same_size_and_time_is_known_by_its_content(
    experiment: Project,
) -> None:
    picture = experiment.results / "overlays" / "1_overlay.png"
    content = picture.read_bytes()
    picture.write_bytes(content[:-1] + b"x")
    os.utime(picture, (time.time() + 600, time.time() + 600))
    said(experiment, "--delete", "pictures", "--yes")
    assert picture.exists()


@pytest.mark.parametrize("place", ["results/overlays", "results/overlays/day1"])
def test_nothing_is_deleted_through_a_link(experiment: Project, place: str) -> None:
    other = experiment.folder.parent / "other"
    pictures = experiment.results / "overlays"
    if place.endswith("day1"):
        other.mkdir()
        (other / "1_overlay.png").write_bytes(b"precious")
        (pictures / "day1").symlink_to(other)
        said(experiment, "--delete", "pictures", "--yes")
        assert (other / "1_overlay.png").read_bytes() == b"precious"
    else:
        pictures.rename(other)
        pictures.symlink_to(other)
        refused(experiment, "SM-SPC-005", "--delete", "pictures", "--yes")
        assert (other / "1_overlay.png").exists()


def test_results_that_are_a_link_themselves_are_the_users_choice(experiment: Project) -> None:
    other = experiment.folder.parent / "large disk"
    experiment.results.rename(other)
    experiment.results.symlink_to(other)
    said(experiment, "--delete", "pictures", "--yes")
    assert not (other / "overlays" / "1_overlay.png").exists()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SM-SPC-002", "nonsense"),
        ("SM-SPC-003", "corrections"),
        ("SM-SPC-003", "memory"),
        ("SM-SPC-003", "main"),
    ],
)
def test_what_is_no_kind_or_never_goes_is_told(experiment: Project, code: str, kind: str) -> None:
    refused(experiment, code, "--delete", kind, "--yes")


def test_no_folder_is_told(experiment: Project) -> None:
    refused(experiment, "SM-SPC-001", "nowhere")


def test_nothing_goes_while_a_run_is_at_work(experiment: Project) -> None:
    lock = experiment.results / ".segmake" / "lock"
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(1, flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout and holder.stdout.readline()
        refused(experiment, "SM-SPC-004", "--delete", "pictures", "--yes")
    finally:
        holder.kill()
        holder.wait()


def test_models_of_the_home_go(experiment: Project) -> None:
    said(experiment, "--delete", "models", "--yes")
    assert not (experiment.folder.parent / "home" / ".cellpose" / "models").exists()


def test_it_loads_nothing_that_takes_long(experiment: Project) -> None:
    code = "import sys\nfrom segmake.cli import main\nmain(['space'])\nprint([m for m in ('numpy', 'pandas', 'snakemake') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=experiment.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "HOME": str(experiment.folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
