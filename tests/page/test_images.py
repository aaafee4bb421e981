"""The step *Images*: folders picked, files counted while patterns are typed, channels chosen, what is wrong told."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

import tifffile
from PIL import Image
from playwright.sync_api import expect

from tests.page.browser import Keys, Page, make_experiment, served
from tests.page.conftest import PATIENCE_MS
from tests.page.patience import settled, speak
from tests.page.test_attacks import Visitor
from tests.page.test_page import OPEN_ALL, changed_lines, saved

SIMULATION = """scripts:
  - name: simulate
    script: segmake:gillespie.py
    run: once
"""


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of images: stacks of two channels with a mask beside one of them; plain ones, and a text."""
    folder = tmp_path_factory.mktemp("days")
    stack = np.random.default_rng(1).integers(0, 900, (4, 2, 60, 80)).astype(np.uint16)
    names = {"axes": "ZCYX", "Channel": {"Name": ["Phase", "GFP"]}}
    for name in ("s1", "s2"):
        path = folder / "monday" / f"{name}.ome.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, stack, metadata=names)
    labels = np.zeros((60, 80), np.uint16)
    labels[5:20, 5:20], labels[30:50, 30:60] = 1, 2
    tifffile.imwrite(folder / "monday" / "s1_masks.tif", labels)
    (folder / "monday" / "notes.txt").write_text("none")
    (folder / "tuesday").mkdir()
    for name in ("a1", "a2", "test"):
        tifffile.imwrite(folder / "tuesday" / f"{name}.tif", stack[0, 0])
    Image.fromarray((stack[0, 0] // 4).astype(np.uint8)).save(folder / "tuesday" / "b.png")
    return folder


@pytest.fixture(scope="module")
def of_monday(tmp_path_factory: pytest.TempPathFactory, days: Path) -> Path:
    """An experiment on the first day, whose images lie in it."""
    folder = tmp_path_factory.mktemp("made") / "growth"
    shutil.copytree(days, folder / "data")
    settings = {"segmentation.engine": "threshold", "images.channel": "null"}
    return make_experiment(folder, folder / "data" / "monday", **settings)


@pytest.fixture
def experiment(tmp_path: Path, of_monday: Path) -> Path:
    """The same for each test."""
    return shutil.copytree(of_monday, tmp_path / "growth")


def go(tab: Any, page: Page) -> None:
    tab.goto(f"{page.root}/images")
    settled(tab)


def folder_of(page: Page) -> str:
    """Return the line of the config that names the folder."""
    return re.findall(r"^ +folder: .*$", page.config.read_text(), re.MULTILINE)[0].strip()


def test_a_round_by_clicks(tab: Any, page: Page) -> None:
    before = page.config.read_text()
    tab.get_by_role("link", name="Images").first.click()
    expect(tab.locator("[data-count]")).to_have_text("2 images taken, 2 other files left out")
    settled(tab)
    tab.get_by_text("What is left out, and why (2)").click()
    left_out = tab.locator(".left-out li")
    expect(left_out).to_have_text(
        [
            "s1_masks.tif a mask of the image beside it",
            "notes.txt no image by its name (include under images)",
        ]
    )
    expect(left_out.first).to_be_visible()
    tiles = tab.locator(".tiles li")
    expect(tiles).to_have_count(2)
    expect(tiles.first).to_contain_text("Phase, GFP · 4 slices")
    # As a run would tell it.
    expect(tiles.first.locator(".why")).to_contain_text("SM-IMG-011")
    tab.get_by_label("The channel to segment").select_option("Phase")
    expect(tiles.first.locator(".why")).to_contain_text("SM-IMG-022")
    # What was unfolded is so still, in what the page shows anew.
    expect(left_out.first).to_be_visible()
    tab.get_by_label("Z-stacks").select_option("max")
    expect(tab.locator(".why")).to_have_count(0)
    assert page.config.read_text() == before
    saved(tab)
    assert changed_lines(before, page.config.read_text()) == ["channel: Phase", "z: max"]
    tab.get_by_role("link", name="Next: the cells").click()
    tab.locator("#picture").wait_for()
    # What is no image is not offered there either.
    expect(tab.locator("button[name=pick]")).to_have_count(2)


def test_folders_are_picked_one_level_at_a_time(tab: Any, page: Page) -> None:
    go(tab, page)
    assert folder_of(page) == "folder: data/monday"
    tab.get_by_text("Choose another folder").click()
    tab.get_by_role("button", name="This experiment").click()
    tab.locator(".folders button", has_text="data").click()
    tuesday = tab.locator(".folders button", has_text="tuesday")
    expect(tuesday).to_contain_text("4 images")
    tuesday.click()
    tab.get_by_text("4 images lie in this folder itself").wait_for()
    tab.get_by_role("button", name="Add to those above").click()
    expect(tab.locator(".named li")).to_have_count(2)
    expect(tab.locator(".tiles li")).to_have_count(5)
    # Left and come back to, it is as it was.
    tab.get_by_role("link", name="The file").first.click()
    tab.get_by_role("link", name="Images").first.click()
    expect(tab.locator(".named li")).to_have_count(2)
    saved(tab)
    assert folder_of(page) == "folder: [data/monday, data/tuesday]"
    tab.get_by_role("button", name="Take off the list – data/monday").click()
    expect(tab.locator(".named li")).to_have_count(1)
    saved(tab)
    assert folder_of(page) == "folder: data/tuesday"


def test_a_path_is_typed_by_hand(tab: Any, page: Page, days: Path) -> None:
    go(tab, page)
    tab.get_by_text("Choose another folder").click()
    tab.locator("#typed").fill(str(days / "wednesday"))
    tab.locator("#typed").press("Enter")
    tab.locator(".picker .problem", has_text="SM-PAG-041").wait_for()
    tab.locator("#typed").fill(f'"{days / "tuesday"}"')
    tab.locator("#typed").press("Enter")
    tab.get_by_text("4 images lie in this folder itself").wait_for()
    tab.get_by_role("button", name="Use this folder").click()
    expect(tab.locator(".named strong")).to_have_text(str(days / "tuesday"))
    saved(tab)
    assert folder_of(page) == f"folder: {days / 'tuesday'}"


def test_patterns_are_counted_while_they_are_typed(tab: Any, page: Page) -> None:
    page.config.write_text(page.config.read_text().replace("data/monday", "data/tuesday"))
    go(tab, page)
    before = page.config.read_text()
    tab.get_by_text("Choose files by their names").click()
    tab.get_by_label("Files to leave out").fill("**/t*")
    expect(tab.locator("[data-count]")).to_have_text("2 images taken, 2 other files left out")
    assert page.config.read_text() == before
    saved(tab)
    settled(tab)
    tab.get_by_text("What is left out, and why (2)").click()
    left_out = tab.locator(".left-out li").first
    expect(left_out).to_have_text("test.tif its name fits **/t* (exclude under images)")
    expect(left_out).to_be_visible()
    # Pictures are images only where they are named; then they are looked at too.
    tab.get_by_label("Which files to take").fill("**/*.tif\n**/*.png")
    saved(tab)
    expect(tab.locator(".tiles img")).to_have_count(3)


def test_by_the_keyboard_alone(tab: Any, page: Page) -> None:
    before = page.config.read_text()
    go(tab, page)
    keys = Keys(tab)
    keys.press("details.more > summary")
    keys.press("button[value^='open:']")
    tab.locator(".opened").wait_for()
    # Whoever uses the keyboard stays where they were.
    keys.press(".folders button[value$='data']")
    tab.locator(".folders button[value$='tuesday']").wait_for()
    keys.press(".folders button[value$='tuesday']")
    tab.get_by_text("4 images lie in this folder itself").wait_for()
    keys.press("button[value^='take:']")
    settled(tab)
    expect(tab.locator(".tiles li")).to_have_count(3)
    keys.press("button[value=save]")
    tab.locator("#outcome .good").wait_for()
    assert changed_lines(before, page.config.read_text()) == ["folder: data/tuesday"]


def test_without_javascript(browser: Any, page: Page) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.goto(page.address)
    tab.wait_for_url(f"{page.root}/")
    tab.goto(f"{page.root}/images")
    # The page asks again by itself until all images were looked at.
    settled(tab)
    expect(tab.locator(".tiles li")).to_have_count(2)
    tab.get_by_text("Choose another folder").click()
    tab.get_by_role("button", name="This experiment").click()
    tab.locator(".folders button", has_text="data").click()
    tab.locator(".folders button", has_text="tuesday").click()
    tab.get_by_role("button", name="Use this folder").click()
    assert folder_of(page) == "folder: data/monday"
    expect(tab.get_by_text("1 setting changed")).to_have_count(1)
    tab.get_by_role("button", name="Save").click()
    expect(tab.locator("#outcome .good")).to_have_count(1)
    assert folder_of(page) == "folder: data/tuesday"
    context.close()


def test_without_images_the_steps_for_them_fall_away_and_can_be_begun(tab: Any, page: Page) -> None:
    page.config.write_text(page.config.read_text().replace("scripts: []", SIMULATION))
    go(tab, page)
    tab.get_by_text("Choose another folder").click()
    tab.get_by_role("button", name="Work without images").click()
    tab.get_by_text("This experiment has no images").wait_for()
    saved(tab)
    assert folder_of(page) == "folder: null"
    links = tab.locator("header nav a")
    expect(links.filter(has_text="Cells")).to_have_count(0)
    expect(links.filter(has_text="Images")).to_have_count(0)
    tab.get_by_role("link", name="Overview").click()
    tab.get_by_role("link", name="Choose a folder of images").click()
    tab.wait_for_url("**/images*")
    settled(tab)
    tab.get_by_role("button", name="This experiment").click()
    tab.get_by_role("button", name="Use this folder").click()
    saved(tab)
    assert folder_of(page) == 'folder: "."'
    expect(links.filter(has_text="Cells")).to_have_count(1)


def test_axe_finds_nothing(tab: Any, page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for language, scheme, width in (("English", "light", 1300), ("Français", "dark", 360)):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        tab.set_viewport_size({"width": width, "height": 800})
        go(tab, page)
        speak(tab, language)
        settled(tab)
        expect(tab.locator(".tiles li")).to_have_count(2)
        tab.evaluate(OPEN_ALL)
        tab.locator("#typed").fill("nowhere")
        tab.locator("button[value=go]").click()
        tab.locator(".picker .problem").wait_for()
        no_faults(axe, tab, width)
        tab.locator(".starts button").first.click()
        tab.locator(".opened").wait_for()
        no_faults(axe, tab, width)


def no_faults(axe: Any, tab: Any, width: int) -> None:
    tab.evaluate(OPEN_ALL)
    found = axe.run(tab).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    wide = tab.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, f"{wide} wide on a screen of {width}"


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory, of_monday: Path) -> Iterator[Visitor]:
    """Whoever has the cookie of a page."""
    folder = tmp_path_factory.mktemp("attacked") / "growth"
    with served(shutil.copytree(of_monday, folder)) as page:
        found = Visitor(page, page.cookie())
        found.config = page.config  # type: ignore[attr-defined]
        yield found


def test_what_was_not_picked_is_not_shown(owner: Visitor) -> None:
    csrf = owner.csrf()
    for path in ("/etc", "/", "data/../../../..", "/proc/self", "//etc", "~daemon", "~/.ssh", "\0"):
        for do in ("open", "take"):
            status, text = owner.post("/images", {"csrf": csrf, "do": f"{do}:{path}"})
            shown = re.findall(r'value="(?:open|take):([^"]*)"', text)
            assert status == 200 and not [x for x in shown if x.startswith(("/etc", "/proc"))]
            assert ("SM-PAG-041" if path == "\0" else "SM-PAG-040") in text, path


def test_a_forged_form_is_refused(owner: Visitor) -> None:
    config: Path = owner.config  # type: ignore[attr-defined]
    before = config.read_bytes()
    for address in ("/images", "/images/count"):
        for csrf in ("", "x" * 64):
            sent = {"csrf": csrf, "do": "save", "images.folder": "/etc"}
            assert owner.post(address, sent)[0] == 403
    assert owner.ask("/images?open=/etc&do=take:/etc")[0] == 200
    assert config.read_bytes() == before


def test_what_is_open_by_address_is_below_a_place_to_begin_at(owner: Visitor) -> None:
    assert "SM-PAG-040" in owner.ask("/images?open=/etc")[1]
    with_folder = owner.ask("/images?open=data")[1]
    assert 'value="open:' in with_folder and "tuesday" in with_folder
