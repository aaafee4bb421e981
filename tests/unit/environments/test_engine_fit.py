"""Which PyTorch an engine is made with, and what is said of one that is there."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import pytest

from segmake.environments.making import engine_fit
from segmake.environments.solving import cuda
from segmake.messages import Problem

TORCH = {"13.0": "torch==2.13.0", "12.4": "torch==2.10.0"}


@pytest.fixture
def file(root: Path) -> Path:
    return root / "workflow" / "envs" / "cellpose3.yaml"


def engine_made_for(driver: str, file: Path, prefix: Path) -> Path:
    """Lay down what of an engine's environment is looked at, as the set-up makes it for a driver."""
    stamp = hashlib.sha256(cuda.fitted(file, driver).encode()).hexdigest()
    packages = prefix / "lib" / "python3.11" / "site-packages"
    major = driver.partition(".")[0]
    (packages / f"nvidia_cuda_runtime-{major}.1.2.dist-info").mkdir(parents=True)
    (packages / "numpy-2.0.2.dist-info").mkdir()
    (prefix / f".segmake-{file.name}").write_text(f"{stamp} {prefix}")
    return prefix


@pytest.mark.parametrize(
    ("made", "known", "answer", "asked", "wanted"),
    [
        (None, "12.4", None, 0, "12.4"),
        (None, None, "12.4", 1, "12.4"),
        # If no node answers, the newest.
        (None, None, None, 1, "13.0"),
        # One that is there stays as long as the driver runs it, and nobody is asked.
        ("12.4", None, "13.0", 0, "12.4"),
        ("12.4", "13.0", None, 0, "12.4"),
        ("13.0", "13.1", None, 0, "13.0"),
        ("13.0", "12.4", None, 0, "12.4"),
    ],
)
def test_an_engine_gets_the_torch_that_the_driver_runs(
    file: Path,
    tmp_path: Path,
    made: str | None,
    known: str | None,
    answer: str | None,
    asked: int,
    wanted: str,
) -> None:
    if made:
        engine_made_for(made, file, tmp_path)
    calls = []

    def ask() -> str | None:
        calls.append(1)
        return answer

    assert TORCH[wanted] in engine_fit.fitting_text(file, tmp_path, known, ask)
    assert len(calls) == asked


def test_an_old_gpu_gets_a_torch_with_code_for_it(file: Path, tmp_path: Path) -> None:
    v100, a40 = (lambda: "7.0"), (lambda: "8.6")
    fit = partial(engine_fit.fitting_text, file, tmp_path)
    assert TORCH["12.4"] in fit("13.0", lambda: None, v100)
    assert TORCH["13.0"] in fit("13.0", lambda: None, a40)
    # That of an old driver for new GPUs; and what a node says of both when it is asked.
    assert TORCH["12.4"] in fit("12.4", lambda: None, a40)
    said = []
    assert TORCH["12.4"] in fit(
        None, lambda: said.append("7.0") or "13.0", lambda: max(said, default=None)
    )
    # One that was made with another is made anew, and refused until then.
    engine_made_for("13.0", file, tmp_path)
    assert TORCH["12.4"] in fit("13.0", lambda: None, v100)
    assert TORCH["13.0"] in fit("13.0", lambda: None, a40)
    with pytest.raises(Problem, match="SM-ENV-029") as caught:
        engine_fit.check("cellpose3", tmp_path, "13.0", "7.0", refuse=True)
    assert "7.0" in caught.value.what and "setup.sh --engine cellpose3" in caught.value.remedy
    engine_fit.check("cellpose3", tmp_path, "13.0", "8.6", refuse=True)
    with pytest.raises(Problem, match="SM-ENV-029") as caught:
        cuda.fitted(file, "13.0", "6.0")
    assert "gpu: false" in caught.value.remedy


def test_one_that_does_not_fit_is_told(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine_made_for("13.0", file, tmp_path)
    for driver in (None, "13.0", "14.1"):
        engine_fit.check("cellpose3", tmp_path, driver, refuse=True)
    with pytest.raises(Problem, match="SM-ENV-043") as caught:
        engine_fit.check("cellpose3", tmp_path, "12.4", refuse=True)
    assert "CUDA 13.1" in caught.value.what and "CUDA 12.4" in caught.value.what
    assert not capsys.readouterr().err
    engine_fit.check("cellpose3", tmp_path, "12.4", refuse=False)
    assert "setup.sh --engine cellpose3" in capsys.readouterr().err
