"""What the tests of all folders share."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, settings

from segmake.config.load import load_config
from segmake.core import site
from segmake.core.config import Config
from segmake.formats import isolated
from tests import examples
from tests.conda import KEPT
from tests.docs.places import KEPT as PLACES
from tests.projects import ROOT
from tests.ssh import server as ssh

# Examples are the same each time, and none is too slow: a machine may have much else to do.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


def pytest_configure(config):
    """Give the processes of a test session one folder for conda's environments, and one for the examples that were run.

    To keep them from one session to the next: SEGMAKE_TEST_CONDA=FOLDER, SEGMAKE_TEST_EXAMPLES=FOLDER.
    """
    # Tests that were begun in the background, as by nohup or `&`, would hand on that Ctrl-C is ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Threads that wait for each other would take the cores from other tests.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for kept, prefix in (
        (KEPT, "segmake-conda-"),
        (examples.KEPT, "segmake-examples-"),
        (PLACES, "segmake-places-"),
    ):
        if kept not in os.environ:
            os.environ[kept] = tempfile.mkdtemp(prefix=prefix)
            config.add_cleanup(partial(_remove, kept))


def _remove(kept: str) -> None:
    shutil.rmtree(os.environ.pop(kept), ignore_errors=True)


def pytest_collection_modifyitems(config, items):
    """Leave the short tests for the end where processes share them: one that is long would then be waited for."""
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.timeout(2 * 3600))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.nodeid.startswith("tests/unit/"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give all that uses the Slurm cluster to one process: there is one cluster, and tests stop its nodes.

    So with conda: its tests share the environments of a session, and say which of them are made. And with the SSH
    server: it has one user of this machine. And with the page and the site: each process would start a browser.
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneClusterScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            for folder in ("slurm", "ssh", "page"):
                if nodeid.startswith(f"tests/{folder}/"):
                    return folder
            for name in ("workflow/test_conda.py", "docs/test_site.py"):
                if nodeid.startswith(f"tests/{name}"):
                    return name
            return nodeid

    return OneClusterScheduling(config, log)


@pytest.fixture(scope="session")
def one_server() -> Iterator[ssh.Server]:
    """An OpenSSH server with a user of its own, one for all tests of a process."""
    if reason := ssh.why_not():
        pytest.skip(reason)
    with ssh.server() as made:
        yield made


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Keep the tests apart from the language of the machine."""
    monkeypatch.setenv("SEGMAKE_LANG", "en")


@pytest.fixture(autouse=True)
def no_site_file(monkeypatch):
    """Keep the tests apart from a site file of this clone; those that need one write their own."""
    monkeypatch.setattr(site, "SITE", ROOT / "tests" / "no site.yaml")


@pytest.fixture(scope="session", autouse=True)
def one_process_for_headers():
    """Keep the process that reads headers from one test to the next: most tests read a few small files."""
    kept = isolated.Reader(isolated.SECONDS)

    @contextmanager
    def readers(number: int, seconds: float) -> Iterator[list[isolated.Reader]]:
        yield [kept]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(isolated, "readers", readers)
        yield
    kept.stop()


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the clone."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real images and weights."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real images (../shared/data) are not on this machine")
    return folder


@pytest.fixture
def configure(tmp_path) -> Callable[..., Config]:
    """Make a checked config: the engine threshold, images and results in the test's folder."""

    def make(**sections: Any) -> Config:
        chosen: dict[str, Any] = {
            "images": {"folder": str(tmp_path / "images")},
            "segmentation": {"engine": "threshold"},
            "results": str(tmp_path / "results"),
        }
        for name, section in sections.items():
            known = chosen.get(name)
            chosen[name] = known | section if isinstance(known, dict) else section
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps(chosen), encoding="utf-8")
        return load_config(path)

    return make


@pytest.fixture
def site_file(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """Write the site file, which is then in force for this process, and return its path."""
    path = tmp_path / "site.yaml"
    monkeypatch.setattr(site, "SITE", path)

    def write(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def draw() -> Callable[..., Path]:
    """Write a TIFF with some bright cells on a grey background."""

    def write(path: Path, cells: int = 2, shape: tuple[int, int] = (48, 64)) -> Path:
        plane = np.random.default_rng(cells).normal(200, 5, shape)
        for number in range(cells):
            row, column = divmod(number, 4)
            plane[6 + 16 * row : 14 + 16 * row, 4 + 15 * column : 14 + 15 * column] += 1000
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, plane.astype(np.uint16))
        return path

    return write
