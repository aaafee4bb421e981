"""A conda channel in a folder, with two packages: this machine's CPython 3.11, and the pip that comes with it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The Python that the environment files name.
WANTED = "3.11"
PLATFORM = "linux-64"

_LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "turtledemo", "lib2to3"}
_ASK = (
    "import json, platform, sys, sysconfig;"
    "print(json.dumps([sys.base_prefix, platform.python_version(), platform.machine(),"
    " sysconfig.get_path('stdlib', vars={'installed_base': sys.base_prefix})]))"
)


@dataclass(frozen=True)
class Python:
    """A CPython that is not a virtual environment.

    Attributes
    ----------
    prefix, library : Path
        Where it is, and where its standard library is.
    version : str
        Such as ``3.11.7``.
    """

    prefix: Path
    library: Path
    version: str

    @property
    def pip(self) -> Path | None:
        """The wheel of the pip that comes with it; distributions leave it out of theirs."""
        return next((self.library / "ensurepip" / "_bundled").glob("pip-*.whl"), None)


def why_not() -> str | None:
    """Return why the channel can't be made here, or None if it can."""
    if find_python() is None:
        return f"the channel is made from a CPython {WANTED} for x86_64 with its own pip, not from a distribution's"
    return None


def find_python() -> Python | None:
    """Return the Python that the packages can be made from: the one that runs the tests, else one on the PATH."""
    for command in (sys.executable, f"python{WANTED}"):
        if not shutil.which(command):
            continue
        answer = subprocess.run([command, "-c", _ASK], capture_output=True, text=True, check=True)
        prefix, version, machine, library = json.loads(answer.stdout)
        python = Python(Path(prefix), Path(library), version)
        if version.startswith(f"{WANTED}.") and machine == "x86_64" and python.pip:
            return python
    return None


@dataclass
class Package:
    """A conda package in the making: an archive with a description of what is in it."""

    archive: tarfile.TarFile
    paths: list[dict[str, Any]] = field(default_factory=list)

    def add_file(self, source: Path, name: str) -> None:
        """Add a file or a link of this machine."""
        self.archive.add(source, name, recursive=False)
        kind = "softlink" if source.is_symlink() else "hardlink"
        self._note(name, b"" if source.is_symlink() else source.read_bytes(), kind)

    def add_bytes(self, content: bytes, name: str) -> None:
        """Add a file with this content."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o644
        self.archive.addfile(member, io.BytesIO(content))
        if not name.startswith("info/"):
            self._note(name, content, "hardlink")

    def _note(self, name: str, content: bytes, kind: str) -> None:
        digest = hashlib.sha256(content).hexdigest()
        size = len(content)
        self.paths.append(
            {"_path": name, "path_type": kind, "sha256": digest, "size_in_bytes": size}
        )


def make(folder: Path) -> None:
    """Make the channel; takes some seconds."""
    from rattler.index import index_fs

    python = find_python()
    assert python is not None and python.pip is not None
    (folder / PLATFORM).mkdir(parents=True)
    (folder / "noarch").mkdir()

    with _package(folder, "python", python.version, []) as package:
        for source, name in _files(python):
            package.add_file(source, name)

    version = python.pip.name.split("-")[1]
    with (
        _package(folder, "pip", version, [f"python {WANTED}.*"]) as package,
        tempfile.TemporaryDirectory() as unpacked,
    ):
        zipfile.ZipFile(python.pip).extractall(unpacked)
        # As conda does; else each environment would begin by doing so.
        command = python.prefix / "bin" / f"python{WANTED}"
        compiled = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", unpacked)
        subprocess.run([command, *compiled], check=True)
        for path in sorted(Path(unpacked).rglob("*")):
            name = path.relative_to(unpacked).as_posix()
            if path.is_file():
                package.add_file(path, f"lib/python{WANTED}/site-packages/{name}")
    asyncio.run(index_fs(folder))


@contextmanager
def _package(folder: Path, name: str, version: str, depends: list[str]) -> Iterator[Package]:
    """Give a package to fill; what conda reads of it is written at the end."""
    path = folder / PLATFORM / f"{name}-{version}-0.tar.bz2"
    # Packed for speed, not for size.
    with tarfile.open(path, "w:bz2", compresslevel=1) as archive:
        package = Package(archive)
        yield package
        index = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": depends,
            "subdir": PLATFORM,
        }
        texts = {"index.json": index, "paths.json": {"paths_version": 1, "paths": package.paths}}
        for file, content in texts.items():
            package.add_bytes(json.dumps(content).encode(), f"info/{file}")


def _files(python: Python) -> Iterator[tuple[Path, str]]:
    """Yield the files of a Python and their names in the package."""
    for command in ("python", "python3", f"python{WANTED}"):
        source = python.prefix / "bin" / f"python{WANTED}"
        yield source, f"bin/{command}"
    for path in sorted(python.library.parent.glob("libpython*.so*")):
        yield path, f"lib/{path.name}"
    for path in sorted(python.library.rglob("*")):
        inner = path.relative_to(python.library)
        # Python as an archive, for programs that bring it with them, is half of all.
        of_no_use = path.suffix == ".a" or ".opt-" in path.name
        wanted = not of_no_use and not _LEFT_OUT & set(inner.parts)
        if wanted and (path.is_file() or path.is_symlink()):
            yield path, f"lib/{python.library.name}/{inner.as_posix()}"
