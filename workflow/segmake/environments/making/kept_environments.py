"""The environments that SegMake has made: which there are, who uses them, how large they are; and their removal.

Snakemake keeps those that conda makes under names that say nothing, and for ever.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil

from segmake.core import installation
from segmake.core.columns import columns
from segmake.core.config import Config
from segmake.core.files import alone, readable, write_atomically
from segmake.core.made_folders import (
    conda_environments,
    made_environments,
    named_environments,
    shared_environments,
)
from segmake.environments.making.conda import DEFAULT_PLACE
from segmake.environments.making.uv import MADE, place_of
from segmake.environments.solving import environment_file, existing_environments
from segmake.environments.solving import history as environment_history
from segmake.environments.solving.environment_file import contents
from segmake.environments.solving.environment_files import found_before
from segmake.messages import Problem, enumerated, say
from segmake.messages.numbers import brief
from segmake.outcome.status import main_job, who_runs
from segmake.plan.plan import Plan
from segmake.plan.result_paths import ResultPaths
from segmake.plan.written_plan import read_plan
from segmake.slurm.jobs import Jobs

ENGINES = installation.environment_file("imaging").parent

# Where uv's environments are, below the clone's folder or the one that the user names.
_OF_UV = "own"

# Beside an environment of conda: the file that it was made from, and the one that says that it is whole.
CONDA_MADE = ".env_setup_done"
_FILES = (CONDA_MADE, ".yaml", ".pin.txt", ".post-deploy.sh")

# The ending of the name of what `segmake jupyter` has made beside an environment.
FOR_JUPYTER = "-jupyterlab"

# What `export` writes, where the files of all packages are known.
LOCK = "pylock.toml"

_NAMED = re.compile(r"# The environment ([\w.-]+), made by SegMake")

# Those that a run needs whatever its engine.
_ALWAYS = ("imaging", "report")


@dataclass(frozen=True)
class Kept:
    """An environment that was made.

    Attributes
    ----------
    name : str
    short : str
        What tells it from others of its name.
    place : Path
        Its folder.
    made : float
        When, in seconds since 1970.
    users : tuple of str
        What uses it: scripts, or SegMake itself; empty if nothing in the config does.
    shared : bool
        Whether projects share the folder in which it lies.
    existing : bool
        Whether it is the user's own, which SegMake has not made.
    """

    name: str
    short: str
    place: Path
    made: float
    users: tuple[str, ...]
    shared: bool = False
    existing: bool = False

    @property
    def label(self) -> str:
        """What it is called where its name may be another's too."""
        return f"{self.name}.{self.short}" if self.short else self.name

    def size(self) -> int:
        """Return the bytes that it takes on the disk."""
        seen, total = set(), 0
        for folder, _, files in os.walk(self.place):
            for file in files:
                try:
                    status = os.lstat(os.path.join(folder, file))
                except OSError:
                    continue
                if status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_blocks * 512
        return total


def find(config: Config, results: Path) -> list[Kept]:
    """Return the environments that were made for this project, by their names.

    Parameters
    ----------
    config : Config
        Whose scripts and engine use some of them.
    results : Path
    """
    plan = _plan(ResultPaths(results))
    files = _files(plan, config)
    found = list(_of_conda(Path(DEFAULT_PLACE).absolute(), config, files))
    of_all = shared_environments() is not None
    found += _of_uv(made_environments() / _OF_UV, config, plan, shared=of_all)
    if usual := conda_environments():
        found += _of_conda(usual, config, files, shared=True)
    if place := named_environments():
        found += _of_conda(place, config, files, shared=True)
        found += _of_uv(place / _OF_UV, config, plan, shared=True)
    found += _of_users(config)
    return sorted(found, key=lambda kept: (kept.name, kept.made))


def _plan(folders: ResultPaths) -> Plan | None:
    try:
        return read_plan(folders.plan)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_conda(
    folder: Path, config: Config, files: dict[bytes, str], *, shared: bool = False
) -> Iterator[Kept]:
    engines = {path.read_bytes(): path.stem for path in ENGINES.glob("*.yaml")}
    for mark in folder.glob(f"*{CONDA_MADE}"):
        place = mark.with_name(mark.name.removesuffix(CONDA_MADE))
        try:
            text = (file := place.with_name(f"{place.name}.yaml")).read_bytes()
            made = mark.stat().st_mtime
            engine = engines.get(text)
            named = _NAMED.search(text.decode("utf-8", "replace"))
            name = engine or (named[1] if named else place.name)
            users = _engine_users(engine, config) if engine else _users(files.get(text), config)
            short = environment_file.short(file) if any(contents(file)) else ""
        except OSError:
            continue
        yield Kept(name, short, place, made, users, shared)


def _of_uv(
    folder: Path, config: Config, plan: Plan | None, *, shared: bool = False
) -> Iterator[Kept]:
    own = config.typed.environments
    used = {
        Path(python).absolute().parents[1]: name
        for name, python in getattr(plan, "pythons", {}).items()
        if name in own
    }
    for name, file in found_before(config).items():
        used.setdefault(place_of(name, own[name].python, file, folder.parent), name)
    for mark in folder.glob(f"*/{MADE}"):
        place = mark.parent
        name, _, content = place.name.rpartition("-")
        users = _users(used.get(place.absolute()), config) or _jupyter_users(name, config)
        yield Kept(name, content[:8], place, mark.stat().st_mtime, users, shared)


def _of_users(config: Config) -> Iterator[Kept]:
    """Yield those that were there before, as far as they are there still."""
    for name, section in config.typed.environments.items():
        if words := section.existing:
            with suppress(Problem):
                own = existing_environments.find(words)
                yield Kept(name, "", own.prefix, 0.0, _users(name, config), existing=True)


def _files(plan: Plan | None, config: Config) -> dict[bytes, str]:
    """Return the environments of the config by what is in their files, as the last run had them, or the next will."""
    found = {file.read_bytes(): name for name, file in found_before(config).items()}
    own = config.typed.environments
    for name, file in plan.environments.items() if plan else ():
        if name in own and Path(file).is_file():
            found[Path(file).read_bytes()] = name
    return found


def _users(name: str | None, config: Config) -> tuple[str, ...]:
    if name is None:
        return ()
    scripts = [script.name for script in config.typed.scripts if script.environment == name]
    return tuple(scripts) or (str(config.path),)


def _jupyter_users(name: str, config: Config) -> tuple[str, ...]:
    """Return what uses a JupyterLab beside an environment: that which opens it, while the environment is wanted."""
    own = {*config.typed.environments, "main", *(path.stem for path in ENGINES.glob("*"))}
    wanted = name.endswith(FOR_JUPYTER) and name.removesuffix(FOR_JUPYTER) in own
    return ("segmake jupyter",) if wanted else ()


def _engine_users(engine: str, config: Config) -> tuple[str, ...]:
    used = engine in _ALWAYS or engine == config.typed.segmentation.engine
    return (say("kept.engine"),) if used else ()


def table(found: Sequence[Kept], config: Config) -> Iterator[str]:
    """Yield the lines of a list of environments."""
    unused = say("kept.unused", config=config.path)
    rows = [say("kept.columns").split("\t")]
    for kept in found:
        users = ", ".join(kept.users) or (say("kept.shared") if kept.shared else unused)
        about = [gigabytes(kept.size()), str(date.fromtimestamp(kept.made))]
        about = ["-", say("kept.existing")] if kept.existing else about
        rows.append([kept.label, *about, users, readable(str(kept.place))])
    yield from columns(rows)


def gigabytes(size: int) -> str:
    """Return a number of bytes as people read it."""
    return say("space.GB", number=brief(size / 1e9))


def chosen(found: Sequence[Kept], names: Iterable[str], *, unused: bool) -> list[Kept]:
    """Return the environments that are to be removed.

    Parameters
    ----------
    found : sequence of Kept
    names : iterable of str
        Names, or labels.
    unused : bool
        Whether those go too that nothing uses.

    Raises
    ------
    Problem
        ``SM-ENV-053`` for a name that is not there, ``SM-ENV-055`` for one in a place that projects share,
        ``SM-ENV-058`` for one that SegMake has not made.
    """
    names = list(names)
    known = {name for kept in found for name in (kept.name, kept.label)}
    for name in names:
        if name not in known:
            there = enumerated(sorted({kept.name for kept in found}))
            raise Problem("SM-ENV-053", name=readable(name), known=there)
    asked = [kept for kept in found if kept.name in names or kept.label in names]
    for kept in asked:
        if kept.existing:
            raise Problem("SM-ENV-058", name=kept.label, path=readable(str(kept.place)))
        if kept.shared:
            raise Problem("SM-ENV-055", name=kept.label, path=readable(str(kept.place)))
    spare = [kept for kept in found if unused and not kept.users and not kept.shared]
    return [kept for kept in found if kept in asked or kept in spare]


def refuse_while_used(going: Sequence[Kept], results: Path) -> None:
    """Refuse to remove environments while a run may use them.

    Raises
    ------
    Problem
        ``SM-ENV-054``.
    """
    folders = ResultPaths(results)
    if runner := who_runs(folders.lock):
        raise Problem("SM-ENV-054", who=f"{runner['pid']} ({runner['host']})")
    if job := main_job(folders):
        raise Problem("SM-ENV-054", who=job[0])
    if live := Jobs(folders.jobs).live():
        raise Problem("SM-ENV-054", who=", ".join(sent.job.id for sent in live))
    # A run with another config is at work here.
    if any(Path(".snakemake", "locks").glob("*")):
        raise Problem("SM-ENV-054", who=".snakemake/locks")
    places = [f"{kept.place}{os.sep}" for kept in going]
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if any(place in words for place in places):
            raise Problem("SM-ENV-054", who=process.info["pid"])


def remove(kept: Kept) -> None:
    """Remove an environment, so that what is left of it, if it can't be, is never taken for whole.

    Raises
    ------
    Problem
        ``SM-ENV-057`` if it is not gone then.
    """
    try:
        with alone(kept.place.parent, "environments.waiting"):
            if kept.place.parent.name == _OF_UV:
                (kept.place / MADE).unlink(missing_ok=True)
            for ending in _FILES:
                kept.place.with_name(kept.place.name + ending).unlink(missing_ok=True)
            shutil.rmtree(kept.place)
    except OSError as error:
        path = readable(str(kept.place))
        raise Problem("SM-ENV-057", name=kept.label, path=path, error=error.strerror) from None


def confirmed(going: Sequence[Kept], config: Config, *, yes: bool) -> bool:
    """Say what is to be removed, and return whether the user wants that."""
    print(say("kept.would_go", size=gigabytes(sum(kept.size() for kept in going))))
    print("\n".join(table(going, config)))
    if yes:
        return True
    if not sys.stdin.isatty():
        return False
    return input(say("kept.ask")).strip().lower() in ("y", "yes", "o", "oui")


def export(name: str, results: Path, folder: Path | None, file: Path | None = None) -> list[Path]:
    """Write the files from which others make an environment, and return where they are.

    ``environment.yml`` is for conda, ``requirements.txt`` for pip and uv, with checksums where they are known; so is
    ``pylock.toml``, which there is only then.

    Parameters
    ----------
    name : str
        The environment's.
    results : Path
    folder : Path or None
        Where to; None for a folder of its own among the results.
    file : Path, optional
        The environment's file; that of the last run if none is given.

    Raises
    ------
    Problem
        ``SM-ENV-053`` if no run has had it, ``SM-ENV-056`` if another file is in the way.
    """
    place = results / "environments"
    known = sorted(path.stem for path in place.glob("*.yaml"))
    if file is None and name not in known:
        raise Problem("SM-ENV-053", name=readable(name), known=enumerated(known))
    file = file or place / f"{name}.yaml"
    folder = folder or place / name
    texts = {
        "environment.yml": file.read_text(encoding="utf-8"),
        "requirements.txt": _requirements(name, file, results),
    }
    if lock := environment_history.lock(file):
        texts[LOCK] = lock
    for target, text in texts.items():
        path = folder / target
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
            raise Problem("SM-ENV-056", path=readable(str(path)), name=name)
    for target, text in texts.items():
        with write_atomically(folder / target) as part:
            part.write_text(text, encoding="utf-8")
    return [folder / target for target in texts]


def _requirements(name: str, file: Path, results: Path) -> str:
    kept = environment_file.kept_as(name, file, results)
    listed = kept.read_text(encoding="utf-8") if kept else ""
    if "--hash=" in listed:
        return listed
    return environment_history.requirements(name, file, "requirements.txt")
