"""A folder of ten thousand images: the page shows a part of them, and looks at each once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

import tifffile
from playwright.sync_api import expect

from segmake.page.desk import PAGE
from tests.page.browser import make_experiment, served
from tests.page.conftest import PATIENCE_MS

MANY = 10_000

# What the window had to fetch of the pictures since this was asked last.
FETCHED = """(() => {
    const found = performance.getEntriesByType("resource");
    performance.clearResourceTimings();
    return found.filter(each => each.name.includes("/picture/") && each.transferSize > 0).length;
})()"""

# All pictures that are asked for are there.
SHOWN = """() => [...document.querySelectorAll(".tiles img")].every(
    each => each.complete && each.naturalWidth > 0)"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """One small image under ten thousand names."""
    folder = tmp_path / "images"
    folder.mkdir()
    plane = np.random.default_rng(1).integers(300, 900, (32, 32)).astype(np.uint16)
    plane[8:24, 8:24] += 3000
    first = folder / "00001.tif"
    tifffile.imwrite(first, plane)
    os.utime(first, (1.7e9, 1.7e9))
    for number in range(2, MANY + 1):
        os.link(first, folder / f"{number:05d}.tif")
    return folder


def test_of_ten_thousand_images_a_part_is_shown_and_each_is_looked_at_once(
    browser: Any, images: Path, tmp_path: Path
) -> None:
    folder = make_experiment(tmp_path / "growth", images, **{"segmentation.engine": "threshold"})
    cache = tmp_path / "cache"
    with served(folder, XDG_CACHE_HOME=str(cache)) as page, browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/")
        # Cells are looked for on one of them long before all were seen.
        tab.goto(f"{page.root}/cells")
        tab.locator("#picture").wait_for()
        tab.goto(f"{page.root}/images")
        seen = tab.locator("section.seen")
        # As many processes look at them as there are processors.
        number = seen.locator("[aria-live]")
        expect(number).to_have_text(f"{MANY} images", timeout=5 * PATIENCE_MS)
        expect(tab.locator("form[data-again]")).to_have_count(0)
        tab.evaluate(FETCHED)
        tiles = tab.locator(".tiles li")
        for part, first in ((2, PAGE + 1), (3, 2 * PAGE + 1)):
            seen.get_by_role("button", name="Later names").click()
            expect(seen.locator(".parts")).to_contain_text(f"{part} of {-(-MANY // PAGE)}")
            expect(tiles).to_have_count(PAGE)
            expect(tiles.first).to_contain_text(f"{first:05d}.tif")
        tiles.last.scroll_into_view_if_needed()
        tab.wait_for_function(SHOWN)
        # No others than those of the parts that were shown are asked for, and none twice.
        assert PAGE <= tab.evaluate(FETCHED) <= 2 * PAGE
        seen.get_by_role("button", name="Earlier names").click()
        expect(tiles.first).to_contain_text(f"{PAGE + 1:05d}.tif")
        seen.get_by_role("button", name="Later names").click()
        expect(tiles.first).to_contain_text(f"{2 * PAGE + 1:05d}.tif")
        tiles.last.scroll_into_view_if_needed()
        tab.wait_for_function(SHOWN)
        assert tab.evaluate(FETCHED) <= PAGE
        tab.locator("#filter").fill("0999")
        tab.locator("#filter").press("Enter")
        expect(tiles).to_have_count(11)
    (looked,) = cache.glob("segmake/look/*.jsonl")
    kept = looked.read_bytes()
    pictures = {each.name: each.stat().st_mtime_ns for each in looked.with_suffix("").glob("*.jpg")}
    assert (kept.count(b"\n"), len(pictures)) == (MANY, MANY)
    # Another page opens none of them again.
    with served(folder, XDG_CACHE_HOME=str(cache)) as page, browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/")
        tab.goto(f"{page.root}/images")
        expect(tab.locator("section.seen [aria-live]")).to_have_text(f"{MANY} images")
        expect(tab.locator(".tiles li")).to_have_count(PAGE)
    assert looked.read_bytes() == kept
    now = {each.name: each.stat().st_mtime_ns for each in looked.with_suffix("").glob("*.jpg")}
    assert now == pictures
