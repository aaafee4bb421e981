"""A real server and a real browser for the tests of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.page.browser import Page, install, make_experiment, served, why_not
from tests.page.slowness import as_slow_as_wanted

# How long is waited on a machine that has much else to do.
PATIENCE_MS = 90_000

# A disc of this diameter and a rod of these sides, in pixels, whose middles are known.
DISC, ROD = 24, (60, 14)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of one round cell and of one rod, and one of two channels whose name is no easy one."""
    folder = tmp_path_factory.mktemp("page") / "images"
    folder.mkdir()
    noise = np.random.default_rng(1).normal(300, 8, (200, 240))
    rows, columns = np.indices(noise.shape)
    disc = (rows - 80) ** 2 + (columns - 90) ** 2 <= (DISC / 2) ** 2
    rod = (abs(rows - 150) <= ROD[1] / 2) & (abs(columns - 120) <= ROD[0] / 2)
    plane = np.where(disc | rod, 3000, noise).astype(np.uint16)
    size = {"resolution": (1 / 0.1, 1 / 0.1), "metadata": {"axes": "YX", "unit": "um"}}
    tifffile.imwrite(folder / "a.tif", plane, imagej=True, **size)
    two = np.stack([plane, plane[::-1]])
    labels = {"axes": "CYX", "Labels": ["Phase", "GFP"]}
    tifffile.imwrite(folder / "<b> & 'c'.tif", two, imagej=True, metadata=labels)
    (folder / "broken.tif").write_bytes(b"II*\0")
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """An experiment as `segmake new` makes it."""
    folder = tmp_path_factory.mktemp("made") / "growth"
    return make_experiment(folder, images, **{"segmentation.engine": "threshold"})


@pytest.fixture
def experiment(tmp_path: Path, made: Path) -> Path:
    """An experiment of its own for each test."""
    return shutil.copytree(made, tmp_path / "growth")


# Of this folder alone: what other tests of the same process find in the user's home is theirs.
@pytest.fixture(scope="package", autouse=True)
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Look at each picture once in all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        yield


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the page remembers of this user out of the real one's settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own settings"))


@pytest.fixture
def page(experiment: Path) -> Iterator[Page]:
    """The page of an experiment."""
    with served(experiment) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; while it is there, nothing else in this process can have a loop of asyncio."""
    if reason := why_not():
        pytest.skip(f"no browser: {reason}")
    program = install()
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        found = as_slow_as_wanted(
            driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        )
        yield found
        found.close()


@pytest.fixture
def tab(browser: Any, page: Page) -> Iterator[Any]:
    """A window in which the page is open; whatever it asks for elsewhere, and whatever its script complains, fails."""
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    found = context.new_page()
    wrong: list[str] = []
    found.on("request", lambda r: r.url.startswith(page.root) or wrong.append(r.url))
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    found.set_default_timeout(PATIENCE_MS)
    found.goto(page.address)
    found.wait_for_url(f"{page.root}/")
    yield found
    context.close()
    assert wrong == []
