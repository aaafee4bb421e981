"""A conda for the tests: it exists only because conda itself, and conda-forge, can't be had where the tests run.

What it does is real: py-rattler solves what an environment file names, from a channel in a folder, and installs it; the
packages of the channel are made from this machine's own CPython 3.11 and its pip; the file's `pip:` part is installed
by the environment's own pip, from PyPI; what is large is linked before from the environments of this clone
(`near`). It answers what Snakemake asks of conda, and nothing else.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from segmake.core.files import lock_file
from tests.conda import channel
from tests.projects import Project

# The variable that names the folder of a test session for the conda of the tests and what it makes.
KEPT = "SEGMAKE_TEST_CONDA"
COMMAND = Path(__file__).parent / "command.py"

# As conda does it: quotes and colons in the path of an environment are more than it can take.
ACTIVATE = """\
export CONDA_PREFIX="$1"
export CONDA_DEFAULT_ENV="$1"
export CONDA_SHLVL=1
export PATH="$1/bin:$PATH"
for script in "$1"/etc/conda/activate.d/*.sh; do
    test ! -f "$script" || . "$script"
done
"""


def why_not() -> str | None:
    """Return why there can't be such a conda here, or None if there can."""
    if sys.platform != "linux":
        return "the packages of the test's channel are made for Linux"
    if find_spec("rattler") is None:
        return "py-rattler is not installed: bash scripts/setup.sh --dev"
    return channel.why_not()


def install(folder: Path) -> Path:
    """Install the command and its channel into a folder, and return the folder to put on the PATH."""
    channel.make(folder / "channel")
    commands = folder / "bin"
    commands.mkdir()
    (commands / "activate").write_text(ACTIVATE)
    call = shlex.join([sys.executable, str(COMMAND), str(folder)])
    (commands / "conda").write_text(f'#!/bin/sh\nexec {call} "$@"\n')
    (commands / "conda").chmod(0o755)
    subprocess.run([commands / "conda", "--version"], check=True, capture_output=True)
    return commands


@pytest.fixture(scope="session")
def conda() -> Path:
    """The folder of the command `conda`; installed by the first test that asks for it."""
    if reason := why_not():
        pytest.skip(reason)
    folder = Path(os.environ[KEPT])
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        lock_file(lock, wait=True)
        base = folder / "base"
        return base / "bin" if (base / "bin").exists() else install(base)


@pytest.fixture
def conda_project(project: Project, conda: Path) -> Iterator[Project]:
    """A project without a broken image, on a machine with conda; its environments are those of the session."""
    (project.images / "a" / "img_4.tif").unlink()
    project.conda = conda
    # A name that needs quotes in a shell, as those of people's folders do.
    project.variables["SNAKEMAKE_CONDA_PREFIX"] = str(conda.parents[1] / "environnements créés")
    yield project
