"""The file for whoever helps: what is in it, whatever is wrong, and where it lies."""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from segmake.cli import main
from segmake.helpfile import archive, contents

SECRET = "s3cr3t-Word"


@pytest.fixture
def experiment(tmp_path, monkeypatch) -> Path:
    """A config that is wrong, with a secret in it, and a log that tells it again; nothing was ever run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(
        "images: {folder: images}\nsegmentation: {engine: treshold}\n"
        f"scripts:\n  - name: upload\n    arguments:\n      api_key: {SECRET}\n",
        encoding="utf-8",
    )
    log = tmp_path / "results" / "logs" / "scripts" / 'd\u00e9j\u00e0 "vu"' / "a b.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(
        b"beginning\n" + b"x" * contents.LOG_BYTES + f"\n{SECRET} \xff".encode("latin1")
    )
    listed = tmp_path / "results" / "environments" / "growth.txt"
    listed.parent.mkdir()
    listed.write_text(f"tools @ git+https://ada:{SECRET}@lab.org/tools\n")
    return tmp_path


def test_a_broken_config_is_in_it_with_what_is_wrong_and_no_secret(experiment, monkeypatch, capsys):
    monkeypatch.setenv("MY_OWN_TOKEN", "from-the-environment")
    assert main(["helpfile"]) == 0
    said = capsys.readouterr().out
    (file,) = experiment.glob("segmake-help-*.zip")
    # What is in it is said before where it lies.
    assert said.index("versions.txt") < said.index(str(file))
    with ZipFile(file) as opened:
        texts = {name: opened.read(name).decode("utf-8") for name in opened.namelist()}
    first = next(iter(texts))
    assert first == "README.txt"
    assert 'can\'t be "treshold"' in texts[first] and "check.txt" in texts[first]
    assert "SM-RUN-013" in texts["status.txt"] and "SM-CFG-002" in texts["plan.txt"]
    assert "engine: treshold" in texts["config.yaml"] and "api_key: ***" in texts["config.yaml"]
    assert "snakemake 9." in texts["versions.txt"].lower()
    log = texts['logs/scripts/d\u00e9j\u00e0 "vu"/a b.log']
    assert "https://***@lab.org/tools" in texts["environments/growth.txt"]
    assert log.startswith("[...]") and log.endswith("*** \ufffd")
    assert not [name for name, text in texts.items() if SECRET in text or "from-the-en" in text]


def test_there_may_be_neither_config_nor_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(contents, "_command", lambda name, *words: contents.Part(name, "said", ""))
    assert main(["helpfile", "--to", "f\u00fcr dich.zip", "--results", "absent"]) == 0
    with ZipFile("f\u00fcr dich.zip") as opened:
        assert "No such file" in opened.read("config.yaml").decode()
    assert [path.name for path in tmp_path.iterdir()] == ["f\u00fcr dich.zip"]
    # A file that is there is never written over.
    assert main(["helpfile", "--to", "f\u00fcr dich.zip"]) == 1
    assert "SM-HLP-002" in capsys.readouterr().err


def test_several_configs_are_in_it_and_asked_together(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    said = []

    def command(name: str, *words: str) -> contents.Part:
        said.append(" ".join(words))
        return contents.Part(name, "said", "")

    monkeypatch.setattr(contents, "_command", command)
    Path("lab.yaml").write_text("results: of_lab\n")
    Path("day.yaml").write_text("segmentation: {engine: threshold}\n")
    assert main(["helpfile", "--configfile", "lab.yaml", "day.yaml", "--to", "help.zip"]) == 0
    with ZipFile("help.zip") as opened:
        assert b"of_lab" in opened.read("config_1.yaml")
        assert b"threshold" in opened.read("config.yaml")
    both = "--configfile lab.yaml --configfile day.yaml"
    assert said[:3] == [f"check {both}", "status --results of_lab", f"plan {both}"]


@pytest.mark.parametrize("folder", ["config/config.yaml", "typo/x"])
def test_it_is_said_at_once_that_nothing_can_be_written_there(experiment, capsys, folder):
    place = Path(folder, "help.zip")
    assert main(["helpfile", "--to", str(place)]) == 1
    out, err = capsys.readouterr()
    assert not out and err.startswith(f"SM-HLP-001  {place}") and "--to" in err
    assert not Path("typo").exists()


def test_its_size_has_a_limit(experiment, monkeypatch):
    monkeypatch.setattr(contents, "_command", lambda name, *words: contents.Part(name, "said", ""))
    monkeypatch.setattr(archive, "MOST_BYTES", 100_000)
    for number in range(30):
        path = experiment / "results" / "logs" / f"{number}.log"
        path.write_text(os.urandom(20_000).hex()[: contents.LOG_BYTES])
        os.utime(path, (number, number))
    assert main(["helpfile"]) == 0
    (file,) = experiment.glob("segmake-help-*.zip")
    with ZipFile(file) as opened:
        names = opened.namelist()
        assert sum(info.file_size for info in opened.infolist()) < 120_000
    # The newest logs are in it.
    assert 'logs/scripts/d\u00e9j\u00e0 "vu"/a b.log' in names and "logs/0.log" not in names
