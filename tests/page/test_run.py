"""A run from the page: what it would do, its beginning, its end, its report; by clicks, keys and plain forms."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import Error, expect

from tests.page.browser import Keys, Page, make_experiment, served, violations
from tests.page.conftest import PATIENCE_MS
from tests.page.patience import speak, until
from tests.page.test_attacks import Visitor
from tests.projects import draw_image, whole_lines

STATE = "#h-state"
OVER = {"en": "The run is over", "fr": "Le calcul est terminé"}


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with two images that can be computed, and one that is damaged, beside it."""
    folder = tmp_path_factory.mktemp("few")
    for number in (1, 2):
        draw_image(folder / "images" / f"pos {number}.tif", number, seed=number)
    whole = (folder / "images" / "pos 1.tif").read_bytes()
    broken = folder / "images" / "<i>broken.tif"
    broken.write_bytes(whole[: len(whole) // 2])
    # Of a younger one it would be said that it is still being copied.
    os.utime(broken, (time.time() - 3600,) * 2)
    (folder / "images" / "notes.tif.txt").write_text("nothing")
    make_experiment(folder / "growth", folder / "images", **{"segmentation.engine": "threshold"})
    return folder


@pytest.fixture
def experiment(tmp_path: Path, few: Path) -> Path:
    shutil.copytree(few, tmp_path / "few")
    config = tmp_path / "few" / "growth" / "config" / "config.yaml"
    config.write_text(config.read_text().replace(str(few), str(tmp_path / "few")))
    return tmp_path / "few" / "growth"


def show_plan(tab: Any, page: Page) -> None:
    """Go to the step, and wait for what a run on this computer itself would do."""
    tab.goto(f"{page.root}/start")
    plan_here(tab)


def plan_here(tab: Any) -> None:
    """Wait for what a run on this computer itself would do; Slurm's programs may be here, and no cluster."""
    wait_for_plan(tab)
    profile = tab.locator("select[name=profile]")
    if profile.count() and profile.input_value() != "local":
        profile.select_option("local")
        tab.locator("button[name=do][value=look]").nth(1).click()
        wait_for_plan(tab, local=True)


def wait_for_plan(tab: Any, *, local: bool = False) -> None:
    """Wait until the whole plan is there; of this computer itself, it is not the one that was shown before."""
    if local:
        tab.locator("option[value=local][selected]").wait_for(state="attached")
    tab.locator("section.plan").wait_for()
    tab.wait_for_load_state("load")


def runs_of(experiment: Path) -> list[str]:
    """Return when each run of an experiment began."""
    log = experiment / "results" / ".segmake" / "runs.jsonl"
    lines = whole_lines(log) if log.exists() else ()
    return sorted({str(line["run"]) for line in lines if "run" in line})


def start(tab: Any) -> None:
    tab.locator("button[value=start]").click()
    tab.wait_for_url("**/follow")


def test_a_round_by_clicks_and_one_by_the_keyboard(tab: Any, page: Page) -> None:
    images = page.folder.parent / "images"
    tab.get_by_role("link", name="Check and start").first.click()
    show_plan(tab, page)
    expect(tab.locator("#h-plan")).to_have_text("2 images to compute")
    # What will fail is told before it does.
    will_fail = tab.locator("section[aria-labelledby=h-fail]")
    for words in ("<i>broken.tif", "SM-IMG-050"):
        expect(will_fail).to_contain_text(words)
    assert not (page.folder / "results").exists()
    tab.locator("button[value=start]").dblclick()
    tab.wait_for_url("**/follow")
    # What another window has ended, such as a choice of what to fetch, is in no answer any more.
    gone = "<p data-part='fetch'></p>"
    tab.locator("[data-follow]").evaluate(
        "(e, gone) => e.insertAdjacentHTML('afterbegin', gone)", gone
    )
    expect(tab.locator(STATE)).to_have_text(OVER["en"])
    expect(tab.locator(".tiles")).to_have_text("2 done 1 failed 0 left")
    failed = tab.locator("section[aria-labelledby=h-failed]")
    for words in ("<i>broken.tif", "Copy the file again"):
        expect(failed).to_contain_text(words)
    assert len(runs_of(page.folder)) == 1
    failed.get_by_role("link", name=re.compile("SM-IMG-...")).click()
    tab.locator("h1", has_text="SM-IMG-").wait_for()
    # It is repaired, and run again by the keyboard alone, in French; another one was only touched.
    shutil.copyfile(images / "pos 1.tif", images / "<i>broken.tif")
    os.utime(images / "pos 2.tif")
    speak(tab, "Français")
    press = Keys(tab).press
    press("nav a[href='/follow']")
    expect(tab.locator(STATE)).to_have_text(OVER["fr"])
    press(".actions a[href='/start']")
    expect(tab.locator("#h-plan")).to_have_text("1 image à calculer")
    expect(tab.locator("section.plan .tiles")).to_contain_text("1 à comparer")
    wait_for_plan(tab)
    press("button[value=start]")
    tab.wait_for_url("**/follow")
    # The run before is over, too: its figures are others.
    expect(tab.locator(".tiles")).to_have_text("3 terminées 0 restante")
    expect(tab.locator(STATE)).to_have_text(OVER["fr"])
    assert len(runs_of(page.folder)) == 2
    # The report works, and what it leads to is there.
    with tab.expect_popup() as opened:
        tab.get_by_role("link", name="Ouvrir le rapport").click()
    report = opened.value
    report.wait_for_load_state()
    wrong: list[str] = []
    report.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    report.reload()
    expect(report.locator("html")).to_have_class("js")
    wait_for_picture(report.locator(".card img").first)
    with report.expect_navigation():
        report.locator(".card .links a").first.click()
    wait_for_picture(report.locator("img"))
    assert wrong == []
    with tab.expect_download() as table:
        tab.get_by_role("link", name="cells.csv").click()
    assert Path(table.value.path()).read_text() == (page.folder / "results/cells.csv").read_text()
    # All is done: nothing is to be started.
    show_plan(tab, page)
    expect(tab.locator("#h-plan")).to_have_text("Tout est déjà calculé")
    expect(tab.locator("button[value=start]")).to_have_count(0)


def wait_for_picture(picture: Any) -> None:
    """Wait until a picture has come."""
    until(lambda: picture.evaluate("image => image.naturalWidth") > 0, "the picture")


def test_what_was_typed_and_not_saved_is_told_before_a_run(tab: Any, page: Page) -> None:
    told, least = tab.locator("[data-unsaved]"), tab.locator("[name='segmentation.min_size']")
    tab.goto(f"{page.root}/cells")
    least.fill("99")
    tab.locator("#changes", has_text="1 setting changed").wait_for()
    tab.goto(f"{page.root}/start")
    told.get_by_role("link", name="Cells").click()
    expect(least).to_have_value("99")
    tab.locator("#changes", has_text="1 setting changed").wait_for()
    least.fill("15")
    tab.locator("#changes", has_text="Nothing changed").wait_for()
    tab.goto(f"{page.root}/start")
    # What is hidden from the beginning is so until the script has looked.
    wait_for_plan(tab)
    expect(told).to_be_hidden()


def test_two_windows_without_javascript_start_one_run_and_stop_it(browser: Any, page: Page) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        first, second = context.new_page(), context.new_page()
        for tab in (first, second):
            tab.set_default_timeout(PATIENCE_MS)
        first.goto(page.address)
        first.wait_for_url(f"{page.root}/")
        show_plan(first, page)
        show_plan(second, page)
        start(first)
        start(second)
        second.get_by_role("button", name="Stop the run").click()
        ends = ("The run did not begin", "The run was stopped; what was finished is kept")
        state = first.locator(STATE)
        until(lambda: state.inner_text() in ends or look_again(first, page), "the end")
        assert len(runs_of(page.folder)) <= 1
        # What is left is offered again.
        first.get_by_role("link", name=re.compile("Go on|Run again")).click()
        wait_for_plan(first)
        expect(first.locator("button[value=start]")).to_have_count(1)


def look_again(tab: Any, page: Page) -> None:
    """Go to the step, unless the page was just loading itself anew."""
    with suppress(Error):
        tab.goto(f"{page.root}/follow")


def test_what_keeps_a_run_from_beginning_is_told_with_its_remedy(tab: Any, page: Page) -> None:
    text = page.config.read_text()
    page.config.write_text(text.replace("engine: threshold", "engine: omnipose"))
    tab.goto(f"{page.root}/start")
    told = tab.locator("section[aria-labelledby=h-not]")
    expect(told).to_contain_text("SM-ENV-001")
    # Half of what it says to type this step does itself.
    expect(told.locator(".steps").first).to_contain_text("here, in this step")
    expect(told.locator(".steps").last).to_contain_text("terminal")
    expect(tab.locator("button[value=start]")).to_have_count(0)
    # A mistake in the config leads to its field.
    page.config.write_text(text.replace("min_size: 15", "min_size: few"))
    tab.goto(f"{page.root}/start")
    tab.get_by_role("heading", name="1 setting to put right first").wait_for()
    expect(tab.locator("button[value=start]")).to_have_count(0)
    tab.get_by_role("link", name="Go to this setting").first.click()
    expect(tab.locator("#segmentation\\.min_size")).to_be_in_viewport()
    # What is edited after the plan was shown is not started unseen.
    page.config.write_text(text)
    show_plan(tab, page)
    page.config.write_text(text.replace("min_size: 15", "min_size: 20"))
    tab.locator("button[value=start]").click()
    tab.get_by_text("this is the plan of now").wait_for()
    tab.locator("section.plan").wait_for()
    assert runs_of(page.folder) == [] and not (page.folder / ".segmake-remote").exists()


def test_a_click_counts_though_what_was_done_ends_before_its_page_is_there(
    tab: Any, page: Page
) -> None:
    tab.goto(f"{page.root}/")
    held: list[Any] = []
    tab.route("**/settings", lambda asked: held.append(asked))
    over = "<section data-errand='plan' data-over='true'></section>"
    tab.route("**/errand/plan", lambda asked: asked.fulfill(body=over, content_type="text/html"))
    with tab.expect_response("**/errand/plan"):
        tab.evaluate(
            """async text => {
                document.querySelector("main").insertAdjacentHTML("beforeend", text);
                (await import("/static/errand.js")).followErrand();
                document.querySelector("a[href='/settings']").click();
            }""",
            over.replace("true", "false"),
        )
    # It is asked once more, and the page is not shown anew.
    with tab.expect_response("**/errand/plan"):
        pass
    held.pop().continue_()
    tab.wait_for_url("**/settings")


def test_a_run_that_was_refused_before_it_began_says_why(tab: Any, page: Page) -> None:
    show_plan(tab, page)
    # Between the plan and the start, what is in the folder is no results any more.
    results = page.folder / "results"
    results.write_text("a file in its place")
    start(tab)
    expect(tab.locator(STATE)).to_have_text("The run did not begin")
    expect(tab.locator(".state")).to_contain_text(re.compile(r"SM-[A-Z]{3}-\d{3}"))
    expect(tab.locator(".state a[href^='/help/SM-']").first).to_be_visible()


def test_axe_finds_nothing_on_the_steps_of_a_run(tab: Any, page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    finished_run(page.folder)
    for language, address in product(("English", "Français"), ("start", "follow")):
        speak(tab, language)
        for scheme, width in (("light", 1300), ("dark", 360)):
            tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            tab.set_viewport_size({"width": width, "height": 800})
            tab.goto(f"{page.root}/{address}")
            tab.locator("section.plan, .state.ended").wait_for()
            tab.wait_for_load_state("load")
            assert violations(axe, tab) == [], address


def finished_run(experiment: Path) -> None:
    """Have a run of an experiment made by the command."""
    program = Path(sys.executable).with_name("snakemake")
    command = [str(program), "--profile", "local"]
    subprocess.run(command, cwd=experiment, check=False, capture_output=True)
    assert (experiment / "results" / "report.html").exists()


# What others try


@pytest.fixture(scope="module")
def open_page(tmp_path_factory: pytest.TempPathFactory, few: Path) -> Iterator[Page]:
    """The page of an experiment with results, and with what is none of them."""
    folder = shutil.copytree(few, tmp_path_factory.mktemp("attacked") / "few") / "growth"
    results = folder / "results"
    (results / ".segmake").mkdir(parents=True)
    (results / ".segmake" / "plan.json").write_text("{}")
    (results / "report.html").write_text("<script>alert(1)</script>")
    (results / "scripts").mkdir()
    (results / "scripts" / "page.html").write_text("<script>alert(1)</script>")
    (results / "scripts" / "été #1.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (results / "leads out.csv").symlink_to("/etc/passwd")
    (results / "masks").symlink_to("/etc")
    with served(folder) as page:
        page.process.own_cookie = page.cookie()  # type: ignore[attr-defined]
        yield page


@pytest.fixture
def owner(open_page: Page) -> Visitor:
    return Visitor(open_page, open_page.process.own_cookie)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "nothing.csv", "../config/config.yaml", "..%2fconfig%2fconfig.yaml", "/etc/passwd", "%2fetc%2fpasswd", ".segmake/plan.json",
        "scripts/../.segmake/plan.json", "scripts", "leads%20out.csv", "masks/passwd", "report.html%00", "a" * 5000,
    ],
)  # fmt: skip
def test_no_file_but_those_of_the_results_is_served(owner: Visitor, path: str) -> None:
    status, text, _ = owner.ask(f"/results/{path}")
    assert status == 404 and "SM-PAG-022" in text and "root:" not in text and "images:" not in text


def test_a_file_of_the_results_can_do_nothing(owner: Visitor) -> None:
    status, text, headers = owner.ask("/results/report.html")
    policy = headers["content-security-policy"]
    assert status == 200 and text.startswith("<script>")
    # No script is run but the report's own.
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "default-src 'none'" in policy and "form-action 'none'" in policy
    _, _, headers = owner.ask("/results/scripts/page.html")
    assert headers["content-disposition"].startswith("attachment")
    status, _, headers = owner.ask("/results/scripts/%C3%A9t%C3%A9%20%231.svg")
    assert status == 200 and headers["content-type"] == "image/svg+xml"
    assert "sandbox" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]


def test_nobody_else_starts_or_stops_a_run(open_page: Page, owner: Visitor) -> None:
    for path, do in (("/start", "start"), ("/start", "send"), ("/follow", "stop")):
        assert owner.post(path, {"csrf": "x", "do": do})[0] == 403
        assert (
            owner.post(path, {"csrf": owner.csrf(), "do": do}, Origin="http://evil.example")[0]
            == 403
        )
        assert owner.ask(f"{path}?do={do}&csrf={owner.csrf()}")[0] == 200
        assert Visitor(open_page).ask(path)[0] == 403
    assert runs_of(open_page.folder) == [] and not (open_page.folder / ".segmake-remote").exists()


def test_only_the_plan_that_was_seen_is_started(page: Page) -> None:
    owner = Visitor(page, page.cookie())
    # Slurm's programs may be here, and no cluster that answers.
    sent = {"csrf": owner.csrf(), "do": "look", "profile": "local"}
    assert owner.post("/start", sent)[0] == 303
    seen = plan_seen(owner)
    assert location(owner, sent | {"do": "start", "version": "x"}) == "/start?first=1"
    page.config.write_text(page.config.read_text() + "# by hand\n")
    assert location(owner, sent | {"do": "start", "version": seen}) == "/start?first=1"
    assert runs_of(page.folder) == []


def plan_seen(owner: Visitor) -> str:
    """Wait for a plan that can be started, and return the version of the settings that it is of."""
    until(lambda: 'value="start"' in owner.ask("/start")[1], "a plan that can be started")
    return re.findall(r'name="version" value="(\w+)"', owner.ask("/start")[1])[0]


def location(owner: Visitor, values: dict[str, str]) -> str:
    """Send the form of the step, and return where its answer leads to."""
    own = {"Origin": f"http://{owner.host}"}
    return owner.ask("/start", "POST", urlencode(values), **own)[2]["location"]


def test_what_this_computer_can_not_do_is_told(experiment: Path, tmp_path: Path) -> None:
    # As on Windows, where there is no shell.
    with served(experiment, PATH=str(tmp_path)) as page:
        owner = Visitor(page, page.cookie())
        until(lambda: "SM-PAG-020" in owner.ask("/start")[1], "SM-PAG-020")
        assert 'value="start"' not in owner.ask("/start")[1]
