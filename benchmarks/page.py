"""What a first run and a daily run ask of somebody who uses the page: clicks, fields, decisions; and of the machine.

    python benchmarks/page.py          (root, on Debian: a user, an OpenSSH server and Chromium are real)

A program does with the real page in a real browser what a person does who has no experiment yet, once with all on this
computer, and once with the run on another one, behind a real OpenSSH server of this machine that asks for a password;
SegMake is installed there. Each click and each field that is filled in is counted. A decision is a click or a field
whose answer a person has to find out or to think about: it is marked as such below. The seconds are those of the
machine alone, in which a person would wait: a person's own time, for reading and deciding, is not in them.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from playwright.sync_api import expect, sync_playwright  # noqa: E402
from tests.page.browser import install, served  # noqa: E402
from tests.page.patience import settled  # noqa: E402
from tests.page.test_run import wait_for_plan  # noqa: E402
from tests.ssh.server import PASSWORD, Server  # noqa: E402
from tests.ssh.server import server as ssh_server  # noqa: E402

from segmake.demo.synthetic import write_demo_images  # noqa: E402

_LONG_MS = 300_000


@dataclass
class Person:
    """Somebody before a window, who counts what they do."""

    tab: Any
    clicks: int = 0
    fields: int = 0
    decisions: int = 0

    def click(self, found: Any, *, decides: bool = False) -> None:
        found.click()
        self.clicks += 1
        self.decisions += decides

    def fill(self, found: Any, text: str, *, decides: bool = True) -> None:
        found.fill(text)
        self.fields += 1
        self.decisions += decides

    def button(self, name: str, *, decides: bool = False) -> None:
        self.click(self.tab.get_by_role("button", name=name).first, decides=decides)

    def link(self, name: str | re.Pattern[str], *, decides: bool = False) -> None:
        self.click(self.tab.get_by_role("link", name=name).first, decides=decides)


@contextmanager
def told(what: str, person: Person) -> Iterator[None]:
    """Write down what was done meanwhile, as a row of the table."""
    person.clicks = person.fields = person.decisions = 0
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    print(
        f"| {what} | {person.clicks} | {person.fields} | {person.decisions} | {seconds:.0f} s |",
        flush=True,
    )


def make_and_choose(person: Person, home: Path) -> None:
    """Make an experiment of a folder of images, and choose how cells are found on one of them."""
    tab = person.tab
    person.fill(tab.get_by_label("Its name"), "growth")
    person.button("Choose... – The folder of the images")
    person.link(home.name)
    person.link("pictures", decides=True)
    person.link("Take pictures")
    person.button("Make the experiment")
    tab.locator("nav a[href='/cells']").wait_for()
    person.click(tab.locator("nav a[href='/cells']"))
    tab.wait_for_url("**/cells*")
    settled(tab)
    tab.locator("#picture").wait_for()
    person.click(tab.locator("[name=card][value='threshold/']"), decides=True)
    person.button("Find the cells")
    tab.locator("[data-trial-words] strong", has_text=re.compile("cells found")).wait_for()
    person.button("Save", decides=True)
    tab.locator("#outcome .good").wait_for()


def connect(person: Person, server: Server) -> None:
    """Make the other computer known, with its password, once."""
    tab = person.tab

    def asked(words: str) -> Any:
        question = tab.locator(".question", has_text=words)
        question.wait_for()
        return question

    person.click(tab.locator("nav a[href='/connect']"))
    person.fill(tab.locator("#host"), server.host)
    person.click(tab.locator("summary", has_text="Folder and program"))
    person.fill(tab.locator("#segmake"), f"{sys.prefix}/bin/segmake")
    person.click(tab.get_by_role("button", name="Connect", exact=True))
    person.click(asked("fingerprint").get_by_role("button", name="Yes", exact=True), decides=True)
    person.fill(asked("Password for").locator("#answer"), PASSWORD)
    person.click(asked("Password for").get_by_role("button", name="Answer"))
    person.click(asked("public half").get_by_role("button", name="Yes", exact=True), decides=True)
    person.click(asked("passphrase").get_by_role("button", name="Answer"), decides=True)
    person.click(asked("The folder on that computer").get_by_role("button", name="Answer"))
    tab.locator(".computer", has_text=server.host).wait_for()


def run(person: Person, *, sends: bool, images: int) -> None:
    """Start a run, and open its report once so many images are done."""
    tab = person.tab
    person.click(tab.locator("nav a[href='/start']"))
    if sends:
        person.click(tab.locator("button[value=send]").last)
    wait_for_plan(tab)
    profile = tab.locator("select[name=profile]")
    if profile.count() and profile.input_value() != "local":
        # Slurm's programs are here, and no cluster answers them.
        profile.select_option("local")
        tab.locator("button[name=do][value=look]").nth(1).click()
        wait_for_plan(tab, local=True)
    person.click(tab.locator("button[value=start]"), decides=True)
    tab.wait_for_url("**/follow")
    # What was computed and taken home before is shown, too.
    expect(tab.locator(".state .tiles")).to_contain_text(f"{images} done 0 left")
    expect(tab.locator("#h-state")).to_have_text("The run is over")
    if sends:
        with tab.expect_navigation():
            person.click(tab.locator("button[value=fetch]"))
        fetched = tab.locator("[data-errand=fetch][data-over=true] .said")
        expect(fetched).to_contain_text("The results are in")
    with tab.expect_popup() as report:
        person.link("Open the report")
    report.value.locator("h1").first.wait_for()


def rounds(browser: Any, home: Path, server: Server | None) -> None:
    """Do a first run and a daily run."""
    where = "another computer" if server else "this computer"
    number = len(list((home / "pictures").iterdir()))
    with served(home, "--idle", "5", HOME=str(home), SEGMAKE_LANG="en") as page:
        tab = browser.new_context(viewport={"width": 1400, "height": 950}).new_page()
        tab.set_default_timeout(_LONG_MS)
        person = Person(tab)
        with told(f"first run, {where}", person):
            tab.goto(page.address)
            make_and_choose(person, home)
            if server:
                connect(person, server)
            run(person, sends=server is not None, images=number)
        new = sorted((home / "pictures").iterdir())[0]
        shutil.copy(new, new.with_name("of today.tif"))
        os.utime(new.with_name("of today.tif"), (1.7e9, 1.7e9))
        with told(f"daily run, {where}", person):
            run(person, sends=server is not None, images=number + 1)
        person.button("End the page")


def main() -> None:
    """Do all rounds, and print the table."""
    print("| what | clicks | fields | of both, decisions | the machine |\n|---|---|---|---|---|")
    expect.set_options(timeout=_LONG_MS)
    with sync_playwright() as driver, ssh_server() as server:
        browser = driver.chromium.launch(executable_path=install(), args=["--no-sandbox"])
        server.start(methods="publickey password", segmake=True)
        for other in (None, server):
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder, "marie")
                drawn = Path(folder, "drawn")
                write_demo_images(drawn)
                (home / "pictures").mkdir(parents=True)
                for image in sorted(drawn.rglob("ecoli*.tif")):
                    shutil.copy(image, home / "pictures")
                    os.utime(home / "pictures" / image.name, (1.7e9, 1.7e9))
                with patch.dict(os.environ, {"HOME": str(home)}):
                    os.environ.pop("SSH_AUTH_SOCK", None)
                    rounds(browser, home, other)
        browser.close()


if __name__ == "__main__":
    main()
