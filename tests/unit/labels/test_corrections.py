from __future__ import annotations

import os
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from unicodedata import normalize

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roifile import ROI_TYPE, ImagejRoi, roiwrite

from segmake.core.output_files import files
from segmake.images.corrections import correction_fingerprint, find_corrections
from segmake.labels import exports as outputs
from segmake.labels.corrected_masks import read_correction
from segmake.labels.labels import LabelStack, write_masks
from segmake.messages import Problem, Problems
from tests.projects import ROOT
from tests.unit.labels.test_outputs import View, cells

STACKS = {"YX": (), "TYX": (3,), "ZYX": (2,), "TZYX": (2, 3)}


def lay(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return [folder / name for name in names]


def read(path: Path, like: np.ndarray, axes: str = "YX") -> np.ndarray:
    return np.reshape(list(read_correction(path, axes, like.shape)), like.shape)


def save_seg(path: Path, **content: Any) -> Path:
    np.save(path, np.array(content, dtype=object))
    return path


def refused(path: Path, shape: tuple[int, ...], axes: str = "YX") -> str:
    with pytest.raises(Problem) as caught:
        list(read_correction(path, axes, shape))
    assert caught.value.where == str(path) and str(caught.value)
    return caught.value.code


@pytest.mark.parametrize(("of_image", "of_file"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_correction_may_write_accents_in_another_way(tmp_path, of_image, of_file):
    name = normalize(of_image, "été_1")
    [alike] = lay(tmp_path, normalize(of_file, "été_1_masks.tif"))
    assert find_corrections(tmp_path, [name]) == ({name: alike}, [])
    # The very name comes first.
    [exact] = lay(tmp_path, f"{name}_masks.tif")
    assert find_corrections(tmp_path, [name]) == ({name: exact}, [alike])


def test_corrections_are_found_by_the_names_of_their_images(tmp_path):
    names = ["a", "a_cp", "day1/pos 3_p2", "day1/é", "b", "c", "d.1", "e", "lonely"]
    fitting = lay(
        tmp_path,
        "a_masks.png",
        "a_cp_masks.tif",
        "day1/pos 3_p2_seg.npy",
        "day1/é_masks.ome.tif",
        "b_rois.zip",
        "c_cp_masks.PNG",
        "d.1_masks.TIFF",
        "e_seg.npy",
    )
    strays = lay(tmp_path, "day2/a_seg.npy", "lonely.tif", "notes.txt", "x_masks.tif")
    lay(tmp_path, "e.tif", "day1/pos 3_p2.tif", ".DS_Store", "day1/._a_masks.tif", ".old/a_seg.npy")
    corrections, others = find_corrections(tmp_path, names)
    assert corrections == dict(zip(names, fitting, strict=False))
    assert sorted(others) == sorted(strays)


def test_no_folder_is_no_correction(tmp_path):
    assert find_corrections(tmp_path / "corrections", ["a"]) == ({}, [])


def test_two_corrections_of_an_image_are_refused(tmp_path):
    lay(tmp_path, "a_seg.npy", "a_cp_masks.png", "day1/b_masks.tif", "day1/b_rois.zip", "c_seg.npy")
    with pytest.raises(Problems) as caught:
        find_corrections(tmp_path, ["a", "day1/b", "c"])
    assert [problem.code for problem in caught.value.problems] == ["SM-OUT-003"] * 2
    assert "a_cp_masks.png" in str(caught.value) and "b_rois.zip" in str(caught.value)


def test_a_correction_that_changes_is_another_one(tmp_path):
    (path,) = lay(tmp_path, "a_seg.npy")
    before = correction_fingerprint(path)
    assert before == correction_fingerprint(path)
    path.write_bytes(b"xy")
    other = correction_fingerprint(path)
    os.utime(path, ns=(1, 1))
    assert len({tuple(each) for each in (before, other, correction_fingerprint(path))}) == 3


@pytest.mark.filterwarnings("ignore:.*stored as RGB")
@pytest.mark.parametrize("axes", STACKS)
def test_what_segmake_writes_is_read_and_what_the_user_changes_in_it(tmp_path, axes):
    labels = cells(*STACKS[axes])
    mask = tmp_path / "a_masks.ome.tif"
    planes = labels.reshape(-1, 24, 30)
    write_masks(mask, planes, axes=axes, shape=labels.shape, name="a")
    with LabelStack(mask) as stack:
        for kind in ("rois", "cellpose"):
            outputs.write(kind, tmp_path, "a.tif", stack, View(stack))
    _, seg = files("cellpose", tmp_path, "a.tif")
    (rois,) = files("rois", tmp_path, "a.tif")
    for path in (mask, seg, rois):
        assert np.array_equal(read(path, labels, axes), labels), path.name
    changed = labels.copy()
    changed[changed == 2], changed[..., 20:, 2:9] = 0, 301
    content = np.load(seg, allow_pickle=True).item()
    saved = {**content, "masks": changed.reshape(content["masks"].shape).astype(np.uint32)}
    save_seg(seg, **saved, colors=np.zeros((3, 3)), model_path=PurePosixPath("cyto3"))
    tifffile.imwrite(tmp_path / "b_masks.tif", changed.astype(np.int32), compression="lzw")
    for path in (seg, tmp_path / "b_masks.tif"):
        assert np.array_equal(read(path, labels, axes), changed), path.name


sizes = st.integers(1, 3)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sizes, sizes, st.integers(5, 12), st.integers(5, 12), st.sampled_from("iuf"), st.booleans())
def test_the_planes_are_those_of_the_image(tmp_path, times, depth, height, width, kind, flat):
    axes = "T" * (times > 1) + "Z" * (depth > 1) + "YX"
    shape = (*(n for n in (times, depth) if n > 1), height, width)
    labels = np.arange(times * depth * height * width, dtype=f"{kind}4").reshape(shape)
    stored = labels.reshape(-1, height, width) if flat else labels
    path = tmp_path / "a_masks.tif"
    tifffile.imwrite(path, stored, photometric="minisblack")
    assert np.array_equal(read(path, labels, axes), labels)
    path = save_seg(tmp_path / "a_seg.npy", masks=stored.squeeze().astype(np.int64))
    assert np.array_equal(read(path, labels, axes), labels)


@pytest.mark.parametrize("saved_as", ["TYX", "ZYX", "CYX"])
@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_fiji_may_mix_up_time_and_slices(tmp_path, axes, saved_as):
    labels = cells(3)
    path = tmp_path / "a_masks.tif"
    metadata = {"axes": saved_as}
    tifffile.imwrite(path, labels.astype(np.uint16), imagej=True, metadata=metadata)
    assert np.array_equal(read(path, labels, axes), labels)


def test_a_png_of_16_bits_is_read(tmp_path):
    labels = cells()
    path = tmp_path / "a_cp_masks.png"
    path.write_bytes(imagecodecs.png_encode(labels.astype(np.uint16)))
    assert np.array_equal(read(path, labels), labels)


def test_labels_that_count_from_minus_one_are_those_of_an_old_cellpose(tmp_path):
    path = save_seg(tmp_path / "a_seg.npy", masks=cells() - 1)
    assert np.array_equal(read(path, cells()), cells())


def test_what_does_not_fit_the_image_is_refused(tmp_path):
    shapes = [(24, 30), (3, 24, 30), (2, 24, 31), (2, 3, 24, 30), (2, 24, 30, 2)]
    for index, shape in enumerate(shapes):
        path = tmp_path / f"{index}_masks.tif"
        tifffile.imwrite(path, np.zeros(shape, np.uint16), photometric="minisblack")
        assert refused(path, (2, 24, 30), "TYX") == "SM-OUT-005"
        path = save_seg(tmp_path / f"{index}_seg.npy", masks=np.zeros(shape, np.uint16))
        assert refused(path, (2, 24, 30), "TYX") == "SM-OUT-005"
    path = tmp_path / "swapped_masks.tif"
    stored = np.zeros((3, 2, 24, 30), np.uint16)
    tifffile.imwrite(path, stored, imagej=True, metadata={"axes": "TZYX"})
    assert refused(path, (2, 3, 24, 30), "TZYX") == "SM-OUT-005"
    with pytest.raises(Problem, match="3 x 2 x 24 x 30 in place of 2 x 3 x 24 x 30"):
        list(read_correction(path, "TZYX", (2, 3, 24, 30)))


@pytest.mark.parametrize("value", [-1, 0.5, np.nan, np.inf, 2**32])
def test_values_that_are_no_numbers_of_cells_are_refused(tmp_path, value):
    labels = cells().astype(np.float64 if isinstance(value, float) else np.int64)
    labels[5, 5] = value
    if value == -1:
        labels[0, 0] = -2
    assert refused(save_seg(tmp_path / "a_seg.npy", masks=labels), labels.shape) == "SM-OUT-007"


def test_whole_numbers_of_any_type_are_kept(tmp_path):
    for dtype in ("float32", "float64", "int64", "uint8", "bool"):
        labels = (cells() > 0).astype(dtype) if dtype in ("bool", "uint8") else cells()
        path = save_seg(tmp_path / "a_seg.npy", masks=labels.astype(dtype))
        assert np.array_equal(read(path, labels), labels)


def test_a_colour_picture_is_refused(tmp_path):
    picture = np.zeros((24, 30, 3), np.uint8)
    (tmp_path / "a_masks.png").write_bytes(imagecodecs.png_encode(picture))
    tifffile.imwrite(tmp_path / "a_masks.tif", picture, photometric="rgb")
    for name in ("a_masks.png", "a_masks.tif"):
        assert refused(tmp_path / name, (24, 30)) == "SM-OUT-006"


def test_what_can_not_be_read_is_told(tmp_path):
    good = save_seg(tmp_path / "good_seg.npy", masks=cells()).read_bytes()
    for suffix in ("_seg.npy", "_masks.tif", "_cp_masks.png", "_rois.zip"):
        for content in (b"", b"text", good[: len(good) // 2], b"PK\x03\x04"):
            path = tmp_path / f"a{suffix}"
            path.write_bytes(content)
            assert refused(path, (24, 30)) == "SM-OUT-004"
        path.unlink()
        assert refused(path, (24, 30)) == "SM-OUT-004"
    for content in ({"outlines": cells()}, {"masks": "none"}, {"masks": [1, 2]}):
        assert refused(save_seg(tmp_path / "a_seg.npy", **content), (24, 30)) == "SM-OUT-004"
    np.save(tmp_path / "a_seg.npy", cells())
    assert refused(tmp_path / "a_seg.npy", (24, 30)) == "SM-OUT-004"


class Command:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.path}'",)


class Window:
    """Stands for an object of a program that is not here, with all that pickles can do to it."""

    def __reduce__(self) -> Any:
        return PureWindowsPath, ("C:/", "a"), {"state": 1}, iter([1, 2]), iter([("a", 1)])


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_file_of_cellpose_can_not_run_anything(tmp_path, protocol):
    path, trace = tmp_path / "a_seg.npy", tmp_path / "trace"
    content = {
        "masks": cells(),
        "diameter": np.float32(3),
        "model_path": Window(),
        "flows": [Command(trace), np.zeros(3, ">f4"), None],
    }
    pickled = pickle.dumps(np.array(content, dtype=object), protocol)
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        # As numpy 1 calls its own, where no length stands before the name.
        file.write(pickled.replace(b"numpy._core", b"numpy.core") if protocol < 4 else pickled)
    assert np.array_equal(read(path, cells()), cells())
    assert not trace.exists()
    pickle.loads(pickle.dumps(Command(trace)))
    assert trace.exists(), "the test proves something"


def hostile_seg(path: Path) -> Path:
    """Write a file whose masks become objects at an address of its choice once they are made."""

    def text(value: str) -> bytes:
        return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()

    def number(value: int) -> bytes:
        return pickle.BININT + struct.pack("<i", value)

    def named(module: str, name: str) -> bytes:
        return pickle.GLOBAL + f"{module}\n{name}\n".encode()

    def of_type(code: str) -> bytes:
        options = pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3
        return named("numpy", "dtype") + text(code) + options + pickle.REDUCE

    kept = pickle.BINGET + b"\0"
    address = pickle.SHORT_BINBYTES + b"\x08" + b"A" * 8
    empty = number(0) + pickle.TUPLE1 + pickle.SHORT_BINBYTES + b"\x01b" + pickle.TUPLE3
    array = named("numpy._core.multiarray", "_reconstruct") + named("numpy", "ndarray") + empty
    one = number(1) + pickle.TUPLE1
    of_bytes = pickle.MARK + number(1) + one + kept + pickle.NEWFALSE + address + pickle.TUPLE
    field = text("x") + of_type("O8") + number(0) + pickle.TUPLE2 + pickle.SETITEM
    fields = text("x") + pickle.TUPLE1 + pickle.EMPTY_DICT + field + number(8) + number(1)
    of_objects = pickle.MARK + number(3) + text("|") + pickle.NONE + fields + number(63)
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(pickle.PROTO + b"\x04" + of_type("V8") + pickle.BINPUT + b"\0" + pickle.POP)
        file.write(pickle.EMPTY_DICT + text("masks"))
        file.write(array + pickle.REDUCE + of_bytes + pickle.BUILD)
        file.write(kept + of_objects + pickle.TUPLE + pickle.BUILD + pickle.POP)
        file.write(pickle.SETITEM + pickle.STOP)
    return path


def test_a_file_that_leads_numpy_astray_is_refused(tmp_path):
    path = hostile_seg(tmp_path / "a_seg.npy")
    # In a process of its own, which may die of it.
    program = (
        "import sys; from pathlib import Path; from segmake.labels.corrected_masks import read_correction\n"
        "try: list(read_correction(Path(sys.argv[1]), 'YX', (1, 1)))\n"
        "except Exception as error: print(error.code)"
    )
    command = [sys.executable, "-c", program, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT / "workflow")
    assert (run.returncode, run.stdout) == (0, "SM-OUT-004\n"), run.stderr


def test_damaged_files_of_cellpose_are_refused_or_read(tmp_path):
    content = {"masks": cells(), "diameter": np.float32(3), "flows": [None, np.zeros(3)]}
    good = save_seg(tmp_path / "a_seg.npy", **content).read_bytes()
    start = good.index(b"\n") + 1
    random = np.random.default_rng(0)
    instructions = [getattr(pickle, name) for name in dir(pickle) if name.isupper()]
    instructions = [code for code in instructions if isinstance(code, bytes) and len(code) == 1]
    outcomes = set()
    for trial in range(300):
        damaged = bytearray(good)
        for place in random.integers(start, start + 700, 1 + trial % 4):
            damaged[place] = random.choice(instructions)[0] if trial % 2 else random.integers(256)
        path = tmp_path / "b_seg.npy"
        path.write_bytes(damaged)
        try:
            read(path, cells())
            outcomes.add("read")
        except Problem as problem:
            outcomes.add(problem.code)
    assert outcomes <= {"read", "SM-OUT-004", "SM-OUT-005", "SM-OUT-007", "SM-RUN-003"}
    # Lengths and places that no file has are refused before memory is sought for them.
    header = good[:start]
    for body in (b"\x8e" + b"\xff" * 7 + b"\x0f", b"N" + b"r" + b"\xff" * 4 + b".", b"]" * 10**6):
        path.write_bytes(header + b"\x80\x04" + body)
        assert refused(path, (24, 30)) == "SM-OUT-004"


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<i4", "i8", "f4", "bool"])
def test_masks_of_any_type_and_order_are_read(tmp_path, dtype):
    labels = (cells() > 0).astype(dtype) if dtype == "bool" else cells().astype(dtype)
    for stored in (labels, np.asfortranarray(labels), labels[:, ::-1][:, ::-1]):
        path = save_seg(tmp_path / "a_seg.npy", masks=stored)
        assert np.array_equal(read(path, labels), labels)


def test_rois_that_users_draw(tmp_path):
    path = tmp_path / "a_rois.zip"
    corners = np.array([[2, 2], [8, 2], [8, 5], [2, 5]])
    twelve = ImagejRoi.frompoints(corners, name="0012")
    other = ImagejRoi.frompoints(corners + np.array([10.0, 0.0]), name="0003-0013")
    box = ImagejRoi(roitype=ROI_TYPE.RECT, left=2, top=10, right=4, bottom=12, name="0011-0003-1")
    ball = ImagejRoi(roitype=ROI_TYPE.OVAL, left=20, top=10, right=29, bottom=19, name="")
    roiwrite(path, [twelve, other, box, ball])
    wanted = np.zeros((24, 30), int)
    wanted[2:5, 2:8], wanted[2:5, 12:18], wanted[10:12, 2:4] = 12, 13, 14
    found = read(path, wanted)
    assert np.array_equal(np.where(found == 15, 0, found), wanted)
    # As many pixels as ImageJ has in an oval of this size.
    assert (found == 15).sum() == 69 and found[14, 24] == 15


def test_rois_lie_on_the_planes_of_their_positions(tmp_path):
    path = tmp_path / "a_rois.zip"
    corners = np.array([[2, 2], [8, 2], [8, 5], [2, 5]])

    def found(axes: str, **position: int) -> list[int]:
        roi = ImagejRoi.frompoints(corners, name="5")
        for name, number in position.items():
            setattr(roi, name, number)
        roiwrite(path, [roi], mode="w")
        shape = (*STACKS[axes], 24, 30)
        planes = list(read_correction(path, axes, shape))
        return [index for index, plane in enumerate(planes) if plane.any()]

    assert found("YX", position=2, z_position=3) == [0]
    assert found("TYX") == [0, 1, 2]
    assert found("TYX", position=3) == found("TYX", z_position=1, t_position=3) == [2]
    assert found("TYX", z_position=3, t_position=1) == found("TYX", t_position=3) == [2]
    assert found("ZYX", c_position=1, z_position=2, t_position=1) == [1]
    assert found("TZYX", z_position=3, t_position=2) == [5]
    assert found("TZYX", t_position=2) == [3, 4, 5] and found("TZYX", z_position=1) == [0, 3]
    for axes, position in [("ZYX", "position"), ("TZYX", "t_position"), ("TZYX", "z_position")]:
        with pytest.raises(Problem, match="SM-OUT-004"):
            found(axes, **{position: 4})


def test_lines_and_points_are_no_cells(tmp_path):
    path = tmp_path / "a_rois.zip"
    for kind in (ROI_TYPE.LINE, ROI_TYPE.POINT, ROI_TYPE.POLYLINE):
        roi = ImagejRoi.frompoints(np.array([[2, 2], [8, 8]]), name="5")
        roi.roitype = kind
        roiwrite(path, [roi], mode="w")
        assert refused(path, (24, 30)) == "SM-OUT-004"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "no ROI")
    assert refused(path, (24, 30)) == "SM-OUT-004"


def test_a_correction_that_cannot_be_looked_at_is_not_passed_over(tmp_path):
    folder = tmp_path / "corrections"
    folder.mkdir()
    (folder / "a_masks.tif").symlink_to(tmp_path / "gone.tif")
    (folder / "notes.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(Problems) as caught:
        find_corrections(folder, ["a"])
    assert [problem.code for problem in caught.value.problems] == ["SM-OUT-021"]
    assert "a_masks.tif" in str(caught.value)
    shutil.rmtree(folder)
    assert find_corrections(folder, ["a"]) == ({}, [])
    folder.write_text("")
    with pytest.raises(Problems):
        find_corrections(folder, ["a"])
