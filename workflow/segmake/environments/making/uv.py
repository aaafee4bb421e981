"""Makes environments with uv, where there is no conda to do it: from the same files, with a Python of this machine."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import uv
from packaging.utils import canonicalize_name

from segmake.core.files import fingerprint, readable, write_atomically
from segmake.core.made_folders import made_environments
from segmake.environments.making.conda import Failed, make_once
from segmake.environments.solving.environment_file import contents, pins
from segmake.environments.solving.history import hashed
from segmake.environments.solving.pythons import find_python, versions_here
from segmake.environments.solving.resolver import PYTHONS
from segmake.environments.solving.uv_settings import variables_of_uv
from segmake.environments.wanted import git_packages
from segmake.messages import Problem, enumerated, say

# The file that says that what uv has made is whole; it is written last.
MADE = ".segmake-made"


def place_of(name: str, python: str, file: Path, prefix: Path | None) -> Path:
    """Return the folder of an environment of the config: another one for other packages.

    Parameters
    ----------
    name : str
    python : str
        Its version of Python.
    file : Path
        The environment's file.
    prefix : Path or None
        Where the user keeps environments (``SNAKEMAKE_CONDA_PREFIX``); None for the usual folder.
    """
    content = fingerprint(python, *contents(file))
    return _folder(prefix).expanduser().absolute() / "own" / f"{name}-{content}"


def is_made(place: Path) -> bool:
    """Return whether an environment is there, whole, and its Python has not gone."""
    return (place / MADE).exists() and os.access(place / "bin" / "python", os.X_OK)


def make(name: str, python: str, file: Path, place: Path) -> None:
    """Make an environment of the config, unless another run makes it at this moment; the user is told.

    Parameters
    ----------
    name : str
    python : str
        Its version of Python.
    file : Path
        The environment's file.
    place : Path
        What `place_of` returned.

    Raises
    ------
    Problem
        ``SM-ENV-041`` if there is no such Python and none can be downloaded, ``SM-ENV-042`` if other versions than
        the file's were installed; and what `environments.make_once` raises.
    """

    def work() -> None:
        shutil.rmtree(place, ignore_errors=True)
        if place.exists():
            raise Problem(
                "SM-ENV-008", where=str(place), environment=name, path=readable(str(place))
            )
        try:
            _install(name, python, file, place)
        except BaseException:
            # Half an environment takes room that the next attempt may need.
            shutil.rmtree(place, ignore_errors=True)
            raise

    make_once(name, place, work, lambda: is_made(place))


def python_of(version: str, prefix: Path | None = None) -> Path | None:
    """Return the Python of this machine from which an environment would be made; None if one is to be downloaded."""
    return find_python(version, _downloaded(_folder(prefix)))


def _folder(prefix: Path | None) -> Path:
    return Path(prefix or made_environments())


def _install(name: str, python: str, file: Path, place: Path) -> None:
    found = _python(name, python, place.parent.parent)
    run("venv", "--no-project", "--python", str(found), "--prompt", name, "--", str(place))
    wanted, sources = pins(file), git_packages.read_file(file)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "packages.txt")
        checked = hashed(file)
        plain = "".join(f"{project}=={version}\n" for project, version in wanted.items())
        listed.write_text(checked or plain)
        options = ["--no-deps", "--compile-bytecode", "--python", str(place / "bin" / "python")]
        options += ["--require-hashes"] if checked else []
        run("pip", "install", *options, "--requirements", str(listed), cache=place.parents[1])
        _install_from_git(sources, place, Path(folder, "git.txt"))
    if other := [*_other_versions(wanted, place), *_other_commits(sources, place)]:
        raise Problem("SM-ENV-042", where=str(place), environment=name, packages=", ".join(other))
    with write_atomically(place / MADE) as part:
        part.write_text(f"{python}\n", encoding="utf-8")


def _install_from_git(sources: list[git_packages.Source], place: Path, listed: Path) -> None:
    """Install packages of git repositories: these alone, and what builds them comes as wheels."""
    if not sources:
        return
    lines = [one.line for one in sources]
    listed.write_text("\n".join(lines), encoding="utf-8")
    options = ["--no-deps", "--compile-bytecode", "--python", str(place / "bin" / "python")]
    options += ["--only-binary=:all:", *git_packages.build_options(lines)]
    run("pip", "install", *options, "--requirements", str(listed), cache=place.parents[1])


def _python(name: str, version: str, home: Path) -> Path:
    """Return a Python of a version; one that is not here is downloaded by uv."""
    downloaded = _downloaded(home)
    if found := find_python(version, downloaded):
        return found
    said = ""
    try:
        print(say("uv.python", python=version, path=downloaded), file=sys.stderr, flush=True)
        run("python", "install", version, "--no-bin", "--install-dir", str(downloaded))
    except Failed as error:
        said = str(error).strip().splitlines()[-1].strip()
    if found := find_python(version, downloaded):
        return found
    here = enumerated(versions_here(downloaded, PYTHONS))
    raise Problem("SM-ENV-041", environment=name, python=version, here=here, error=said)


def _downloaded(home: Path) -> Path:
    return home / "pythons"


def _other_versions(wanted: dict[str, str], place: Path) -> list[str]:
    """Return the packages of which something else was installed: an index may have builds of its own."""
    there = {name: one.version for name, one in _installed(place).items()}
    return [
        f"{project} {there.get(project, '-')} ({version})"
        for project, version in wanted.items()
        if there.get(project) != version
    ]


def _other_commits(sources: list[git_packages.Source], place: Path) -> list[str]:
    """Return the packages of git repositories of which another commit was installed."""
    there = {
        name: git_packages.commit_of(one.read_text("direct_url.json"))
        for name, one in (_installed(place) if sources else {}).items()
    }
    return git_packages.other_commits(sources, there)


def _installed(place: Path) -> dict[str, importlib.metadata.Distribution]:
    folders = [str(folder) for folder in place.glob("lib/python*/site-packages")]
    found = importlib.metadata.distributions(path=folders)
    return {str(canonicalize_name(one.metadata["Name"])): one for one in found}


def run(*words: str, cache: Path | None = None) -> None:
    """Run uv, out of reach of the settings of whatever project lies in the working folder.

    Parameters
    ----------
    *words : str
    cache : Path, optional
        The folder in which it keeps what it downloads in a folder of its own.

    Raises
    ------
    Failed
        With what uv said.
    """
    variables = variables_of_uv()
    if cache and not variables.get("UV_CACHE_DIR"):
        # On the disk of the environments files are shared with them, and a small home folder is not filled.
        variables["UV_CACHE_DIR"] = str(cache / "cache")
    if words[0] == "python":
        variables["UV_PYTHON_DOWNLOADS"] = "manual"
        # Where the network does not allow it, that is known at once.
        variables.setdefault("UV_HTTP_RETRIES", "0")
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [uv.find_uv_bin(), *words],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )
    if answer.returncode:
        raise Failed(answer.stderr)
