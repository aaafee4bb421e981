"""The pictures of the tutorial with the page: the page of a laptop, whose experiment is computed on the cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator

from tests.docs.pictures.browser import WIDTH, new_tab, shoot_report
from tests.docs.pictures.commands import name_of
from tests.docs.pictures.images import save
from tests.docs.pictures.stage import HOST, LAPTOP, PASSWORD, SEGMAKE, SHARED, USER
from tests.projects import ROOT

HOME = Path("/home/jane")
PATIENCE_MS = 150_000

# Paths of this machine are those of the docs; what stays at the window's edge would hide what is behind it.
_PREPARE = """([here, shown]) => {
    document.querySelectorAll(".save").forEach(e => { e.style.position = "static"; });
    const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (all.nextNode()) all.currentNode.data = all.currentNode.data.replaceAll(here, shown);
    document.querySelectorAll("input").forEach(e => {
        if (e.type === "text") e.value = e.value.replaceAll(here, shown); });
}"""


class Laptop:
    """A laptop of jane's, which has a home of its own and SegMake."""

    def __init__(self, language: str) -> None:
        self.language = language
        # Each language begins with nothing.
        shutil.rmtree(LAPTOP)
        (LAPTOP / "jane").mkdir(parents=True)

    def words(self, *command: str) -> list[str]:
        """Return a command as it is run on the laptop."""
        # Without the networks, as on a laptop to which only what is needed there was installed.
        networks = str(ROOT / ".environments")
        script = 'mount --bind "$0" /home && mount -t tmpfs tmpfs "$1" && shift && cd /home/jane && exec "$@"'
        return ["unshare", "--mount", "bash", "-c", script, str(LAPTOP), networks, *command]

    @property
    def variables(self) -> dict[str, str]:
        """The variables of a shell on it."""
        own = {"HOME": str(HOME), "SEGMAKE_LANG": self.language, "LANG": "C.UTF-8"}
        return {
            **own,
            "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT / "workflow"),
        }

    def run(self, *command: str) -> None:
        """Run a command in jane's home."""
        subprocess.run(
            self.words(*command), env=self.variables, check=True, stdout=subprocess.DEVNULL
        )

    @contextmanager
    def page(self, experiment: str) -> Iterator[str]:
        """Serve the page of an experiment, and give its address."""
        command = self.words(sys.executable, "-m", "segmake", "page", experiment, "--no-browser")
        process = subprocess.Popen(
            command, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert process.stdout
            said = process.stdout.readline()
            found = re.search(r"http://\S+", said)
            assert found, said
            yield found[0]
        finally:
            process.terminate()
            process.wait(timeout=60)


def take(folder: Path, language: str) -> None:
    """Walk the tutorial with the page, and take a picture of each step."""
    take_new(folder, language)
    laptop = Laptop(language)
    laptop.run("segmake", "new", "growth", "--example", "phase")
    with laptop.page("growth") as address, new_tab() as tab:
        _Walk(tab, folder, language).all(address)


def take_new(folder: Path, language: str) -> None:
    """Take the picture of a new experiment."""
    laptop = Laptop(language)
    laptop.run("segmake", "demo-data", "microscope")
    with laptop.page(".") as address, new_tab() as tab:
        tab.goto(address)
        tab.wait_for_url("**/experiments")
        tab.locator("#name").fill("mine")
        tab.locator("#images").fill("/home/jane/microscope/fluorescence")
        form = tab.locator("form", has=tab.locator("#name"))
        _Walk(tab, folder, language).shot("new", form, most=1000)


class _Walk:
    """A person who goes through the steps."""

    def __init__(self, tab: Any, folder: Path, language: str) -> None:
        self.tab, self.folder, self.language = tab, folder, language
        tab.set_default_timeout(PATIENCE_MS)
        tab.emulate_media(color_scheme="light", reduced_motion="reduce")

    def shot(self, name: str, first: Locator, last: Locator | None = None, most: int = 900) -> None:
        """Take a picture of the page from the top of one element to the bottom of another."""
        self.tab.evaluate(_PREPARE, [SEGMAKE, SHARED])
        begin, end = first.bounding_box(), (last or first).bounding_box()
        assert begin and end
        # Boxes are counted from the window's top, the picture from the page's.
        above = self.tab.evaluate("scrollY")
        top = max(begin["y"] + above - 14, 0)
        height = min(end["y"] + above + end["height"] + 14 - top, most)
        clip = {"x": 0, "y": top, "width": WIDTH, "height": height}
        png = self.tab.screenshot(full_page=True, clip=clip)
        save(png, self.folder / name_of(f"page-{name}", self.language, "png"))

    def all(self, address: str) -> None:
        """Go through all steps."""
        tab = self.tab
        tab.goto(address)
        root = address.partition("/?")[0]
        tab.wait_for_url(f"{root}/")
        self.shot("home", tab.locator("header").first, tab.locator("main"), 640)
        self.connect(root)
        tab.goto(f"{root}/images")
        tab.locator("#form:not([data-again])").wait_for()
        tab.locator(".tiles li").first.wait_for()
        tab.wait_for_load_state("networkidle")
        self.shot("images", tab.locator("header").first, tab.locator(".tiles"), 900)
        self.cells(root)
        self.compute(root)

    def connect(self, root: str) -> None:
        """Connect to the cluster, and answer what it asks."""
        tab = self.tab
        tab.goto(f"{root}/connect")
        tab.locator("#host").fill(f"{USER}@{HOST}")
        tab.locator("details.more summary").last.click()
        tab.locator("#segmake").fill(f"{SEGMAKE}/.venv/bin/segmake")
        form = tab.locator("section[aria-labelledby=h-other]")
        self.shot("connect", form, most=1100)
        tab.locator("#segmake").fill(f"{SEGMAKE}/.venv/bin/segmake")
        tab.locator("button[value=set_up]").click()
        question = tab.locator(".question")
        question.wait_for()
        self.shot("fingerprint", question)
        self.answer("yes")
        tab.locator(".question input[type=password]").wait_for()
        self.shot("password", question)
        # The password, then: may the key be put in, no passphrase, the folder that is proposed.
        self.answer(PASSWORD)
        while True:
            tab.locator(".question, section[aria-labelledby=h-now] a.button.main").first.wait_for()
            if not question.count():
                break
            self.answer(None)
        tab.locator("button[value=try]").click()
        tab.locator(".seen").wait_for()
        tab.locator("section[aria-labelledby=h-now] a.button.main").wait_for()
        self.shot("connected", tab.locator("section[aria-labelledby=h-now]"))

    def answer(self, text: str | None) -> None:
        """Answer the question that stands, or take what is proposed."""
        question = self.tab.locator(".question").first
        key = question.locator("input[name=question]").input_value()
        field = question.locator("input[name=answer]")
        if field.count() and text is not None:
            field.fill(text)
        question.locator("button").first.click()
        self.tab.locator(f".question input[name=question][value='{key}']").wait_for(
            state="detached"
        )

    def cells(self, root: str) -> None:
        """Find the cells of one picture."""
        tab = self.tab
        tab.goto(f"{root}/cells")
        tab.locator("button[name=pick]").nth(1).click()
        tab.locator("#picture").wait_for()
        tab.wait_for_load_state("networkidle")
        tab.locator("button[value=try]").click()
        tab.locator("[data-trial-words] strong").wait_for()
        tab.wait_for_timeout(1500)
        self.shot(
            "cells", tab.locator("section[aria-labelledby=h-images]"), tab.locator(".bench"), 960
        )

    def compute(self, root: str) -> None:
        """Start the run, follow it, and take its results home."""
        tab = self.tab
        tab.goto(f"{root}/start")
        send = tab.locator("button[value=send]")
        send.or_(tab.locator("section.plan")).first.wait_for()
        if send.count():
            self.shot("send", tab.locator("section[aria-labelledby=h-send]"))
            send.click()
        tab.locator("section.plan").wait_for()
        tab.wait_for_load_state("load")
        tab.locator("button[value=start]").wait_for()
        self.shot("start", tab.locator("section.plan").first, most=900)
        tab.locator("button[value=start]").click()
        tab.wait_for_url("**/follow")
        tab.locator(".state.running progress").wait_for()
        self.shot("running", tab.locator("h1"), tab.locator("[data-part=actions]"))
        tab.locator(".state.ended").wait_for()
        tab.goto(f"{root}/follow")
        home = tab.locator("section[aria-labelledby=h-home]")
        home.wait_for()
        for name in ("masks", "rois"):
            home.locator(f"input[name={name}]").check()
        self.shot("over", tab.locator("h1"), home, 1100)
        home.locator("button[value=fetch]").click()
        tab.locator("a[href='/results/report.html']").wait_for()
        tab.wait_for_timeout(3000)
        with tab.expect_popup() as opened:
            tab.locator("a[href='/results/report.html']").click()
        opened.value.wait_for_load_state()
        shoot_report(opened.value, self.folder / name_of("page-report", self.language, "png"))
