"""The report in a real browser: it is opened from disk, and what is out of sight costs little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from segmake.report.cell_columns import CellColumns
from segmake.report.page import Run, write_report
from tests.page.conftest import PATIENCE_MS

_SHOWN = "[...document.images].filter(image => image.complete && image.naturalWidth).length"


def test_pictures_are_decoded_as_somebody_comes_to_them(tmp_path: Path, browser: Any) -> None:
    """Of 240 pictures a few when the page is opened; all on paper; and nothing is asked of a network."""
    picture = tmp_path / "a.jpg"
    Image.new("L", (420, 420)).save(picture)
    rows = [{"image": f"{n}.tif", "state": "done", "cells": n, "seconds": 1} for n in range(120)]
    pd.DataFrame({"image": ["0.tif"], "area_px": [9.0]}).to_parquet(tmp_path / "cells.parquet")
    write_report(
        tmp_path / "report.html",
        images=pd.DataFrame(rows),
        cells=CellColumns(tmp_path / "cells.parquet"),
        thumbnails=lambda name: (picture, picture),
        run=Run("drawn", "", "", {}, "threshold", "otsu", {}, "CPU", "snakemake"),
    )
    page = browser.new_page(viewport={"width": 400, "height": 700})
    page.set_default_timeout(PATIENCE_MS)
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url[:8]))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.goto((tmp_path / "report.html").as_uri(), wait_until="load")
    assert page.evaluate("document.images.length") == 240
    assert 0 < page.evaluate(_SHOWN) < 80
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.evaluate("document.images[239].scrollIntoView()")
    page.wait_for_function("document.images[239].naturalWidth")
    page.pdf()
    assert page.evaluate(_SHOWN) == 240
    assert set(asked) <= {"file:///", "data:ima"} and not faults
    page.close()
