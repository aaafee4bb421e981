from __future__ import annotations

import csv
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from segmake.config.load import load_config
from segmake.core.declared_steps import STEPS
from segmake.core.journal import Journal
from segmake.core.tables import write_csv
from segmake.formats import read_headers
from segmake.formats.believed import Header
from segmake.images.image import ImageFile
from segmake.images.inventory import write_inventory
from segmake.labels.joined_cells import join_cells
from segmake.messages import Problem, Problems
from segmake.outcome.image_table import image_table
from segmake.outcome.timing import Segmented
from segmake.plan import bindings
from segmake.plan.bindings import write_bindings
from segmake.plan.described import describe
from segmake.plan.keys import KeyMaker
from segmake.plan.make import make_plan
from segmake.plan.plan import Plan
from segmake.plan.written_plan import read_plan, write_plan
from segmake.report.summary import _describe_run
from segmake.steps import measure
from tests.unit.plan.jobs import compute

NAMES = ("a.tif", "b.tif", "c.tif")


@pytest.fixture
def images(tmp_path, draw):
    for number, name in enumerate(NAMES):
        draw(tmp_path / "images" / name, cells=number)
    return tmp_path / "images"


@pytest.fixture
def plan(configure):
    def plan_as_a_run_does(**sections) -> Plan:
        made, inventory = make_plan(configure(**sections))
        write_inventory(inventory, made.folders.inventory)
        return made

    return plan_as_a_run_does


def attempts(plan: Plan) -> dict[str, dict[str, list[int]]]:
    return {name: batch.attempts for name, batch in plan.batches.items()}


def test_new_then_done(images, plan):
    first = plan()
    assert first.states == dict.fromkeys(NAMES, "new")
    assert first.to_do == {**dict.fromkeys(STEPS, 3), "batches": 1}
    compute(first)
    again = plan()
    assert again.states == dict.fromkeys(NAMES, "done")
    assert not any(again.to_do.values())
    assert attempts(again) == attempts(first) == {"0001": {step: [1, 1, 1] for step in STEPS}}
    assert again.summary() == first.summary()


def test_only_a_failed_image_is_tried_again(images, plan, draw):
    good = (images / "b.tif").read_bytes()
    (images / "b.tif").write_bytes(b"not a tiff")
    first = plan()
    compute(first)
    second = plan()
    assert second.states == {"a.tif": "done", "b.tif": "failed", "c.tif": "done"}
    assert second.to_do["segment"] == second.to_do["batches"] == 1
    assert second.batches["0001"].attempts["segment"] == [1, 2, 1]
    (images / "b.tif").write_bytes(good)
    third = plan()
    assert third.batches["0001"].attempts["segment"] == [1, 2, 1]
    compute(third)
    last = plan()
    assert last.states == dict.fromkeys(NAMES, "done")
    assert last.batches["0001"].attempts["segment"] == [1, 2, 1]


def test_an_image_that_is_gone_asks_for_nothing(images, plan):
    first = plan()
    compute(first)
    (images / "b.tif").rename(images.parent / "b.tif")
    without = plan()
    assert attempts(without) == attempts(first)
    assert without.states == {"a.tif": "done", "c.tif": "done"}
    assert not any(without.to_do.values())
    assert without.summary() != first.summary()
    (images.parent / "b.tif").rename(images / "b.tif")
    assert plan().states == dict.fromkeys(NAMES, "done")
    for name in NAMES:
        (images / name).rename(images.parent / name)
    (images.parent / "a.tif").rename(images / "other.tif")
    assert list(plan().batches) == ["0002"], "a batch without images is no job"


def test_a_failed_image_that_is_gone_asks_for_nothing(images, plan):
    (images / "b.tif").write_bytes(b"not a tiff")
    first = plan()
    compute(first)
    (images / "b.tif").unlink()
    assert attempts(plan()) == attempts(first)


def test_a_new_image_leaves_the_batches_that_exist_alone(images, plan, draw):
    first = plan()
    compute(first)
    draw(images / "aa.tif")
    more = plan()
    assert attempts(more)["0001"] == attempts(first)["0001"]
    assert more.states == {**dict.fromkeys(NAMES, "done"), "aa.tif": "new"}
    assert more.to_do == {**dict.fromkeys(STEPS, 1), "batches": 1}


def test_an_image_that_was_replaced_is_computed_again(images, plan, draw):
    compute(plan())
    draw(images / "c.tif", cells=7, shape=(60, 64))
    again = plan()
    assert again.states == {"a.tif": "done", "b.tif": "done", "c.tif": "changed"}
    assert attempts(again)["0001"] == {step: [1, 1, 2] for step in STEPS}


@pytest.mark.parametrize("file", ["labels", "mask", "cells", "picture"])
def test_a_result_that_was_deleted_is_made_again(images, plan, file):
    first = plan()
    compute(first)
    getattr(first.folders, file)("c.tif").unlink()
    again = plan()
    assert again.states["c.tif"] == "changed" and again.states["a.tif"] == "done"
    assert again.to_do["segment"] == (file == "labels")
    compute(again)
    assert attempts(plan()) == attempts(again) != attempts(first)


@pytest.mark.parametrize(
    ("sections", "to_do"),
    [
        ({"segmentation": {"diameter": 20}}, (3, 3, 3, 3)),
        ({"images": {"pixel_size_um": 0.1}}, (0, 3, 3, 0)),
        ({"images": {"channel": 1, "z": "max", "time": [1, 9]}}, (0, 0, 0, 0)),  # the same planes
        ({"outputs": ["rois", "cellpose"]}, (0, 3, 0, 0)),
        ({"measurements": {"intensity_channels": []}}, (0, 0, 3, 0)),
        ({"overlays": {"color": "#00ff00"}}, (0, 0, 0, 3)),
        ({"cluster": {"batch_size": 1, "hours": 5}}, (0, 0, 0, 0)),
        ({"segmentation": {"smoothing": 1}}, (0, 0, 0, 0)),  # the default, written otherwise
    ],
)
def test_what_a_change_of_the_config_computes_again(images, plan, sections, to_do):
    compute(plan())
    again = plan(**sections)
    assert tuple(again.to_do[step] for step in STEPS) == to_do
    assert set(again.states.values()) == ({"changed"} if any(to_do) else {"done"})
    for step, number in zip(STEPS, to_do, strict=True):
        assert again.batches["0001"].attempts[step] == ([2, 2, 2] if number else [1, 1, 1])
    compute(again)
    assert attempts(plan(**sections)) == attempts(again)


def test_what_is_only_drawn_again_is_told_beside_what_is_segmented(images, plan, draw):
    compute(plan())
    draw(images / "d.tif", cells=1)
    told = " ".join(describe(plan()).split())
    assert "to segment 1" in told and "to draw" not in told
    told = " ".join(describe(plan(overlays={"color": "#00ff00"})).split())
    assert "to segment 1" in told and "to write 1 mask to measure 1 to draw 4" in told


def test_how_a_network_is_run_does_not_decide_its_masks(images, plan):
    def keys(**settings):
        made = plan(segmentation={"engine": "cellpose3", "model": "cyto3", **settings})
        return [task.key for task in made.batches["0001"].tasks["segment"]]

    assert keys() == keys(batch_size=2) == keys(gpu=False)
    assert len({*keys(), *keys(model="cyto2"), *keys(flow_threshold=0.5), *keys(niter=9)}) == 12


def test_another_file_of_the_same_name_is_another_model(images, plan, tmp_path):
    model = tmp_path / "model"

    def keys():
        made = plan(segmentation={"engine": "cellpose3", "model": str(model)})
        return {task.key for task in made.batches["0001"].tasks["segment"]}

    model.write_bytes(b"one")
    first = keys()
    assert keys() == first
    model.write_bytes(b"three")
    assert not keys() & first


# The keys that 0.1.0 gave an image of these facts with the engine threshold, and what a script sees of its mask.
KEYS_OF_0_1_0 = {
    None: ("50bdd70d52aeeadc", "7e1762203d6e1b39", "20f9a910e497634f", "18d9361157ec55e2"),
    0.065: ("50bdd70d52aeeadc", "7858a4bf94bb822d", "9244577feabfc2b6", "18d9361157ec55e2"),
}
OF_SCRIPTS = {None: "e1421f1df3619cfe", 0.065: "f03379cf169c45c5"}


def keys_of(settings, **facts) -> dict[str, str]:
    """Return the keys of the steps for an image of 64 x 48 pixels of 0.1 micrometres, and that of scripts."""
    values = {"times": 1, "slices": 1, "pixel_size_um": 0.1, **facts}
    header = Header(64, 48, channels=("1",), color=False, dtype="uint16", **values)
    place = {"size": 123456, "mtime_ns": 1_700_000_000_000_000_000, "position": 0, "positions": 1}
    image = ImageFile(image="a.tif", file="a.tif", path=Path("a.tif"), header=header, **place)
    maker = KeyMaker(settings, {})
    return {**maker.keys(image), "scripts": maker.script_keys(image)["masks"]}


@pytest.mark.parametrize("given", [None, 0.065])
def test_what_was_right_in_0_1_0_keeps_its_keys(images, configure, given):
    keys = keys_of(configure(images={"pixel_size_um": given}).settings)
    assert tuple(keys[step] for step in STEPS) == KEYS_OF_0_1_0[given]
    assert keys["scripts"] == OF_SCRIPTS[given]


@pytest.mark.parametrize(
    ("facts", "sections", "changed"),
    [
        ({"pixel_height_um": 0.2}, {}, {"masks", "measure", "scripts"}),
        ({"pixel_height_um": 0.1}, {}, set()),
        ({"pixel_height_um": 0.2}, {"images": {"pixel_size_um": 0.3}}, set()),
        ({"pixel_size_um": 1e9}, {}, {"masks", "measure", "scripts"}),
        ({"pixel_size_um": 1e9}, {"images": {"pixel_size_um": 0.3}}, set()),
        ({"interval_s": 1e12}, {"images": {"pixel_size_um": 0.3}}, {"masks", "measure", "scripts"}),
        ({"pixel_size_um": None}, {}, set()),
    ],
)
def test_what_0_1_0_measured_wrong_is_measured_again_and_not_segmented(
    images, configure, facts, sections, changed
):
    settings = configure(**sections).settings
    before, after = keys_of(settings), keys_of(settings, **facts)
    assert {step for step in before if before[step] != after[step]} == changed


def test_in_3d_the_sides_of_pixels_decide_the_cells(images, configure):
    volume = {"engine": "cellpose3", "model": "cyto3", "do_3D": True}
    settings = configure(images={"z": "all"}, segmentation=volume).settings
    before, after = keys_of(settings), keys_of(settings, pixel_height_um=0.2)
    assert before["segment"] != after["segment"]


def test_slices_of_an_unknown_distance_are_measured_again_for_their_neighbours(images, configure):
    volume = {"engine": "cellpose3", "model": "cyto3", "stitch_threshold": 0.5}
    sections = {"images": {"z": "all"}, "segmentation": volume}
    for distance, changed in (None, set()), (5, {"measure"}):
        measured = {"neighbour_distance": distance}
        settings = configure(**sections, measurements=measured).settings
        known = keys_of(settings, slices=3, slice_step_um=0.5)
        unknown = keys_of(settings, slices=3)
        assert {step for step in known if known[step] != unknown[step]} == changed
        settings["images"]["pages"] = "z"
        known, unknown = keys_of(settings, unnamed=3, slice_step_um=1), keys_of(settings, unnamed=3)
        assert {step for step in known if known[step] != unknown[step]} == changed


def test_results_that_an_earlier_version_made_wrong_are_told(images, plan):
    first = plan()
    compute(first)
    assert plan().known_errors == {}
    for path in first.folders.state.glob("*/*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        old = [{key: value for key, value in line.items() if key != "version"} for line in lines]
        path.write_text("".join(json.dumps(line) + "\n" for line in old))
    table = first.folders.cells("b.tif")
    table.write_bytes(table.read_bytes().replace(b",", b";"))
    again = plan()
    assert again.known_errors == {"KE-004": ["b.tif"]}
    assert "KE-004" in describe(again)
    write_plan(again)
    assert read_plan(again.folders.plan).known_errors == again.known_errors
    run = _describe_run(again, image_table(again), Segmented())
    assert any("KE-004" in each for each in run.warnings)


def test_a_plan_is_read_back_as_it_was_written(images, plan):
    (images / "élève \udce9\n.tif").write_bytes((images / "a.tif").read_bytes())
    made = dataclasses.replace(plan(), command="snakemake -n")
    write_plan(made)
    assert read_plan(made.folders.plan) == made
    path = made.batches["0001"].tasks["segment"][-1].path
    assert read_headers(path)[0].width == 64, "a name that is no text still leads to its file"


def write_positions(path, number):
    with tifffile.TiffWriter(path, ome=True) as writer:
        for value in range(number):
            writer.write(np.full((16, 16), value, np.uint8), photometric="minisblack")


def failures(made):
    entries = Journal(made.folders.journal("segment", "0001")).finished().values()
    return {e.image: e.details["code"] for e in entries if e.event == "failed"}


def test_a_position_that_is_not_there_is_never_another_one(images, plan):
    write_positions(images / "three.ome.tif", 3)
    write_positions(images / "five.ome.tif", 5)
    made = plan(images={"positions": [4, 9], "include": ["*.ome.tif"]})
    compute(made)
    assert failures(made) == {"three.ome.tif": "SM-IMG-024"}


def test_a_file_that_was_still_being_copied_fails_and_is_not_its_first_position(images, plan):
    path = images / "slide.ome.tif"
    write_positions(path, 3)
    whole = path.read_bytes()
    path.write_bytes(b"II*")
    made = plan()
    path.write_bytes(whole)
    compute(made)
    assert failures(made) == {"slide.ome.tif": "SM-IMG-009"}
    compute(plan())
    assert plan().states["slide.ome.tif (p3)"] == "done"


def test_planning_writes_nothing(images, configure, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    made, _ = make_plan(configure())
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "config.yaml"])
    assert "3" in describe(made)


def test_a_diameter_that_may_be_meant_in_micrometres_is_asked_about(images, plan):
    sections = {"images": {"folder": str(images), "pixel_size_um": 0.065}}
    network = {"engine": "cellpose3", "diameter": 2.5}
    told = describe(plan(**sections, segmentation=network))
    assert "SM-CFG-071" in told and "write 38:" in told
    told = describe(plan(**sections, segmentation=network | {"diameter": 25}))
    assert "SM-CFG-071" not in told


def test_a_name_of_no_image_is_told_with_its_line(images, configure):
    path = configure().path
    path.write_text(
        f"images: {{folder: {images}}}\nsegmentation: {{engine: threshold}}\n"
        f"leave_out:\n  a*: blurred\n  empty_1.tif: no cell\nlooked_at: {{b: right}}\n"
    )
    told = describe(make_plan(load_config(path))[0])
    assert "SM-CFG-053  config.yaml, line 5" in told.replace(f"{path.parent}/", "")
    assert "`looked_at` names b," in told
    write_plan(make_plan(load_config(path))[0])


def test_the_kinds_of_files_that_are_not_chosen_are_told(images, plan):
    for name in ("notes.txt", "sub.TXT", "a.db", "LISEZMOI"):
        (images / name).touch()
    told = describe(plan())
    assert "2 .txt, " in told and "1 .db" in told and "1 -" in told
    assert "2 .txt" not in describe(
        plan(images={"folder": str(images), "include": ["*.tif", "*.txt"]})
    )


def test_what_will_fail_is_not_promised_and_told_by_its_reasons(images, plan):
    for number, name in enumerate(("x.tif", "y.tif", "z.tif")):
        (images / name).write_bytes(b"")
        os.utime(images / name, (1e9, 1e9))
        (images / f"link{number}.tif").symlink_to(images / f"gone{number}.tif")
    told = describe(plan())
    said = " ".join(told.split())
    assert "found 9 images" in said and "to segment 3 batches" in said
    assert "will fail 6 apart from those to segment" in said
    assert "SM-IMG-002 3 images (x.tif, y.tif, z.tif): The file is empty" in said
    # Each link leads somewhere else, and is told with where.
    for number in range(3):
        assert f"SM-DIR-023 1 image (link{number}.tif)" in said and f"gone{number}.tif" in said
    assert told.count("Copy the file again") == 1
    # As the job will tell it: this file alone, and no other of its name.
    assert '`exclude: ["/link0.tif"]`' in told
    (images / "link3.tif").symlink_to(images / "gone3.tif")
    assert "SM-DIR-023 1 image more" in " ".join(describe(plan()).split())


def lay_correction(made: Plan, name: str) -> Path:
    """Lay the mask that was made into the corrections, with a cell less."""
    labels = tifffile.imread(made.folders.mask(name))
    path = made.folders.corrections / f"{Path(name).stem}_masks.tif"
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, np.where(labels == 1, 0, labels).astype(np.uint16))
    os.utime(path, ns=(10**18, 10**18))
    return path


def start(made: Plan) -> None:
    """Write down what a run writes when it starts, and do what its jobs do."""
    write_bindings(made.bindings, made.folders.state)
    compute(made)


@pytest.mark.parametrize("forget", [False, True], ids=["bound", "of 0.1.0"])
def test_a_correction_belongs_to_the_picture_that_it_was_made_for(images, plan, draw, forget):
    first = plan()
    compute(first)
    correction = lay_correction(first, "c.tif")
    corrected = plan()
    start(corrected)
    if forget:
        (first.folders.state / bindings.RECORD).unlink()
    again = plan()
    assert list(again.corrections) == ["c.tif"] and again.states["c.tif"] == "done"
    start(again)
    # The same picture under a newer time is computed again, and corrected as before.
    os.utime(images / "c.tif", ns=(10**18, 10**18))
    touched = plan()
    assert list(touched.corrections) == ["c.tif"] and not touched.outdated
    start(touched)
    # Another picture of the same size is not laid over with the cells of the first.
    draw(images / "c.tif", cells=5)
    if forget:
        (first.folders.state / bindings.RECORD).unlink()
    replaced = plan()
    assert replaced.outdated == {"c.tif": str(correction)} and not replaced.corrections
    assert "SM-OUT-020" in describe(replaced) and str(correction) in describe(replaced)
    start(replaced)
    assert tifffile.imread(first.folders.mask("c.tif")).max() == 5
    row = image_table(plan()).set_index("image").loc["c.tif"]
    assert str(correction) in row["warning"] and row["state"] == "done" and not row["corrected"]
    # Once it is gone, the tables and the report are written without that warning, and nothing else is done.
    content = correction.read_bytes()
    correction.unlink()
    removed = plan()
    assert not image_table(removed)["warning"].any() and removed.states["c.tif"] == "done"
    assert removed.summary() != replaced.summary()
    # It is used again once the user saves it.
    correction.write_bytes(content)
    assert list(plan().corrections) == ["c.tif"]


def test_the_number_of_a_position_stays_whole_beside_images_that_have_none(images, plan, tmp_path):
    planes = np.stack([np.full((48, 64), 200, np.uint16), np.full((48, 64), 300, np.uint16)])
    with tifffile.TiffWriter(images / "two.ome.tif", ome=True) as file:
        for plane in planes:
            file.write(plane, photometric="minisblack", metadata={"axes": "YX", "Name": ""})
    compute(plan())
    table = image_table(plan())
    write_csv(table, tmp_path / "images.csv")
    rows = list(csv.DictReader((tmp_path / "images.csv").open(encoding="utf-8-sig")))
    assert [row["position"] for row in rows if row["image"].startswith("two")] == ["1", "2"]
    assert table["position"].isna().any()


def write_channels(path: Path, **channels: int) -> None:
    """Write an OME-TIFF with named channels, each with so many bright cells."""
    planes = []
    for cells in channels.values():
        plane = np.full((48, 64), 200, np.uint16)
        for number in range(cells):
            plane[6:14, 4 + 15 * number : 14 + 15 * number] += 1000
        planes.append(plane)
    metadata = {"axes": "CYX", "Channel": {"Name": list(channels)}}
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.stack(planes), photometric="minisblack", metadata=metadata)


def test_a_number_that_is_another_channel_in_another_file_is_refused(plan, tmp_path):
    write_channels(tmp_path / "images" / "mon.ome.tif", **{"Phase ": 3, "GFP": 1})
    compute(plan(images={"channel": 1}))
    write_channels(tmp_path / "images" / "tue.ome.tif", GFP=1, phase=3)
    with pytest.raises(Problems) as caught:
        plan(images={"channel": 1})
    (problem,) = caught.value.problems
    assert problem.code == "SM-DIR-024" and '`channel: "Phase"`' in problem.remedy
    assert "Phase in 1 (mon.ome.tif); GFP in 1 (tue.ome.tif)" in problem.what
    named = plan(images={"channel": "PHASE"})
    assert named.states == {"mon.ome.tif": "done", "tue.ome.tif": "new"}
    compute(named)
    table = pd.concat(join_cells(named, image_table(named)["image"])[0].parts())
    assert table.groupby("image").size().to_dict() == {"mon.ome.tif": 3, "tue.ome.tif": 3}
    assert table["mean_intensity_Phase"].notna().all()
    assert not any(column.strip() != column or "phase" in column for column in table)


def refuse(plan, **sections) -> list[str]:
    try:
        plan(**sections)
    except Problems as found:
        return [problem.code for problem in found.problems]
    return []


def test_numbers_are_refused_where_the_files_name_what_they_mean(plan, tmp_path):
    images = tmp_path / "images"
    write_channels(images / "a.ome.tif", Phase=1, GFP=1)
    write_channels(images / "b.ome.tif", PH3=1, GFP=1)
    both = {"images": {"channel": 2, "second_channel": 1}}
    network = {"segmentation": {"engine": "cellpose3", "model": "cyto3"}}
    assert refuse(plan, **both, **network) == ["SM-DIR-024"]
    assert refuse(plan, images={"channel": 2}, measurements={"intensity_channels": ["GFP", 1]}) == [
        "SM-DIR-025"
    ]
    listed = plan(images={"channel": ["PH3", "Phase"]})
    assert set(listed.states.values()) == {"new"}
    compute(listed)
    assert set(plan(images={"channel": ["ph3", "phase "]}).states.values()) == {"done"}
    # Names that only count, and files without a choice, say nothing.
    (images / "b.ome.tif").unlink()
    write_channels(images / "c.ome.tif", **{"Channel 0": 1, "Channel 1": 1})
    assert refuse(plan, images={"channel": 1}) == []
    for path in images.iterdir():
        path.unlink()
    write_channels(images / "d.ome.tif", Phase=1)
    write_channels(images / "e.ome.tif", BF=1)
    assert refuse(plan, images={"channel": 1}) == []


def test_tables_of_an_earlier_version_are_joined_into_one_column(plan, tmp_path, monkeypatch):
    write_channels(tmp_path / "images" / "mon.ome.tif", **{"Phase ": 3, "GFP": 1})
    with monkeypatch.context() as patched:
        # Version 0.1.0 called columns as the files call their channels.
        patched.setattr(measure, "_column_name", lambda header, index: header.channels[index])
        compute(plan(images={"channel": "Phase "}))
    write_channels(tmp_path / "images" / "tue.ome.tif", GFP=1, PHASE=3)
    made = plan(images={"channel": "Phase"})
    assert made.states == {"mon.ome.tif": "done", "tue.ome.tif": "new"}
    compute(made)
    table = pd.concat(join_cells(made, image_table(made)["image"])[0].parts())
    assert [c for c in table if c.startswith("mean_")] == [
        "mean_intensity_Phase",
        "mean_intensity_GFP",
    ]
    assert table["mean_intensity_Phase"].notna().all() and len(table) == 6


def test_what_cannot_be_opened_for_now_keeps_its_results(images, plan, monkeypatch):
    compute(plan())
    kept = plan().folders.inventory
    # As after an update that reads more of the headers.
    rows = [line.split("\t") for line in kept.read_text().splitlines()]
    place = rows[0].index("reader")
    for row in rows[1:]:
        row[place] = "2"
    kept.write_text("".join("\t".join(row) + "\n" for row in rows))

    def some(paths):
        closed = Problem("SM-IMG-001", where="", error="Permission denied")
        return [closed if path.name == "b.tif" else read_headers(path) for path in paths]

    with monkeypatch.context() as patched:
        patched.setattr("segmake.images.inventory.headers_of", some)
        made = plan()
        assert made.hidden == ["b.tif"] and set(made.states.values()) == {"done"}
        # It is still to be read.
        assert plan().hidden == ["b.tif"]
    made = plan()
    assert made.hidden == [] and set(made.states.values()) == {"done"}


def test_an_experiment_in_the_place_of_another_is_told(images, plan, draw):
    compute(plan())
    draw(images / "b.tif", cells=7, shape=(60, 64))
    made = plan()
    assert made.replaced == 1 and "1  image has another file" in describe(made)
    # Other settings are no other experiment.
    assert "Another experiment?" not in describe(plan(segmentation={"min_size": 9}))
    compute(plan())
    draw(images / "b.tif", cells=6, shape=(70, 64))
    draw(images / "c.tif", cells=7, shape=(70, 64))
    assert "Another experiment?" not in describe(plan(segmentation={"min_size": 9}))
    for name in NAMES:
        draw(images / name, cells=8, shape=(80, 64))
    assert "Another experiment?" in describe(plan())


def test_every_channel_has_a_column_of_its_own():
    channels = ("A", "a ", "A (1)", "B")
    header = Header(9, 9, 1, 1, channels, False, "uint16", None)
    columns = [measure._column_name(header, index) for index in range(4)]
    assert columns == ["A (1) (1)", "a (2)", "A (1)", "B"]
