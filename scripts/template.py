"""A script to begin with: copy it, and put your own lines where the cells are looked at.

As it is, it counts the pixels of each cell that are brighter than a grey value, and writes them into a table. It takes
TIFF images of one channel and one time point. In the config (other arguments: a line each, as in `add_argument`):

    scripts:
      - name: bright
        script: segmake:template.py
        needs: [images, masks]
        arguments: {threshold: 1000}
"""

import argparse
from pathlib import Path

import pandas as pd
import tifffile
from skimage.measure import regionprops

parser = argparse.ArgumentParser()
parser.add_argument("--input", type=Path, help="the image")
parser.add_argument("--mask", type=Path, help="its mask: 0 is background, 1 the first cell...")
parser.add_argument("--output-dir", type=Path, help="what is written here is kept")
parser.add_argument("--threshold", type=float, default=1000, help="an argument of your own")
options = parser.parse_args()

image = tifffile.imread(options.input)
mask = tifffile.imread(options.mask)
if image.shape != mask.shape:
    raise SystemExit(f"The image has the shape {image.shape}, the mask {mask.shape}.")

rows = []
for cell in regionprops(mask, image):
    pixels = cell.image_intensity[cell.image]
    bright = (pixels > options.threshold).sum()
    rows.append({"label": cell.label, "bright_px": bright, "bright_part": bright / pixels.size})
print(f"{len(rows)} cells")

table = pd.DataFrame(rows, columns=["label", "bright_px", "bright_part"])
table.to_csv(options.output_dir / "bright.csv", index=False)
