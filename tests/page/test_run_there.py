"""A run at another computer from the page, over a real OpenSSH server that goes away, as does the page's own."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from segmake.places.place import PART
from segmake.remote.remembered import PlaceFile, write_place
from tests.page.browser import Page, make_experiment, served
from tests.page.conftest import PATIENCE_MS
from tests.page.test_run import OVER, STATE, show_plan, start
from tests.projects import draw_image
from tests.ssh.conftest import make_key, one_server, server  # noqa: F401
from tests.ssh.server import Server
from tests.ssh.server import why_not as no_server

pytestmark = pytest.mark.skipif(no_server() is not None, reason=str(no_server()))

# Long enough to be cut.
MANY_BYTES = 80_000_000


@pytest.fixture
def experiment(server: Server, tmp_path: Path) -> Path:  # noqa: F811
    """An experiment on the laptop, with one large image that is damaged, and where it is computed."""
    server.permit(make_key())
    server.start(methods="publickey", segmake=True)
    key = (server.folder / "host_key.pub").read_text()
    (tmp_path / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {key}")
    images = tmp_path / "my images"
    for number in (1, 2):
        draw_image(images / f"été {number}.tif", number, seed=number)
    (images / "broken.tif").write_bytes(b"II*\0" + os.urandom(MANY_BYTES))
    for image in images.iterdir():
        # Long ago: else they may be growing.
        os.utime(image, (1.7e9, 1.7e9))
    folder = make_experiment(tmp_path / "growth", images, **{"segmentation.engine": "threshold"})
    there = server.user.home / tmp_path.name
    write_place(folder, PlaceFile(server.host, str(there), f"{sys.prefix}/bin/segmake"))
    return folder


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.01)


def opened(tab: Any, page: Page, step: str) -> None:
    tab.goto(page.address)
    tab.wait_for_url(f"{page.root}/")
    tab.goto(f"{page.root}/{step}")


def test_a_round_at_another_computer_whatever_goes_away(
    browser: Any,
    server: Server,  # noqa: F811
    experiment: Path,
) -> None:
    there = server.user.home / experiment.parent.name
    with browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        with served(experiment) as page:
            opened(tab, page, "start")
            card = tab.locator("section[aria-labelledby=h-send]")
            expect(card).to_contain_text("3 files are new or changed (80")
            assert not any(there.rglob("*.tif"))
            # Without waiting for the answer, which waits a little itself.
            tab.evaluate("document.querySelector('button[value=send]').click()")
            # The other computer goes away in the middle of a file, and comes back.
            until(lambda: any(there.rglob(f"*{PART}*")), "the file")
            server.stop()
            tab.locator(".errand .said", has_text="is lost").wait_for()
            server.start(methods="publickey", segmake=True)
            tab.locator("section.plan").wait_for()
            (sent,) = there.glob("sent/**/broken.tif")
            assert sent.stat().st_size == MANY_BYTES + 4 and not any(there.rglob(f"*{PART}*"))
            show_plan(tab, page)
            will_fail = tab.locator("section[aria-labelledby=h-fail]")
            assert "broken.tif" in will_fail.inner_text()
            start(tab)
            tab.locator(STATE, has_text="The run is").wait_for()
            page.process.kill()
        # A page that is opened again says what is true.
        with served(experiment) as page:
            opened(tab, page, "follow")
            expect(tab.locator(STATE)).to_have_text(OVER["en"])
            assert "2\ndone\n1\nfailed" in tab.locator(".state .tiles").inner_text()
            results = experiment / "results"
            assert not (results / "report.html").exists()
            tab.get_by_label("masks").check()
            tab.locator("button[value=fetch]").click()
            tab.locator(".errand .said", has_text="The results are in").wait_for()
            assert len(list((results / "masks").rglob("*.tif"))) == 2
            assert not (results / "overlays").exists()
            with tab.expect_popup() as popup:
                tab.get_by_role("link", name="Open the report").click()
            expect(popup.value.locator("html")).to_have_class("js")
            # While nobody can be asked, what was known stays, with why nothing newer is.
            server.stop()
            tab.locator(".state .problem", has_text="SM-SSH-").wait_for()
            assert tab.locator(STATE).inner_text() == OVER["en"]
            server.start(methods="publickey", segmake=True)
            tab.locator(".state .problem").wait_for(state="detached")
            tab.goto(f"{page.root}/start")
            tab.locator("section.plan").wait_for()
            assert "1 image to compute" in tab.locator("#h-plan").inner_text()
    shutil.rmtree(there, ignore_errors=True)
