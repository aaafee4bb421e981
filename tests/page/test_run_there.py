"""A run at another computer from the page, over a real OpenSSH server that goes away, as does the page's own."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from segmake.places.place import PART
from segmake.remote.remembered import PlaceFile, write_place
from tests.disks import remount, small_disk
from tests.page.browser import Page, make_experiment, served
from tests.page.conftest import PATIENCE_MS
from tests.page.patience import until
from tests.page.test_attacks import Visitor
from tests.page.test_run import OVER, STATE, show_plan, start, wait_for_plan
from tests.projects import draw_image
from tests.ssh.conftest import make_key, server  # noqa: F401
from tests.ssh.copies import Network, network
from tests.ssh.server import Server
from tests.ssh.server import why_not as no_server

pytestmark = pytest.mark.skipif(no_server() is not None, reason=str(no_server()))

# Long enough to be cut.
MANY_BYTES = 20_000_000

# A laptop that wakes up shows the window again.
WOKEN = "document.dispatchEvent(new Event('visibilitychange'))"

TOO_WIDE = """[...document.querySelectorAll('main *')].map(e => [e.getBoundingClientRect().right, e])
    .filter(([right]) => right > innerWidth).map(([right, e]) => `${right} ${e.outerHTML.slice(0, 200)}`)"""


@pytest.fixture
def between(server: Server) -> Iterator[Network]:  # noqa: F811
    """What lies between the laptop and the server."""
    with network(server.port) as made:
        yield made


@pytest.fixture
def experiment(server: Server, between: Network, tmp_path: Path) -> Path:  # noqa: F811
    """An experiment on the laptop, with one large image that is damaged, and where it is computed."""
    server.permit(make_key())
    server.start(methods="publickey", segmake=True)
    key = (server.folder / "host_key.pub").read_text()
    (tmp_path / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{between.port} {key}")
    images = tmp_path / "my images"
    for number in (1, 2):
        draw_image(images / f"été {number}.tif", number, seed=number)
    (images / "broken.tif").write_bytes(b"II*\0" + os.urandom(MANY_BYTES))
    for image in images.iterdir():
        # Long ago: else they may be growing.
        os.utime(image, (1.7e9, 1.7e9))
    folder = make_experiment(tmp_path / "growth", images, **{"segmentation.engine": "threshold"})
    there = server.user.home / tmp_path.name
    host = f"{server.user.name}@127.0.0.1:{between.port}"
    write_place(folder, PlaceFile(host, str(there), f"{sys.prefix}/bin/segmake"))
    return folder


def opened(tab: Any, page: Page, step: str) -> None:
    tab.goto(page.address)
    tab.wait_for_url(f"{page.root}/")
    tab.goto(f"{page.root}/{step}")


def listed_and_again(tab: Any, page: Page, there: Path) -> None:
    """See that the list of experiments says how far the run is, and whose lies beside it; and what the run had set."""
    beside = there.with_name("of a colleague") / "config"
    beside.mkdir(parents=True)
    (beside / "config.yaml").write_text("images: {folder: images}\n")
    tab.goto(f"{page.root}/experiments")
    expect(tab.locator(".experiments").first).to_contain_text("images: 2 of 3, 1 failed · as of")
    others = tab.locator("section[aria-labelledby=h-others]")
    expect(others).to_contain_text(str(beside.parent))
    expect(others).to_contain_text("of root")
    expect(tab.locator("section[aria-labelledby=h-computers]")).to_contain_text("127.0.0.1")
    shutil.rmtree(beside.parent)
    page.config.write_text(page.config.read_text().replace("min_size: 15", "min_size: 21"))
    tab.goto(f"{page.root}/runs")
    # As it is written here: over there the folder of the images is called otherwise.
    expect(tab.locator("td")).to_have_text(["segmentation.min_size", "15", "21"])
    tab.locator("a[href='/runs?run=1']").click()
    tab.locator("form.row button.main").click()
    tab.wait_for_url("**/file?taken=1")
    assert "min_size: 15" in page.config.read_text()
    tab.goto(f"{page.root}/follow")


def test_the_list_of_experiments_asks_for_no_password(
    server: Server,  # noqa: F811
    experiment: Path,
) -> None:
    server.stop()
    server.start(methods="password", segmake=True)
    with served(experiment) as page:
        owner = Visitor(page, page.cookie())
        assert owner.ask("/experiments")[0] == 200
        until(lambda: "SM-PAG-070" in owner.ask("/experiments/now")[1], "what is wrong")


def test_a_round_at_another_computer_whatever_goes_away(
    browser: Any,
    server: Server,  # noqa: F811
    between: Network,
    experiment: Path,
) -> None:
    there = server.user.home / experiment.parent.name
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        with served(experiment) as page:
            opened(tab, page, "start")
            card = tab.locator("section[aria-labelledby=h-send]")
            expect(card).to_contain_text("3 files are new or changed (20")
            assert not any(there.rglob("*.tif"))
            between.left = MANY_BYTES / 4
            tab.locator("button[value=send]").click()
            # The other computer goes away in the middle of a file, and comes back.
            until(lambda: between.left < 0, "the file")
            until(lambda: any(there.rglob(f"*{PART}*")), "its part")
            server.stop()
            between.left = math.inf
            between.go_on()
            tab.locator(".errand", has_text="is lost").wait_for()
            server.start(methods="publickey", segmake=True)
            tab.locator("section.plan").wait_for()
            (sent,) = there.glob("sent/**/broken.tif")
            assert sent.stat().st_size == MANY_BYTES + 4 and not any(there.rglob(f"*{PART}*"))
            show_plan(tab, page)
            will_fail = tab.locator("section[aria-labelledby=h-fail]")
            expect(will_fail).to_contain_text("broken.tif")
            start(tab)
            tab.locator(STATE, has_text="The run is").wait_for()
            page.process.kill()
        # A page that is opened again says what is true.
        with served(experiment) as page:
            opened(tab, page, "follow")
            expect(tab.locator(STATE)).to_have_text(OVER["en"])
            expect(tab.locator(".state .tiles")).to_contain_text("2 done 1 failed")
            results = experiment / "results"
            assert not (results / "report.html").exists()
            tab.get_by_label("masks").check()
            tab.locator("button[value=fetch]").click()
            fetched = tab.locator("[data-errand=fetch][data-over=true] .said")
            expect(fetched).to_contain_text("The results are in")
            tab.wait_for_load_state("load")
            assert len(list((results / "masks").rglob("*.tif"))) == 2
            assert not (results / "overlays").exists()
            tab.set_viewport_size({"width": 360, "height": 800})
            until(lambda: tab.evaluate("innerWidth") == 360, "the smaller window")
            assert tab.evaluate(TOO_WIDE) == []
            assert tab.evaluate("document.documentElement.scrollWidth") == 360
            with tab.expect_popup() as popup:
                tab.get_by_role("link", name="Open the report").click()
            expect(popup.value.locator("html")).to_have_class("js")
            listed_and_again(tab, page, there)
            # While nobody can be asked, what was known stays, with why nothing newer is.
            server.stop()
            tab.evaluate(WOKEN)
            tab.locator(".state .problem", has_text="SM-SSH-").wait_for()
            expect(tab.locator(STATE)).to_have_text(OVER["en"])
            server.start(methods="publickey", segmake=True)
            tab.evaluate(WOKEN)
            tab.locator(".state .problem").wait_for(state="detached")
            tab.goto(f"{page.root}/start")
            expect(tab.locator("#h-plan")).to_contain_text("0 images to compute")
            # What somebody has edited over there is shown, and kept beside what is sent all the same.
            copy = there / "config" / "config.yaml"
            copy.write_text(copy.read_text().replace("min_size: 15", "min_size: 16"))
            page.config.write_text(page.config.read_text().replace("min_size: 15", "min_size: 17"))
            tab.goto(f"{page.root}/start")
            tab.locator("button[value=send]").click()
            told = tab.locator("section[aria-labelledby=h-not]")
            for words in ("SM-REM-006", "min_size: 16"):
                expect(told).to_contain_text(words)
            told.get_by_role("button").click()
            expect(told).to_have_count(0)
            wait_for_plan(tab)
            assert "min_size: 17" in copy.read_text()
            kept = [path for path in copy.parent.iterdir() if path != copy]
            assert any("min_size: 16" in path.read_text() for path in kept)
    shutil.rmtree(there, ignore_errors=True)


def test_a_disk_over_there_that_fills_up_while_it_is_sent(
    browser: Any,
    server: Server,  # noqa: F811
    between: Network,
    experiment: Path,
) -> None:
    there = server.user.home / experiment.parent.name
    with small_disk(there, "8m"), browser.new_context() as context, served(experiment) as page:
        shutil.chown(there, server.user.name)
        # It sees the disks that were there when it started.
        server.stop()
        server.start(methods="publickey", segmake=True)
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        opened(tab, page, "start")
        send, told = tab.locator("button[value=send]"), tab.locator("main .problem")
        again = tab.get_by_role("button", name="Look again")
        # That there is too little room is told before anything is sent.
        send.click()
        expect(told).to_contain_text("SM-SSH-016")
        assert not any(there.rglob("*.tif"))
        remount(there, "size=40m")
        again.click()
        # Somebody else takes the room while it is sent.
        between.left = MANY_BYTES / 4
        send.click()
        until(lambda: between.left < 0, "the file")
        remount(there, f"size={MANY_BYTES * 3 // 4}")
        between.left = math.inf
        between.go_on()
        expect(told).to_contain_text("SM-SSH-021")
        expect(told).to_contain_text("is full")
        # What can be done next is there, and what has arrived is not sent again.
        remount(there, "size=40m")
        between.left = 2 * MANY_BYTES
        again.click()
        send.click()
        tab.locator("section.plan").wait_for()
        assert 2 * MANY_BYTES - between.left < MANY_BYTES
        (sent,) = there.glob("sent/**/broken.tif")
        assert sent.stat().st_size == MANY_BYTES + 4 and not any(there.rglob(f"*{PART}*"))
