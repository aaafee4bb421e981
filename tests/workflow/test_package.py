"""SegMake as a Python package: its wheel, alone and with what the workflow needs, without the clone."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from segmake import __version__
from segmake.remote.remembered import PlaceFile, write_place
from tests.projects import ROOT, draw_image
from tests.unit.environments.test_environments import pip_part

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_BARE = ("numpy", "pandas", "scipy", "skimage", "tifffile", "matplotlib", "snakemake", "torch")
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(
    *words: object, folder: Path, language: str = "en", **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = PLAIN | {"SEGMAKE_LANG": language} | variables
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what git would bring."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "segmake"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    left_out = shutil.ignore_patterns("__pycache__")
    for name in ("workflow", "scripts", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=left_out)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    built = run(*pip, "--wheel-dir", folder, source, folder=folder)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def environment(folder: Path, wheel: Path | str, *options: str) -> Path:
    """Make an environment with the wheel in it, perhaps with its extras, and return its Python."""
    uv = (sys.executable, "-m", "uv")
    made = run(*uv, "venv", "--quiet", "--python", sys.executable, folder, folder=folder.parent)
    assert made.returncode == 0, made.stderr
    python = folder / "bin" / "python"
    install = (*uv, "pip", "install", "--quiet", "--python", python, *options, wheel)
    installed = run(*install, folder=folder.parent)
    assert installed.returncode == 0, installed.stderr
    return python


def test_the_schemas_are_in_the_wheel_and_what_they_are_made_from_is_not(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"segmake/config/config.schema{end}" for end in (".json", ".fr.json")} <= names
    assert not [name for name in names if name.endswith("config.schema.yaml") or "/tools/" in name]


def test_what_a_laptop_needs_is_in_the_bare_package(tmp_path: Path, wheel: Path) -> None:
    command = environment(tmp_path / "bare", wheel).with_name("segmake")
    heavy = f"import importlib.util as u; print([m for m in {NOT_BARE} if u.find_spec(m)])"
    assert run(command.with_name("python"), "-c", heavy, folder=tmp_path).stdout == "[]\n"
    (tmp_path / "images").mkdir()
    config = tmp_path / "mine.yaml"
    (tmp_path / "own.py").write_text("import argparse, numpy\nprint(1)\n")
    config.write_text(
        "images: {folder: images}\nsegmentation: {engine: threshold}\n"
        "environments: {growth: {python: '3.11', packages: [pandas, numpy<3]}}\n"
        "scripts: [{name: own, script: own.py, environment: growth, run: once}]\n"
    )
    fine = run(command, "check", config.name, folder=tmp_path)
    assert fine.returncode == 0 and "Nothing is wrong with mine.yaml" in fine.stdout, fine.stderr
    config.write_text("images: {folder: elsewhere}\nsegmentation: {diametr: 30}\n")
    wrong = run(command, "check", config.name, folder=tmp_path, language="fr")
    assert wrong.returncode == 1 and "mine.yaml, ligne 2" in wrong.stderr, wrong.stderr
    # The images need not be on a laptop.
    assert "diameter" in wrong.stderr and "SM-DIR" not in wrong.stderr
    asked = run(command, "status", folder=tmp_path)
    assert asked.returncode == 1 and "SM-" in asked.stderr and "Traceback" not in asked.stderr
    # A simulation needs no images; those of the others can't be drawn.
    made = run(command, "new", "sweep", "--example", "sweep", folder=tmp_path)
    assert made.returncode == 0 and "segmake remote setup" in made.stdout, made.stderr
    assert (tmp_path / "sweep" / "scripts" / "survival.py").is_file()
    drawn = run(command, "new", "movie", "--example", "movie", folder=tmp_path)
    assert drawn.returncode == 1 and drawn.stderr.startswith("SM-PAG-060"), drawn.stderr
    more = run(command, "demo-data", "demo", folder=tmp_path)
    assert more.returncode == 1 and more.stderr.startswith("SM-PAG-060"), more.stderr
    away = run(command, "remote", "setup", "me@nobody.invalid", folder=tmp_path)
    assert away.returncode == 1 and away.stderr.startswith("SM-REM-052"), away.stderr
    module = run(command.with_name("python"), "-m", "segmake", "--help", folder=tmp_path)
    assert module.returncode == 0
    assert run(command, "--version", folder=tmp_path).stdout == f"SegMake {__version__}\n"
    assert module.stdout == run(command, "--help", folder=tmp_path).stdout


def test_a_laptop_gets_along_with_what_reaches_other_computers(tmp_path: Path, wheel: Path) -> None:
    needed = f"segmake[remote] @ {wheel.as_uri()}"
    command = environment(tmp_path / "laptop", needed).with_name("segmake")
    heavy = f"import importlib.util as u; print([m for m in {NOT_BARE} if u.find_spec(m)])"
    assert run(command.with_name("python"), "-c", heavy, folder=tmp_path).stdout == "[]\n"
    own = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": ""}
    made = run(command, "new", "day 1", "--simulation", folder=tmp_path, **own)
    assert made.returncode == 0 and "segmake remote setup" in made.stdout, made.stderr
    experiment = tmp_path / "day 1"
    for words in (["check"], ["remote", "--help"], ["remote", "setup", "--help"]):
        assert run(command, *words, folder=experiment, **own).returncode == 0, words
    here = run(command, folder=experiment, **own)
    assert "segmake remote setup" in here.stdout and "snakemake" not in here.stdout, here.stderr
    # All of what connects is there: it is the computer that is not.
    away = run(command, "remote", "setup", "me@nobody.invalid", folder=experiment, **own)
    assert away.returncode == 1 and away.stderr.startswith("SM-SSH-001"), away.stderr
    named = run(command, "remote", "check", "--json", folder=experiment, **own)
    assert named.returncode == 1 and '"SM-REM-001"' in named.stdout, named.stderr
    # Of images a laptop can't tell what a run would do: the computer that has them can.
    (experiment / "images").mkdir()
    (experiment / "images" / "a.tif").write_bytes(b"")
    (experiment / "config" / "config.yaml").write_text("images: {folder: images}\n")
    write_place(experiment, PlaceFile("me@nobody.invalid", "/data/day 1", "/opt/segmake"))
    # Some have the programs of Slurm, too.
    slurm = tmp_path / "slurm"
    slurm.mkdir()
    for name in ("sbatch", "squeue"):
        (slurm / name).symlink_to("/bin/true")
    own["PATH"] = f"{slurm}:{os.environ['PATH']}"
    for words in (["plan"], ["status"], ["submit"]):
        there = run(command, *words, folder=experiment, **own)
        assert there.returncode == 1 and there.stderr.startswith("SM-REM-063"), there.stderr
    # Nor of scripts, whose packages are those of the other computer.
    (experiment / "config" / "config.yaml").write_text("images: {folder: null}\n")
    there = run(command, "plan", folder=experiment, **own)
    assert there.returncode == 1 and there.stderr.startswith("SM-REM-063"), there.stderr
    (experiment / "segmake.place").unlink()
    alone = run(command, "submit", folder=experiment, **own)
    assert alone.returncode == 1 and alone.stderr.startswith("SM-RUN-065"), alone.stderr


def test_the_page_is_served_by_the_bare_package(tmp_path: Path, wheel: Path) -> None:
    command = environment(tmp_path / "bare", Path(f"{wheel}[page]")).with_name("segmake")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("images: {folder: images}\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.tif").write_bytes(b"")
    words = [command, "page", tmp_path, "--no-browser"]
    # Which pages were opened is noted, and not in the settings of whoever runs the tests.
    own = PLAIN | {"XDG_CONFIG_HOME": str(tmp_path / "settings")}
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=own)
    try:
        address = re.findall(r"http://\S+", server.stdout.readline())[0]
        with urlopen(address) as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]

        def shown(path: str) -> str:
            asked = Request(address.partition("/?")[0] + path, headers={"Cookie": cookie})
            with urlopen(asked) as answer:
                return answer.read().decode(errors="replace")

        assert "images" in shown("/settings") and shown("/static/page.js")
        assert len(shown("/static/pictures/phase.jpg")) > 1000
        # There is nothing that opens images, and that is told in words.
        end = time.monotonic() + 60
        while "segmake[page,look] @ ADDRESS" not in html.unescape(text := shown("/cells")):
            assert time.monotonic() < end, text
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def test_a_module_from_git_works_with_the_package_installed_beside_it(
    tmp_path: Path, wheel: Path
) -> None:
    python = environment(tmp_path / "with space", wheel, "--no-deps")
    # The packages of this environment, without the clone that is installed in it.
    packages = next((tmp_path / "with space" / "lib").glob("python*/site-packages"))
    others = [path for path in map(Path, sys.path) if path.name == "site-packages"]
    (packages / "others.pth").write_text("".join(f"{path}\n" for path in others))
    where = run(python, "-c", "import segmake; print(segmake.__file__)", folder=tmp_path)
    assert where.stdout.startswith(str(packages)), where

    repository = tmp_path / "segmake"
    rules = shutil.ignore_patterns("segmake", "__pycache__")
    shutil.copytree(ROOT / "workflow", repository / "workflow", ignore=rules)
    who = {f"GIT_{a}_{b}": "x" for a in ("AUTHOR", "COMMITTER") for b in ("NAME", "EMAIL")}
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], ["tag", "v1"]):
        run("git", *words, folder=repository, **who)
    own = tmp_path / "own"
    draw_image(own / "images" / "a.tif", 5)
    (own / "config").mkdir()
    settings = {"images": {"folder": "images"}, "segmentation": {"engine": "threshold"}}
    (own / "config" / "config.yaml").write_text(yaml.safe_dump(settings | {"results": "out"}))
    (own / "Snakefile").write_text(
        'configfile: "config/config.yaml"\n\n\nmodule segmake:\n    snakefile:\n'
        f'        gitfile("{repository}", path="workflow/Snakefile", tag="v1")\n'
        "    config:\n        config\n\n\nuse rule * from segmake\n"
    )
    done = run(python, "-m", "snakemake", "--cores", "2", folder=own)
    assert done.returncode == 0, done.stderr
    assert "5 cells" in done.stderr
    assert (own / "out" / "report.html").is_file()
    (packages / "segmake" / "__init__.py").write_text('__version__ = "9.9"')
    other = run(python, "-m", "snakemake", "--cores", "2", folder=own)
    assert other.returncode == 1 and "SM-RUN-066" in other.stderr
    assert "9.9" in other.stderr and "Traceback" not in other.stderr


def test_the_versions_that_are_pinned_are_those_that_the_package_allows() -> None:
    def wanted(*extras: str) -> dict[str, list[Requirement]]:
        found: dict[str, list[Requirement]] = {}
        lines = list(PROJECT["dependencies"])
        for extra in extras:
            lines += PROJECT["optional-dependencies"][extra]
        for requirement in map(Requirement, lines):
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
        found.pop("segmake", None)
        return found

    def pinned(lines: list[str]) -> dict[str, str]:
        pairs = (line.split("==") for line in lines if "==" in line)
        return {canonicalize_name(name): version for name, version in pairs}

    main = pinned(pip_part(ROOT / "environment.yml"))
    builds = {"hatchling", "editables"}
    tests = pinned((ROOT / "tests" / "requirements.txt").read_text().splitlines())
    extras = ("images", "page", "remote", "workflow")
    for pins, needed in (
        ({name: main[name] for name in main.keys() - builds}, wanted(*extras)),
        (main | tests, wanted(*extras, "docs", "dev")),
    ):
        assert pins.keys() - builds == needed.keys()
        for name, requirements in needed.items():
            assert all(pins[name] in one.specifier for one in requirements), name
    for engine in ("cellpose", "cellpose3", "omnipose"):
        pins = pinned(pip_part(ROOT / "workflow" / "envs" / f"{engine}.yaml"))
        needed = wanted("images", engine)
        for name in needed.keys() & pins.keys():
            assert all(pins[name] in one.specifier for one in needed[name]), (engine, name)
        assert {canonicalize_name(engine.rstrip("3"))} <= needed.keys() & pins.keys()


def test_the_version_stands_in_one_place() -> None:
    assert "version" in PROJECT["dynamic"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    rules = (ROOT / "workflow" / "rules" / "common.smk").read_text(encoding="utf-8")
    assert f'refuse_untested("{__version__}")' in rules
