"""Every real ND2 and TIFF file of ../shared/data goes through a whole run, or fails with what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile

from tests.projects import Project

# What the first channel is called: its number is refused, since it is another channel from file to file.
FIRST = ["5-FAM/pH 9.0", "DIC", "Mono", "GFP 488 nm", "FITC BP", "red", "1"]
# The axes of the label image with the first channel, the maximum of all slices, and unexplained pages as time points.
AXES = {
    "nd2/cluster.nd2": "TYX",
    "nd2/example-timelapse.nd2": "TYX",
    "tiff/derived_cluster_TZCYX.ome.tif": "TYX",
    "tiff/derived_trpL_phase_T16_bigtiff.ome.tif": "TYX",
    "tiff/derived_trpL_phase_T16_imagej.tif": "TYX",
    "tiff/membrane_2d_timelapse.tif": "TYX",
    "tiff/multipage.tif": "TYX",
    "tiff/multipage_rgb.tif": "TYX",
    "tiff/stuck.tif": "TYX",
}
FAILS = {"tiff/psf_float32_nan.tif": "SM-IMG-014"}  # every pixel of it is NaN


def test_every_real_file_goes_through_or_says_why_not(shared: Path, tmp_path: Path) -> None:
    settings = {
        "images": {
            "folder": [str(shared / "nd2"), str(shared / "tiff")],
            "channel": FIRST,
            "z": "max",
            "pages": "time",
        },
        "segmentation": {"engine": "threshold"},
        "results": "results",
    }
    project = Project(tmp_path, settings)
    run = project.run()
    assert "Traceback" not in run.stderr
    table = pd.read_csv(project.results / "images.csv", encoding="utf-8-sig").set_index("image")
    files = {
        f"{folder}/{path.name}"
        for folder in ("nd2", "tiff")
        for path in (shared / folder).iterdir()
        if path.suffix in (".nd2", ".tif")
    }
    assert {name.partition(" (p")[0] for name in table.index} == files
    assert len(table) == len(files) + 2, "one of them has three positions"
    failed = table[table["state"] != "done"]
    assert failed["code"].to_dict() == FAILS
    cells = pd.read_parquet(project.results / "cells.parquet")
    for name, row in table[table["state"] == "done"].iterrows():
        with tifffile.TiffFile(project.results / row["mask"]) as file:
            axes, labels = file.series[0].axes, file.series[0].asarray()
            pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        assert axes == AXES.get(name, "YX")
        assert labels.shape[-2:] == (row["height_px"], row["width_px"])
        frames = labels.reshape(-1, *labels.shape[-2:])
        assert sum(len(np.unique(frame)) - (frame == 0).any() for frame in frames) == row["cells"]
        assert len(cells[cells["image"] == name]) == row["cells"]
        if np.isnan(row["pixel_size_um"]):
            assert "PhysicalSizeX" not in pixels
        else:
            assert pixels["PhysicalSizeX"] == pytest.approx(row["pixel_size_um"])
        outlines = project.results / "rois" / f"{Path(row['mask']).as_posix()[6:-14]}_rois.zip"
        if row["cells"]:
            rois = roifile.roiread(outlines)
            assert len(rois if isinstance(rois, list) else [rois]) == row["cells"]
