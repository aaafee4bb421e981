"""Experiments: folders with a config and no Snakefile, run with one installation of SegMake, also by several users."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import ROOT, draw_image
from tests.users import GROUP, User, users, why_not

BIN = Path(sys.prefix) / "bin"
CONFIG = Path("config", "config.yaml")
SETTINGS = "images: {folder: images}\nsegmentation: {engine: threshold, min_size: 30}\n"


def make(folder: Path, images: int = 2) -> Path:
    """Make an experiment as a user would have it: a config and some images."""
    (folder / "config").mkdir(parents=True)
    (folder / CONFIG).write_text(SETTINGS, encoding="utf-8")
    for number in range(1, images + 1):
        draw_image(folder / "images" / f"img_{number}.tif", number, seed=number)
    return folder


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "SEGMAKE_LANG": "en"}
    environment = {**os.environ, **own, **variables}
    command = [str(BIN / words[0]), *words[1:]]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return make(tmp_path / "growth of day 1")


def test_the_same_words_work_in_any_experiment(experiment: Path) -> None:
    looked = run(experiment, "snakemake", "--profile", "local", "-n")
    assert looked.returncode == 0, looked.stderr
    assert "to segment     2" in looked.stderr
    assert not (experiment / "results").exists()
    done = run(experiment, "snakemake", "--profile", "local", "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert "2 images done" in done.stderr
    # The report shows what was typed, and not what it was completed by.
    report = (experiment / "results" / "report.html").read_text(encoding="utf-8")
    assert "snakemake --profile local --cores 2" in report
    assert "<h1>growth of day 1</h1>" in report
    # Otsu's method is no model.
    assert ">Method<" in report and ">Model<" not in report
    status = run(experiment, "segmake", "status")
    assert "2 images done" in status.stdout
    again = run(experiment, "snakemake", "--profile=local")
    assert "nothing to compute" in again.stderr
    # With Slurm's profile, which is known by its name too, as far as it goes without Slurm.
    assert "nothing to compute" in run(experiment, "snakemake", "--profile", "slurm", "-n").stderr


def test_a_profile_of_the_user_s_own_is_respected(experiment: Path) -> None:
    own = experiment.parent / "home" / ".config" / "snakemake" / "local"
    own.mkdir(parents=True)
    (own / "config.yaml").write_text("cores: 1\nquiet: [all]\n")
    looked = run(experiment, "snakemake", "--profile", "local", "-n")
    assert looked.returncode == 0, looked.stderr
    assert str(ROOT / "profiles") not in looked.stderr
    # One that another installation registered would bring settings for its own Snakefile.
    (own / "config.yaml").write_text("# SegMake profile: of another version\nno-such-option: 1\n")
    looked = run(experiment, "snakemake", "--profile", "local", "-n")
    assert looked.returncode == 0, looked.stderr


@pytest.mark.parametrize("place", ["Snakefile", "workflow/Snakefile"])
def test_a_snakefile_that_is_there_is_the_one_that_runs(experiment: Path, place: str) -> None:
    (experiment / place).parent.mkdir(exist_ok=True)
    (experiment / place).write_text("rule mine:\n    shell: 'echo mine > mine.txt'\n")
    own = run(experiment, "snakemake", "--cores", "1")
    assert own.returncode == 0, own.stderr
    assert (experiment / "mine.txt").read_text() == "mine\n"
    assert not (experiment / "results").exists()


def test_scripts_of_segmake_are_named_from_any_folder(experiment: Path) -> None:
    text = (
        SETTINGS
        + "scripts:\n  - {name: own, script: 'segmake:template.py', needs: [images, masks]}\n"
    )
    (experiment / CONFIG).write_text(text, encoding="utf-8")
    done = run(experiment, "snakemake", "--profile", "local", "--cores", "2")
    assert done.returncode == 0, done.stderr
    assert list((experiment / "results" / "scripts" / "own").glob("all_*.csv"))
    (experiment / CONFIG).write_text(text.replace("template", "templat"), encoding="utf-8")
    refused = run(experiment, "segmake", "check")
    assert refused.returncode == 1
    assert "SM-SCR-003" in refused.stderr and "`segmake:template.py`" in refused.stderr


def make_newer(folder: Path) -> None:
    """Let all results of an experiment be those of a newer SegMake."""
    for path in (folder / "results" / ".segmake").rglob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        text = "".join(f"{json.dumps(line | {'version': '99.1.0'})}\n" for line in lines)
        path.write_text(text)


def test_an_older_segmake_does_not_spoil_what_a_newer_one_made(experiment: Path) -> None:
    assert run(experiment, "snakemake", "--profile", "local", "--cores", "2").returncode == 0
    make_newer(experiment)
    # To look at them does no harm.
    assert "nothing to compute" in run(experiment, "snakemake", "--profile", "local").stderr
    before = sorted(path.name for path in (experiment / "results").rglob("*"))
    draw_image(experiment / "images" / "img_3.tif", 3)
    refused = run(experiment, "snakemake", "--profile", "local")
    assert refused.returncode == 1
    assert "SM-RUN-068" in refused.stderr and "99.1.0" in refused.stderr
    assert sorted(path.name for path in (experiment / "results").rglob("*")) == before


def test_results_of_scripts_that_a_newer_segmake_made_are_not_spoiled_either(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "simulation"
    made = run(tmp_path, "segmake", "new", "simulation", "--simulation")
    assert made.returncode == 0, made.stderr
    config = folder / CONFIG
    config.write_text(config.read_text(encoding="utf-8").replace("to: 10", "to: 2"), "utf-8")
    done = run(folder, "snakemake", "--profile", "local", "--cores", "2")
    assert done.returncode == 0, done.stderr
    make_newer(folder)
    assert run(folder, "snakemake", "--profile", "local", "-n").returncode == 0
    config.write_text(config.read_text(encoding="utf-8").replace("to: 2", "to: 3"), "utf-8")
    refused = run(folder, "snakemake", "--profile", "local", "-n")
    assert refused.returncode == 1 and "SM-RUN-068" in refused.stderr


@pytest.fixture
def lab() -> Iterator[tuple[Path, list[User]]]:
    if reason := why_not():
        pytest.skip(reason)
    with users("anna", "bernard") as made:
        yield made


def installation() -> dict[str, tuple[int, int]]:
    """Return size and time of change of what is in SegMake's folder, without what the tests write."""
    found = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [one for one in folders if one not in ("__pycache__", ".git", ".venv")]
        folders[:] = [one for one in folders if not one.endswith("_cache")]
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (status.st_size, status.st_mtime_ns)
    return found


def test_two_users_share_an_installation_that_they_may_only_read(
    lab: tuple[Path, list[User]],
) -> None:
    shared, (anna, bernard) = lab
    before = installation()
    told = anna.run("bash", str(ROOT / "scripts" / "setup.sh"))
    assert told.returncode == 0 and "/bin/activate" in told.stdout
    own = make(anna.home / "growth"), make(bernard.home / "growth", images=3)
    for user, folder in zip((anna, bernard), own, strict=True):
        subprocess.run(["chown", "-R", user.name, str(folder)], check=True)
    words = ["snakemake", "--profile", "local", "--cores", "1"]
    started = [
        user.start(*words, folder=folder) for user, folder in zip((anna, bernard), own, strict=True)
    ]
    said = [each.communicate()[0] for each in started]
    assert [each.returncode for each in started] == [0, 0], "\n".join(said)
    assert "2 images done" in said[0] and "3 images done" in said[1]

    # One experiment in the folder of the group: one begins it, and the other goes on.
    folder = make(shared / "together", images=1)
    subprocess.run(["chown", "-R", f"{anna.name}:{GROUP}", str(folder)], check=True)
    folder.chmod(0o2775)
    (folder / "images").chmod(0o2775)
    group = ["bash", "-c", 'umask 002; exec "$@"', "bash", *words]
    first = anna.run(*group, folder=folder)
    assert first.returncode == 0, first.stderr
    draw_image(folder / "images" / "img_2.tif", 2)
    second = bernard.run(*group, folder=folder)
    assert second.returncode == 0, second.stderr
    assert "done           1" in second.stderr and "2 images done" in second.stderr
    assert {path.group() for path in (folder / "results").rglob("*")} == {GROUP}

    # What only one may do at a time, such as to download a model, is kept from both in turn.
    alone = "from segmake.core.files import alone\nwith alone(Path(sys.argv[1]), 'model.waiting'): print('alone')"
    for user in (anna, bernard):
        lock = ["bash", "-c", 'umask 002; exec "$@"', "bash", sys.executable, "-c"]
        kept = user.run(
            *lock, f"import sys\nfrom pathlib import Path\n{alone}", str(shared / "models")
        )
        assert kept.stdout == "alone\n", kept.stderr

    # Whoever may only read an experiment sees how it goes, and is told before anything is tried.
    looked = bernard.run("segmake", "status", folder=own[0])
    assert looked.returncode == 0 and "2 images done" in looked.stdout
    refused = bernard.run(*words, folder=own[0])
    assert refused.returncode == 1
    assert "SM-RUN-060" in refused.stderr and "segmake new" in refused.stderr
    assert "Traceback" not in refused.stderr
    draw_image(own[0] / "images" / "img_9.tif", 9)
    planned = bernard.run("segmake", "plan", folder=own[0])
    assert planned.returncode == 1, planned.stdout + planned.stderr
    assert "SM-RUN-010" in planned.stdout and "SM-RUN-060" in planned.stdout
    shutil.rmtree(own[1] / "results")
    assert installation() == before
