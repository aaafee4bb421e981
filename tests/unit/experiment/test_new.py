from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segmake.config.load import load_config
from segmake.config.template import suggested
from segmake.experiment.new import make_experiment
from segmake.messages import Problem, Problems

CONFIG = Path("config", "config.yaml")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings_of(folder: str) -> dict:
    with chdir(folder):
        return load_config(CONFIG, images=False).settings


def draw(path: Path, shape: tuple[int, ...], **metadata: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite(path, pixels, ome=True, photometric="minisblack", metadata=metadata)


def test_an_experiment_is_a_config_and_nothing_else(place: Path) -> None:
    told = make_experiment(Path("growth"), "en")
    make_experiment(Path("croissance"), "fr")
    assert [path for path in Path("growth").rglob("*") if path.is_file()] == [
        Path("growth") / CONFIG
    ]
    assert "cd growth" in told and "snakemake --profile slurm -n" in told
    english, french = settings_of("growth"), settings_of("croissance")
    assert english == french
    assert english["segmentation"]["model"] == suggested()["segmentation"]["model"]
    text = (Path("croissance") / CONFIG).read_text(encoding="utf-8")
    assert "Vos images" in text and "Your images" not in text
    # An editor opens the explanations in the same language, from wherever the experiment lies.
    schema = text.splitlines()[0].partition("$schema=")[2]
    assert Path(schema).is_absolute() and Path(schema).name == "config.schema.fr.json"
    assert Path(schema).is_file()


def test_what_the_images_hold_is_written_beside_the_settings() -> None:
    names = {"Channel": {"Name": ["GFP", "Phase", "DAPI"]}}
    draw(Path("data", "a.ome.tif"), (3, 8, 9), axes="CYX", **names)
    draw(Path("data", "b.ome.tif"), (5, 3, 8, 9), axes="ZCYX", **names, PhysicalSizeX=0.065)
    draw(Path("data", "c.ome.tif"), (4, 3, 8, 9), axes="TCYX", **names)
    told = make_experiment(Path("growth"), "en", images=Path("data"))
    section = settings_of("growth")["images"]
    assert section["channel"] == "Phase"
    assert section["folder"] == str(Path("data").absolute())
    lines = (Path("growth") / CONFIG).read_text(encoding="utf-8").splitlines()
    above = {line.strip(): lines[number - 1] for number, line in enumerate(lines)}
    assert "GFP, Phase, DAPI" in above["channel: Phase"]
    assert "Slices in your images: 5" in above["z: null"]
    assert "Time points in your images: 4" in above["time: null"]
    assert "0.065 µm" in above["pixel_size_um: null"]
    assert "3" in told
    # Each is told with the setting that it concerns.
    assert "  channel: In your images: GFP, Phase, DAPI." in told
    assert "  z: Slices in your images: 5." in told


def test_sizes_of_pixels_are_written_as_the_language_does(monkeypatch) -> None:
    for name, size in (("a", 0.065), ("b", 0.10833)):
        draw(Path("data", f"{name}.ome.tif"), (8, 9), axes="YX", PhysicalSizeX=size)
    for spoken, sizes in (("fr", "0,065 ; 0,1083 µm"), ("en", "0.065; 0.1083 µm")):
        monkeypatch.setenv("SEGMAKE_LANG", spoken)
        assert sizes in make_experiment(Path(spoken), spoken, images=Path("data"))
        assert sizes in (Path(spoken) / CONFIG).read_text(encoding="utf-8")


def test_a_channel_is_not_guessed_where_no_name_tells_it() -> None:
    draw(Path("data", "a.ome.tif"), (2, 8, 9), axes="CYX", Channel={"Name": ["GFP", "mCherry"]})
    make_experiment(Path("growth"), "en", images=Path("data"))
    assert settings_of("growth")["images"]["channel"] is None
    assert "GFP, mCherry. Write here" in (Path("growth") / CONFIG).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "chosen"), [("Ph 1", "Ph 1"), ("PH3", "PH3"), ("FAM/pH 9.0", None), ("pH 7", None)]
)
def test_the_ph_of_a_buffer_is_no_phase_contrast(name: str, chosen: str | None) -> None:
    draw(Path("data", "a.ome.tif"), (2, 8, 9), axes="CYX", Channel={"Name": ["GFP", name]})
    make_experiment(Path("growth"), "en", images=Path("data"))
    assert settings_of("growth")["images"]["channel"] == chosen


def test_a_channel_that_some_images_lack_is_not_proposed() -> None:
    draw(Path("data", "a.ome.tif"), (2, 8, 9), axes="CYX", Channel={"Name": ["GFP", "Phase"]})
    draw(Path("data", "b.ome.tif"), (2, 8, 9), axes="CYX", Channel={"Name": ["GFP", "DAPI"]})
    make_experiment(Path("growth"), "en", images=Path("data"))
    assert settings_of("growth")["images"]["channel"] is None


def test_images_within_the_experiment_are_named_from_there() -> None:
    draw(Path("growth", "data", "a.ome.tif"), (8, 9), axes="YX")
    make_experiment(Path("growth"), "en", images=Path("growth/data"))
    assert settings_of("growth")["images"]["folder"] == "data"


def test_images_are_found_when_the_folder_in_which_one_stood_is_gone(place: Path) -> None:
    draw(Path("images", "a.ome.tif"), (8, 9), axes="YX")
    Path("stood").mkdir()
    with chdir("stood"):
        make_experiment(Path("../growth"), "en", images=Path("../images"))
    assert settings_of("growth")["images"]["folder"] == str(place / "images")
    # What `..` of a link is depends on where it leads.
    draw(Path("far", "own", "b.ome.tif"), (8, 9), axes="YX")
    draw(Path("far", "images", "b.ome.tif"), (8, 9), axes="YX")
    Path("near").symlink_to("far/own")
    make_experiment(Path("linked"), "en", images=Path("near/../images"))
    assert settings_of("linked")["images"]["folder"] == str(place / "near/../images")


OTHER = """\
images: {folder: data, channel: GFP}
segmentation:
  engine: threshold
  diameter: 12
results: results/first
scripts:
  - name: model
    script: own/model.py
    files: [own/table.csv]
    run: sweep
    arguments: {weights: "{project}/own/table.csv", rate: 1e-3}
    sweep: {seed: [007, 008]}
  - {name: growth, script: "segmake:growth_curve.py", needs: [cells]}
environments:
  lab: {file: own/requirements.txt}
"""


def test_settings_are_taken_over_and_their_paths_lead_to_the_same_files(place: Path) -> None:
    (place / "first" / "config").mkdir(parents=True)
    (place / "first" / CONFIG).write_text(OTHER, encoding="utf-8")
    own = place / "first" / "own"
    own.mkdir()
    (own / "model.py").write_text(
        "import argparse\n"
        "p = argparse.ArgumentParser()\n"
        "for n in ('weights', 'rate', 'seed', 'output-dir'):\n"
        "    p.add_argument('--' + n)\n"
        "p.parse_args()\n"
    )
    (own / "table.csv").touch()
    (own / "requirements.txt").write_text("tqdm\n")
    make_experiment(Path("second"), "en", other=Path("first"))
    settings = settings_of("second")
    # Its images and results are its own.
    assert settings["images"]["folder"] == "images" and settings["results"] == "results"
    assert settings["images"]["channel"] == "GFP" and settings["segmentation"]["diameter"] == 12
    script, brought = settings["scripts"]
    assert script["script"] == str(own / "model.py") and script["files"] == [str(own / "table.csv")]
    assert script["arguments"] == {"weights": str(own / "table.csv"), "rate": "1e-3"}
    assert script["sweep"] == {"seed": ["007", "008"]}
    assert brought["script"] == "segmake:growth_curve.py"
    assert settings["environments"]["lab"]["file"] == str(own / "requirements.txt")


def test_a_simulation_has_no_images_and_a_script_that_is_there() -> None:
    told = make_experiment(Path("mixture"), "en", simulation=True)
    settings = load_config(Path("mixture") / CONFIG).settings
    assert settings["images"]["folder"] is None
    assert [script["script"] for script in settings["scripts"]] == ["segmake:gillespie.py"]
    assert "scripts" in told


def test_nothing_that_is_there_is_overwritten() -> None:
    make_experiment(Path("growth"), "en")
    (Path("growth") / CONFIG).write_text("mine: 1\n")
    with pytest.raises(Problem) as caught:
        make_experiment(Path("growth"), "en")
    assert caught.value.code == "SM-EXP-001"
    assert (Path("growth") / CONFIG).read_text() == "mine: 1\n"
    Path("other", "workflow").mkdir(parents=True)
    with pytest.raises(Problem) as caught:
        make_experiment(Path("other"), "en")
    assert caught.value.code == "SM-EXP-003"


@pytest.mark.parametrize("folder", ["file", "file/growth"])
def test_a_place_where_no_experiment_can_be(folder: str) -> None:
    Path("file").touch()
    with pytest.raises(Problem) as caught:
        make_experiment(Path(folder), "en")
    assert caught.value.code == "SM-EXP-002"


def test_what_is_wrong_with_images_or_the_other_experiment_is_told_before_anything_is_made() -> (
    None
):
    with pytest.raises(Problems):
        make_experiment(Path("growth"), "en", images=Path("nowhere"))
    with pytest.raises(Problem) as caught:
        make_experiment(Path("growth"), "en", other=Path("nowhere"))
    assert caught.value.code == "SM-EXP-004"
    Path("first", "config").mkdir(parents=True)
    (Path("first") / CONFIG).write_text("segmentation: {diamater: 3}\n")
    with pytest.raises(Problems):
        make_experiment(Path("growth"), "en", other=Path("first"))
    assert not Path("growth").exists()
