"""The list of experiments in a real browser: a new one by clicks, others opened, folders chosen, attacks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from segmake.experiment.recent import note, recent
from segmake.messages import Problem
from segmake.page.folders import Folders
from segmake.page.opening import opened
from tests.page.browser import Page, served, violations
from tests.page.conftest import PATIENCE_MS
from tests.page.test_attacks import Visitor
from tests.projects import ROOT


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: Path) -> Path:
    """A home with folders, files and what hides in it."""
    folder = tmp_path / "marie"
    (folder / "Data" / "<b> & 'images'").mkdir(parents=True)
    (folder / ".ssh").mkdir()
    (folder / "secret.txt").write_text("a secret")
    shutil.copy(images / "a.tif", folder / "Data" / "<b> & 'images'")
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def page(home: Path) -> Iterator[Page]:
    """A page that was opened where there is no experiment."""
    with served(home, "--idle", "1") as found:
        yield found


def test_a_new_experiment_is_made_and_opened_by_clicks(
    browser: Any, page: Page, home: Path
) -> None:
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/experiments")
        expect(tab.locator("nav").count() == 0 and tab.get_by_text("None yet")).to_have_count(1)
        tab.get_by_label("Its name").fill("a/b")
        tab.get_by_role("button", name="Make the experiment").click()
        expect(tab.locator("[data-focus] .problem")).to_contain_text("SM-PAG-038")
        tab.get_by_label("Its name").fill("croissance d'été")
        tab.get_by_role("button", name="Choose... – The folder of the images").click()
        tab.get_by_role("group", name=f"Folder {home}").wait_for()
        assert "secret" not in tab.content() and ".ssh" not in tab.content()
        tab.locator(".folders button", has_text="Data").click()
        tab.locator(".folders button", has_text="<b> & 'images'").click()
        tab.get_by_role("link", name="Take <b> & 'images'").click()
        expect(tab.get_by_label("Its name")).to_have_value("croissance d'été")
        expect(tab.locator("#images")).to_have_value(str(home / "Data" / "<b> & 'images'"))
        expect(tab.locator("#where")).to_have_value(str(home))
        tab.get_by_role("button", name="Make the experiment").click()
        # Its own page, which a server of its own serves: the first one goes on.
        tab.locator("h1", has_text=re.compile("^croissance d'été$")).wait_for()
        assert not tab.url.startswith(page.root) and "token" not in tab.url
        assert (home / "croissance d'été" / "config" / "config.yaml").is_file()
        tab.get_by_role("link", name="all experiments").click()
        expect(tab.locator(".experiments .badge")).to_have_text("open here")
        expect(tab.locator(".experiments")).to_contain_text("nothing was computed yet")
        other = context.new_page()
        other.set_default_timeout(PATIENCE_MS)
        other.goto(f"{page.root}/experiments")
        other.get_by_role("button", name="Open – ").click()
        other.locator("h1", has_text=re.compile("^croissance d'été$")).wait_for()
        for each in (tab, other):
            each.get_by_role("button", name="End the page").click()
            each.get_by_role("heading", name="The page has ended").wait_for()


def test_it_works_without_javascript_in_french(browser: Any, page: Page, home: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/experiments")
        tab.get_by_role("button", name="Français").click()
        tab.get_by_label("Son nom").fill("essai")
        tab.get_by_label("une simulation par un script").check()
        tab.get_by_role("button", name="Créer l'expérience").click()
        tab.locator("h1", has_text=re.compile("^essai$")).wait_for()
        text = (home / "essai" / "config" / "config.yaml").read_text()
        assert "gillespie.py" in text
        tab.get_by_role("button", name="End the page").or_(
            tab.get_by_role("button", name="Arrêter la page")
        ).click()
        # What is there already is never overwritten.
        tab.goto(f"{page.root}/experiments")
        tab.get_by_label("Son nom").fill("essai")
        tab.get_by_role("button", name="Créer l'expérience").click()
        expect(tab.locator("[data-focus] .problem")).to_contain_text("SM-EXP-001")
        assert (home / "essai" / "config" / "config.yaml").read_text() == text
        # One that is gone is told so, and forgotten.
        shutil.rmtree(home / "essai")
        tab.goto(f"{page.root}/experiments")
        tab.get_by_role("button", name="Oublier").click()
        expect(tab.get_by_text("Aucune pour l'instant")).to_be_visible()


def test_settings_of_another_experiment_are_taken_over(
    browser: Any, page: Page, home: Path
) -> None:
    beside = home / "of a colleague"
    shutil.copytree(ROOT / "config", beside / "config")
    config = beside / "config" / "config.yaml"
    config.write_text(config.read_text().replace("  diameter: null", "  diameter: 31"))
    shutil.copytree(ROOT / "config", home / "mine" / "config")
    note(home / "mine")
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/experiments")
        others = tab.locator("section[aria-labelledby=h-others]")
        expect(others.locator("li")).to_have_count(1)
        expect(others).to_contain_text(str(beside))
        # It is only shown.
        expect(others.locator("button, a")).to_have_count(0)
        tab.get_by_label("Its name").fill("next")
        tab.get_by_label("images that come later").check()
        tab.get_by_label("Settings").select_option(str(beside))
        tab.get_by_role("button", name="Make the experiment").click()
        tab.locator("h1", has_text=re.compile("^next$")).wait_for()
        tab.get_by_role("button", name="End the page").click()
        tab.get_by_role("heading", name="The page has ended").wait_for()
    assert "  diameter: 31" in (home / "next" / "config" / "config.yaml").read_text()


@pytest.fixture
def owner(page: Page) -> Visitor:
    return Visitor(page, page.cookie())


def test_nothing_is_shown_but_names_of_folders_that_are_the_users_own(
    owner: Visitor, home: Path
) -> None:
    def asked(at: str, use: str = "images") -> tuple[int, str]:
        return owner.ask(f"/folders?{urlencode({'use': use, 'at': at})}")[:2]

    status, text = asked(str(home))
    assert status == 200 and "Data" in text and "secret.txt" not in text and ".ssh" not in text
    elsewhere = [
        *("/", "/etc", "/usr/..", str(home.parent), f"{home}/..", f"{home}/../..", "..", "~root"),
        *(f"{home}/.ssh", f"{home}/Data/../.ssh", f"{home}x", "//etc", "/proc/self"),
    ]
    for path in elsewhere:
        status, text = asked(path)
        assert status == 200 and "SM-PAG-040" in text, path
        opened = re.findall(r'value="open:([^"]*)"', text)
        assert opened and all(each.startswith((str(home), "/m", "/run/media")) for each in opened)
        assert "a secret" not in text and ".ssh&" not in text and "passwd" not in text
    for path in (f"{home}/gone", f"{home}/secret.txt", f"{home}\0", "C:\\", "~no-one"):
        status, text = asked(path)
        assert status == 200 and re.search("SM-PAG-04[01]", text) and "a secret" not in text, path
    assert asked(str(home), "elsewhere")[0] == 404


def test_a_folder_that_was_typed_is_one_to_begin_at(
    owner: Visitor, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "share" / "monday").mkdir(parents=True)
    csrf, share = owner.csrf("/experiments"), str(tmp_path / "share")
    assert "SM-PAG-040" in owner.ask(f"/folders?{urlencode({'use': 'images', 'at': share})}")[1]
    values = {"csrf": csrf, "do": "choose:images", "images": share, "name": "growth"}
    for typed in (values, values | {"images": "~/Data"}, values | {"do": "go", "use": "images"}):
        assert owner.post("/folders", typed)[0] == 303, typed
    text = owner.ask(f"/folders?{urlencode({'use': 'images', 'at': share, 'name': 'growth'})}")[1]
    assert "monday" in text and 'name="name" value="growth"' in text
    go = values | {"do": "go", "use": "images"}
    for sent in (values | {"images": "nowhere"}, go | {"typed": "~no-one"}, go | {"typed": "\0"}):
        status, text = owner.post("/folders", sent)
        assert status == 200 and "SM-PAG-041" in text and "Data" in text, sent


@pytest.mark.skipif(sys.platform == "darwin", reason="its disks refuse such names")
def test_a_folder_whose_name_is_no_text_spoils_no_other(owner: Visitor, home: Path) -> None:
    old = home / "Data" / os.fsdecode("été".encode("latin-1"))
    old.mkdir()
    with pytest.raises(Problem, match="SM-PAG-056"):
        Folders(old).typed(".")
    at = urlencode({"use": "images", "at": str(home / "Data")})
    status, text, _ = owner.ask(f"/folders?{at}")
    assert status == 200 and "images&#39;" in text and "1 is not shown" in text
    # Nor one that stands in the list of experiments.
    note(home / "Data" / os.fsdecode(b"\xe9"))
    note(home / "growth")
    status, text, _ = owner.ask("/experiments")
    assert status == 200 and str(home / "growth") in text


@pytest.mark.skipif(sys.platform == "win32", reason="rights are others on Windows")
def test_a_folder_that_may_not_be_read_is_told(home: Path) -> None:
    (home / "Data").chmod(0)
    # Root may read everything, and is somebody else meanwhile.
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(Problem, match="SM-PAG-042"):
            Folders(None).open(str(home / "Data"))
    finally:
        if is_root:
            os.seteuid(0)
        (home / "Data").chmod(0o700)


def test_nothing_is_made_or_opened_for_others(owner: Visitor, page: Page, home: Path) -> None:
    values = {"do": "new", "name": "forged", "where": str(home), "kind": "later"}
    status, text = owner.post("/experiments", values)
    assert status == 403 and "SM-PAG-005" in text and not (home / "forged").exists()
    csrf = owner.csrf("/experiments")
    assert (
        owner.post("/experiments", values | {"csrf": csrf}, Origin="http://evil.example")[0] == 403
    )
    for name in ("", "..", ".", "a/b", "a\\b", "/etc/x", "é" * 130):
        status, text = owner.post("/experiments", values | {"csrf": csrf, "name": name})
        assert "SM-PAG-038" in text, name
    for folder in ("/etc", "~nobody-here", f"{home}\0", ""):
        status, text = owner.post("/experiments", {"csrf": csrf, "do": "open", "folder": folder})
        assert status == 200 and "SM-PAG-001" in text and not list(home.glob("*/config")), folder
    for wrong in (
        {"where": "~nobody-here/x", "kind": "images", "images": "\0gone"},
        {"images": "~x"},
    ):
        sent = values | {"csrf": csrf, "name": "wrong", "kind": "images"} | wrong
        status, text = owner.post("/experiments", sent)
        assert status == 200 and re.search("SM-(?!PAG-011|RUN-001)", text), wrong
    # What belongs to an experiment is not there.
    for path in ("/cells", "/settings", "/file", "/connect"):
        status, text, _ = owner.ask(path)
        assert status == 404 and "SM-PAG-035" in text, path


def test_a_page_that_does_not_open_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow"))
    with pytest.raises(Problem, match="SM-PAG-036") as told:
        opened(tmp_path / "gone meanwhile", 1)
    assert "SM-PAG-001" in str(told.value)


def test_what_is_remembered_is_little_and_survives_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    command = [sys.executable, "-m", "segmake", "new", "growth", "--simulation"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert [each.folder for each in recent()] == [str(tmp_path / "growth")]
    for number in range(60):
        note(tmp_path / str(number))
    note(tmp_path / "7")
    folders = [Path(each.folder).name for each in recent()]
    assert folders[:3] == ["7", "59", "58"] and len(folders) == len(set(folders)) == 50
    file = tmp_path / "segmake" / "recent.json"
    for damaged in ("", "[1]", '{"folder": 1}', json.dumps([{"folder": "a"}])):
        file.write_text(damaged)
        assert recent() == []
    note(tmp_path / "again")
    assert len(recent()) == 1


@pytest.mark.parametrize("language", ["English", "Français"])
def test_axe_finds_nothing_on_the_list_and_the_folders(
    browser: Any, page: Page, home: Path, language: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    note(home / "gone")
    shutil.copytree(ROOT / "config", home / "growth" / "config")
    note(home / "growth")
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/experiments")
        tab.get_by_role("button", name=language).click()
        for scheme, width in (("light", 1300), ("dark", 360)):
            tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            tab.set_viewport_size({"width": width, "height": 800})
            for path in (
                "experiments",
                "folders?use=open&at=",
                f"folders?use=open&at={quote(str(home))}",
            ):
                tab.goto(f"{page.root}/{path}")
                assert violations(axe, tab) == [], path
