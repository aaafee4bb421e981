"""The site of the docs: it is whole, and works in a browser that opens it from disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segmake.tools import site as made
from tests.docs.places import kept
from tests.page.browser import install, violations, why_not
from tests.projects import ROOT

PATIENCE_MS = 60_000
PAGES = (
    "index",
    "tutorial/with-the-page",
    "how-to/choose-model",
    "how-to/waiting",
    "explanation/way-of-an-image",
    "reference/settings",
    "reference/slurm-jobs",
    "faq/images",
    "administrators/install",
    "workshop/exercises",
)


def address(site: Path, page: str, language: str) -> str:
    return (site / language / f"{page}{'.fr' if language == 'fr' else ''}.html").as_uri()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the command says that makes the site; nothing if all is right."""

    def make(folder: Path) -> None:
        command = [sys.executable, "-m", "segmake.tools.site", str(folder / "site")]
        variables = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
        run = subprocess.run(command, env=variables, capture_output=True, text=True)
        (folder / "said.txt").write_text(
            "" if run.returncode == 0 else run.stdout + run.stderr, encoding="utf-8"
        )

    return (kept("the site", make) / "said.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(said: str) -> Path:
    return kept("the site", lambda folder: None) / "site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if reason := why_not():
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=install(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page of the browser, which may ask no server for anything, and whose scripts make no mistake."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda request: wrong.append(request.url) if request.url.startswith("http") else None,
        )
        yield page
        assert wrong == []


def test_the_site_is_made_without_a_warning_and_its_links_lead_somewhere(said: str) -> None:
    assert said == ""


def test_a_link_that_leads_nowhere_and_what_others_serve_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#there">2</a><a href="c.html">3</a><a href="https://d.org">4</a>'
        '<script src="https://e.org/f.js"></script>'
    )
    (tmp_path / "b.html").write_text('<h1 id="here">B</h1>')
    (tmp_path / "g.css").write_text("@font-face { src: url(https://h.org/i.woff) }")
    assert made.faults(tmp_path) == [
        "a.html: loads https://e.org/f.js",
        "a.html: b.html#there: no such heading",
        "a.html: c.html is not there",
        "g.css: loads from another server",
    ]


@pytest.mark.parametrize("language", made.LANGUAGES)
def test_a_message_is_found_by_its_code_and_by_its_words(
    site: Path, tab: Any, language: str
) -> None:
    page = ROOT / "docs" / "reference" / f"messages{'.fr' if language == 'fr' else ''}.md"
    _, _, told = page.read_text(encoding="utf-8").partition("### SM-IMG-003\n")
    words = told.split("**")[4].strip(" -\n")
    end = ".fr.html" if language == "fr" else ".html"
    tab.goto(address(site, "index", language))
    search(tab, "SM-IMG-003")
    tab.locator(f"#search-results a[href='reference/messages{end}#sm-img-003']").wait_for()
    search(tab, words)
    tab.locator(f"#search-results a[href='reference/messages{end}']").click()
    tab.wait_for_url(f"**/reference/messages{end}*")
    tab.wait_for_function(
        "document.getElementById('sm-img-003').getBoundingClientRect().top < innerHeight / 2"
    )
    place = tab.evaluate("document.getElementById('sm-img-003').getBoundingClientRect().bottom")
    assert place > 0
    # A word that stands in the theme's drawings, too.
    search(tab, "mode")
    tab.locator("#search-results a").first.click()
    tab.wait_for_load_state("load")


def search(tab: Any, words: str) -> None:
    tab.locator("input[name=q]").first.fill(words)
    tab.locator("input[name=q]").first.press("Enter")
    tab.wait_for_url("**/search.html?*")


def test_each_page_leads_to_itself_in_the_other_language(site: Path, tab: Any) -> None:
    tab.goto(address(site, "reference/settings", "en"))
    tab.get_by_role("link", name="Français").click()
    assert tab.url == address(site, "reference/settings", "fr")
    assert tab.evaluate("document.documentElement.lang") == "fr"
    tab.get_by_role("link", name="English").click()
    assert tab.url == address(site, "reference/settings", "en")


@pytest.mark.parametrize(
    ("language", "leads_to"), [("fr-CA", "fr/index.fr.html"), ("de", "en/index.html")]
)
def test_the_front_leads_to_the_readers_language(
    site: Path, browser: Any, language: str, leads_to: str
) -> None:
    with browser.new_context(locale=language) as context:
        page = context.new_page()
        page.goto((site / "index.html").as_uri())
        page.wait_for_url(f"**/{leads_to}")


def test_it_is_dark_where_the_system_is_or_the_reader_wants_it(site: Path, tab: Any) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    tab.goto(address(site, "index", "en"))
    light = tab.evaluate(colour)
    tab.emulate_media(color_scheme="dark")
    dark = tab.evaluate(colour)
    assert light != dark
    tab.emulate_media(color_scheme="light")
    button = tab.locator("button.theme-toggle:visible")
    for _ in range(3):
        button.click()
        if tab.evaluate("document.body.dataset.theme") == "dark":
            break
    assert tab.evaluate(colour) == dark
    tab.reload()
    assert tab.evaluate(colour) == dark


def test_a_block_can_be_copied(site: Path, tab: Any) -> None:
    tab.goto(address(site, "how-to/experiments", "en"))
    assert (
        tab.locator("div.highlight-bash button.copybtn").count()
        == tab.locator("div.highlight-bash").count()
        > 0
    )


@pytest.mark.parametrize("language", made.LANGUAGES)
def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(
    site: Path, tab: Any, language: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = {}
    for number, page in enumerate(PAGES):
        # Each page in one language so, and in the other so: a look of axe takes seconds.
        is_dark = (number + (language == "fr")) % 2 == 1
        tab.emulate_media(color_scheme="dark" if is_dark else "light", reduced_motion="reduce")
        tab.set_viewport_size({"width": 400 if is_dark else 1400, "height": 900})
        tab.goto(address(site, page, language))
        found[page] = violations(axe, tab)
        tab.set_viewport_size({"width": 1400 if is_dark else 400, "height": 900})
        if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[page].append(("wide", "at the other width"))
    assert {key: value for key, value in found.items() if value} == {}
