"""What tells whoever helps what is wrong: the config, what SegMake's own commands say, failures, the ends of logs.

Each is collected by itself, so that one that can't be had keeps back none of the others.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segmake.core import site
from segmake.core.files import error_line
from segmake.helpfile import machine
from segmake.messages import say
from segmake.outcome.image_rows import image_rows
from segmake.plan.result_paths import ResultPaths
from segmake.plan.written_plan import read_plan

# A command that reads many images for the first time takes longer, and is left alone then.
COMMAND_SECONDS = 180

# So much is taken of a text: of a config from its beginning, of a log from its end.
TEXT_BYTES = 300_000
LOG_BYTES = 30_000

# The newest logs are about what went wrong last.
LOGS = 80
FAILED_IMAGES = 300


@dataclass(frozen=True)
class Part:
    """A text of the file.

    Attributes
    ----------
    name : str
        Its name in the archive.
    text : str
    about : str
        What it is, in the user's language.
    yaml : bool
        Whether it is YAML.
    """

    name: str
    text: str
    about: str
    yaml: bool = False


def parts(configs: Sequence[Path], results: Path) -> Iterator[Part]:
    """Yield what there is, the most telling first.

    Parameters
    ----------
    configs : sequence of Path
        They may be wrong, or not be there; the last one counts most.
    results : Path
        The same.
    """
    yield _file("config.yaml", configs[-1], "help.part.config")
    for number, config in enumerate(configs[:-1], 1):
        yield _file(f"config_{number}.yaml", config, "help.part.config")
    yield _file("site.yaml", site.SITE, "help.part.site")
    at = [word for config in configs for word in ("--configfile", str(config))]
    yield _command("check.txt", "check", *at)
    yield _command("status.txt", "status", "--results", str(results))
    yield Part("failed.txt", _failed(results), say("help.part.failed"))
    yield _command("plan.txt", "plan", *at)
    yield Part("versions.txt", machine.versions(Path(), results), say("help.part.versions"))
    if said := machine.of_slurm():
        yield Part("slurm.txt", said, say("help.part.slurm"))
    yield from _records(results)
    yield from _logs(results)


def _file(name: str, path: Path, about: str) -> Part:
    try:
        with path.open("rb") as file:
            text = file.read(TEXT_BYTES).decode("utf-8", "replace")
    except OSError as error:
        text = f"{path}: {error.strerror}\n"
    return Part(name, text, say(about), yaml=True)


def _command(name: str, *words: str) -> Part:
    """Return what a command of SegMake says, in a process of its own: none takes this one along."""
    line = f"segmake {' '.join(words)}"
    try:
        said = subprocess.run(
            [sys.executable, "-P", "-m", "segmake", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        text = f"{said.stdout.decode('utf-8', 'replace')}\n(exit code {said.returncode})\n"
    except subprocess.TimeoutExpired as error:
        text = f"{(error.output or b'').decode('utf-8', 'replace')}\n({error})\n"
    except OSError as error:
        text = f"{error}\n"
    return Part(name, f"$ {line}\n{text[:TEXT_BYTES]}", say("help.part.command", command=words[0]))


def _failed(results: Path) -> str:
    """Return the message of each image that failed in the last run."""
    try:
        folders = ResultPaths(results)
        rows = [row for row in image_rows(read_plan(folders.plan, results)) if row["code"]]
    except FileNotFoundError:
        # There was no run.
        return "-\n"
    # It was one of another version, or its files are damaged.
    except Exception as error:
        return f"{error_line(error)}\n"
    told = [
        f"{row['image']}\n  {row['code']}  {row['message']}\n  {row['remedy']}\n"
        for row in rows[:FAILED_IMAGES]
    ]
    return "\n".join([f"{len(rows)}\n", *told])


def _records(results: Path) -> Iterator[Part]:
    """Yield the ends of what SegMake noted of runs, of jobs, and of the environments of the config."""
    folders = ResultPaths(results)
    for path in (folders.runs, folders.jobs, folders.submitted):
        if path.is_file():
            yield Part(f"records/{path.name}", _end(path), say("help.part.record"))
    for path in sorted((results / "environments").glob("*.txt")):
        yield Part(f"environments/{path.name}", _end(path), say("help.part.environment"))


def _logs(results: Path) -> Iterator[Part]:
    """Yield the ends of the newest logs: the results' own, and Snakemake's."""
    places = {"logs": results / "logs", "snakemake": Path(".snakemake") / "log"}
    found = [
        (path.stat().st_mtime, path, f"{name}/{path.relative_to(place).as_posix()}")
        for name, place in places.items()
        for path in place.rglob("*.log")
        if path.is_file() and path.stat().st_size
    ]
    for _, path, name in sorted(found, reverse=True)[:LOGS]:
        yield Part(name, _end(path), say("help.part.log"))


def _end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"{error.strerror}\n"
    return text if size <= LOG_BYTES else f"[...]\n{text}"
