"""One file with a network, an installation without: real pip, with a main environment of a few small packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects import ROOT
from tests.workflow.updates import PARTS, git

pytestmark = pytest.mark.long

# What installs the package itself, and one that it needs.
FEW = ("hatchling", "editables", "pathspec", "packaging", "pluggy", "trove-classifiers", "pyyaml")


def environment_of_few_packages() -> str:
    kept = []
    for line in (ROOT / "environment.yml").read_text().splitlines():
        name = line.strip().removeprefix("- ").partition("==")[0].lower()
        if "==" not in line or name in FEW:
            kept.append(line)
    return "\n".join(kept) + "\n"


def bash(
    folder: Path, script: Path, *words: str, offline: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a script; `offline`: where there is no network at all."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    without = ["unshare", "--net"] if offline else []
    kept = {k: v for k, v in os.environ.items() if not k.startswith("XDG")}
    # What pip finds by its own notes is no proof.
    own = {"HOME": str(home), "SEGMAKE_LANG": "en", "PIP_NO_CACHE_DIR": "1"}
    path = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    return subprocess.run(
        [*without, "bash", str(script), *words],
        cwd=folder,
        env={**kept, **own, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, made of a clone with a small main environment."""
    folder = tmp_path_factory.mktemp("with a network")
    clone = folder / "clone"
    for name in (*PARTS, "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, clone / name)
    (clone / "environment.yml").write_text(environment_of_few_packages())
    git(clone, "init", "--quiet", "--initial-branch", "main")
    git(clone, "add", "-A")
    git(clone, "commit", "--quiet", "-m", "As it is")
    (clone / ".environments").mkdir()
    (clone / ".environments" / "main").symlink_to(Path(sys.prefix))
    done = bash(folder, clone / "scripts" / "bundle.sh", "one.tar")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "segmake-bundle/segmake" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["clone", "home", "one.tar"]
    return folder / "one.tar"


@pytest.fixture
def place(bundle: Path, tmp_path: Path) -> Path:
    """A folder on a computer without a network, in which the file was unpacked."""
    folder = tmp_path / "sans réseau"
    folder.mkdir()
    shutil.copy(bundle, folder / "one.tar")
    words = ["tar", "-xf", "one.tar", "--strip-components", "1"]
    subprocess.run([*words, "segmake-bundle/segmake"], cwd=folder, check=True)
    return folder


def setup(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = place / "segmake" / "scripts" / "setup.sh"
    return bash(place, script, "--bundle", *words, "--brief", offline=True)


def test_without_a_network_it_installs(place: Path) -> None:
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be taken off the network here: unshare is not allowed")
    done = setup(place, "one.tar", "--engine", "none")
    assert done.returncode == 0, done.stdout + done.stderr
    python = place / "segmake" / ".venv" / "bin" / "python"
    words = "import segmake, yaml; print(segmake.__file__)"
    found = subprocess.run([python, "-c", words], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(place / "segmake" / "workflow" / "segmake" / "__init__.py")
    assert not (place / "segmake" / ".environments" / "bundle").exists()
    assert git(place / "segmake", "status", "--porcelain") == ""
    # Again, from the unpacked folder: there is nothing to do.
    subprocess.run(["tar", "-xf", "one.tar"], cwd=place, check=True)
    again = setup(place, "segmake-bundle", "--engine", "none")
    assert (again.returncode, again.stdout) == (0, ""), again.stdout + again.stderr


def changed(place: Path, name: str, text: str, *, sums: bool = True) -> str:
    """Unpack the file, and change what is in it."""
    subprocess.run(["tar", "-xf", "one.tar"], cwd=place, check=True)
    folder = place / "segmake-bundle"
    (folder / name).write_text(text)
    if sums:
        command = "find wheels envs bundle.txt -type f | xargs sha256sum > SHA256SUMS"
        subprocess.run(["bash", "-c", command], cwd=folder, check=True)
    return "segmake-bundle"


@pytest.mark.parametrize(
    ("code", "name", "text", "sums"),
    [
        ("SM-SET-025", "bundle.txt", "x", False),
        ("SM-SET-026", "envs/environment.yml", "name: other\n", True),
        ("SM-SET-028", "bundle.txt", "3.9 linux-x86_64 2.17\n", True),
        ("SM-SET-028", "bundle.txt", f"3.{sys.version_info[1]} linux-riscv64 2.17\n", True),
        ("SM-SET-028", "bundle.txt", f"3.{sys.version_info[1]} linux-x86_64 9.9\n", True),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_installed(
    place: Path, code: str, name: str, text: str, sums: bool
) -> None:
    done = setup(place, changed(place, name, text, sums=sums), "--engine", "none")
    assert done.returncode == 1 and code in done.stderr, done.stdout + done.stderr
    assert not (place / "segmake" / ".venv").exists()


def test_a_file_that_is_cut_short_or_lacks_the_engine_is_told(place: Path) -> None:
    done = setup(place, "one.tar", "--engine", "cellpose3")
    assert done.returncode == 1 and "SM-SET-027" in done.stderr
    whole = (place / "one.tar").read_bytes()
    (place / "one.tar").write_bytes(whole[: len(whole) // 2])
    done = setup(place, "one.tar", "--engine", "none")
    assert done.returncode == 1 and "SM-SET-025" in done.stderr
    done = setup(place, "gone.tar", "--engine", "none")
    assert done.returncode == 1 and "SM-SET-025" in done.stderr


def test_nothing_is_overwritten(bundle: Path) -> None:
    script = bundle.parent / "clone" / "scripts" / "bundle.sh"
    done = bash(bundle.parent, script, "one.tar")
    assert done.returncode == 1 and "SM-SET-022" in done.stderr
    done = bash(bundle.parent, script)
    assert done.returncode == 1 and "SM-SET-021" in done.stderr
