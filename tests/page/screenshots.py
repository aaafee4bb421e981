"""Takes pictures of every page, to be looked at: ``python -m tests.page.screenshots FOLDER [IMAGES]``."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

from segmake.demo.synthetic import write_demo_images
from tests.page.browser import Page as Served
from tests.page.browser import install, make_experiment, served
from tests.page.test_run import plan_here

WIDTHS = {400: 850, 1400: 950, 1920: 1080}
PAGES = (
    *("", "experiments", "folders?use=open&at=", "connect", "images", "cells"),
    *("scripts", "environments", "start", "follow"),
    *("settings", "file", "runs", "help/SM-CFG-002"),
)
SCRIPT = """scripts:
  - name: bright
    script: segmake:template.py
    needs: [images, masks]
environments:
  growth: {packages: [pandas, "matplotlib>=3.8"]}
"""


def take(folder: Path, images: Path, work: Path) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in ("fr", "en"):
        settings = {"segmentation.engine": "threshold", "images.include": '["**/ecoli*.tif"]'}
        experiment = make_experiment(work / f"growth {language}", images, language, **settings)
        config = experiment / "config" / "config.yaml"
        without = re.sub(
            r"^(scripts|environments):.*\n", "", config.read_text(), flags=re.MULTILINE
        )
        config.write_text(without + SCRIPT)
        with served(experiment, SEGMAKE_LANG=language) as page, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=install(), args=["--no-sandbox"])
            context = browser.new_context(color_scheme="light")
            tab = context.new_page()
            tab.on("console", lambda message: print(message.type, message.text))
            tab.on("response", lambda r: r.status >= 400 and print(r.status, r.url))
            tab.on("pageerror", lambda error: print("error", error))
            tab.goto(page.address)
            for name in PAGES:
                for width, height in WIDTHS.items():
                    tab.set_viewport_size({"width": width, "height": height})
                    visit(tab, f"{page.root}/{name}")
                    tab.wait_for_load_state("networkidle")
                    if name == "images":
                        tab.locator("#form:not([data-again])").wait_for(timeout=60_000)
                        tab.wait_for_load_state("networkidle")
                    shown = name.partition("?")[0].replace("/", "-") or "home"
                    tab.screenshot(
                        path=folder / f"{language}-{shown}-{width}.png",
                        full_page=name != "settings" and name != "file",
                    )
            tab.goto(f"{page.root}/cells")
            tab.set_viewport_size({"width": 1400, "height": 950})
            tab.locator("button[name=pick]").nth(3).click()
            tab.wait_for_load_state("networkidle")
            tab.locator("[name='segmentation.min_size']").fill("40")
            tab.locator("[name='segmentation.diameter']").fill("26")
            box = tab.locator("#canvas").bounding_box()
            tab.mouse.move(box["x"] + 200, box["y"] + 200)
            tab.mouse.down()
            tab.mouse.move(box["x"] + 260, box["y"] + 260)
            tab.mouse.up()
            tab.locator("button[value=try]").click()
            tab.locator("[data-trial-words] strong").wait_for(timeout=60_000)
            tab.wait_for_timeout(800)
            tab.evaluate("scrollTo(0, 300)")
            tab.screenshot(path=folder / f"{language}-cells-tried-1400.png")
            tab.locator("[name='segmentation.diameter']").fill("-3")
            tab.wait_for_timeout(1200)
            tab.locator(".save summary").click()
            tab.emulate_media(color_scheme="dark")
            tab.screenshot(path=folder / f"{language}-cells-dark-1400.png")
            tab.set_viewport_size({"width": 400, "height": 850})
            tab.screenshot(path=folder / f"{language}-cells-dark-400.png", full_page=True)
            tab.set_viewport_size({"width": 1400, "height": 950})
            tab.locator("button[value=save]").click()
            tab.wait_for_timeout(800)
            tab.screenshot(path=folder / f"{language}-cells-refused-1400.png")
            take_run(tab, page, folder, language)
            browser.close()


def visit(tab: Page, address: str) -> None:
    """Go to a page; one that was just loading itself anew is left at the second try."""
    try:
        tab.goto(address)
    except Error:
        tab.goto(address)


def take_run(tab: Page, page: Served, folder: Path, language: str) -> None:
    """Take pictures of a run: its plan, itself, its end."""

    def shot(name: str) -> None:
        for width in (400, 800, 1400):
            tab.set_viewport_size({"width": width, "height": 900})
            tab.screenshot(path=folder / f"{language}-{name}-{width}.png", full_page=True)

    tab.emulate_media(color_scheme="light")
    tab.goto(f"{page.root}/start")
    tab.locator("section.plan").wait_for(timeout=60_000)
    shot("start-plan")
    plan_here(tab)
    tab.locator("button[value=start]").click()
    tab.wait_for_url("**/follow")
    tab.locator(".state.running").wait_for(timeout=60_000)
    shot("follow-running")
    tab.locator(".state.ended").wait_for(timeout=120_000)
    shot("follow-ended")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        pictures = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(made, "images")
        if len(sys.argv) <= 2:
            write_demo_images(pictures)
        take(Path(sys.argv[1]), pictures, Path(made))
