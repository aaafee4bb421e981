"""Devices, memory and files of weights: what `engine_checks` tries in the environment of the engine cellpose3."""

from __future__ import annotations

import pytest

from tests.unit.identity import python_of

PYTHON = python_of("cellpose3")

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the engine's environment is missing: bash scripts/setup.sh"
)


def test_a_gpu_that_runs_out_of_memory_gets_fewer_tiles_at_once(try_in_engine):
    found = try_in_engine("out_of_memory")
    assert found["cells"] == 4 and found["same"]
    # Eight were too many, then four; the other tiles of the image and the next image begin with two.
    assert found["halved"][:3] == [8, 4, 2] and max(found["halved"][2:]) == 2
    assert max(found["kept"]) == 2
    assert found["describe"]["batch_size"] == "2"
    assert found["nothing_fits"] == "SM-RUN-004"
    assert "illegal memory access" in found["other"]


def test_masks_that_do_not_fit_onto_the_gpu_are_made_on_the_cpu(try_in_engine):
    found = try_in_engine("out_of_memory_in_masks")
    assert found == {"same": True, "devices": ["meta", "cpu"], "unchanged": "meta"}


def test_masks_may_be_made_while_the_network_works_on_the_next_image(try_in_engine):
    found = try_in_engine("in_another_thread")
    assert found["same"] and min(found["cells"]) > 0


def test_a_gpu_that_should_be_there_and_is_not(try_in_engine):
    found = try_in_engine("devices")
    for name in ("auto", "false", "job, false", "job, allowed"):
        assert found[name] == {"code": None, "text": "cpu"}, name
    for name in ("true", "job", "load", "broken"):
        assert found[name]["code"] == "SM-RUN-005", name
        # What torch itself says of it.
        assert "CUDA" in found[name]["text"].split("CUDA says:")[1], name
        assert "`allow_cpu: true`" in found[name]["text"]


def test_files_that_are_no_model_of_the_engine(try_in_engine):
    found = try_in_engine("models")
    codes = {name: tried["code"] for name, tried in found.items()}
    assert codes == {
        "cellpose 4": "SM-MOD-001",
        "omnipose": "SM-MOD-001",
        "lacks weights": "SM-RUN-006",
        "other shapes": "SM-RUN-006",
        "numbers": "SM-RUN-006",
        "half": "SM-RUN-006",
        "old format": None,
        "gone": "SM-MOD-003",
    }
    assert "`engine: cellpose`" in found["cellpose 4"]["text"]
    assert "`engine: omnipose`" in found["omnipose"]["text"]


def test_a_model_is_fetched_once_and_whole(try_in_engine, tmp_path):
    found = try_in_engine("download")
    assert found["cut"]["code"] == "SM-RUN-007" and found["left"] == []
    assert found["two runs at once"] == [0, 0]
    files = ["denoise_nuclei", "nucleitorch_0"]
    assert found["asked by both"] == found["fetched"] == files
    assert found["asked again"] == 0
    assert found["diameter"] == 17
    assert found["unknown"]["code"] == "SM-RUN-007"
    assert found["page"]["code"] == "SM-RUN-007" and "no weights" in found["page"]["text"]
    assert found["page, brought"] == "SM-RUN-006"
    assert found["noted"] == ["nucleitorch_0.sha256"]
    assert found["damaged"]["code"] == "SM-MOD-002"
    assert found["job"]["code"] == "SM-MOD-003"
    # Without network, one message names every file to bring.
    message = found["no server"]["text"]
    assert f"Missing in {tmp_path / 'models'}: cyto3, denoise_cyto3\n" in message
    assert "/cyto3, http://" in message


def test_images_of_a_few_pixels_and_images_with_nothing_in_them(try_in_engine):
    found = try_in_engine("sizes")
    assert (found.pop("constant"), found.pop("zero")) == (0, 0)
    assert found.pop("below zero") == found.pop("empty channel") == 4
    # Where the network sees at least a pixel, the mask has the image's size.
    assert all(shape is True for name, shape in found.items() if name.startswith("15.0"))
    assert found["None (9, 9)"] is found["60.0 (16, 300)"] is True
    assert found["None (1, 40)"] == found["60.0 (1, 40)"] == "SM-RUN-008"
