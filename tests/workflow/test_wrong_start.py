"""Snakemake started in a wrong folder, with a profile that is not there or a mistyped option: what a user reads."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.projects import ROOT

# Snakemake's own words, which are English whatever the language.
OWN = ("Traceback", "usage:", "Error:", "No Snakefile", "profile directory", "Using profile")

SNAKEFILE = 'rule all:\n    shell: "true"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder in which SegMake's profiles are registered, beside one of the user's."""
    profiles = tmp_path / "home" / ".config" / "snakemake"
    profiles.mkdir(parents=True)
    for name in ("local", "slurm"):
        (profiles / name).symlink_to(ROOT / "profiles" / name)
    (profiles / "lab").mkdir()
    (profiles / "lab" / "config.v8+.yaml").write_text("cores: 1\n")
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "n° 1"
    place.mkdir()
    return place


class Start:
    """The real command, as typed in a folder."""

    def __init__(self, command: Path, home: Path, folder: Path) -> None:
        self._command, self.home, self.folder = command, home, folder

    def __call__(self, *words: str, **variables: str) -> tuple[int, str]:
        names = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
        environment = {name: os.environ[name] for name in names if name in os.environ}
        environment |= {"HOME": str(self.home), "SEGMAKE_LANG": "fr", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [str(self._command), *words],
            cwd=self.folder,
            env=environment | variables,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def start(command: Path, home: Path, folder: Path) -> Start:
    return Start(command, home, folder)


@pytest.mark.parametrize(
    "words", [[], ["-n"], ["--profile", "slurm", "-n"], ["--profile=local"], ["--unlock"]]
)
def test_a_folder_without_an_experiment_is_told_and_left_as_it_is(start, words):
    code, said = start(*words)
    assert code == 2 and said.startswith("\nSM-CMD-010\n")
    assert "segmake new DOSSIER" in said and str(start.folder) in said
    assert not any(own in said for own in OWN)
    assert list(start.folder.iterdir()) == []


def test_another_folder_is_looked_at_for_the_config(start, tmp_path):
    other = tmp_path / "other"
    (other / "config").mkdir(parents=True)
    (other / "config" / "config.yaml").write_text("images: {folder: none_here}\n")
    code, said = start("--profile", "local", "-n", "--directory", str(other))
    # SegMake itself speaks: it has read the config.
    assert code == 1 and "SM-DIR-001" in said, said
    code, said = start("-n", f"--directory={tmp_path}")
    assert code == 2 and "SM-CMD-010" in said and str(tmp_path) in said


@pytest.mark.parametrize(
    ("name", "said_of_it"),
    [
        ("slurmm", "Vouliez-vous dire : snakemake --profile slurm"),
        ("labo", "Vouliez-vous dire : snakemake --profile lab"),
        ("else", "Il y a : lab, local, slurm."),
    ],
)
def test_a_profile_that_is_not_there(start, name, said_of_it):
    code, said = start("--profile", name)
    assert code == 2 and said.startswith("\nSM-CMD-012\n")
    assert f"`{name}`" in said and said_of_it in said
    assert not any(own in said for own in OWN)


def test_a_workflow_profile_that_is_not_there(start):
    """Snakemake would go on without it, on the login node."""
    (start.folder / "Snakefile").write_text(SNAKEFILE)
    code, said = start("--cores", "1", "--workflow-profile", "slrum")
    assert code == 2 and "SM-CMD-012" in said and "snakemake --profile slurm" in said
    for name in ("none", str(ROOT / "profiles" / "local")):
        code, said = start("--cores", "1", "-n", "--workflow-profile", name)
        assert code == 0, said


def test_a_folder_of_the_name_of_a_profile(start):
    (start.folder / "lab").mkdir()
    code, said = start("--profile", "lab")
    assert code == 2 and said.startswith("\nSM-CMD-013\n")
    assert f"--profile {start.home}/.config/snakemake/lab" in said


def test_a_mistyped_option(start):
    (start.folder / "Snakefile").write_text(SNAKEFILE)
    code, said = start("--cores", "1", "--dryrum")
    assert code == 2 and said.startswith("\nSM-CMD-014\n")
    assert said.splitlines()[-1].endswith("Vouliez-vous dire : --dryrun")
    code, said = start("--cores", "1", "--of-nothing-like-it")
    assert code == 2 and "Tapez : snakemake --help" in said
    code, said = start("--cores", "1", "--directory")
    assert code == 2 and "SM-CMD-009" in said and "--directory" in said
    assert not any(own in said for own in OWN)


def test_a_parser_of_the_users_own_speaks_as_ever(start):
    own = "import argparse\nargparse.ArgumentParser(prog='mine').parse_args(['--other'])\n"
    (start.folder / "Snakefile").write_text(own + SNAKEFILE)
    code, said = start("--cores", "1")
    assert code == 2 and "mine: error: unrecognized arguments: --other" in said


@pytest.mark.parametrize("own", [True, False])
def test_a_start_without_any_word(start, own):
    if own:
        start.folder = ROOT
    else:
        (start.folder / "config").mkdir()
        (start.folder / "config" / "config.yaml").touch()
    code, said = start()
    assert code == 2 and said.startswith("\nSM-CMD-015\n")
    assert "snakemake --profile " in said.splitlines()[-1]


def test_other_workflows_start_as_ever(start):
    (start.folder / "Snakefile").write_text(SNAKEFILE)
    code, said = start("--cores", "1")
    assert code == 0 and "1 of 1 steps (100%) done" in said
    # Snakemake's own refusal: the folder is not SegMake's.
    code, said = start()
    assert code == 1 and "cores have to be specified" in said


@pytest.mark.parametrize(("profile", "named"), [("local", False), ("lab", True)])
def test_the_line_on_a_profile_is_left_out_where_it_is_segmakes(start, profile, named):
    (start.folder / "Snakefile").write_text(SNAKEFILE)
    code, said = start("--profile", profile, "-n", SNAKEMAKE_PROFILE="")
    assert code == 0, said
    assert (f"Using profile {profile} for setting" in said) is named


def test_a_file_of_configfile_is_told_of_as_the_usual_config_is(start):
    (start.folder / "images").mkdir()
    (start.folder / "config").mkdir()
    faulty = "images:\n  folder: images\n  include: *.tif\n"
    for name in ("config/config.yaml", "day.yaml"):
        (start.folder / name).write_text(faulty)
    usual = start("-n", "--cores", "1")
    code, said = start("-n", "--cores", "1", "--configfile", "day.yaml")
    assert code == usual[0] == 1 and 'include: ["*.tif"]' in said
    assert said == usual[1].replace("config/config.yaml", "day.yaml")
    code, said = start("-n", "--cores", "1", "--configfile", "day.yaml", "none.yaml")
    assert code == 1 and "SM-CFG-066" in said and not any(own in said for own in OWN)
    code, said = start("-n", "--cores", "1", "--configfile=none.yaml")
    assert code == 1 and said.startswith("\nSM-CFG-007  none.yaml")


def test_several_files_of_configfile_are_one_config(start):
    (start.folder / "data").mkdir()
    (start.folder / "lab.yaml").write_text("images: {folder: data}\nresults: lab\n")
    (start.folder / "day.yaml").write_text("images: {time: 0}\nresults: day\n")
    code, said = start("-n", "--cores", "1", "--configfile", "lab.yaml", "day.yaml")
    assert code == 1 and "SM-CFG-068" in said and "day.yaml, ligne 1" in said
    (start.folder / "day.yaml").write_text("results: day\n")
    for files in (["lab.yaml", "day.yaml"], ["lab.yaml", "--configfile=day.yaml"]):
        code, said = start("-n", "--configfile", *files, "--cores", "1")
        assert "SM-DIR-004" in said and "lab.yaml, ligne 1" in said
