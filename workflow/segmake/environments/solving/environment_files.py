"""Makes the environment files of the section ``environments`` of the config, and keeps them.

A file pins every package, so that it gives the same versions next year. It is kept while what was asked for stays the
same: an environment is resolved once. Snakemake needs the files when it reads the Snakefile, in a dry run too, in which
nothing may appear among the results: so they are made in Snakemake's own folder, and copied when a run starts. If that
folder was deleted, those among the results are taken over.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from segmake.core.config import Config
from segmake.core.files import alone, fingerprint, write_atomically
from segmake.core.settings import Settings
from segmake.environments.solving import cuda, existing_environments
from segmake.environments.solving.environment_file import pins
from segmake.environments.solving.resolver import Resolution, resolve
from segmake.environments.wanted import compatibility, git_packages
from segmake.environments.wanted.words import Wanted, understand
from segmake.messages import Problem, Problems, say

# Snakemake's own folder, which is beside the results of every config.
KEPT = Path(".snakemake") / "segmake" / "environments"

# In the header of a file: what it was made for.
_REQUEST = "# Request: "

_HEADER = """\
# The environment {name}, made by SegMake from `environments` in the config: every package with its version.
# Asked for: Python {python}; {packages}
# Without SegMake: conda env create -n {name} -f {name}.yaml
{mark}{request}
"""


@dataclass(frozen=True)
class _Request:
    """An environment of the config, understood."""

    name: str
    python: str
    wanted: list[Wanted]
    where: str
    of_conda: tuple[str, ...] = ()
    existing: str | None = None
    places: dict[str, str] = field(default_factory=dict)
    remark: str = ""

    @property
    def fingerprint(self) -> str:
        """What a file was made for. The driver is none of it, nor the catalogue: a file that fits stays."""
        requirements = sorted(one.asked for one in self.wanted)
        more = [sorted(self.of_conda)] if self.of_conda else []
        return fingerprint(self.python, requirements, platform.machine(), *more)


def environment_files(
    config: Config,
    *,
    kept: Path = KEPT,
    conda: bool = True,
    ask_driver: Callable[[], str | None] = lambda: None,
    forgive: Callable[[str, Problem], bool] = lambda name, problem: False,
    tell: bool = True,
) -> dict[str, Path]:
    """Return the conda environment file of each environment of the config; those that are missing are made.

    Parameters
    ----------
    config : Config
    kept : Path
        The folder of the files.
    conda : bool
        Whether conda will make the environments.
    ask_driver : callable
        Returns the newest CUDA that the nodes' driver supports, or None; called where a package brings CUDA and
        ``cluster.cuda_driver`` does not say it.
    forgive : callable
        Returns whether the run can do without an environment, given its name and what is wrong: it is left out then.
    tell : bool
        Whether to say of each environment what a user should know of its versions.

    Raises
    ------
    Problems
        What is wrong with the lists: everything of all of them.
    """
    problems: list[Problem] = []
    files: dict[str, Path] = {}
    for request in _requests(config, conda=conda, forgive=forgive):
        try:
            files[request.name] = _file(request, config.settings, kept, ask_driver)
            if tell:
                _tell_remarks(files[request.name])
        except Problem as problem:
            if not forgive(request.name, problem):
                problems.append(problem)
            if problem.code == "SM-ENV-020" and problems:
                # Without PyPI, no other list would fare better.
                break
    if problems:
        raise Problems(problems)
    return files


def faults_of(config: Config, name: str, *, conda: bool = True) -> list[Problem]:
    """Return what is wrong with an environment of the config, as far as its list of packages tells.

    Parameters
    ----------
    config : Config
    name : str
    conda : bool
        Whether conda may make it.
    """
    return _request(config, name, conda=conda)[1]


def found_before(config: Config, kept: Path = KEPT) -> dict[str, Path]:
    """Return the files of those environments of the config whose versions were found already.

    Parameters
    ----------
    config : Config
    kept : Path
        The folder of the files.
    """
    requests = (_request(config, name, conda=True)[0] for name in config.typed.environments)
    files = {one.name: _kept_file(one, kept) for one in requests if not one.existing}
    return {name: file for name, file in files.items() if file.exists()}


def imports(settings: dict[str, Any], name: str, file: Path) -> list[str]:
    """Return the packages of an environment as ``project=module``; no module: it is only looked for.

    Parameters
    ----------
    settings : dict
        The settings of a checked config.
    name : str
    file : Path
        The environment's file: which package it is may depend on the driver.
    """
    listed = Settings.of(settings).environments[name].packages
    pinned = pins(file)
    found = []
    for one in map(understand, listed):
        project = next((name for name in one.names if name in pinned), one.project)
        found.append(f"{project}={one.imported}")
    return found


def copy_to_results(files: dict[str, Path], results: Path) -> None:
    """Put the files among the results, under the names of their environments.

    Parameters
    ----------
    files : dict
        What `environment_files` returned.
    results : Path
    """
    for name, file in files.items():
        copy = results / "environments" / f"{name}.yaml"
        if not copy.exists() or copy.read_bytes() != file.read_bytes():
            with write_atomically(copy) as part:
                shutil.copy2(file, part)


def _requests(
    config: Config, *, conda: bool, forgive: Callable[[str, Problem], bool]
) -> list[_Request]:
    """Return the environments of the config that are sound.

    Raises
    ------
    Problems
        What is wrong with those that the run can't do without.
    """
    requests, problems = [], []
    for name in config.typed.environments:
        request, faults = _request(config, name, conda=conda)
        problems += [fault for fault in faults if not forgive(name, fault)]
        requests += [] if faults else [request]
    if problems:
        raise Problems(problems)
    return requests


def _request(config: Config, name: str, *, conda: bool) -> tuple[_Request, list[Problem]]:
    """Return an environment of the config as it is understood, and what is wrong with it."""
    section = config.typed.environments[name]
    wanted, problems = list[Wanted](), list(config.list_faults.get(name, []))
    places: dict[str, str] = {}
    for index, words in enumerate(section.packages):
        where = config.where("environments", name, "packages", index)
        try:
            wanted.append(understand(words, where))
            places.setdefault(wanted[-1].project, where)
        except Problem as problem:
            problems.append(problem)
    of_conda = tuple(" ".join(words.split()) for words in section.conda)
    existing = section.existing
    if of_conda and not conda and not existing:
        where = config.where("environments", name, "conda")
        names = {"name": name, "packages": ", ".join(of_conda)}
        problems.append(Problem("SM-ENV-040", where=where, **names))
    where = config.where("environments", name, "packages")
    request = _Request(
        name,
        section.python,
        wanted,
        where,
        of_conda,
        existing,
        places,
        config.list_remarks.get(name, ""),
    )
    return request, problems


def _file(
    request: _Request,
    settings: dict[str, Any],
    kept: Path,
    ask_driver: Callable[[], str | None],
) -> Path:
    if request.existing:
        words, wanted = request.existing, request.wanted
        return existing_environments.file_of(request.name, words, wanted, request.where, kept)
    file = _kept_file(request, kept)
    if not file.exists():
        _take_over(request, Path(Settings.of(settings).results), file)
    if not request.wanted:
        # There is nothing to find: conda knows by itself.
        _write(file, _text(request, Resolution({})))
        return file
    if _fits(file, settings, ask_driver):
        return file
    # Two runs that find versions at once may find others, while one of them makes the environment already.
    with alone(file.parent, "builder.waiting", name=request.name):
        if not _fits(file, settings, ask_driver):
            _find_versions(request, settings, file, ask_driver)
    return file


def _kept_file(request: _Request, kept: Path) -> Path:
    return kept.absolute() / f"{request.name}.{request.fingerprint}.yaml"


def _fits(file: Path, settings: dict[str, Any], ask_driver: Callable[[], str | None]) -> bool:
    """Return whether an environment's file is there, and made for the driver of the nodes, and for their GPUs."""
    there = pins(file)
    driver = Settings.of(settings).cluster.cuda_driver
    if brought := cuda.cuda_of(there):
        driver = driver or ask_driver()
    if not (there or git_packages.read_file(file)) or not cuda.runs(brought, driver):
        return False
    capability = cuda.capability_of_nodes(settings, file.parent) if brought else None
    return compatibility.has_code(there, capability) and cuda.runs(
        brought, compatibility.driver_for(capability)
    )


def _find_versions(
    request: _Request,
    settings: dict[str, Any],
    file: Path,
    ask_driver: Callable[[], str | None],
) -> None:
    driver = Settings.of(settings).cluster.cuda_driver
    capability = cuda.capability_of_nodes(settings, file.parent)
    if cuda.cuda_of(pins(file)):
        driver = driver or ask_driver()
    _tell("builder.resolving", name=request.name)
    if request.remark:
        _tell("builder.left_out", name=request.name, left_out=request.remark)
    resolution = _resolve(request, driver, capability)
    if cuda.cuda_of(resolution.pins) and driver is None:
        driver, before = ask_driver(), capability
        capability = cuda.capability_of_nodes(settings, file.parent)
        if (driver, capability) != (None, before):
            resolution = _resolve(request, driver, capability)
    # What is said is kept first: a file that is there is final.
    with write_atomically(_remarks_file(file)) as part:
        part.write_text(json.dumps(list(_remarks(request.name, resolution))), encoding="utf-8")
    _write(file, _text(request, resolution))


def _resolve(request: _Request, driver: str | None, capability: str | None) -> Resolution:
    try:
        return resolve(request.wanted, request.python, driver, request.where, capability)
    except git_packages.Failed as failed:
        named = canonicalize_name(failed.values.get("package") or failed.values["line"])
        where = request.places.get(named, request.where)
        raise Problem(failed.code, where=where, **failed.values) from None


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        with write_atomically(file) as part:
            part.write_text(text, encoding="utf-8")


def _remarks(name: str, resolution: Resolution) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what a user should know of an answer before anything is made."""
    if resolution.built:
        yield "builder.source", {"name": name, "packages": ", ".join(resolution.built)}
    for package, added in sorted(resolution.added.items()):
        yield "builder.added", {"name": name, "package": package, "added": added}
    for one in resolution.behind:
        values = {"package": one.package, "found": one.found, "newest": one.newest}
        yield "builder.behind", {"name": name, "reason": one.reason, **values}
    if resolution.apart:
        yield "builder.apart", {"words": resolution.apart}
    if resolution.unfinished:
        yield "builder.unfinished", {"name": name, "packages": ", ".join(resolution.unfinished)}


def _remarks_file(file: Path) -> Path:
    return file.with_suffix(".said.json")


def _tell_remarks(file: Path) -> None:
    """Say what a user should know of an environment, each time: it is made by the run that follows a dry one."""
    with suppress(OSError, ValueError, KeyError):
        for words, values in json.loads(_remarks_file(file).read_text(encoding="utf-8")):
            _tell(words, **values)


def _take_over(request: _Request, results: Path, file: Path) -> None:
    """Use the file among the results, if it was made for the same request."""
    earlier = results / "environments" / f"{request.name}.yaml"
    with suppress(OSError, UnicodeDecodeError):
        if f"{_REQUEST}{request.fingerprint}\n" in earlier.read_text(encoding="utf-8"):
            with write_atomically(file) as part:
                shutil.copy2(earlier, part)


def _text(request: _Request, resolution: Resolution) -> str:
    words = [" ".join(one.words.split()) for one in request.wanted]
    header = _HEADER.format(
        name=request.name,
        python=request.python,
        packages=", ".join([*words, *request.of_conda]),
        mark=_REQUEST,
        request=request.fingerprint,
    )
    lines = ["channels:", "  - conda-forge", "  - nodefaults", "dependencies:"]
    lines += [f"  - python={request.python}", "  - pip"]
    lines += [f"  - {json.dumps(package)}" for package in request.of_conda]
    pins = [
        f"      - {canonicalize_name(project)}=={version}"
        for project, version in sorted(resolution.pins.items())
    ]
    sources = git_packages.sources(one.asked for one in request.wanted)
    pins += [f"      - {json.dumps(one.line)}" for one in sources]
    lines += ["  - pip:", *pins] if pins else []
    return header + "\n".join(lines) + "\n"


def _tell(words: str, **values: object) -> None:
    print(say(words, **values), file=sys.stderr, flush=True)
