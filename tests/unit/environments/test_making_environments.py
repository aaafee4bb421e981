"""What is said of environments that can't be made or used; tests/workflow/test_conda.py makes some."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import CreateCondaEnvironmentException

from segmake.adapter import conda_environments
from segmake.environments.making.conda import _explain
from segmake.messages import Problem

# What conda and pip say, shortened; the conda of the tests can't be brought to say all of it.
OUTPUTS = {
    "SM-ENV-002": "Solving environment: done\nKeyError('pkgs_dirs')\n",
    "SM-ENV-003": "CondaHTTPError: HTTP 000 CONNECTION FAILED for url <repodata.json>\n",
    "SM-ENV-004": "NoSpaceLeftError: No space left on devices.\n",
    "SM-ENV-005": (
        "LibMambaUnsatisfiableError: Encountered problems while solving:\n"
        "  - nothing provides requested python 3.11**\n"
    ),
    "SM-ENV-006": "EnvironmentNotWritableError: The current user does not have write permissions\n",
}


@pytest.fixture
def env(tmp_path: Path) -> SimpleNamespace:
    """Stands in for Snakemake's Env: an environment that is in use by a job of the run."""
    place = tmp_path / "0123_"
    file = SimpleNamespace(get_path_or_uri=lambda secret_free: "workflow/envs/imaging.yaml")
    env = SimpleNamespace(address=str(place), file=file)
    jobs = [SimpleNamespace(conda_env=env)]
    env.workflow = SimpleNamespace(dag=SimpleNamespace(needrun_jobs=lambda: jobs))
    return env


def problem_of(env: SimpleNamespace, output: str) -> Problem:
    """Return what is told where conda fails: Snakemake raises an error of its own then."""

    def make(env: SimpleNamespace) -> None:
        try:
            raise subprocess.CalledProcessError(1, "conda env create", output)
        except subprocess.CalledProcessError:
            raise CreateCondaEnvironmentException("Could not create it.")  # noqa: B904

    with pytest.raises(Problem) as told:
        conda_environments._create(env, make, dryrun=False)
    return told.value


@pytest.mark.parametrize("code", OUTPUTS)
def test_what_conda_says_is_understood(env: SimpleNamespace, code: str) -> None:
    problem = problem_of(env, OUTPUTS[code])
    assert problem.code == code
    assert OUTPUTS[code].splitlines()[-1].strip() in problem.what


def test_a_network_that_is_gone_is_no_missing_version(env: SimpleNamespace) -> None:
    output = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'\n"
        "ERROR: No matching distribution found for numpy==2.4.6\n\n"
        "CondaEnvException: Pip failed\n"
    )
    problem = problem_of(env, output)
    assert problem.code == "SM-ENV-003"
    assert problem.what.splitlines()[1:] == [
        "    | ERROR: No matching distribution found for numpy==2.4.6"
    ]


def test_what_the_system_refuses_is_understood() -> None:
    for error, code in [
        (OSError(28, "No space left on device"), "SM-ENV-004"),
        (OSError(5, "Input/output error"), "SM-RUN-042"),
        (PermissionError(13, "Permission denied"), "SM-ENV-006"),
    ]:
        assert _explain(error, "imaging", Path("e")).code == code


def test_one_that_could_not_be_removed_is_not_used(env: SimpleNamespace) -> None:
    Path(env.address).mkdir()
    with pytest.raises(Problem, match="SM-ENV-008"):
        # As Snakemake does where it may not remove what is unfinished: nothing.
        conda_environments._create(env, lambda env: None, dryrun=False)


def _as_nobody(env_address: str, answer: multiprocessing.Queue) -> None:
    os.setgroups([])
    os.setuid(65534)
    file = SimpleNamespace(get_path_or_uri=lambda secret_free: "imaging.yaml")
    try:
        conda_environments._create(
            SimpleNamespace(address=env_address, file=file), lambda env: None, dryrun=False
        )
        answer.put("")
    except Problem as problem:
        answer.put(problem.code)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that all users can read, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("mode", "code"), [(0o755, ""), (0o700, "SM-ENV-006")])
def test_one_that_another_user_keeps_for_himself_is_told(
    open_folder: Path, mode: int, code: str
) -> None:
    place = open_folder / "0123_"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").touch(mode=0o755)
    (open_folder / "0123_.env_setup_done").touch()
    place.chmod(mode)
    fork = multiprocessing.get_context("fork")
    answer = fork.Queue()
    child = fork.Process(target=_as_nobody, args=(str(place), answer))
    child.start()
    assert answer.get(timeout=120) == code
    child.join()
