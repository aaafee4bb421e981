"""From the words of a config to an environment file: uv asks PyPI, nothing is installed."""

from __future__ import annotations

import shutil
import stat

import pytest

from segmake.environments.solving import clashes, cuda, resolver
from segmake.environments.solving import environment_files as builder
from segmake.environments.solving.environment_file import pins
from segmake.environments.solving.environment_files import (
    copy_to_results,
    environment_files,
    imports,
)
from segmake.environments.wanted.words import understand
from segmake.messages import Problem, Problems

FREE_PORT = "http://127.0.0.1:9"  # the port "discard": nobody listens


def refusal(words: str) -> Problem:
    with pytest.raises(Problem) as caught:
        understand(words)
    return caught.value


def resolve(*words: str, python: str = "3.11", driver: str | None = None) -> resolver.Resolution:
    return resolver.resolve([understand(one) for one in words], python, driver, "line 1")


def problem(*words: str, python: str = "3.11", driver: str | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        resolve(*words, python=python, driver=driver)
    return caught.value


@pytest.mark.parametrize(
    ("words", "requirement"),
    [
        ("pandas", "pandas"),
        ("OpenCV", "opencv-python-headless"),
        ("cv2", "opencv-python-headless"),
        ("Scikit Image", "scikit-image"),
        ("skimage", "scikit-image"),
        ("sklearn >= 1.2", "scikit-learn>=1.2"),
        ("PIL", "pillow"),
        ("yaml", "pyyaml"),
        ("bs4", "beautifulsoup4"),
        ("Tensorflow==2.21.0", "tensorflow[and-cuda]==2.21.0"),
        ("jax[cuda12]", "jax[cuda12]"),
        ("PyTorch 2.4", "torch==2.4.*"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy>=1.26 <2", "numpy<2,>=1.26"),
        ("numpy<2", "numpy<2"),
        ("some-lab-package", "some-lab-package"),
        ("pypi:opencv-python", "opencv-python"),
        ("pypi:pandsa", "pandsa"),
    ],
)
def test_packages_as_people_write_them(words, requirement):
    assert str(understand(words).requirement) == requirement


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", "SM-ENV-013"),
        ("numpy=>2", "SM-ENV-013"),
        ("numpy=1.26=py311h64a7726_0", "SM-ENV-013"),
        ("conda-forge::numpy", "SM-ENV-013"),
        ("git+https://example.org/a.git", "SM-ENV-013"),
        ("python=3.11", "SM-ENV-014"),
        ("cudatoolkit", "SM-ENV-015"),
        ("R", "SM-ENV-016"),
        ("Fiji", "SM-ENV-017"),
        ("os", "SM-ENV-018"),
        ("sqlite3", "SM-ENV-018"),
        ("pandsa", "SM-ENV-019"),
        ("scikit-leran", "SM-ENV-019"),
        ("request", "SM-ENV-019"),
    ],
)
def test_what_is_no_package(words, code):
    assert refusal(words).code == code


def test_a_slip_names_what_was_meant():
    assert "pandas" in refusal("pandsa").remedy


def test_versions_of_the_catalogue_give_way():
    free, bound = resolve("pandas").pins, resolve("pandas", "numpy<2").pins
    assert free["numpy"] == "2.4.6"
    assert bound["numpy"].startswith("1.")


def test_dependencies_are_pinned_too():
    assert {"numpy", "six", "python-dateutil"} <= set(resolve("pandas").pins)


def test_two_packages_that_clash():
    found = problem("numpy==1.26.4", "opencv==5.0.0.93")
    assert found.code == "SM-ENV-025"
    assert "opencv-python-headless" in found.what and "numpy==1.26.4" in found.what
    assert "numpy==2.4.6" in found.remedy


def test_a_clash_that_uv_derives_in_two_steps():
    found = problem("tensorflow==2.21.0", "numpy<1.26")
    assert "tensorflow==2.21.0 needs numpy>=1.26.0" in found.what and "numpy<1.26" in found.what


def test_a_list_that_contradicts_itself():
    found = problem("numpy<2", "numpy>=2")
    assert "your list has both numpy<2 and numpy>=2." in found.what
    assert "numpy==2.4.6" in found.remedy


def test_a_release_candidate_is_no_remedy():
    found = problem("tensorflow==2.15.0", python="3.14")
    assert "tensorflow==2.15.0 is not built for Python 3.14" in found.what
    assert "==" not in found.remedy and "Take it out" in found.remedy


def test_a_version_older_than_this_python():
    found = problem("pandas", "numpy==1.20")
    assert "numpy==1.20" in found.what and "numpy==2.4.6" in found.remedy


def test_a_dependency_that_is_not_built():
    found = problem("tensorflow==2.15.0")
    assert "tensorrt==8.6.1.post1 is not built" in found.what
    assert "tensorflow==2.21.0" in found.remedy


def test_a_package_that_is_not_built_for_this_python():
    found = problem("numba==0.56.4")
    assert "numba==0.56.4" in found.what and "Python 3.11" in found.what
    assert '"3.10"' in found.remedy and "numba==0.68.1" in found.remedy
    assert resolve("numba==0.56.4", python="3.10").pins["numba"] == "0.56.4"


def test_a_version_that_is_not_there():
    assert "pandas==99" in problem("pandas==99").what


def test_a_name_that_is_not_on_pypi():
    unknown = problem("no-such-package-qqq")
    assert unknown.code == "SM-ENV-021" and "`conda: [no-such-package-qqq]`" in unknown.remedy
    found = problem("matplotlibxx")
    assert found.code == "SM-ENV-026" and "Matplotlib" in found.remedy
    assert "`conda: [matplotlibxx]`" in found.remedy


def test_what_is_there_as_source_only_is_built():
    found = resolve("trackpy==0.4")
    assert "trackpy==0.4" in found.built
    # Only its newest version has no wheel.
    assert "pims" not in " ".join(found.built)


def test_pytorch_is_chosen_to_fit_the_driver():
    assert cuda.cuda_of(resolve("torch", "torchvision").pins) == "13.0"
    older = resolve("torch", "torchvision", "jax", "cupy", driver="12.4").pins
    assert cuda.cuda_of(older) == "12.8"
    assert older["torch"] == "2.10.0" and "cupy-cuda12x" in older


def test_a_cuda_that_is_too_new_for_the_driver():
    found = problem("pandas", "torch==2.15.0", driver="12.4")
    assert found.code == "SM-ENV-022"
    assert "torch==2.15.0" in found.what and "13" in found.what and "12.4" in found.what
    assert "torch==2.10.0" in found.remedy


def test_a_driver_never_costs_an_extra():
    # An old jax does not know the extra yet: it would bring no CUDA at all.
    assert problem("jax[cuda13]", "torch", driver="12.4").code == "SM-ENV-023"
    assert "jax" in problem("jax[cuda13]", "torch", driver="12.4").what
    assert (
        resolve("tensorflow==2.13.0", python="3.10", driver="12.4").pins["tensorflow"] == "2.13.0"
    )


@pytest.mark.parametrize(
    ("listed", "brought"),
    [
        ({"numpy": "2.0"}, None),
        ({"nvidia-cuda-runtime-cu12": "12.8.90", "nvidia-cublas-cu12": "12.8.4.1"}, "12.8"),
        ({"cuda-toolkit": "13.0.2", "nvidia-cuda-runtime-cu12": "12.9.79"}, "13.0"),
        ({"cupy-cuda12x": "14.2.0"}, "12"),
        ({"jax-cuda13-plugin": "0.10.2"}, "13"),
    ],
)
def test_the_cuda_of_packages(listed, brought):
    assert cuda.cuda_of(listed) == brought


@pytest.mark.parametrize(
    ("brought", "driver", "fits"),
    [("12.8", "12.4", True), ("13.0", "12.9", False), ("12.8", "13.0", True), ("13.0", None, True)],
)
def test_a_driver_runs_all_of_its_major_version(brought, driver, fits):
    assert cuda.runs(brought, driver) is fits


@pytest.mark.parametrize("words", ["CUDA Version: 12.4", "CUDA UMD Version: 13.1"])
def test_what_nvidia_smi_says(words):
    heading = f"| NVIDIA-SMI 550.54.15   Driver Version: 550.54.15   {words}     |"
    assert cuda.driver_in(heading) == words.split(": ")[1]
    assert cuda.driver_in("NVIDIA-SMI has failed") is None


@pytest.fixture
def srun(tmp_path, monkeypatch):
    """Stand in for srun, since no node with a GPU is there: notes how it was called, and answers what it is told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def answer(words: str) -> None:
        script = folder / "srun"
        script.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\nprintf "%s" "{words}"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    answer("")
    return answer


def test_a_node_is_asked_once(configure, srun, tmp_path, capsys):
    settings = configure(cluster={"partition": "gpu", "gpu_model": "a40"}).settings
    calls = tmp_path / "calls"
    assert cuda.driver_of_nodes(settings, tmp_path / "kept", ask=False) is None
    assert not calls.exists()
    assert cuda.driver_of_nodes(settings, tmp_path / "kept") is None
    assert "no node was free" in capsys.readouterr().err
    srun("CUDA Version: 12.4")
    assert cuda.driver_of_nodes(settings, tmp_path / "kept") == "12.4"
    assert cuda.driver_of_nodes(settings, tmp_path / "kept") == "12.4"
    asked = calls.read_text().splitlines()
    assert len(asked) == 2
    assert {"--partition=gpu", "--gpus=a40:1", "nvidia-smi"} <= set(asked[1].split())


def test_the_engine_gets_a_pytorch_that_fits(root, tmp_path):
    file = root / "workflow" / "envs" / "cellpose3.yaml"
    assert cuda.fitted(file, None) == cuda.fitted(file, "13.0") == file.read_text(encoding="utf-8")
    older = tmp_path / "cellpose3.yaml"
    older.write_text(cuda.fitted(file, "12.4"), encoding="utf-8")
    listed = pins(older)
    assert listed | {"torch": pins(file)["torch"]} == pins(file)
    found = resolver.compile_pins([f"{name}=={listed[name]}" for name in listed], "3.11")
    assert cuda.cuda_of(found) == "12.8"
    with pytest.raises(Problem) as caught:
        cuda.fitted(file, "11.8")
    assert caught.value.code == "SM-ENV-024"
    plain = root / "workflow" / "envs" / "report.yaml"
    assert cuda.fitted(plain, "11.8") == plain.read_text(encoding="utf-8")


def test_files_are_kept_and_only_what_changed_is_resolved(configure, tmp_path, monkeypatch):
    kept, results = tmp_path / "kept", tmp_path / "results"
    resolved: list[str] = []

    def note(wanted, python, driver, where, capability):
        resolved.append(wanted[0].words)
        return resolver.resolve(wanted, python, driver, where, capability)

    monkeypatch.setattr(builder, "resolve", note)

    def files(**packages):
        return environment_files(
            configure(environments={name: {"packages": p} for name, p in packages.items()}),
            kept=kept,
        )

    first = files(one=["tqdm"], two=["natsort"])
    assert resolved == ["tqdm", "natsort"]
    assert not results.exists()
    assert pins(first["one"]) == {"tqdm": "4.70.1"}
    assert files(one=["TQDM"], two=["natsort"]) == first
    second = files(one=["tqdm"], two=["natsort", "six"])
    assert resolved == ["tqdm", "natsort", "natsort"]
    assert second["one"] == first["one"] and second["two"] != first["two"]

    copy_to_results(second, results)
    before = {name: file.read_bytes() for name, file in second.items()}
    shutil.rmtree(kept)
    monkeypatch.setenv("HTTPS_PROXY", FREE_PORT)
    third = files(one=["tqdm"], two=["natsort", "six"])
    assert {name: file.read_bytes() for name, file in third.items()} == before
    assert len(resolved) == 3


def test_a_kept_file_whose_cuda_is_too_new_is_made_again(configure, tmp_path):
    def cuda_with(**cluster):
        environments = {"deep": {"packages": ["torch"]}}
        config = configure(environments=environments, cluster=cluster)
        return cuda.cuda_of(pins(environment_files(config, kept=tmp_path / "kept")["deep"]))

    assert cuda_with() == "13.0"
    assert cuda_with(cuda_driver=12.4) == "12.8"
    assert cuda_with(cuda_driver="13.0") == "12.8"


def test_the_driver_is_asked_for_only_where_there_is_cuda(configure, tmp_path):
    asked = []

    def ask():
        asked.append(1)
        return "12.4"

    environments = {"plain": {"packages": ["tqdm"]}, "deep": {"packages": ["torch"]}}
    config = configure(environments=environments)
    files = environment_files(config, kept=tmp_path / "kept", ask_driver=ask)
    assert len(asked) == 1
    assert cuda.cuda_of(pins(files["deep"])) == "12.8"


def test_a_cuda_that_a_package_has_in_its_name(configure, tmp_path):
    found = problem("pypi:cupy-cuda13x", driver="12.4")
    assert found.code == "SM-ENV-023" and "cupy-cuda13x" in found.what
    environments = {"a": {"packages": ["cupy"]}}
    config = configure(environments=environments, cluster={"cuda_driver": "12.4"})
    file = environment_files(config, kept=tmp_path)["a"]
    assert imports(config.settings, "a", file) == ["cupy-cuda12x=cupy"]


def test_the_package_that_brings_the_cuda_is_named():
    found = problem("torchvision", "torch==2.13.0", driver="12.4")
    assert found.code == "SM-ENV-022" and found.what.startswith("torch==2.13.0 brings CUDA 13")


def test_what_is_wrong_whatever_the_driver():
    assert "numpy==99" in problem("torch==2.13.0", "numpy==99", driver="12.4").what


def test_another_catalogue_leaves_what_was_found(configure, tmp_path, monkeypatch):
    config = configure(environments={"a": {"packages": ["natsort"]}})
    first = environment_files(config, kept=tmp_path)
    monkeypatch.setattr(
        "segmake.environments.wanted.catalogue.preferred_versions", lambda: {"natsort": "8.3.0"}
    )
    assert environment_files(config, kept=tmp_path) == first


def test_everything_wrong_is_told_at_once(configure, tmp_path):
    environments = {"a": {"packages": ["os", "pandsa"]}, "b": {"packages": ["R", "numpy"]}}
    with pytest.raises(Problems) as caught:
        environment_files(configure(environments=environments), kept=tmp_path / "kept")
    assert [one.code for one in caught.value.problems] == ["SM-ENV-018", "SM-ENV-019", "SM-ENV-016"]
    assert not (tmp_path / "kept").exists()


def test_no_network(configure, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", FREE_PORT)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    environments = {"a": {"packages": ["tqdm"]}, "b": {"packages": ["natsort"]}}
    with pytest.raises(Problems) as caught:
        environment_files(configure(environments=environments), kept=tmp_path / "kept")
    assert [one.code for one in caught.value.problems] == ["SM-ENV-020"]


def test_what_the_check_imports(configure, tmp_path):
    packages = ["skimage", "cupy", "some-lab-package", "python-dateutil"]
    settings = configure(environments={"a": {"packages": packages}}).settings
    assert imports(settings, "a", tmp_path / "not yet") == [
        "scikit-image=skimage",
        "cupy-cuda13x=cupy",
        "some-lab-package=",
        "python-dateutil=dateutil",
    ]


@pytest.mark.parametrize(
    ("environments", "code"),
    [
        ({"my env": {"packages": ["a"]}}, "SM-ENV-027"),
        ({"../up": {"packages": ["a"]}}, "SM-ENV-027"),
        ({"a": {"python": 3.1, "packages": ["a"]}}, "SM-ENV-012"),
        ({"a": {"python": "2.7", "packages": ["a"]}}, "SM-CFG-002"),
        ({"a": {"packages": []}}, "SM-CFG-002"),
        ({"a": {}}, "SM-CFG-003"),
        ({"a": {"package": ["a"]}}, "SM-CFG-001"),
    ],
)
def test_what_the_config_may_say(configure, environments, code):
    with pytest.raises(Problems) as caught:
        configure(environments=environments)
    assert code in [one.code for one in caught.value.problems]


def test_python_with_and_without_quotes_is_the_same(configure):
    for python in (3.12, "3.12"):
        settings = configure(environments={"a": {"python": python, "packages": ["a"]}}).settings
        assert settings["environments"]["a"]["python"] == "3.12"


def test_words_of_uv_that_are_new_are_passed_on():
    words = "error: No solution found\n  cause: Because of this and that. And so nothing works."
    assert clashes.sentence(words, "3.11") == "And so nothing works"
