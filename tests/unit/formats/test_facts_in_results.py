"""Files that say nothing, or of pixels that are not square, go through all steps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segmake.formats import read_headers
from segmake.formats.believed import Header
from segmake.images.inventory import write_inventory
from segmake.plan.make import make_plan
from segmake.report.summary import write_summary
from tests.unit.formats.test_facts import CM, INCH, TABLE, calibration, draw, scale, sides
from tests.unit.plan.test_planning import compute


def headers_here(paths: Iterable[Path]) -> list[tuple[Header, ...]]:
    return [read_headers(path) for path in paths]


@pytest.fixture
def computed(tmp_path, configure, monkeypatch):
    """Take the images in the test's folder through all steps, and return images.csv and cells.csv."""
    # The stand-in for an ND2 file is in this process alone.
    monkeypatch.setattr("segmake.images.inventory.headers_of", headers_here)

    def compute_all(**sections: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        plan, inventory = make_plan(configure(**sections))
        write_inventory(inventory, plan.folders.inventory)
        compute(plan)
        write_summary(plan)
        results = tmp_path / "results"
        assert (results / "report.html").stat().st_size > 1000
        images = pd.read_csv(results / "images.csv", encoding="utf-8-sig")
        assert images["message"].isna().all(), images["message"].tolist()
        return images.set_index("image"), pd.read_csv(results / "cells.csv", encoding="utf-8-sig")

    return compute_all


def test_files_that_say_nothing_go_through_all_steps(tmp_path, computed, monkeypatch):
    positions = {}
    for reader in TABLE:
        folder = tmp_path / "images" / reader
        folder.mkdir(parents=True)
        told = {"names": ("",)} if reader == "LIF" else {}
        path = draw(reader, folder, monkeypatch, **told)
        count = len(read_headers(path))
        name = path.relative_to(tmp_path / "images").as_posix()
        positions |= {
            f"{name} (p{number})" if count > 1 else name: number if count > 1 else None
            for number in range(1, count + 1)
        }
    images, cells = computed(
        images={"channel": 1, "include": ["**/*"], "exclude": ["*.index"]},
        outputs=["rois", "cellpose", "ome_zarr"],
    )
    assert set(images["state"]) == {"done"}
    assert images["position"].fillna(0).to_dict() == {k: v or 0 for k, v in positions.items()}
    assert sum(number == 2 for number in positions.values()) == 6
    assert set(images["cells"]) == {4} and len(cells) == 4 * len(images)
    assert images["pixel_size_um"].isna().all() and cells["area_um2"].isna().all()
    told = images["warning"].dropna()
    assert sorted(image.partition("/")[0] for image in told.index) == ["JPEG", "ND2", "ND2"], (
        "0.1.0 took 1 for ND2"
    )


def test_movies_that_say_nothing_of_their_times_are_tracked(tmp_path, computed, monkeypatch):
    for reader, axis in ("ImageJ", "T"), ("OME-Zarr", "t"), ("LIF", "T"):
        told = {"names": ("",)} if reader == "LIF" else {}
        axes = axis if reader != "OME-Zarr" else "tyx"
        folder = tmp_path / "images" / reader
        folder.mkdir(parents=True)
        draw(reader, folder, monkeypatch, shape=(3,), axes=axes, **told)
    images, cells = computed(images={"include": ["**/*"]}, tracking=True)
    assert images["tracks"].tolist() == [4, 4, 4]
    assert len(cells) == 36 and cells["time_s"].isna().all()


OBLONG = {
    "ND2": {"channels": ("a",), "size": (0.1, 0.2, 1), "calibrated": (True, True, False)},
    "OME-TIFF": {"pixels": sides(0.1, 0.2)},
    "ImageJ": {"resolution": (10, 5), "unit": "um"},
    "MetaMorph": calibration("0.1", "0.2"),
    "TIFF": {"shape": (1,), "resolution": (100_000, 50_000), "resolutionunit": CM},
    "CZI": {"scale_x": 1e-7, "scale_y": 2e-7},
    "LIF": {"names": ("a",), "steps": {"X": 1e-7, "Y": 2e-7}},
    "OME-Zarr": scale(0.1, 0.2),
}


def test_pixels_that_are_not_square_are_measured_along_both_axes(tmp_path, computed, monkeypatch):
    for reader, told in OBLONG.items():
        folder = tmp_path / "images" / reader
        folder.mkdir(parents=True)
        draw(reader, folder, monkeypatch, **told)
    images, cells = computed(outputs=["ome_zarr"])
    assert cells["area_um2"].to_numpy() == pytest.approx(0.02 * cells["area_px"], rel=1e-9)
    assert (cells["length_um"] > 1.9).all() and (cells["length_um"] < 2.4).all()
    assert cells["perimeter_um"].isna().all()
    assert images["pixel_size_um"].to_numpy() == pytest.approx(0.1)
    assert images["pixel_height_um"].to_numpy() == pytest.approx(0.2)
    assert images["warning"].str.contains("not square (0.1 x 0.2 µm)", regex=False).all()
    report = (tmp_path / "results" / "report.html").read_text(encoding="utf-8")
    assert report.count("0.1 × 0.2 µm per pixel") >= len(images)
    for mask in images["mask"]:
        header = read_headers(tmp_path / "results" / mask)[0]
        assert (header.pixel_size_um, header.pixel_height_um) == pytest.approx((0.1, 0.2))
    for folder in (tmp_path / "results" / "ome_zarr").rglob("*.ome.zarr"):
        header = read_headers(folder)[0]
        assert (header.pixel_size_um, header.pixel_height_um) == pytest.approx((0.1, 0.2))


def test_a_size_in_the_config_is_that_of_squares(tmp_path, computed, monkeypatch):
    (tmp_path / "images").mkdir()
    draw("ImageJ", tmp_path / "images", monkeypatch, **OBLONG["ImageJ"])
    images, cells = computed(images={"pixel_size_um": 0.3})
    assert cells["area_um2"].to_numpy() == pytest.approx(0.09 * cells["area_px"])
    assert cells["length_um"].to_numpy() == pytest.approx(0.3 * cells["length_px"])
    assert images[["pixel_size_um", "pixel_height_um"]].to_numpy().tolist() == [[0.3, 0.3]]
    assert images["warning"].isna().all()


def test_a_size_that_is_not_believed_is_said(tmp_path, computed, monkeypatch):
    tags = {"shape": (1,), "resolution": (2400, 2400), "resolutionunit": INCH}
    (tmp_path / "images").mkdir()
    draw("TIFF", tmp_path / "images", monkeypatch, **tags)
    images, cells = computed()
    assert cells["area_um2"].isna().all()
    assert images["warning"].str.contains("pixel_size_um 10.5833").all()
    images, cells = computed(images={"pixel_size_um": 10.5833})
    assert cells["area_um2"].notna().all() and images["warning"].isna().all()
