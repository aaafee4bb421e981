"""What became of images is found out anew of what has changed alone."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from segmake.cli.of_rules import list_failed
from segmake.core.journal import Journal
from segmake.outcome import image_rows, last_judged
from segmake.outcome.image_table import image_table
from segmake.outcome.last_words import judge
from segmake.outcome.status import describe_status
from segmake.outcome.timing import Segmented
from segmake.plan.make import make_plan
from segmake.plan.plan import Plan
from segmake.plan.written_plan import write_plan
from tests.unit.plan.jobs import compute
from tests.unit.system_calls import counted

IMAGES = 6


@pytest.fixture
def plan(configure, draw, tmp_path, monkeypatch) -> Plan:
    """A run of three batches that is over; one image has failed, and all were judged."""
    monkeypatch.setattr(last_judged, "WORTH_KEEPING", 1)
    for number in range(IMAGES):
        draw(tmp_path / "images" / f"{number}.tif")
    (tmp_path / "images" / "5.tif").write_bytes(b"no picture")
    made, _ = make_plan(configure(cluster={"batch_size": 2}))
    write_plan(made)
    compute(made)
    made.summary().parent.mkdir(exist_ok=True)
    made.summary().touch()
    judge(made)
    return made


@pytest.fixture
def status(plan, monkeypatch) -> Callable[[], tuple[list[str], set[str]]]:
    """Ask how the run ended; get the last lines, and the batches whose journals were read for it."""
    read = set()
    read_all = Journal._read_all

    def noted(journal: Journal) -> object:
        read.add(journal.path.stem)
        return read_all(journal)

    monkeypatch.setattr(Journal, "_read_all", noted)

    def ask() -> tuple[list[str], set[str]]:
        read.clear()
        return describe_status(plan.folders.results).splitlines()[1:], set(read)

    return ask


def test_where_nothing_has_changed_no_journal_and_no_plan_is_read(plan, status):
    kept, read = status()
    assert not read and "5 images done" in kept[0] and "5.tif" in "".join(kept)
    plan.folders.judged.unlink()
    anew, read = status()
    assert anew == kept and read == {"0001", "0002", "0003"}
    # The plan of 100,000 images is 60 MB: its outline alone is read.
    text = plan.folders.plan.read_bytes()
    plan.folders.plan.write_bytes(text[: text.index(b'"batches"')])
    assert status() == (kept, set())
    # Eight results of each image that is done, and four journals of each batch; the rest does not grow with them.
    assert counted(status)["stat"] <= 8 * (IMAGES - 1) + 4 * 3 + 40


def test_whatever_changes_is_told_and_only_its_batch_judged_again(plan, status, monkeypatch):
    folders = plan.folders
    before, _ = status()
    journal = folders.journal("measure", "0002")
    entry = Journal(journal).last("2.tif")
    mask, table = folders.mask("2.tif"), folders.cells("3.tif")

    def fail() -> None:
        values = {"code": "SM-RUN-003", "where": "2.tif", "values": {}}
        Journal(journal).add("2.tif", "failed", entry.key, 1, **values)

    for file, change in (
        (mask, lambda: os.truncate(mask, 1)),
        (mask, mask.unlink),
        (table, table.unlink),
        (journal, fail),
        (journal, journal.unlink),
    ):
        content = file.read_bytes()
        change()
        told, read = status()
        assert told != before and read == {"0002"}, file
        file.write_bytes(content)
        assert status() == (before, {"0002"}) and status() == (before, set())
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    told, read = status()
    assert "5 images" in told[0] and told != before and len(read) == 3


def test_what_a_job_notes_while_the_journals_are_read_is_told_later(plan, status, monkeypatch):
    """As a job does that outlived its run, or the report of a run that another one follows."""
    folders = plan.folders
    journal = folders.journal("measure", "0002")
    entry = Journal(journal).last("2.tif")
    read_all, written = Journal._read_all, []

    def read_and_fail(self: Journal) -> object:
        found = read_all(self)
        if self.path == journal and not written:
            written.append(True)
            values = {"code": "SM-RUN-003", "where": "2.tif", "values": {}}
            Journal(journal).add("2.tif", "failed", entry.key, 1, **values)
        return found

    folders.judged.unlink()
    monkeypatch.setattr(Journal, "_read_all", read_and_fail)
    rows, _ = judge(plan)
    assert written and sum(row["state"] == "done" for row in rows) == IMAGES - 1
    assert folders.judged.exists()
    told, read = status()
    assert "SM-RUN-003" in "".join(told) and "0002" in read


def test_what_is_kept_may_be_damaged_or_of_another_run(plan, status, tmp_path):
    expected, _ = status()
    file = plan.folders.judged
    head, first, *rest = map(json.loads, file.read_text().splitlines())
    for damaged in (
        [],
        [[]],
        [{}],
        [head],
        [{**head, "told": {"done": 9}}, first, *rest],
        [{**head, "about": 0}, first, *rest],
        [{**head, "batches": 3}, first, *rest],
        [head, {**first, "sizes": {"no name": [1]}}, *rest],
        [head, {**first, "sizes": 1}, *rest],
        [head, {**first, "journals": []}, *rest[:2]],
        [head, first, *rest[:2], {"batch": "0002"}],
        [{**head, "run": "0"}, first, *rest[:2], {**rest[2], "rows": []}, *rest[3:]],
    ):
        file.write_text("".join(json.dumps(line) + "\n" for line in damaged))
        assert status()[0] == expected
        assert status()[1] == set(), damaged


@pytest.fixture
def judged(monkeypatch) -> Counter[str]:
    """How many images are judged, and how many journals are opened."""
    found: Counter[str] = Counter()

    def count(owner: object, name: str, kind: str) -> None:
        original = getattr(owner, name)

        def counting(*arguments: object) -> object:
            found[kind] += 1
            return original(*arguments)

        monkeypatch.setattr(owner, name, counting)

    count(image_rows, "_image_row", "images")
    count(Journal, "_read_all", "journals")
    return found


def test_a_correction_that_is_outdated_is_told_and_its_batch_alone_judged_again(plan, judged):
    file = "corrections/2.tif"
    for corrected in (replace(plan, outdated={"2.tif": file}), plan):
        rows, _ = judge(corrected)
        assert judged["images"] == 2
        warned = [row["image"] for row in rows if file in row["warning"]]
        assert warned == [*corrected.outdated]
        assert judge(corrected)[0] == rows and judged["images"] == 2
        judged.clear()


def verify(plan: Plan) -> int:
    return list_failed(Namespace(plan=plan.folders.plan, log=plan.folders.results / "log"))


@pytest.mark.parametrize("images", [4, 12])
def test_the_next_run_judges_its_own_images_alone(
    images, configure, draw, tmp_path, monkeypatch, judged
):
    monkeypatch.setattr(last_judged, "WORTH_KEEPING", 1)
    for number in range(images):
        draw(tmp_path / "images" / f"{number}.tif")

    def run(**settings: object) -> Plan:
        made, _ = make_plan(configure(cluster={"batch_size": 2}, **settings))
        write_plan(made)
        compute(made)
        return made

    first = run()
    image_table(first, Segmented())
    judged.clear()
    assert verify(first) == 0 and not judged, "the report has just judged all of them"
    draw(tmp_path / "images" / "new.tif")
    second = run(leave_out={"0.tif": "blurred"})
    judged.clear()
    table = image_table(second, found := Segmented())
    assert judged == {"images": 1, "journals": 4}
    assert verify(second) == 0 and judged["images"] == 1
    # As it is found out anew: by the settings and the pictures of now.
    second.folders.judged.unlink()
    second.folders.movie("1.tif").write_bytes(b"moves")
    assert table["left_out_because"].to_list() == ["blurred"] + [""] * images
    anew = image_table(second, also := Segmented())
    assert judged["images"] == 1 + images + 1
    assert anew.drop(columns="movie").equals(table.drop(columns="movie"))
    assert anew["movie"].count() == 1 and table["movie"].count() == 0
    assert image_table(second).equals(anew)
    assert found.timing == also.timing and found.versions == also.versions
    os.truncate(second.folders.mask("1.tif"), 1)
    assert verify(second) == 1 and judged["images"] == 1 + images + 1 + 2
