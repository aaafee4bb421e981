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
        expect(tab.locator(".problem")).to_contain_text("SM-PAG-038")
        tab.get_by_label("Its name").fill("croissance d'été")
        tab.get_by_role("button", name="Choose... – The folder of the images").click()
        tab.get_by_role("link", name="marie").click()
        tab.get_by_role("link", name="Data").wait_for()
        assert "secret" not in tab.content() and ".ssh" not in tab.content()
        tab.get_by_role("link", name="Data").click()
        tab.get_by_role("link", name="<b> & 'images'").click()
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
        expect(tab.locator(".problem")).to_contain_text("SM-EXP-001")
        assert (home / "essai" / "config" / "config.yaml").read_text() == text
        # One that is gone is told so, and forgotten.
        shutil.rmtree(home / "essai")
        tab.goto(f"{page.root}/experiments")
        tab.get_by_role("button", name="Oublier").click()
        expect(tab.get_by_text("Aucune pour l'instant")).to_be_visible()


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
        *("/", "/etc", "/usr/..", str(home.parent), f"{home}/..", f"{home}/../..", "Data", "~"),
        *(f"{home}/.ssh", f"{home}/Data/../.ssh", f"{home}/", f"{home}//Data", f"{home}x"),
        *(f"{home}\0", "C:\\", "\\\\server\\share", "file:///etc", f"{home}/./Data"),
    ]
    for path in elsewhere:
        status, text = asked(path)
        assert status == 404 and "SM-PAG-007" in text, path
        assert "secret" not in text and ".ssh<" not in text and "passwd" not in text
    for path in (f"{home}/gone", f"{home}/secret.txt"):
        status, text = asked(path)
        assert "SM-PAG-037" in text and "a secret" not in text, path
    assert asked(str(home), "elsewhere")[0] == 404
    assert (
        Visitor(Page(None, home, f"http://{owner.host}/?")).ask("/folders?use=open&at=")[0] == 403
    )  # type: ignore[arg-type]


def test_nothing_is_made_or_opened_for_others(owner: Visitor, page: Page, home: Path) -> None:
    values = {"do": "new", "name": "forged", "where": str(home), "kind": "later"}
    status, text = owner.post("/experiments", values)
    assert status == 403 and "SM-PAG-005" in text and not (home / "forged").exists()
    text = owner.ask("/experiments")[1]
    csrf = text.partition('name="csrf" value="')[2].partition('"')[0]
    assert (
        owner.post("/experiments", values | {"csrf": csrf}, Origin="http://evil.example")[0] == 403
    )
    for name in ("", "..", ".", "a/b", "/etc/x"):
        status, text = owner.post("/experiments", values | {"csrf": csrf, "name": name})
        assert "SM-PAG-038" in text, name
    status, text = owner.post("/experiments", {"csrf": csrf, "do": "open", "folder": "/etc"})
    assert "SM-PAG-001" in text and not list(home.glob("*/config"))
    # What belongs to an experiment is not there.
    for path in ("/cells", "/settings", "/file", "/connect"):
        status, text, _ = owner.ask(path)
        assert status == 404 and "SM-PAG-035" in text, path


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
