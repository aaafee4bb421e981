"""The real page in a real browser: a server of its own, Debian's Chromium, and axe."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from segmake.core.user_settings import settings_home
from tests.page.patience import PATIENCE_S
from tests.projects import ROOT

# Where whoever runs the tests has settings, which are none of the tests' business.
_REAL_SETTINGS = settings_home()

# Further than any field of a page is from its beginning.
_MANY = 150

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def why_not() -> str | None:
    """Return why no browser can be started here, or None."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    if not program() and not (shutil.which("apt-get") and os.geteuid() == 0):
        return "there is no Chromium here, and it can't be installed"
    return None


def program() -> str | None:
    """Return the browser that is here."""
    return next(filter(None, map(shutil.which, CHROMIUM)), None)


def install() -> str:
    """Return the browser, installed from Debian's packages where it is missing."""
    if not (found := program()):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        patient = ("-o", "DPkg::Lock::Timeout=300", "-y", "-qq", "--no-install-recommends")
        for words in (("update", "-qq"), ("install", *patient, "chromium")):
            subprocess.run(["apt-get", *words], check=True, env=environment, capture_output=True)
        found = str(program())
    return found


@dataclass
class Page:
    """A server at work.

    Attributes
    ----------
    process : Popen
    folder : Path
        Of the experiment.
    address : str
        With the token, which works once.
    """

    process: subprocess.Popen[str]
    folder: Path
    address: str

    @property
    def root(self) -> str:
        """The address without the token."""
        return self.address.partition("/?")[0]

    @property
    def config(self) -> Path:
        """The file that it edits."""
        return self.folder / "config" / "config.yaml"

    def cookie(self) -> str:
        """Let somebody in who is no browser, and return their cookie."""
        with urlopen(Request(self.address)) as answer:
            return answer.headers["Set-Cookie"].partition(";")[0]


@contextmanager
def served(folder: Path, *options: str, **variables: str) -> Iterator[Page]:
    """Serve the page of an experiment, with the settings of the test, or with none; it is ended afterwards."""
    own = {} if settings_home() != _REAL_SETTINGS else {"XDG_CONFIG_HOME": _settings_beside(folder)}
    environment = {**os.environ, **own, "PYTHONPATH": str(ROOT / "workflow"), **variables}
    command = [sys.executable, "-m", "segmake", "page", str(folder), "--no-browser", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        assert process.stdout
        said = process.stdout.readline()
        found = re.search(r"http://\S+", said)
        yield Page(process, folder, found[0] if found else said)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        process.stdout.close()
    noted = _REAL_SETTINGS / "segmake" / "recent.json"
    assert not noted.exists() or str(folder) not in noted.read_text()


def make_experiment(folder: Path, images: Path, language: str = "en", **settings: str) -> Path:
    """Make an experiment by SegMake's own commands, and return its folder."""
    environment = {
        **os.environ,
        **{"PYTHONPATH": str(ROOT / "workflow"), "SEGMAKE_LANG": language},
        # That it was made is noted, and not in the settings of whoever runs the tests.
        "XDG_CONFIG_HOME": _settings_beside(folder),
    }
    segmake = [sys.executable, "-m", "segmake"]
    new = [*segmake, "new", str(folder), "--images", str(images)]
    words = [word for pair in settings.items() for word in pair]
    if settings.get("segmentation.engine") == "threshold":
        networks = ("model", "flow_threshold", "cellprob_threshold")
        words += ["--default", *(f"segmentation.{name}" for name in networks)]
    for command in (new, [*segmake, "set", "--configfile", f"{folder}/config/config.yaml", *words]):
        subprocess.run(command, check=True, env=environment, capture_output=True)
    return folder


def _settings_beside(folder: Path) -> str:
    return str(folder.with_name("settings"))


def unfold(tab: Any) -> None:
    """Open all that is folded up."""
    tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")


def violations(axe: Any, tab: Any) -> list[tuple[str, str]]:
    """Return what axe finds, and that the page is wider than the screen."""
    unfold(tab)
    found = axe.run(tab).response["violations"]
    screen = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    wide = [] if screen[0] <= screen[1] else [("wide", str(screen))]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found] + wide


class Keys:
    """Somebody without a mouse."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    def reach(self, wanted: str) -> None:
        """Go on by Tab until an element has the focus, and see that this can be seen."""
        self.tab.wait_for_load_state("load")
        for _ in range(_MANY):
            self.tab.keyboard.press("Tab")
            if self.tab.evaluate("wanted => document.activeElement?.matches(wanted)", wanted):
                style = "getComputedStyle(document.activeElement).outlineStyle"
                assert self.tab.evaluate(style) != "none", (
                    f"nobody sees that {wanted} has the focus"
                )
                return
        raise AssertionError(f"{wanted} can't be reached by the keyboard")

    def press(self, wanted: str, key: str = "Enter") -> None:
        """Press a key on an element."""
        self.reach(wanted)
        self.tab.keyboard.press(key)

    def type(self, wanted: str, text: str) -> None:
        """Type a text into a field, in place of what stands there."""
        self.reach(wanted)
        self.tab.keyboard.press("ControlOrMeta+a")
        self.tab.keyboard.type(text)
