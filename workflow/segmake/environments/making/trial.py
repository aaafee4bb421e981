"""Tries an environment once it is made: what can't be imported in it would fail each job that works in it.

The work is done by ``try_environment.py``, with the environment's own Python. What came of it is kept,
and taken as it is while the same packages are in the same place.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from segmake.core.files import write_atomically
from segmake.environments.solving.environment_files import imports
from segmake.environments.solving.existing_environments import is_described, missing
from segmake.environments.solving.history import keep
from segmake.environments.wanted import git_packages
from segmake.messages import Problem, Problems, joined, say
from segmake.messages.numbers import duration
from segmake.plan.plan import Plan

PROGRAM = Path(__file__).with_name("try_environment.py")

# On a file system that is busy, the first import of PyTorch takes minutes.
LIMIT_SECONDS = 900

# So much of what an import said is in a message.
_LONGEST_REASON = 160

# The problem of each way in which an import fails.
_CODES = {
    "crash": "SM-ENV-048",
    "library": "SM-ENV-049",
    "killed": "SM-ENV-051",
    "slow": "SM-ENV-051",
    "place": "SM-ENV-052",
    "error": "SM-ENV-028",
    "absent": "SM-ENV-028",
}
_FINE = ("ok", "no_gpu")


def try_environment(plan: Plan, name: str, python: str, log: Path) -> None:
    """Import the packages of an environment, and write down which versions are in it and how that went.

    Parameters
    ----------
    plan : Plan
    name : str
        The environment's.
    python : str
        Its Python.
    log : Path
        The file for what imports said; named in the messages.

    Raises
    ------
    Problems
        ``SM-ENV-028``, ``SM-ENV-048`` to ``SM-ENV-052``: packages that can't be used; ``SM-SCR-037``: modules that
        scripts import and that are not there.
    """
    file = Path(plan.environments[name])
    known = plan.folders.state / "environments" / f"{name}.{file.stem.rpartition('.')[2]}.json"
    request = {
        "packages": dict(one.split("=", 1) for one in imports(plan.settings, name, file)),
        "imports": sorted({words.partition("=")[0] for words in plan.imports[name]}),
        "seconds": LIMIT_SECONDS,
        "known": _read(known),
    }
    print(say("trial.begins", name=name), file=sys.stderr, flush=True)
    existing = is_described(file)
    try:
        found = _run(python, request, name, log)
    except Problem as problem:
        said = [str(problem.values["packages"])]
        raise missing(name, python, said) if existing else problem from None
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("\n".join(_said(found)), encoding="utf-8")
    with write_atomically(plan.folders.results / "environments" / f"{name}.txt") as part:
        lines = record(name, found, git_packages.read_file(file))
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unusable = list(_problems(found, name, log, python if existing else ""))
    if not unusable:
        with write_atomically(known) as part:
            part.write_text(json.dumps(_without_output(found)), encoding="utf-8")
        keep(name, file, plan.folders.results)
    absent = [words for words in plan.imports[name] if words.partition("=")[0] in found["missing"]]
    if absent:
        modules = ", ".join("{} ({})".format(*words.split("=", 1)) for words in absent)
        own = Problem("SM-SCR-037", name=name, modules=modules)
        unusable.append(missing(name, python, [modules]) if existing else own)
    if unusable:
        raise Problems(unusable)


def _without_output(found: dict[str, Any]) -> dict[str, Any]:
    parts = ("packages", "together")
    return found | {
        part: [{k: v for k, v in one.items() if k != "output"} for one in found[part]]
        for part in parts
    }


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _run(python: str, request: dict[str, Any], name: str, log: Path) -> dict[str, Any]:
    """Return the answer of the program that runs in the environment."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        asked.write_text(json.dumps(request), encoding="utf-8")
        options = ["--request", str(asked), "--answer", str(answer)]
        command = [python, "-I", str(PROGRAM), *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        except OSError as error:
            raise _without_python(name, python, str(error.strerror), log) from None
        if found := _read(answer):
            return found
    words = done.stderr.strip().splitlines()
    raise _without_python(name, python, words[-1] if words else str(done.returncode), log)


def _without_python(name: str, python: str, why: str, log: Path) -> Problem:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"{python}: {why}\n", encoding="utf-8")
    prefix = Path(os.path.abspath(python)).parents[1]
    return Problem("SM-ENV-028", name=name, packages=f"Python ({why})", log=log, prefix=prefix)


def _problems(found: dict[str, Any], name: str, log: Path, existing: str = "") -> Iterator[Problem]:
    """Yield one problem for each way in which packages fail, and for those that don't go together.

    Of an environment that was there before, whose Python is `existing`, all packages are in one: it is not SegMake's to
    say which other versions to put into it.
    """
    names = {"name": name, "log": log, "prefix": found["prefix"]}
    failed = [one for one in found["packages"] if one["kind"] not in _FINE]
    if failed and existing:
        yield missing(
            name, existing, (f"{one['package']} ({_reason(one)}; {log})" for one in failed)
        )
        failed = []
    for code in dict.fromkeys(_CODES[one["kind"]] for one in failed):
        alike = [one for one in failed if _CODES[one["kind"]] == code]
        packages = joined(f"{one['package']} ({_reason(one)})" for one in alike)
        what = ", ".join(dict.fromkeys(one["what"] for one in alike if "what" in one))
        yield Problem(code, packages=packages, what=what, **names)
    if apart := [one for one in found["together"] if one["kind"] not in _FINE]:
        pairs = joined(f"{_pair(one)} ({_reason(one)})" for one in apart)
        yield Problem("SM-ENV-050", packages=pairs, remedy=" ".join(_remedies(apart)), **names)


def _remedies(apart: list[dict[str, Any]]) -> Iterator[str]:
    if pairs := [sorted(one["modules"]) for one in apart if not one["then"]]:
        yield say("trial.two", first=pairs[0][0], second=pairs[0][1])
    if any(one["then"] for one in apart):
        yield say("trial.numpy")


def _reason(one: dict[str, Any]) -> str:
    """Return in a few words how an attempt ended."""
    if one["kind"] == "absent":
        return say("trial.absent")
    if one["kind"] == "slow":
        return say("trial.slow", time=duration(LIMIT_SECONDS))
    if one["kind"] == "no_gpu":
        return say("trial.no_gpu")
    words = re.sub(r"\s+", " ", one["why"])
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]}..."


def _pair(one: dict[str, Any]) -> str:
    if one["then"]:
        return "torch.from_numpy(numpy.zeros(1))"
    return say("trial.pair", first=one["modules"][0], second=one["modules"][1])


def record(
    name: str, found: dict[str, Any], sources: Iterable[git_packages.Source] = ()
) -> list[str]:
    """Return the lines that tell how an environment was tried, and what is in it.

    Parameters
    ----------
    name : str
    found : dict
        The answer of the program.
    sources : iterable of git_packages.Source
        The packages that come from git repositories.
    """
    day = datetime.fromtimestamp(found["tried"]).astimezone().isoformat(" ", "minutes")
    head = [say("trial.head", name=name, day=day), f"{found['python']}: {found['prefix']}", ""]
    head += [say("trial.each"), *_table(_rows(found)), ""]
    if found["together"]:
        rows = [(_pair(one), _time(one), _verdict(one)) for one in found["together"]]
        head += [say("trial.together"), *_table(rows), ""]
    head.append(say("trial.there"))
    of_git = {one.project: one.line for one in sources}
    there = [
        f"{line}  # {version}"
        if (line := of_git.get(canonicalize_name(package)))
        else f"{package}=={version}"
        for package, version in found["there"].items()
    ]
    return [*(f"# {line}".rstrip() for line in head), f"python=={found['python']}", *there]


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for one in found["packages"]:
        imported = f"import {one['module']}" if "module" in one else "-"
        yield one["package"], one["version"] or "-", imported, _time(one), _verdict(one)


def _time(one: dict[str, Any]) -> str:
    return duration(one["seconds"])


def _verdict(one: dict[str, Any]) -> str:
    if one["kind"] != "ok":
        return _reason(one)
    return say("trial.ok") if one["modules"] else say("trial.no_module")


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))


def _said(found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the log: what was tried, and all that imports said."""
    yield f"{found['python']}: {found['prefix']}"
    for one in [*found["packages"], *found["together"]]:
        what = one.get("package") or _pair(one)
        yield f"\n{what}: {one['kind']} {one['why']}".rstrip()
        yield one.get("output", "").rstrip()
    if found["missing"]:
        yield f"\nnot there: {', '.join(found['missing'])}"
