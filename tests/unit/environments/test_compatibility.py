"""Answers that work: rules that the registry's metadata lack, whatever the order of a list, and nothing far behind."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from segmake.environments.solving import cuda, resolver, solutions
from segmake.environments.solving import environment_files as builder
from segmake.environments.solving.compiling import compile_pins
from segmake.environments.solving.environment_file import pins
from segmake.environments.solving.environment_files import environment_files
from segmake.environments.solving.solutions import Target
from segmake.environments.wanted import compatibility
from segmake.environments.wanted.words import understand
from segmake.messages import Problem


def resolve(*words: str, python: str = "3.11", driver: str | None = None, **others: str):
    return resolver.resolve([understand(one) for one in words], python, driver, "line 1", **others)


def of_cuda(pinned: dict[str, str]) -> set[str]:
    """Return the major versions of CUDA whose packages are in an answer."""
    return set(re.findall(r"^nvidia-\w+-cu(\d+)$", "\n".join(pinned), re.MULTILINE))


def test_the_order_of_a_list_does_not_count():
    one = resolve("tensorflow", "torch", driver="12.4")
    other = resolve("torch", "tensorflow", driver="12.4")
    assert one == other
    assert not one.behind
    assert Version(one.pins["torch"]) >= Version("2.8")
    assert Version(one.pins["tensorflow"]) >= Version("2.19")


@pytest.mark.long
def test_pytorch_and_tensorflow_share_one_cuda_and_do_not_crash():
    found = resolve("torch", "tensorflow")
    assert of_cuda(found.pins) == {"12"}
    assert Version(found.pins["triton"]) < Version("3.7")
    # Alone, PyTorch would be newer: that is said, with what holds it back.
    (behind,) = found.behind
    assert behind.package == "torch" and "nvidia-cudnn-cu12" in behind.reason
    assert Version(behind.newest) > Version(behind.found)


@pytest.mark.parametrize(
    ("words", "python", "driver"),
    [
        pytest.param(("numpy", "torch"), "3.11", "11.4", marks=pytest.mark.long),
        (("numpy", "torch==2.2.2"), "3.11", None),
        (("numpy", "tensorflow==2.15.1"), "3.11", None),
        (("numpy", "pims"), "3.11", None),
    ],
)
def test_what_was_built_for_numpy_1_gets_it(words, python, driver):
    found = resolve(*words, python=python, driver=driver)
    assert Version(found.pins["numpy"]) < Version("2")
    assert compatibility.broken(found.pins) is None
    if driver:
        assert found.pins["torch"] == "2.0.1" and "nvidia-cublas-cu11" in found.pins
        assert [one.package for one in found.behind] == ["numpy"]


def test_a_rule_is_held_against_versions_of_the_user():
    with pytest.raises(Problem) as caught:
        resolve("torch==2.2.2", "numpy==2.1.0")
    assert caught.value.code == "SM-ENV-025"
    assert "torch==2.2.2 and numpy==2.1.0" in caught.value.what
    assert "from_numpy" in caught.value.what and "numpy==" in caught.value.remedy


def test_omnipose_gets_an_older_ncolor():
    rule = next(rule for rule in compatibility.rules()["together"] if rule["when"] == "omnipose")
    broken = compatibility.broken({"omnipose": "1.1.4", "ncolor": "2.3.0"})
    assert broken and (rule["then"],) in broken.ways
    assert compatibility.broken({"omnipose": "1.1.4", "ncolor": "1.5.3"}) is None
    assert compile_pins(["ncolor"], "3.11", limits=broken.ways[-1])["ncolor"].startswith("1.")


@pytest.mark.parametrize("family", ["cudnn", "nccl", "nvshmem"])
def test_files_of_two_cudas_are_never_in_one_answer(family):
    both = {f"nvidia-{family}-cu12": "9.0", f"nvidia-{family}-cu13": "9.1"}
    broken = compatibility.broken(both)
    assert broken and f"nvidia-{family}-cu12==9.0" in broken.sentence
    newer, older = broken.ways
    assert f"nvidia-{family}-cu12<0" in newer and f"nvidia-{family}-cu13<0" not in newer
    assert f"nvidia-{family}-cu13<0" in older and "cuda-toolkit<13" in older


@pytest.mark.parametrize(
    "names",
    [("opencv-python", "opencv-python-headless"), ("cupy-cuda12x", "cupy-cuda13x")],
)
def test_two_packages_that_are_one_module_are_told(names):
    assert compatibility.broken(dict.fromkeys(names, "1.0"))


@pytest.mark.parametrize(
    ("words", "added"),
    [
        ("stardist", "tensorflow"),
        pytest.param("csbdeep", "tensorflow", marks=pytest.mark.long),
        pytest.param("keras", "tensorflow", marks=pytest.mark.long),
    ],
)
def test_what_needs_a_framework_gets_it(words, added):
    found = resolve(words, driver="12.4")
    assert found.added == {words: added}
    assert added in found.pins
    assert cuda.cuda_of(found.pins) is not None


def test_keras_is_content_with_the_backend_of_the_list():
    found = resolve("keras", "torch", driver="12.4")
    assert not found.added and "tensorflow" not in found.pins


@pytest.mark.parametrize(
    ("capability", "oldest", "newest"),
    [("7.0", "2.8", "2.11"), ("6.1", "2.5", "2.8"), ("8.6", "2.13", "99"), ("12.0", "2.13", "99")],
)
def test_gpus_of_every_age_get_a_pytorch_with_code_for_them(capability, oldest, newest):
    found = resolve("torch", capability=capability)
    assert Version(oldest) <= Version(found.pins["torch"]) < Version(newest)
    if Version(newest) < Version("99"):
        assert of_cuda(found.pins) == {"12"}


def test_a_version_without_code_for_the_gpus_is_refused_with_one_that_has():
    with pytest.raises(Problem) as caught:
        resolve("torch==2.13.0", driver="13.0", capability="7.0")
    assert caught.value.code == "SM-ENV-029"
    assert "7.0" in caught.value.what and "torch==2.10" in caught.value.remedy
    with pytest.raises(Problem) as caught:
        resolve("torch==1.12.1", python="3.10", driver="11.4", capability="8.6")
    assert caught.value.code == "SM-ENV-029" and "torch==2.0.1" in caught.value.remedy


def test_a_kept_file_without_code_for_the_gpus_is_made_again(configure, tmp_path):
    def torch_for(**cluster):
        environments = {"deep": {"packages": ["torch"]}}
        config = configure(environments=environments, cluster=cluster)
        return pins(environment_files(config, kept=tmp_path / "kept")["deep"])["torch"]

    assert Version(torch_for()) >= Version("2.11")
    assert Version(torch_for(compute_capability=7.0)) < Version("2.11")


def test_a_node_says_the_capability_of_its_gpus(configure, tmp_path, monkeypatch):
    settings = configure().settings
    answer = "| Driver Version: 550.54.15   CUDA Version: 12.4     |\n8.6\n7.0\n"
    monkeypatch.setattr(cuda, "_ask_node", lambda options: answer)
    assert cuda.capability_of_nodes(settings, tmp_path) is None
    assert cuda.driver_of_nodes(settings, tmp_path) == "12.4"
    assert cuda.capability_of_nodes(settings, tmp_path) == "7.0"
    settings["cluster"]["compute_capability"] = "8.6"
    assert cuda.capability_of_nodes(settings, tmp_path) == "8.6"


@pytest.mark.parametrize(("name", "meant"), [("DeLTA", "delta2"), ("FEniCS", "conda-forge")])
def test_names_that_are_other_projects(name, meant):
    with pytest.raises(Problem) as caught:
        understand(name)
    assert caught.value.code == "SM-ENV-037" and meant in caught.value.remedy
    assert understand(f"pypi:{name}")


@pytest.mark.long
def test_a_driver_of_cuda_11_says_which_python_or_driver_would_do():
    with pytest.raises(Problem) as caught:
        resolve("tensorflow", python="3.12", driver="11.4")
    assert caught.value.code == "SM-ENV-023"
    assert '"3.10"' in caught.value.remedy and "CUDA 12" in caught.value.remedy


def test_what_is_far_behind_is_told_again_by_the_run_after_a_dry_one(configure, tmp_path, capsys):
    environments = {"old": {"packages": ["numpy", "pims"]}}
    config = configure(environments=environments)
    for _ in range(2):
        environment_files(config, kept=tmp_path)
        said = capsys.readouterr().err
        assert "in the environment old, numpy is 1." in said and "pims" in said
    environment_files(config, kept=tmp_path, tell=False)
    assert not capsys.readouterr().err


def test_a_version_that_is_not_finished_is_told(configure, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        builder,
        "resolve",
        lambda *_: resolver.Resolution({"tqdm": "5.0rc1"}, unfinished=("tqdm==5.0rc1",)),
    )
    environment_files(configure(environments={"a": {"packages": ["tqdm"]}}), kept=tmp_path)
    assert "tqdm==5.0rc1" in capsys.readouterr().err
    wanted = [understand("tqdm")]
    assert solutions.unfinished(wanted, {"tqdm": "5.0rc1"}) == ["tqdm==5.0rc1"]
    assert solutions.unfinished([understand("tqdm>=5.0rc1")], {"tqdm": "5.0rc1"}) == []


@pytest.mark.parametrize(
    ("found", "newest", "far"),
    [
        ("2.0.1", "2.10.0", True),
        ("2.8.0", "2.10.0", False),
        ("1.26.4", "2.4.6", True),
        ("2025.10.1", "2026.3.3", False),
        ("2023.4.1", "2026.3.3", True),
        ("2.11.0", "2.10.0", False),
    ],
)
def test_what_is_far_below(found, newest, far):
    assert solutions.is_far(found, newest) is far


def test_every_rule_can_be_read():
    for rule in compatibility.rules()["together"]:
        assert rule["source"] and rule["why"]["en"] and rule["why"]["fr"]
        assert Requirement(rule["when"]) and Requirement(rule["then"]).specifier
    for kind in ("apart", "needs", "gpus", "others"):
        assert all(rule["source"] for rule in compatibility.rules()[kind])
    assert all(map(Requirement, Target("3.11", "12.4", "7.0").limits))
