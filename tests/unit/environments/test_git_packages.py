"""Packages of git repositories: who may permit them, what is refused, and an environment with one, for real.

The repositories lie in a folder; git reaches them under an address with https by its own setting ``insteadOf``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import uv
from ruamel.yaml import YAML

from segmake.core import site
from segmake.core.site import read_address
from segmake.environments.making import kept_environments
from segmake.environments.making import uv as uv_environments
from segmake.environments.making.conda import Failed, _explain
from segmake.environments.making.trial import try_environment
from segmake.environments.making.uv import place_of
from segmake.environments.solving import environment_file
from segmake.environments.solving import history as environment_history
from segmake.environments.solving.compiling import NoSolution, compile_pins
from segmake.environments.solving.environment_files import copy_to_results, environment_files
from segmake.environments.wanted import git_packages
from segmake.messages import Problem, Problems
from segmake.plan.result_paths import ResultPaths
from segmake.report import scripts as report_scripts

LAB = "https://git.example.org/our-lab/"
OWN = ".".join(map(str, sys.version_info[:2]))
COMMIT = "0123456789" * 4

PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "tiny-cells"
version = "0.3"
dependencies = ["natsort<8.4"]
"""
# Its version, and what it needs, are known only when its code has run.
SETUP = """\
from setuptools import setup
setup(name="{name}", version="1." + "2", py_modules=["{name}_module"], install_requires={needs})
"""


@pytest.fixture
def permit(site_file):
    """Write the site file, and return its path."""
    site_file(f"packages:\n  git: [{LAB}]\n")
    return site_file


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Put a project into a repository, and return the address that it has, with its commit."""
    there = tmp_path / "the lab"
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{there}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", LAB)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]

    def commit(name: str, **files: str) -> str:
        folder = there / name
        for file, text in files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if not (folder / ".git").exists():
            git(folder, "init")
        git(folder, "add", "-A")
        git(folder, *author, "commit", "-m", "all")
        return f"git+{LAB}{name}@{git(folder, 'rev-parse', 'HEAD')}"

    return commit


def git(folder: Path, *words: str) -> str:
    answer = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def tiny(repository) -> str:
    files = {"pyproject.toml": PROJECT, "src/tiny_module/__init__.py": "import natsort\n"}
    return repository("tiny", **files)


def codes_of(text: str) -> list[str]:
    try:
        _, problems = git_packages.understand(text, "line 1")
    except Problem as problem:
        problems = [problem]
    assert all(one.where == "line 1" and str(one) for one in problems)
    return [one.code for one in problems]


def line_of(text: str) -> str | None:
    return git_packages.understand(text, "")[0]


def refused(text: str) -> Problem:
    with pytest.raises(Problem) as caught:
        git_packages.understand(text, "")
    return caught.value


@pytest.mark.parametrize(
    ("prefix", "address", "is_below"),
    [
        (LAB, f"{LAB}tiny", True),
        (LAB, f"{LAB}group/tiny.git", True),
        (LAB.rstrip("/"), f"{LAB}tiny", True),
        ("https://git.example.org", f"{LAB}tiny", True),
        ("https://GIT.example.org:443/our-lab", f"{LAB}tiny", True),
        (f"{LAB}tiny", f"{LAB}tiny.git", True),
        (f"{LAB}tiny.git", f"{LAB}tiny.git", True),
        (f"{LAB}tiny", f"{LAB}tiny2", False),
        (LAB, "https://git.example.org/our-lab2/tiny", False),
        (LAB, "https://git.example.org/Our-Lab/tiny", False),
        (LAB, "https://git.example.org.evil.org/our-lab/tiny", False),
        (LAB, "https://git.example.org:8443/our-lab/tiny", False),
        (LAB, "https://evil.org/git.example.org/our-lab/tiny", False),
    ],
)
def test_addresses_are_compared_by_host_and_folders(prefix, address, is_below):
    assert read_address(address).is_below(read_address(prefix)) is is_below


@pytest.mark.parametrize(
    "address",
    [
        "http://git.example.org/our-lab/tiny",
        "https://user:secret@git.example.org/our-lab/tiny",
        "https://git.example.org@evil.org/our-lab/tiny",
        "https://git.example.org\\@evil.org/our-lab/tiny",
        f"{LAB}../other/tiny",
        f"{LAB}%2e%2e/other/tiny",
        f"{LAB}/tiny",
        f"{LAB}tiny?ref=main",
        f"{LAB}ti\tny",
        f"{LAB}*",
        "https://gіt.example.org/our-lab/tiny",  # a Cyrillic letter
        "https://",
        "https://git.example.org:port/our-lab",
        "our-lab",
    ],
)
def test_an_address_that_may_be_another_one_than_it_looks_like_is_none(address):
    assert read_address(address) is None


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (f"tiny @ git+{LAB}tiny@{COMMIT}", ""),
        (f"tiny @ git+https://git.example.org/other/tiny@{COMMIT}", "SM-ENV-070"),
        ("git+https://git.example.org/other/tiny", "SM-ENV-076 SM-ENV-071 SM-ENV-070"),
        (f"tiny @ git+{LAB}tiny", "SM-ENV-071"),
        (f"tiny @ git+{LAB}tiny@main", "SM-ENV-071"),
        (f"tiny @ git+{LAB}tiny@feature/x", "SM-ENV-071"),
        (f"tiny @ git+{LAB}tiny@{COMMIT[:12]}", "SM-ENV-071"),
        (f"git+{LAB}tiny@v1.2#egg=tiny", "SM-ENV-071"),
        (f"git+{LAB}tiny@{COMMIT}", "SM-ENV-076"),
        (f"tiny @ git+https://me:secret@git.example.org/our-lab/tiny@{COMMIT}", "SM-ENV-076"),
        ("tiny @ git+https://me:secret@git.example.org/our-lab/tiny", "SM-ENV-076"),
        (f"tiny @ git+{LAB}../other/tiny@{COMMIT}", "SM-ENV-076"),
        (f"tiny @ git+{LAB}tiny@{COMMIT}#subdirectory=../x", "SM-ENV-076"),
        (f"tiny @ git+ssh://git@git.example.org/our-lab/tiny@{COMMIT}", "SM-ENV-034"),
        (f"tiny @ git+http://git.example.org/our-lab/tiny@{COMMIT}", "SM-ENV-034"),
        ("git@git.example.org:our-lab/tiny.git", "SM-ENV-034"),
        (f"tiny @ {LAB}tiny.zip", "SM-ENV-034"),
        ("file:///data/tiny", "SM-ENV-034"),
        ("./tiny", "SM-ENV-034"),
        ("tiny @ /data/tiny", "SM-ENV-034"),
        ("tiny-1.2-py3-none-any.whl", "SM-ENV-034"),
        (f"hg+{LAB}tiny", "SM-ENV-034"),
        (f"tiny[,] @ git+{LAB}tiny@{COMMIT}", "SM-ENV-034"),
        (f"tiny[a, b-c] @ git+{LAB}tiny@{COMMIT}", ""),
    ],
)
def test_what_is_taken_and_what_is_refused(permit, text, codes):
    assert git_packages.is_address(text)
    assert codes_of(text) == codes.split()


def test_reasons_differ_and_secrets_are_not_shown(permit):
    texts = ("git+ssh://git@h/a", "git+http://h/a", "./a", "hg+https://h/a", "https://h/a.zip")
    assert len({refused(text).values["reason"] for text in texts}) == len(texts)
    for text in (f"a @ git+https://me:secret@git.example.org/x@{COMMIT}", "https://me:secret@h/a"):
        assert "secret" not in str(refused(text))


@pytest.mark.parametrize("text", ["numpy", "numpy>=1.26 <2", "scikit image", "torch==1.13.1"])
def test_names_are_no_addresses(text):
    assert not git_packages.is_address(text)


def test_both_forms_of_pip_come_to_the_same_line(permit):
    forms = [
        f"tiny[gui]@git+{LAB}tiny@{COMMIT.upper()}#subdirectory=python",
        f"tiny[gui] @ git+https://GIT.example.org/our-lab/tiny@{COMMIT}#subdirectory=python",
        f"git+{LAB}tiny@{COMMIT}#egg=tiny[gui]&subdirectory=python",
        f"git+{LAB}tiny@{COMMIT}#subdirectory=python&egg=tiny[gui]",
    ]
    line = f"tiny[gui] @ git+{LAB}tiny@{COMMIT}#subdirectory=python"
    assert {line_of(one) for one in forms} == {line}
    assert git_packages.read_line(line).line == line


def test_the_message_names_the_line_that_permits_it(permit, configure):
    path = permit("")
    wanted = f"tiny @ git+{LAB}tiny@{COMMIT}"
    line, (problem,) = git_packages.understand(wanted, "requirements.txt, line 3")
    # Scripts that are done with it keep their keys.
    assert line == wanted and str(path) in str(problem)
    lines = [line.strip() for line in str(problem).splitlines()]
    permit("packages:\n  " + lines[lines.index("packages:") + 1])
    assert codes_of(wanted) == []
    path.unlink()
    config = configure(environments={"growth": {"packages": [wanted]}})
    assert [one.code for one in config.list_faults["growth"]] == ["SM-ENV-070"]
    assert config.settings["environments"]["growth"]["packages"] == [wanted]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("# nothing yet\n", None, 0),
        ("packages:\n  git: [\n", "SM-SIT-001", 3),
        ("- packages\n", "SM-SIT-003", 1),
        ("packages: {}\npartitions: long\n", "SM-SIT-002", 2),
        ("\npackages:\n  got: [https://h/]\n", "SM-SIT-002", 3),
        ("packages:\n  git: https://h/\n", "SM-SIT-003", 2),
        ("packages:\n  git:\n    - https://h/\n    - 3\n", "SM-SIT-003", 4),
        ("packages:\n  git:\n    - https://h/\n    - http://h/\n", "SM-SIT-004", 4),
        ("packages:\n  git: ['https://h/*']\n", "SM-SIT-004", 2),
    ],
)
def test_a_site_file_that_is_wrong_is_told_with_its_line_and_permits_nothing(
    permit, configure, text, code, line
):
    path = permit(text)
    if code is None:
        configure()
        return
    with pytest.raises(Problems) as caught:
        configure()
    (problem,) = (one for one in caught.value.problems if one.code.startswith("SM-SIT"))
    assert (problem.code, problem.where) == (code, f"{path}, line {line}")
    assert str(problem)
    assert not site.read_site().permits(read_address("https://h/a"))


def made(configure, tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "requirements.txt").write_text("\n".join(lines), encoding="utf-8")
    section = {"python": OWN, "file": str(tmp_path / "requirements.txt")}
    config = configure(environments={"growth": section})
    return environment_files(config, kept=tmp_path / "kept")["growth"]


def refusal(configure, tmp_path: Path, *lines: str) -> Problem:
    with pytest.raises(Problems) as caught:
        made(configure, tmp_path, *lines)
    (problem,) = caught.value.problems
    assert str(problem)
    return problem


def test_an_environment_with_a_package_of_a_repository(
    permit, repository, configure, tmp_path, monkeypatch
):
    first = tiny(repository)
    listed = f"tiny-cells @ {first}"
    file = made(configure, tmp_path, f"{listed}  # ours", "six==1.17.0")
    # In the file of conda: a line of pip, with the commit.
    pip = YAML(typ="safe").load(file)["dependencies"][-1]["pip"]
    assert pip == ["natsort==8.3.1", "six==1.17.0", listed]
    # Found once: the repository is not needed any more.
    assert made(configure, tmp_path, listed, "six==1.17.0") == file

    place = place_of("growth", OWN, file, tmp_path)
    uv_environments.make("growth", OWN, file, place)
    python = str(place / "bin" / "python")
    subprocess.run([python, "-c", "import tiny_module, six"], check=True)

    results = tmp_path / "results"
    plan = SimpleNamespace(
        settings={"environments": {"growth": {"packages": [listed, "six"]}}},
        environments={"growth": str(file)},
        imports={"growth": ["tiny_module=count.py"]},
        folders=ResultPaths(results),
    )
    try_environment(plan, "growth", python, tmp_path / "log.txt")
    tried = (results / "environments" / "growth.txt").read_text()
    assert "import tiny_module" in tried and f"\n{listed}  # 0.3\n" in tried

    # The lock, and what is exported, give the same again.
    copy_to_results({"growth": file}, results)
    kept = environment_file.kept_as("growth", file, results)
    exported = kept_environments.export("growth", results, tmp_path / "there")
    assert exported[1].read_text() == kept.read_text() and "--hash=sha256:" in kept.read_text()
    target = tmp_path / "again"
    options = ["--python", sys.executable, "--target", str(target), "--no-deps"]
    install = [uv.find_uv_bin(), "pip", "install", "--quiet", *options, "-r", str(exported[1])]
    subprocess.run(install, check=True)
    assert (target / "tiny_module").is_dir() and (target / "natsort").is_dir()
    commit = first.rpartition("@")[2]
    assert report_scripts._from_git(kept) == f"tiny-cells: commit {commit} of {LAB}tiny"

    # Another commit is another environment, though nothing else is another.
    (tmp_path / "the lab" / "tiny" / "more.txt").write_text("more")
    other = made(configure, tmp_path, f"tiny-cells @ {tiny(repository)}", "six==1.17.0")
    assert other != file and place_of("growth", OWN, other, tmp_path) != place
    assert environment_file.short(other) != environment_file.short(file)


def test_a_package_that_needs_no_other_is_found_once(
    permit, repository, configure, tmp_path, capsys
):
    lone = repository("lone", **{"setup.py": SETUP.format(name="lone", needs=[])})
    files = {made(configure, tmp_path, f"lone @ {lone}") for _ in range(2)}
    assert capsys.readouterr().err.count("finding versions") == len(files) == 1
    (file,) = files
    uv_environments.make("growth", OWN, file, place := place_of("growth", OWN, file, tmp_path))
    assert uv_environments.is_made(place)
    assert f"lone @ {lone}" in environment_history.requirements("growth", file, "growth.txt")


def test_only_that_package_is_built_and_another_commit_is_not_taken_for_it(
    permit, repository, configure, tmp_path
):
    address = repository("dyn", **{"setup.py": SETUP.format(name="dyn", needs=["natsort"])})
    file = made(configure, tmp_path, f"dyn @ {address}")
    assert "natsort==" in file.read_text()
    # A package of PyPI that is there as source alone is built no more than before.
    with pytest.raises(NoSolution) as caught:
        compile_pins(["sgmllib3k", f"dyn @ {address}"], OWN)
    assert "sgmllib3k" in str(caught.value)

    sources = git_packages.read_file(file)
    assert git_packages.other_commits(sources, {"dyn": COMMIT}) == [
        f"dyn {COMMIT} ({sources[0].commit})"
    ]


def test_what_keeps_a_package_of_a_repository_from_being_had(
    permit, repository, configure, tmp_path
):
    address = tiny(repository)
    codes = {
        f"tiny-cells @ git+{LAB}gone@{COMMIT}": "SM-ENV-073",
        f"tiny-cells @ git+{LAB}tiny@{COMMIT}": "SM-ENV-074",
        f"tiny @ {address}": "SM-ENV-076",
    }
    broken = repository("broken", **{"setup.py": "raise RuntimeError('no compiler was found')\n"})
    codes[f"broken @ {broken}"] = "SM-ENV-075"
    codes[f"empty @ {repository('empty', README='nothing')}"] = "SM-ENV-075"
    needs = [f"tiny-cells @ {address}"]
    carrier = repository("carrier", **{"setup.py": SETUP.format(name="carrier", needs=needs)})
    codes[f"carrier @ {carrier}"] = "SM-ENV-077"
    inner = repository("inner", **{"setup.py": SETUP.format(name="inner", needs=[])})
    outer = SETUP.format(name="outer", needs=[f"inner @ {inner}"])
    codes[f"outer @ {repository('outer', **{'setup.py': outer})}"] = "SM-ENV-077"
    found = {}
    for line in codes:
        problem = refusal(configure, tmp_path, "six", line)
        assert problem.where.endswith("requirements.txt, line 2") or problem.code == "SM-ENV-077"
        found[line] = problem.code
        if problem.code == "SM-ENV-075":
            assert "compiler" in problem.what or "Python project" in problem.what
    assert found == codes
    # With the other package in the list, too, it is what the list asks for.
    file = made(configure, tmp_path, f"carrier @ {carrier}", *needs)
    assert {one.project for one in git_packages.read_file(file)} == {"carrier", "tiny-cells"}


def test_an_environment_that_was_there_needs_no_permission_but_the_commit(
    permit, repository, configure, tmp_path
):
    permit("")
    address = tiny(repository)
    place = tmp_path / "lab"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    options = ["--quiet", "--python", str(place / "bin" / "python"), "--no-deps"]
    install = [uv.find_uv_bin(), "pip", "install", *options, f"tiny-cells @ {address}"]
    subprocess.run(install, check=True)

    def there(line: str) -> Path:
        section = {"existing": str(place), "packages": [line]}
        config = configure(environments={"lab": section})
        return environment_files(config, kept=tmp_path / "kept")["lab"]

    assert "tiny-cells==0.3" in there(f"tiny-cells @ {address}").read_text()
    with pytest.raises(Problems) as caught:
        there(f"tiny-cells @ git+{LAB}tiny@{COMMIT}")
    (problem,) = caught.value.problems
    assert problem.code == "SM-ENV-039" and address.rpartition("@")[2] in problem.what


def test_a_machine_without_git(permit, repository, configure, tmp_path, monkeypatch):
    address = tiny(repository)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to(shutil.which("sh"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    assert refusal(configure, tmp_path, f"tiny-cells @ {address}").code == "SM-ENV-072"


def test_an_index_that_is_silent_is_no_fault_of_the_repository(
    permit, repository, configure, tmp_path, monkeypatch
):
    # What builds it comes from the index, which is asked for it first.
    address = repository("dyn", **{"setup.py": SETUP.format(name="dyn", needs=[])})
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    assert refusal(configure, tmp_path, f"dyn @ {address}").code == "SM-ENV-020"


def test_a_build_that_fails_when_the_environment_is_made(permit, repository, configure, tmp_path):
    # What it needs is known without its code, which runs only then.
    late = repository(
        "late",
        **{
            "pyproject.toml": PROJECT.replace("tiny-cells", "late"),
            "setup.py": "raise RuntimeError('no compiler was found')\n",
        },
    )
    file = made(configure, tmp_path, f"late @ {late}")
    place = place_of("growth", OWN, file, tmp_path)
    with pytest.raises(Problem) as caught:
        uv_environments.make("growth", OWN, file, place)
    assert caught.value.code == "SM-ENV-075" and "no compiler" in caught.value.what
    assert not place.exists()


PIP = f"""\
Collecting six==1.17.0 (from -r conda.txt (line 1))
Collecting tiny@ git+{LAB}tiny@{COMMIT} (from -r conda.txt (line 2))
  Cloning {LAB}tiny (to revision {COMMIT}) to /tmp/pip-install-x/tiny_1
  Running command git clone --filter=blob:none --quiet {LAB}tiny /tmp/pip-install-x/tiny_1
"""


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (f"  x git fetch -q {LAB}tiny {COMMIT} did not run successfully.\n"
         f"  fatal: remote error: upload-pack: not our ref {COMMIT}\n", "SM-ENV-074"),
        (f"  x git clone --quiet {LAB}tiny /tmp/x did not run successfully.\n"
         "  fatal: repository not found\n", "SM-ENV-073"),
        ("  x Getting requirements to build wheel did not run successfully.\n"
         "  RuntimeError: no compiler\n", "SM-ENV-075"),
        ("ERROR: Cannot find command 'git' - do you have 'git' installed?\n", "SM-ENV-072"),
        ("  Failed building wheel for tiny\n", "SM-ENV-075"),
        ("  Failed building wheel for other\n", "SM-ENV-002"),
        ("Collecting other\n  x Preparing metadata did not run successfully.\n", "SM-ENV-002"),
        ("  fatal: unable to access: Could not resolve host: git.example.org\n", "SM-ENV-003"),
    ],
)  # fmt: skip
def test_what_pip_says_where_conda_makes_the_environment(said, code):
    said += "failed\n\nCondaEnvException: Pip failed\n"
    problem = _explain(Failed(PIP + said), "growth", Path(os.sep, "there"))
    assert problem.code == code
    if "RuntimeError" in said:
        assert "no compiler" in problem.what
