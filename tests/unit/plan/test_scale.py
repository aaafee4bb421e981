"""What a plan costs for each image, counted and not timed: so it grows with the images, and by how much."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import weakref
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tifffile

from segmake.answers.plan import plan_answer
from segmake.cli import main
from segmake.core.config import Config
from segmake.core.declared_steps import STEPS
from segmake.core.journal import Journal
from segmake.formats import read_headers
from segmake.formats.believed import Header
from segmake.images import kept_headers
from segmake.images.inventory import write_inventory
from segmake.images.selection import Selection, Selector, select
from segmake.messages import Problem
from segmake.outcome.image_rows import image_rows
from segmake.plan import make as making
from segmake.plan import settled as planned_before
from segmake.plan.described import describe
from segmake.plan.make import make_or_keep_plan, make_plan
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.scripts import facts_in_job
from segmake.plan.written_plan import (
    read_batch,
    read_outline,
    read_plan,
    read_script_batch,
    write_plan,
)
from segmake.runner.pipeline import Task
from tests.unit.plan.jobs import compute
from tests.unit.system_calls import bytes_read

FEW, MANY = 4, 10

# Calls of functions for an image of a batch that is planned from its journals, with the part that it has in those of the
# batch: 5200 without these before they were counted, 2800 with them while results were looked at by their paths.
MOST_CALLS = 2200
# The same where all is known again: 60 without that part.
MOST_CALLS_IF_KNOWN = 400
# The same where nothing is known of the image but what its header says: 1200 before they were counted.
MOST_CALLS_IF_NEW = 410


@pytest.fixture
def plan(configure, draw, tmp_path) -> Callable[..., Plan]:
    """Plan as a run does, with so many images."""

    def plan_so_many(number: int, **sections: Any) -> Plan:
        for each in range(number):
            path = tmp_path / "images" / f"{each:02d}.tif"
            if not path.exists():
                draw(path)
        made, inventory = make_plan(configure(**sections))
        write_inventory(inventory, made.folders.inventory)
        write_plan(made)
        return made

    return plan_so_many


# Of whatever object: a path, a file's descriptor, what a folder listed.
LOOKS, OPENS = {"stat", "lstat", "fstat"}, {"open"}


def counted(do: Callable[[], Any]) -> Counter[str]:
    """Return how many calls of functions something makes, and how many of those look at files or open them."""
    number: Counter[str] = Counter()

    def note(frame: Any, event: str, called: Any) -> None:
        if event == "call":
            number["calls"] += 1
        elif event == "c_call":
            name = called.__name__
            number["calls"] += 1
            number["looks"] += name in LOOKS
            number["opens"] += name in OPENS

    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    return number


def for_an_image_more(of: dict[int, Counter[str]]) -> dict[str, float]:
    """Return what each image adds to what was counted of few and of many."""
    return {what: (of[MANY][what] - of[FEW][what]) / (MANY - FEW) for what in of[MANY]}


@pytest.fixture
def computed(plan, configure, tmp_path) -> Callable[[int], Config]:
    """Compute so many images in one batch, and return the config by which nothing is to be done then."""

    def compute_so_many(number: int) -> Config:
        sections = {"cluster": {"batch_size": MANY}, "results": str(tmp_path / f"results_{number}")}
        compute(plan(number, **sections))
        assert not any(plan(number, **sections).to_do.values())
        return configure(**sections)

    return compute_so_many


def test_an_image_of_which_nothing_is_to_be_done_costs_little(computed):
    of = {}
    for number in (FEW, MANY):
        config = computed(number)
        of[number] = counted(lambda config=config: make_plan(config))
    each = for_an_image_more(of)
    # Eight results, and its own file as it is listed, and as it is taken.
    assert each["looks"] <= 10 and each["opens"] == 0
    assert each["calls"] <= MOST_CALLS


def test_a_new_image_costs_little(plan, configure, draw, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # As from 100 images on: what headers say is kept by the dry run before.
    monkeypatch.setattr(kept_headers, "WORTH_KEEPING", 1)
    config = configure(cluster={"batch_size": MANY})
    of = {}
    for number in (FEW, MANY):
        for each in range(number):
            draw(tmp_path / "images" / f"{each:02d}.tif")
        make_plan(config)
        of[number] = counted(lambda: make_plan(config))
    each = for_an_image_more(of)
    assert each["looks"] <= 1 and each["opens"] == 0
    assert each["calls"] <= MOST_CALLS_IF_NEW


def test_a_header_costs_little_more_than_tifffile_takes_for_it(draw, tmp_path):
    # Of other files that say the same nothing is asked of tifffile.
    seen, path = draw(tmp_path / "a.tif"), draw(tmp_path / "b.tif", shape=(30, 40))

    def plainly(path: Path) -> None:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            assert series.shape and series.axes and str(series.dtype)

    calls = []
    for read in (plainly, read_headers):
        read(seen)
        calls += [counted(lambda read=read: read(path))["calls"] for _ in range(2)]
    plain, _, new, known = calls
    assert new <= 1.6 * plain and known <= 0.4 * plain, calls


def test_a_job_reads_its_batch_and_nothing_that_grows_with_the_images(plan, tmp_path):
    sizes = {}
    for number in (FEW, MANY):
        made = plan(number, cluster={"batch_size": 2})
        assert len(made.batches) == number // 2
        sizes[number] = [
            made.folders.plan_of("0001").stat().st_size,
            # A name for each step of each batch.
            made.folders.outline.stat().st_size / len(made.batches),
        ]
    # Totals have a digit more.
    assert sizes[MANY][0] <= sizes[FEW][0] + 100
    assert sizes[MANY][1] < sizes[FEW][1]
    # A job that looked for more than whose parts these are would find nothing, and read a megabyte.
    whole = made.folders.plan.read_bytes()
    made.folders.plan.write_bytes(whole[: whole.index(b'"batches"')] + b" " * 1_000_000)
    for read in (partial(read_batch, batch="0001"), read_outline):
        assert bytes_read(lambda read=read: read(made.folders.plan)) < 200_000
    for step in STEPS:
        for batch in ("0001", "0003"):
            out = read_outline(made.folders.plan).outcome(step, batch)
            words = [step, "--plan", str(made.folders.plan), "--batch", batch, "--cpus", "1"]
            assert not main([*words, "--out", str(out)])
    made.folders.plan.write_bytes(whole)
    again = plan(MANY, cluster={"batch_size": 2})
    assert Counter(again.states.values()) == {"done": 4, "new": MANY - 4}
    assert all(again.outcome(step, "0003").exists() for step in STEPS)


def test_what_is_written_apart_says_what_the_whole_plan_says(plan, tmp_path):
    made = plan(4, cluster={"batch_size": 2})
    made = dataclasses.replace(
        made,
        corrections={"00.tif": "corrections/00_masks.tif", "03.tif": "corrections/03_masks.tif"},
        light=["0002"],
    )
    write_plan(made)
    path = made.folders.plan
    part, outline = read_batch(path, "0002"), read_outline(path)
    assert part.batches["0002"] == made.batches["0002"]
    assert part.corrections == {"03.tif": "corrections/03_masks.tif"} and part.states == {}
    assert (part.settings, part.name, part.weights) == (made.settings, made.name, made.weights)
    assert outline.summary() == made.summary() and outline.light == made.light
    assert outline.number_of_images == made.number_of_images == 4
    for step in STEPS:
        assert outline.outcome(step, "0001") == made.outcome(step, "0001")
    assert read_plan(path) == made


@pytest.mark.parametrize("number", [FEW, MANY])
def test_what_became_of_images_is_told_without_their_tasks(plan, monkeypatch, number):
    compute(made := plan(number))
    write_plan(made)
    read = read_plan(made.folders.plan)
    refs: list[Any] = []
    task = ResultPaths.task

    def noted(*words: Any) -> Task:
        refs.append(weakref.ref(one := task(*words)))
        return one

    monkeypatch.setattr(ResultPaths, "task", noted)
    rows = image_rows(read)
    assert [row["state"] for row in rows] == ["done"] * number
    assert len(refs) == 2 * len(STEPS) and not any(ref() for ref in refs)
    (read.folders.results / rows[0]["mask"]).write_bytes(b"")
    assert [row["state"] for row in image_rows(read)] == ["failed"] + ["done"] * (number - 1)


def test_a_job_of_a_script_reads_its_batch_too(plan, tmp_path):
    script = tmp_path / "look.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom shutil import copy\n"
        "copy(sys.argv[sys.argv.index('--image') + 1], Path(sys.argv[-1]) / 'copy.tif')\n"
    )
    each = {"name": "look", "script": str(script), "needs": ["images"]}
    after = {**each, "name": "after", "needs": ["look"]}
    sizes = {}
    for number in (FEW, MANY):
        made = plan(number, cluster={"batch_size": 2}, scripts=[each, after])
        part = made.folders.plan_of("look.0002")
        sizes[number] = part.stat().st_size
        # What takes of other scripts asks what became of all.
        assert not made.folders.plan_of("after.0002").exists()
    assert sizes[MANY] <= sizes[FEW] + 100
    part, whole = (facts_in_job(read(made.folders.plan)) for read in (of_look, read_plan))
    images = made.batches["0002"].images
    keys = [part.key("look", image) for image in images]
    assert all(keys) and keys == [whole.key("look", image) for image in images]


def of_look(path: Path) -> Plan:
    return read_script_batch(path, "look", "0002")


def test_what_is_left_of_another_plan_is_not_read(plan, tmp_path):
    made = plan(6, cluster={"batch_size": 2})
    # Users give the arguments of their scripts such names.
    named = {"started": 1.0, "left_out": 2}
    made = dataclasses.replace(made, settings={**made.settings, "leave_out": named})
    assert made.folders.plan_of("0003").exists()
    fewer = dataclasses.replace(made, batches={"0001": made.batches["0001"]})
    write_plan(fewer)
    assert not made.folders.plan_of("0003").exists()
    # Another version writes the whole of it alone, and may leave the parts of the run before.
    other = dataclasses.replace(fewer, started=made.started + 1)
    kept = {part: part.read_bytes() for part in made.folders.outline.parent.iterdir()}
    write_plan(other)
    for part, text in kept.items():
        part.write_bytes(text)
    assert read_batch(made.folders.plan, "0001") == other == read_outline(made.folders.plan)
    for part in kept:
        part.unlink()
    assert read_batch(made.folders.plan, "0001") == other == read_outline(made.folders.plan)


HEADER = Header(64, 48, 1, 1, ("1",), color=False, dtype="uint16", pixel_size_um=0.1)
OTHERS: dict[str, Any] = {
    "width": 32,
    "height": 32,
    "times": 4,
    "slices": 3,
    "channels": ("Phase", "GFP"),
    "color": True,
    "dtype": "uint8",
    "pixel_size_um": 0.2,
    "unnamed": 5,
    "slice_step_um": 0.5,
    "interval_s": 60.0,
    "acquired": "2026-11-29T06:00:00",
    "objective": "100x",
    "position": "A1",
    "lossy": True,
    "parts": ("b.tif",),
    "pixel_height_um": 0.3,
    "doubted": ("interval_s 1e+12",),
    "planned_times": 9,
    "planned_slices": 9,
    "copies": 2,
    "copies_before": 1,
    "gaps": ((0, 0, 0),),
    "arranged": "x",
    "lacks": "index.nd2",
}


def test_headers_with_other_axes_are_selected_apart(configure):
    assert OTHERS.keys() == {each.name for each in dataclasses.fields(Header)}
    several = [HEADER, *(dataclasses.replace(HEADER, **{k: v}) for k, v in OTHERS.items())]
    several += [dataclasses.replace(each, unnamed=3, slices=1, times=2) for each in several]
    for section in ({}, {"z": "max"}, {"pages": "z"}, {"time": 2, "axes": "slices_are_times"}):
        images = configure(images=section).typed.images
        selector = Selector(images)
        for header in (*several, *several):
            assert said(lambda h=header, s=selector: s.select(h, Path("a.tif"))) == said(
                lambda h=header, i=images: select(h, i, Path("a.tif"))
            )


def said(do: Callable[[], Selection]) -> str:
    try:
        return do().text
    except Problem as problem:
        return str(problem)


@pytest.fixture
def settled(plan, tmp_path, monkeypatch) -> Callable[[], tuple[Plan, int]]:
    """Plan anew, and tell how many batches were planned from their journals."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(planned_before, "WORTH_KEEPING", 1)
    read: list[str] = []
    plan_batch = making._plan_batch

    def counting(name: str, *rest: Any) -> Any:
        read.append(name)
        return plan_batch(name, *rest)

    monkeypatch.setattr(making, "_plan_batch", counting)

    def plan_again(**sections: Any) -> tuple[Plan, int]:
        read.clear()
        made = plan(FEW, cluster={"batch_size": 2}, **sections)
        return made, len(read)

    return plan_again


def same(one: Plan, other: Plan) -> bool:
    return dataclasses.replace(one, started=0.0) == dataclasses.replace(other, started=0.0)


def test_a_batch_that_is_done_is_known_again(settled, tmp_path, monkeypatch):
    # Written plans say all: what `plan` writes asks for the tasks of all batches.
    monkeypatch.setattr(f"{__name__}.write_plan", lambda plan: None)
    first, read = settled()
    assert read == 2
    compute(first)
    from_journals, read = settled()
    assert read == 2 and set(from_journals.states.values()) == {"done"}
    known, read = settled()
    assert read == 0 and known.images() == from_journals.images()
    assert known.summary() == from_journals.summary() and known.pending == from_journals.pending
    # No journal is read for the tasks either, which are made when they are asked for.
    monkeypatch.setattr(making, "Journal", None)
    assert same(known, from_journals)


def test_whatever_changes_a_batch_has_it_planned_anew(settled, draw, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.write_plan", lambda plan: None)
    compute(settled()[0])
    folders = settled()[0].folders
    journal = folders.journal("measure", "0001")
    entry = Journal(journal).last("00.tif")
    image, correction = tmp_path / "images" / "00.tif", folders.corrections / "00_masks.tif"
    thumbnail = folders.thumbnails("00.tif")[0]

    def add_a_line() -> None:
        Journal(journal).add("00.tif", "failed", entry.key, 1, code="SM-RUN-003")

    for file, change, state in (
        (folders.mask("00.tif"), lambda: os.truncate(folders.mask("00.tif"), 1), "changed"),
        (thumbnail, thumbnail.unlink, "changed"),
        (journal, add_a_line, "failed"),
        (correction, lambda: draw(correction, cells=1), "changed"),
        # Of the same size: a job looks at what is in it.
        (image, lambda: draw(image, cells=5), "done"),
    ):
        assert settled()[1] == 0
        before = (file.read_bytes(), file.stat()) if file.exists() else None
        change()
        found, read = settled()
        assert (read, found.states["00.tif"]) == (1, state), file
        if before:
            file.write_bytes(before[0])
            os.utime(file, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
        else:
            file.unlink()
        assert settled()[1] == 1, "it is kept again once it is done again"
    assert settled(overlays={"color": "#00ffff"})[1] == 2


def test_settings_that_are_put_back_find_again_what_was_done(settled, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.write_plan", lambda plan: None)
    compute(settled()[0])
    assert settled()[1] == 2
    (folder,) = (tmp_path / "cache" / "segmake" / "plans").iterdir()
    for color in ("#00ffff", "#ffffff", "#000000", "#ff0000"):
        assert settled(overlays={"color": color})[1] == 2
        assert settled()[1] == 0
    # By these all is done as well, and it is kept: of so many settings, and those asked for last.
    for why in ("dust", "blurred", "twice", "empty"):
        left_out = {"leave_out": {"00.tif": why}}
        assert [settled(**left_out)[1], settled(**left_out)[1], settled()[1]] == [2, 0, 0]
        assert len([*folder.iterdir()]) <= 3
    assert settled(leave_out={"00.tif": "dust"})[1] == 2


def test_what_is_kept_may_be_damaged(settled, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.write_plan", lambda plan: None)
    compute(settled()[0])
    expected, _ = settled()
    (file,) = (tmp_path / "cache" / "segmake" / "plans").glob("*/*")
    first, second, _ = map(json.loads, file.read_text().splitlines())
    for damaged in (
        {"batch": "0001"},
        {**first, "sizes": 3},
        {**first, "sizes": {"no name": [1, 1]}},
        {**first, "sizes": {kind: sizes[:1] for kind, sizes in first["sizes"].items()}},
        {**first, "attempts": {}},
        {**first, "attempts": {step: [1] for step in STEPS}},
        {**first, "attempts": {step: ["a", "b"] for step in STEPS}},
    ):
        file.write_text("[1]\n{" + f"\n{json.dumps(damaged)}\n{json.dumps(second)}\n")
        found, read = settled()
        assert read == 1 and same(found, expected), damaged


@pytest.fixture
def start(settled, configure, monkeypatch) -> Callable[..., tuple[Plan, bool]]:
    """Compute some images, and return what plans as a start of Snakemake does, and tells whether it knew it all."""
    monkeypatch.setattr(f"{__name__}.write_plan", lambda plan: None)
    compute(settled()[0])

    def plan_again(**sections: Any) -> tuple[Plan, bool]:
        made, images = make_or_keep_plan(configure(cluster={"batch_size": 2}, **sections))
        return made, images is None

    return plan_again


def test_all_of_a_plan_in_which_nothing_is_to_be_done_is_known_again(start, tmp_path):
    (tmp_path / "images" / "notes.txt").write_text("no image")
    first, known = start()
    assert not known and set(first.states.values()) == {"done"}
    again, known = start()
    assert known and describe(again) == describe(first) and again.left_out == 1
    assert same(again, first), "tasks are made when they are asked for"
    assert {each.name for each in dataclasses.fields(Plan)} == {
        *(*planned_before.OF_ALL, *planned_before.EMPTY),
        # Made anew each time, of the config, of the images' names, or of what lies beside the journals.
        *("settings", "config", "command", "started", "batches", "states", "to_do", "pending"),
        *("weights", "sources", "contact", "named_at", "journals", "report_round"),
        # Not for `make_plan` to say.
        *("environments", "pythons", "imports", "cores", "kept"),
        *("number", "summaries", "written_for"),
    }


def test_an_image_may_be_called_as_a_folder_of_results_is(configure, draw, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(planned_before, "WORTH_KEEPING", 1)
    for name in ("labels", "l", "masks/masks", "a"):
        draw(tmp_path / "images" / f"{name}.tif")
    made, inventory = make_plan(configure())
    write_inventory(inventory, made.folders.inventory)
    compute(made)
    make_plan(configure())
    assert make_or_keep_plan(configure())[1] is None
    for image in made.states:
        os.truncate(made.folders.mask(image), 3)
        found, images = make_or_keep_plan(configure())
        assert images and found.states[image] == "changed"


def test_whatever_changes_has_all_planned_anew(start, draw, tmp_path):
    folders = start()[0].folders
    images, copy = tmp_path / "images", tmp_path / "copy"
    for name in ("images", "results"):
        shutil.copytree(tmp_path / name, copy / name)
    entry = Journal(journal := folders.journal("measure", "0001")).last("00.tif")
    changes: list[Callable[[], Any]] = [
        lambda: draw(images / "below" / "new.tif"),
        lambda: (images / "notes.txt").write_text("no image"),
        lambda: (images / "lost.tif").symlink_to(tmp_path / "nowhere"),
        lambda: (images / "03.tif").rename(images / "04.tif"),
        lambda: (images / "03.tif").unlink(),
        lambda: os.utime(images / "01.tif", ns=(0, 10**18 + 1)),
        lambda: os.truncate(folders.picture("00.tif"), 3),
        lambda: folders.cells("02.tif").unlink(),
        lambda: Journal(journal).add("00.tif", "failed", entry.key, 1, code="SM-RUN-003"),
        lambda: draw(folders.corrections / "00_masks.tif", cells=1),
        lambda: folders.inventory.unlink(),
    ]
    for number, change in enumerate(changes):
        for name in ("images", "results"):
            shutil.rmtree(tmp_path / name)
            shutil.copytree(copy / name, tmp_path / name)
        start()
        assert start()[1]
        change()
        assert not start()[1], number
    assert not start(overlays={"color": "#00ffff"})[1]


def test_a_plan_that_is_known_again_is_told_without_reading_a_journal(start, tmp_path, monkeypatch):
    start()
    told, read = [], Counter[Path]()
    finished = Journal.finished

    def counting(journal: Journal) -> Any:
        read[journal.path] += 1
        return finished(journal)

    for is_known in (False, True):
        # As the page does, and `segmake plan --json`.
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("cache" if is_known else "none")))
        monkeypatch.setattr(Journal, "finished", counting)
        read.clear()
        told.append(plan_answer(tmp_path / "config.yaml", on_cluster=False))
        assert bool(read) is not is_known
    first, again = ({**each, "made": ""} for each in told)
    assert again == first and {image["state"] for image in again["images"]} == {"done"}


def test_a_change_is_seen_where_several_files_are_looked_at_at_once(start, tmp_path, monkeypatch):
    monkeypatch.setattr("segmake.core.looks.SLOW_SECONDS", -1)
    monkeypatch.setattr("segmake.core.looks.FILES", 1)
    folders = start()[0].folders
    for change in (
        lambda: os.truncate(folders.thumbnails("03.tif")[1], 3),
        lambda: folders.mask("01.tif").unlink(),
        lambda: os.utime(tmp_path / "images" / "02.tif", ns=(0, 10**18 + 1)),
    ):
        assert start()[1]
        change()
        assert not start()[1]
        compute(start()[0])
        start()


def test_what_is_kept_of_all_may_be_damaged(start, tmp_path):
    start()
    (file,) = (tmp_path / "cache" / "segmake" / "plans").glob("*/*")
    *batches, whole = map(json.loads, file.read_text().splitlines())
    for damaged in (
        {"sign": whole["sign"]},
        {**whole, "facts": {}},
        {**whole, "facts": None},
        {**whole, "batches": ["0001"]},
        {**whole, "batches": 3},
    ):
        assert start()[1]
        file.write_text("\n".join(map(json.dumps, [*batches, damaged])))
        assert not start()[1], damaged
    broken = {**batches[0], "names": None}
    file.write_text("\n".join(map(json.dumps, [broken, *batches[1:], whole])))
    assert not start()[1] and start()[1]


def test_each_image_and_each_result_is_looked_at_once(computed, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(planned_before, "WORTH_KEEPING", 1)
    of = {}
    for number in (FEW, MANY):
        config = computed(number)
        make_or_keep_plan(config)
        of[number] = counted(lambda config=config: make_or_keep_plan(config))
    each = for_an_image_more(of)
    # Eight results, and its own file.
    assert each["looks"] <= 9 and each["opens"] == 0
    assert each["calls"] <= MOST_CALLS_IF_KNOWN
