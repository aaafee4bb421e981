"""A whole round by the keyboard alone: from no experiment to the report, and the next day."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from tests.page.browser import Keys, served
from tests.page.conftest import PATIENCE_MS
from tests.projects import draw_image


class Person(Keys):
    """Somebody without a mouse who has images to compute."""

    def run(self) -> None:
        """Start a run on this computer itself, and wait for its end."""
        self.press("nav a[href='/start']")
        self.tab.locator("section.plan").wait_for()
        profile = self.tab.locator("select[name=profile]")
        if profile.count() and profile.input_value() != "local":
            # Slurm's programs are here, and nobody knows whether a cluster answers.
            self.reach("select[name=profile]")
            self.tab.keyboard.press("End")
            expect(profile).to_have_value("local")
            self.press("button[name=do][value=look]:not(.hidden)")
            self.tab.locator("section.plan").wait_for()
        self.press("button[value=start]")
        self.tab.wait_for_url("**/follow")
        expect(self.tab.locator("#h-state")).to_have_text("The run is over")


def test_from_no_experiment_to_the_report(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "marie"
    for number in (1, 2):
        draw_image(home / "été" / f"pos {number}.tif", number, seed=number)
    monkeypatch.setenv("HOME", str(home))
    with served(home, "--idle", "2") as page, browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/experiments")
        keys = Person(tab)
        keys.type("#name", "growth")
        keys.type("#images", str(home / "été"))
        tab.keyboard.press("Enter")
        tab.locator("nav a[href='/images']").wait_for()
        keys.press("nav a[href='/images']")
        expect(tab.locator("main")).to_contain_text("pos 2.tif")
        keys.press("nav a[href='/cells']")
        tab.locator("#picture").wait_for()
        keys.reach("[name=card]:checked")
        card = tab.locator("[name=card][value='threshold/']")
        for _ in range(20):
            if card.is_checked():
                break
            tab.keyboard.press("ArrowDown")
        assert card.is_checked()
        keys.press("button[value=try]")
        tab.locator("[data-trial-words] strong", has_text=re.compile("cells? found")).wait_for()
        assert tab.evaluate("document.activeElement.value") == "try"
        keys.press("button[value=save]")
        tab.locator("#outcome .good").wait_for()
        keys.run()
        assert tab.locator(".tiles").inner_text().split()[:2] == ["2", "done"]
        # The next day.
        shutil.copy(home / "été" / "pos 1.tif", home / "été" / "pos 3.tif")
        keys.run()
        assert tab.locator(".tiles").inner_text().split()[:2] == ["3", "done"]
        with tab.expect_popup() as report:
            keys.press("a[href$='/report.html']")
        expect(report.value.locator("html")).to_have_class("js")
        keys.press("footer button")
        tab.get_by_role("heading", name="The page has ended").wait_for()
