"""The report in a real browser: it is opened from disk, and what is out of sight costs little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image
from playwright.sync_api import expect

from segmake.report.cell_columns import CellColumns
from segmake.report.page import Run, write_report
from tests.page.conftest import PATIENCE_MS

_SHOWN = "[...document.images].filter(image => image.complete && image.naturalWidth).length"


def test_pictures_are_decoded_as_somebody_comes_to_them(tmp_path: Path, browser: Any) -> None:
    """Of 240 pictures a few when the page is opened; all on paper; and nothing is asked of a network."""
    rows = [{"image": f"{n}.tif", "state": "done", "cells": n, "seconds": 1} for n in range(120)]
    page = browser.new_page(viewport={"width": 400, "height": 700})
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url[:8]))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    open_report(page, tmp_path, rows)
    assert page.evaluate("document.images.length") == 240
    assert 0 < page.evaluate(_SHOWN) < 80
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.evaluate("document.images[239].scrollIntoView()")
    page.wait_for_function("document.images[239].naturalWidth")
    page.pdf()
    assert page.evaluate(_SHOWN) == 240
    assert set(asked) <= {"file:///", "data:ima"} and not faults
    page.close()


def test_a_name_shows_its_image_each_time_it_is_clicked(tmp_path: Path, browser: Any) -> None:
    """So does a heading that stands for a closed box: the address is the same, the second time."""
    rows = [{"image": f"{n}.tif", "state": "done", "cells": n, "seconds": 1} for n in range(6)]
    rows[4] |= {"flags": "edge", "flag_reasons": "Many cells touch the edge."}
    page = browser.new_page()
    open_report(page, tmp_path, rows)
    card, box = page.locator(".card", has_text="4.tif"), page.locator("details#run")
    for number in range(2):
        page.locator("#search").fill(f"{number}.tif")
        expect(card).to_be_hidden()
        page.locator("#look-at a", has_text="4.tif").click()
        expect(card).to_be_visible()
    for _ in range(2):
        page.locator("nav a[href='#run']").click()
        expect(box).to_have_attribute("open", "")
        box.locator("> summary").click()
        expect(box).not_to_have_attribute("open", "")
    page.close()


def open_report(page: Any, folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the report on images, all with the same two pictures, and open it from disk."""
    picture = folder / "a.jpg"
    Image.new("L", (420, 420)).save(picture)
    pd.DataFrame({"image": ["0.tif"], "area_px": [9.0]}).to_parquet(folder / "cells.parquet")
    write_report(
        folder / "report.html",
        images=pd.DataFrame(rows),
        cells=CellColumns(folder / "cells.parquet"),
        thumbnails=lambda name: (picture, picture),
        run=Run("drawn", "", "", {}, "threshold", "otsu", {}, "CPU", "snakemake"),
    )
    page.set_default_timeout(PATIENCE_MS)
    page.goto((folder / "report.html").as_uri(), wait_until="load")
