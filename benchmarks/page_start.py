"""How long the page takes to start, and to answer on a folder of ten thousand images.

    python benchmarks/page_start.py [--images 10000]

The real page, asked as a browser asks it. The images are one small TIFF under many names: what is measured is what the
page does with their number. Its start is measured five times, and the middle one is told.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.page.browser import Page, make_experiment, served  # noqa: E402
from tests.projects import draw_image  # noqa: E402

_TIMES = 5


class Asked:
    """A page, and the cookie of who asks it."""

    def __init__(self, page: Page) -> None:
        self._page, self._cookie = page, page.cookie()

    def get(self, path: str) -> tuple[float, bytes]:
        """Return how many seconds an answer takes, and the answer."""
        began = time.monotonic()
        request = Request(f"{self._page.root}{path}", headers={"Cookie": self._cookie})
        with urlopen(request) as answer:
            content = answer.read()
        return time.monotonic() - began, content


def say(what: str, seconds: float, size: int | None = None) -> None:
    """Print a row of the table."""
    print(f"| {what} | {seconds:.2f} s | {f'{size / 1000:.0f} kB' if size else '-'} |", flush=True)


def start(experiment: Path, **variables: str) -> None:
    """Measure the start: until the address is printed, and until the first page has come."""
    addresses, pages = [], []
    for _ in range(_TIMES):
        began = time.monotonic()
        with served(experiment, **variables) as page:
            addresses.append(time.monotonic() - began)
            Asked(page).get("/")
            pages.append(time.monotonic() - began)
    say("start, until the browser is sent there", statistics.median(addresses))
    say("start, until the first page is there", statistics.median(pages))


def look(experiment: Path, number: int, **variables: str) -> None:
    """Measure what the steps answer while many images are looked at, and afterwards."""
    for when in ("new images", "the same, page started anew"):
        with served(experiment, **variables) as page:
            asked, began, longest = Asked(page), time.monotonic(), 0.0
            # What a window asks that stays on the step.
            while True:
                seconds, content = asked.get("/images")
                longest = max(longest, seconds)
                if b"data-again" not in content:
                    break
                time.sleep(1.5)
            say(f"{when}: all {number} looked at", time.monotonic() - began)
            say("Images meanwhile, the slowest answer", longest, len(content))
            parts = int(re.findall(rb"part 1 of (\d+)", content)[0])
            for path in ("/images", f"/images?part={parts}", "/images?filter=99", "/cells"):
                seconds, content = asked.get(path)
                say(f"`{path}` afterwards", seconds, len(content))


def main() -> None:
    """Make an experiment, and print the table."""
    given = argparse.ArgumentParser()
    given.add_argument("--images", type=int, default=10_000)
    number = given.parse_args().images
    print("| what | seconds | answer |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = folder / "images" / "00001.tif"
        draw_image(first, 2, seed=1)
        os.utime(first, (1.7e9, 1.7e9))
        for each in range(2, number + 1):
            os.link(first, first.with_name(f"{each:05d}.tif"))
        settings = {"segmentation.engine": "threshold"}
        experiment = make_experiment(folder / "growth", first.parent, **settings)
        own = {"XDG_CACHE_HOME": f"{folder}/cache", "XDG_CONFIG_HOME": f"{folder}/settings"}
        own["SEGMAKE_LANG"] = "en"
        start(experiment, **own)
        look(experiment, number, **own)


if __name__ == "__main__":
    main()
