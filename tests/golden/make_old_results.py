"""Makes a results folder with the code of SegMake 0.1.0, and packs it as a test's input.

    python -m tests.golden.make_old_results CASE     (from the folder of the clone)

The code is taken out of the clone's history and runs in a neutral place, since logs and tables name where they were made;
an archive in which a path of this machine is found is refused. `.snakemake` and the logs are left out: Snakemake's own
notes may be deleted at any time, and what is right is right without them.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.golden.old_results import ARCHIVES, OLD
from tests.projects import ROOT

COMMIT = "3c44156"
_TEXT = (".csv", ".html", ".json", ".jsonl", ".tsv", ".txt", ".yaml")
PACKED = ("config", "images", "scripts", "results")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=OLD)
    parser.add_argument("--place", type=Path, default=Path("/srv/segmake-example"))
    options = parser.parse_args()
    if options.place.exists():
        parser.error(f"{options.place} is there already")
    try:
        _make(options.case, options.place)
        _clear(options.place / "results")
        content = _packed(options.case, options.place)
    finally:
        shutil.rmtree(options.place, ignore_errors=True)
    ARCHIVES.mkdir(exist_ok=True)
    (ARCHIVES / f"{options.case}.tar.xz").write_bytes(content)
    print(f"{options.case}: {len(content) / 1000:.0f} kB")


def _make(case: str, place: Path) -> None:
    """Lay out a clone as a user has it, with images, and run it."""
    code = subprocess.run(
        ["git", "archive", COMMIT, "workflow", "profiles"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    place.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(code.stdout)) as archive:
        archive.extractall(place, filter="data")
    old = OLD[case]
    old.project(place).write_config()
    old.make(place)
    _run(place)
    if old.later:
        old.later(place)
        _run(place)


def _run(place: Path) -> None:
    snakemake = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--cores", "2"]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # Images that fail are part of it: the report says whether the run came to its end.
    subprocess.run(snakemake, cwd=place, env={**kept, "SEGMAKE_LANG": "en"}, check=False)
    assert (place / "results" / "report.html").exists()


def _clear(results: Path) -> None:
    """Remove what names the machine: the logs, and who runs."""
    shutil.rmtree(results / "logs")
    (results / ".segmake" / "lock").unlink()


def _packed(case: str, place: Path) -> bytes:
    """Return the archive, in which the times of change have fractions of a second."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz", format=tarfile.PAX_FORMAT, preset=9) as archive:
        for path in sorted(path for name in PACKED for path in (place / name).rglob("*")):
            if path.is_file():
                _refuse_traces(path)
            member = archive.gettarinfo(path, f"{case}/{path.relative_to(place).as_posix()}")
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            with path.open("rb") if path.is_file() else io.BytesIO() as content:
                archive.addfile(member, content)
    return packed.getvalue()


def _refuse_traces(path: Path) -> None:
    """Refuse a file that names a folder of this machine, or the machine."""
    content = path.read_bytes()
    names = (str(ROOT), sys.prefix, str(Path.home()), "/tmp/")
    found = [name for name in names if name.encode() in content]
    # A machine may have a short name, which compressed bytes have by chance.
    text = content.decode("utf-8", "ignore") if path.suffix in _TEXT else ""
    found += re.findall(rf"\b{re.escape(socket.gethostname())}\b", text)
    if found:
        raise SystemExit(f"{path} names {found[0]}")


if __name__ == "__main__":
    main()
