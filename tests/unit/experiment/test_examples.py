from __future__ import annotations

import os
import re
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from segmake.cli import main
from segmake.config.load import load_config
from segmake.core import installation
from segmake.demo import example_images
from segmake.engines import threshold
from segmake.experiment.examples import (
    EXAMPLES,
    WITHOUT_NETWORK,
    example_config,
    list_examples,
)
from segmake.experiment.new import make_experiment
from segmake.messages import Problem


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder in which experiments are made, without conda."""
    path = os.environ["PATH"].split(os.pathsep)
    path = [each for each in path if not Path(each, "conda").exists()]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_example_is_listed_in_both_languages(monkeypatch):
    configs = {path.name for path in installation.example_configs().glob("*.yaml")}
    names = (*EXAMPLES, f"phase{WITHOUT_NETWORK}")
    assert configs == {f"{name}{end}" for name in names for end in (".yaml", ".fr.yaml")}
    english = list_examples()
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    for text in (english, list_examples()):
        assert [line.split()[0] for line in text.splitlines() if line.startswith("  ")] == [
            *EXAMPLES
        ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_both_languages_set_the_same(name, place):
    settings, texts = [], []
    for language in ("en", "fr"):
        make_experiment(Path(language), language, example=name)
        with chdir(language):
            config = Path("config", "config.yaml")
            settings.append(load_config(config).written)
            texts.append(config.read_text(encoding="utf-8"))
    assert settings[0] == settings[1]
    comments = [[line for line in text.splitlines() if "# " in line] for text in texts]
    assert all(comments) and not set(comments[0]) & set(comments[1])


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_gallery_shows_the_configs_as_they_are(language, root):
    end = "" if language == "en" else f".{language}"
    page = (root / "docs" / "examples" / f"index{end}.md").read_text(encoding="utf-8")
    shown = re.findall(r"(?ms)^```yaml\n(.*?)^```", page)
    # Without the line for editors.
    texts = [example_config(name, language).read_text(encoding="utf-8") for name in EXAMPLES]
    assert shown == [text.partition("\n")[2] for text in texts]


def test_an_example_can_be_used_as_it_is(place):
    told = make_experiment(Path("my movie"), "fr", example="movie")
    assert "my movie/images" in told and "'my movie'" in told
    with chdir("my movie"):
        assert load_config(Path("config", "config.yaml")).settings["tracking"] is True
    text = Path("my movie", "config", "config.yaml").read_text(encoding="utf-8")
    schema = text.splitlines()[0].partition("=")[2]
    assert "Chaque cellule garde" in text and Path(schema).is_file() and schema.endswith(".fr.json")


def test_the_same_images_are_drawn_each_time(place):
    for folder in ("one", "two"):
        example_images.write_images("stack", Path(folder))
    files = sorted(path.relative_to("one") for path in Path("one").rglob("*.tif"))
    assert len(files) == 3
    assert all(Path("one", f).read_bytes() == Path("two", f).read_bytes() for f in files)


def test_without_a_network_the_threshold_finds_the_cells_of_phase(place, monkeypatch):
    make_experiment(Path("with"), "en", example="phase")
    monkeypatch.setattr(installation, "environments", lambda: place / "none")
    told = make_experiment(Path("without"), "en", example="phase")
    assert "engine: threshold" in told
    with chdir("without"):
        config = Path("config", "config.yaml")
        settings = load_config(config).settings["segmentation"]
        # No comment speaks of settings that are not there.
        assert "demo model" not in config.read_text(encoding="utf-8")
    loaded = threshold.load(settings)
    for image in example_images.draw("phase"):
        labels = threshold.masks(loaded, threshold.predict(loaded, [image.pixels]))
        assert labels.max() == pytest.approx(len(np.unique(image.labels)) - 1, rel=0.1)


def test_nothing_of_the_user_s_is_overwritten(place):
    Path("mine", "scripts").mkdir(parents=True)
    Path("mine", "scripts", "survival.py").write_text("mine")
    with pytest.raises(Problem, match="SM-EXP-005"):
        make_experiment(Path("mine"), "en", example="sweep")
    Path("mine", "images").mkdir()
    with pytest.raises(Problem, match="SM-EXP-005"):
        make_experiment(Path("mine"), "en", example="movie")
    assert not Path("mine", "config").exists()


def test_what_does_not_go_together_is_refused(place, capsys):
    for words, code in (
        (["new"], "SM-CMD-003"),
        (["new", "a", "--example", "movies"], "SM-CMD-005"),
        (["new", "a", "--example", "movie", "--from", "b"], "SM-CMD-011"),
        (["new", "a", "--example", "movie", "--images", "b"], "SM-CMD-011"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(words)
        assert capsys.readouterr().err.startswith(code), words
    assert main(["new", "--examples"]) == 0
    assert "two-channels" in capsys.readouterr().out
