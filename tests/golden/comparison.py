"""Makes golden values, and holds them against those that are kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tifffile

from tests.golden.configs import CONFIGS
from tests.golden.values import values_of

HERE = Path(__file__).parent
KEPT = HERE / "golden.json"
KEPT_LABELS = HERE / "stack_labels.tif"

# The part of both together that a cell and its match have in common.
LEAST_OVERLAP = 0.9

Values = dict[str, dict[str, str]]


def made(name: str, folder: Path) -> dict[str, str]:
    """Do one of the runs in a new folder, and return its values."""
    CONFIGS[name].run(folder)
    return values_of(folder, exact=CONFIGS[name].exact)


def labels_made(folder: Path) -> np.ndarray:
    """Return the labels (Z, Y, X) that the engine of the run ``stack`` found."""
    with tifffile.TiffFile(folder / "results" / ".segmake" / "labels" / "balls.tif") as file:
        return np.stack([page.asarray() for page in file.pages])


def kept() -> Values:
    """Return the golden values of all runs."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Return a line for each value that is new, gone or another one."""
    return [
        f"{name}: {before.get(name, '(new)')} -> {now.get(name, '(gone)')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def unmatched(expected: np.ndarray, found: np.ndarray) -> list[int]:
    """Return the cells that have no match among those found, which overlaps enough."""
    missing = []
    for label in np.unique(expected[expected > 0]).tolist():
        cell = expected == label
        others = np.unique(found[cell])
        overlaps = [
            (cell & (found == other)).sum() / (cell | (found == other)).sum()
            for other in others[others > 0]
        ]
        if max(overlaps, default=0) < LEAST_OVERLAP:
            missing.append(label)
    return missing


def write(values: Values) -> None:
    """Write the golden values of all runs, a line for each."""
    ordered = {name: values[name] for name in CONFIGS if name in values}
    text = json.dumps(ordered, indent=1, ensure_ascii=False)
    KEPT.write_text(text + "\n", encoding="utf-8")
