"""The examples, run as users run them: what is found is what was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from segmake.demo import example_images
from segmake.experiment.examples import WITHOUT_IMAGES
from tests.examples import EXAMPLES, finished_example, why_not


@pytest.fixture
def made(request, tmp_path: Path) -> Path:
    """The results of the example that a test names."""
    name = request.param
    if reason := why_not(name):
        pytest.skip(reason)
    folder = finished_example(name, tmp_path / name)
    assert folder is not None
    return folder / "results"


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("made", names, indirect=True)


@of(*(name for name in EXAMPLES if name not in WITHOUT_IMAGES))
def test_the_cells_that_were_drawn_are_found(made: Path) -> None:
    images = pd.read_csv(made / "images.csv", encoding="utf-8-sig").set_index("image")
    drawn = example_images.draw(made.parent.name)
    assert set(images.index) == {each.name for each in drawn}
    for each in drawn:
        cells = sum(len(np.unique(plane)) - 1 for plane in np.atleast_3d(each.labels.T).T)
        assert images.loc[each.name, "cells"] == pytest.approx(cells, rel=0.1), each.name
        mask = tifffile.imread(made / images.loc[each.name, "mask"]) > 0
        both = (mask & (each.labels > 0)).sum() / (mask | (each.labels > 0)).sum()
        assert both > 0.75, each.name
    report = (made / "report.html").read_text(encoding="utf-8")
    assert all(each.name in report for each in drawn)


@of("movie")
def test_who_came_of_whom_in_the_movie_is_what_was_drawn(made: Path) -> None:
    origins = example_images.movie().origins
    mothers = [cell for each in origins for cell in each.values()]
    divisions = len(mothers) - len(set(mothers))
    lineage = pd.read_csv(made / "lineages" / "colony_lineage.csv", encoding="utf-8-sig")
    assert (lineage["daughter_1"] > 0).sum() == divisions > 5
    assert len(lineage) == len(np.unique(example_images.movie().frames[0])) - 1 + 2 * divisions
    rates = pd.read_csv(made / "scripts" / "growth" / "all_growth_rate.csv", encoding="utf-8-sig")
    minutes = example_images.FRAMES_A_GENERATION * example_images.SECONDS_A_FRAME / 60
    found = rates.set_index("measure")["doubling_time_min"]
    assert found["area_um2"] == pytest.approx(minutes, rel=0.15)


@of("two-channels")
def test_the_dna_of_treated_cells_is_brighter_as_drawn(made: Path) -> None:
    folder = made / "scripts" / "comparison"
    (row,) = pd.read_csv(folder / "statistics.csv").to_dict("records")
    assert 1.3 < row["second_median"] / row["first_median"] < 2.2 and row["p"] < 0.05
    assert (folder / "figure.png").stat().st_size > 1000


@of("several-files")
def test_the_files_of_each_position_are_one_movie_of_two_channels(made: Path) -> None:
    images = pd.read_csv(made / "images.csv", encoding="utf-8-sig").set_index("image")
    assert len(list((made.parent / "images").iterdir())) == 16
    assert images["tracks"].gt(0).all() and (images["pixel_size_um"] == 0.065).all()
    cells = pd.read_csv(made / "cells.csv", encoding="utf-8-sig")
    means = cells.groupby(["image", "time"])[["mean_intensity_RFP", "mean_intensity_GFP"]].mean()
    for _, of_image in means.groupby(level=0):
        assert of_image["mean_intensity_GFP"].is_monotonic_increasing and len(of_image) == 4
        assert of_image["mean_intensity_RFP"].std() < 0.1 * of_image["mean_intensity_RFP"].mean()


@of("script")
def test_the_protein_is_where_it_was_drawn(made: Path) -> None:
    table = pd.read_csv(made / "scripts" / "profile" / "all_mean_profile.csv", encoding="utf-8-sig")
    place = table["image"].str.split("/").str[0]
    means = table.groupby([place, "position"])["mean"].mean()
    assert 0.4 < means["control"].idxmax() < 0.6
    assert abs(means["treated"].idxmax() - 0.5) > 0.3
    assert (made / "scripts" / "overview" / "overview.png").stat().st_size > 1000


@of("sweep")
def test_more_food_lets_more_runs_survive(made: Path) -> None:
    table = pd.read_csv(made / "scripts" / "simulation" / "all_summary.csv", encoding="utf-8-sig")
    assert len(table) == 24
    survival = pd.read_csv(made / "scripts" / "survival" / "survival.csv").iloc[:, 1]
    assert survival.is_monotonic_increasing and survival.iloc[0] < 0.5 < survival.iloc[-1]
