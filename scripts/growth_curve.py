"""Draw the growth curve of a movie, and fit how fast its cells grow.

Takes the number of cells and their total area at each time point, and fits a straight line to the logarithm of each:
the slope is the growth rate, ln 2 / slope the doubling time. `window: 10` fits only those 10 successive time points
that lie closest to a line (highest R²), to leave out lag and crowding. The colony has to stay within the picture, and
every cell has to be in the table (`exclude_edge_cells: false`). Points of one movie depend on each other, so the
standard error says too little: compare movies, not points.

Makes growth_curve.csv, growth_rate.csv and growth_curve.png; images that are no movies are refused. In the config:

    scripts:
      - name: growth
        script: segmake:growth_curve.py
        needs: [cells]
        arguments: {window: 10}
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import linregress

parser = argparse.ArgumentParser()
parser.add_argument("--cells", type=Path, required=True)
parser.add_argument("--output-dir", type=Path, required=True)
parser.add_argument("--window", type=int, help="number of time points to fit; without it, all")
options = parser.parse_args()

cells = pd.read_csv(options.cells)
if "time" not in cells or "slice" in cells:
    sys.exit("A growth curve needs a movie in which each cell is counted once per time point.")
area = "area_um2" if cells["area_um2"].notna().any() else "area_px"
frames = cells.groupby("time")
curve = pd.DataFrame({"time_s": frames["time_s"].first(), "cells": frames.size()})
curve[area] = frames[area].sum()
curve.to_csv(options.output_dir / "growth_curve.csv")
window = min(options.window or len(curve), len(curve))
if window < 3:
    sys.exit("A growth rate needs three time points with cells at least.")
timed = curve["time_s"].notna().all()
when = curve["time_s"].to_numpy() / 3600 if timed else curve.index.to_numpy(dtype=float)

fits = []
figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for measure, panel in zip(["cells", area], panels, strict=True):
    logarithm = np.log(curve[measure].to_numpy())
    parts = [slice(first, first + window) for first in range(len(curve) - window + 1)]
    lines = [linregress(when[part], logarithm[part]) for part in parts]
    best = int(np.argmax([line.rvalue**2 for line in lines]))
    line, part = lines[best], parts[best]
    fit = {"measure": measure, "growth_rate": line.slope, "standard_error": line.stderr}
    fit["unit"] = "per hour" if timed else "per time point"
    fit["doubling_time_min"] = 60 * np.log(2) / line.slope if timed and line.slope > 0 else np.nan
    fit["r_squared"] = line.rvalue**2
    fit["first_time"], fit["last_time"] = curve.index[part][[0, -1]]
    fits.append(fit)
    panel.plot(when, curve[measure], "o", markersize=5, color="#88aacc")
    panel.plot(when[part], np.exp(line.intercept + line.slope * when[part]), color="#cc3311")
    panel.set_yscale("log", base=2)  # a step of the axis is a doubling
    panel.yaxis.set_major_formatter("{x:g}")
    panel.set_title(f"growth rate {line.slope:.3g} {fit['unit']}")
    panel.set_xlabel("Time (h)" if timed else "Time point")
panels[0].set_ylabel("Number of cells")
panels[1].set_ylabel("Total area (µm²)" if area == "area_um2" else "Total area (pixels)")
figure.savefig(options.output_dir / "growth_curve.png", dpi=150)
pd.DataFrame(fits).to_csv(options.output_dir / "growth_rate.csv", index=False)
