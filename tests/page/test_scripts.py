"""The step *Scripts*: files chosen, their options as fields, what is wrong told at the field, and nothing run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect
from ruamel.yaml import YAML

from tests.page.browser import Page, served, violations
from tests.page.conftest import PATIENCE_MS
from tests.page.patience import settled, speak
from tests.page.test_attacks import Visitor
from tests.page.test_page import changed_lines, saved

SPOTS = '''"""Counts the spots of each cell."""
import argparse
from pathlib import Path

Path("it was run").touch()
parser = argparse.ArgumentParser()
parser.add_argument("--input")
parser.add_argument("--output-dir")
parser.add_argument("-t", "--threshold", type=float, default=1000, help="brighter is a spot (%(default)s)")
parser.add_argument("--method", choices=["mean", "max"], default="mean")
parser.add_argument("--plots", action="store_true", help="draw <b>each</b> cell")
parser.add_argument("--plate", required=True)
parser.add_argument("--sizes", type=int, nargs="+")
print(parser.parse_args())
'''


@pytest.fixture
def experiment(tmp_path: Path, made: Path) -> Path:
    """An experiment with a script in it."""
    folder = shutil.copytree(made, tmp_path / "growth")
    (folder / "own").mkdir()
    (folder / "own" / "spots.py").write_text(SPOTS)
    (folder / "own" / "notes.txt").write_text("none")
    return folder


def option(name: str) -> str:
    return f"[id='scripts.script.arguments.{name}']"


def scripts_of(page: Page) -> list[dict[str, Any]]:
    """Return what the config says of scripts."""
    return list(YAML(typ="safe").load(page.config.read_text())["scripts"])


def add_spots(tab: Any, page: Page) -> None:
    tab.goto(f"{page.root}/scripts")
    settled(tab)
    tab.locator(".folders button", has_text="own").click()
    tab.locator("button[value$='spots.py']").click()
    tab.locator("#h-script", has_text="spots").wait_for()


def test_a_round_by_clicks(tab: Any, page: Page) -> None:
    tab.get_by_role("link", name="Scripts", exact=True).click()
    add_spots(tab, page)
    expect(tab.get_by_text("Counts the spots of each cell.")).to_be_visible()
    expect(tab.get_by_text("SegMake gives it by itself: --input; --output-dir.")).to_be_visible()
    # Nobody has to know what its author wrote there: type, choices, default and help are.
    threshold = tab.locator(option("threshold"))
    expect(threshold).to_have_attribute("placeholder", "1000")
    expect(tab.get_by_text("brighter is a spot (1000)")).to_be_visible()
    expect(tab.get_by_text("draw <b>each</b> cell")).to_be_visible()
    methods = tab.locator(option("method")).locator("option")
    expect(methods).to_have_text(["default (mean)", "mean", "max"])
    told = tab.locator("[id='scripts.script.arguments.plate-problems']")
    expect(told).to_contain_text("SM-SCR-017")
    tab.locator(option("plate")).fill("A 1")
    expect(told).to_be_hidden()
    threshold.fill("bright")
    expect(tab.locator("[id='scripts.script.arguments.threshold-problems']")).to_contain_text(
        "SM-SCR"
    )
    tab.locator("button[value=save]").click()
    tab.get_by_role("heading", name="Not saved: 1 thing is wrong").wait_for()
    threshold.fill("12,5")
    tab.locator(option("plots")).select_option("true")
    tab.locator(option("sizes")).fill("[3, 5]")
    saved(tab)
    arguments = {"plate": "A 1", "threshold": 12.5, "plots": True, "sizes": [3, 5]}
    assert scripts_of(page) == [{"name": "spots", "script": "own/spots.py", "arguments": arguments}]
    # What is put back is no longer said; all else stays as it is.
    before = page.config.read_text()
    tab.locator(option("plots")).select_option("")
    tab.get_by_label("How often it is run").select_option("image")
    saved(tab)
    (script,) = scripts_of(page)
    assert script["run"] == "image" and "plots" not in script["arguments"]
    assert before.partition("scripts:")[0] == page.config.read_text().partition("scripts:")[0]
    assert not list(page.folder.rglob("it was run"))


def test_scripts_of_segmake_and_several(tab: Any, page: Page) -> None:
    add_spots(tab, page)
    tab.locator(option("plate")).fill("7")
    tab.get_by_label("Ready to use").select_option("segmake:growth_curve.py")
    tab.get_by_role("button", name="Add", exact=True).click()
    tab.locator("#h-script", has_text="growth_curve").wait_for()
    # It takes the table of cells: that is for the whole data set.
    expect(tab.get_by_label("How often it is run")).to_have_value("dataset")
    tab.locator(option("window")).fill("5")
    tab.locator("button[value='select:0']").click()
    tab.locator("#h-script", has_text="spots").wait_for()
    expect(tab.locator(option("plate"))).to_have_value("7")
    # Left and come back to, both are there still.
    tab.get_by_role("link", name="The file", exact=True).click()
    tab.get_by_role("link", name="Scripts", exact=True).click()
    expect(tab.locator(".list li")).to_have_count(2)
    saved(tab)
    first, second = scripts_of(page)
    assert first["arguments"] == {"plate": 7} and second["arguments"] == {"window": 5}
    tab.locator("button[value='drop:0']").click()
    expect(tab.locator(".list li")).to_have_count(1)
    saved(tab)
    assert [each["name"] for each in scripts_of(page)] == ["growth_curve"]


def test_what_was_edited_by_hand_meanwhile_stays(tab: Any, page: Page) -> None:
    add_spots(tab, page)
    tab.locator(option("plate")).fill("7")
    saved(tab)
    tab.locator(option("sizes")).fill("[1]")
    # Also what was typed before the page was shown anew.
    tab.locator("button[value='select:0']").click()
    expect(tab.locator("#changes")).to_have_attribute("data-changes", "1")
    by_hand = page.config.read_text().replace("plate: 7", "plate: 7, threshold: 5")
    page.config.write_text(by_hand)
    tab.locator(option("method")).select_option("max")
    tab.locator("button[value=save]").click()
    tab.get_by_role("heading", name="The file was changed elsewhere").wait_for()
    assert page.config.read_text() == by_hand
    expect(tab.locator(option("threshold"))).to_have_value("5")
    saved(tab)
    arguments = {"plate": 7, "threshold": 5, "sizes": [1], "method": "max"}
    assert scripts_of(page)[0]["arguments"] == arguments
    # What is shown anew for another reason has it too.
    page.config.write_text(page.config.read_text().replace("threshold: 5", "threshold: 6"))
    tab.locator(option("sizes")).fill("[2]")
    tab.locator("button[value='select:0']").click()
    expect(tab.locator(option("threshold"))).to_have_value("6")
    saved(tab)
    assert scripts_of(page)[0]["arguments"] == {**arguments, "threshold": 6, "sizes": [2]}


def test_what_a_file_does_not_say_is_one_field(tab: Any, page: Page) -> None:
    (page.folder / "own" / "spots.py").write_text("import sys\nprint(sys.argv)\n")
    before = page.config.read_text()
    add_spots(tab, page)
    tab.locator("[id='scripts.script.arguments']").fill("margin: 3\nname of it: x")
    tab.locator("[id='scripts.script.arguments-problems'] .problem").wait_for()
    tab.locator("[id='scripts.script.arguments']").fill("margin: 3")
    saved(tab)
    assert scripts_of(page)[0]["arguments"] == {"margin": 3}
    lines = len(page.config.read_text().splitlines()) - len(before.splitlines())
    assert lines in (2, 3)
    version = page.config.read_text()
    tab.get_by_label("What the step is called").fill("second")
    saved(tab)
    assert len(changed_lines(version, page.config.read_text())) == 1


def test_what_is_taken_by_its_place_is_told(tab: Any, page: Page) -> None:
    by_place = SPOTS.replace("parser.parse_args()", 'parser.add_argument("image")')
    (page.folder / "own" / "spots.py").write_text(f"{by_place}\nparser.parse_args()\n")
    add_spots(tab, page)
    card = tab.locator("section[aria-labelledby=h-script]")
    expect(card).to_contain_text("This script takes image by place")
    expect(card.locator("p.text code", has_text="--sizes")).to_be_visible()
    tab.locator("[id='scripts.script.arguments']").fill('arguments: ["{image}", --plate, x]')
    # As messages say it: a whole line of the file.
    tab.locator("details", has_text="What it works on, what it makes").locator("summary").click()
    tab.locator("[id='scripts.script.needs']").fill("needs: [images, masks]")
    saved(tab)
    (script,) = scripts_of(page)
    assert (script["arguments"], script["needs"]) == (
        ["{image}", "--plate", "x"],
        ["images", "masks"],
    )


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry is asked: it may be far, or slow."""
    monkeypatch.setenv("UV_OFFLINE", "1")


def environments_of(page: Page) -> dict[str, Any]:
    """Return what the config says of environments."""
    return dict(YAML(typ="safe").load(page.config.read_text())["environments"])


@pytest.mark.usefixtures("offline")
def test_environments_are_ticked_together_and_checked(tab: Any, page: Page) -> None:
    tab.goto(f"{page.root}/scripts")
    tab.get_by_role("link", name="Environments: their packages").first.click()
    tab.get_by_role("button", name="New environment").click()
    tab.get_by_label("What it is called").fill("growth")
    tab.get_by_label("pandas", exact=True).check()
    others = tab.locator("[id='environments.environment.packages']")
    others.fill("matplotlib>=3.8")
    saved(tab)
    assert environments_of(page) == {"growth": {"packages": ["NumPy", "pandas", "matplotlib>=3.8"]}}
    # What was ticked, and what no longer is, is there again after another page, and told before a run.
    tab.get_by_label("NumPy", exact=True).uncheck()
    tab.get_by_label("SciPy", exact=True).check()
    tab.locator("#changes", has_text="1 setting changed").wait_for()
    tab.goto(f"{page.root}/start")
    tab.locator("[data-unsaved]").get_by_role("link", name="Environments").click()
    expect(tab.get_by_label("SciPy", exact=True)).to_be_checked()
    expect(tab.get_by_label("NumPy", exact=True)).not_to_be_checked()
    tab.get_by_label("SciPy", exact=True).uncheck()
    # A slip of the fingers is what malicious packages are called by.
    others.fill("matplotlib>=3.8\npandsa")
    tab.get_by_label("The version of Python").select_option("3.12")
    tab.get_by_role("button", name="Do the packages go together?").click()
    told = tab.locator("[data-errand][data-over=true] .problem")
    # What checks it is a start of its own of SegMake, with Snakemake: long, on a machine that has much else to do.
    expect(told).to_contain_text("SM-ENV-019", timeout=3 * PATIENCE_MS)
    expect(told).to_contain_text("pandsa")
    packages = {"packages": ["pandas", "matplotlib>=3.8", "pandsa"], "python": "3.12"}
    assert environments_of(page) == {"growth": packages}
    expect(tab.get_by_label("NumPy", exact=True)).not_to_be_checked()
    settled(tab)
    tab.get_by_label("What it is called").fill("no name")
    tab.locator("[id='environments.name-problems'] .problem").wait_for()
    tab.get_by_role("button", name="Take off the list – growth").click()
    expect(tab.locator(".list li")).to_have_count(0)
    saved(tab)
    assert environments_of(page) == {}
    # Scripts may use those that there are.
    tab.get_by_role("button", name="New environment").click()
    saved(tab)
    add_spots(tab, page)
    tab.get_by_label("Its environment").select_option("environment")
    tab.locator(option("plate")).fill("1")
    saved(tab)
    assert scripts_of(page)[0]["environment"] == "environment"
    # They follow one that is called otherwise, also over a round trip; a name that is taken is none.
    tab.goto(f"{page.root}/environments")
    tab.get_by_label("What it is called").fill("mine")
    tab.get_by_role("button", name="New environment").click()
    # What is typed before the answer is there does not undo what was pressed.
    tab.get_by_label("What it is called").fill("early")
    expect(tab.locator(".list li")).to_have_count(2)
    tab.get_by_label("What it is called").fill("mine")
    told = tab.locator("[id='environments.name-problems']")
    expect(told).to_contain_text("SM-PAG-050")
    tab.locator("button[value=save]").click()
    tab.get_by_role("heading", name="Not saved: 1 thing is wrong").wait_for()
    tab.get_by_label("What it is called").fill("other")
    saved(tab)
    assert list(environments_of(page)) == ["mine", "other"]
    assert scripts_of(page)[0]["environment"] == "mine"


def test_without_javascript(browser: Any, page: Page) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE_MS)
    tab.goto(page.address)
    tab.wait_for_url(f"{page.root}/")
    add_spots(tab, page)
    tab.locator(option("plate")).fill("9")
    tab.get_by_role("button", name="Save").click()
    expect(tab.locator("#outcome .good")).to_have_count(1)
    assert scripts_of(page)[0]["arguments"] == {"plate": 9}
    context.close()


def test_axe_finds_nothing(tab: Any, page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for language, scheme, width in (("English", "light", 1300), ("Français", "dark", 360)):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(f"{page.root}/scripts")
        speak(tab, language)
        add_spots(tab, page)
        tab.locator(option("threshold")).fill("x")
        tab.locator("[id='scripts.script.arguments.threshold-problems'] .problem").wait_for()
        assert violations(axe, tab) == []
        tab.locator("button[value='drop:0']").click()
        expect(tab.locator(".list li")).to_have_count(0)
        tab.goto(f"{page.root}/environments")
        tab.locator("button[value=add]").click()
        tab.locator("#h-environment").wait_for()
        assert violations(axe, tab) == []


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Visitor]:
    """Whoever has the cookie of a page."""
    folder = shutil.copytree(made, tmp_path_factory.mktemp("attacked") / "growth")
    (folder.parent / "secret.py").write_text("'''secret words'''\n")
    with served(folder) as page:
        found = Visitor(page, page.cookie())
        found.config = page.config  # type: ignore[attr-defined]
        yield found


def test_only_what_was_picked_is_shown_and_taken(owner: Visitor) -> None:
    csrf = owner.csrf()
    for path in ("/etc", "..", "config/../../..", "/proc/self", "~"):
        _, text = owner.post("/scripts", {"csrf": csrf, "do": f"open:{path}"})
        assert "SM-PAG-040" in text and "secret.py" not in text, path
    for path in ("../secret.py", "config/config.yaml", "/etc/passwd"):
        _, text = owner.post("/scripts", {"csrf": csrf, "do": f"add:{path}"})
        assert "SM-PAG-040" in text and "secret words" not in text, path
    assert "SM-PAG-040" in owner.ask("/scripts?open=/etc")[1]


def test_a_forged_form_is_refused(owner: Visitor) -> None:
    config: Path = owner.config  # type: ignore[attr-defined]
    before = config.read_bytes()
    for address in ("/scripts", "/scripts/check", "/environments", "/environments/check"):
        sent = {"csrf": "x" * 64, "do": "save", "scripts": "- {name: a, script: b.py}"}
        assert owner.post(address, sent)[0] == 403
    assert config.read_bytes() == before
