"""Takes the pictures of the gallery from real runs of the examples: ``python -m tests.docs.pictures.gallery [FOLDER]``.

Without a FOLDER they are taken for the docs. ``--reports FOLDER`` puts the whole reports into a folder instead, such as
one of the site.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.docs.pictures.images import MOST_BYTES, save
from tests.examples import EXAMPLES, finished_example
from tests.page.browser import install
from tests.projects import ROOT

# What is shown of each example, beside each other, from its results.
SHOWN = {
    "phase": ["overlays/ecoli_pos2_overlay.png"],
    "two-channels": ["overlays/treated/pos1_overlay.png", "scripts/comparison/figure.png"],
    "movie": ["overlays/colony_overlay.png"],
    "stack": ["overlays/pos2_overlay.png"],
    "several-files": ["overlays/colony_s1_overlay.png"],
    "script": ["overlays/control/day1_pos1_overlay.png", "scripts/overview/overview.png"],
    "sweep": ["scripts/survival/survival.png"],
}
HEIGHT = 360
WIDTH, TALL = 1000, 700
# A section of the report with all of its figure.
TALLEST = 1060


def main() -> None:
    """Take the pictures, or the reports."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs.pictures.gallery")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="FOLDER", default=ROOT / "docs" / "pictures"
    )
    parser.add_argument("--reports", action="store_true")
    typed = parser.parse_args()
    typed.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        for name in EXAMPLES:
            for language in ("en", "fr"):
                end = "" if language == "en" else f".{language}"
                place = Path(work, language, name)
                place.parent.mkdir(exist_ok=True)
                made = finished_example(name, place, french=language == "fr")
                assert made, f"{name} can't be run here"
                results = made / "results"
                if typed.reports:
                    to = typed.folder / f"example-{name}{end}.html"
                    shutil.copyfile(results / "report.html", to)
                    continue
                if language == "en":
                    beside = _beside_each_other([results / each for each in SHOWN[name]])
                    save(beside, typed.folder / f"example-{name}.png")
                to = typed.folder / f"example-{name}-report{end}.png"
                _save(_picture_of(results / "report.html"), to)


def _beside_each_other(paths: list[Path]) -> Image.Image:
    """Return pictures of one height in a row, on white."""
    pictures = []
    for path in paths:
        picture = Image.open(path).convert("RGB")
        if picture.height > HEIGHT:
            size = (round(picture.width * HEIGHT / picture.height), HEIGHT)
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        pictures.append(picture)
    width = sum(picture.width for picture in pictures) + 12 * (len(pictures) - 1)
    whole = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        whole.paste(picture, (left, (whole.height - picture.height) // 2))
        left += picture.width + 12
    return whole


def _picture_of(report: Path) -> Image.Image:
    """Return a picture of what scripts made in a report, or of how it begins where there are none."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=install(), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": TALL})
        tab.emulate_media(color_scheme="light", reduced_motion="reduce")
        tab.goto(report.as_uri())
        tab.wait_for_load_state("networkidle")
        scripts = tab.locator("#scripts")
        png = scripts.screenshot() if scripts.count() else tab.screenshot()
        browser.close()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    return picture.crop((0, 0, picture.width, min(picture.height, TALLEST)))


def _save(picture: Image.Image, path: Path) -> None:
    """Write a PNG whose large areas, such as white, keep their colours."""
    for colours in (256, 128, 64):
        palette = picture.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        palette.save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return
    save(picture, path)


if __name__ == "__main__":
    main()
