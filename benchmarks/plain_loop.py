"""A plain loop over images, as a script of ten lines does it: the model loaded once, a label image written for each.

python benchmarks/plain_loop.py MODEL FOLDER IMAGE...
"""

import sys
from pathlib import Path

import tifffile
import torch
from cellpose import models

model = models.CellposeModel(gpu=torch.cuda.is_available(), pretrained_model=sys.argv[1])
folder = Path(sys.argv[2])
folder.mkdir(exist_ok=True)
for name in sys.argv[3:]:
    masks = model.eval(tifffile.imread(name), channels=[0, 0])[0]
    tifffile.imwrite(folder / Path(name).name, masks, compression="zlib")
