"""The step *Connect* in a real browser, at a real OpenSSH server: set up by clicks, questions in any window, attacks."""

# Fixtures of the page's tests are named where they are used.
# ruff: noqa: F811

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from segmake.remote.remembered import read_place
from tests.page.browser import Page, served, violations
from tests.page.conftest import PATIENCE_MS, browser, experiment, images, made, tab  # noqa: F401
from tests.page.test_attacks import Visitor
from tests.ssh.conftest import make_key
from tests.ssh.server import PASSWORD, Server

QUESTION = ".question"


@pytest.fixture
def page(over_there: Server, experiment: Path) -> Iterator[Page]:
    """The page of an experiment, whose user has never been to the other computer."""
    with served(experiment) as found:
        yield found


def asked(tab: Any, words: str) -> Any:
    """Return the question that the page asks now, once it has these words in it."""
    found = tab.locator(QUESTION, has_text=words)
    found.wait_for()
    return found


def typed(tab: Any, words: str, answer: str | None) -> None:
    """Answer a question; None takes what is proposed."""
    question = asked(tab, words)
    if answer is not None:
        question.locator("input[name=answer]").fill(answer)
    question.get_by_role("button", name="Answer").click()
    question.wait_for(state="detached")


def agreed(tab: Any, words: str, answer: str = "Yes") -> None:
    question = asked(tab, words)
    question.get_by_role("button", name=answer, exact=True).click()
    question.wait_for(state="detached")


def name_computer(tab: Any, page: Page, computer: Server, program: Path) -> None:
    """Fill in the form of another computer."""
    tab.goto(f"{page.root}/connect")
    tab.locator("#host").fill(computer.host)
    tab.locator("summary", has_text="Folder and program").click()
    tab.locator("#segmake").fill(str(program))


def test_a_computer_is_set_up_by_clicks_and_a_password_is_kept_nowhere(
    tab: Any,
    page: Page,
    over_there: Server,
    shared: Path,
) -> None:
    over_there.start()
    tab.goto(f"{page.root}/connect")
    tab.get_by_role("button", name="Connect", exact=True).click()
    expect(tab.locator(".problem")).to_contain_text("SM-PAG-033")
    name_computer(tab, page, over_there, shared / ".venv/bin/segmake")
    tab.get_by_role("button", name="Connect", exact=True).click()
    agreed(tab, "fingerprint")
    # In another window, on another page, the same question stands.
    other = tab.context.new_page()
    other.set_default_timeout(PATIENCE_MS)
    other.goto(f"{page.root}/settings")
    field = asked(other, "Password for").locator("#answer")
    assert field.get_attribute("type") == "password"
    assert field.get_attribute("autocomplete") == "off"
    typed(other, "Password for", PASSWORD)
    other.close()
    agreed(tab, "public half")
    typed(tab, "passphrase", "")
    proposed = asked(tab, "The folder on that computer").locator("#answer").input_value()
    assert proposed.endswith("/segmake-experiments/growth")
    typed(tab, "The folder on that computer", None)
    expect(tab.locator(".computer")).to_have_text(over_there.host)
    expect(tab.locator(".seen")).to_contain_text("is sent there at the start")
    assert read_place(page.folder).folder == proposed
    assert PASSWORD not in tab.content()
    for kept in (page.folder, Path.home()):
        for file in kept.rglob("*"):
            assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file
    # The key that was put in is taken, and everything goes over the login that was made.
    tab.get_by_role("button", name="Try the connection").click()
    expect(tab.locator(".seen")).to_contain_text("works, no password is asked for")
    on = tab.get_by_role("link", name=re.compile("^Next"))
    silent = tab.locator(".problem", has_text="SM-REM-058")
    on.or_(silent).first.wait_for()
    if on.count():
        on.click()
        expect(tab.locator(".problem")).to_have_count(0)
    else:
        # Slurm's commands are on this machine, and none answers them.
        expect(silent).to_have_count(1)
    tab.goto(f"{page.root}/connect")
    tab.locator("summary", has_text="on this computer again").click()
    tab.get_by_role("button", name="Compute on this computer again").click()
    expect(tab.locator(".computer")).to_have_text("this computer")
    assert not (page.folder / "segmake.place").exists() and Path(proposed).is_dir()


def test_a_question_can_be_left_and_one_of_another_page_is_not_answered(
    tab: Any,
    page: Page,
    over_there: Server,
    shared: Path,
) -> None:
    over_there.start()
    name_computer(tab, page, over_there, shared / ".venv/bin/segmake")
    tab.get_by_role("button", name="Connect", exact=True).click()
    key = asked(tab, "fingerprint").locator("[name=question]").input_value()
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in tab.context.cookies())
    visitor = Visitor(page, cookie)
    answer = {"question": key, "agreed": "yes"}
    assert visitor.post("/answer", answer)[0] == 403
    own = {**answer, "csrf": visitor.csrf()}
    assert visitor.post("/answer", own, Origin="http://evil.example")[0] == 403
    assert Visitor(page).ask("/question")[0] == 403
    assert visitor.post("/answer", {**own, "question": "other", "back": "//evil.example"})[0] == 303
    expect(asked(tab, "fingerprint").locator("[name=question]")).to_have_value(key)
    agreed(tab, "fingerprint")
    agreed(tab, "Password for", "I'd rather not")
    expect(tab.locator(".errand .problem")).to_contain_text("SM-PAG-032")
    assert not (page.folder / "segmake.place").exists()
    # It is asked again as soon as somebody wants it, with what else may go wrong; what was typed need not be again.
    expect(tab.locator("#host")).to_have_value(over_there.host)
    expect(tab.locator("#segmake")).to_have_value(str(shared / ".venv/bin/segmake"))
    tab.locator("#segmake").fill("/nothing/segmake")
    tab.get_by_role("button", name="Connect", exact=True).click()
    typed(tab, "Password for", PASSWORD)
    agreed(tab, "public half", "No")
    expect(tab.locator(".errand .problem")).to_contain_text("SM-REM-040")


def test_it_works_without_javascript_in_french(
    browser: Any,
    page: Page,
    over_there: Server,
    shared: Path,
) -> None:
    over_there.permit(make_key())
    over_there.start()
    with browser.new_context(java_script_enabled=False, locale="fr") as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/")
        tab.get_by_role("button", name="Français").click()
        tab.get_by_role("link", name="Connexion").first.click()
        tab.locator("#site").fill(f"login: {{host: 127.0.0.1:{over_there.port}}}\n")
        tab.locator("summary", has_text="Dossier et programme").click()
        tab.locator("#segmake").fill(f"{shared}/.venv/bin/segmake")
        tab.locator("#folder").fill("~/ici")
        tab.get_by_role("button", name="Se connecter").click()
        # The page looks again by itself while something is being done.
        asked(tab, "Votre nom d'utilisateur").locator("#answer").fill(over_there.user.name)
        tab.get_by_role("button", name="Répondre", exact=True).click()
        asked(tab, "empreinte").get_by_role("button", name="Oui").click()
        expect(tab.locator(".seen")).to_contain_text("y sera envoyée au démarrage")
        assert read_place(page.folder).folder == f"{over_there.user.home}/ici"


@pytest.mark.parametrize("language", ["English", "Français"])
def test_axe_finds_nothing_where_something_is_asked(
    tab: Any,
    page: Page,
    over_there: Server,
    language: str,
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    over_there.start()
    tab.get_by_role("button", name=language).click()
    tab.goto(f"{page.root}/connect")
    for scheme, width, path in (("light", 1300, "connect"), ("dark", 360, "connect")):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(f"{page.root}/{path}")
        assert violations(axe, tab) == []
    tab.locator("#host").fill(over_there.host)
    tab.locator("button[value=set_up]").click()
    asked(tab, "127.0.0.1")
    tab.set_viewport_size({"width": 360, "height": 800})
    assert violations(axe, tab) == []
    tab.locator("button[name=agreed][value=yes]").click()
    tab.locator("#answer").wait_for()
    tab.emulate_media(color_scheme="light")
    assert violations(axe, tab) == []
