"""The example scripts, run as the workflow runs them: do they find what was drawn?"""

from __future__ import annotations

import csv
import math
import os
import re
import runpy
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

from segmake.labels.labels import write_masks
from tests.projects import ROOT

SCRIPTS = ROOT / "scripts"
EXAMPLES = sorted(path.name for path in SCRIPTS.glob("*.py"))
CELLPOSE3 = ROOT / ".environments" / "cellpose3" / "bin" / "python"
DEMO_MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"


def run(name: str, outputs: Path, *arguments: object, python: Path | str = sys.executable):
    """Run a script in its empty folder of outputs, and return what became of it."""
    outputs.mkdir()
    command = [python, SCRIPTS / name, *arguments, "--output-dir", outputs]
    known = {**os.environ, "MPLBACKEND": "Agg", "SEGMAKE_POSITION": "1"}
    return subprocess.run(
        [str(word) for word in command], cwd=outputs, env=known, capture_output=True, text=True
    )


def good(name: str, outputs: Path, *arguments: object, **options) -> Path:
    done = run(name, outputs, *arguments, **options)
    assert done.returncode == 0, done.stderr
    return outputs


def write_mask(path: Path, labels: np.ndarray, axes: str = "YX") -> Path:
    planes = labels.reshape(-1, *labels.shape[-2:])
    write_masks(path, planes, axes=axes, shape=labels.shape, name="drawn")
    return path


def drawn_rods() -> tuple[np.ndarray, np.ndarray]:
    """Return rods at all angles, and an image that is 100 at the left end of each and 300 at the right end."""
    labels, image = np.zeros((180, 240), np.uint16), np.full((180, 240), 50.0)
    y, x = np.mgrid[:180, :240]
    for number, angle in enumerate(np.linspace(-80, 80, 12)):
        right, down = x - (30 + 60 * (number % 4)), y - (30 + 60 * (number // 4))
        cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        along, across = cosine * right + sine * down, cosine * down - sine * right
        inside = np.hypot(np.maximum(abs(along) - 18, 0), across) < 5
        labels[inside] = 3 * number + 2
        image[inside] = 200 + 100 * along[inside] / 23
    return labels, image


@pytest.mark.parametrize("name", EXAMPLES)
def test_is_short_and_says_how_to_make_it_a_step(name):
    text = (SCRIPTS / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    snippet = re.search(r"^    scripts:.*?(?=^\"\"\"|^\S)", text, re.MULTILINE | re.DOTALL)
    assert snippet, "no lines for the config"
    config = yaml.safe_load(snippet.group())
    (section,) = config["scripts"]
    assert section["script"] == f"segmake:{name}"
    assert section.get("environment") in config.get("environments", {None: {}})
    for argument in [*section.get("arguments", {}), *section.get("sweep", {})]:
        # Options of several kinds are added in a loop, without their dashes.
        assert f'"--{argument}"' in text or f'"{argument}"' in text


def test_profiles_run_from_the_left_end_to_the_right(tmp_path):
    labels, image = drawn_rods()
    mask = write_mask(tmp_path / "a_masks.ome.tif", labels)
    two = np.stack([np.zeros_like(image), image]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", two, imagej=True, metadata={"axes": "CYX"})
    given = ("--input", tmp_path / "a.tif", "--mask", mask, "--channel", 2, "--bins", 10)
    made = good("intensity_profile.py", tmp_path / "plain", *given)
    profiles = pd.read_csv(made / "profiles.csv")
    assert set(profiles["label"]) == set(np.unique(labels)) - {0}
    expected = 100 + 200 * profiles["position"]
    np.testing.assert_allclose(profiles["intensity"], expected, atol=8)
    assert (made / "profiles.png").stat().st_size > 10_000
    made = good("intensity_profile.py", tmp_path / "less", *given, "--subtract-background")
    np.testing.assert_allclose(
        pd.read_csv(made / "profiles.csv")["intensity"], profiles["intensity"] - 50
    )
    mean = pd.read_csv(made / "mean_profile.csv")
    np.testing.assert_allclose(mean["mean"], (50 + 200 * mean["position"]) / 150, atol=0.06)


def test_profiles_take_nd2_and_refuse_movies(tmp_path, shared):
    nd2 = pytest.importorskip("nd2")
    path = shared / "nd2" / "example-multichannel.nd2"
    labels = np.zeros((256, 256), np.uint16)
    labels[100:105, 60:100] = 1
    mask = write_mask(tmp_path / "masks.ome.tif", labels)
    given = ("--mask", mask, "--channel", 3, "--bins", 40)
    made = good("intensity_profile.py", tmp_path / "nd2", "--input", path, *given)
    expected = nd2.imread(path)[2, 100:105, 60:100].mean(axis=0)
    np.testing.assert_allclose(pd.read_csv(made / "profiles.csv")["intensity"], expected)
    movie = shared / "nd2" / "example-timelapse.nd2"
    refused = run("intensity_profile.py", tmp_path / "movie", "--input", movie, *given)
    assert refused.returncode == 1
    assert (
        refused.stderr
        == "example-timelapse.nd2 is a movie or in 3D: no profiles are made of those.\n"
    )


def table_of_a_movie(path: Path, *, timed: bool) -> Path:
    """Write 10 time points without growth, then 15 in which cells double each 40 minutes; 5 minutes in between."""
    rows = []
    for time in range(1, 26):
        size = 2 ** (max(time - 10, 0) * 5 / 40)
        seconds = (time - 1) * 300 if timed else math.nan
        rows += [(time, seconds, label, 10 * size, math.nan) for label in range(1, 9)]
    columns = ["time", "time_s", "label", "area_px", "area_um2"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False, encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("timed", [True, False])
def test_growth_rate_is_that_of_the_best_window(tmp_path, timed):
    cells = table_of_a_movie(tmp_path / "cells.csv", timed=timed)
    made = good("growth_curve.py", tmp_path / "out", "--cells", cells, "--window", 12)
    rates = pd.read_csv(made / "growth_rate.csv", index_col="measure")
    area = rates.loc["area_px"]
    assert area["growth_rate"] == pytest.approx(math.log(2) / 40 * (60 if timed else 5))
    assert area["unit"] == ("per hour" if timed else "per time point")
    assert area["first_time"] >= 10
    assert area["last_time"] - area["first_time"] == 11
    assert area["doubling_time_min"] == pytest.approx(40 if timed else math.nan, nan_ok=True)
    assert rates.loc["cells", "growth_rate"] == pytest.approx(0)
    curve = pd.read_csv(made / "growth_curve.csv")
    assert curve["cells"].tolist() == [8] * 25
    assert curve["area_px"].iloc[0] == pytest.approx(80)


def test_growth_needs_a_movie(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("label,area_px,area_um2\n1,20,\n")
    refused = run("growth_curve.py", tmp_path / "out", "--cells", path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("A growth curve needs a movie")


def table_of_conditions(path: Path, centres: dict[str, list[float]]) -> Path:
    """Write 51 cells for each image, around the median that it is given."""
    rows = [
        (f"{condition}/{number}.tif", centre + offset)
        for condition, images in centres.items()
        for number, centre in enumerate(images)
        for offset in np.linspace(-1, 1, 51)
    ]
    pd.DataFrame(rows, columns=["image", "area_px"]).to_csv(path, index=False)
    return path


def test_conditions_are_compared_by_the_medians_of_images(tmp_path):
    centres = {"a": [1.0, 2, 3, 4], "b": [11.0, 12, 13, 14], "c": [2.5, 3.5, 12.5, 13.5]}
    cells = table_of_conditions(tmp_path / "cells.csv", centres)
    made = good("compare_conditions.py", tmp_path / "out", "--cells", cells)
    pairs = pd.read_csv(made / "statistics.csv").set_index(["first", "second"])
    # Of the C(8, 4) = 70 orders of 4 and 4 images, 2 are as far apart as a and b.
    assert pairs["smallest_p_possible"].tolist() == pytest.approx([2 / 70] * 3)
    # U is 3 for a and c, 5 for b and c: 14 and 34 of the 70 orders are as far apart.
    assert pairs["p"].tolist() == pytest.approx([2 / 70, 14 / 70, 34 / 70])
    assert pairs["p_holm"].tolist() == pytest.approx([6 / 70, 28 / 70, 34 / 70])
    assert pairs.loc[("a", "b"), ["first_median", "second_median"]].tolist() == [2.5, 12.5]
    report = (made / "report.md").read_text()
    assert "Kruskal-Wallis" in report
    assert "![](figure.png)" in report
    assert (made / "figure.png").exists()


def test_one_condition_is_drawn_and_replicates_are_joined(tmp_path):
    cells = table_of_conditions(tmp_path / "cells.csv", {"mon_a": [1.0, 3], "tue_a": [5.0]})
    made = good("compare_conditions.py", tmp_path / "one", "--cells", cells, "--condition", "_(a)/")
    assert pd.read_csv(made / "statistics.csv").empty
    assert "a: median 3 of 3 replicates" in (made / "report.md").read_text()
    given = ("--cells", cells, "--condition", "_(a)/", "--replicate", "^(mon|tue)")
    made = good("compare_conditions.py", tmp_path / "days", *given)
    assert "a: median 3.5 of 2 replicates" in (made / "report.md").read_text()
    assert run("compare_conditions.py", tmp_path / "none", *given, "--measure", "x").returncode == 1


def test_simulation_is_that_of_births_and_deaths(tmp_path):
    """Without crowding or food of the other, mean and extinction are known (Kendall 1948)."""
    simulate = runpy.run_path(str(SCRIPTS / "gillespie.py"))["simulate"]
    birth, death, start, end, runs = 1.0, 0.8, 5, 4.0, 2000
    options = Namespace(
        **{"growth_a": birth, "growth_b": 0.5, "cross_feeding": 0.0, "half_saturation": 1.0},
        **{"dilution": death, "capacity": math.inf, "competition": 1.0},
        **{"start_a": start, "start_b": 0, "end_time": end, "steps": 4},
    )
    ends, extinct = [], 0
    for seed in range(runs):
        options.seed = seed
        trajectory, died_out = simulate(options)
        ends.append(trajectory[-1][1])
        assert (died_out[0] != "") == (ends[-1] == 0)
        extinct += ends[-1] == 0
    growth = math.exp((birth - death) * end)
    spread = math.sqrt(start * (birth + death) / (birth - death) * growth * (growth - 1) / runs)
    assert np.mean(ends) == pytest.approx(start * growth, abs=4 * spread)
    lost = (death * (growth - 1) / (birth * growth - death)) ** start
    assert extinct / runs == pytest.approx(lost, abs=4 * math.sqrt(lost * (1 - lost) / runs))


def test_simulation_is_the_same_for_a_seed(tmp_path):
    made = [
        good("gillespie.py", tmp_path / f"{number}", "--seed", seed, "--cross-feeding", 0.4)
        for number, seed in enumerate((1, 1, 2))
    ]
    first, again, other = ((folder / "trajectory.csv").read_text() for folder in made)
    assert first == again != other
    trajectory = pd.read_csv(made[0] / "trajectory.csv")
    np.testing.assert_allclose(trajectory["time"], np.linspace(0, 50, 201))
    summary = pd.read_csv(made[0] / "summary.csv")
    assert summary[["a", "b"]].iloc[0].tolist() == trajectory[["a", "b"]].iloc[-1].tolist()


def test_template_counts_bright_pixels(tmp_path):
    labels = np.zeros((20, 20), np.uint16)
    labels[2:6, 2:12], labels[10:14, 2:12] = 1, 4
    image = np.where(labels == 4, 2000, 10).astype(np.uint16)
    image[2, 2:12] = 1001
    tifffile.imwrite(tmp_path / "a.tif", image)
    mask = write_mask(tmp_path / "masks.ome.tif", labels)
    given = ("--input", tmp_path / "a.tif", "--mask", mask, "--threshold", 1000)
    made = good("template.py", tmp_path / "out", *given)
    table = pd.read_csv(made / "bright.csv")
    assert table.to_dict("list") == {
        "label": [1, 4],
        "bright_px": [10, 40],
        "bright_part": [0.25, 1],
    }


@pytest.mark.skipif(
    not CELLPOSE3.exists(), reason="Cellpose 3 is missing: bash scripts/setup.sh --engine cellpose3"
)
def test_training_learns_from_corrected_masks(tmp_path):
    labels, image = drawn_rods()
    mask = write_mask(tmp_path / "masks.ome.tif", labels)
    tifffile.imwrite(tmp_path / "a.tif", image.astype(np.uint16))
    with (tmp_path / "images.csv").open("w", newline="", encoding="utf-8-sig") as table:
        rows = csv.writer(table)
        rows.writerow(("image", "path", "position", "corrected", "mask"))
        rows.writerow(("a.tif", tmp_path / "a.tif", 1, "true", mask))
        rows.writerow(("b.tif", tmp_path / "not there.tif", 1, "false", mask))
    given = ("--input", tmp_path / "images.csv", "--mask", tmp_path, "--model", DEMO_MODEL)
    made = good(
        *("train_cellpose.py", tmp_path / "out", *given, "--epochs", 2, "--crops", 1),
        python=CELLPOSE3,
    )
    losses = pd.read_csv(made / "losses.csv")
    assert losses["epoch"].tolist() == [1, 2]
    assert losses["loss"].between(0.01, 10).all()
    compare = (
        "import sys, torch; a, b = (torch.load(f, weights_only=True) for f in sys.argv[1:]);"
        "k = 'downsample.down.res_down_0.conv.conv_0.2.weight';"
        "print(a.keys() == b.keys(), not torch.equal(a[k].float(), b[k].float()))"
    )
    command = [CELLPOSE3, "-c", compare, DEMO_MODEL, made / "models" / "fine_tuned"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == "True True\n"
