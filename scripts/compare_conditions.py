"""Compare a measurement of the cells between conditions, each image being one replicate.

The condition of an image is the first folder in its name (`wildtype/pos1.nd2`), or what the regular expression
`condition` finds there in its parentheses. Only the medians of images are tested (the large points in the figure), as
cells of one image (small points; of movies, at each time) are no independent replicates: pairs by the Mann-Whitney U
test with Holm's correction, and three or more conditions by Kruskal-Wallis before. `replicate`, another regular
expression, makes one replicate of several images, such as those of a day.

Makes figure.png, statistics.csv and report.md, a section of the report. In the config:

    scripts:
      - name: comparison
        script: segmake:compare_conditions.py
        run: dataset
        needs: [cells]
        arguments: {measure: length_um}
"""

import argparse
from itertools import combinations
from math import comb
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import PermutationMethod, kruskal, mannwhitneyu

parser = argparse.ArgumentParser()
parser.add_argument("--cells", type=Path, required=True)
parser.add_argument("--output-dir", type=Path, required=True)
parser.add_argument("--measure", default="area_px", help="a column of cells.csv")
parser.add_argument("--condition", default="^([^/]+)/")
parser.add_argument("--replicate", default="^(.+)$")
options = parser.parse_args()

cells = pd.read_csv(options.cells, low_memory=False)
measure = options.measure
if measure not in cells or cells[measure].isna().all():
    raise SystemExit(f"No cell has {measure}: there are {len(cells)} with {', '.join(cells)}.")
cells["condition"] = cells["image"].str.extract(options.condition)[0].fillna("no condition")
cells["replicate"] = cells["image"].str.extract(options.replicate)[0].fillna("no replicate")
medians = cells.dropna(subset=measure).groupby(["condition", "replicate"])[measure].median()
groups = {name: part.to_numpy() for name, part in medians.groupby(level="condition")}

rows = []
for (one, first), (other, second) in combinations(groups.items(), 2):
    ways = comb(len(first) + len(second), len(first))
    # With few replicates every way to divide them is looked at: exact, also where medians are equal.
    p = mannwhitneyu(first, second, method=PermutationMethod() if ways < 9999 else "auto").pvalue
    sizes = (len(first), len(second), np.median(first), np.median(second))
    rows.append((one, other, *sizes, p, min(1, 2 / ways)))
names = "first second first_replicates second_replicates first_median second_median p"
pairs = pd.DataFrame(rows, columns=[*names.split(), "smallest_p_possible"])
ordered = pairs["p"].sort_values()
pairs["p_holm"] = (ordered * np.arange(len(ordered), 0, -1)).cummax().clip(upper=1)
pairs.to_csv(options.output_dir / "statistics.csv", index=False)

said = [f"{name}: median {np.median(x):.4g} of {len(x)} replicates" for name, x in groups.items()]
if len(groups) > 2:
    said.append(f"All conditions (Kruskal-Wallis): p = {kruskal(*groups.values()).pvalue:.2g}")
for pair in pairs.itertuples():
    known = f"p = {pair.p:.2g} (so many replicates give {pair.smallest_p_possible:.2g} at least)"
    said.append(f"{pair.first}, {pair.second}: {known}, {pair.p_holm:.2g} after Holm's correction")
report = "\n".join([f"{measure} in each condition:\n", *(f"- {line}" for line in said)])
(options.output_dir / "report.md").write_text(f"{report}\n\n![](figure.png)\n", encoding="utf-8")

random = np.random.default_rng(0)
figure, panel = plt.subplots(figsize=(2 + 1.6 * len(groups), 4.5), layout="constrained")
for place, (name, part) in enumerate(groups.items()):
    values = cells.loc[cells["condition"] == name, measure].sample(frac=1, random_state=0)[:2000]
    panel.plot(place + random.uniform(-0.3, 0.3, len(values)), values, "o", ms=3, c="#bbbbbb")
    spread = place + np.linspace(-0.25, 0.25, len(part) + 2)[1:-1]
    panel.plot(spread, part, "o", markersize=9, color="#4477aa", markeredgecolor="white", zorder=4)
    panel.plot(place + np.array([-0.35, 0.35]), [np.median(part)] * 2, "k", linewidth=2)
panel.set_xticks(range(len(groups)), groups, rotation=30 if len(groups) > 4 else 0)
panel.set_ylabel(measure.replace("_um2", " (µm²)").replace("_um", " (µm)"))
figure.savefig(options.output_dir / "figure.png", dpi=150)
