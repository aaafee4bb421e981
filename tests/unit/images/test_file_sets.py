"""Images that lie in several files, which a pattern of their names puts together."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from segmake.answers.look import look_answers
from segmake.core.settings import Images
from segmake.images.field_of_view import FieldOfView
from segmake.images.file_sets import Pattern, sort_files
from segmake.images.inventory import take_inventory, write_inventory
from segmake.images.name_patterns import propose
from segmake.look.many_files import Looks
from segmake.messages import Problem, Problems
from segmake.page.pages.start import with_faults
from segmake.page.taken import problems_of, taken, whole_section
from segmake.page.work import Task
from segmake.plan.described import describe
from segmake.plan.make import make_plan
from segmake.plan.written_plan import write_plan

GREY = {"photometric": "minisblack"}
METAMORPH = "{name}_w{channel}_s{position}_t{time}.tif"


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture
def take(configure, tmp_path):
    def take_and_keep(**section):
        inventory = take_inventory(configure(images=section), tmp_path / "inventory.tsv")
        write_inventory(inventory, tmp_path / "inventory.tsv")
        return inventory

    return take_and_keep


def write(path, value: int, *shape: int, **options):
    """Write a file all of whose pixels have a value, and one that says where it came from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    planes = np.full(shape or (8, 10), value, np.uint16)
    planes[..., 0, 0] = value + 1
    tifffile.imwrite(path, planes, **GREY, **options)
    return path


def write_movie(folder, times=3, channels=("1Phase", "2GFP"), positions=(1, 2)):
    """Write files as MetaMorph names them: the value says time, channel and position."""
    for time in range(1, times + 1):
        for number, channel in enumerate(channels):
            for position in positions:
                name = f"exp_w{channel}_s{position}_t{time}.TIF"
                write(folder / name, 1000 * position + 10 * time + number)


@pytest.mark.parametrize(
    ("pattern", "names", "expected"),
    [
        (
            METAMORPH,
            [f"exp_w{c}_s1_t{t}.TIF" for c in ("1Phase", "2GFP") for t in (1, 2)],
            ("exp_s1.tif", ("Phase", "GFP"), 2, 1),
        ),
        (
            "{name}_t{time}xy{position}c{channel}.tif",
            [f"fil_t{t:03}xy1c{c}.tif" for t in (1, 2) for c in (1, 2)],
            ("filxy1.tif", ("1", "2"), 2, 1),
        ),
        (
            "{name}_channel{channel}_position{position}_time{time}_z{z}.tif",
            [
                f"img_channel{c:03}_position000_time{t:09}_z{z:03}.tif"
                for c in (0, 1)
                for t in (0, 7)
                for z in (0, 1, 2)
            ],
            ("img_position000.tif", ("1", "2"), 2, 3),
        ),
        (
            "{well}f{position}p{z}-ch{channel}sk{time}{any}.tiff",
            [f"r01c02f03p{z:02}-ch{c}sk1fk1fl{c}.tiff" for z in (1, 2) for c in (1, 2)],
            ("r01c02f03.tiff", ("1", "2"), 1, 2),
        ),
        (
            "{channel}/{position}_{time}.tif",
            [f"day 1/{c}/p_4_{t}.tif" for c in ("Phase", "GFP") for t in range(9, 12)],
            ("day 1/p_4.tif", ("GFP", "Phase"), 3, 1),
        ),
        (
            "{name}_{channel:fl,bf}.tif",
            ["coli_ds1_00001_bf.tif", "coli_ds1_00001_fl.tif"],
            ("coli_ds1_00001.tif", ("fl", "bf"), 1, 1),
        ),
    ],
    ids=["MetaMorph", "SuperSegger", "Micro-Manager", "Opera", "folders", "list"],
)
def test_the_names_of_several_programs(pattern, names, expected):
    [found] = sort_files(names, Pattern(pattern)).sets
    assert (found.name, found.channels, found.times, found.slices) == expected
    assert sorted(member.relative for member in found.members) == sorted(names)
    assert not found.gaps() and not found.doubled


def test_ranges_and_what_does_not_fit():
    names = [f"a_t{time}.tif" for time in range(1, 13)] + ["notes.tif"]
    found = sort_files(names, Pattern("{name}_t{time:2-10}.tif"))
    [movie] = found.sets
    assert [member.relative for member in movie.members] == [f"a_t{t}.tif" for t in range(2, 11)]
    assert found.others == ("notes.tif",) and found.left_out == (
        "a_t1.tif",
        "a_t11.tif",
        "a_t12.tif",
    )


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ("{kanal}.tif", "SM-CFG-048"),
        ("{channel.tif", "SM-CFG-048"),
        ("a{}_{time}.tif", "SM-CFG-048"),
        ("{time:a,b}.tif", "SM-CFG-048"),
        ("{name}.tif", "SM-CFG-049"),
    ],
)
def test_patterns_that_are_none(configure, images, pattern, code):
    with pytest.raises(Problems) as caught:
        configure(images={"pattern": pattern})
    [problem] = caught.value.problems
    assert problem.code == code and problem.what and problem.remedy and "line" in problem.where


def test_each_plane_is_that_of_its_file(take, images):
    write_movie(images)
    write(images / "more.tif", 5)
    inventory = take(pattern=METAMORPH)
    assert [image.image for image in inventory.images] == ["exp_s1.tif", "exp_s2.tif", "more.tif"]
    assert inventory.unfit == ("more.tif",)
    section = Images.of({"folder": str(images), "pattern": METAMORPH, "channel": "gfp"})
    for image in inventory.images[:2]:
        assert (image.header.times, image.header.channels) == (3, ("Phase", "GFP"))
        with FieldOfView(image.path, image.position, section, image.positions) as view:
            view.refuse_unwritten()
            assert view.header.channels == image.header.channels
            for time in range(3):
                expected = 1000 * int(image.header.position) + 10 * (time + 1)
                assert view.planes(time)[0][1, 1] == expected + 1
                assert view.channel(0, time)[1, 1] == expected
    with FieldOfView(images / "more.tif", 0, replace(section, channel=None)) as view:
        assert view.planes(0)[0][1, 1] == 5


def test_files_that_are_stacks_keep_their_slices(take, images):
    for channel in (1, 2):
        write(
            images / f"a_c{channel}.tif", channel, 3, 8, 10, imagej=True, metadata={"axes": "ZYX"}
        )
    [image] = take(pattern="{name}_c{channel}.tif", z="max", channel=1).images
    assert (image.header.slices, image.header.channels) == (3, ("1", "2"))
    section = Images.of({"pattern": "{name}_c{channel}.tif", "z": "all", "channel": 2})
    with FieldOfView(image.path, 0, section) as view:
        assert view.planes(0, 2)[0][1, 1] == 2


def test_one_file_that_changed_computes_its_image_alone(configure, images):
    write_movie(images)

    def keys() -> dict[str, str]:
        plan, _ = make_plan(configure(images={"pattern": METAMORPH, "channel": 1}))
        tasks = (task for batch in plan.batches.values() for task in batch.tasks["segment"])
        return {task.image: task.key for task in tasks}

    before = keys()
    assert keys() == before
    file = images / "exp_w2GFP_s2_t2.TIF"
    write(file, 7)
    # Copied from elsewhere: older than the others, and of the same size.
    os.utime(file, (1_600_000_000, 1_600_000_000))
    changed = keys()
    assert {name for name in before if before[name] != changed[name]} == {"exp_s2.tif"}
    (images / "exp_w1Phase_s1_t3.TIF").unlink()
    (images / "exp_w2GFP_s1_t3.TIF").unlink()
    assert {name for name, key in keys().items() if changed[name] != key} == {"exp_s1.tif"}


def test_files_that_are_missing_are_told_before_the_run(configure, images):
    write_movie(images)
    (images / "exp_w1Phase_s1_t2.TIF").unlink()
    (images / "exp_w2GFP_s2_t2.TIF").unlink()
    plan, _ = make_plan(configure(images={"pattern": METAMORPH, "channel": "Phase"}))
    assert plan.sets["lacking"] == ["exp_s1.tif", "exp_s2.tif"]
    # Of the second, a channel is missing that is not segmented.
    assert {name: fault.code for name, fault in plan.faults.items()} == {"exp_s1.tif": "SM-IMG-070"}
    assert "Phase" in plan.faults["exp_s1.tif"].what
    section = Images.of({"pattern": METAMORPH, "channel": "Phase"})
    with FieldOfView(images / "exp_w1Phase_s2_t1.TIF", 0, section) as view:
        with pytest.raises(Problem, match="SM-IMG-070"):
            view.channel(1, 1)


def test_time_points_at_the_end_that_lack_a_channel_were_never_finished(take, images):
    write_movie(images, times=4, positions=(1,))
    (images / "exp_w2GFP_s1_t4.TIF").unlink()
    [image] = take(pattern=METAMORPH, channel="GFP").images
    assert (image.header.times, image.header.planned_times, image.header.gaps) == (3, 4, ())
    section = Images.of({"pattern": METAMORPH, "channel": "GFP"})
    with FieldOfView(image.path, 0, section) as view:
        assert len(view.selection.times) == 3


def test_files_that_can_be_no_set_fail_alone(take, images):
    write_movie(images, times=2)
    write(images / "exp_w1Phase_s1_t2.TIF", 1, 3, 8, 10, imagej=True, metadata={"axes": "TYX"})
    write(images / "exp_w1Phase_s2_t1.TIF", 1, 3, 8, 10, imagej=True, metadata={"axes": "TYX"})
    write(images / "exp_w1Phase_s3_t1.TIF", 1)
    write(images / "exp_w1Phase_s3_t01.TIF", 1)
    inventory = take(pattern=METAMORPH, channel=1)
    problems = {image.image: image.problem and image.problem.code for image in inventory.images}
    assert problems == {"exp_s1.tif": None, "exp_s2.tif": "SM-IMG-071", "exp_s3.tif": "SM-IMG-072"}
    write(images / "exp_w1Phase_s1_t2.TIF", 1, 9, 10)
    with FieldOfView(
        inventory.images[0].path, 0, Images.of({"pattern": METAMORPH, "channel": 1})
    ) as view:
        with pytest.raises(Problem, match="SM-IMG-073"):
            view.planes(1)


def test_a_pattern_that_fits_no_file_is_refused(take, images):
    write(images / "a.tif", 1)
    with pytest.raises(Problems) as caught:
        take(pattern=METAMORPH)
    assert caught.value.problems[0].code == "SM-CFG-050"
    assert "a.tif" in caught.value.problems[0].what


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["exp_w1Phase_s1_t1.TIF", "exp_w2GFP_s1_t1.TIF"], METAMORPH),
        (["x_t001xy1c1.tif", "x_t001xy1c2.tif"], "{name}_t{time}xy{position}c{channel}.tif"),
        (
            [f"img_channel{c:03}_position000_time000000000_z000.tif" for c in (0, 1)],
            "{name}_channel{channel}_position{position}_time{time}_z{z}.tif",
        ),
        (
            ["Pos0/img_000000000_GFP_000.tif", "Pos0/img_000000001_GFP_000.tif"],
            "img_{time}_{channel}_{z}.tif",
        ),
        (
            [f"r01c02f01p01-ch{c}sk1fk1fl1.tiff" for c in (1, 2)],
            "{well}f{position}p{z}-ch{channel}sk{time}{any}.tiff",
        ),
        (
            [f"A - 01(fld 1 wv {c} - {c}).tif" for c in ("DAPI", "FITC")],
            "{well}(fld {position} wv {channel}).tif",
        ),
        (
            [f"p_A01_s1_w{c}CE70AA60-BBBB-4444-9999-0123456789AB.tif" for c in (1, 2)],
            "{name}_{well}_s{position}_w{channel:1-9}{any}.tif",
        ),
        (["s_C001Z001T001.tif", "s_C002Z001T001.tif"], "{name}_C{channel}Z{z}T{time}.tif"),
        (["coli_1_bf.tif", "coli_1_fl.tif"], "{name}_{channel:bf,fl}.tif"),
        (["run.1/coli_1_bf", "run.1/coli_1_fl"], "{name}_{channel:bf,fl}"),
        (["pos1.tif", "pos2.tif"], None),
        (["exp_s1.tif", "exp_s2.tif"], None),
        (["wild_t0.tif", "mutant_t0.tif"], None),
        (["1.nd2", "2.nd2", "3.nd2"], None),
        (["film_t1.tif", "film_t2.tif", *(f"other{n}.tif" for n in range(5))], None),
    ],
)
def test_names_that_look_like_parts_of_one_image(names, pattern):
    found = propose(names)
    assert (found and found.pattern) == pattern
    if found:
        assert found.images == 1 and sorted(found.files) == sorted(names)


def test_a_folder_with_names_of_several_programs_is_told_too():
    metamorph = [f"exp_w{c}_s1_t{t}.TIF" for c in ("1Phase", "2GFP") for t in (1, 2)]
    others = [f"img_channel00{c}_position000_time00{t}_z000.tif" for c in (0, 1) for t in (0, 1)]
    others += [f"x_t00{t}xy1c{c}.tif" for t in (1, 2) for c in (1, 2)]
    found = propose([*others, *metamorph])
    assert found and found.images == 1 and len(found.files) == 4


def test_the_plan_says_the_pattern_to_paste(configure, images):
    write_movie(images)
    plan, _ = make_plan(configure())
    said = describe(plan)
    assert f'pattern: "{METAMORPH}"' in said and "12 files" in said
    plan, _ = make_plan(configure(images={"pattern": METAMORPH, "channel": 1}))
    said = describe(plan)
    assert "pattern:" not in said and "12 files" in said
    plan, _ = make_plan(configure(images={"pattern": "single_files"}))
    assert "pattern:" not in describe(plan) and plan.sets == {}


def test_to_say_that_files_are_images_computes_none_again(configure, images):
    """Whoever knows better than the hint loses no results by saying so."""
    write_movie(images)
    keys = [
        {
            (step, task.image): task.key
            for batch in make_plan(configure(images={"pattern": said}))[0].batches.values()
            for step, tasks in batch.tasks.items()
            for task in tasks
        }
        for said in (None, "single_files")
    ]
    assert keys[0] == keys[1] and len(keys[0]) == 12 * 4


def test_what_the_page_and_segmake_look_say_of_a_set(images):
    """One line for an image of several files, with what is wrong with any of them."""
    write_movie(images, times=2, positions=(1,))
    write(images / "alone.tif", 5)
    settings = {"pattern": "{name}_w{channel}_t{time}.tif"}
    for name in ("exp_w1Phase_s1_t1.TIF", "exp_w1Phase_s1_t2.TIF"):
        (images / name).rename(images / name.replace("_s1", ""))
    for name in ("exp_w2GFP_s1_t1.TIF", "exp_w2GFP_s1_t2.TIF"):
        (images / name).rename(images / name.replace("_s1", ""))
    looks = Looks(images, draw=False, pattern=settings["pattern"])
    seen = {look.name: look for look in looks.each()}
    assert len(looks) == len(seen) == 2 and seen["exp.tif"].files == 4
    (header,) = seen["exp.tif"].fields
    assert (header.channels, header.times) == (("Phase", "GFP"), 2)
    task = Task("", lines=list(look_answers(Looks(images, draw=False))), over=True)
    found = taken([task], whole_section({"images": settings}, ()))
    assert [line["name"] for line in found.images] == ["alone.tif", "exp.tif"]
    position = found.images[1]["positions"][0]
    assert (position["channels"], position["axes"]) == (["Phase", "GFP"], "TCYX")
    assert [len(taken([task], {}).images), len(found.left_out)] == [5, 0]
    assert problems_of(found.images[1], whole_section({"images": settings}, ()))[0]["code"] == (
        "SM-IMG-011"
    )
    planned = [
        {"image": "exp.tif", "file": "/there/x.tif", "to_do": ["segment"], "will_fail": None}
    ]
    assert with_faults(planned, [task], {"images": settings})[0]["will_fail"] is None
    write(images / "exp_w2GFP_t2.TIF", 5, 20, 20)
    task = Task("", lines=list(look_answers(Looks(images, draw=False))), over=True)
    (wrong,) = with_faults(planned, [task], {"images": settings})
    assert wrong["will_fail"]["code"] == "SM-IMG-073"
    seen = {look.name: look for look in Looks(images, draw=False, **settings).each()}
    assert [problem.code for problem in seen["exp.tif"].problems] == ["SM-IMG-073"]


def test_a_job_lists_no_files_to_segment_a_set(configure, images, tmp_path):
    """An engine's environment has none of the packages that lists of files need; files beside the sets are images."""
    write_movie(images, times=2)
    write(images / "alone.tif", 5)
    plan, inventory = make_plan(
        configure(images={"pattern": METAMORPH, "channel": 1, "exclude": ["*s2*"]})
    )
    write_inventory(inventory, plan.folders.inventory)
    write_plan(plan)
    code = f"""
import sys
sys.modules["pathspec"] = None
from dataclasses import replace
from pathlib import Path
from segmake.plan.written_plan import read_plan
from segmake.steps.segmentation import Segmentation
plan = read_plan(Path({str(plan.folders.plan)!r}))
step = Segmentation(plan, print)
for task in plan.batches["0001"].tasks["segment"]:
    read = step.read(task)
    print(task.image, read.view.header.times, *read.view.header.channels, read.planes[0].max())
    read.leave()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout.splitlines() == ["alone.tif 1 1 6", "exp_s1.tif 2 Phase GFP 1011"], (
        done.stderr
    )
