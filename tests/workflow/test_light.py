"""What Snakemake and SegMake's own commands do without: libraries that only work on images and tables has need of."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from segmake.plan.written_plan import PLAN_VARIABLE
from tests.projects import Project

HEAVY = (
    "numpy",
    "pandas",
    "scipy",
    "matplotlib",
    "skimage",
    "sklearn",
    "torch",
    "pyarrow",
    "tifffile",
    "rich.live",
)

# Snakemake's own report asks for it, and goes on without.
PICTURES = ("PIL",)

# Snakemake itself, in whatever process, and the commands of a user; not what a rule runs, nor what reads headers.
BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            with open({record!r}, "a") as file:
                print(name, sys.orig_argv, file=file)
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

if {programs!r} & set(sys.orig_argv):
    sys.meta_path.insert(0, Blocked())
"""


class Record:
    """What was asked for of the libraries that an environment is without.

    Parameters
    ----------
    command : Path
        The environment's command snakemake.
    programs : iterable of str
        The words of a command line for which they are not there.
    names : iterable of str
        The libraries.
    """

    def __init__(self, command: Path, programs: Iterable[str], names: Iterable[str]) -> None:
        self._path = command.with_name("blocked.txt")
        values = {"names": set(names), "record": str(self._path), "programs": set(programs)}
        (packages,) = command.parents[1].glob("lib/python*/site-packages")
        (packages / "sitecustomize.py").write_text(BLOCK.format(**values), encoding="utf-8")

    @property
    def asked(self) -> str:
        return self._path.read_text(encoding="utf-8") if self._path.exists() else ""


def of_environment(project: Project, command: Path, *words: str) -> list[str]:
    return [str(command), *project.command(*words)[3:]]


def run(project: Project, *command: str) -> subprocess.CompletedProcess[str]:
    project.write_config()
    said = {"capture_output": True, "text": True, "check": False}
    return subprocess.run(command, cwd=project.folder, env=project.environment(), **said)


@pytest.fixture
def script(project: Project) -> Project:
    """A project with a script of the user's, besides the images."""
    (project.folder / "count.py").write_text("open('n.csv', 'w').write('n\\n3\\n')\n")
    project.settings["scripts"] = [{"name": "count", "script": "count.py"}]
    return project


def test_neither_a_reading_of_the_snakefile_nor_status_loads_what_works_on_images(script, command):
    dry = of_environment(script, command, "-n")
    record = Record(command, ["-n", "status"], HEAVY)
    new = run(script, *dry)
    assert new.returncode == 0, new.stderr
    # The image that is cut short.
    assert "SM-IMG-050" in run(script, *of_environment(script, command)).stderr
    kept = run(script, *dry)
    assert kept.returncode == 0, kept.stderr
    status = run(script, str(command.with_name("python")), "-m", "segmake", "status")
    assert "img_4" in status.stdout, status.stderr
    script.variables[PLAN_VARIABLE] = str(script.results / ".segmake" / "plan.json")
    job = run(script, *dry, "--mode", "remote", "--target-jobs", "verify:", "--force")
    assert job.returncode == 0, job.stdout + job.stderr
    assert record.asked == ""


@pytest.mark.parametrize("words", [["--help"], ["masks", "--help"]])
def test_help_loads_none(project, command, words):
    record = Record(command, words, [*HEAVY, *PICTURES])
    said = run(project, str(command.with_name("python")), "-m", "segmake", *words)
    assert said.returncode == 0, said.stderr
    assert record.asked == ""
