"""Images that were copied without their times: what is in them is compared in jobs, and nothing is computed again."""

from __future__ import annotations

import csv
import os
import textwrap
from pathlib import Path

from tests.projects import Project, draw_image

EACH = """
    import argparse
    from pathlib import Path
    import pandas as pd
    from skimage.io import imread

    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args()
    mean = imread(options.input).mean()
    pd.DataFrame({"mean": [mean]}).to_csv(options.output_dir / "mean.csv", index=False)
"""

ALL = """
    import argparse
    from pathlib import Path
    import pandas as pd

    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args()
    cells = pd.read_csv(options.cells)
    cells.groupby("image").size().to_csv(options.output_dir / "sizes.csv")
"""


def worked_on(project: Project) -> int:
    """Return how often work on an image, or a run of a script, was begun."""
    journals = (project.results / ".segmake").rglob("*.jsonl")
    return sum(path.read_text().count('"event": "started"') for path in journals)


def touch(folder: Path, seconds: int) -> None:
    for path in folder.rglob("*.tif"):
        os.utime(path, (1_700_000_000 + seconds, 1_700_000_000 + seconds))


def test_touched_images_send_jobs_that_only_look(project: Project) -> None:
    draw_image(project.images / "a" / "img_4.tif", 4)
    scripts = project.folder / "scripts"
    scripts.mkdir()
    for name, text in {"each": EACH, "all": ALL}.items():
        (scripts / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    project.settings["scripts"] = [
        {"name": "each", "script": "scripts/each.py", "needs": ["images"]},
        {"name": "all", "script": "scripts/all.py", "run": "dataset", "needs": ["cells"]},
    ]
    first = project.run()
    assert first.returncode == 0, first.stderr
    begun, results = worked_on(project), project.contents("cells.csv", ".tif", ".png")
    touch(project.images, 1)
    dry = project.run("-n")
    assert (
        "to compare     7  of these: their files have" in dry.stderr
        and "to segment" not in dry.stderr
    )
    assert dry.stderr.count("to run 0, jobs 1") == 2
    assert all(f"in the files to compare: {number}\n" in dry.stderr for number in (7, 1))
    again = project.run()
    assert again.returncode == 0, again.stderr
    assert worked_on(project) == begun, again.stderr
    assert "finding cells" not in again.stderr
    assert "7 images were compared and are as before: not computed again" in again.stderr
    assert project.contents("cells.csv", ".tif", ".png") == results

    # One of them holds something else now.
    size = (project.images / "a" / "img_2.tif").stat().st_size
    draw_image(project.images / "a" / "img_2.tif", 5, seed=2)
    assert (project.images / "a" / "img_2.tif").stat().st_size == size
    touch(project.images, 3)
    other = project.run()
    assert other.returncode == 0, other.stderr
    assert "6 images were compared and are as before" in other.stderr
    assert "1 image was compared, and computed again since" in other.stderr
    assert "the content has changed: a/img_2.tif\n" in other.stderr
    # Four steps, its own run of a script, and that of all.
    assert worked_on(project) == begun + 6
    # Being compared is no attempt.
    with (project.results / "images.csv").open(encoding="utf-8-sig") as file:
        attempts = {row["image"]: row["attempt"] for row in csv.DictReader(file)}
    assert attempts.pop("a/img_2.tif") == "2" and set(attempts.values()) == {"1"}
    assert "nothing to compute" in project.run("-n").stderr
