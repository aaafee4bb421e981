from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from segmake.images.image_folders import RECORD
from segmake.images.inventory import take_inventory, write_inventory
from segmake.messages import Problem, Problems


@pytest.fixture
def state(tmp_path) -> Path:
    return tmp_path / "results" / ".segmake"


@pytest.fixture
def take(configure, tmp_path, state):
    """Take the inventory of some folders as a run does, and keep it for the next; return its images and their files."""

    def take_and_keep(*folders: str, images: dict | None = None, forget: bool = False):
        chosen = [str(tmp_path / folder) for folder in folders]
        folder = chosen if len(chosen) > 1 else chosen[0]
        config = configure(images={"folder": folder, **(images or {})})
        inventory = take_inventory(config, state / "inventory.tsv")
        write_inventory(inventory, state / "inventory.tsv")
        for image in inventory.images:
            lay_result(state, image.result_name)
        if forget:
            # As version 0.1.0 left it.
            (state / RECORD).unlink()
            plan = {"settings": {"images": {"folder": folder}}}
            (state / "plan.json").write_text(json.dumps(plan))
        return {
            image.image: (image.path.relative_to(tmp_path).as_posix(), image.batch)
            for image in inventory.images
            if image.present
        }

    return take_and_keep


def lay_result(state: Path, name: str) -> None:
    """Lay down labels, as the segmentation of an image does."""
    path = state / "labels" / f"{name}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def refused(make, *arguments) -> Problem:
    with pytest.raises(Problems) as caught:
        make(*arguments)
    return caught.value.problems[0]


def draw_days(draw, tmp_path: Path) -> None:
    """Two days with images of the same names and sizes."""
    for number, day in enumerate(("monday", "tuesday"), start=1):
        for name in ("pos1.tif", "pos2.tif"):
            draw(tmp_path / day / name, cells=number)


@pytest.mark.parametrize("forget", [False, True], ids=["recorded", "of 0.1.0"])
def test_another_experiment_is_refused_and_may_be_added(take, draw, tmp_path, state, forget):
    draw_days(draw, tmp_path)
    before = take("monday", forget=forget)
    problem = refused(take, "tuesday")
    assert problem.code == "SM-DIR-020" and "config.yaml, line" in problem.where
    assert f"{tmp_path}/results_tuesday" in problem.remedy
    both = json.dumps([f"{tmp_path}/{day}" for day in ("monday", "tuesday")])
    assert both in problem.remedy
    # A damaged inventory opens no door.
    whole = (state / "inventory.tsv").read_bytes()
    (state / "inventory.tsv").write_bytes(b"")
    assert refused(take, "tuesday").code == "SM-DIR-020"
    (state / "inventory.tsv").write_bytes(whole)
    more = take("monday", "tuesday")
    assert {name: more[name] for name in before} == before
    assert {name: path for name, (path, _) in more.items() if name not in before} == {
        "tuesday/pos1.tif": "tuesday/pos1.tif",
        "tuesday/pos2.tif": "tuesday/pos2.tif",
    }
    # Whatever the order, and with either of them alone.
    assert take("tuesday", "monday") == more
    assert take("tuesday") == {name: more[name] for name in more if name not in before}
    assert take("monday") == before


def test_a_folder_of_which_nothing_was_computed_may_be_another(take, draw, tmp_path, state):
    draw_days(draw, tmp_path)
    take("monday")
    shutil.rmtree(state / "labels")
    assert {path for path, _ in take("tuesday").values()} == {f"tuesday/pos{n}.tif" for n in (1, 2)}
    assert refused(take, "monday").code == "SM-DIR-020"


def test_a_list_of_version_0_1_0_keeps_its_names(take, draw, tmp_path):
    draw_days(draw, tmp_path)
    both = take("monday", "tuesday", forget=True)
    assert list(both) == [f"{day}/pos{n}.tif" for day in ("monday", "tuesday") for n in (1, 2)]
    alone = take("monday", forget=True)
    assert alone == {name: both[name] for name in both if name.startswith("monday/")}
    assert take("monday", "tuesday") == both


@pytest.mark.parametrize("forget", [False, True], ids=["recorded", "of 0.1.0"])
def test_a_folder_that_was_moved_goes_on(take, draw, tmp_path, forget):
    draw_days(draw, tmp_path)
    before = take("monday", forget=forget)
    (tmp_path / "monday").rename(tmp_path / "archive")
    draw(tmp_path / "archive" / "pos3.tif")
    moved = take("archive")
    assert {name: batch for name, (_, batch) in moved.items() if name in before} == {
        name: batch for name, (_, batch) in before.items()
    }
    assert moved["pos1.tif"][0] == "archive/pos1.tif" and list(moved)[2:] == ["pos3.tif"]
    # A copy that kept its times is the same; one that did not can't be told from another experiment.
    shutil.copytree(tmp_path / "archive", tmp_path / "copied")
    assert list(take("copied")) == list(moved)
    shutil.rmtree(tmp_path / "archive")
    for path in (tmp_path / "copied").iterdir():
        os.utime(path)
    (tmp_path / "copied").rename(tmp_path / "renamed")
    problem = refused(take, "renamed")
    assert problem.code == "SM-DIR-021" and str(tmp_path / "copied") in problem.what


def test_a_picture_that_both_days_have_does_not_make_them_one(take, draw, tmp_path):
    draw_days(draw, tmp_path)
    draw(tmp_path / "monday" / "flat.tif")
    shutil.copy2(tmp_path / "monday" / "flat.tif", tmp_path / "tuesday" / "flat.tif")
    take("monday")
    assert refused(take, "tuesday").code == "SM-DIR-020"
    # The others of the day may come later.
    (tmp_path / "tuesday" / "pos1.tif").unlink()
    (tmp_path / "tuesday" / "pos2.tif").unlink()
    assert refused(take, "tuesday").code == "SM-DIR-020"
    # So much of the first folder is not left, but nothing else is there.
    (tmp_path / "monday").rename(tmp_path / "elsewhere")
    assert list(take("tuesday")) == ["flat.tif"]


def test_a_copy_of_the_whole_folder_goes_on(take, draw, tmp_path):
    draw_days(draw, tmp_path)
    before = take("monday")
    shutil.copytree(tmp_path / "monday", tmp_path / "copy")
    draw(tmp_path / "copy" / "pos3.tif", cells=3)
    after = take("copy")
    assert list(after) == ["pos1.tif", "pos2.tif", "pos3.tif"]
    assert all(after[name][1] == batch for name, (_, batch) in before.items())


def test_times_that_an_archive_rounded_are_those_that_were_noted(
    take, configure, draw, tmp_path, state
):
    draw_days(draw, tmp_path)
    moment = 1_700_000_000_500_000_000
    for name in ("pos1.tif", "pos2.tif"):
        os.utime(tmp_path / "monday" / name, ns=(moment, moment))
    take("monday")
    (tmp_path / "monday").rename(tmp_path / "unpacked")
    for name, shift in (("pos1.tif", 0), ("pos2.tif", 3)):
        seconds = moment // 10**9 + shift
        os.utime(tmp_path / "unpacked" / name, ns=(seconds * 10**9, seconds * 10**9))
    config = configure(images={"folder": str(tmp_path / "unpacked")})
    times = [image.mtime_ns for image in take_inventory(config, state / "inventory.tsv").images]
    assert times == [moment, moment // 10**9 * 10**9 + 3 * 10**9]


def test_a_project_that_was_moved_as_a_whole_goes_on(configure, draw, tmp_path, monkeypatch):
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    draw(tmp_path / "here" / "images" / "a.tif")
    for place in ("here", "there"):
        if place == "there":
            (tmp_path / "here" / "images").rename(tmp_path / "there" / "images")
            (tmp_path / "here" / "results").rename(tmp_path / "there" / "results")
            os.utime(tmp_path / "there" / "images" / "a.tif")
        monkeypatch.chdir(tmp_path / place)
        config = configure(images={"folder": "images"}, results="results")
        inventory = take_inventory(config, Path("results/.segmake/inventory.tsv"))
        write_inventory(inventory, Path("results/.segmake/inventory.tsv"))
        lay_result(Path("results/.segmake"), "a")
        assert [image.image for image in inventory.images] == ["a.tif"]


def test_a_project_that_was_copied_may_be_another(configure, draw, tmp_path, monkeypatch):
    for number, place in enumerate(("first", "second")):
        draw(tmp_path / place / "images" / "a.tif", cells=number)
    monkeypatch.chdir(tmp_path / "first")
    config = configure(images={"folder": "images"}, results="results")
    kept = Path("results/.segmake/inventory.tsv")
    write_inventory(take_inventory(config, kept), kept)
    lay_result(kept.parent, "a")
    shutil.copytree(tmp_path / "first" / "results", tmp_path / "second" / "results")
    monkeypatch.chdir(tmp_path / "second")
    assert refused(take_inventory, config, kept).code == "SM-DIR-020"


def test_a_folder_within_and_one_around_keep_the_names(take, draw, tmp_path):
    for name in ("data/day1/pos1.tif", "data/day2/pos1.tif"):
        draw(tmp_path / name)
    whole = take("data")
    part = take("data/day1")
    assert part == {"day1/pos1.tif": whole["day1/pos1.tif"]}
    assert take("data") == whole


def test_a_folder_around_adds_the_rest(take, draw, tmp_path):
    for name in ("data/day1/pos1.tif", "data/day2/pos1.tif", "data/pos1.tif"):
        draw(tmp_path / name)
    part = take("data/day1")
    whole = take("data")
    assert whole.pop("pos1.tif") == part["pos1.tif"] == ("data/day1/pos1.tif", "0001")
    assert {name: path for name, (path, _) in whole.items()} == {
        "data/day2/pos1.tif": "data/day2/pos1.tif",
        "data/pos1.tif": "data/pos1.tif",
    }


def test_folders_of_one_name_are_told_apart(take, draw, tmp_path):
    for name in ("monday/images/a.tif", "tuesday/images/a.tif", "friday/images/a.tif"):
        draw(tmp_path / name)
    draw(tmp_path / "monday/images/tuesday/a.tif")
    both = take("monday/images", "tuesday/images")
    assert {name: path for name, (path, _) in both.items()} == {
        "images/a.tif": "monday/images/a.tif",
        "images/tuesday/a.tif": "monday/images/tuesday/a.tif",
        "tuesday/images/a.tif": "tuesday/images/a.tif",
    }
    more = take("friday/images", "monday/images", "tuesday/images")
    assert more["friday/images/a.tif"][0] == "friday/images/a.tif" and len(more) == 4


def test_a_folder_is_not_called_like_one_in_the_first(take, draw, tmp_path):
    for name in ("monday/tuesday/a.tif", "tuesday/a.tif"):
        draw(tmp_path / name)
    before = take("monday")
    more = take("monday", "tuesday")
    assert more.pop("tuesday/a.tif") == before["tuesday/a.tif"]
    assert [path for path, _ in more.values()] == ["tuesday/a.tif"]


def test_a_damaged_record_is_made_again_of_what_is_known(take, draw, tmp_path, state):
    draw_days(draw, tmp_path)
    take("monday")
    both = take("monday", "tuesday")
    for content in ("", "[{", '[{"path": 1}]', "null"):
        (state / RECORD).write_text(content)
        assert take("monday", "tuesday") == both
