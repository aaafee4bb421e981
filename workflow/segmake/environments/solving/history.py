"""Keeps what was in each environment: every version with the checksums of its files, under its name and date.

Other files tell how things are now, and are overwritten. These stay, so that it is known what a result was computed
with; pip and uv read them: ``pip install --require-hashes -r FILE``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from contextlib import suppress
from datetime import date
from pathlib import Path

from packaging.utils import canonicalize_name

from segmake.core.files import write_atomically
from segmake.environments.solving.compiling import target_platform
from segmake.environments.solving.environment_file import PLACE, kept_as, pins, python_of, short
from segmake.environments.solving.existing_environments import is_described
from segmake.environments.solving.uv_settings import variables_of_uv
from segmake.environments.wanted import git_packages
from segmake.messages import say

# So long may the index take to answer: nothing hangs on it.
_PATIENCE_SECONDS = 120

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def keep(name: str, file: Path, results: Path) -> Path:
    """Write down what is in an environment, unless that was done before; nothing is ever overwritten.

    Parameters
    ----------
    name, file, results
        As for `kept_as`.
    """
    if earlier := kept_as(name, file, results):
        return earlier
    kept = results / PLACE / f"{name}.{date.today()}.{short(file)}.txt"
    with write_atomically(kept) as part:
        part.write_text(requirements(name, file, kept.name), encoding="utf-8")
    return kept


def requirements(name: str, file: Path, kept: str) -> str:
    """Return the requirements of an environment as pip reads them, with checksums if the index of packages says them.

    Parameters
    ----------
    name, file
        As for `kept_as`.
    kept : str
        The name of the file that this is for.
    """
    lines, sources = hashed(file), git_packages.read_file(file)
    words = {"name": name, "day": date.today(), "python": python_of(file), "short": short(file)}
    head = [say("history.head", **words)]
    if lines is None:
        lines = "".join(f"{project}=={version}\n" for project, version in pins(file).items())
        head.append(say("history.existing" if is_described(file) else "history.no_hashes"))
    elif sources:
        # pip takes no checksums beside a commit, which is one.
        head += [f"uv pip install --no-deps -r {kept}", say("history.git")]
    else:
        head.append(f"pip install --require-hashes -r {kept}")
    lines += "".join(f"{one.line}\n" for one in sources)
    return "".join(f"# {line}\n" for line in head) + lines


def hashed(file: Path) -> str | None:
    """Return every package of an environment's file with the checksums of its files; None if the index can't be asked.

    What was found is kept beside the file.
    """
    if is_described(file):
        # Where those files came from is not known.
        return None
    found = file.with_suffix(".hashes.txt")
    pinned = pins(file)
    try:
        text = found.read_text(encoding="utf-8")
    except OSError:
        text = ""
    if _pinned(text) == pinned:
        return text
    text = _ask(pinned, python_of(file), "--generate-hashes")
    # One without a checksum makes pip refuse all of them.
    if _pinned(text) != pinned or not _all_hashed(text):
        return None
    with write_atomically(found) as part:
        part.write_text(text, encoding="utf-8")
    return text


def lock(file: Path) -> str | None:
    """Return the packages of an environment's file as a ``pylock.toml``, which pip and uv take.

    None where their files are not all known: they come from git or were there before, or the index can't be asked. What
    was found is kept beside the file.
    """
    if is_described(file) or git_packages.read_file(file) or not (pinned := pins(file)):
        return None
    found = file.with_suffix(".pylock.toml")
    with suppress(OSError):
        if _locked(text := found.read_text(encoding="utf-8")) == pinned:
            return text
    text = _ask(pinned, python_of(file), "--format=pylock.toml")
    if _locked(text) != pinned:
        return None
    with write_atomically(found) as part:
        part.write_text(text, encoding="utf-8")
    return text


def _locked(text: str) -> dict[str, str]:
    try:
        return {one["name"]: one["version"] for one in tomllib.loads(text).get("packages", [])}
    except (tomllib.TOMLDecodeError, LookupError):
        return {}


def _all_hashed(text: str) -> bool:
    return all("--hash=" in part for part in re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:])


def _pinned(text: str) -> dict[str, str]:
    return {str(canonicalize_name(name)): version for name, version in _PIN.findall(text)}


def _ask(pinned: dict[str, str], python: str, form: str) -> str:
    """Return what uv says of the files of packages and their checksums; nothing if it can't."""
    # What checks a config on a laptop does without.
    import uv

    options = [form, "--no-deps", "--no-header", "--no-annotate", "--no-progress"]
    options += ["--python-version", python, "--python", sys.executable]
    options += ["--python-platform", target] if (target := target_platform()) else []
    with tempfile.TemporaryDirectory() as folder:
        try:
            answer = subprocess.run(
                [uv.find_uv_bin(), "pip", "compile", "-", *options],
                input="".join(f"{name}=={version}\n" for name, version in pinned.items()),
                env=variables_of_uv(),
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ""
    return answer.stdout if answer.returncode == 0 else ""
