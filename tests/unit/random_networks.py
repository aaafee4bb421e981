"""Networks of the right shape with random weights, for models whose real weights can't be had in a test.

``python random_networks.py FILE...`` runs in the environment of an engine. The name of a file says what it holds: a
network of Cellpose 3 that restores images, or, where Cellpose 4 is installed, a Cellpose-SAM.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import torch


def restoration() -> torch.nn.Module:
    # Not from `models`, which compiles for seconds what is not wanted here.
    from cellpose.resnet_torch import CPnet

    return CPnet([1, 32, 64, 128, 256], 1, sz=3, max_pool=True)


def cellpose_sam() -> torch.nn.Module:
    from cellpose import models

    network = models.CPSAM()
    with torch.no_grad():
        # Flows long enough for pixels to gather.
        network.out.weight.mul_(20)
    return network


def main() -> None:
    for number, path in enumerate(map(Path, sys.argv[1:])):
        torch.manual_seed(number)
        network = restoration() if find_spec("cellpose.resnet_torch") else cellpose_sam()
        torch.save(network.state_dict(), path)


if __name__ == "__main__":
    main()
