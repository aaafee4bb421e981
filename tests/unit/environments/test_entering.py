"""What `segmake environment NAME` says: its commands are typed into a shell, and do what they promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from segmake.cli import main


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """An experiment with two environments, of which none is made; its folder has a name that needs quotes in a shell."""
    folder = tmp_path / "l'été à la mer"
    (folder / "config").mkdir(parents=True)
    (folder / "images").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SNAKEMAKE_CONDA_PREFIX", str(folder / "made"))
    settings = {
        "images": {"folder": "images"},
        "segmentation": {"engine": "threshold"},
        "environments": {
            "growth": {"packages": ["natsort==8.4.0"]},
            "lab": {"existing": str(Path(sys.executable).parents[1])},
            "broken": {"packages": ["os"]},
        },
    }
    Path("config/config.yaml").write_text(json.dumps(settings))
    return folder


def in_shell(*commands: str) -> str:
    """Type commands into a shell that has uv, and then ask which Python answers there."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = "\n".join(["set -e", *commands, "python -c 'import sys, natsort; print(sys.prefix)'"])
    words = ["bash", "-c", script]
    done = subprocess.run(
        words, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_what_is_said_enters_the_environment_and_makes_one_like_it(experiment, capsys):
    assert main(["environment", "growth"]) == 0
    said = capsys.readouterr().out
    assert "segmake environment growth --make" in said and not Path("made").exists()
    assert main(["environment", "growth", "--make"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (enter,) = [line.partition("source ")[2] for line in lines if line.startswith("to enter")]
    (made,) = Path("made/own").glob("growth-*")
    assert in_shell(f"source {enter}") == str(made.absolute())

    start = lines.index("segmake environment growth --export --to growth-environment")
    by_uv = lines[start + 1 : lines.index("or")]
    assert len(by_uv) == 3
    exported = ["environment", "growth", "--export", "--to", "growth-environment"]
    assert main(exported) == 0 and main(exported) == 0
    assert in_shell(*by_uv) == str(experiment / "growth")
    locked = tomllib.loads(Path("growth-environment/pylock.toml").read_text())
    (package,) = locked["packages"]
    assert package["version"] == "8.4.0" and package["wheels"][0]["hashes"]["sha256"]

    # The config wants it, though no run has had it yet.
    assert main(["environment", "--remove", "--unused"]) == 0
    assert made.exists()


def test_an_environment_that_was_there_is_entered_as_it_is(experiment, capsys):
    assert main(["environment", "lab", "--make"]) == 0
    said = capsys.readouterr().out
    assert f"source {sys.prefix}/bin/activate" in said and "conda env create" not in said


def test_mistakes_are_told(experiment, capsys):
    assert main(["environment", "grwoth"]) == 1
    assert "SM-ENV-053" in (told := capsys.readouterr().err) and "growth" in told
    assert main(["environment", "broken"]) == 1
    assert "SM-ENV-018" in capsys.readouterr().err
