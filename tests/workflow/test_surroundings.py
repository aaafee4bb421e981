"""What is around SegMake: variables of modules, homes and temporary folders without room, login shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from segmake.adapter.installed import activation, install
from tests.disks import small_disk
from tests.programs import program
from tests.projects import ROOT, Project

# What no user should have to read.
RAW = ("Traceback", "Errno", "Error:", "Matplotlib created")

FOREIGN = {
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "MPLBACKEND": "module://of.a.notebook",
    "XDG_CACHE_HOME": "",
    "XDG_CONFIG_HOME": "",
}

FILL = """
import os, sys, tempfile
from pathlib import Path

place = Path(os.environ["TMPDIR"])
try:
    with (place / "filled").open("wb") as file:
        while True:
            file.write(bytes(4096))
except OSError:
    pass
Path(sys.argv[1], "n.csv").write_text("n\\n3\\n")
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Packages of another Python, and a library that is none: what modules lead to."""
    folder = tmp_path / "module"
    for name in ("numpy", "yaml", "encodings"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('of another Python')\n")
    (folder / "libstdc++.so.6").write_text("of another system")
    return folder


@pytest.fixture
def few(project: Project) -> Project:
    project.settings["images"]["include"] = ["img_1.tif"]
    return project


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "full"
    with small_disk(folder, "64k"):
        with pytest.raises(OSError):
            (folder / "all").write_bytes(bytes(1 << 20))
        yield folder


def run(project: Project, command: list, *options: str, **variables: str):
    project.write_config()
    words = [*command, *project.command(*options)[3:]]
    return subprocess.run(
        words,
        cwd=project.folder,
        env=project.environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_modules_an_unwritable_home_and_temporary_files_without_room_are_no_obstacle(
    few: Project, command: Path, broken: Path, tmp_path: Path
) -> None:
    (few.folder / "fill.py").write_text(FILL)
    few.settings["scripts"] = [
        {
            "name": "fill",
            "script": "fill.py",
            "run": "image",
            "needs": [],
            "arguments": ["{output_dir}"],
        }
    ]
    variables = FOREIGN | {
        "PYTHONPATH": str(broken),
        "PYTHONHOME": str(broken),
        "LD_LIBRARY_PATH": str(broken),
        "HOME": "/dev/null",
        "TMPDIR": str(tmp_path / "small"),
    }
    with small_disk(tmp_path / "small", "1m"):
        done = run(few, [command], **variables)
        assert (tmp_path / "small" / "filled").exists(), "it did not fill while the run worked"
    assert done.returncode == 0, done.stderr
    assert few.finished() == ["a/img_1.tif"]
    for code in ("SM-ENV-060", "SM-RUN-062  /dev/null"):
        assert done.stderr.count(code) == 1, done.stderr
    assert not any(word in done.stderr for word in RAW), done.stderr


def test_a_dry_run_says_where_it_writes_instead_and_jobs_start_as_cleanly(
    few: Project, command: Path, broken: Path, full: Path
) -> None:
    # A library path that does no harm may be needed.
    variables = {"HOME": str(full), "TMPDIR": str(full), "LD_LIBRARY_PATH": str(full)}
    told = run(few, [command], "-n", **variables)
    assert told.returncode == 0, told.stderr
    assert re.findall(r"SM-[A-Z]+-\d+", told.stderr) == ["SM-RUN-061", "SM-RUN-062"], told.stderr
    assert told.stderr.count(f"  {full}\n") == 1 and f"  {full}/.cache\n" in told.stderr
    # As it is started in jobs; with PYTHONHOME no Python would come so far.
    shutil.rmtree(broken / "encodings")
    python = command.with_name("python")
    foreign = FOREIGN | {"PYTHONPATH": str(broken)}
    plain = run(few, [python, "-m", "snakemake"], "-n", **foreign)
    for said in (told, plain):
        assert said.returncode == 0 and not any(word in said.stderr for word in RAW), said.stderr


def test_a_folder_that_can_only_be_read_is_told_before_snakemake_tells_it(
    few: Project, command: Path
) -> None:
    few.write_config()
    (few.folder / ".snakemake").write_text("a file in the place of the folder")
    refused = run(few, [command], "-n")
    assert refused.returncode == 1
    assert refused.stderr.count("SM-") == 1 and "SM-RUN-060" in refused.stderr
    assert not any(word in refused.stderr for word in RAW), refused.stderr


def test_python_starts_whatever_the_locale_where_the_clone_has_an_accent(
    command: Path, tmp_path: Path
) -> None:
    """Python reads what pip writes of a path in the locale's encoding, and ends if it can't."""
    clone = tmp_path / "clé"
    clone.mkdir()
    (clone / "workflow").symlink_to(ROOT / "workflow")
    prefix = command.parents[1]
    packages = next((prefix / "lib").glob("python*/site-packages"))
    (packages / "_segmake.pth").unlink(missing_ok=True)
    (packages / "_segmake.pth").write_text(f"{clone}/workflow", encoding="utf-8")
    install(clone / "workflow", prefix)
    python = [command.with_name("python"), "-c", "import segmake; print(ascii(segmake.__file__))"]
    variables = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    found = subprocess.run(python, env=variables, capture_output=True, text=True, check=False)
    assert found.returncode == 0 and "cl\\xe9" in found.stdout, found


def test_another_clone_s_package_is_not_taken_from_the_environment(
    command: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "segmake"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("other = True\n")
    program = (
        f"import sys; sys.path.insert(0, {str(other.parent)!r}); import segmake; segmake.other"
    )
    subprocess.run([command.with_name("python"), "-c", program], check=True)


def test_two_experiments_can_be_run_at_once_from_one_folder(few: Project, command: Path) -> None:
    few.write_config()
    runs = []
    for name in ("one", "two"):
        config = few.folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump({**few.settings, "results": name}))
        words = [command, *few.command("--configfile", config.name)[3:]]
        options = {"cwd": few.folder, "env": few.environment(), "text": True}
        runs.append(subprocess.Popen(words, stderr=subprocess.PIPE, **options))
    for name, run in zip(("one", "two"), runs, strict=True):
        said = run.communicate()[1]
        assert run.returncode == 0, said
        assert "Traceback" not in said and "Migrating" not in said, said
        assert (few.folder / name / "report.html").exists()


# ---- login shells

SHELLS = {"bash": "activate", "zsh": "activate", "tcsh": "activate.csh", "fish": "activate.fish"}


@pytest.mark.parametrize("name", SHELLS)
def test_activation_takes_foreign_variables_away_and_deactivate_gives_them_back(
    command: Path, name: str, tmp_path: Path
) -> None:
    shell = program(name)
    show = "sh -c 'echo \"${PYTHONPATH-none} ${PYTHONHOME-none} $PATH\"'"
    # Twice: a user may activate again.
    script = command.with_name(SHELLS[name])
    prompt = ["set prompt = '> '"] if name == "tcsh" else []
    lines = [
        *prompt,
        show,
        f"source '{script}'",
        show,
        f"source '{script}'",
        show,
        "deactivate",
        show,
        "",
    ]
    (tmp_path / "typed").write_text("\n".join(lines))
    bare = ["-f"] if name in ("tcsh", "zsh") else []
    done = subprocess.run(
        [shell, *bare, tmp_path / "typed"],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PYTHONPATH": "/a b:/c",
            "PYTHONHOME": "/h",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    own = "none none " + f"{command.parent}:/usr/bin:/bin"
    before = "/a b:/c /h /usr/bin:/bin"
    assert done.stdout.splitlines() == [before, own, own, before]


def test_activation_is_changed_once(command: Path) -> None:
    text = command.with_name("activate").read_text()
    assert text.count("SegMake") == 1 and activation(text, "sh") == text
