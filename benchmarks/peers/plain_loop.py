"""A plain loop over images, as a script of ten lines does it: the model loaded once, a label image written for each.

python benchmarks/peers/plain_loop.py [--diameter PIXELS] MODEL FOLDER IMAGE...
"""

import argparse
from pathlib import Path

import tifffile
import torch
from cellpose import models

parser = argparse.ArgumentParser()
parser.add_argument("--diameter", type=float)
parser.add_argument("model")
parser.add_argument("folder", type=Path)
parser.add_argument("images", type=Path, nargs="+")
options = parser.parse_args()
model = models.CellposeModel(gpu=torch.cuda.is_available(), pretrained_model=options.model)
options.folder.mkdir(exist_ok=True)
for path in options.images:
    masks = model.eval(tifffile.imread(path), channels=[0, 0], diameter=options.diameter)[0]
    tifffile.imwrite(options.folder / path.name, masks, compression="zlib")
