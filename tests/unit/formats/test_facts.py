"""What is known of a file: for each reader and each fact, where the file says it, does not, says twice, or nonsense.

`TABLE` is the whole of it, docs/reference/formats.md has it in words.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from segmake.formats import read_headers
from segmake.formats.believed import Header
from segmake.messages import Problem
from tests.unit.fact_files import DRAW

LONG_AGO = 1_000_000_000

FACTS = ("name", "channels", "pixel size", "axes", "counts", "times")
KINDS = ("present", "missing", "contradictory", "absurd")
# A cell of the table that no file of the format can fill.
NO_WORD = None


class Cell(NamedTuple):
    """What a file says (the arguments of its drawing), and what its header, or the code of its problem, then is."""

    told: dict[str, Any]
    expected: dict[str, Any] | str


def cell(expected: dict[str, Any] | str, **told: Any) -> list[Cell]:
    return [Cell(told, expected)]


def size(
    width: float | None, height: float | None = None, doubted: str = "", **told: Any
) -> list[Cell]:
    """Return a cell on the sides of a pixel; `doubted` is what the header says of a size that is not believed."""
    sides = {"pixel_size_um": width, "pixel_height_um": height}
    return cell({**sides, "doubted": (f"pixel_size_um {doubted}",) if doubted else ()}, **told)


def name(expected: str, **told: Any) -> list[Cell]:
    return cell({"position": expected}, **told)


def channels(*expected: str, **told: Any) -> list[Cell]:
    return cell({"channels": expected}, **told)


def axes(times: int, slices: int, number: int, unnamed: int = 1, **told: Any) -> list[Cell]:
    """Return a cell on the numbers of time points, slices, channels, and pages that nothing explains."""
    return cell({"times": times, "slices": slices, "channels": number, "unnamed": unnamed}, **told)


def times(
    interval: float | None, acquired: str | None = None, doubted: str = "", **told: Any
) -> list[Cell]:
    said = (f"interval_s {doubted}",) if doubted else ()
    return cell({"interval_s": interval, "acquired": acquired, "doubted": said}, **told)


def sides(x: object, y: object) -> str:
    """Return the attributes of OME-XML for the sides of a pixel."""
    return f'PhysicalSizeX="{x}" PhysicalSizeY="{y}"'


def names(*told: str) -> tuple[str, ...]:
    return tuple(f'Name="{each}"' for each in told)


def calibration(x: str, y: str, state: str = "on", unit: str = "um") -> dict[str, tuple[str, str]]:
    """Return MetaMorph's words for the sides of a pixel."""
    return {
        "spatial_calibration_x": ("float", x),
        "spatial_calibration_y": ("float", y),
        "spatial_calibration_state": ("bool", state),
        "spatial_calibration_units": ("string", unit),
    }


def scale(x: float, y: float, unit: str = "micrometer") -> dict[str, Any]:
    return {"scale": {"x": x, "y": y}, "units": {"x": unit, "y": unit}}


def transformed(*transformations: object) -> Any:
    """Return what puts other transformations into the description of an OME-Zarr."""

    def change(said: dict[str, Any]) -> None:
        said["multiscales"][0]["datasets"][0]["coordinateTransformations"] = list(transformations)

    return change


def omero(told: object) -> Any:
    return lambda said: said.update(omero=told)


def described_by(axes: object) -> Any:
    return lambda said: said["multiscales"][0].update(axes=axes)


DATE = "2026-01-02T03:04:05"
ACQUIRED = f"<AcquisitionDate>{DATE}</AcquisitionDate>"
CZI_TIMES = (
    "<T><Positions><Interval><Increment>{}</Increment></Interval></Positions></T></Dimensions>"
)
CZI_NAME = '<S><Scenes><Scene Index="0" Name="{}"/></Scenes></S></Dimensions>'
LIF_DATE = '<TimeStampList NumberOfTimeStamps="1">{}</TimeStampList>'
MOVIE_ND2 = {"loops": (("TimeLoop", 2),), "frames": 2}
CM, INCH = 3, 2  # values of the tag ResolutionUnit
MOVIE = {"sizes": (2, 1, 1), "positions": 1}
TWO = {"sizes": (1, 1, 2), "positions": 1}

# For each reader and fact: present, missing, contradictory, absurd.
TABLE: dict[str, dict[str, list[list[Cell] | None]]] = {
    "ND2": {
        "name": [
            name("A1", names=("A1", "B2")),
            name("", names=(None, None)),
            name("A1", names=("A1", "A1")),
            name("", names=(" \n", "B2")),
        ],
        "channels": [
            channels("Phase", "GFP", channels=("Phase", "GFP")),
            channels("1", channels=None),
            channels("GFP", "GFP", channels=("GFP", "GFP")),
            channels("1", "2", channels=("", " \t")),
        ],
        "pixel size": [
            size(0.1, 0.2, channels=("a",), size=(0.1, 0.2, 1), calibrated=(True, True, False)),
            # nd2 says 1 for a file without any metadata, and 0.1.0 believed it.
            [*size(None, doubted="1"), *size(None, channels=("a",), size=(0.1, 0.1, 1))],
            size(0.1, channels=("a",), size=(0.1, 7.0, 1), calibrated=(True, False, False)),
            [
                *size(None, channels=("a",), size=(-0.1, 0.1, 1), calibrated=(True, True, False)),
                *size(
                    None, None, "1e+09", channels=("a",), size=(1e9, 1e9, 1), calibrated=(True,) * 3
                ),
            ],
        ],
        "axes": [
            axes(2, 3, 1, loops=(("TimeLoop", 2), ("ZStackLoop", 3)), frames=6),
            axes(1, 1, 1, unnamed=3, loops=(), frames=3),
            axes(6, 1, 1, loops=(("TimeLoop", 2), ("NETimeLoop", 3)), frames=6),
            cell("SM-IMG-003", loops=(("TimeLoop", 0),)),
        ],
        "counts": [
            axes(1, 1, 2, channels=("a", "b")),
            axes(1, 1, 1, channels=None),
            name("A1", names=("A1",), loops=(("XYPosLoop", 2),)),
            axes(1, 1, 1, unnamed=2, loops=(("CustomLoop", 2),)),
        ],
        "times": [
            times(
                0.5,
                "2023-02-25T00:00:00+00:00",
                **MOVIE_ND2,
                channels=("a",),
                times=(2460000.5, 500.0),
            ),
            times(None, **MOVIE_ND2, channels=("a",)),
            times(None, **MOVIE_ND2, channels=("a",), times=(0.0, -500.0)),
            times(None, None, "1e+12", **MOVIE_ND2, channels=("a",), times=(1e12, 1e15)),
        ],
    },
    "OME-TIFF": {
        "name": [
            name("A1", image='<StageLabel Name="A1"/>'),
            name(""),
            name("A1", image='<StageLabel Name="A1"/><Description>B2</Description>'),
            [
                *name("", image='<StageLabel Name="  "/>', positions=1),
                *name("B2", image='<StageLabel Name="  "/>', attributes='Name="B2"'),
            ],
        ],
        "channels": [
            channels("Phase", "GFP", channels=names("Phase", "GFP"), **TWO),
            channels("1", "2", channels=("", ""), **TWO),
            channels("GFP", "GFP", channels=names("GFP", "GFP"), **TWO),
            channels("GFP", "2", channels=('Name=" " Fluor="GFP"', 'Name=" "'), **TWO),
        ],
        "pixel size": [
            [*size(0.1, 0.2, pixels=sides(0.1, 0.2)), *size(0.1, pixels=sides(0.1, 0.1))],
            [
                *size(None),
                *size(0.1, pixels='PhysicalSizeX="0.1"'),
                *size(None, pixels='PhysicalSizeY="0.1"'),
            ],
            [
                # The tag says 0.2: OME-XML comes first.
                *size(0.1, pixels=sides(0.1, 0.1), resolution=(50_000, 50_000), resolutionunit=CM),
                *size(None, None, "0.1 x 100", pixels=sides(0.1, 100)),
            ],
            [
                *size(None, pixels=sides(0, 0)),
                *size(None, pixels=sides(-0.1, -0.1)),
                *size(None, pixels=sides("NaN", "many")),
                *size(0.1, pixels=sides(0.1, 0)),
                *size(None, None, "1e+09", pixels=sides(1e9, 1e9)),
                *size(None, pixels=sides(0.1, 0.1) + ' PhysicalSizeXUnit="pixel"'),
            ],
        ],
        "axes": [
            axes(3, 2, 2, sizes=(3, 2, 2), positions=1, channels=("", "")),
            cell("SM-IMG-003", order="", positions=1),
            axes(2, 1, 1, **MOVIE, pixels='TimeIncrement="5" PhysicalSizeZ="3"'),
            [
                *axes(1, 1, 1, sizes=(0, 1, 1), positions=1),
                *cell("SM-IMG-003", order='DimensionOrder="XYQQQ"', positions=1),
            ],
        ],
        "counts": [
            channels("a", "b", channels=names("a", "b"), **TWO),
            channels("1", "2", channels=(), **TWO),
            [
                *channels("a", "2", channels=names("a"), **TWO),
                *channels("a", "b", channels=names("a", "b", "c"), **TWO),
            ],
            axes(1, 1, 1, sizes=(-1, 1, 1), positions=1),
        ],
        "times": [
            times(5, DATE, image=ACQUIRED, pixels='TimeIncrement="5"', **MOVIE),
            times(None, **MOVIE),
            # What is written for the whole comes before what is written for each plane.
            times(
                5,
                pixels='TimeIncrement="5"',
                inner='<Plane TheT="0" DeltaT="0"/><Plane TheT="1" DeltaT="9"/>',
                **MOVIE,
            ),
            [
                *times(None, pixels='TimeIncrement="0"', **MOVIE),
                *times(None, pixels='TimeIncrement="-5"', **MOVIE),
                *times(None, pixels='TimeIncrement="5" TimeIncrementUnit="moons"', **MOVIE),
                *times(None, None, "1e+12", pixels='TimeIncrement="1e12"', **MOVIE),
                *times(None, image="<AcquisitionDate>0001-01-01</AcquisitionDate>", **MOVIE),
                *times(None, image="<AcquisitionDate>yesterday</AcquisitionDate>", **MOVIE),
            ],
        ],
    },
    "ImageJ": {
        "name": [NO_WORD] * 4,
        "channels": [
            channels("Phase", "GFP", shape=(2,), axes="C", Labels=["Phase", "GFP"]),
            channels("1", "2", shape=(2,), axes="C"),
            channels("GFP", "GFP", shape=(2,), axes="C", Labels=["GFP", "GFP"]),
            channels("1", "2", shape=(2,), axes="C", Labels=[" ", ""]),
        ],
        "pixel size": [
            size(0.1, 0.2, resolution=(10, 5), unit="um"),
            [*size(None, resolution=(10, 10)), *size(None, unit="um")],
            [
                # Scanned at 2400 dots per inch, and saved by ImageJ.
                *size(None, None, "10.5833", resolution=(944.882, 944.882), unit="cm"),
                # A kymograph, and sides in two units.
                *size(None, None, "0.1", resolution=(10, 5), unit="um", yunit="sec"),
                *size(0.1, 0.2, resolution=(10, 0.005), unit="um", yunit="nm"),
                *cell(
                    {"slice_step_um": 0.3, "doubted": ("slice_step_um 300",)},
                    shape=(3,),
                    axes="Z",
                    spacing=300,
                    unit="um",
                    zunit="nm",
                ),
            ],
            [
                *size(None, resolution=(10, 10), unit="furlong"),
                *size(0.1, resolution=(10, 0), unit="um"),
                *size(None, None, "1e-06", resolution=(1e6, 1e6), unit="um"),
            ],
        ],
        "axes": [
            axes(2, 3, 2, shape=(2, 3, 2), axes="TZC"),
            axes(1, 1, 1),
            axes(4, 1, 1, shape=(4,), axes="T", frames=2),
            axes(1, 3, 1, shape=(3,), axes="Z", hyperstack="maybe"),
        ],
        "counts": [
            channels("a", "b", shape=(2,), axes="C", Labels=["a", "b"]),
            axes(1, 1, 1),
            [
                *channels("1", "2", shape=(2,), axes="C", Labels=["a"]),
                *channels("1", "2", shape=(2,), axes="C", Labels=["a", "b", "c"]),
            ],
            axes(2, 1, 1, shape=(2,), axes="T", loop="false", min=-1),
        ],
        "times": [
            times(5, shape=(2,), axes="T", finterval=5),
            times(None, shape=(2,), axes="T"),
            times(5, shape=(2,), axes="T", finterval=5, fps=7),
            [
                *times(None, shape=(2,), axes="T", finterval=0),
                *times(None, shape=(2,), axes="T", finterval=-5),
                *times(None, shape=(2,), axes="T", finterval=5, tunit="moons"),
                *times(None, None, "1e+12", shape=(2,), axes="T", finterval=1e12),
            ],
        ],
    },
    "Micro-Manager": {
        "name": [
            name("A1", plane={"PositionName": "A1"}),
            name(""),
            name("A1", plane={"PositionName": "A1"}, StagePositions=[{"Label": "B2"}]),
            [*name("", plane={"PositionName": " "}), *name("", plane=["A1"])],
        ],
        "channels": [
            channels("Phase", "GFP", ChNames=["Phase", "GFP"]),
            channels("1", "2"),
            channels("GFP", "GFP", ChNames=["GFP", "GFP"]),
            [*channels("1", "2", ChNames=["", " "]), *channels("1", "2", ChNames=7)],
        ],
        "pixel size": [
            size(0.1, plane={"PixelSizeUm": 0.1, "PixelAspect": 1.0}),
            size(None),
            [
                # Of both, what stands beside the plane; and a size that is that of one side only.
                *size(0.1, plane={"PixelSizeUm": 0.1}, PixelSize_um=0.2),
                *size(None, None, "0.1", plane={"PixelSizeUm": 0.1, "PixelAspect": 2.0}),
            ],
            [
                *size(None, plane={"PixelSizeUm": 0}),
                *size(None, plane={"PixelSizeUm": "-1"}),
                *size(None, None, "1e+09", plane={"PixelSizeUm": 1e9}),
            ],
        ],
        "axes": [
            axes(1, 1, 2),
            axes(1, 1, 1, unnamed=4, Frames=None),
            axes(1, 1, 2, Frames=3),
            axes(1, 1, 2, Frames=-1),
        ],
        "counts": [
            channels("a", "b", ChNames=["a", "b"]),
            axes(1, 1, 2, Positions=None),
            [*channels("a", "2", ChNames=["a"]), *channels("a", "b", ChNames=["a", "b", "c"])],
            axes(1, 1, 2, Channels=0),
        ],
        "times": [NO_WORD, times(None), times(0.5, Interval_ms=500), times(None, Interval_ms=-1)],
    },
    "NDTiff": {
        "name": [
            [
                *name("A1", axes=[("position", ("A1", "B2"))]),
                *name("A1", plane={"PositionName": "A1"}),
            ],
            name(""),
            name("A1", axes=[("position", ("A1", "B2"))], plane={"PositionName": "C3"}),
            [*name("", plane={"PositionName": " "}), *name("", plane=["A1"])],
        ],
        "channels": [
            [
                *channels("Phase", "GFP", axes=[("channel", ("Phase", "GFP"))]),
                *channels("Phase", "GFP", ChNames=["Phase", "GFP"]),
                *channels("GFP", axes=[("channel", (1,))], ChNames=["Phase", "GFP"]),
                *channels("Phase", axes=[("time", (0,))], ChNames=["Phase"]),
            ],
            channels("1", "2"),
            channels("a", "b", axes=[("channel", ("a", "b"))], ChNames=["c", "d"]),
            [*channels("1", "2", ChNames=["", " "]), *channels("1", "2", ChNames=7)],
        ],
        "pixel size": [
            [*size(0.1, plane={"PixelSizeUm": 0.1}), *size(0.1, PixelSizeUm=0.1)],
            size(None),
            [
                *size(0.1, plane={"PixelSizeUm": 0.1}, PixelSizeUm=0.2),
                *size(None, None, "0.1", plane={"PixelSizeUm": 0.1, "PixelAspect": 2.0}),
            ],
            [*size(None, PixelSizeUm=0), *size(None, None, "1e+09", PixelSizeUm=1e9)],
        ],
        "axes": [
            axes(2, 3, 2, axes=[("time", (4, 5)), ("z", (-1, 0, 1)), ("channel", ("a", "b"))]),
            axes(1, 1, 1, axes=[("position", (0,))]),
            axes(2, 1, 1, axes=[("time", (0, 1))], Frames=3, IntendedDimensions={"time": 7}),
            # Nobody knows what other axes are.
            axes(1, 1, 1, unnamed=2, axes=[("angle", (0, 1))]),
        ],
        "counts": [
            channels("a", "b", axes=[("channel", ("a", "b"))]),
            axes(1, 1, 1, axes=[("time", (0,))]),
            [*channels("a", "2", ChNames=["a"]), *channels("a", "b", ChNames=["a", "b", "c"])],
            axes(1, 1, 2, Channels=0),
        ],
        "times": [
            [
                *times(0.5, axes=[("time", (0, 1))], Interval_ms=500),
                *times(0.2, axes=[("time", (0, 1, 2))], clock=(100, 400, 500)),
                *times(0.2, axes=[("time", (0, 1)), ("channel", "ab")], clock=(0, 50, 200, 250)),
            ],
            times(None, axes=[("time", (0, 1))]),
            times(0.5, axes=[("time", (0, 1))], clock=(0, 700), Interval_ms=500),
            [
                *times(None, axes=[("time", (0, 1))], clock=(7, "later")),
                *times(None, axes=[("time", (0, 1))], clock=(7, 7), Interval_ms=-1),
            ],
        ],
    },
    "MetaMorph": {
        "name": [NO_WORD] * 4,
        "channels": [NO_WORD, channels("1"), NO_WORD, NO_WORD],
        "pixel size": [
            size(0.1, 0.2, **calibration("0.1", "0.2")),
            size(None),
            [
                *size(None, **calibration("0.1", "0.1", state="off")),
                *size(None, None, "0.1 x 100", **calibration("0.1", "100")),
            ],
            [
                *size(None, **calibration("0", "0")),
                *size(None, **calibration("many", "0.1")),
                *size(None, inner="<PlaneInfo>"),
                *size(0.1, **calibration("0.1", "-2")),
                *size(None, None, "1e+09", **calibration("1e9", "1e9")),
            ],
        ],
        "axes": [NO_WORD, axes(1, 1, 1, unnamed=3, shape=(3,)), NO_WORD, NO_WORD],
        "counts": [NO_WORD, axes(1, 1, 1), axes(1, 1, 1, number_of_planes=("int", "9")), NO_WORD],
        "times": [
            times(None, DATE, acquisition_time_local=("time", "20260102 03:04:05.0")),
            times(None),
            times(
                None,
                DATE,
                acquisition_time_local=("time", "20260102 03:04:05.0"),
                modification=("time", "?"),
            ),
            [
                *times(None, acquisition_time_local=("time", "yesterday")),
                *times(None, acquisition_time_local=("time", "16010101 00:00:00.0")),
            ],
        ],
    },
    "TIFF": {
        "name": [NO_WORD, name(""), NO_WORD, NO_WORD],
        "channels": [NO_WORD, channels("1", shape=(1,)), NO_WORD, NO_WORD],
        "pixel size": [
            [
                *size(0.1, shape=(1,), resolution=(100_000, 100_000), resolutionunit=CM),
                *size(0.1, 0.2, shape=(1,), resolution=(100_000, 50_000), resolutionunit=CM),
                *size(0.1, 0.2, shape=(1,), resolution=(254_000, 127_000), resolutionunit=INCH),
                # Ten micrometres, and a camera of 6.5 micrometres behind a fourfold objective.
                *size(10, shape=(1,), resolution=(1000, 1000), resolutionunit=CM),
                *size(2, shape=(1,), resolution=(5000, 5000), resolutionunit=CM),
                *size(1.625, shape=(1,), resolution=(25400 / 1.625,) * 2, resolutionunit=INCH),
            ],
            [
                *size(None, shape=(1,)),
                *size(None, shape=(1,), resolution=(9e4, 9e4), resolutionunit=1),
            ],
            size(None, None, "0.1 x 10000", shape=(1,), resolution=(100_000, 1), resolutionunit=CM),
            [
                # About printing and scanners.
                *size(None, shape=(1,), resolution=(72, 72), resolutionunit=INCH),
                *size(None, shape=(1,), resolution=(300, 300), resolutionunit=INCH),
                *size(
                    None, None, "10.5833", shape=(1,), resolution=(2400, 2400), resolutionunit=INCH
                ),
                *size(
                    None, None, "2.64583", shape=(1,), resolution=(9600, 9600), resolutionunit=INCH
                ),
                *size(
                    None, None, "9.00709", shape=(1,), resolution=(2820, 2820), resolutionunit=INCH
                ),
                *size(
                    None, None, "10.5833", shape=(1,), resolution=(944.882,) * 2, resolutionunit=CM
                ),
                *size(None, shape=(1,), resolution=(0, 0), resolutionunit=CM),
                *size(0.1, shape=(1,), resolution=(100_000, 0), resolutionunit=CM),
            ],
        ],
        "axes": [NO_WORD, axes(1, 1, 1, unnamed=3, shape=(3,)), NO_WORD, NO_WORD],
        "counts": [NO_WORD, axes(1, 1, 1, shape=(1,)), NO_WORD, NO_WORD],
        "times": [NO_WORD, times(None, shape=(1,)), NO_WORD, NO_WORD],
    },
    "CZI": {
        "name": [
            name("A1", replaced=("</Dimensions>", CZI_NAME.format("A1"))),
            name(""),
            name("A1", replaced=("</Dimensions>", CZI_NAME.format("A1") + "<Dimensions/>")),
            name("", replaced=("</Dimensions>", CZI_NAME.format(" "))),
        ],
        "channels": [
            channels("Phase", "GFP", channel_names={0: "Phase", 1: "GFP"}, **TWO),
            channels("1", "2", **TWO),
            channels("GFP", "GFP", channel_names={0: "GFP", 1: "GFP"}, **TWO),
            channels("1", "2", channel_names={0: "", 1: " "}, **TWO),
        ],
        "pixel size": [
            size(0.1, 0.2, scale_x=1e-7, scale_y=2e-7),
            [*size(None), *size(0.1, scale_x=1e-7)],
            size(None, None, "0.1 x 100", scale_x=1e-7, scale_y=1e-4),
            [
                *size(None, scale_x=-1e-7, scale_y=1e-7),
                *size(None, None, "1e+09", scale_x=1e3, scale_y=1e3),
            ],
        ],
        "axes": [
            axes(2, 3, 2, sizes=(2, 3, 2), positions=1),
            axes(1, 1, 1),
            # The tiles decide, not what was planned.
            axes(2, 1, 1, **MOVIE, replaced=("<SizeT>2</SizeT>", "<SizeT>7</SizeT>")),
            axes(2, 1, 1, **MOVIE, replaced=("<SizeT>2</SizeT>", "<SizeT>-1</SizeT>")),
        ],
        "counts": [
            channels("a", "b", channel_names={0: "a", 1: "b"}, **TWO),
            channels("1", "2", **TWO),
            [
                *channels("a", "2", channel_names={0: "a"}, **TWO),
                *channels("a", "b", channel_names={0: "a", 1: "b", 2: "c"}, **TWO),
            ],
            channels("1", "2", **TWO, replaced=("<SizeC>2</SizeC>", "<SizeC>0</SizeC>")),
        ],
        "times": [
            times(5, **MOVIE, replaced=("</Dimensions>", CZI_TIMES.format(5))),
            times(None, **MOVIE),
            times(
                5,
                **MOVIE,
                replaced=("</Dimensions>", CZI_TIMES.format("5</Increment><Increment>7")),
            ),
            [
                *times(None, **MOVIE, replaced=("</Dimensions>", CZI_TIMES.format(0))),
                *times(None, **MOVIE, replaced=("</Dimensions>", CZI_TIMES.format("often"))),
                *times(
                    None, None, "1e+12", **MOVIE, replaced=("</Dimensions>", CZI_TIMES.format(1e12))
                ),
                *times(
                    None,
                    **MOVIE,
                    replaced=(
                        "<Dimensions>",
                        "<AcquisitionDateAndTime>1601-01-01T00:00:00</AcquisitionDateAndTime><Dimensions>",
                    ),
                ),
            ],
        ],
    },
    "LIF": {
        "name": [
            name("A1", names=("A1", "B2")),
            name("", names=("",)),
            # No image is lost because another one has its name.
            cell("SM-IMG-003", names=("A1", "A1")),
            name("", names=(" ",)),
        ],
        "channels": [
            channels(
                "DAPI", "GFP", shape=(2,), axes="C", channels=[("DAPI", ""), ("GFP", "Green")]
            ),
            channels("1", "2", shape=(2,), axes="C"),
            channels("GFP", "GFP", shape=(2,), axes="C", channels=[("GFP", ""), ("GFP", "Red")]),
            channels("Red", "2", shape=(2,), axes="C", channels=[(" ", "Red"), (" ", " ")]),
        ],
        "pixel size": [
            size(0.1, 0.2, steps={"X": 1e-7, "Y": 2e-7}),
            [*size(None), *size(0.1, steps={"X": 1e-7})],
            size(None, None, "0.1 x 100", steps={"X": 1e-7, "Y": 1e-4}),
            [
                *size(None, steps={"X": 1e-7, "Y": 1e-7}, replaced=('Unit="m"', 'Unit="furlong"')),
                *size(None, None, "1e+09", steps={"X": 1e3, "Y": 1e3}),
            ],
        ],
        "axes": [
            axes(2, 3, 1, shape=(2, 3), axes="TZ"),
            axes(1, 1, 1),
            axes(2, 1, 1, shape=(2,), axes="T", steps={"Z": 1e-6}),
            # Nobody knows what an axis 99 counts: each of its values is a channel.
            axes(1, 1, 3, shape=(3,), axes="Z", replaced=('DimID="3"', 'DimID="99"')),
        ],
        "counts": [
            channels("a", "b", shape=(2,), axes="C", channels=[("a", ""), ("b", "")]),
            channels("1", "2", shape=(2,), axes="C"),
            axes(1, 1, 1, more='<Attachment Name="Channels" NumberOfElements="9"/>'),
            axes(1, 1, 1, replaced=('Max="1"', 'Max="-1"')),
        ],
        "times": [
            times(5, shape=(2,), axes="T", steps={"T": 5}),
            times(None, shape=(2,), axes="T"),
            times(
                5,
                "2026-01-02T03:06:02.020467+00:00",
                shape=(2,),
                axes="T",
                steps={"T": 5},
                more=LIF_DATE.format("1dc7b94b9ffe880 1dc7b94c0000000"),
            ),
            [
                *times(None, None, "1e+12", shape=(2,), axes="T", steps={"T": 1e12}),
                *times(None, more=LIF_DATE.format("often")),
                *times(None, more=LIF_DATE.format("")),
                *times(None, more=LIF_DATE.format("fffffffffffffff")),
                *times(None, more=LIF_DATE.format("0")),
            ],
        ],
    },
    "OME-Zarr": {
        "name": [NO_WORD, name(""), NO_WORD, NO_WORD],
        "channels": [
            channels("DAPI", "GFP", shape=(2,), axes="cyx", labels=["DAPI", "GFP"]),
            channels("1", "2", shape=(2,), axes="cyx"),
            channels("GFP", "GFP", shape=(2,), axes="cyx", labels=["GFP", "GFP"]),
            [
                *channels("1", "2", shape=(2,), axes="cyx", labels=[" ", ""]),
                *channels(
                    "488",
                    "2",
                    shape=(2,),
                    axes="cyx",
                    change=omero({"channels": [{"label": 488}, None]}),
                ),
                *channels("1", "2", shape=(2,), axes="cyx", change=omero(None)),
            ],
        ],
        "pixel size": [
            [
                *size(0.1, 0.2, **scale(0.1, 0.2)),
                # Whichever of the axes is the outer one.
                *size(0.1, 0.2, axes="xy", **scale(0.1, 0.2)),
            ],
            [
                *size(None, scale={"x": 0.1, "y": 0.1}),
                *size(None, None, "1", **scale(0.1, 0.1), change=transformed()),
            ],
            size(None, None, "0.1 x 100", **scale(0.1, 100)),
            [
                *size(None, **scale(0, 0)),
                *size(None, **scale(0.1, 0.1, "furlong")),
                *size(None, None, "1e+09", **scale(1e9, 1e9)),
                *size(
                    None,
                    None,
                    "1",
                    **scale(1, 1),
                    change=transformed({"type": "scale", "scale": [1]}),
                ),
                *size(
                    None,
                    None,
                    "1",
                    **scale(1, 1),
                    change=transformed({"type": "scale", "scale": ["a", None]}),
                ),
                *size(None, None, "1", **scale(1, 1), change=transformed({"type": "scale"}, None)),
            ],
        ],
        "axes": [
            axes(2, 3, 2, shape=(2, 3, 2), axes="tzcyx"),
            cell("SM-IMG-032", change=described_by([])),
            cell("SM-IMG-032", change=described_by([{"name": "x"}, {"name": "x"}])),
            cell("SM-IMG-032", change=described_by(7)),
        ],
        "counts": [
            channels("a", "b", shape=(2,), axes="cyx", labels=["a", "b"]),
            channels("1", shape=(), axes="yx"),
            [
                *channels("a", "2", shape=(2,), axes="cyx", labels=["a"]),
                *channels("a", "b", shape=(2,), axes="cyx", labels=["a", "b", "c"]),
            ],
            channels("1", "2", shape=(2,), axes="cyx", change=omero({"channels": -1})),
        ],
        "times": [
            times(5, shape=(2,), axes="tyx", scale={"t": 5}, units={"t": "second"}),
            [
                *times(None, shape=(2,), axes="tyx"),
                *times(None, shape=(2,), axes="tyx", scale={"t": 5}),
            ],
            NO_WORD,
            [
                *times(None, shape=(2,), axes="tyx", scale={"t": -5}, units={"t": "second"}),
                *times(None, shape=(2,), axes="tyx", scale={"t": 5}, units={"t": "moon"}),
                *times(
                    None,
                    None,
                    "1e+12",
                    shape=(2,),
                    axes="tyx",
                    scale={"t": 1e12},
                    units={"t": "second"},
                ),
            ],
        ],
    },
    # These say nothing but their pixels; a JPEG has dots per inch.
    "PNG": {fact: [NO_WORD] * 4 for fact in FACTS}
    | {"pixel size": [NO_WORD, size(None), NO_WORD, NO_WORD]},
    "JPEG": {fact: [NO_WORD] * 4 for fact in FACTS}
    | {"pixel size": [NO_WORD, NO_WORD, NO_WORD, size(None)]},
}

CELLS = [
    pytest.param(reader, each, id=f"{reader} {fact} {kind} {number}")
    for reader, facts in TABLE.items()
    for fact, kinds in facts.items()
    for kind, cells in zip(KINDS, kinds, strict=True)
    for number, each in enumerate(cells or ())
]


def draw(reader: str, folder: Path, monkeypatch: Any, **told: Any) -> Path:
    """Draw a file for a reader; its name has what names of files have."""
    suffix, function = DRAW[reader]
    path = folder / f"pos é 1{suffix}"
    if reader == "ND2":
        told["monkeypatch"] = monkeypatch
    function(path, **told)
    return path


def told_of(header: Header, expected: dict[str, Any]) -> dict[str, Any]:
    """Return what a header says of some facts, of the channels their number where that is asked for."""
    said = {fact: getattr(header, fact) for fact in expected}
    if isinstance(expected.get("channels"), int):
        said["channels"] = len(header.channels)
    return said


def test_the_table_has_all_readers_and_facts() -> None:
    assert set(TABLE) == set(DRAW)
    assert all(tuple(sorted(facts)) == tuple(sorted(FACTS)) for facts in TABLE.values())


@pytest.mark.parametrize(("reader", "each"), CELLS)
def test_what_is_believed(reader, each, tmp_path, monkeypatch):
    path = draw(reader, tmp_path, monkeypatch, **each.told)
    if isinstance(each.expected, str):
        # A young one may still be being copied.
        os.utime(path, (LONG_AGO, LONG_AGO))
        with pytest.raises(Problem) as caught:
            read_headers(path)
        assert caught.value.code == each.expected
        return
    header = read_headers(path)[0]
    expected = {
        fact: pytest.approx(value) if isinstance(value, float) else value
        for fact, value in each.expected.items()
    }
    assert told_of(header, each.expected) == expected
    assert Header.from_dict(header.as_dict()) == header
