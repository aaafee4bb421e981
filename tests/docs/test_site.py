"""The site of the docs: it is whole, and works in a browser that opens it from disk."""

from __future__ import annotations

import os
import re
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


def test_a_report_is_behind_its_picture(tmp_path: Path) -> None:
    for language, index in made.LANGUAGES.items():
        page = tmp_path / "site" / language / "examples" / index
        page.parent.mkdir(parents=True)
        end = index.removeprefix("index").removesuffix(".html")
        pictures = [
            f'<img alt="" src="../_images/example-{name}-report{end}.png" />'
            for name in ("movie", "two-channels")
        ]
        page.write_text("".join(pictures), encoding="utf-8")
        (tmp_path / f"example-two-channels{end}.html").write_text(
            f'{language}<a href="./cells.csv">cells</a>'
        )
    made.add_reports(tmp_path / "site", tmp_path)
    for language, index in made.LANGUAGES.items():
        text = (tmp_path / "site" / language / "examples" / index).read_text(encoding="utf-8")
        (report,) = re.findall('<a href="(.*?)"', text)
        assert text.index("example-movie-report") < text.index("<a href")
        whole = (tmp_path / "site" / language / "examples" / report).read_text()
        assert whole == f"{language}<a>cells</a>", "the results are not in the site"


def search(tab: Any, words: str, leads_to: str) -> None:
    tab.locator("input[name=q]").first.fill(words)
    tab.locator("input[name=q]").first.press("Enter")
    tab.wait_for_url(leads_to)


def listed(tab: Any, words: str) -> Any:
    """Search for words, and return what is found, the best first."""
    search(tab, words, "**/search.html?*")
    # Sphinx adds one after the other.
    tab.locator(".search-summary", has_text=re.compile(r"\w")).wait_for()
    return tab.locator("#search-results li")


@pytest.mark.parametrize("language", made.LANGUAGES)
def test_a_code_of_a_message_leads_to_its_entry(site: Path, tab: Any, language: str) -> None:
    tab.goto(address(site, "index", language))
    for words in ("SM-IMG-052", "sm-out-011", "SegMake: SM-SSH-034 (cluster.example.org)"):
        anchor = re.findall(r"sm-\w+-\d+", words.lower())[0]
        search(tab, words, f"{address(site, 'reference/messages', language)}#{anchor}")
        tab.wait_for_load_state("load")
        place = tab.evaluate(f"document.getElementById('{anchor}').getBoundingClientRect().top")
        assert 0 <= place < 450
        assert tab.locator(".highlighted").count() == 0
    # No such message.
    assert listed(tab, "SM-IMG-999").count() > 0


@pytest.mark.parametrize("language", made.LANGUAGES)
def test_a_message_is_found_by_its_words(site: Path, tab: Any, language: str) -> None:
    page = ROOT / "docs" / "reference" / f"messages{'.fr' if language == 'fr' else ''}.md"
    _, _, told = page.read_text(encoding="utf-8").partition("### SM-IMG-003\n")
    words = told.split("**")[4].strip(" -\n")
    tab.goto(address(site, "index", language))
    link = listed(tab, words).first.locator("a")
    assert link.get_attribute("href").endswith("#sm-img-003")
    # A word that stands in the theme's drawings, too.
    listed(tab, "mode").first.locator("a").click()
    tab.wait_for_load_state("load")


@pytest.mark.parametrize(
    ("language", "words", "leads_to", "line"),
    [
        ("en", "open masks in Fiji", "tutorial/with-.*fiji", "Fiji"),
        ("en", "permission denied", "faq/connecting.*#.*denied", "key"),
        ("en", "my job does not start", "(how-to|faq)/wait", "start"),
        ("fr", "ma tâche attend", "(how-to/waiting|faq/waiting|explanation/cluster)", "tâche"),
        ("fr", "diametre", "how-to/choose-model", "diamètre"),
        ("fr", "permission refusée", "faq/connecting.*#.*denied", "machine"),
    ],
)
def test_what_answers_is_found_first_with_a_line_of_it(
    site: Path, tab: Any, language: str, words: str, leads_to: str, line: str
) -> None:
    tab.goto(address(site, "index", language))
    first = listed(tab, words).first
    assert re.match(leads_to, first.locator("a").get_attribute("href"))
    shown = first.locator("> span").inner_text()
    assert line in shown
    assert not shown.endswith(")")


def test_a_page_is_linked_to_the_other_language_by_the_switch_alone(site: Path) -> None:
    twice = []
    for path in sorted((site / "en").rglob("*.html")):
        own = path.relative_to(site / "en").with_suffix("")
        there = site / "fr" / f"{own}.fr.html"
        if there.exists():
            pages = ((path, f"/fr/{own}.fr.html"), (there, f"/en/{own}.html"))
            twice += [
                page for page, link in pages if page.read_text(encoding="utf-8").count(link) != 1
            ]
    assert twice == []


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_typed_stands_in_a_box_and_what_is_shown_does_not(
    site: Path, tab: Any, scheme: str
) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.goto(address(site, "tutorial/with-commands", "en"))
    colour = "block => getComputedStyle(block).backgroundColor"
    typed = tab.locator(".highlight-bash .highlight").first.evaluate(colour)
    shown = tab.locator(".highlight-text .highlight").first.evaluate(colour)
    page = tab.locator("body").evaluate(colour)
    assert len({typed, page, "rgba(0, 0, 0, 0)"}) == 3
    assert shown == "rgba(0, 0, 0, 0)"


def test_a_picture_of_a_terminal_can_be_read_on_a_telephone(site: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": 400, "height": 900})
    tab.goto(address(site, "tutorial/with-commands", "en"))
    assert tab.locator("article img:not(a > img)").count() == 0
    tab.locator("a.picture[href$='.svg']").first.click()
    tab.wait_for_url("**/*.svg")
    # A letter is as wide as the program drew it, and the rest is a move of the finger away.
    assert tab.evaluate("document.documentElement.getBoundingClientRect().width") > 800


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
