"""The page as people use it: by the mouse, by the keyboard alone, without JavaScript, in both languages."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from tests.page.browser import Keys, Page, make_experiment, served, violations
from tests.page.conftest import DISC, PATIENCE_MS, ROD
from tests.page.patience import PATIENCE_S, settled, speak, until

DIAMETER, LEAST = "#segmentation\\.diameter", "#segmentation\\.min_size"


def changed_lines(before: str, after: str) -> list[str]:
    """Return the lines that are another one now; there must be as many as before."""
    old, new = before.splitlines(), after.splitlines()
    assert len(old) == len(new)
    return [line.strip() for line, earlier in zip(new, old, strict=True) if line != earlier]


def go_to_cells(tab: Any, page: Page) -> None:
    tab.goto(f"{page.root}/cells")
    settled(tab)
    pick(tab, "a.tif")


def pick(tab: Any, name: str) -> None:
    """Choose an image, and wait until it is shown."""
    tab.locator("button[name=pick]", has_text=name).click()
    tab.locator("h2", has_text=name).wait_for()
    settled(tab)
    shown(tab, "#picture")


def shown(tab: Any, picture: str) -> None:
    """Wait until a picture has come, as large as the image."""
    expect(tab.locator(picture)).to_have_js_property("naturalWidth", 240)


def drag(tab: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a line over the picture, from and to a place in its own pixels."""
    canvas = tab.locator("#canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    scale = box["width"] / float(canvas.get_attribute("data-width"))
    (x, y), (to_x, to_y) = (
        (box["x"] + at[0] * scale, box["y"] + at[1] * scale) for at in (start, end)
    )
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move((x + to_x) / 2, (y + to_y) / 2)
    tab.mouse.move(to_x, to_y)
    tab.mouse.up()


def saved(tab: Any) -> None:
    """Save, and wait until the form is that of the file as it is then."""
    version = tab.locator("[name=version]")
    before = version.input_value()
    tab.locator("button[value=save]").click()
    expect(version).not_to_have_value(before)
    tab.locator("#outcome .good").wait_for()


def test_a_round_by_clicks(tab: Any, page: Page) -> None:
    before = page.config.read_text()
    tab.get_by_role("link", name="Cells").first.click()
    tab.locator("#picture").wait_for()
    go_to_cells(tab, page)
    drag(tab, (90 - DISC / 2, 80), (90 + DISC / 2, 80))
    expect(tab.locator("[data-measured]")).to_have_text(re.compile("µm"))
    said = tab.locator("[data-measured]").inner_text()
    measured = float(re.findall(r"[\d.]+", said)[0])
    # 0.1 µm a pixel.
    assert abs(measured - DISC) < 1 and f"{measured / 10:.3f}".rstrip("0") in said
    tab.get_by_role("button", name="Use as diameter").click()
    expect(tab.locator(DIAMETER)).to_have_value(str(measured).removesuffix(".0"))
    circle = tab.locator("circle.diameter").first
    until(lambda: float(circle.get_attribute("r")) == pytest.approx(measured / 2), "the circle")
    tab.locator(LEAST).fill("40")
    tab.get_by_text("2 settings changed").wait_for()
    assert page.config.read_text() == before
    zoomed, fitted = tab.locator("[data-zoomed]"), tab.locator("[data-zoomed]").inner_text()
    tab.locator("[data-zoom=in]").click()
    expect(zoomed).not_to_have_text(fitted)
    larger = zoomed.inner_text()
    tab.get_by_role("button", name="Find the cells").click()
    tab.locator("[data-trial-words] strong", has_text=re.compile(r"\d+ cells found")).wait_for()
    expect(zoomed).to_have_text(larger)
    shown(tab, "#outlines")
    assert page.config.read_text() == before and not (page.folder / "results").exists()
    saved(tab)
    lines = changed_lines(before, page.config.read_text())
    assert lines == [f"diameter: {str(measured).removesuffix('.0')}", "min_size: 40"]
    # What was tried is still over the picture.
    expect(tab.locator("#outlines")).to_be_visible()
    tab.get_by_role("link", name="The file", exact=True).click()
    added, wanted = tab.locator("tr.added code"), [f"  {line}" for line in lines]
    until(lambda: added.all_text_contents() == wanted, "what was changed")


def test_a_round_by_the_keyboard_alone(tab: Any, page: Page) -> None:
    before = page.config.read_text()
    press = tab.keyboard.press

    keys = Keys(tab)
    keys.press("nav a[href='/cells']")
    tab.wait_for_url("**/cells*")
    settled(tab)
    keys.press("button[name=pick][value$='a.tif']")
    tab.locator("h2", has_text="a.tif").wait_for()
    settled(tab)
    tab.locator("#picture").wait_for()
    keys.press("[data-shape]", "ArrowRight")
    keys.press("[data-begin-line]")
    # The line lies in the middle, on the level of y 100; the rod on that of 150, from 90 to 150.
    for name, x in (("First end", 120 - ROD[0] / 2), ("Second end", 120 + ROD[0] / 2)):
        move_handle(tab, name, x, 150)
        press("Tab")
    length = float(tab.locator("[data-length]").input_value())
    assert abs(length - ROD[0]) <= 1
    keys.press("[data-begin-line]")
    for name, y in (("First end", 150 - ROD[1] / 2), ("Second end", 150 + ROD[1] / 2)):
        move_handle(tab, name, 120, y)
        press("Tab")
    breadth = float(tab.locator("[data-breadth]").input_value())
    assert abs(breadth - ROD[1]) <= 1
    keys.press("[data-take]")
    taken = float(tab.locator(DIAMETER).input_value())
    # The engine threshold tells neighbours apart by their width.
    assert taken == pytest.approx(breadth, abs=0.1)
    keys.press("button[value=save]")
    tab.locator("#outcome .good").wait_for()
    (line,) = changed_lines(before, page.config.read_text())
    assert float(line.removeprefix("diameter: ")) == taken


def test_what_a_diameter_is_depends_on_what_finds_the_cells(tab: Any, page: Page) -> None:
    go_to_cells(tab, page)
    legend, measured = tab.locator("[data-legend=diameter]"), tab.locator("[data-measured]")
    hint = tab.locator(".hint[data-engines=threshold]")
    tab.get_by_role("button", name="Find the cells").click()
    tab.locator("[data-trial-words] strong", has_text=re.compile(r"\d+ cells found")).wait_for()
    tab.locator("[data-shape][value=rod]").check()
    tab.locator("[data-length]").fill("44")
    tab.locator("[data-breadth]").fill("10")
    expect(hint).to_be_visible()
    expect(legend).to_have_text("none given: 12.0 px = 1.2 µm")
    expect(measured).to_have_text("The width: 10 px = 1 µm")
    # The median of what was found is more than the width of a rod: it would merge more of them.
    expect(tab.locator("[data-take-median]")).to_be_hidden()
    tab.locator("[name=card][value^=cellpose3]").first.check()
    area = 10 * (44 - 10) + math.pi * 10**2 / 4
    disc = f"{2 * math.sqrt(area / math.pi):.1f} px"
    expect(measured).to_have_text(re.compile(f"A disc of the same area: {re.escape(disc)}"))
    expect(legend).to_have_text("none given: the model's own")
    expect(tab.locator("[data-take-median]")).to_be_visible()
    expect(hint).to_be_hidden()


def test_on_a_narrow_screen_the_steps_are_one_row(tab: Any, page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width in (360, 400):
        tab.set_viewport_size({"width": width, "height": 800})
        for path in ("/", "/follow", "/file"):
            tab.goto(f"{page.root}{path}")
            # The step that is open is in sight, also where it is the last of the row.
            expect(tab.locator(".top nav [aria-current]")).to_be_in_viewport(ratio=1)
            assert tab.locator(".top nav").bounding_box()["height"] < 60
            assert tab.locator(".top").bounding_box()["height"] < 140
        assert violations(axe, tab) == []
    # By the keyboard the row comes along.
    keys = Keys(tab)
    keys.reach(".top nav a[href='/connect']")
    expect(tab.locator(".top nav a[href='/connect']")).to_be_in_viewport(ratio=1)


def move_handle(tab: Any, name: str, x: float, y: float) -> None:
    """Move the point that has the focus, by the arrow keys alone, as its own words say where it is."""
    press = tab.keyboard.press
    for _ in range(200):
        words = tab.evaluate("document.activeElement.getAttribute('aria-label')")
        assert words.startswith(name), words
        at = [int(number) for number in re.findall(r"[xy] (\d+)", words)]
        left, down = x - at[0], y - at[1]
        if abs(left) < 1 and abs(down) < 1:
            return
        far = "Shift+" if max(abs(left), abs(down)) >= 10 else ""
        if abs(left) >= abs(down):
            press(f"{far}Arrow{'Right' if left > 0 else 'Left'}")
        else:
            press(f"{far}Arrow{'Down' if down > 0 else 'Up'}")
    raise AssertionError(f"{name} never came to {x}, {y}")


def test_what_is_wrong_is_told_at_the_field_while_typing(tab: Any, page: Page) -> None:
    before = page.config.read_bytes()
    go_to_cells(tab, page)
    tab.locator(DIAMETER).fill("-3")
    told = tab.locator("[id='segmentation.diameter-problems'] .problem")
    expect(told).to_contain_text("can't be -3")
    expect(told).to_contain_text("SM-CFG-002")
    expect(tab.locator(DIAMETER)).to_have_attribute("aria-invalid", "true")
    tab.locator("button[value=save]").click()
    tab.get_by_role("heading", name="Not saved: 1 thing is wrong").wait_for()
    expect(tab.locator("[aria-labelledby=h-wrong]")).to_be_focused()
    assert page.config.read_bytes() == before
    tab.locator(DIAMETER).fill("12,5")
    told.wait_for(state="detached")
    saved(tab)
    assert "\n  diameter: 12.5\n" in page.config.read_text()


def test_what_was_edited_by_hand_is_shown_and_never_overwritten(tab: Any, page: Page) -> None:
    go_to_cells(tab, page)
    tab.locator(DIAMETER).fill("31")
    by_hand = page.config.read_text().replace("min_size: 15", "min_size: 99  # by hand")
    page.config.write_text(by_hand)
    tab.locator("button[value=save]").click()
    tab.get_by_role("heading", name="The file was changed elsewhere").wait_for()
    added = tab.locator(".notice tr.added code")
    until(lambda: added.all_text_contents() == ["  min_size: 99  # by hand"], "what was changed")
    assert page.config.read_text() == by_hand
    expect(tab.locator(DIAMETER)).to_have_value("31")
    expect(tab.locator(LEAST)).to_have_value("99")
    saved(tab)
    assert changed_lines(by_hand, page.config.read_text()) == ["diameter: 31"]


def test_another_engine_takes_its_own_settings_along(tab: Any, page: Page) -> None:
    before = page.config.read_text()
    go_to_cells(tab, page)
    flow = tab.locator("[data-setting='segmentation.flow_threshold']")
    expect(flow).to_be_hidden()
    tab.locator("[name=card][value='cellpose3/bact_phase_cp3']").check()
    flow.locator("input").first.fill("0.7")
    tab.get_by_text("3 settings changed").wait_for()
    tab.get_by_role("button", name="Find the cells").click()
    # The tests' installation may have no networks: that is told, and nothing else happens.
    end = tab.locator(".trial .problem, [data-trial-words] strong")
    end.first.wait_for()
    saved(tab)
    said = page.config.read_text()
    assert "\n  engine: cellpose3\n" in said and "\n  model: bact_phase_cp3\n" in said
    tab.locator("[name=card][value='threshold/']").check()
    saved(tab)
    lines = changed_lines(said, page.config.read_text())
    # What the other engine does not take is a comment again.
    assert lines == ["engine: threshold", "#model: cyto3", "#flow_threshold: 0.4"]
    check = [sys.executable, "-m", "segmake", "check", str(page.config)]
    assert subprocess.run(check, cwd=page.folder, check=False, capture_output=True).returncode == 0
    assert len(before.splitlines()) == len(page.config.read_text().splitlines())


def test_an_image_of_several_channels_is_shown_by_its_channel(tab: Any, page: Page) -> None:
    go_to_cells(tab, page)
    pick(tab, "<b>")
    channel = tab.locator("[name='images.channel']")
    first = tab.locator("#picture").get_attribute("src")
    channel.select_option("GFP")
    expect(tab.locator("#picture")).not_to_have_attribute("src", first)
    saved(tab)
    assert "\n  channel: GFP\n" in page.config.read_text()


def test_what_stood_in_a_form_is_there_again(tab: Any, page: Page) -> None:
    go_to_cells(tab, page)
    pick(tab, "<b>")
    tab.locator(DIAMETER).fill("17")
    tab.get_by_text("1 setting changed").wait_for()
    tab.get_by_role("link", name="All settings").click()
    tab.locator("#results").fill("elsewhere")
    expect(tab.locator("#changes")).to_contain_text("1 setting changed")
    tab.reload()
    expect(tab.locator("#results")).to_have_value("elsewhere")
    # So is the image that was chosen, also in another language.
    tab.get_by_role("link", name="Cells").first.click()
    expect(tab.locator("h2", has_text="<b>")).to_be_visible()
    settled(tab)
    speak(tab, "Français")
    expect(tab.locator("h2", has_text="<b>")).to_be_visible()
    expect(tab.locator(DIAMETER)).to_have_value("17")
    settled(tab)
    speak(tab, "English")
    tab.get_by_role("link", name="All settings").click()
    expect(tab.locator("#results")).to_have_value("elsewhere")
    saved_before = page.config.read_text()
    tab.get_by_role("button", name="Save").click()
    tab.locator("#outcome .good").wait_for()
    assert changed_lines(saved_before, page.config.read_text()) == ["results: elsewhere"]


def test_an_image_that_is_gone_keeps_nobody_from_the_others(browser: Any, page: Page) -> None:
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/")
        tab.goto(f"{page.root}/cells?image=gone.tif")
        # All images are looked at first.
        tab.get_by_text("SM-PAG-008").wait_for()
        tab.get_by_role("link", name="Cells").first.click()
        tab.locator("#picture").wait_for()


def test_all_settings_go_there_and_back(tab: Any, page: Page) -> None:
    before = page.config.read_text()
    tab.goto(f"{page.root}/settings")
    rare = tab.locator("#section-segmentation details.rare > summary")
    rare.click()
    tab.locator("#segmentation\\.smoothing").fill("2")
    tab.locator("#tracking").fill("true")
    tab.locator("#images\\.exclude").fill("test/**\n**/*old*")
    tab.locator("#measurements\\.exclude_edge_cells").select_option("true")
    tab.locator("#scripts").fill("- name: growth\n  script: nothing.py")
    tab.locator("[id='scripts-problems'] .problem").first.wait_for()
    tab.locator("#scripts").fill("[]")
    tab.locator("[id='scripts-problems'] .problem").first.wait_for(state="detached")
    saved(tab)
    lines = changed_lines(before, page.config.read_text())
    assert lines == [
        'exclude: ["test/**", "**/*old*"]',
        "smoothing: 2",
        "tracking: true",
        "exclude_edge_cells: true",
    ]
    said = page.config.read_text()
    settled(tab)
    rare.click()
    tab.locator("[data-reset='segmentation.smoothing']").click()
    saved(tab)
    assert changed_lines(said, page.config.read_text()) == ["#smoothing: 1.0"]


def test_everything_works_as_a_form_without_javascript(browser: Any, page: Page) -> None:
    before = page.config.read_text()
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.goto(page.address)
    tab.wait_for_url(f"{page.root}/")
    tab.goto(f"{page.root}/cells")
    wanted = tab.locator("button[name=pick]", has_text="a.tif")
    until(lambda: wanted.count() or show_again(tab), "the image")
    wanted.click()
    tab.locator("h2", has_text="a.tif").wait_for()
    tab.locator("#picture").wait_for()
    tab.locator(DIAMETER).fill("50")
    tab.get_by_role("button", name="Show", exact=True).click()
    # The server draws the circle, and says what would change; nothing is written.
    expect(tab.locator("circle.diameter").first).to_have_attribute("r", "25.0")
    expect(tab.get_by_text("1 setting changed")).to_have_count(1)
    assert page.config.read_text() == before
    tab.locator(DIAMETER).fill("x")
    tab.get_by_role("button", name="Save").click()
    expect(tab.locator("[id='segmentation.diameter-problems'] .problem")).to_have_count(1)
    tab.locator(DIAMETER).fill("24")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Find the cells").click()
    found = tab.get_by_text(re.compile(r"\d+ cells found"))
    until(lambda: found.count() or show_again(tab), "the cells")
    expect(tab.locator("#outlines")).to_be_visible()
    tab.get_by_role("button", name="Save").click()
    expect(tab.locator("#outcome .good")).to_have_count(1)
    assert changed_lines(before, page.config.read_text()) == ["diameter: 24"]
    speak(tab, "Français")
    expect(tab.get_by_role("link", name="Tous les réglages")).to_have_count(1)
    context.close()


def show_again(tab: Any) -> None:
    """Ask for the page again as somebody does who has no JavaScript, and wait for the answer."""
    with tab.expect_navigation():
        tab.get_by_role("button", name="Show", exact=True).click()


ADDRESSES = ("", "cells", "settings", "file", "help/SM-CFG-002")


@pytest.mark.parametrize("language", ["English", "Français"])
def test_axe_finds_nothing_on_any_page(tab: Any, page: Page, language: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    speak(tab, language)
    for address in ADDRESSES:
        for scheme, width in (("light", 1300), ("dark", 360)):
            tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            tab.set_viewport_size({"width": width, "height": 800})
            tab.goto(f"{page.root}/{address}")
            if address == "cells":
                settled(tab)
                tab.locator(DIAMETER).fill("-1")
                tab.locator("[id='segmentation.diameter-problems'] .problem").wait_for()
                tab.locator("button[value=save]").click()
                tab.locator("#h-wrong").wait_for()
                tab.locator("[data-begin-line]").click()
                tab.locator("[data-other]").check()
            assert violations(axe, tab) == [], address


ALONE = """
import sys
from pathlib import Path
from segmake.page.server import serve

serve(Path(sys.argv[1]), browser=False, idle_minutes=0.02)
"""


def test_a_page_that_nobody_uses_ends_by_itself(experiment: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(experiment)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0 and "Nobody has used the page" in done.stdout, done.stderr


def test_that_the_server_is_gone_is_told_and_nothing_typed_is_lost(
    browser: Any, experiment: Path
) -> None:
    tab = browser.new_context().new_page()
    tab.set_default_timeout(PATIENCE_MS)
    with served(experiment) as page:
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/")
        tab.goto(f"{page.root}/cells")
        settled(tab)
        tab.locator("#picture").wait_for()
    tab.locator(DIAMETER).fill("33")
    expect(tab.locator("[data-lost-notice]")).to_contain_text("type segmake page")
    tab.locator("button[value=save]").click()
    expect(tab.locator(DIAMETER)).to_have_value("33")
    tab.context.close()


def test_what_starts_the_page_loads_nothing_heavy() -> None:
    started = "import sys, segmake.page.server, uvicorn; print(sorted({'numpy', 'pandas', 'snakemake'} & set(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", started], capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_where_there_is_no_experiment_is_told(
    tmp_path: Path, language: str, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", language)
    gone = str(tmp_path / "gone")
    command = [sys.executable, "-m", "segmake", "page", gone, "--no-browser"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (
        told.returncode == 1
        and told.stderr.startswith("SM-PAG-001")
        and "segmake new" in told.stderr
    )


def test_a_folder_of_images_that_is_not_there_is_told(
    browser: Any, tmp_path: Path, images: Path
) -> None:
    folder = make_experiment(
        tmp_path / "growth", images, **{"segmentation.engine": "threshold", "images.folder": "gone"}
    )
    with served(folder) as page:
        tab = browser.new_context().new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/")
        tab.goto(f"{page.root}/cells")
        expect(tab.locator(".images .problem")).to_contain_text("SM-LOK-001")
        tab.context.close()


def test_only_images_that_the_experiment_takes_are_listed(tab: Any, page: Page) -> None:
    go_to_cells(tab, page)
    page.config.write_text(
        re.sub(r"include:\n( +- .*\n)+", 'include: ["**/A*.tif"]\n', page.config.read_text())
    )
    tab.goto(f"{page.root}/cells")
    settled(tab)
    expect(tab.locator("button[name=pick]")).to_have_count(1)
    tab.get_by_role("link", name="2 more in the folder").click()
    expect(tab.locator("#images\\.include")).to_have_value("**/A*.tif")
    tab.locator("#images\\.include").fill("**/*.nd2")
    saved(tab)
    tab.goto(f"{page.root}/cells")
    tab.get_by_text("takes none of these files").wait_for()
    expect(tab.locator("button[name=pick]")).to_have_count(3)
