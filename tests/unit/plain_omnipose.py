"""What a user of Omnipose alone would run; nothing of SegMake is used here.

``python plain_omnipose.py CASES`` reads a JSON file, trains the networks that it names on drawn cells, and writes the
masks of each case as an ``.npy`` file. It runs in the environment of the engine, where there is no pytest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cellpose_omni import models, transforms
from omnipose.core import masks_to_flows

STEPS = 60


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    for network in given["networks"]:
        train(**network)
    for case in given["cases"]:
        model = models.CellposeModel(gpu=False, omni=True, **case["model"])
        image = np.load(case["image"])
        found = model.eval(image, channels=case["channels"], omni=True, **case["arguments"])[0]
        np.save(case["masks"], found)
    print(json.dumps(models.MODEL_NAMES))


def train(path: str, pictures: str, nchan: int, nclasses: int) -> None:
    """Train a network until it finds cells like those of the pictures, and little else."""
    torch.manual_seed(0)
    model = models.CellposeModel(gpu=False, nchan=nchan, nclasses=nclasses, omni=True)
    with np.load(pictures) as drawn:
        fields = list(zip(drawn["images"], drawn["labels"], strict=True))
    seen = torch.stack([torch.from_numpy(network_input(image, nchan)) for image, _ in fields])
    wanted = torch.stack([targets(labels)[: nclasses + 1] for _, labels in fields])
    optimizer = torch.optim.Adam(model.net.parameters(), lr=2e-3)
    model.net.train()
    for _ in range(STEPS):
        optimizer.zero_grad()
        ((model.net(seen)[0] - wanted) ** 2).mean().backward()
        optimizer.step()
    torch.save(model.net.state_dict(), path)


def network_input(image: np.ndarray, nchan: int) -> np.ndarray:
    """Return (C, Y, X), float32, as Omnipose's ``eval`` prepares an image."""
    channels = [0, 0] if nchan == 2 else None
    shaped = transforms.convert_image(
        image, channels, normalize=False, nchan=nchan, dim=2, omni=True
    )
    return transforms.normalize_img(shaped, omni=True).transpose(2, 0, 1)


def targets(labels: np.ndarray) -> Any:
    """Return (4, Y, X): flows, distance to the boundary, and the boundary as a logit."""
    cpu = torch.device("cpu")
    found = masks_to_flows(labels, use_gpu=False, device=cpu)
    boundary, distance, flows = (np.asarray(found[index]) for index in (2, -2, -1))
    parts = [*(5 * flows), np.where(labels > 0, distance, -5), np.where(boundary > 0, 3, -3)]
    return torch.from_numpy(np.stack(parts).astype(np.float32))


if __name__ == "__main__":
    main()
