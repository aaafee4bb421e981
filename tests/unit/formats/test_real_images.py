"""Real TIFF and ND2 files: every plane and fact is what their libraries read at once, and what an engine reads."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import nd2
import numpy as np
import pytest
import tifffile

from segmake.formats import open_image, read_headers
from segmake.formats.believed import Header
from tests.projects import ROOT
from tests.unit.identity import python_of

TIFF_AXES = {
    "Bead_Image1_crop.tif": "ZYX",
    "BsubtilismVenus_026_FM_subset.tif": "YX",
    "IXMtest_A02_s9.tif": "CYX",
    "chessboard_GRAY_U16B.tif": "YX",
    "derived_cluster_TZCYX.ome.tif": "TZCYX",
    "derived_coli_3positions_CYX.ome.tif": "CYX",
    "derived_coli_ds1_00001_CYX_imagej.tif": "CYX",
    "derived_trpL_phase_T16_bigtiff.ome.tif": "TYX",
    "derived_trpL_phase_T16_imagej.tif": "TYX",
    "derived_trpL_phase_t15_float32_zeromean.tif": "YX",
    "hela-cells-8bit.tif": "YXC",
    "hela-cells.tif": "YXC",
    "maicrobe_test_dna.tif": "YX",
    "maicrobe_test_membrane.tif": "YX",
    "maicrobe_test_phase.tif": "YX",
    "membrane_2d_timelapse.tif": "QYX",
    "multipage.tif": "QYX",
    "multipage_rgb.tif": "QCYX",
    "psf_float32_nan.tif": "QYX",
    "stuck.tif": "QYX",
}
# What else a file says.
TIFF_FACTS = {
    "Bead_Image1_crop.tif": {"pixel_size_um": 0.02249, "slice_step_um": 0.125},
    "derived_cluster_TZCYX.ome.tif": {
        "pixel_size_um": 0.16781,
        "slice_step_um": 0.5,
        "channels": ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS"),
    },
    "derived_coli_3positions_CYX.ome.tif": {"position": "Position:0"},
    "derived_trpL_phase_T16_imagej.tif": {"interval_s": 480},
    "hela-cells-8bit.tif": {
        "pixel_size_um": 0.05149,
        "color": True,
        "channels": ("red", "green", "blue"),
    },
    "hela-cells.tif": {"pixel_size_um": 0.05149},
    "maicrobe_test_membrane.tif": {"acquired": "2017-03-31T16:25:32.400000"},
    "maicrobe_test_phase.tif": {"acquired": "2017-03-31T16:25:30.960000"},
    "multipage_rgb.tif": {"color": True, "channels": ("red", "green", "blue")},
}
ND2_AXES = {
    "cluster.nd2": "TZCYX",
    "example-cerevisiae.nd2": "CYX",
    "example-multichannel.nd2": "CYX",
    "example-timelapse.nd2": "TYX",
    "example-zstack.nd2": "ZYX",
}
ND2_FACTS = {
    "cluster.nd2": {
        "pixel_size_um": 0.16781,
        "slice_step_um": 0.5,
        "interval_s": 10.6475,
        "acquired": "2014-06-18T13:55:23+00:00",  # 15:55:27 in France, when the last was taken
        "objective": "Plan Apo λ 60x",
        "channels": ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS"),
    },
    "example-cerevisiae.nd2": {
        "pixel_size_um": 0.10833,
        "acquired": "2025-11-26T00:13:35+00:00",
        "objective": "PLAN APO λD 40x OFN25 DIC N2",
        "channels": ("DIC", "FITC BP"),
    },
    "example-multichannel.nd2": {
        "pixel_size_um": 0.32339,
        "acquired": "2025-04-17T23:43:09+00:00",
        "objective": "Plan Apo λ 20x",
        "channels": ("Mono", "DAPI", "FITC BP", "TRITC BP"),
    },
    "example-timelapse.nd2": {
        "pixel_size_um": 0.325,
        "interval_s": 0.50016,
        "acquired": "2025-03-27T23:22:39+00:00",
        "objective": "PLAN APO λD 40x OFN25 DIC N2",
        "channels": ("GFP 488 nm",),
    },
    "example-zstack.nd2": {
        "pixel_size_um": 0.32339,
        "slice_step_um": 6,
        "acquired": "2025-03-07T22:38:21+00:00",
        "objective": "Plan Apo λ 20x",
        "channels": ("FITC BP",),
    },
}


def check_whole(path: Path, position: int, expected: np.ndarray, axes: str, facts: dict) -> None:
    """Hold every plane and the header against the whole array that the library reads at once."""
    sizes = dict(zip(axes, expected.shape, strict=True))
    number = sizes.get("C", 1)
    facts = {"channels": tuple(str(c + 1) for c in range(number)), **facts}
    whole = {
        "width": sizes["X"],
        "height": sizes["Y"],
        "times": sizes.get("T", 1),
        "slices": sizes.get("Z", 1),
        "unnamed": sizes.get("Q", 1),
        "dtype": str(expected.dtype),
    }
    nothing = Header(0, 0, 0, 0, (), False, "", None)
    with open_image(path) as image:
        for key, value in {**nothing.as_dict(), **whole, **facts}.items():
            found = getattr(image.fields[position], key)
            near = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
            assert found == near, (key, found)
        order = [axes.index(axis) for axis in "TZQC" if axis in axes]
        planes = np.moveaxis(expected, [axes.index("Y"), axes.index("X")], [-2, -1])
        rest = axes.replace("Y", "").replace("X", "")
        for place in np.ndindex(*(sizes[axis] for axis in rest)):
            at = dict(zip(rest, place, strict=True))
            plane = image.plane(
                at.get("C", 0),
                position=position,
                time=at.get("T", 0),
                slice=at.get("Z", 0),
                page=at.get("Q", 0),
            )
            assert np.array_equal(plane, planes[place], equal_nan=plane.dtype.kind == "f"), at
        assert len(order) == len(rest)


@pytest.mark.parametrize("name", TIFF_AXES)
def test_real_tiff(shared, name):
    path = shared / "tiff" / name
    number = 3 if "3positions" in name else 1
    assert len(read_headers(path)) == number
    for position in range(number):
        expected = tifffile.imread(path, series=position)
        facts = TIFF_FACTS.get(name, {})
        if number > 1:
            facts = {**facts, "position": f"Position:{position}"}
        check_whole(path, position, expected, TIFF_AXES[name], facts)


@pytest.mark.parametrize("name", ND2_AXES)
def test_real_nd2(shared, name):
    path = shared / "nd2" / name
    check_whole(path, 0, nd2.imread(path), ND2_AXES[name], ND2_FACTS[name])


def test_every_real_file_is_tested(shared):
    for folder, tested in (("tiff", TIFF_AXES), ("nd2", ND2_AXES)):
        assert {p.name for p in (shared / folder).iterdir()} == {*tested, "README.md"}


def test_an_engine_reads_the_same(shared):
    """With the engine's own Python and NumPy."""
    python = python_of("cellpose3")
    if not python.exists():
        pytest.skip("the environment of cellpose3 is not on this machine")
    paths = [str(shared / "nd2" / name) for name in ND2_AXES]
    paths += [str(shared / "tiff" / name) for name in TIFF_AXES]
    program = (
        "import hashlib, sys\n"
        "from pathlib import Path\n"
        "from segmake.formats import open_image\n"
        "for name in sys.argv[1:]:\n"
        "    with open_image(Path(name)) as image:\n"
        "        planes = [image.plane(0, position=p) for p in range(len(image.fields))]\n"
        "    print(hashlib.sha256(b''.join(map(bytes, planes))).hexdigest())\n"
    )
    command = [str(python), "-c", program, *paths]
    environment = {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    for name, digest in zip(paths, done.stdout.split(), strict=True):
        with open_image(Path(name)) as image:
            planes = [image.plane(0, position=p) for p in range(len(image.fields))]
        assert hashlib.sha256(b"".join(map(bytes, planes))).hexdigest() == digest, name
