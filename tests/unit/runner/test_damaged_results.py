"""Results that were damaged or changed since: what is made again, what is kept, what is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from segmake import __version__
from segmake.cli import main
from segmake.config.load import load_config
from segmake.core.declared_steps import STEPS
from segmake.core.ended_runs import ended_runs
from segmake.core.journal import Journal
from segmake.images.inventory import write_inventory
from segmake.labels.cell_tables import restore_cells, write_cells
from segmake.labels.labels import LabelStack
from segmake.messages import Problem
from segmake.outcome.image_table import image_table
from segmake.outcome.last_words import describe_outcome
from segmake.outcome.status import describe_status, is_over
from segmake.plan.make import make_plan
from segmake.plan.written_plan import read_plan, write_plan
from segmake.runner.pipeline import Task
from segmake.runner.run_files import keep_changed_files
from segmake.steps.measure import work_of as measure

IMAGES = ("a", "b", "c")


class Results:
    """A results folder, and the steps of a run done in this process."""

    def __init__(self, config):
        self.config = Path(config.path)
        self.folder = Path(config.settings["results"])

    def plan(self):
        plan, inventory = make_plan(load_config(self.config))
        return plan, inventory

    def to_do(self):
        to_do = self.plan()[0].to_do
        return {step: to_do[step] for step in STEPS if to_do[step]}

    def run(self):
        """Do what a run of Snakemake would, and return the exit code of its last command."""
        plan, inventory = self.plan()
        self.folder.joinpath(".segmake").mkdir(parents=True, exist_ok=True)
        write_plan(plan)
        write_inventory(inventory, plan.folders.inventory)
        self.now = read_plan(plan.folders.plan)
        given = ["--plan", str(plan.folders.plan)]
        for step in STEPS:
            for batch in plan.batches:
                out = plan.outcome(step, batch)
                if not out.exists():
                    assert main([step, "--batch", batch, "--out", str(out), *given]) == 0
        assert main(["report", "--out", str(plan.summary()), *given]) == 0
        return main(["verify", *given])

    def as_of_0_1_0(self):
        """Take away what 0.1.0 did not write: SegMake's own tables, and what is noted of outputs."""
        for own in (*self.folder.glob(".segmake/tables/*"), self.folder / ".segmake/report.json"):
            own.unlink()
        for journal in self.folder.glob(".segmake/*/*.jsonl"):
            lines = []
            for line in map(json.loads, journal.read_text().splitlines()):
                line.pop("version", None)
                line["details"].pop("outputs", None)
                lines.append(json.dumps(line) + "\n")
            journal.write_text("".join(lines))

    def lines(self, step):
        journals = sorted(self.folder.glob(f".segmake/{step}/*.jsonl"))
        return [json.loads(line) for path in journals for line in path.read_text().splitlines()]

    def mask(self, image):
        return self.folder / "masks" / f"{image}_masks.ome.tif"

    def cells(self, image):
        return self.folder / "cells" / f"{image}_cells.csv"

    def images(self):
        return pd.read_csv(self.folder / "images.csv", index_col="image", keep_default_na=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, draw):
    """Three images, and their results: done once, copied for each test."""
    folder = tmp_path_factory.mktemp("whole")
    for number, name in enumerate(IMAGES, start=2):
        draw(folder / "images" / f"{name}.tif", number)
    settings = {
        "images": {"folder": str(folder / "images")},
        "segmentation": {"engine": "threshold", "min_size": 10},
        "results": str(folder / "results"),
    }
    (folder / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
    results = Results(load_config(folder / "config.yaml"))
    assert results.run() == 0
    assert results.to_do() == {}
    return folder


@pytest.fixture
def results(whole, tmp_path):
    shutil.copytree(whole / "results", tmp_path / "results")
    settings = json.loads((whole / "config.yaml").read_text(encoding="utf-8"))
    settings["results"] = str(tmp_path / "results")
    (tmp_path / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
    results = Results(load_config(tmp_path / "config.yaml"))
    # It is named after the whole paths of the results.
    results.plan()[0].summary().touch()
    return results


def excel(path):
    """Save a table as a French Excel does."""
    text = path.read_text(encoding="utf-8-sig").replace(".", ",").replace(",", ";")
    path.write_text(text, encoding="utf-8")


def emptied(path):
    path.write_bytes(b"")


def cut(path):
    os.truncate(path, path.stat().st_size * 2 // 3)


def cut_of_little(path):
    os.truncate(path, path.stat().st_size - 7)


def saved_anew(path):
    """Save a mask as napari does, with a cell painted over."""
    labels = tifffile.imread(path)
    labels[labels == 1] = 0
    tifffile.imwrite(path, labels, compression="zlib")


def frames(sizes):
    """Tables of cells as of the frames of a movie: in some, none is found."""
    for time, size in enumerate(sizes, start=1):
        numbers = np.random.default_rng(time).normal(size=(size, 2)) * 10.0 ** (time % 7 * 40 - 120)
        table = pd.DataFrame(numbers, columns=["area_px", 'mean_intensity_é, "x";'])
        table.insert(0, "label", np.arange(1, size + 1))
        table["area_um2"], table["touches_edge"] = np.nan, table["label"] % 2 == 0
        table.attrs["left_out"] = time
        yield table


@pytest.mark.parametrize("sizes", [[2, 0, 3, 1], [0, 0, 4], [0, 0], [3]])
def test_a_table_is_made_anew_from_the_own_one_byte_for_byte(tmp_path, monkeypatch, sizes):
    monkeypatch.setattr("segmake.labels.cell_tables.ROWS", 3)
    own, path, plain = (tmp_path / name for name in ("own.parquet", "a_cells.csv", "plain.csv"))
    task = Task("a", tmp_path / "a", 0, 1, "k", 1, (path,), results=tmp_path)
    write_cells(frames(sizes), own, tmp_path / "mask", task, lambda: {"left_out": 5})
    # As 0.1.0 wrote it.
    with plain.open("w", encoding="utf-8-sig", newline="") as lines:
        for number, table in enumerate(frames(sizes)):
            table.to_csv(lines, index=False, header=number == 0)
    assert path.read_bytes() == plain.read_bytes()
    if sum(sizes):
        pd.testing.assert_frame_equal(pd.read_parquet(own), pd.read_csv(plain))
    path.unlink()
    assert restore_cells(own, tmp_path / "mask", task) == {"left_out": 5}
    assert path.read_bytes() == plain.read_bytes()
    others = [replace(task, key="other"), replace(task, source={"mask": (1, "x")})]
    assert [restore_cells(own, tmp_path / "mask", other) for other in others] == [None, None]
    for damage in (cut, emptied, Path.unlink):
        damage(own)
        assert restore_cells(own, tmp_path / "mask", task) is None


def test_every_line_says_which_version_wrote_it_and_what_it_made(results):
    lines = results.lines("masks")
    assert {line["version"] for line in lines} == {__version__}
    done = {line["image"]: line["details"] for line in lines if line["event"] == "done"}
    path = results.mask("a")
    size, digest = done["a.tif"]["outputs"]["masks/a_masks.ome.tif"]
    assert size == path.stat().st_size and len(digest) == 64
    assert set(done["a.tif"]["outputs"]) == {"masks/a_masks.ome.tif", "rois/a_rois.zip"}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
@pytest.mark.parametrize("damage", [emptied, cut, cut_of_little])
def test_a_damaged_mask_is_made_again_from_the_labels(results, version, damage, capsys):
    before = {image: results.mask(image).read_bytes() for image in IMAGES}
    if version == "0.1.0":
        results.as_of_0_1_0()
        assert results.to_do() == {}, "what was right is not made again"
    damage(results.mask("b"))
    assert results.to_do() == {"masks": 1}
    assert results.run() == 0
    assert {image: results.mask(image).read_bytes() for image in IMAGES} == before
    assert results.to_do() == {}


@pytest.mark.parametrize("damage", [emptied, cut, cut_of_little, excel])
@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a_damaged_table_stops_no_other(results, version, damage, capsys):
    cells = (results.folder / "cells.csv").read_bytes()
    own = results.cells("b").read_bytes()
    if version == "0.1.0":
        results.as_of_0_1_0()
        assert results.to_do() == {}
    damage(results.cells("b"))
    damaged = results.cells("b").read_bytes()
    assert results.to_do() == {"measure": 1}
    assert results.run() == 0
    assert results.cells("b").read_bytes() == own
    assert (results.folder / "cells.csv").read_bytes() == cells
    said = capsys.readouterr().err
    kept = results.folder / "changed" / "cells" / "b_cells.csv"
    if damage is emptied:
        assert not kept.exists()
    else:
        assert kept.read_bytes() == damaged
        assert "SM-OUT-011" in said and "changed/cells/b_cells.csv" in said
        assert "changed/cells/b_cells.csv" in results.images().loc["b.tif", "warning"]
    assert results.to_do() == {}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_what_an_attempt_with_other_settings_left_is_not_taken_for_the_result(results, version):
    """It was killed after its mask had taken the place of the other, and before it could say so."""
    if version == "0.1.0":
        results.as_of_0_1_0()
    mask = results.mask("a")
    content = bytearray(mask.read_bytes())
    content[-1] ^= 1
    mask.write_bytes(content)
    assert results.to_do() == {}
    last = results.lines("masks")[-1]
    line = json.dumps({**last, "image": "a.tif", "event": "started", "key": "b", "details": {}})
    with (results.folder / ".segmake" / "masks" / "0001.jsonl").open("a") as journal:
        journal.write(line + "\n")
    assert results.to_do() == {"masks": 1}
    # SegMake wrote it, however late.
    later = last["time"] + 3600
    os.utime(mask, (later, later))
    assert results.run() == 0 and results.to_do() == {}
    if version == "0.1.0":
        assert not (results.folder / "changed").exists()


def test_what_was_changed_of_old_results_is_known_by_its_time(results):
    results.as_of_0_1_0()
    (results.folder / ".segmake" / "report.json").unlink(missing_ok=True)
    for journal in results.folder.glob(".segmake/*/*.jsonl"):
        newest = json.loads(journal.read_text().splitlines()[-1])["time"]
        os.utime(journal, (newest, newest))
    later = newest + 3600
    for path in (results.folder / "overlays" / "a_overlay.png", results.folder / "report.html"):
        path.write_bytes(path.read_bytes() + b" ")
        os.utime(path, (later, later))
    config = json.loads(results.config.read_text())
    results.config.write_text(json.dumps(config | {"overlays": {"color": "#00ffff"}}))
    plan, _ = results.plan()
    kept = keep_changed_files(plan.folders.run_files, results.folder)
    assert kept == {"report.html": "changed/report.html"}
    assert results.run() == 0
    changed = results.folder / "changed" / "overlays"
    assert [path.name for path in changed.iterdir()] == ["a_overlay.png"]


def test_rows_that_are_missing_from_a_table_of_before_are_found_when_it_is_joined(results):
    results.as_of_0_1_0()
    table = results.cells("b")
    lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"".join(lines[:-1]))
    assert results.run() == 1
    failed = results.images().loc["b.tif"]
    assert (failed["state"], failed["code"]) == ("failed", "SM-OUT-013")
    assert set(pd.read_csv(results.folder / "cells.csv")["image"]) == {"a.tif", "c.tif"}
    assert results.run() == 0
    assert table.read_bytes() == b"".join(lines)


def test_a_table_that_only_users_see_is_written_anew_without_measuring(results, tmp_path):
    own = results.cells("a").read_bytes()
    results.cells("a").unlink()
    assert results.to_do() == {"measure": 1}
    # Nothing can be measured without the mask.
    mask = results.mask("a").rename(tmp_path / "elsewhere")
    plan, _ = results.plan()
    (task, *_) = plan.batches["0001"].tasks["measure"]
    source = Journal(plan.folders.journal("masks", "0001")).record("a.tif")
    assert measure(plan)(replace(task, source=source))["left_out"] == 0
    assert results.cells("a").read_bytes() == own
    mask.rename(results.mask("a"))


def test_an_own_table_of_the_same_size_and_other_bytes_is_not_believed(results):
    table = results.folder / ".segmake" / "tables" / "a.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    assert results.run() == 1
    assert results.images().loc["a.tif", "code"] == "SM-OUT-013"
    assert results.run() == 0


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_a_mask_that_a_user_changed_is_kept(results, version, capsys):
    before = results.mask("a").read_bytes()
    if version == "0.1.0":
        results.as_of_0_1_0()
        # Of a version that noted nothing it counts, and is kept when it is made again.
        results.config.write_text(
            json.dumps(json.loads(results.config.read_text()) | {"outputs": []})
        )
    for number in ("", " (2)"):
        saved_anew(results.mask("a"))
        painted = results.mask("a").read_bytes()
        assert results.to_do() == {"masks": 3 if version == "0.1.0" and not number else 1}
        assert results.run() == 0
        kept = results.folder / "changed" / "masks" / f"a_masks.ome{number}.tif"
        assert kept.read_bytes() == painted
        assert np.array_equal(
            tifffile.imread(results.mask("a")), tifffile.imread(before_file(before, kept))
        )
        assert "SM-OUT-011" in capsys.readouterr().err


def before_file(content, beside):
    path = beside.with_name("before.tif")
    path.write_bytes(content)
    return path


def test_a_mask_that_differs_in_its_bytes_alone_fails_its_image_by_name(results):
    mask = results.mask("a")
    content = bytearray(mask.read_bytes())
    with tifffile.TiffFile(mask) as file:
        content[file.pages[0].dataoffsets[0] + 20] ^= 255
    mask.write_bytes(content)
    assert results.to_do() == {}
    config = json.loads(results.config.read_text())
    results.config.write_text(json.dumps(config | {"overlays": {"color": "#00ffff"}}))
    assert results.run() == 1
    failed = results.images().loc["a.tif"]
    assert failed["code"] == "SM-OUT-012" and "changed" in failed["message"]
    assert (results.folder / "changed" / "masks" / "a_masks.ome.tif").read_bytes() == content
    assert results.run() == 0


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_damaged_labels_are_found_when_a_mask_is_made_of_them(results, version):
    if version == "0.1.0":
        results.as_of_0_1_0()
    labels = results.folder / ".segmake" / "labels" / "a.tif"
    content = bytearray(labels.read_bytes())
    with tifffile.TiffFile(labels) as file:
        content[file.pages[0].dataoffsets[0] + 20] ^= 255
    labels.write_bytes(content)
    results.mask("a").unlink()
    assert results.run() == 1
    assert results.images().loc["a.tif", "code"] == "SM-OUT-010"
    assert results.to_do()["segment"] == 1
    assert results.run() == 0
    with LabelStack(results.mask("a")) as stack:
        assert stack.plane().max() == 2


def test_a_change_that_cannot_be_kept_is_not_overwritten(results, monkeypatch):
    saved_anew(results.mask("a"))
    painted = results.mask("a").read_bytes()

    def full(path, folder):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("segmake.runner.run_step.keep_changed", full)
    assert results.run() == 1
    assert results.mask("a").read_bytes() == painted
    states = image_table(results.now)["state"].tolist()
    assert states == ["failed", "done", "done"]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
@pytest.mark.parametrize("damage", [Path.unlink, emptied, excel, None])
def test_a_table_of_the_run_that_is_not_as_it_was_is_written_anew(results, version, damage):
    table = results.folder / "cells.csv"
    before = table.read_bytes()
    if version == "0.1.0":
        results.as_of_0_1_0()
    if damage:
        damage(table)
    plan, _ = results.plan()
    assert plan.summary().exists() is (damage is None)
    if damage:
        assert results.run() == 0
        assert table.read_bytes() == before
        assert results.plan()[0].summary().exists()


def test_a_run_whose_report_was_not_written_does_not_say_that_all_is_done(results):
    plan, _ = results.plan()
    assert "3 images done" in describe_outcome(plan)
    plan.summary().unlink()
    assert "did not come to its end" in describe_outcome(plan)


GARBAGE = (b"", b"\0" * 99, b"[1]\n", b'{"run": [], "job": 1}\n{', b"null\n", b"\xff")


@pytest.mark.parametrize("state", ["plan.json", "jobs.jsonl", "runs.jsonl", "report.json"])
def test_state_that_cannot_be_read_counts_as_absent(results, state):
    for content in GARBAGE:
        (results.folder / ".segmake" / state).write_bytes(content)
        try:
            describe_status(results.folder)
        except Problem as problem:
            assert problem.code == "SM-RUN-013"
        assert results.to_do() == {}
        assert ended_runs(results.folder / ".segmake" / "runs.jsonl") == set()
    assert results.run() == 0


@pytest.mark.parametrize("content", [GARBAGE[0], GARBAGE[3]])
def test_a_journal_that_was_lost_is_made_again(results, content):
    """Its images count from the first attempt again, and are done all the same."""
    (results.folder / ".segmake" / "masks" / "0001.jsonl").write_bytes(content)
    assert results.to_do() == {"masks": 3}
    assert results.run() == 0
    assert results.to_do() == {}


def test_a_run_that_reads_its_images_is_starting(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wait = (
        "import sys, time; from pathlib import Path; from segmake.adapter import front;"
        "front._note_start(sys.argv[1:]); print(flush=True); time.sleep(60)"
    )
    (tmp_path / ".snakemake").mkdir()
    (tmp_path / "other" / ".snakemake").mkdir(parents=True)
    for folder, more, said in ((".", [], True), (".", ["-np"], False), ("other", [], False)):
        words = [sys.executable, "-c", wait, *more]
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE)
        process.stdout.readline()
        try:
            told = describe_status(results.folder)
            assert ("is starting" in told) == said and "3 images done" in told
            assert is_over(results.folder) is not said
            with pytest.raises(Problem) if not said else nullcontext():
                assert "is starting" in describe_status(tmp_path / "new")
        finally:
            process.kill()
            process.wait()
    # Killed, it starts no more.
    assert "is starting" not in describe_status(results.folder)
