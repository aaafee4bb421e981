"""Environments are tried once they are made: real ones, with packages that fail in every way."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import uv

from segmake.environments.making import trial
from segmake.environments.making.trial import try_environment
from segmake.messages import Problems
from segmake.plan.result_paths import ResultPaths

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


class Environment:
    """An environment without packages but those that a test puts into it, and the plan that names it."""

    def __init__(self, folder: Path) -> None:
        place = folder / "its place"
        command = [uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(place)]
        subprocess.run(command, check=True)
        self.python = str(place / "bin" / "python")
        (self.packages,) = place.glob("lib/*/site-packages")
        self.results = folder / "results"
        self.file = folder / "lab.0123.yaml"
        self.file.write_text("dependencies: [python=3.11, pip, {pip: []}]\n", encoding="utf-8")
        self.listed: list[str] = []
        self.imported: list[str] = []

    def add(self, project: str, modules: dict[str, str], *, listed: bool = True) -> None:
        """Install a package with the text of each of its modules."""
        files = []
        for name, text in modules.items():
            file = self.packages / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            files.append(f"{file.relative_to(self.packages)},,\n")
        info = self.packages / f"{project.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.2\n")
        (info / "RECORD").write_text("".join(files))
        if listed:
            self.listed.append(f"pypi:{project}")

    def try_it(self) -> list[tuple[str, str]]:
        """Try it, and return code and text of each problem."""
        plan = SimpleNamespace(
            settings={"environments": {"lab": {"packages": self.listed}}},
            environments={"lab": str(self.file)},
            imports={"lab": self.imported},
            folders=ResultPaths(self.results),
        )
        try:
            try_environment(plan, "lab", self.python, self.results / "lab.log")
        except Problems as error:
            return [(one.code, f"{one.what} {one.remedy}") for one in error.problems]
        return []

    @property
    def record(self) -> str:
        return (self.results / "environments" / "lab.txt").read_text(encoding="utf-8")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def test_modules_are_found_by_the_files_of_a_package(environment: Environment) -> None:
    wrong = "raise ValueError"
    environment.add("Lab-Reader", {"fancy": "", "tests/check": wrong, "setup": wrong})
    # A folder that other packages share; and a module beside the one that has the package's name.
    environment.add("lab-tools.io", {"lab/tools/io/__init__": "", "lab/tools/io/more": wrong})
    environment.add("labsum", {"labsum": "", "helper": wrong})
    environment.add("no-modules", {})
    environment.add("lab-old", {"labold": ""})
    (info,) = environment.packages.glob("lab_old*.dist-info")
    (info / "RECORD").unlink()
    (info / "top_level.txt").write_text("labold\n")
    (environment.packages / "remains-1.0.dist-info").mkdir()
    assert environment.try_it() == []
    lines = [" ".join(line.split()) for line in environment.record.splitlines()]
    assert any(line.startswith("# lab-reader 1.2 import fancy") for line in lines)
    assert any(line.startswith("# lab-tools-io 1.2 import lab.tools.io") for line in lines)
    assert any(line.startswith("# lab-old 1.2 import labold") for line in lines)
    assert any(line.startswith("# labsum 1.2 import labsum") for line in lines)
    assert any(line.startswith("# no-modules 1.2 -") for line in lines)
    assert "labsum==1.2" in lines and any(line.startswith("python==3.") for line in lines)
    read = [line for line in lines if not line.startswith("#")]
    assert all("==" in line for line in read)


def test_every_way_to_fail_has_words_of_its_own(environment: Environment) -> None:
    environment.add("lab-crash", {"labcrash": CRASH})
    environment.add("lab-library", {"lablib": "import ctypes; ctypes.CDLL('libNotThere.so.7')"})
    environment.add(
        "lab-home", {"labhome": "raise PermissionError(30, 'read-only', '/home/me/.lab')"}
    )
    environment.add("lab-wrong", {"labwrong": "import nobodys_module"})
    environment.add("lab-exits", {"labexits": "raise SystemExit(3)"})
    environment.listed.append("pypi:lab-absent")
    environment.imported = ["os=a.py", "nobodys_module=b.py"]
    found = dict(environment.try_it())
    assert "lab-crash (segmentation fault (SIGSEGV))" in found["SM-ENV-048"]
    assert "libNotThere.so.7" in found["SM-ENV-049"]
    assert "/home/me/.lab" in found["SM-ENV-052"]
    assert (
        "lab-wrong (ModuleNotFoundError: No module named 'nobodys_module')" in found["SM-ENV-028"]
    )
    assert "lab-exits (SystemExit: 3)" in found["SM-ENV-028"]
    assert "lab-absent (not installed)" in found["SM-ENV-028"]
    assert "nobodys_module (b.py)" in found["SM-SCR-037"] and "a.py" not in found["SM-SCR-037"]
    assert set(found) == {"SM-ENV-028", "SM-ENV-048", "SM-ENV-049", "SM-ENV-052", "SM-SCR-037"}
    log = (environment.results / "lab.log").read_text(encoding="utf-8")
    assert "Traceback" in log and "lab-crash: crash" in log
    assert "segmentation fault" in environment.record


def test_a_gpu_that_is_not_there_is_no_fault(environment: Environment) -> None:
    try:
        ctypes.CDLL("libcuda.so.1")
        pytest.skip("this computer has the driver of a GPU")
    except OSError:
        pass
    environment.add("lab-gpu", {"labgpu": "import ctypes; ctypes.CDLL('libcuda.so.1')"})
    # CUDA itself comes with the packages: that it is missing is a fault.
    environment.add("lab-cuda", {"labcuda": "import ctypes; ctypes.CDLL('libcudart.so.99')"})
    assert [code for code, _ in environment.try_it()] == ["SM-ENV-049"]
    assert "no GPU" in environment.record


def test_two_frameworks_that_crash_each_other(environment: Environment) -> None:
    environment.add("numpy", {"numpy": "def zeros(number): return [0]"}, listed=False)
    torch = "def from_numpy(array): raise RuntimeError('Numpy is not available')"
    # As with triton: what crashes is loaded only once it is used.
    compiler = f"import sys\nif 'tensorflow' in sys.modules: {CRASH}"
    environment.add("torch", {"torch/__init__": torch, "torch/_dynamo": compiler})
    environment.add("tensorflow", {"tensorflow": ""}, listed=False)
    environment.add("jax", {"jax": "raise ImportError('no jaxlib')"}, listed=False)
    ((code, words),) = environment.try_it()
    assert code == "SM-ENV-050"
    assert "tensorflow, then torch (segmentation fault" in words
    assert "torch, then tensorflow (segmentation fault" in words
    assert "torch.from_numpy(numpy.zeros(1)) (RuntimeError: Numpy is not available)" in words
    assert "jax" not in words and "one with tensorflow and one with torch" in words
    assert "numpy<2" in words


def test_what_was_tried_is_not_tried_again(environment: Environment) -> None:
    count = environment.results.parent / "count"
    text = f"open({str(count)!r}, 'a').write('x')"
    environment.add("lab-counts", {"labcounts": text})
    assert environment.try_it() == [] and count.read_text() == "x"
    environment.imported = ["nobodys_module=b.py"]
    assert [code for code, _ in environment.try_it()] == ["SM-SCR-037"]
    assert count.read_text() == "x"
    environment.add("lab-more", {"labmore": ""})
    environment.imported = []
    assert environment.try_it() == [] and count.read_text() == "xx"


def test_an_import_that_takes_too_long_is_ended(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LIMIT_SECONDS", 10.0)
    environment.add("lab-sleeps", {"labsleeps": "import time; time.sleep(600)"})
    # One that was imported and does not end by itself is no such case.
    threads = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()"
    environment.add("lab-threads", {"labthreads": threads})
    ((code, words),) = environment.try_it()
    assert code == "SM-ENV-051" and "lab-sleeps" in words and "lab-threads" not in words


def test_an_environment_without_its_python_is_told(environment: Environment) -> None:
    environment.python += "-gone"
    with pytest.raises(Exception, match="SM-ENV-028"):
        environment.try_it()
