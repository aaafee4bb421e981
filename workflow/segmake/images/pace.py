"""How long the segmentation of images took, by the journals: so many of the next ones are the work of a job."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.core.journal import Journal

# So many batches tell how long the images of the next ones take.
_BATCHES = 3


def seconds_per_megapixel(journals: Path) -> float | None:
    """Return how long the images of the last batches took, the median; None where no journal tells.

    Parameters
    ----------
    journals : Path
        The folder with the journals of the segmentation.
    """
    batches = sorted((p for p in journals.glob("*.jsonl") if p.stem.isdecimal()), key=_number)
    paces = [pace for path in batches[-_BATCHES:] for pace in _paces(path)]
    return statistics.median(paces) if paces else None


def _number(journal: Path) -> int:
    return int(journal.stem)


def _paces(journal: Path) -> Iterator[float]:
    for entry in Journal(journal).finished().values():
        # Version 0.1.0 noted less, and a damaged line may lack something.
        with suppress(KeyError, TypeError, AttributeError, ZeroDivisionError):
            pace = entry.event == "done" and _seconds(entry.details) / _megapixels(entry.details)
            # Nor is every number of JSON one to divide by.
            if pace and math.isfinite(pace):
                yield pace


def _seconds(details: dict[str, Any]) -> float:
    # The model is loaded once for a batch.
    return max(0.0, details["seconds"] - details.get("phases", {}).get("load", 0.0))


def _megapixels(details: dict[str, Any]) -> float:
    depth = 1 if details["projection"] else len(details["slices"])
    plane = details["width_px"] * details["height_px"]
    return float(plane * depth * len(details["times"]) / 1e6)
