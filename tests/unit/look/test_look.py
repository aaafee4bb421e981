"""What is seen of images before a config is written: in JSON and for people, kept, and of damaged files too."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmake.cli import main
from segmake.formats import isolated
from segmake.look import many_files
from segmake.look.many_files import Looks
from segmake.messages import LANGUAGES
from tests.answers import held, read_by

LONG_AGO = (1_700_000_000, 1_700_000_000)
NAMED = 'a "stack" \u00e9\n.tif'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def images(tmp_path, draw) -> Path:
    """A stack of two channels whose second has the cells, a file that is cut short, a picture, and a text."""
    folder = tmp_path / "images"
    draw(folder / "b" / "cut.tif")
    stack = np.zeros((3, 5, 2, 300, 400), np.uint16)
    stack[0, 2, 1, 100:200, 100:300] = 5000
    stack[:, :, 1] += 100
    names = {"axes": "TZCYX", "PhysicalSizeX": 0.065, "PhysicalSizeXUnit": "\u00b5m"}
    tifffile.imwrite(
        folder / "x.ome.tif", stack, metadata={**names, "Channel": {"Name": ["Phase", "GFP"]}}
    )
    os.replace(folder / "x.ome.tif", folder / NAMED)
    whole = (folder / "b" / "cut.tif").read_bytes()
    (folder / "b" / "cut.tif").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((20, 600, 3), (200, 10, 10), np.uint8)).save(folder / "red.png")
    (folder / "notes.txt").write_text("none")
    for path in folder.rglob("*.*"):
        os.utime(path, LONG_AGO)
    return folder


def looked(capsys, *words: object, code: int = 0) -> tuple[dict[str, dict], dict]:
    """Return what ``segmake look --json`` says of each file by its name, and of all."""
    assert main(["look", *map(str, words), "--json"]) == code
    out, err = capsys.readouterr()
    *files, last = [held(line) for line in out.splitlines(keepends=True)]
    assert not err and last["answer"] in ("look", "error")
    assert all(one["answer"] == "look.file" for one in files)
    return {one["name"]: one for one in files}, last


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_each_file_is_told_with_what_it_holds_and_shows(images, capsys, monkeypatch, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    files, last = looked(capsys, images, "--channel", "gfp", code=1)
    stack, cut = files[NAMED], files["b/cut.tif"]
    (held_there,) = stack["positions"]
    assert held_there["axes"] == "TZCYX" and held_there["channels"] == ["Phase", "GFP"]
    assert (held_there["width"], held_there["height"]) == (400, 300)
    assert held_there["pixel_size_um"] == 0.065 and held_there["dtype"] == "uint16"
    assert stack["shown"] == {"position": 1, "channel": 2, "time": 1, "slice": 3}
    with Image.open(stack["picture"]) as picture:
        shown = np.asarray(picture)
    assert shown.shape == (192, 256)
    # From black to white, as an eye sees it: where the cells are, and where not.
    assert shown[100, 120] > 245 and shown[10, 10] < 10
    assert stack["of"] == cut["of"] == 2
    # Its header was read; its pixels are not there, and nothing stops for it.
    assert [one["severity"] for one in cut["problems"]] == ["error"]
    assert cut["picture"] is None and cut["problems"][0]["file"] == cut["file"]
    assert (last["files"], last["faulty"], last["left_out"], last["kept"]) == (2, 1, 2, 0)
    others = {one["name"]: one["kind"] for one in last["others"]}
    assert others == {"red.png": "name", "notes.txt": "name"}
    assert {each["name"] for each in last["channels"]} == {"Phase", "GFP", "1"}
    assert last["pixel_sizes_um"] == [{"um": 0.065, "files": 1}]


def test_what_was_made_from_an_image_is_named_as_such(tmp_path, capsys, draw):
    draw(tmp_path / "images" / "a.tif")
    with tifffile.TiffFile(tmp_path / "images" / "a.tif") as image:
        labels = np.zeros(image.pages[0].shape, np.uint16)
    labels[5:20, 5:20], labels[30:40, 30:40] = 1, 2
    tifffile.imwrite(tmp_path / "images" / "a_masks.tif", labels)
    for _ in range(2):
        files, last = looked(capsys, tmp_path / "images")
        assert set(files) == {"a.tif", "a_masks.tif"}
        (made,) = last["others"]
        assert (made["name"], made["kind"]) == ("a_masks.tif", "labels")


def test_other_names_than_the_usual_ones_are_looked_at(images, capsys):
    names = ("--include", "**/*.png", "--include", "b/*")
    files, last = looked(capsys, images, *names, code=1)
    assert set(files) == {"red.png", "b/cut.tif"}
    assert {one["name"] for one in last["others"]} == {NAMED, "notes.txt"}


def test_pictures_are_taken_where_there_is_nothing_else(images, capsys):
    (images / NAMED).unlink()
    (images / "b" / "cut.tif").unlink()
    files, last = looked(capsys, images)
    (red,) = files.values()
    assert red["positions"][0]["axes"] == "YXS" and last["left_out"] == 1
    with Image.open(red["picture"]) as picture:
        assert picture.size == (256, 9) and picture.getpixel((100, 4))[0] > 180


def test_what_was_seen_is_kept_until_the_file_changes(images, capsys, monkeypatch, draw):
    before, _ = looked(capsys, images, code=1)
    with monkeypatch.context() as patched:
        # Nothing is opened again.
        patched.setattr(isolated.Reader, "_start", None)
        again, last = looked(capsys, images, code=1)
        assert last["kept"] == 2
        assert all(one["kept"] for one in again.values())
        for name, one in again.items():
            assert one["positions"] == before[name]["positions"]
            assert one["picture"] == before[name]["picture"]
        without, _ = looked(capsys, images, "--no-pictures", code=1)
        assert [one["picture"] for one in without.values()] == [None] * 2
    draw(images / "b" / "cut.tif", shape=(60, 64))
    now, last = looked(capsys, images)
    assert last["kept"] == 1 and now[NAMED]["kept"]
    assert now["b/cut.tif"]["positions"][0]["height"] == 60
    Path(before[NAMED]["picture"]).unlink()
    now, last = looked(capsys, images)
    assert last["kept"] == 1 and Path(now[NAMED]["picture"]).is_file()
    # A channel that is not there is no fault of the image: the first is shown.
    other, _ = looked(capsys, images / NAMED, "--channel", "mCherry")
    (problem,) = other[NAMED]["problems"]
    assert (problem["code"], problem["severity"]) == ("SM-LOK-006", "warning")
    assert other[NAMED]["shown"]["channel"] == 1


def test_a_look_that_was_interrupted_goes_on(tmp_path, draw, monkeypatch):
    monkeypatch.setattr(many_files, "PIECE", 1)
    for number in range(6):
        draw(tmp_path / "images" / f"{number}.tif")
        os.utime(tmp_path / "images" / f"{number}.tif", LONG_AGO)
    first = Looks(tmp_path / "images").each()
    seen = {next(first).name, next(first).name}
    first.close()
    again = list(Looks(tmp_path / "images").each())
    kept = {look.name for look in again if look.kept}
    assert seen <= kept < {look.name for look in again} and len(again) == 6


EVIL = """
import os
class ND2File:
    def __init__(self, file):
        os.kill(os.getpid(), 11)
"""


def test_a_file_that_takes_its_reader_down_stops_nothing_else(tmp_path, monkeypatch, draw):
    """With a library that crashes in place of the one for ND2."""
    (tmp_path / "nd2.py").write_text(EVIL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder = tmp_path / "images"
    draw(folder / "a.tif")
    (folder / "b.nd2").write_bytes(b"\xda\xce\xbe\x0a" * 9)
    draw(folder / "c.tif")
    seen = {look.name: look for look in Looks(folder).each()}
    assert [one.code for one in seen["b.nd2"].problems] == ["SM-IMG-053"]
    assert seen["a.tif"].picture and seen["c.tif"].picture


def test_a_picture_that_is_too_much_leaves_what_the_file_holds(tmp_path, monkeypatch, draw):
    """With a library for pictures that crashes when one is written."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nfrom PIL import Image\nImage.Image.save = lambda *all, **more: os.kill(os.getpid(), 11)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    draw(tmp_path / "images" / "a.tif")
    (seen,) = Looks(tmp_path / "images").each()
    assert seen.fields[0].width == 64 and seen.picture is None
    assert [one.code for one in seen.problems] == ["SM-IMG-053"]


def test_where_nothing_can_be_kept_the_images_are_told_all_the_same(images, cache, capsys):
    cache.write_text("no folder")
    files, last = looked(capsys, images / "red.png")
    assert files["red.png"]["picture"] is None and not files["red.png"]["problems"]
    assert [problem["code"] for problem in last["problems"]] == ["SM-LOK-003"]
    files, last = looked(capsys, images / "red.png", "--pictures", images / "small")
    assert Path(files["red.png"]["picture"]).parent == images / "small"
    (problem,) = last["problems"]
    assert (problem["code"], problem["severity"]) == ("SM-LOK-003", "warning")


def test_pictures_that_have_no_room_are_to_go_elsewhere(images, tmp_path, capsys):
    (tmp_path / "file").touch()
    _, last = looked(capsys, images, "--pictures", tmp_path / "file" / "x", code=1)
    (problem,) = last["problems"]
    assert (problem["code"], problem["severity"]) == ("SM-LOK-005", "warning")
    assert str(tmp_path / "file" / "x") in problem["text"] and "--pictures" in problem["remedy"]


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_file_that_is_no_image_by_its_name_is_told_so(tmp_path, capsys, monkeypatch, spoken):
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    for name, end in (("passwd", "passwd"), ("letter.docx", ".docx")):
        (tmp_path / name).write_text("none")
        files, _ = looked(capsys, tmp_path / name, code=1)
        (problem,) = files[name]["problems"]
        assert problem["code"] == "SM-IMG-004"
        assert {"en": f'"{end}".', "fr": f"\u00ab {end} \u00bb."}[spoken] in problem["text"]


@pytest.mark.parametrize(("place", "code"), [("absent", "SM-LOK-001"), ("empty", "SM-LOK-002")])
def test_a_folder_without_images_is_an_answer(tmp_path, capsys, place, code):
    (tmp_path / "empty").mkdir()
    files, last = looked(capsys, tmp_path / place, code=1)
    assert not files and last["answer"] == "error"
    assert [problem["code"] for problem in last["problems"]] == [code]


def test_people_get_a_table(images, capsys):
    assert main(["look", str(images), "--channel", "2"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == [
        "file",
        "size",
        "channels",
        "slices",
        "times",
        "positions",
        "pixel",
        "type",
    ]
    row = next(line for line in said if "400 x 300" in line)
    assert row.split()[-1] == "uint16" and "Phase, GFP" in row and "0.065 \u00b5m" in row
    assert any(line.startswith("SM-IMG-050") or line.startswith("SM-IMG-003") for line in said)
    assert "2 images, 1 with something wrong, 2 other files left out." in said


def test_a_terminal_obeys_no_name(tmp_path, capsys, draw):
    evil = "a\x1b[31m\n\tb\udcff\u00e9"
    draw(tmp_path / evil / "good.tif")
    (tmp_path / evil / f"{evil}.tif").write_bytes(b"")
    os.utime(tmp_path / evil / f"{evil}.tif", LONG_AGO)
    for place in (tmp_path / evil, tmp_path / evil / f"{evil}.tif"):
        assert main(["look", str(place)]) == 1
        said = capsys.readouterr().out
        plain = "a\\x1b[31m\\n\\tb\\xff\u00e9"
        assert f"{plain}.tif" in said and f"SM-IMG-002  {tmp_path}/{plain}/{plain}.tif" in said
        assert all(line.isprintable() for line in said.split("\n"))


def test_a_program_that_is_no_python_reads_it(images, capsys):
    assert main(["look", str(images), "--json"]) == 1
    shown = read_by("look.pl", capsys.readouterr().out)
    assert "Phase/GFP picture" in shown and "2 images, 1 faulty" in shown
    assert "b/cut.tif 64x48 1 SM-IMG-0" in shown


def test_a_name_that_is_no_utf8_stops_no_reader(tmp_path, capsys, draw):
    draw(tmp_path / "images" / "a.tif")
    os.replace(
        tmp_path / "images" / "a.tif", tmp_path / "images" / "bad\udcff\udce9 \U0001f9eb.tif"
    )
    assert main(["look", str(tmp_path / "images"), "--json"]) == 0
    said = capsys.readouterr().out
    first = held(said.splitlines(keepends=True)[0])
    assert first["file"].endswith("/bad\\xff\\xe9 \U0001f9eb.tif")
    shown = read_by("look.pl", said)
    assert "1/1 bad\\xff\\xe9 \U0001f9eb.tif 64x48" in shown and shown.endswith(
        "1 images, 0 faulty\n"
    )
