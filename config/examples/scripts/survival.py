"""Say in how many runs of the simulation species B is still there at the end, and draw it."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

parser = argparse.ArgumentParser()
parser.add_argument("--simulation", type=Path, required=True, help="what the simulation made")
parser.add_argument("--output-dir", type=Path, required=True)
options = parser.parse_args()

# A row for each run: its parameters, and the numbers of both species at the end.
runs = pd.read_csv(options.simulation / "all_summary.csv")
runs["alive"] = runs["b"] > 0
part = runs.groupby("cross-feeding")["alive"].mean()
part.rename("part of runs in which B survives").to_csv(options.output_dir / "survival.csv")

figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
axes.bar(part.index.astype(str), part)
axes.set(xlabel="Cross-feeding", ylabel="Part of runs in which B survives", ylim=(0, 1))
figure.savefig(options.output_dir / "survival.png", dpi=100)
