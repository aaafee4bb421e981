from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
import tifffile

from segmake import formats as readers
from segmake.core import versions
from segmake.core.journal import Journal
from segmake.images import inventory
from segmake.images.inventory import read_inventory, take_inventory, write_inventory
from segmake.images.listing import list_images
from segmake.messages import Problem, Problems


@pytest.fixture
def images(tmp_path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def take(configure, tmp_path):
    """Take the inventory as a run does, and keep it for the next."""

    def take_and_keep(**sections):
        inventory = take_inventory(configure(**sections), tmp_path / "inventory.tsv")
        write_inventory(inventory, tmp_path / "inventory.tsv")
        return inventory

    return take_and_keep


def batches(inventory) -> dict[str, str]:
    return {image.image: image.batch for image in inventory.images if image.present}


def refused(make, *arguments, **sections) -> Problem:
    with pytest.raises(Problems) as caught:
        make(*arguments, **sections)
    return caught.value.problems[0]


ONE_EACH = {"batch_size": 1}


def test_an_image_keeps_its_batch_whatever_comes_and_goes(take, images, draw):
    for name in ("b.tif", "d.tif"):
        draw(images / name)
    first = batches(take(cluster=ONE_EACH))
    assert first == {"b.tif": "0001", "d.tif": "0002"}
    draw(images / "a.tif")
    draw(images / "c.tif")
    more = batches(take(cluster={"batch_size": "auto"}))
    assert more == {"a.tif": "0003", "b.tif": "0001", "c.tif": "0003", "d.tif": "0002"}
    (images / "b.tif").rename(images.parent / "b.tif")
    without = take(cluster=ONE_EACH)
    assert batches(without) == {name: batch for name, batch in more.items() if name != "b.tif"}
    assert [image.image for image in without.batches()["0001"]] == ["b.tif"]
    (images.parent / "b.tif").rename(images / "b.tif")
    assert batches(take(cluster=ONE_EACH)) == more


def test_images_are_in_natural_order(take, images, draw):
    for number in (10, 2, 1):
        draw(images / f"img{number}.tif")
    assert list(batches(take())) == ["img1.tif", "img2.tif", "img10.tif"]


def test_a_file_is_opened_again_only_when_its_size_or_time_changed(take, images, draw):
    path = draw(images / "a.tif")
    before = take().images[0]
    stat = path.stat()
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert take().images[0] == before
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    changed = take().images[0]
    assert changed.header is None and changed.problem.code == "SM-IMG-003"
    assert changed.batch == before.batch
    draw(path)
    assert take().images[0].header == before.header


def test_what_is_kept_is_what_was_found(take, images, draw, tmp_path):
    draw(images / "good.tif")
    (images / "empty.tif").touch()
    inventory = take()
    kept = read_inventory(tmp_path / "inventory.tsv")
    assert [image.header for image in kept] == [image.header for image in inventory.images]
    assert [str(image.problem) for image in kept] == [str(i.problem) for i in inventory.images]
    assert [image.path for image in kept] == [image.path for image in inventory.images]


def test_what_other_readers_said_is_read_again_in_the_same_batch(take, images, draw, monkeypatch):
    draw(images / "b.tif")
    take(cluster=ONE_EACH)
    draw(images / "a.tif")
    before = take(cluster=ONE_EACH)
    monkeypatch.setattr(versions, "HEADERS", versions.HEADERS + 1)
    assert take(cluster=ONE_EACH) == before


@pytest.mark.parametrize("damage", ["nothing", "cut", "zeros", "noise", "other", "none", "folder"])
def test_a_damaged_inventory_is_found_again_in_the_journals(
    configure, images, draw, tmp_path, damage
):
    kept = tmp_path / ".segmake" / "inventory.tsv"

    def take():
        inventory = take_inventory(configure(cluster=ONE_EACH), kept)
        if not kept.is_dir():
            write_inventory(inventory, kept)
        return inventory

    for name in ("d.tif", "b.tif", "gone.tif", "new.tif"):
        draw(images / name)
        for image in take().images:
            # What a job writes.
            journal = Journal(kept.parent / "segment" / f"{image.batch}.jsonl")
            event = "started" if name == "new.tif" == image.image else "done"
            journal.add(image.image, event, "key", 1)
    (images / "gone.tif").unlink()
    before = {image.image: image.batch for image in take().images}
    assert before == {"d.tif": "0001", "b.tif": "0002", "gone.tif": "0003", "new.tif": "0004"}
    whole = kept.read_bytes()
    contents = {
        "nothing": [b""],
        "cut": [whole[:end] for end in range(0, len(whole), 97)],
        "zeros": [whole[: len(whole) // 2].ljust(len(whole), b"\0")],
        "noise": [np.random.default_rng(1).bytes(2000), whole.replace(b"000", b"x")],
        "other": [b"image\tsomething else\na.tif\t1\n", whole.replace(b'""channels""', b'""c""')],
    }
    for content in contents.get(damage, [None]):
        kept.unlink()
        if damage == "folder":
            kept.mkdir()
        elif content is not None:
            kept.write_bytes(content)
        found = {image.image: image.batch for image in take().images}
        # Of an image that is gone nothing is asked.
        assert (
            found.items() >= {name: before[name] for name in before if name != "gone.tif"}.items()
        )
        assert {"gone.tif": "0003", **found} == before


def test_rights_given_back_are_seen(take, images, draw, tmp_path):
    path = draw(images / "a.tif")
    inventory = take()
    problem = Problem("SM-IMG-001", where=str(path), error="Permission denied")
    kept = [
        image.__class__(**{**vars(image), "header": None, "problem": problem})
        for image in inventory.images
    ]
    write_inventory(inventory.__class__(tuple(kept), 0), tmp_path / "inventory.tsv")
    assert take().images[0].header == inventory.images[0].header


@pytest.mark.parametrize(
    "name",
    [
        "with spaces  twice.tif",
        "élèves µm 細胞.tif",
        "e\u0301 decomposed.tif",
        'it\'s "quoted".tif',
        "line\nbreak.tif",
        "carriage\rreturn.tif",
        "tab\tand\\backslash.tif",
        "[a]{b}(c)*?.tif",
        "=1+1.tif",
        "#1 100%.TIF",
        "-rf.tif",
        " leading.Tiff",
    ],
)
def test_names_are_kept_as_they_are(take, images, draw, name):
    draw(images / "sub folder" / name)
    for _ in range(2):
        (image,) = take().images
        assert image.image == f"sub folder/{name}"
        assert image.path == images / "sub folder" / name
        assert image.header is not None and image.batch == "0001"


def test_a_name_that_is_no_text_becomes_text(take, images, draw, tmp_path):
    draw(images / "a.tif").rename(Path(os.fsdecode(os.fsencode(images) + b"/caf\xe9.tif")))
    for _ in range(2):
        (image,) = take().images
        assert image.image == "caf\\xe9.tif"
        assert image.path.is_file() and image.header is not None
        assert os.fsencode(image.path.name) == b"caf\xe9.tif"
    (image,) = read_inventory(tmp_path / "inventory.tsv")
    assert image.path.is_file()


def test_what_is_no_image_is_left_out_and_counted(take, images, draw):
    draw(images / "a.tif")
    for name in ("notes.txt", "sub/Thumbs.db", "._a.tif", ".hidden/b.tif", "noname"):
        (images / name).parent.mkdir(exist_ok=True)
        (images / name).write_bytes(b"no image")
    inventory = take()
    assert list(batches(inventory)) == ["a.tif"]
    assert inventory.left_out == 3, "hidden files count as none"


def test_include_and_exclude(take, images, draw):
    for name in ("a.tif", "B.TIF", "deep/down/c.tiff", "control_1.tif", "skip/d.tif"):
        draw(images / name)
    chosen = batches(take(images={"include": ["**/*.tif"], "exclude": ["Control_*", "skip/"]}))
    assert list(chosen) == ["a.tif", "B.TIF"]


def test_results_inside_the_images_folder_are_no_images(take, images, draw, tmp_path):
    draw(images / "a.tif")
    draw(images / "results" / "masks" / "a_masks.ome.tif")
    sections = {"results": str(images / "results")}
    assert list(batches(take(**sections))) == ["a.tif"]
    # Nor are those of runs that had another folder for their results.
    (images / "results" / ".segmake").mkdir()
    assert list(batches(take(results=str(tmp_path / "other")))) == ["a.tif"]


def test_several_folders(take, tmp_path, draw):
    for name in ("day1/a.tif", "day2/a.tif", "day2/sub/b.tif"):
        draw(tmp_path / name)
    folders = [str(tmp_path / "day1"), str(tmp_path / "day2") + "/"]
    inventory = take(images={"folder": folders})
    assert list(batches(inventory)) == ["day1/a.tif", "day2/a.tif", "day2/sub/b.tif"]
    assert [image.path for image in inventory.images] == [
        tmp_path / "day1/a.tif",
        tmp_path / "day2/a.tif",
        tmp_path / "day2/sub/b.tif",
    ]


def test_a_folder_and_one_within_it_are_not_both_taken(configure, images, tmp_path, draw):
    draw(images / "a" / "x.tif")
    config = configure(images={"folder": [str(images), str(images / "a")]})
    with pytest.raises(Problems) as refused:
        list_images(config)
    assert [problem.code for problem in refused.value.problems] == ["SM-DIR-010"]


def test_links_that_lead_in_circles(take, images, draw):
    draw(images / "sub" / "a.tif")
    before = batches(take())
    (images / "sub" / "up").symlink_to(images)
    (images / "another name").symlink_to(images / "sub")
    (images / "zz").symlink_to(images / "sub")
    assert batches(take()) == before == {"sub/a.tif": "0001"}


def test_links_to_images_elsewhere(take, images, draw, tmp_path):
    draw(tmp_path / "elsewhere" / "a.tif")
    images.mkdir()
    (images / "linked").symlink_to(tmp_path / "elsewhere")
    (images / "b.tif").symlink_to(tmp_path / "elsewhere" / "a.tif")
    assert list(batches(take())) == ["b.tif", "linked/a.tif"]


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        ("a.tif", "a.tiff", "a_tiff"),
        ("s/a.tif", "s/a.btf", "s/a_tif"),
        ("s/a.tif", "s/a.ome.TIF", "s/a_tif"),
    ],
)
def test_two_files_of_one_name_have_results_of_two(take, images, draw, first, second, result):
    draw(images / first)
    draw(images / second)
    inventory = take()
    names = {image.result_name for image in inventory.images}
    assert names == {first.partition(".")[0], result}
    assert take() == inventory
    assert all(image.path.is_file() for image in inventory.images)


def test_what_has_results_keeps_its_name(take, images, draw):
    draw(images / "a.tif")
    before = batches(take(cluster=ONE_EACH))
    # In order, it comes first.
    draw(images / "a.btf")
    both = batches(take(cluster=ONE_EACH))
    assert both == {**before, "a.btf (btf)": "0002"}
    (images / "a.tif").rename(images.parent / "a.tif")
    assert batches(take(cluster=ONE_EACH)) == {"a.btf (btf)": "0002"}
    (images.parent / "a.tif").rename(images / "a.tif")
    assert batches(take(cluster=ONE_EACH)) == both


@pytest.mark.parametrize("length", [200, 240, 255])
def test_names_of_results_fit_into_the_file_system(take, images, draw, length):
    start = "é_" * 40
    names = [f"{start}{'0123456789' * 30}"[: length - 40 - 5] + f"{n}.tif" for n in (1, 2)]
    assert [len(name.encode()) for name in names] == [length, length]
    for name in names:
        draw(images / name)
    results = [image.result_name for image in take().images]
    assert len(set(results)) == 2 and results == [image.result_name for image in take().images]
    assert all(len(f"{name}_masks.ome.tif".encode()) <= 255 for name in results)
    # Those that had room have the names that earlier versions gave them.
    assert (results == [name[:-4] for name in names]) == (length <= 245)


def test_names_with_accents_are_the_same_however_they_are_written(take, images, draw):
    for form in ("NFC", "NFD"):
        for name in ("contrôle_été_1.tif", "traité_1.tif"):
            draw(images / form / normalize(form, name))
    for form in ("NFC", "NFD"):
        include = [normalize(form, "**/*ÉTÉ_1.tif")]
        found = batches(take(images={"include": include}))
        # They are called as they are written.
        assert set(found) == {f"{f}/{normalize(f, 'contrôle_été_1.tif')}" for f in ("NFC", "NFD")}


def test_a_copy_whose_accents_are_written_anew_is_the_same_folder(take, images, draw):
    """A Mac writes the é of a name as two characters: results stay those of their images."""
    names = ("témoin/été_1.tif", "été_2.tif", "été_2.png", "plain.tif")
    for name in names:
        draw(images / name)
    before = batches(take(images={"include": ["**/*.tif", "**/*.png"]}, cluster=ONE_EACH))
    assert len(before) == 4
    images.rename(images.parent / "old")
    for name in names:
        copy = images / normalize("NFD", name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(images.parent / "old" / name, copy)
    draw(images / normalize("NFD", "été_3.tif"))
    inventory = take(images={"include": ["**/*.tif", "**/*.png"]}, cluster=ONE_EACH)
    after = batches(inventory)
    assert after == {**before, normalize("NFD", "été_3.tif"): "0005"}
    assert not inventory.replaced and all(image.path.exists() for image in inventory.images)


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        ("none", "SM-DIR-001"),
        ("C:me", "SM-DIR-002"),
        ("Users\\me", "SM-DIR-002"),
        ("~nobody_of_that_name/x", "SM-DIR-001"),
        ("x" * 5000, "SM-DIR-001"),
    ],
)
def test_folders_that_are_none(configure, folder, code):
    assert refused(list_images, configure(images={"folder": folder})).code == code


def test_what_the_home_folder_was_taken_for_is_told(configure, monkeypatch):
    monkeypatch.setenv("HOME", "/home/jane")
    problem = refused(list_images, configure(images={"folder": "~/photos"}))
    assert problem.code == "SM-DIR-001" and "/home/jane/photos" in problem.what


def test_folders_without_an_image_to_take(configure, images, tmp_path, draw):
    images.mkdir()
    assert refused(list_images, configure()).code == "SM-DIR-004"
    (images / "a.oib").touch()
    problem = refused(list_images, configure())
    assert problem.code == "SM-DIR-005" and "1 .oib" in str(problem)
    (tmp_path / "file").touch()
    problem = refused(list_images, configure(images={"folder": str(tmp_path / "file")}))
    assert problem.code == "SM-DIR-003"
    draw(images / "a.tif")
    assert refused(list_images, configure(results=str(images))).code == "SM-DIR-007"


def test_a_config_that_fits_no_image_is_refused_but_one_that_fits_some_is_not(take, images, draw):
    draw(images / "one.tif")
    (images / "broken.tif").touch()
    problem = refused(take, images={"channel": "GFP"})
    assert problem.code == "SM-DIR-008" and "GFP" in problem.what and "`channel`" in problem.remedy
    two = np.zeros((2, 8, 8), np.uint8)
    tifffile.imwrite(images / "two.tif", two, imagej=True, metadata={"axes": "CYX"})
    assert len(batches(take(images={"channel": 2}))) == 3


def test_broken_files_alone_are_no_mistake_in_the_config(take, images):
    images.mkdir()
    (images / "broken.tif").write_bytes(b"not a tiff")
    assert take().images[0].problem.code == "SM-IMG-003"


def test_broken_files_are_not_kept_open(take, images, tmp_path):
    images.mkdir()
    (images / "a.tif").write_bytes(b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    tifffile.imwrite(tmp_path / "good.tif", np.zeros((4, 4), np.uint8))
    before = len(os.listdir("/proc/self/fd"))
    kept = take()
    assert kept.images[0].problem is not None
    assert len(os.listdir("/proc/self/fd")) == before


def write_positions(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path, ome=True) as writer:
        for _ in range(number):
            writer.write(np.zeros((8, 8), np.uint8), photometric="minisblack")


def test_each_position_is_an_image_and_keeps_its_batch(take, images, draw):
    write_positions(images / "slide.ome.tif", 3)
    draw(images / "one.tif")
    first = batches(take(cluster=ONE_EACH))
    assert list(first) == ["one.tif", *(f"slide.ome.tif (p{number})" for number in (1, 2, 3))]
    assert sorted(first.values()) == ["0001", "0002", "0003", "0004"]
    some = take(cluster=ONE_EACH, images={"positions": [2, 3]})
    assert list(batches(some)) == ["one.tif", "slide.ome.tif (p2)", "slide.ome.tif (p3)"]
    assert some.images[0].problem is None
    assert take(cluster=ONE_EACH) == take(cluster=ONE_EACH)
    assert batches(take(cluster=ONE_EACH)) == first


def test_a_position_that_is_not_there_fails_its_file(take, images):
    write_positions(images / "slide.ome.tif", 3)
    write_positions(images / "more.ome.tif", 5)
    inventory = take(images={"positions": 4})
    problems = {image.image: image.problem for image in inventory.images if image.present}
    assert problems["more.ome.tif (p4)"] is None
    assert problems["slide.ome.tif"].code == "SM-IMG-024"
    assert len(inventory.unselected) == 4 + 2
    assert batches(take(images={"positions": 4})) == batches(inventory)
    assert len(batches(take())) == 8


def test_a_file_of_very_many_parts_can_be_kept(take, images, draw, monkeypatch):
    path = draw(images / "a.tif")
    (header,) = readers.read_headers(path)
    many = replace(
        header, parts=tuple(f"movie_with_a_long_name_{n:05d}.ome.tif" for n in range(9000))
    )
    monkeypatch.setattr(inventory, "headers_of", lambda paths: [(many,) for _ in paths])
    before = take()
    assert take() == before and before.images[0].header == many


def test_what_could_not_be_read_is_tried_again(take, images, draw, monkeypatch):
    draw(images / "a.tif")

    def missing(paths):
        return [Problem("SM-IMG-006", where=str(p), package="nd2", suffix=".nd2") for p in paths]

    with monkeypatch.context() as patched:
        patched.setattr(inventory, "headers_of", missing)
        assert take().images[0].problem.code == "SM-IMG-006"
    assert take().images[0].header is not None


def test_files_of_one_position_are_taken_beside_those_of_several(take, images, draw):
    draw(images / "single.tif")
    problem = refused(take, images={"positions": [2, 3]})
    assert problem.code == "SM-DIR-008"
    write_positions(images / "slide.ome.tif", 3)
    inventory = take(images={"positions": [2, 3]})
    assert list(batches(inventory)) == ["single.tif", "slide.ome.tif (p2)", "slide.ome.tif (p3)"]
    assert not [image.problem for image in inventory.images if image.problem]


def test_unselected_positions_are_not_read_again(take, images, monkeypatch):
    write_positions(images / "slide.ome.tif", 3)
    take(images={"positions": 1})
    monkeypatch.setattr(subprocess, "Popen", None)
    assert len(batches(take())) == 3


def test_files_that_hold_parts_of_one_image_are_one_image(take, images, tmp_path):
    """An OME-TIFF of two files, as microscopes write long movies: each lists both."""
    images.mkdir()
    frames = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    first, second = images / "movie_1.ome.tif", images / "movie_2.ome.tif"
    ids = ["urn:uuid:00000000-0000-0000-0000-00000000000" + digit for digit in "12"]
    blocks = "".join(
        f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1"><UUID FileName="{path.name}">{id_}</UUID></TiffData>'
        for t, (path, id_) in enumerate(zip((first, second), ids, strict=True))
    )
    for frame, path, id_ in zip(frames, (first, second), ids, strict=True):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{id_}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" '
            f'SizeY="8" SizeZ="1" SizeC="1" SizeT="2"><Channel ID="Channel:0:0"/>{blocks}</Pixels></Image></OME>'
        )
        tifffile.imwrite(path, frame, description=xml.encode(), metadata=None)
    inventory = take()
    (image,) = inventory.images
    assert image.image == "movie_1.ome.tif" and image.header.times == 2
    assert image.header.parts == ("movie_2.ome.tif",)
    assert take() == inventory
    # The other file is a part of the image: a change of it is one of the image.
    os.utime(second, ns=(0, second.stat().st_mtime_ns + 10))
    assert take().images[0].mtime_ns > image.mtime_ns
    assert inventory.left_out == 0


def test_a_zarr_folder_is_one_image_and_is_not_searched(take, images, draw):
    draw(images / "plain.tif")
    draw(images / "picture.zarr" / "0" / "inner.tif")
    inventory = take()
    assert list(batches(inventory)) == ["picture.zarr", "plain.tif"]
    assert inventory.images[0].problem is not None, "no OME-Zarr in there"
    assert inventory.images[0].size > 0
