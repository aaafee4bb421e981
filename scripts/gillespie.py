"""Simulate two species in a well, event by event, to see how often one of them dies out by chance.

A feeds B: what A excretes adds `cross-feeding` x A / (A + `half-saturation`) to the growth rate of B. Both are washed
out (`dilution`) and crowd each other: crowding kills as fast as a species grows once it is at its `capacity`, where a
cell of the other species counts as `competition` cells of its own. Rates are per cell and hour. Each birth and death
is drawn by Gillespie's direct method, which is exact (J. Phys. Chem. 81, 2340, 1977).

Makes trajectory.csv (time, a, b) and summary.csv (the last numbers, and when a species died out). In the config:

    scripts:
      - name: community
        script: segmake:gillespie.py
        run: sweep
        arguments: {end-time: 50}
        sweep:
          seed: {from: 1, to: 20}
          cross-feeding: [0, 0.4, 0.8]
"""

import argparse
import csv
import math
import os
from bisect import bisect
from itertools import accumulate
from pathlib import Path

import numpy as np

EVENTS = ((0, 1), (1, 1), (0, -1), (1, -1))  # the species, and by how much its number changes


def rates(a, b, options):
    """Return how often per hour an A is born, a B is born, an A dies and a B dies."""
    growth_a, growth_b = options.growth_a, options.growth_b
    growth_b += options.cross_feeding * a / (a + options.half_saturation)
    death_a = options.dilution + growth_a * (a + options.competition * b) / options.capacity
    death_b = options.dilution + growth_b * (b + options.competition * a) / options.capacity
    return growth_a * a, growth_b * b, death_a * a, death_b * b


def simulate(options):
    """Return the time and the numbers of A and B at each moment, and when each died out, if it did."""
    random = np.random.default_rng(options.seed)
    moments = np.linspace(0, options.end_time, options.steps + 1).tolist()
    counts, time, trajectory, died_out = [options.start_a, options.start_b], 0.0, [], ["", ""]
    while True:
        sums = list(accumulate(rates(*counts, options)))
        time += random.exponential(1 / sums[-1]) if sums[-1] else math.inf
        while len(trajectory) < len(moments) and moments[len(trajectory)] < time:
            trajectory.append((moments[len(trajectory)], *counts))
        if len(trajectory) == len(moments):
            return trajectory, died_out
        species, change = EVENTS[bisect(sums, random.random() * sums[-1])]
        counts[species] += change
        if counts[species] == 0:
            died_out[species] = time


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=os.environ.get("SEGMAKE_SEED", 1))
    for name, default in (("start-a", 50), ("start-b", 50), ("steps", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (
        *(("growth-a", 1.0), ("growth-b", 0.2), ("cross-feeding", 0.8), ("half-saturation", 20.0)),
        *(("dilution", 0.3), ("capacity", 200.0), ("competition", 0.5), ("end-time", 50.0)),
    ):
        parser.add_argument(f"--{name}", type=float, default=default)
    options = parser.parse_args()
    trajectory, died_out = simulate(options)
    names = ("time", "a", "b", "a_died_out_at", "b_died_out_at")
    summary = [names, (*trajectory[-1], *died_out)]
    for name, rows in (("trajectory", [names[:3], *trajectory]), ("summary", summary)):
        with open(options.output_dir / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
