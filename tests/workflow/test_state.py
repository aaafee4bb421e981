"""What users and clocks do to the files of a whole run, between one run and the next."""

from __future__ import annotations

import os
import time

from tests.projects import Project, draw_image

COUNT = """
import sys
from pathlib import Path

Path(sys.argv[1], "n.csv").write_text("n,m\\n3,4\\n")
"""


def test_tables_that_users_changed_are_kept_and_results_of_the_future_are_no_obstacle(
    project: Project,
) -> None:
    project.settings["images"]["include"] = ["img_1.tif", "img_7.tif"]
    (project.folder / "count.py").write_text(COUNT)
    project.settings["scripts"] = [
        {
            "name": "count",
            "script": "count.py",
            "run": "image",
            "needs": [],
            "arguments": ["{output_dir}"],
        }
    ]
    first = project.run()
    assert first.returncode == 0, first.stderr

    results = project.results
    joined = results / "scripts" / "count" / "all_n.csv"
    for table in (results / "cells.csv", joined):
        table.write_text(table.read_text(encoding="utf-8-sig").replace(",", ";"))
    changed = {"cells.csv": (results / "cells.csv").read_bytes()}
    changed["scripts/count/all_n.csv"] = joined.read_bytes()
    (results / "images.csv").unlink()
    later = time.time() + 300 * 86400
    for path in results.rglob("*"):
        os.utime(path, (later, later))
    draw_image(project.images / "a" / "img_7.tif", 7)
    journal = project.journal()
    second = project.run()
    assert second.returncode == 0, second.stderr
    assert "SM-RUN-020" in second.stderr
    assert project.computed(journal) == ["a/img_7.tif"]
    for name, content in changed.items():
        assert (results / "changed" / name).read_bytes() == content
        assert f"{results.name}/changed/{name}" in second.stderr
        assert b";" not in (results / name).read_bytes()
    assert "changed/cells.csv" in (results / "report.html").read_text(encoding="utf-8")
