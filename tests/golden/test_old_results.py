"""What 0.1.0 computed rightly is never computed again, moved or overwritten: the present code runs on its results."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.golden.old_results import OLD, unpack
from tests.golden.values import table
from tests.projects import Project

# Made again in each run that has something to do, from what is in the others.
JOINED = ("images.csv", "cells.csv", "cells.parquet", "report.html")


def journals(project: Project) -> dict[str, str]:
    """Return the text of the journals of all steps and scripts, by their paths."""
    state = project.results / ".segmake"
    return {
        path.relative_to(state).as_posix(): path.read_text(encoding="ascii")
        for path in sorted(state.rglob("*.jsonl"))
    }


def begun(before: dict[str, str], now: dict[str, str]) -> dict[str, list[str]]:
    """Return what was begun since then: the images of each step, and the runs of each script."""
    found: dict[str, list[str]] = {}
    for name, text in now.items():
        added = text.removeprefix(before.get(name, ""))
        lines = map(json.loads, added.splitlines())
        images = [line["image"] for line in lines if line["event"] == "started"]
        if images:
            found.setdefault(name.rpartition("/")[0], []).extend(sorted(images))
    return found


def results(project: Project) -> dict[str, tuple[bytes, int]]:
    """Return content and time of change of what users open, and of the labels that all of it is made of."""
    found = {}
    for path in sorted(project.results.rglob("*")):
        name = path.relative_to(project.results)
        seen = ".segmake" not in name.parts or name.parts[:2] == (".segmake", "labels")
        if path.is_file() and seen and name.parts[0] != "logs" and name.name not in JOINED:
            found[name.as_posix()] = path.read_bytes(), path.stat().st_mtime_ns
    return found


def batches(project: Project) -> dict[str, str]:
    """Return the batch of each image."""
    lines = (
        (project.results / ".segmake" / "inventory.tsv").read_text(encoding="utf-8").splitlines()
    )
    names, *rows = (line.split("\t") for line in lines)
    return {row[names.index("image")]: row[names.index("batch")] for row in rows}


def cells(project: Project, columns: Collection[str] = ()) -> list[dict[str, str]]:
    """Return the rows of the table of all cells, with these columns or all."""
    found = table(project.results / "cells.csv")
    names = columns or found.keys()
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(found[name] for name in names), strict=True)
    ]


@pytest.mark.parametrize("name", OLD)
def test_nothing_that_was_right_is_computed_again(name: str, tmp_path: Path) -> None:
    project, old = unpack(name, tmp_path), OLD[name]
    before, kept, given, rows = (f(project) for f in (journals, results, batches, cells))
    assert any(path.startswith("masks/") for path in kept) and len(before) >= 4 and rows
    if old.then:
        old.then(project.folder)
    run = project.run()
    assert run.returncode == 0, run.stderr
    now = journals(project)
    assert {path for path, text in before.items() if not now[path].startswith(text)} == set()
    assert begun(before, now) == old.again
    assert batches(project) == given
    after = results(project)
    changed = {path for path in kept if after.get(path) != kept[path]}
    assert {path for path in changed if not path.startswith(old.remade)} == set()
    present = cells(project, rows[0].keys())
    assert [row for row in rows if row not in present] == []

    # Whatever the new version had to write anew, it does so once.
    tree = project.tree()
    again = project.run()
    assert again.returncode == 0, again.stderr
    assert "nothing to compute" in again.stderr
    assert project.tree() == tree


def test_a_dry_run_knows_old_results_and_writes_nothing(tmp_path: Path) -> None:
    project = unpack("colony", tmp_path)
    before = project.tree()
    dry = project.run("-n")
    assert dry.returncode == 0, dry.stderr
    assert re.search(r"done +6\n +failed +1 .*\n", dry.stderr)
    assert re.search(r"to segment +1\n", dry.stderr)
    assert re.search(r"script bright: .* done 6, failed before 0, to run 1", dry.stderr)
    assert project.tree() == before
