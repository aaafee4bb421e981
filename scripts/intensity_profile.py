"""Draw how bright each cell is along its length, from one end to the other.

For images of one time point (TIFF, ND2) whose mask is one plane: movies and cells in 3D are refused. Of a z-stack it
takes the mean of all slices. The long axis is straight, the cell's principal axis, so the ends of bent cells are
blurred. Position 0 is the left end (of an upright cell the upper one): which pole is the old one is not known.

Makes profiles.csv (label, position from 0 to 1, intensity: the mean across the cell there; what is narrower than a
pixel is interpolated), mean_profile.csv (each cell divided by its own mean), and profiles.png. In the config:

    scripts:
      - name: profiles
        script: segmake:intensity_profile.py
        needs: [images, masks]
        arguments: {channel: 1, bins: 20, subtract-background: true}
"""

import argparse
import os
from pathlib import Path

import matplotlib.pyplot as plt
import nd2
import numpy as np
import pandas as pd
import tifffile

parser = argparse.ArgumentParser()
for name in ("--input", "--mask", "--output-dir"):
    parser.add_argument(name, type=Path, required=True)
parser.add_argument("--channel", type=int, default=1, help="the first is 1")
parser.add_argument("--bins", type=int, default=20, help="number of places along a cell")
parser.add_argument("--subtract-background", action="store_true", help="median outside the cells")
options = parser.parse_args()

number = int(os.environ.get("SEGMAKE_POSITION", 1)) - 1
if options.input.suffix.lower() == ".nd2":
    with nd2.ND2File(options.input) as file:
        pixels, axes = file.asarray(number if "P" in file.sizes else None), "".join(file.sizes)
else:
    with tifffile.TiffFile(options.input) as file:
        pixels, axes = file.series[number].asarray(), file.series[number].axes
labels = tifffile.imread(options.mask)
sizes = dict(zip(axes, pixels.shape, strict=False))
if labels.ndim > 2 or any(sizes[axis] > 1 for axis in set(sizes) - set("ZCSYX")):
    raise SystemExit(f"{options.input.name} is a movie or in 3D: no profiles are made of those.")
if not 1 <= options.channel <= sizes.get("C", sizes.get("S", 1)):
    raise SystemExit(f"{options.input.name} has no channel {options.channel}.")
if "C" in axes or "S" in axes:
    pixels = pixels.take(options.channel - 1, axes.index("C" if "C" in axes else "S"))
pixels = pixels.reshape(-1, *labels.shape).mean(axis=0)  # what is left besides Y and X are slices
pixels -= np.median(pixels[labels == 0]) if options.subtract_background else 0

profiles, lengths = {}, {}
y, x = labels.nonzero()
points = pd.DataFrame({"x": x, "y": y, "intensity": pixels[y, x]})
for label, cell in points.groupby(labels[y, x]):
    direction = np.linalg.eigh(cell[["x", "y"]].cov(ddof=0).to_numpy())[1][:, -1].round(6)
    along = cell[["x", "y"]] @ (direction if tuple(direction) > (0, 0) else -direction)
    lengths[label] = np.ptp(along) + 1
    place = ((along - along.min() + 0.5) / lengths[label] * options.bins).astype(int)
    profiles[label] = cell["intensity"].groupby(place).mean().reindex(range(options.bins))
table = pd.DataFrame(profiles, index=range(options.bins)).interpolate(limit_direction="both")
table.index = pd.Index((np.arange(options.bins) + 0.5) / options.bins, name="position")
long = table.T.rename_axis("label").stack().rename("intensity")
long.to_csv(options.output_dir / "profiles.csv")
relative = (table / table.mean())[sorted(lengths, key=lengths.get)]
mean = pd.DataFrame({"mean": relative.mean(axis=1), "sd": relative.std(axis=1)})
mean.to_csv(options.output_dir / "mean_profile.csv")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
picture = left.imshow(relative.T, aspect="auto", extent=(0, 1, len(lengths), 0), cmap="magma")
left.set(xlabel="Position along the cell", ylabel="Cells, the shortest on top", yticks=[])
figure.colorbar(picture, ax=left, label="Relative intensity")
right.plot(mean["mean"], color="#4477aa", linewidth=2)
right.fill_between(mean.index, mean["mean"] - mean["sd"], mean["mean"] + mean["sd"], alpha=0.25)
right.set(xlabel="Position along the cell", ylabel="Relative intensity, mean ± SD", xlim=(0, 1))
if lengths:  # without a cell there is nothing to see
    figure.savefig(options.output_dir / "profiles.png", dpi=150)
