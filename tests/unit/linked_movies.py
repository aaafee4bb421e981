"""Says how well the cells of drawn movies were linked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from segmake.demo.growing_colony import Cell
from segmake.labels.tracking import Links


class Score(NamedTuple):
    """How well a movie was linked: parts of 1, but for the numbers of true links and divisions."""

    links: int
    found: float
    right: float
    divisions: int
    divisions_found: float
    divisions_right: float


def origins_of(frames: Iterable[np.ndarray], links: Links) -> list[dict[int, Cell]]:
    """Return what was linked, as `Movie` has it."""
    parents = dict(zip(links.lineage["track"], links.lineage["parent"], strict=True))
    last: dict[int, Cell] = {}
    found = []
    for number, frame in enumerate(frames):
        labels, where = np.unique(frame, return_index=True)
        tracks = links.relabel(number, frame).ravel()[where]
        own = {int(label): int(track) for label, track in zip(labels, tracks, strict=True) if label}
        before = {
            label: last.get(track) or last.get(parents[track]) for label, track in own.items()
        }
        found.append({label: cell for label, cell in before.items() if cell})
        last |= {track: (number, label) for label, track in own.items()}
    return found


def score(true: list[dict[int, Cell]], found: list[dict[int, Cell]]) -> Score:
    """Compare what was linked with the truth; a division counts if both daughters are right."""
    links, divisions = zip(*map(_events, (true, found)), strict=True)
    both, both_divisions = links[0] & links[1], divisions[0] & divisions[1]
    return Score(
        len(links[0]),
        len(both) / max(1, len(links[0])),
        len(both) / max(1, len(links[1])),
        len(divisions[0]),
        len(both_divisions) / max(1, len(divisions[0])),
        len(both_divisions) / max(1, len(divisions[1])),
    )


def _events(origins: list[dict[int, Cell]]) -> tuple[set, set]:
    links = {((t, label), cell) for t, each in enumerate(origins) for label, cell in each.items()}
    daughters: dict[Cell, set[Cell]] = {}
    for cell, origin in links:
        daughters.setdefault(origin, set()).add(cell)
    return links, {(m, frozenset(cells)) for m, cells in daughters.items() if len(cells) > 1}
