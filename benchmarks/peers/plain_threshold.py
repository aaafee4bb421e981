"""Cells by a threshold, as a script of ten lines finds them: a label image written for each picture.

python benchmarks/peers/plain_threshold.py FOLDER IMAGE...
"""

import sys
from pathlib import Path

import numpy as np
import tifffile
from skimage.filters import threshold_otsu
from skimage.measure import label

folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
for path in map(Path, sys.argv[2:]):
    picture = tifffile.imread(path)
    cells = label(picture > threshold_otsu(picture))
    tifffile.imwrite(folder / path.name, cells.astype(np.uint32), compression="zlib")
