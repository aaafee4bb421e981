"""What the tests of devices and weights try in the environment of the engine cellpose3, where there is no pytest.

``python engine_checks.py`` takes lines of JSON, the name of a function here and a folder, does each in a process of its
own, writes what the function returns to ``answer.json`` in the folder, and says so. There is no GPU on the machines of
the tests: where one is needed, CUDA's part is played by a few lines here, and each function says which.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cellpose import core, dynamics, utils

from segmake.core.settings import segmentation_of
from segmake.engines import cellpose3, device, network
from segmake.engines.network import Loaded
from segmake.messages import Problem

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, Any] = {
    "engine": "cellpose3",
    "model": str(ROOT / "resources/models/segmake_demo_cp3"),
    "models_folder": None,
    "gpu": False,
    "allow_cpu": False,
    "batch_size": 8,
    "bsize": 64,
    "restore": None,
    "chan2_restore": False,
    "max_size_fraction": 0.4,
    "diameter": 30.0,
    "tile_overlap": 0.1,
}

FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

FETCH = """
import json, sys
from segmake.engines import cellpose3
cellpose3.models._MODEL_URL, settings = json.loads(sys.argv[1])
cellpose3.fetch(settings)
"""


def picture(seed: int = 0) -> np.ndarray:
    """Draw discs on noise, on which the demo model finds cells."""
    rows, columns = np.mgrid[:150, :130]
    plane = np.random.default_rng(seed).normal(100, 5, rows.shape)
    for row, column in ((30, 30), (40, 90), (100, 40), (110, 100)):
        plane[(rows - row - seed) ** 2 + (columns - column) ** 2 < 120] += 200
    return plane


def labels(loaded: Loaded, plane: np.ndarray) -> np.ndarray:
    return cellpose3.masks(loaded, cellpose3.predict(loaded, [plane]))


def code_of(call: Any, *arguments: Any) -> dict[str, Any]:
    try:
        found = call(*arguments)
    except Problem as problem:
        return {"code": problem.code, "text": str(problem)}
    return {"code": None, "text": str(found)}


@contextmanager
def small_gpu(limit: int, error: RuntimeError = FULL) -> Iterator[list[int]]:
    """Let the network's call raise an error for more tiles than this, and note how many there were each time."""
    forward, tried = core._forward, []

    def called(net: torch.nn.Module, tiles: np.ndarray) -> Any:
        tried.append(len(tiles))
        if len(tiles) > limit:
            raise error
        return forward(net, tiles)

    core._forward = called
    yield tried
    core._forward = forward


@contextmanager
def small_gpu_for_masks() -> Iterator[list[str]]:
    """Let the flow dynamics raise torch's error once, as a GPU's would, and note the devices."""
    real, devices = dynamics.resize_and_compute_masks, []

    def once(*arguments: Any, **others: Any) -> np.ndarray:
        devices.append(others["device"].type)
        if len(devices) == 1:
            raise FULL
        return real(*arguments, **others)

    dynamics.resize_and_compute_masks = once
    yield devices
    dynamics.resize_and_compute_masks = real


def out_of_memory(folder: Path) -> dict[str, Any]:
    """The network's call raises torch's error for more than two tiles, as a GPU's would; the rest is real."""
    loaded = cellpose3.load(SETTINGS)
    expected = labels(loaded, picture())
    with small_gpu(2) as tried:
        first = labels(loaded, picture())
        halved, tried[:] = list(tried), []
        second = labels(loaded, picture())
    cublas = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")
    with small_gpu(0, cublas):
        nothing_fits = code_of(cellpose3.predict, loaded, [picture()])
    with small_gpu(0, RuntimeError("CUDA error: an illegal memory access was encountered")):
        try:
            code_of(cellpose3.predict, loaded, [picture()])
            other = "swallowed"
        except RuntimeError as raised:
            other = str(raised)
    return {
        "cells": int(expected.max()),
        "same": bool(np.array_equal(first, expected) and np.array_equal(second, expected)),
        "halved": halved,
        "kept": tried,
        "describe": cellpose3.describe(loaded),
        "nothing_fits": nothing_fits["code"],
        "other": other,
    }


def out_of_memory_in_masks(folder: Path) -> dict[str, Any]:
    """The flow dynamics raise torch's error once; the second try is real."""
    loaded = cellpose3.load(SETTINGS)
    prediction = cellpose3.predict(loaded, [picture()])
    expected = cellpose3.masks(loaded, prediction)
    # A device that is not the CPU, without a single tensor on it.
    loaded.model.device = torch.device("meta")
    with small_gpu_for_masks() as devices:
        found = cellpose3.masks(loaded, prediction)
    return {
        "same": bool(np.array_equal(found, expected)),
        "devices": devices,
        "unchanged": loaded.model.device.type,
    }


def in_another_thread(folder: Path) -> dict[str, Any]:
    """The masks of each image are made while the network works on the next one."""
    loaded = cellpose3.load(SETTINGS)
    planes = [picture(seed) for seed in range(5)]
    expected = [labels(loaded, plane) for plane in planes]
    found: list[np.ndarray | None] = [None] * len(planes)

    def make(number: int, prediction: network.Prediction) -> None:
        found[number] = cellpose3.masks(loaded, prediction)

    threads = []
    for number, plane in enumerate(planes):
        prediction = cellpose3.predict(loaded, [plane])
        threads.append(threading.Thread(target=make, args=(number, prediction)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return {
        "cells": [int(labels.max()) for labels in expected],
        "same": all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True)),
    }


def devices(folder: Path) -> dict[str, Any]:
    """What is chosen without a GPU, and, in the last lines, with one that fails: `_has_gpu` says that it is there."""
    os.environ.pop("SLURM_JOB_ID", None)
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)

    def chosen(**settings: Any) -> dict[str, Any]:
        return code_of(device.choose_device, segmentation_of({**SETTINGS, **settings}))

    found = {"auto": chosen(gpu="auto"), "true": chosen(gpu=True), "false": chosen(gpu=False)}
    os.environ["SLURM_JOB_ID"] = "1"
    found["job"] = chosen(gpu="auto")
    found["job, false"] = chosen(gpu=False)
    found["job, allowed"] = chosen(gpu="auto", allow_cpu=True)
    found["load"] = code_of(cellpose3.load, {**SETTINGS, "gpu": "auto"})
    del os.environ["SLURM_JOB_ID"]
    device._has_gpu = lambda: True
    found["broken"] = chosen(gpu="auto")
    return found


def models(folder: Path) -> dict[str, Any]:
    """Files that are no networks of Cellpose 3; Omnipose's has one value more for each pixel."""
    state = torch.load(SETTINGS["model"], weights_only=True)
    tensor = torch.zeros(2)
    files = {
        "cellpose 4": {"module.W2": tensor, "module.encoder.pos_embed": tensor},
        "omnipose": {**state, "output.2.weight": torch.zeros(4, 32, 1, 1)},
        "lacks weights": {
            name: value for name, value in state.items() if not name.startswith("upsample")
        },
        "other shapes": {
            name: value.expand(2, *value.shape).clone() for name, value in state.items()
        }
        | {"output.2.weight": state["output.2.weight"]},
        "numbers": [1, 2, 3],
    }
    found = {}
    for name, content in files.items():
        path = folder / name
        torch.save(content, path)
        found[name] = code_of(cellpose3.load, {**SETTINGS, "model": str(path)})
    torch.save(state, folder / "old", _use_new_zipfile_serialization=False)
    found["old format"] = code_of(cellpose3.load, {**SETTINGS, "model": str(folder / "old")})
    whole = Path(SETTINGS["model"]).read_bytes()
    (folder / "half").write_bytes(whole[: len(whole) // 2])
    found["half"] = code_of(cellpose3.load, {**SETTINGS, "model": str(folder / "half")})
    found["gone"] = code_of(cellpose3.load, {**SETTINGS, "model": str(folder / "none")})
    return found


def download(folder: Path) -> dict[str, Any]:
    """Fetch a built-in model from a server on this machine, which does not always send all of it."""
    from segmake.engines.weights import note_content
    from tests.unit.model_server import serve

    content = Path(SETTINGS["model"]).read_bytes()
    found: dict[str, Any] = {}
    settings = {**SETTINGS, "model": "nuclei", "models_folder": str(folder / "models")}
    with serve({"nucleitorch_0": content, "denoise_nuclei": content}) as server:
        cellpose3.models._MODEL_URL = server.address
        server.cut = True
        found["cut"] = code_of(cellpose3.fetch, settings)
        found["left"] = sorted(path.name for path in (folder / "models").glob("[!.]*"))
        server.cut = False
        told = json.dumps([server.address, {**settings, "restore": "denoise_nuclei"}])
        asked, server.pause = len(server.asked), 2.0
        both = [subprocess.Popen([sys.executable, "-c", FETCH, told]) for _ in range(2)]
        found["two runs at once"] = [process.wait() for process in both]
        found["asked by both"], server.pause = sorted(server.asked[asked:]), 0.0
        found["fetched"] = sorted(path.name for path in (folder / "models").glob("[!.]*"))
        asked = len(server.asked)
        cellpose3.fetch(settings)
        found["asked again"] = len(server.asked) - asked
        loaded = cellpose3.load(settings)
        # Cellpose knows this diameter by the model's name alone.
        found["diameter"] = float(loaded.model.diam_mean)
        found["unknown"] = code_of(cellpose3.fetch, {**settings, "model": "cyto3"})
        # A network that wants to know first who one is answers with a page of its own.
        page = b"<html>Please log in</html>"
        server.files["nucleitorch_0"] = page
        (folder / "models" / "nucleitorch_0").unlink()
        found["page"] = code_of(cellpose3.fetch, settings)
        (folder / "models" / "nucleitorch_0").write_bytes(page)
        cellpose3.fetch(settings)
        found["page, brought"] = code_of(cellpose3.load, settings)["code"]
        (folder / "models" / "nucleitorch_0").unlink()
        server.files["nucleitorch_0"] = content
        files = cellpose3.fetch(settings)
        note_content(files)
        found["noted"] = sorted(path.name for path in (folder / "models").glob("*.sha256"))
        with (folder / "models" / "nucleitorch_0").open("r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        found["damaged"] = code_of(cellpose3.fetch, settings)
    found["no server"] = code_of(
        cellpose3.fetch, {**settings, "model": "cyto3", "restore": "denoise_cyto3"}
    )
    found["job"] = code_of(cellpose3.load, {**settings, "model": "cyto3"})
    return found


def sizes(folder: Path) -> dict[str, Any]:
    """Images of a few pixels, and images without anything in them."""
    found = {}
    for diameter in (None, 15.0, 60.0):
        loaded = cellpose3.load({**SETTINGS, "bsize": 224, "diameter": diameter})
        for shape in ((1, 1), (1, 40), (2, 2), (3, 5), (9, 9), (16, 300)):
            plane = np.random.default_rng(1).normal(100, 5, shape)
            try:
                got: Any = labels(loaded, plane).shape == shape
            except Problem as problem:
                got = problem.code
            found[f"{diameter} {shape}"] = got
    loaded = cellpose3.load({**SETTINGS, "diameter": None})
    for name, plane in {
        # In which Cellpose itself finds cells.
        "constant": np.full((200, 210), 7, np.uint16),
        "zero": np.zeros((60, 50), np.float32),
        "below zero": picture() - 1000,
    }.items():
        found[name] = int(labels(loaded, plane).max())
    empty = cellpose3.predict(loaded, [picture(), np.zeros((150, 130))])
    found["empty channel"] = int(cellpose3.masks(loaded, empty).max())
    return found


def stitching(folder: Path) -> dict[str, Any]:
    """What joins the cells of slices, which `network` puts in the place of Cellpose's own function."""
    apart = np.zeros((6, 6, 12), np.uint16)
    apart[0, 1:3, 1:3] = 1
    apart[2:, 1:3, 8:10] = 1
    apart[4:, 4:6, 1:3] = 2
    many = np.zeros((3, 3, 12), np.uint16)
    many[0, 0] = np.arange(1, 13)
    many[1:, 1] = np.arange(1, 13)
    # One cell in two slices, from which on Cellpose counts.
    many[:2, 2] = (65533,), (13,)
    stitched = [utils.stitch3D(masks.copy(), stitch_threshold=0.25) for masks in (apart, many)]
    return {
        "apart": [np.unique(plane).tolist() for plane in stitched[0]],
        "many": len(np.unique(stitched[1])),
    }


def volumes(folder: Path) -> dict[str, Any]:
    """Z-stacks: with little memory, with nothing in them, and too small. ``stack.npy`` has three cells.

    As in `out_of_memory`, a few lines raise torch's error in the place of a GPU.
    """
    in_3d = {**SETTINGS, "bsize": 224, "do_3D": True, "diameter": 40.0, "min_size": 60}
    stitched = {**SETTINGS, "stitch_threshold": 0.2, "diameter": 26.0, "min_size": 60}
    stack, loaded = np.load(folder / "stack.npy"), cellpose3.load(in_3d)
    expected = cellpose3.volume(loaded, [stack], 2.0)
    found: dict[str, Any] = {"cells": int(expected.max())}

    def same() -> bool:
        return bool(np.array_equal(cellpose3.volume(loaded, [stack], 2.0), expected))

    with small_gpu(2) as tried:
        found["memory"] = [same(), tried[:3], loaded.batch_size]
    with small_gpu_for_masks() as devices:
        loaded.model.device = torch.device("meta")
        found["memory of masks"] = [same(), devices]
    for name, settings in {"3D": in_3d, "stitched": stitched}.items():
        loaded = cellpose3.load(settings)
        for kind, planes in {
            "constant": [np.full((4, 200, 210), 7, np.uint16)],
            "below zero": [stack.astype(np.float32) - 1000],
            "empty channel": [stack, np.zeros_like(stack)],
        }.items():
            labels = cellpose3.volume(loaded, planes, 2.0)
            assert labels.shape == planes[0].shape
            found[f"{name}, {kind}"] = int(labels.max())
        tiny = cellpose3.load({**settings, "diameter": 60.0})
        small = np.random.default_rng(0).normal(0, 1, (2, 2, 2))
        found[f"{name}, tiny"] = code_of(cellpose3.volume, tiny, [small], 1.0)["code"]
    loaded = cellpose3.load({**in_3d, "resample": False})
    for anisotropy in (0.1, 0.4):
        code = code_of(cellpose3.volume, loaded, [stack], anisotropy)["code"]
        found[f"flattened, {anisotropy}"] = code
    return found


def serve() -> None:
    """Do what is asked until there is no more; the libraries, which take ten seconds, are loaded once for all."""
    for line in sys.stdin:
        name, folder = json.loads(line)
        if child := os.fork():
            os.waitpid(child, 0)
            print("done", flush=True)
            continue
        os.dup2(2, 1)
        status = 1
        try:
            (Path(folder) / "answer.json").write_text(json.dumps(globals()[name](Path(folder))))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


if __name__ == "__main__":
    serve()
