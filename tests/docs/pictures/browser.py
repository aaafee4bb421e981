"""A browser whose windows are taken pictures of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.docs.pictures.images import save
from tests.page.browser import install

WIDTH = 1100
_REPORT_HEIGHT = 860


@contextmanager
def new_tab() -> Iterator[Any]:
    """Open a window."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=install(), args=["--no-sandbox"])
        try:
            yield browser.new_page(viewport={"width": WIDTH, "height": 900})
        finally:
            browser.close()


def shoot(address: str, path: Path) -> None:
    """Take a picture of a report."""
    with new_tab() as tab:
        tab.goto(address)
        shoot_report(tab, path)


def shoot_report(tab: Any, path: Path) -> None:
    """Take a picture of the report that a window shows."""
    tab.set_viewport_size({"width": WIDTH, "height": _REPORT_HEIGHT})
    tab.wait_for_load_state("networkidle")
    tab.wait_for_timeout(1000)
    save(tab.screenshot(), path)
