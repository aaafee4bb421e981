"""Files whose copy was interrupted, whose acquisition was stopped, and whose headers are damaged."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from pylibCZIrw import czi

from segmake.core.declared_steps import STEPS
from segmake.core.journal import Journal
from segmake.formats import isolated, open_image, read_headers
from segmake.formats.axes import leading
from segmake.formats.tiff_damage import refuse_unwritten
from segmake.images.inventory import write_inventory
from segmake.messages import Problem, Problems
from segmake.outcome.image_table import image_table
from segmake.plan.described import describe
from segmake.plan.make import make_plan
from segmake.plan.plan import Plan
from segmake.runner.run_step import run_step
from segmake.steps.work import work_of
from tests.unit.formats.reading import planes_of
from tests.unit.leica_files import Series, write_lif
from tests.unit.tiff_files import document, image_xml, write_micromanager, write_pages
from tests.unit.zarr_folders import write_image

RANDOM = np.random.default_rng(16)
GREY = {"photometric": "minisblack"}
LONG_AGO = 1_700_000_000


def stack(number: int = 6, dtype: str = "uint16", lowest: int = 1) -> np.ndarray:
    return RANDOM.integers(lowest, 200, (number, 40, 50)).astype(dtype)


def read_all(path: Path) -> list[np.ndarray]:
    """Return every plane that a job would read."""
    with open_image(path) as image:
        image.refuse_unwritten()
        return planes_of(image)


def code_of(path: Path) -> str:
    try:
        read_all(path)
    except Problem as problem:
        assert problem.what and problem.remedy
        return problem.code
    return ""


def planned(path: Path) -> tuple[int, int | None]:
    """Return how many time points a file has, and how many were planned."""
    (header,) = read_headers(path)
    return header.times, header.planned_times


# ------------------------------------------------------------------------------------------------ interrupted copies


def pages(path: Path, planes: np.ndarray, **options) -> None:
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False)) as file:
        for plane in planes:
            file.write(plane, metadata=None, contiguous=False, **{**GREY, **options})


def ome_pages(path: Path, planes: np.ndarray, **_) -> None:
    places = [(path.name, page) for page in range(len(planes))]
    write_pages(path, planes, document(image_xml(planes[:, None, None], places)).encode())


def in_one_piece(path: Path, planes: np.ndarray, **options) -> None:
    grey = {} if options.get("imagej") else GREY
    tifffile.imwrite(path, planes, metadata={"axes": "TYX"}, **grey, **options)


def micromanager(path: Path, planes: np.ndarray, **_) -> None:
    summary = {"Frames": len(planes), "Slices": 1, "Channels": 1, "Positions": 1}
    write_micromanager(path, planes[None, :, None, None], summary, 0, len(planes))


TIFFS = {
    "pages": (pages, {}),
    "pages, zlib": (pages, {"compression": "zlib"}),
    "pages, LZW": (pages, {"compression": "lzw"}),
    "pages, tiles": (pages, {"tile": (16, 16)}),
    "pages, strips": (pages, {"rowsperstrip": 7}),
    "BigTIFF": (pages, {"bigtiff": True}),
    "OME, pages": (ome_pages, {}),
    "OME": (in_one_piece, {"ome": True}),
    "OME, tiles": (in_one_piece, {"ome": True, "tile": (16, 16), "compression": "zlib"}),
    "ImageJ": (in_one_piece, {"imagej": True}),
    "shaped": (in_one_piece, {}),
    "Micro-Manager": (micromanager, {}),
}


def sweep(path: Path, expected: list[np.ndarray]) -> set[str]:
    """Cut a file at 30 places, and fill it with zeros from there: every time it fails, or has lost nothing.

    The pixels of the last 64 bytes are not asked for: so few zeros are no sign of anything.
    """
    whole, codes = path.read_bytes(), set()
    for place in range(30):
        end = 16 + (len(whole) - 80) * place // 29
        for rest in (b"", bytes(len(whole) - end)):
            path.write_bytes(whole[:end] + rest)
            try:
                found = read_all(path)
            except Problem as problem:
                codes.add(problem.code)
            else:
                assert np.array_equal(found, expected), f"{end} of {len(whole)}, {len(rest)} zeros"
    assert codes, "it never failed"
    path.write_bytes(whole)
    assert np.array_equal(read_all(path), expected)
    return codes


@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
@pytest.mark.parametrize("kind", TIFFS)
def test_no_part_of_a_tiff_is_read_for_the_whole(tmp_path, kind, dtype):
    """The 8-bit pictures have black pixels here and there, as true ones do."""
    write, options = TIFFS[kind]
    path = tmp_path / "a_MMStack.tif"
    write(path, stack(dtype=dtype, lowest=int(dtype == "uint16")), **options)
    codes = sweep(path, read_all(path))
    assert "SM-IMG-050" in codes and codes <= {"SM-IMG-050", "SM-IMG-003"}


def write_czi(path: Path) -> None:
    with czi.create_czi(str(path)) as file:
        for time_point, plane in enumerate(stack()):
            file.write(plane, plane={"T": time_point, "Z": 0, "C": 0}, scene=0)


OTHERS: dict[str, Callable[[Path], object]] = {
    "a.czi": write_czi,
    "a.lif": lambda path: write_lif(path, Series("a", stack(), "TYX")),
    "b.lif": lambda path: write_lif(path, *(Series(str(n), stack(1)[0], "YX") for n in range(2))),
    "a.png": lambda path: path.write_bytes(imagecodecs.png_encode(stack()[0])),
    "a.jpg": lambda path: Image.fromarray(stack(dtype="uint8")[0]).save(path),
}


@pytest.mark.parametrize("name", OTHERS)
def test_no_part_of_another_file_is_read_for_the_whole(tmp_path, name):
    path = tmp_path / name
    OTHERS[name](path)
    sweep(path, read_all(path))


@pytest.mark.parametrize("name", ["cluster.nd2", "example-timelapse.nd2"])
def test_no_part_of_an_nd2_is_read_for_the_whole(tmp_path, shared, name):
    path = Path(shutil.copy(shared / "nd2" / name, tmp_path))
    path.chmod(0o644)
    sweep(path, read_all(path))


def test_a_picture_that_is_black_at_its_end_stays_a_picture(tmp_path):
    """Pictures that were moved, masked, or have no background are zero there, and elsewhere too."""
    path, planes = tmp_path / "a.tif", stack(3)
    moved = planes.copy()
    moved[-1, -12:], moved[-1, :, -3:] = 0, 0
    sparse = np.where(planes > 180, planes, 0)
    sparse[-1] = 0
    masked = planes.copy()
    masked[:, np.hypot(*np.mgrid[-20:20, -25:25]) > 19] = 0
    black, last_rows = np.zeros_like(planes), planes.copy()
    last_rows[-1, -1:, -20:] = 0
    for pixels in (moved, sparse, masked, black, last_rows):
        for write, options in TIFFS.values():
            write(path, pixels, **options)
            assert np.array_equal(read_all(path), pixels)
    # Compressed, black is something that was written.
    half = planes.copy()
    half[-1, 20:] = 0
    pages(path, half, compression="zlib")
    assert np.array_equal(read_all(path), half)
    pages(path, half)
    assert code_of(path) == "SM-IMG-050"


def test_a_copy_that_goes_on_is_no_damage(tmp_path):
    """What lacks its end and was changed a moment ago is still being copied; what is no image is not."""
    for name, write in {**OTHERS, "a.tif": lambda path: pages(path, stack())}.items():
        path = tmp_path / name
        write(path)
        whole = path.read_bytes()
        for content in (whole[: len(whole) * 3 // 4], whole[:1000] + bytes(len(whole)), b""):
            path.write_bytes(content)
            codes = []
            for moment in (time.time() - 10, LONG_AGO):
                os.utime(path, (moment, moment))
                try:
                    read_headers(path)
                    codes.append("")
                except Problem as problem:
                    codes.append(problem.code)
            # What the header does not show, is shown when the planes are read.
            assert codes in (["", ""], ["SM-IMG-052", codes[1]]) and codes[1] != "SM-IMG-052", name
    (tmp_path / "b.tif").write_text("this is no image")
    assert code_of(tmp_path / "b.tif") == "SM-IMG-003"


def test_a_file_that_changes_while_it_is_read_is_still_being_copied(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    OTHERS["a.png"](path)

    def opened(it):
        with it.open("ab") as file:
            file.write(b"more")
        return open_image(it)

    monkeypatch.setattr("segmake.formats.open_image", opened)
    with pytest.raises(Problem) as told:
        read_headers(path)
    assert told.value.code == "SM-IMG-052"


# ------------------------------------------------------------------------------------------------ stopped acquisitions


def test_an_acquisition_that_was_stopped_has_what_was_saved(tmp_path):
    path, planes = tmp_path / "a_MMStack.tif", stack(50)
    xml = document(image_xml(planes[:, None, None], [(path.name, n) for n in range(50)])).encode()
    write_pages(path, planes[:3], xml)
    assert planned(path) == (3, 50)
    assert np.array_equal(read_all(path), planes[:3])
    whole = path.read_bytes()
    # The chain of pages has an end of its own: without it, this is no acquisition that was stopped.
    for end in range(200, len(whole) - 64, 397):
        for rest in (b"", bytes(len(whole) - end)):
            path.write_bytes(whole[:end] + rest)
            assert code_of(path) in ("SM-IMG-050", "SM-IMG-003"), end
    # A time point counts with all of its channels; slices count where there is one time point.
    for sizes, saved, expected in (
        ((5, 1, 2), 7, (3, None, 5)),
        ((1, 5, 2), 7, (3, 5, None)),
        ((5, 1, 1), 5, (5, None, None)),
    ):
        shape = planes[: np.prod(sizes)].reshape(*sizes, 40, 50)
        places = [(path.name, number) for number in range(np.prod(sizes))]
        write_pages(path, planes[:saved], document(image_xml(shape, places)).encode())
        (header,) = read_headers(path)
        number = header.slices if sizes[1] > 1 else header.times
        assert (number, header.planned_slices, header.planned_times) == expected
        channels, leading = sizes[2], number * sizes[2]
        assert np.array_equal(read_all(path), planes[:leading]) and leading % channels == 0


@pytest.fixture
def run(configure) -> Callable[[], tuple[Plan, list[dict]]]:
    """Do what a run does, and return its plan and the rows of images.csv."""

    def run_all(**sections):
        plan, _ = make_plan(configure(**sections))
        for batch in plan.batches.values():
            for step in STEPS:
                with Journal(plan.folders.journal(step, batch.name)).locked() as journal:
                    work = work_of(step, plan, lambda _: None)
                    run_step(batch.tasks[step], journal, work, lambda _: None, lambda _: None)
        return plan, image_table(plan).to_dict("records")

    return run_all


def test_what_was_stopped_is_computed_with_a_warning_and_what_was_cut_is_not(tmp_path, run, draw):
    cells = tifffile.imread(draw(tmp_path / "cells.tif"))
    planes = np.stack([cells] * 50)
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("stopped.ome.tif", "cut.ome.tif"):
        xml = document(image_xml(planes[:, None, None], [(name, n) for n in range(50)]))
        write_pages(folder / name, planes[:3], xml.encode())
    cut = (folder / "cut.ome.tif").read_bytes()
    (folder / "cut.ome.tif").write_bytes(cut[:-4000] + bytes(4000))
    os.utime(folder / "cut.ome.tif", (LONG_AGO, LONG_AGO))
    plan, (failed, done) = run()
    assert plan.stopped == 2 and " 2  images have fewer time points" in describe(plan)
    assert (failed["state"], failed["code"]) == ("failed", "SM-IMG-050")
    assert (done["state"], done["cells"]) == ("done", 6)
    assert done["warning"] == "The acquisition was stopped early: 3 of 50 time points were saved."


# ------------------------------------------------------------------------------------------------ OME-Zarr


def zarr_of(folder: Path, version: str, **options) -> Path:
    write_image(folder / "a.zarr", stack(3), "tyx", version, chunks=(1, 40, 50), **options)
    return folder / "a.zarr"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_zarr_stays_inside_its_folder(tmp_path, version):
    """Neither a path nor a link leads to pixels that are not a part of the image."""
    path, elsewhere = zarr_of(tmp_path, version), tmp_path / "elsewhere"
    shutil.copytree(path / "0", elsewhere)
    described = path / ("zarr.json" if version == "0.5" else ".zattrs")
    whole = described.read_text()
    for name in (str(elsewhere), "../elsewhere"):
        described.write_text(whole.replace('"path": "0"', json.dumps({"path": name})[1:-1]))
        assert code_of(path) == "SM-IMG-055"
    described.write_text(whole)
    assert code_of(path) == ""
    shutil.rmtree(path / "0")
    (path / "0").symlink_to(elsewhere)
    assert code_of(path) == "SM-IMG-055"
    (path / "0").unlink()
    shutil.copytree(elsewhere, path / "0")
    chunk = path / ("0/1/0/0" if version == "0.4" else "0/c/1/0/0")
    inside = path / "0" / "kept"
    shutil.move(chunk, inside)
    chunk.symlink_to(inside)
    assert code_of(path) == "", "a link within the folder is one of its parts"
    chunk.unlink()
    chunk.symlink_to(elsewhere / chunk.relative_to(path / "0"))
    assert code_of(path) == "", "as in a data set of DataLad"
    # The folder itself may be somewhere else.
    chunk.unlink()
    shutil.move(inside, chunk)
    (tmp_path / "linked.zarr").symlink_to(path)
    assert code_of(tmp_path / "linked.zarr") == ""


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_chunk_that_is_not_whole_is_not_black(tmp_path, version):
    path = zarr_of(tmp_path, version)
    chunk = path / ("0/1/0/0" if version == "0.4" else "0/c/1/0/0")
    whole = chunk.read_bytes()
    for end in range(0, len(whole) - 64, len(whole) // 9):
        for rest in (b"", bytes(len(whole) - end)):
            chunk.write_bytes(whole[:end] + rest)
            assert code_of(path) == "SM-IMG-003", (end, len(rest))


def test_what_a_zarr_claims(tmp_path):
    path = zarr_of(tmp_path, "0.4")
    described = path / "0" / ".zarray"
    told = json.loads(described.read_text())
    for change in (
        {"shape": [3, 2**31, 2**31]},
        {"shape": [2**40, 40, 50]},
        {"chunks": [2**20, 4000, 5000]},
    ):
        described.write_text(json.dumps(told | change))
        assert code_of(path) == "SM-IMG-051"
    described.write_text(json.dumps(told | {"shape": [300, 40, 50]}))
    assert code_of(path) == "", "chunks that are not there are black, as the format wants it"


# ------------------------------------------------------------------------------------------------ what never ends


@pytest.mark.parametrize("name", ["a.tif", "a.nd2", "a.zarr", "b.zarr/.zattrs", "c.zarr/0/0/0/0"])
def test_pipes_are_not_waited_for(tmp_path, name):
    path = tmp_path / name
    if len(Path(name).parts) > 1:
        write_image(tmp_path / Path(name).parts[0], stack(1), "tyx", "0.4")
        path.unlink()
    os.mkfifo(path)
    assert code_of(tmp_path / Path(name).parts[0]) == "SM-IMG-054"


def test_devices_are_not_read(tmp_path):
    (tmp_path / "a.png").symlink_to("/dev/zero")
    assert code_of(tmp_path / "a.png") == "SM-IMG-054"


# ------------------------------------------------------------------------------------------------ damaged headers


def claims(path: Path, kind: str) -> None:
    """Write a file of a few kilobytes that claims thousands of gigabytes."""
    plane = stack(1)[0]
    if kind == "OME":
        xml = document(image_xml(plane[None, None, None], [(path.name, 0)]))
        write_pages(path, plane[None], xml.replace('SizeT="1"', 'SizeT="2147483647"').encode())
    elif kind == "ImageJ":
        text = "ImageJ=1.53\nimages=2147483647\nframes=2147483647\n"
        tifffile.imwrite(path, plane, description=text, metadata=None)
    elif kind == "PNG":
        # The checksum stands behind the size.
        start = b"IHDR" + struct.pack(">II", 2**31 - 1, 2**31 - 1)
        whole = imagecodecs.png_encode(plane)
        start += whole[24:29]
        path.write_bytes(whole[:12] + start + struct.pack(">I", zlib.crc32(start)) + whole[33:])
    elif kind == "LIF":
        series = Series("a", stack(3), "TYX")
        write_lif(path, series)
        old, new = (f'NumberOfElements="{n}"'.encode("utf-16-le") for n in ("3", "2147483647"))
        whole = path.read_bytes()
        text = len(new) - len(old)
        sizes = struct.unpack_from("<IIBI", whole)
        head = struct.pack("<IIBI", sizes[0], sizes[1] + text, sizes[2], sizes[3] + text // 2)
        path.write_bytes(head + whole[13:].replace(old, new))
    else:
        tifffile.imwrite(path, plane, compression=kind or None)
        with tifffile.TiffFile(path, mode="r+") as file:
            for name in ("ImageWidth", "ImageLength"):
                file.pages.first.tags[name].overwrite(2**31 - 1, dtype="I")


CLAIMS = {"": ".tif", "zlib": ".tif", "zstd": ".tif", "OME": ".ome.tif", "PNG": ".png"}
CLAIMS |= {"LIF": ".lif", "ImageJ": ".tif"}


@pytest.mark.parametrize("kind", CLAIMS)
def test_what_a_header_claims_is_held_against_the_size_of_the_file(tmp_path, kind):
    path = tmp_path / f"a{CLAIMS[kind]}"
    claims(path, kind)
    assert code_of(path) == ("SM-IMG-050" if kind == "ImageJ" else "SM-IMG-051")


def test_pictures_without_contrast_are_no_false_claims(tmp_path):
    """All pixels are the same: that is as much as a compression can do."""
    black = np.zeros((3000, 4000), np.uint8)
    for compression in ("zlib", "lzw", "packbits", "zstd", "lzma", "png", "jpeg"):
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, black, compression=compression, rowsperstrip=3000)
        assert len(read_all(path)) == 1
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(black, level=9))
    assert code_of(tmp_path / "a.png") == ""


def test_a_damaged_header_leaves_the_plan_of_the_others(tmp_path, configure, draw):
    folder = tmp_path / "images"
    for number in range(3):
        draw(folder / f"{number}.tif")
    for kind, suffix in CLAIMS.items():
        claims(folder / f"claims {kind}{suffix}", kind)
    plan, inventory = make_plan(configure(images={"include": ["**/*"]}))
    problems = {image.image: image.problem for image in inventory.images}
    assert sum(problem is None for problem in problems.values()) == 3
    assert list(plan.batches) == ["0001"] and len(plan.images()) == 3 + len(CLAIMS)
    assert not any(task.large for task in plan.batches["0001"].tasks["segment"])


EVIL = """
import os, time
class ND2File:
    def __init__(self, file):
        name = os.path.basename(file.name)
        if name == "crashes.nd2":
            os.kill(os.getpid(), 11)
        if name == "never ends.nd2":
            print("working")
            time.sleep(600)
        bytearray(1 << 36)
"""


def with_evil_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give processes that read headers a library that crashes, never ends or eats memory in place of the one for ND2."""
    (folder / "nd2.py").write_text(EVIL)
    # What else they load does not count as time for a file.
    (folder / "sitecustomize.py").write_text("import segmake.formats.tiff, tifffile")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_file_that_takes_its_reader_down_stops_nothing_else(tmp_path, monkeypatch, draw):
    with_evil_library(tmp_path, monkeypatch)
    names = ["crashes.nd2", "eats memory.nd2", "never ends.nd2"]
    for name in names:
        (tmp_path / name).write_bytes(b"\xda\xce\xbe\x0a" * 9)
    reader = isolated.Reader(seconds=2)
    good = draw(tmp_path / "good é\n.tif")
    try:
        for name, word in zip(names, ("crashed", "more than 4 GB", "after 2 seconds"), strict=True):
            before, told, after = reader.read([good, tmp_path / name, good])
            assert before == after == read_headers(good)
            assert told.code == "SM-IMG-053" and word in told.what
    finally:
        reader.stop()


def test_what_is_answered_together_is_not_taken_for_what_hangs(tmp_path, monkeypatch, draw):
    """Answers that were not said yet are lost with the process: the files are asked for again, one by one."""
    with_evil_library(tmp_path, monkeypatch)
    good, evil = draw(tmp_path / "good.tif"), tmp_path / "never ends.nd2"
    evil.write_bytes(b"\xda\xce\xbe\x0a" * 9)
    reader = isolated.Reader(seconds=2)
    try:
        found = reader.read([good, good, good, evil, good])
    finally:
        reader.stop()
    assert [getattr(each, "code", "") for each in found] == ["", "", "", "SM-IMG-053", ""]


def test_headers_are_in_the_order_of_their_files(tmp_path, draw):
    """Also of very many, and where their names fill what is asked for at once."""
    wide = [draw(tmp_path / ("x" * 200 + f"{n}.tif"), cells=0, shape=(8, 8 + n)) for n in range(40)]
    paths = [path for path in wide for _ in range(20)]
    read = isolated.headers_of(paths)
    assert [headers[0].width for headers in read] == [8 + n for n in range(40) for _ in range(20)]


@pytest.mark.parametrize(("files", "processes"), [(1, 1), (4 * isolated._PIECE, 2)])
def test_many_headers_are_read_by_several_processes_at_once(monkeypatch, files, processes):
    # Nobody gets past it alone.
    together = Barrier(processes, timeout=60)

    class Waiting:
        def ask(self, questions):
            together.wait()
            return [{"headers": []} for _ in questions]

    def readers(number, seconds):
        assert number == processes
        return nullcontext([Waiting() for _ in range(number)])

    monkeypatch.setattr(isolated, "readers", readers)
    assert isolated.headers_of([Path("a.tif")] * files) == [()] * files


def test_without_files_to_read_there_is_no_process(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    assert isolated.headers_of([]) == []


def test_a_machine_that_gives_no_process_is_told(tmp_path, monkeypatch, draw):
    path = draw(tmp_path / "a.tif")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    reader = isolated.Reader(seconds=2)
    with pytest.raises(Problems) as told:
        reader.read([path])
    assert told.value.problems[0].code == "SM-IMG-056"


# ------------------------------------------------------------------------------------------------ smaller copies


def write_series(path: Path, *series: np.ndarray, **options) -> None:
    """Write pages one after the other, those of one shape as one series."""
    path.parent.mkdir(exist_ok=True)
    with tifffile.TiffWriter(path) as file:
        for pixels in series:
            colours = pixels.shape[-1] == 3
            file.write(pixels, photometric="rgb" if colours else "minisblack", **options)


PLANE = RANDOM.integers(100, 4000, (96, 130)).astype(np.uint16)
SCREEN = np.stack([(PLANE[::5, ::5] >> 4).astype(np.uint8)] * 3, -1)


@pytest.mark.parametrize(
    ("series", "copies", "sizes"),
    [
        ([PLANE, SCREEN], 1, [130]),
        ([SCREEN, PLANE], 1, [130]),
        ([PLANE, PLANE[::2, ::2], PLANE[::4, ::4]], 2, [130]),
        ([PLANE, SCREEN[:11, :17]], 1, [130]),
        ([PLANE, PLANE[:, :100]], 0, [130, 100]),
        ([PLANE, PLANE[:48, :100]], 0, [130, 100]),
        ([PLANE, PLANE[:64, :87]], 0, [130, 87]),
        ([PLANE, np.stack([PLANE[::2, ::2]] * 3)], 0, [130, 65]),
        ([SCREEN, np.ascontiguousarray(SCREEN[::-1, :-1])], 0, [26, 25]),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value),
)
def test_smaller_copies_are_no_positions_and_other_sizes_are(tmp_path, series, copies, sizes):
    for options in ({}, {"metadata": None}):
        write_series(tmp_path / "a.tif", *series, **options)
        headers = read_headers(tmp_path / "a.tif")
        assert [header.width for header in headers] == sizes
        assert [header.copies for header in headers] == [copies, 0][: len(sizes)]


def test_copies_are_said_and_what_was_done_keeps_its_name(tmp_path, configure, run):
    """Version 0.1.0 took a smaller copy for a second position."""
    for name, series in (("last", [PLANE, SCREEN]), ("first", [SCREEN, PLANE])):
        write_series(tmp_path / "images" / f"{name}.tif", *series)
    plan, _ = run()
    assert plan.images() == ["first.tif", "last.tif"]
    assert " 2  pages that are smaller copies" in describe(plan)
    kept = plan.folders.inventory
    write_inventory(make_plan(configure())[1], kept)
    rows = kept.read_text().splitlines()
    old = []
    for row in rows[1:]:
        fields = row.split("\t")
        for position in (0, 1):
            values = [f"{fields[0]} (p{position + 1})", *fields[1:5], str(position), "2", "0001"]
            old.append("\t".join([*values, "of 0.1.0", "", ""]))
    kept.write_text("\n".join([rows[0], *old]) + "\n")
    for _ in range(2):
        plan, inventory = make_plan(configure())
        # The first page of first.tif was the copy: its results are not those of the image.
        assert plan.images() == ["last.tif (p1)", "first.tif"]
        write_inventory(inventory, kept)
    assert {image.batch for image in inventory.images} == {"0001", "0002"}


# ------------------------------------------------------------------------------------------------ true pictures


def test_channels_that_were_not_taken_each_time_are_no_stopped_acquisition():
    def saved(*channels: str) -> tuple[int, int]:
        there = np.array([[mark == "x" for mark in channel] for channel in channels]).T
        return leading(there, ("time", "channel"), 0)

    assert saved("xxxxxxxxxx", "x.........") == (10, 1)
    assert saved("xxxxxxxxxx", "xxxxx.....") == (10, 1)
    assert saved("xxxx......", "xxx.......") == (3, 1)
    assert saved("xxx.......", "xxx.......") == (3, 1)
    assert saved("x.x.x.x.x.", "xxxxxxxxxx") == (10, 1)


@pytest.mark.parametrize("rows", [1, 5, 20])
def test_black_rows_at_the_bottom_of_a_picture_are_a_picture(tmp_path, rows):
    plane = RANDOM.integers(100, 4000, (90, 130)).astype(np.uint16)
    plane[-rows:] = 0
    tifffile.imwrite(tmp_path / "moved.tif", plane)
    refuse_unwritten(tmp_path / "moved.tif")


def test_tiles_that_are_empty_and_descriptions_that_are_padded_are_whole(tmp_path):
    path = tmp_path / "padded.tif"
    tifffile.imwrite(path, PLANE, description="{}", metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags["ImageDescription"].offset
    place = len(content)
    content += b'{"axes": "YX"}' + bytes(40)
    struct.pack_into("<HHII", content, tag, 270, 2, len(content) - place, place)
    path.write_bytes(content)
    assert code_of(path) == ""
    path.write_bytes(content.replace(b'"YX"}', bytes(5)))
    assert code_of(path) == "SM-IMG-050"


def test_a_file_of_the_users_is_no_module_of_python(tmp_path, monkeypatch, draw):
    path = draw(tmp_path / "a.tif")
    (tmp_path / "resource.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    reader = isolated.Reader(seconds=60)
    try:
        assert reader.read([path]) == [read_headers(path)]
    finally:
        reader.stop()
