"""`segmake uninstall` in a real clone, with folders that stand in for the environments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.workflow.updates import Installation


@pytest.fixture
def used(installed: Installation) -> Installation:
    for name in (".venv/bin/python", ".environments/cellpose3/bin/python", ".environments/cache/x"):
        installed.write(name, "x" * 5000)
    (installed.root / ".environments" / "main").symlink_to("../.venv")
    for name in ("results/masks/a.tif", "images/a.tif", ".snakemake/conda/e/x", ".snakemake/log/x"):
        installed.write(name, "x")
    home = installed.root.parent
    profiles = home / ".config" / "snakemake"
    (profiles / "mine").mkdir(parents=True)
    (profiles / "local").symlink_to(installed.root / "profiles" / "local")
    (home / "other").mkdir()
    (profiles / "slurm").symlink_to(home / "other")
    (home / ".cellpose" / "models").mkdir(parents=True)
    (home / ".cellpose" / "models" / "one").write_text("x")
    for name in ("segmake", "snakemake"):
        (home / ".cache" / name).mkdir(parents=True)
        (home / ".cache" / name / "kept.json").write_text("{}")
    return installed


def uninstall(one: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    environment = one.environment()
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        environment.pop(name, None)
    return subprocess.run(
        one.command("uninstall", *words),
        cwd=one.root.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_segmake_put_there_goes_and_what_is_the_users_stays(used: Installation) -> None:
    home = used.root.parent
    state = home / ".local" / "state" / "segmake"
    (state / "jupyter" / "growth-1234").mkdir(parents=True)
    # As long as a JupyterLab may be open, all is there.
    (session := state / "jupyter" / "growth-1234" / "session.json").write_text("{}")
    refused = uninstall(used, "--yes")
    assert refused.returncode == 1 and "SM-SPC-004" in refused.stderr
    session.unlink()
    done = uninstall(used, "--yes")
    assert done.returncode == 0, done.stderr
    assert not state.exists()
    assert not (used.root / ".venv").exists() and not (used.root / ".environments").exists()
    assert not (used.root / ".snakemake" / "conda").exists()
    profiles = sorted(path.name for path in (home / ".config" / "snakemake").iterdir())
    assert profiles == ["mine", "slurm"]
    stays = ("results/masks/a.tif", "images/a.tif", "config/config.yaml", ".snakemake/log/x")
    assert all((used.root / name).exists() for name in stays)
    assert (home / ".cellpose" / "models" / "one").exists()
    assert [path.name for path in (home / ".cache").iterdir()] == ["snakemake"]
    assert "results, images, config" in done.stdout
    last = done.stdout.splitlines()[-1].strip()
    assert last == f"rm -rf '{used.root}'"
    # A second time there is only that to say.
    again = uninstall(used, "--yes")
    assert again.returncode == 0 and again.stdout.splitlines()[-1].strip() == last


def test_models_go_when_they_are_named(used: Installation) -> None:
    assert uninstall(used, "--yes", "--models").returncode == 0
    assert not (used.root.parent / ".cellpose" / "models").exists()


def test_without_an_answer_all_stays(used: Installation) -> None:
    before = used.tree()
    done = uninstall(used)
    assert done.returncode == 1 and str(used.root / ".venv") in done.stdout
    assert used.tree() == before
    assert (used.root.parent / ".config" / "snakemake" / "local").is_symlink()


def test_what_a_link_leads_to_stays(used: Installation) -> None:
    other = used.root.parent / "large disk"
    (used.root / ".environments").rename(other)
    (used.root / ".environments").symlink_to(other)
    assert uninstall(used, "--yes").returncode == 0
    assert (other / "cellpose3" / "bin" / "python").exists()


def test_an_environment_of_condas_goes_by_conda(used: Installation) -> None:
    home = used.root.parent
    made = home / "conda" / "envs" / "segmake"
    (made / "conda-meta").mkdir(parents=True)
    main = used.root / ".environments" / "main"
    main.unlink()
    main.symlink_to(made)
    conda = home / "bin" / "conda"
    conda.parent.mkdir()
    conda.write_text(f'#!/bin/sh\necho "$@" > "{home}/called.txt"\n')
    conda.chmod(0o755)
    environment = {**used.environment(), "PATH": f"{conda.parent}:/usr/bin:/bin"}
    words = used.command("uninstall", "--yes")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (home / "called.txt").read_text().strip() == f"env remove -y -p {made}"
    assert not made.exists()


def test_nothing_goes_while_a_run_is_at_work(used: Installation) -> None:
    program = used.root / ".venv" / "bin" / "snakemake"
    program.write_text("#!/bin/sh\nsleep 60 & echo; wait\n")
    program.chmod(0o755)
    run = subprocess.Popen([str(program)], stdout=subprocess.PIPE)
    try:
        assert run.stdout and run.stdout.readline()
        done = uninstall(used, "--yes")
        assert done.returncode == 1 and "SM-SPC-004" in done.stderr
        assert program.exists()
    finally:
        run.kill()
        run.wait()


def test_of_a_shared_one_only_the_links_of_the_user_go(used: Installation, tmp_path: Path) -> None:
    code = (
        "from segmake.core import installation; installation.is_shared = lambda: True\n"
        "from segmake.cli import main; raise SystemExit(main(['uninstall', '--yes']))"
    )
    words = [used.command()[0], "-c", code]
    first = subprocess.run(words, env=used.environment(), capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert (used.root / ".venv").exists()
    assert not (used.root.parent / ".config" / "snakemake" / "local").is_symlink()
    again = subprocess.run(words, env=used.environment(), capture_output=True, text=True)
    assert again.returncode == 1 and "SM-SPC-007" in again.stderr
