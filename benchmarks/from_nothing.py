"""How long it takes from an empty home to a page that is open, and what is downloaded for it.

    env -u PYTHONDONTWRITEBYTECODE python benchmarks/from_nothing.py [--extras page] [--extras page,look]

A home that holds nothing, no cache of packages: a virtual environment is made there, SegMake and what it needs are
installed into it by pip from the registry that is set up on this computer, an experiment is made, and its page is
opened as a browser would do, twice. SegMake itself is a wheel of this folder, as an institute hands it out; making that
is not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]

# What a user's home does not decide, where the packages come from, and how a network is reached.
_KEPT = re.compile(
    r"(PATH|LANG|LC_\w+|TMPDIR|PIP_\w*INDEX\w*|PIP_CERT|\w+_PROXY|\w+_CERT\w*)", re.I
)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Print as a row how long something took."""
    began = time.monotonic()
    yield
    print(f"| {what} | {time.monotonic() - began:.1f} s |", flush=True)


def megabytes(folder: Path) -> str:
    """Return what the files of a folder hold."""
    sizes = [each.lstat().st_size for each in folder.rglob("*") if not each.is_dir()]
    return f"{sum(sizes) / 1e6:.0f} MB"


def downloaded(said: str) -> float:
    """Return how many megabytes pip says that it has downloaded."""
    sizes = re.findall(r"^ *Downloading \S+ \((\S+) (\w+)\)", said, re.MULTILINE)
    return sum(
        float(number) * {"bytes": 1e-6, "kB": 1e-3, "MB": 1, "GB": 1e3}[u] for number, u in sizes
    )


def open_page(program: Path, experiment: Path, around: dict[str, str]) -> None:
    """Open the page of an experiment, see that it is there, and end it."""
    process = subprocess.Popen(
        [str(program), "page", str(experiment), "--no-browser"],
        env=around,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the page did not open"
        with urlopen(found[0]) as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
            root = answer.url.partition("?")[0]
        with urlopen(Request(root, headers={"Cookie": cookie})) as answer:
            assert b"<main" in answer.read()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def from_nothing(home: Path, wheel: Path, extras: str) -> None:
    """Go the whole way in an empty home, and print each step."""
    around = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    made, report = home / "segmake", home / "report.json"
    around |= {"HOME": str(home), "PIP_CACHE_DIR": str(home / "cache")}
    package = f"segmake[{extras}] @ {wheel.as_uri()}"
    install = [str(made / "bin" / "pip"), "install", "--disable-pip-version-check"]
    install += ["--report", str(report), package]
    began = time.monotonic()
    with told("a virtual environment"):
        subprocess.run([sys.executable, "-m", "venv", str(made)], check=True, env=around)
    before = megabytes(made)
    with told(f'`pip install "segmake[{extras}]"`'):
        done = subprocess.run(install, check=True, env=around, capture_output=True, text=True)
    program, experiment = made / "bin" / "segmake", home / "growth"
    with told("`segmake new`"):
        new = [str(program), "new", str(experiment), "--simulation"]
        subprocess.run(new, check=True, env=around, capture_output=True)
    with told("`segmake page`, until its first page is there"):
        open_page(program, experiment, around)
    print(f"| **together** | **{time.monotonic() - began:.1f} s** |")
    with told("`segmake page` once more"):
        open_page(program, experiment, around)
    number = len(json.loads(report.read_text())["install"])
    print(f"| downloaded: {number - 1} packages | {downloaded(done.stdout):.0f} MB |")
    print(f"| on the disk afterwards (before: {before}) | {megabytes(made)} |", flush=True)


def main() -> None:
    """Make the wheel, and go the way with each choice of extras."""
    given = argparse.ArgumentParser()
    given.add_argument("--extras", action="append")
    wanted = given.parse_args().extras or ["page", "page,look"]
    with tempfile.TemporaryDirectory() as name:
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", name, str(ROOT)]
        subprocess.run(pip, check=True)
        (wheel,) = Path(name).glob("*.whl")
        for extras in wanted:
            print(f"\n| segmake[{extras}] | |\n|---|---|", flush=True)
            with tempfile.TemporaryDirectory() as home:
                from_nothing(Path(home), wheel, extras)


if __name__ == "__main__":
    main()
