"""What ``segmake runs`` says of earlier runs, and how their settings are taken up again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from segmake.cli import main
from segmake.config.again import as_before
from segmake.config.edited_text import settings_in
from segmake.core.ended_runs import note_begin, note_end, note_failures
from segmake.outcome.past_runs import keep_config, kept_config
from segmake.plan.result_paths import ResultPaths
from segmake.remote.config_copy import ConfigCopy
from segmake.remote.runs import keep_own, own_text
from tests.answers import held

FIRST = """\
# mine
images:
  folder: there
segmentation: {engine: threshold, diameter: 20}  # of E. coli
scripts:
  - {name: growth, script: "segmake:gillespie.py", needs: [], run: once}
"""
NOW = """\
# mine
images:
  folder: here  # since Monday
segmentation: {engine: threshold, diameter: 30}  # of E. coli
results: elsewhere
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config that two runs had otherwise; of one before nothing is known."""
    monkeypatch.chdir(tmp_path)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    config = tmp_path / "config" / "config.yaml"
    config.parent.mkdir()
    folders = ResultPaths(Path("elsewhere"))
    runs = folders.runs
    runs.parent.mkdir(parents=True)
    note_begin(runs, "a")
    note_end(runs, "a")
    note_begin(runs, "b", keep_config(folders, FIRST))
    note_failures(runs, "b", 2)
    note_end(runs, "b")
    note_begin(runs, "c", keep_config(folders, NOW))
    config.write_text(NOW)
    return config


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return the exit code of ``segmake runs``, and what it said."""
    code = main(["runs", *words])
    return code, *capsys.readouterr()


def test_each_run_is_told_with_what_it_had_otherwise(config, capsys):
    said = held(asked(capsys, "--json")[1])
    how = [(run["number"], run["how"], run["failed"]) for run in said["runs"]]
    assert how == [(1, None, None), (2, "ended", 2), (3, "ended", None)]
    now, first, unknown = (said["settings"].get(run["settings"]) for run in said["runs"])
    assert now == {"text": NOW, "differences": []} and unknown is None
    assert first["text"] == FIRST
    # Neither the folder of images nor that of results is a matter of settings.
    names = {each["name"]: (each["then"], each["now"]) for each in first["differences"]}
    assert names["segmentation.diameter"] == ("20", "30")
    assert names["scripts.growth.run"] == ("once", "")
    assert {name.partition(".")[0] for name in names} == {"segmentation", "scripts"}
    words = asked(capsys)[1]
    assert "segmentation.diameter: 20 (now 30)" in words and "2 failed" in words


def test_settings_are_taken_up_again_for_the_images_of_now(config, capsys):
    code, out, _ = asked(capsys, "--again", "2")
    assert code == 0 and "segmentation.diameter: 30 -> 20" in out
    text = config.read_text()
    assert text.startswith(NOW.replace("30", "20")) and settings_in(text) == {
        **settings_in(FIRST),
        "images": {"folder": "here"},
        "results": "elsewhere",
    }
    assert asked(capsys, "--again", "2")[0] == 0 and config.read_text() == text


def test_of_several_configs_one_before_may_say_where_the_results_are(config, capsys):
    other = config.with_name("other.yaml")
    other.write_text("segmentation: {diameter: 30}\n")
    both = ("--configfile", str(config), "--configfile", str(other))
    assert len(held(asked(capsys, *both, "--json")[1])["runs"]) == 3


def test_results_of_a_version_that_noted_no_runs_are_told(config, capsys):
    folders = ResultPaths(Path("older"))
    folders.state.mkdir(parents=True)
    assert asked(capsys, "--results", "older")[2].startswith("SM-RUN-013")
    folders.plan.write_text("{}")
    assert asked(capsys, "--results", "older")[2].startswith("SM-RUN-074")


@pytest.mark.parametrize(("number", "code"), [("3", "SM-RUN-072"), ("4", "SM-RUN-071")])
def test_what_is_not_known_is_told_and_nothing_changed(config, capsys, number, code):
    failed, _, err = asked(capsys, "--again", number)
    assert failed == 1 and err.startswith(code) and config.read_text() == NOW


def test_settings_that_would_be_wrong_now_are_refused(config, capsys):
    folders = ResultPaths(Path("elsewhere"))
    wrong = NOW.replace("threshold", "treshold")
    note_begin(folders.runs, "d", keep_config(folders, wrong))
    failed, _, err = asked(capsys, "--again", "1")
    assert failed == 1 and err.startswith("SM-CFG-002") and config.read_text() == NOW


@pytest.mark.parametrize("text", ["segmentation: [", "- a\n", "a: &a [*a]\n", "<<: 3\n"])
def test_what_was_kept_and_is_no_config_is_told(config, capsys, text):
    folders = ResultPaths(Path("elsewhere"))
    note_begin(folders.runs, "d", keep_config(folders, text))
    assert held(asked(capsys, "--json")[1])["runs"][0]["number"] == 1
    failed, _, err = asked(capsys, "--again", "1")
    assert failed == 1 and err.startswith("SM-RUN-073") and config.read_text() == NOW


@pytest.mark.parametrize("images", ["", "images:\n", "images: [a]\n"])
def test_the_images_of_now_stay_whatever_the_run_had(tmp_path, images):
    config = tmp_path / "config.yaml"
    config.write_text(NOW)
    plan = as_before(config, f"{images}segmentation: {{engine: threshold}}\n")
    assert plan.wanted["images"] == {"folder": "here"} and plan.wanted["results"] == "elsewhere"


def test_a_config_is_kept_to_the_byte(tmp_path):
    folders = ResultPaths(tmp_path)
    text = FIRST.replace("\n", "\r\n")
    assert kept_config(folders, keep_config(folders, text)) == text


def test_a_copy_is_known_by_the_config_that_it_was_made_of(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    copied = ConfigCopy(FIRST.replace("there", "/sent/1")).with_note("laptop", Path("c.yaml"))
    assert own_text(copied) is None
    keep_own(copied.rpartition(" ")[2].strip(), FIRST)
    assert own_text(copied) == FIRST
    # Only the last ones are kept.
    folder = tmp_path / "segmake" / "sent-configs"
    for number in range(300):
        (folder / f"{number}.yaml").touch()
        os.utime(folder / f"{number}.yaml", (number, number))
    keep_own("ab", NOW)
    assert own_text(copied) == FIRST and len(list(folder.iterdir())) == 200
    # Nor is it that one any more once it was edited over there.
    assert own_text(copied.replace("20", "21")) is None
    # Where both see one folder, there is no copy.
    assert own_text(NOW) == NOW
