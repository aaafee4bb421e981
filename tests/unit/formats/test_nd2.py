"""The loops of ND2 files, in any order, and acquisitions that were stopped."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from segmake.formats import nd2 as nikon
from segmake.formats import open_image
from segmake.messages import Problem


class StandIn:
    """Stands in for nd2.ND2File: no file of several positions is at hand, and none can be written.

    A frame is filled with its number. The second and the fourth of a frame's four numbers are of channel 2.
    """

    rgb = False
    loops: tuple[tuple[str, int], ...] = (("TimeLoop", 2), ("XYPosLoop", 3), ("ZStackLoop", 2))
    taken = 12
    voxel = SimpleNamespace(x=0.1, y=0.1, z=0.4)
    text_info: dict = {}  # noqa: RUF012

    def __init__(self, file) -> None:
        self._file = file
        components = 3 if self.rgb else 2
        self.attributes = SimpleNamespace(
            heightPx=4,
            widthPx=5,
            channelCount=1 if self.rgb else 2,
            componentCount=components,
            sequenceCount=self.taken,
            compressionType=None,
        )
        points = [SimpleNamespace(name=name) for name in ("A1", None, "C3")]
        values = SimpleNamespace(points=points, stepUm=0.4)
        self.experiment = [
            SimpleNamespace(type=kind, count=count, parameters=values) for kind, count in self.loops
        ]
        self.dtype = np.dtype("uint16")
        self.metadata = SimpleNamespace(channels=None)

    def voxel_size(self):
        return self.voxel

    def read_frame(self, number: int) -> np.ndarray:
        if number < self.taken:
            self._file.read(1)
        channels = [np.full((4, 5), 10 * number + channel, np.uint16) for channel in range(2)]
        return np.stack(channels)

    def frame_metadata(self, number: int):
        stamp = SimpleNamespace(
            absoluteJulianDayNumber=2460000.5 + number, relativeTimeMs=1000.0 * number
        )
        return SimpleNamespace(channels=[SimpleNamespace(time=stamp)])


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Open a file as if it had these loops, the outermost first."""

    def make(**values):
        monkeypatch.setattr(nikon.nd2, "ND2File", type("ND2File", (StandIn,), values))
        path = tmp_path / "positions.nd2"
        path.write_bytes(b"\xda\xce\xbe\x0a" + bytes(60))
        return open_image(path)

    return make


@pytest.mark.parametrize("order", ["TPZ", "PTZ", "ZPT", "PZT"])
def test_positions_of_nd2_in_any_order_of_loops(stand_in, order):
    kinds = {"T": ("TimeLoop", 2), "P": ("XYPosLoop", 3), "Z": ("ZStackLoop", 2)}
    frames = np.arange(12).reshape([kinds[axis][1] for axis in order])
    with stand_in(loops=tuple(kinds[axis] for axis in order)) as image:
        assert [header.position for header in image.fields] == ["A1", "", "C3"]
        for p, t, z, c in np.ndindex(3, 2, 2, 2):
            at = {"P": p, "T": t, "Z": z}
            frame = frames[tuple(at[axis] for axis in order)]
            assert (image.plane(c, position=p, time=t, slice=z) == 10 * frame + c).all()
        for p, header in enumerate(image.fields):
            assert (header.times, header.slices, header.channels) == (2, 2, ("1", "2"))
            assert header.slice_step_um == 0.4
            first, last = (
                int(frames[tuple({"P": p, "T": t, "Z": 0}[axis] for axis in order)]) for t in (0, 1)
            )
            assert header.interval_s == last - first
            day = np.datetime64("2023-02-25") + first
            assert header.acquired == f"{day}T00:00:00+00:00"


def test_phases_of_a_time_series_are_one_time_axis(stand_in):
    with stand_in(loops=(("NETimeLoop", 3), ("TimeLoop", 2)), taken=6) as image:
        assert image.fields[0].times == 6
        assert [int(image.plane(0, time=t)[0, 0]) for t in range(6)] == [0, 10, 20, 30, 40, 50]


def test_loops_that_nothing_explains_are_pages(stand_in):
    with stand_in(loops=(("CustomLoop", 3), ("ZStackLoop", 2)), taken=6) as image:
        assert (image.fields[0].unnamed, image.fields[0].slices) == (3, 2)
        assert int(image.plane(1, page=2, slice=1)[0, 0]) == 51


def test_frames_of_a_crashed_acquisition_are_pages(stand_in):
    with stand_in(loops=(), taken=7) as image:
        assert (image.fields[0].unnamed, image.fields[0].times) == (7, 1)


def test_frames_that_were_never_taken_are_no_zeros(stand_in):
    with stand_in(taken=11) as image:
        image.plane(0, position=1, time=1, slice=1)
        with pytest.raises(Problem) as told:
            image.plane(0, position=2, time=1, slice=1)
        assert told.value.code == "SM-IMG-008" and told.value.values["slice"] == 2


def test_an_nd2_acquisition_that_was_stopped(stand_in):
    """Twelve frames were planned, two time points of three positions of two slices; the map of the file names eight."""
    frames = SimpleNamespace(_frame_offsets=dict.fromkeys(range(8), 4096))
    with stand_in(taken=8, _rdr=frames) as image:
        told = [(header.times, header.planned_times) for header in image.fields]
        assert told == [(2, None), (1, 2), (1, 2)]
        assert int(image.plane(0, position=0, time=1, slice=1)[0, 0]) == 70
        assert image.fields[1].interval_s is None
    with pytest.raises(Problem) as refused:
        stand_in(taken=8, _rdr=frames, loops=(("TimeLoop", 2**31),))
    assert refused.value.code == "SM-IMG-051"
