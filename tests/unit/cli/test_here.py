"""What segmake alone says: in an experiment's folder, by where its run is, and elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from segmake.cli import here, main
from segmake.core.ended_runs import note_begin
from segmake.core.files import write_lock
from segmake.core.installation import clone
from segmake.plan.result_paths import ResultPaths
from segmake.remote.remembered import PlaceFile, write_place
from segmake.slurm import commands as slurm

GOOD = "images: {folder: images}\nsegmentation: {engine: threshold}\nresults: out\n"


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """The folder of an experiment, on a computer without Slurm where the profiles are registered."""
    (tmp_path / "config").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(GOOD)
    profiles = tmp_path / "home" / "snakemake"
    for name in ("local", "slurm"):
        (profiles / name).mkdir(parents=True)
        (profiles / name / "profile.yaml").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(profiles.parent))
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    monkeypatch.setattr(slurm, "is_here", lambda: False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def next_command(capsys) -> tuple[str, str]:
    """Return what comes next, and the line to type for it."""
    assert main([]) == 0
    words, *lines = capsys.readouterr().out.split("\n\n")[1].splitlines()[-2:]
    return words, lines[-1].strip()


def test_nothing_was_run_yet(experiment, capsys):
    assert next_command(capsys) == (
        "Nothing was run yet. Look first what would be done:",
        "snakemake --profile local -n",
    )


def test_on_a_cluster_its_profile_is_named(experiment, capsys, monkeypatch):
    monkeypatch.setattr(slurm, "is_here", lambda: True)
    assert next_command(capsys)[1] == "snakemake --profile slurm -n"


@pytest.mark.parametrize(
    ("settings", "said"), [("{}", "1 mistake. Next, see it"), ("a: 1\nb: 2\n", "mistakes. Next")]
)
def test_a_config_with_mistakes_is_to_be_looked_at(experiment, capsys, settings, said):
    (experiment / "config" / "config.yaml").write_text(settings)
    words, command = next_command(capsys)
    assert said in words and command == "segmake check"


def test_a_run_is_at_work(experiment, capsys):
    folders = ResultPaths(Path("out"))
    folders.lock.parent.mkdir(parents=True)
    with folders.lock.open("w+") as file:
        write_lock(file)
        note_begin(folders.runs, "one")
        words, command = next_command(capsys)
    assert words.startswith("A run is at work") and command == "segmake status --follow"


def test_the_last_run_was_begun_or_has_its_report(experiment, capsys):
    folders = ResultPaths(Path("out"))
    folders.plan.parent.mkdir(parents=True)
    folders.plan.touch()
    assert next_command(capsys)[0].startswith("A run was begun")
    (folders.results / "report.html").touch()
    assert main([]) == 0
    assert "The last run wrote its report: out/report.html\n" in capsys.readouterr().out


def test_of_an_experiment_that_is_computed_elsewhere(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("images: {folder: images}\n")
    write_place(tmp_path, PlaceFile("ada@cluster", "/home/ada/day 1", "/opt/segmake/bin/segmake"))
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "ada@cluster" in said and "segmake remote run " in said and "snakemake" not in said


def test_elsewhere_the_way_to_an_experiment_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for language, said in (("en", "There is no experiment"), ("fr", "Il n'y a pas d'expérience")):
        monkeypatch.setenv("SEGMAKE_LANG", language)
        assert main([]) == 0
        text = capsys.readouterr().out
        assert said in text and f"cd {clone()}" in text and "segmake --help" in text


def test_on_a_laptop_the_first_step_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    monkeypatch.setattr(here, "can_run", lambda: False)
    assert main([]) == 0
    assert "segmake remote setup" in capsys.readouterr().out
    assert main(["remote"]) == 0
    assert "type `segmake remote setup`" in " ".join(capsys.readouterr().out.split())
    for action in ("run", "status", "stop", "fetch", "open", "check"):
        assert main(["remote", action]) == 1
        assert "SM-REM-056" in capsys.readouterr().err
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("images: {folder: images}\n")
    assert main(["remote", "open"]) == 1
    assert "SM-REM-001" in capsys.readouterr().err


def test_the_columns_stand_below_each_other():
    assert here.table([("a", "x"), ("long", "y")]) == ["  a     x", "  long  y"]


@pytest.mark.parametrize("words", [["status"], ["runs"], ["submit"]])
def test_what_runs_elsewhere_is_said_to_where_nothing_can_be_done_here(experiment, capsys, words):
    place = PlaceFile("marie@login", "/data/day 1", "/opt/segmake")
    assert main(words) == 1
    own = capsys.readouterr().err
    write_place(experiment, place)
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "SM-REM-063" in said and "computed on marie@login" in said and own != said
    # Where the folder is the very one in which it is computed, and of other folders of results, nothing else is said.
    if words != ["submit"]:
        assert main([*words, "--results", "other"]) == 1
        assert "SM-RUN-013" in capsys.readouterr().err
    write_place(experiment, replace(place, folder=str(experiment)))
    assert main(words) == 1
    assert capsys.readouterr().err == own
