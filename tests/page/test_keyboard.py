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
from tests.page.patience import settled
from tests.page.test_run import wait_for_plan
from tests.projects import draw_image


class Person(Keys):
    """Somebody without a mouse who has images to compute."""

    def run(self, *, images: int) -> None:
        """Start a run on this computer itself, and wait for its end, when so many images are done."""
        self.press("nav a[href='/start']")
        wait_for_plan(self.tab)
        profile = self.tab.locator("select[name=profile]")
        if profile.count() and profile.input_value() != "local":
            # Slurm's programs are here, and nobody knows whether a cluster answers.
            self.reach("select[name=profile]")
            self.tab.keyboard.press("End")
            expect(profile).to_have_value("local")
            self.press("button[name=do][value=look]:not(.hidden)")
            wait_for_plan(self.tab, local=True)
        self.press("button[value=start]")
        self.tab.wait_for_url("**/follow")
        # The run before is over, too: its figures are others.
        expect(self.tab.locator(".tiles")).to_have_text(f"{images} done 0 left")
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
        settled(tab)
        keys.press("nav a[href='/cells']")
        tab.wait_for_url("**/cells*")
        settled(tab)
        tab.locator("#picture").wait_for()
        keys.reach("[name=card]:checked")
        card = tab.locator("[name=card][value='threshold/']")
        for _ in range(20):
            if card.is_checked():
                break
            tab.keyboard.press("ArrowDown")
        expect(card).to_be_checked()
        keys.press("button[value=try]")
        tab.locator("[data-trial-words] strong", has_text=re.compile("cells? found")).wait_for()
        expect(tab.locator("button[value=try]")).to_be_focused()
        keys.press("button[value=save]")
        tab.locator("#outcome .good").wait_for()
        keys.run(images=2)
        # The next day.
        shutil.copy(home / "été" / "pos 1.tif", home / "été" / "pos 3.tif")
        keys.run(images=3)
        with tab.expect_popup() as report:
            keys.press("a[href$='/report.html']")
        expect(report.value.locator("html")).to_have_class("js")
        keys.press("footer button")
        tab.get_by_role("heading", name="The page has ended").wait_for()
