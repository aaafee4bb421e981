"""Earlier runs on the page, and their settings taken up again."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from segmake.core.ended_runs import note_begin, note_end, note_failures
from segmake.outcome.past_runs import keep_config
from segmake.plan.result_paths import ResultPaths
from tests.page.browser import Keys, Page, violations
from tests.page.patience import speak

DIAMETER = "  diameter: 31"


def note_run(page: Page, name: str, text: str) -> None:
    """Have a run with a config noted, as a run does that begins and ends."""
    folders = ResultPaths(page.folder / "results")
    folders.state.mkdir(parents=True, exist_ok=True)
    note_begin(folders.runs, name, keep_config(folders, text))
    note_failures(folders.runs, name, 1)
    note_end(folders.runs, name)


def test_settings_of_an_earlier_run_are_taken_up_again(tab: Any, page: Page) -> None:
    now = page.config.read_text()
    before = now.replace("  diameter: null", DIAMETER)
    assert before != now
    tab.goto(f"{page.root}/runs")
    expect(tab.locator(".nothing")).to_be_visible()
    note_run(page, "a", before)
    note_run(page, "b", now)
    # By an address that was kept, too.
    tab.goto(f"{page.root}/runs?run=2")
    expect(tab.locator("tr.added code")).to_have_text([DIAMETER])
    tab.goto(f"{page.root}/runs")
    cards = tab.locator("section.card")
    expect(cards).to_have_count(2)
    expect(cards.nth(0).locator(".good")).to_be_visible()
    expect(cards.nth(1).locator("td")).to_have_text(["segmentation.diameter", "31", "null"])
    expect(cards.nth(1)).to_contain_text("1 failed")
    press = Keys(tab).press
    press("a[href='/runs?run=2']")
    expect(tab.locator("tr.added code")).to_have_text([DIAMETER])
    assert page.config.read_text() == now
    # Somebody has edited the file since it was shown.
    page.config.write_text(f"# mine\n{now}")
    tab.locator("form.row button.main").click()
    expect(tab.locator(".problem")).to_contain_text("SM-EDT-007")
    assert page.config.read_text() == f"# mine\n{now}"
    expect(tab.locator("tr.added code")).to_have_text([DIAMETER])
    # A run that began since, and that another window knows of, has taken its number.
    note_run(page, "c", now.replace("  diameter: null", "  diameter: 40"))
    other = tab.context.new_page()
    other.goto(f"{page.root}/runs")
    expect(other.locator("section.card")).to_have_count(3)
    other.close()
    press("form.row button.main")
    tab.wait_for_url("**/file?taken=1")
    expect(tab.locator(".head .good")).to_contain_text("has these settings now")
    assert page.config.read_text() == f"# mine\n{before}"


@pytest.mark.parametrize("spoken", ["en", "fr"])
def test_anybody_can_read_it(tab: Any, page: Page, spoken: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    now = page.config.read_text()
    note_run(page, "a", now.replace("  diameter: null", DIAMETER))
    note_run(page, "b", "segmentation: [")
    name = {"en": "English", "fr": "Français"}[spoken]
    speak(tab, name)
    for width in (360, 1300):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.goto(f"{page.root}/runs")
        expect(tab.locator("section.card")).to_have_count(2)
        tab.goto(f"{page.root}/runs?run=2")
        expect(tab.locator("tr.added")).to_have_count(1)
        assert violations(axe, tab) == []
