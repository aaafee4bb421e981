"""Draw the mean profile of each image in one figure, with a colour for each condition."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--profile", type=Path, required=True, help="what the script profile made")
parser.add_argument("--output-dir", type=Path, required=True)
options = parser.parse_args()

table = pd.read_csv(options.profile / "all_mean_profile.csv")
# The condition is the folder of an image: control/day1_pos1.ome.tif
table["condition"] = table["image"].str.split("/").str[0]

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for number, (condition, images) in enumerate(table.groupby("condition")):
    for _, image in images.groupby("image"):
        axes.plot(image["position"], image["mean"], color=f"C{number}", alpha=0.4, linewidth=1)
    mean = images.groupby("position")["mean"].mean()
    axes.plot(mean, color=f"C{number}", linewidth=3, label=condition)
axes.set(xlabel="Position along the cell", ylabel="Relative intensity", xlim=(0, 1))
axes.legend()
figure.savefig(options.output_dir / "overview.png", dpi=100)
