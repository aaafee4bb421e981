from __future__ import annotations

import gc
import sys
import weakref
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import tifffile

from segmake.config.schema import schema, section_of
from segmake.core.settings import Tracking, tracking_of
from segmake.demo.growing_colony import colony
from segmake.labels.tracking import Links, add_parents, link, write_lineage
from segmake.messages import Problem, Problems
from tests.unit.linked_movies import origins_of, score


def frame(*cells: tuple[int, int, int, int, int], shape: tuple[int, ...] = (80, 120)) -> np.ndarray:
    """Draw rectangles: label, first row, first column, height, width."""
    labels = np.zeros(shape, np.uint16)
    for label, row, column, height, width in cells:
        labels[..., row : row + height, column : column + width] = label
    return labels


def tracks(links: Links, frames: list[np.ndarray], label: int) -> list[int]:
    """Return the track of a cell in each frame."""
    found = (links.relabel(t, f)[f == label] for t, f in enumerate(frames))
    return [int(values[0]) if values.size else 0 for values in found]


# A cell above that divides; one below that only grows. Labels have gaps, and change from frame to frame.
DIVIDING = [
    frame((7, 50, 20, 10, 30), (3, 20, 20, 10, 40)),
    frame((1, 49, 20, 10, 32), (9, 20, 19, 10, 42)),
    frame((4, 48, 20, 10, 34), (8, 20, 17, 10, 21), (2, 20, 40, 10, 21)),
    frame((1, 47, 20, 10, 36), (2, 20, 15, 10, 23), (3, 20, 42, 10, 23)),
]


def test_a_division_ends_a_track_and_begins_two():
    links = link(DIVIDING)
    assert (links.tracks, links.divisions, links.followed) == (4, 1, 1)
    assert links.lineage.to_dict("list") == {
        "track": [1, 2, 3, 4],
        "parent": [0, 0, 1, 1],
        "daughter_1": [3, 0, 0, 0],
        "daughter_2": [4, 0, 0, 0],
        "generation": [0, 0, 1, 1],
        "first_time": [1, 1, 3, 3],
        "last_time": [2, 4, 4, 4],
    }
    # Numbered in the order of their labels where they appear together.
    assert np.array_equal(
        links.relabel(0, DIVIDING[0]), frame((2, 50, 20, 10, 30), (1, 20, 20, 10, 40))
    )
    assert np.array_equal(
        links.relabel(2, DIVIDING[2]),
        frame((2, 48, 20, 10, 34), (4, 20, 17, 10, 21), (3, 20, 40, 10, 21)),
    )


def test_time_points_keep_their_names():
    lineage = link(DIVIDING, times=[11, 21, 31, 41]).lineage
    assert lineage["first_time"].tolist() == [11, 11, 31, 31]
    assert lineage["last_time"].tolist() == [21, 41, 41, 41]


def test_tables(tmp_path):
    links = link(DIVIDING)
    write_lineage(tmp_path / "lineages" / "a_lineage.csv", links.lineage)
    lineage = pd.read_csv(tmp_path / "lineages" / "a_lineage.csv")
    assert lineage.equals(links.lineage)
    cells = pd.DataFrame({"time": [2, 3, 3], "label": [1, 4, 3], "area_px": [420, 210, 210]})
    table = add_parents(cells, lineage)
    assert list(table.columns) == ["time", "label", "track", "parent", "area_px"]
    assert table["track"].tolist() == [1, 4, 3] and table["parent"].tolist() == [0, 1, 1]
    assert list(cells.columns) == ["time", "label", "area_px"]
    assert list(add_parents(cells[:0], lineage).columns) == list(table.columns)


@pytest.mark.parametrize(("step", "drift"), [(1, 0), (2, 6)])
def test_a_growing_colony(step, drift):
    movie = colony(3, 84, drift=drift).every(step)
    found = score(movie.origins, origins_of(movie.frames, link(movie.frames)))
    assert found.links > 500 and found.divisions > 40
    assert found.found > 0.99 and found.right > 0.99
    assert found.divisions_found > 0.95 and found.divisions_right > 0.95


def test_cells_that_are_missing_here_and_there():
    movie = colony(4, 70).without_some(0.03, seed=1)
    found = score(movie.origins, origins_of(movie.frames, link(movie.frames)))
    assert found.found > 0.98 and found.right > 0.99
    assert found.divisions_right > 0.95


@pytest.mark.parametrize(
    ("names", "origins"),
    [
        # Which cell each cell was or came of, in the order of their numbers; looked up by eye in the pictures.
        (["t12", "t13"], [[1, 2, 3, 4, 5, 6, 7, 8]]),
        (["t06", "t08", "t10"], [[1, 2, 2], [2, 3, 1, 1]]),
    ],
)
def test_real_bacteria_on_a_drifting_stage(shared, names, origins):
    frames = [tifffile.imread(shared / f"bacteria/trpL_phase_{name}_masks.tif") for name in names]
    found = origins_of(frames, link(frames))
    assert [[cells[label][1] for label in sorted(cells)] for cells in found[1:]] == origins


@pytest.mark.parametrize(
    ("max_gap", "missing", "kept"),
    [(0, 1, False), (1, 1, True), (1, 2, False), (2, 2, True)],
)
def test_a_gap_is_closed(max_gap, missing, kept):
    seen, unseen = frame((1, 20, 20, 10, 30), (2, 50, 30, 10, 30)), frame((1, 50, 30, 10, 30))
    frames = [seen, *[unseen] * missing, seen, seen]
    links = link(frames, Tracking(max_gap=max_gap))
    assert links.tracks == (2 if kept else 3)
    assert tracks(links, frames, 1)[-1] == (1 if kept else 3)
    assert links.lineage["last_time"].tolist()[1] == len(frames)


def test_a_cell_cut_in_two_for_a_moment_has_not_divided():
    whole = frame((1, 20, 20, 10, 40))
    cut = frame((1, 20, 20, 10, 22), (2, 20, 43, 10, 17))
    links = link([whole, cut, whole, whole])
    assert links.divisions == 0
    assert tracks(links, [whole, cut, whole, whole], 1) == [1, 1, 1, 1]
    # The last frame can't tell.
    assert link([whole, cut]).divisions == 1


def test_cells_side_by_side_are_no_daughters():
    # The cell between two others was overlooked at first.
    first = frame((1, 20, 20, 10, 30), (2, 44, 20, 10, 30))
    links = link([first, frame((1, 20, 20, 10, 30), (2, 31, 20, 12, 30), (3, 44, 20, 10, 30))])
    assert links.divisions == 0 and links.tracks == 3


def test_a_jump_of_the_stage():
    movie = colony(5, 50, shape=(300, 300))
    before, after = movie.frames[-1], np.roll(movie.frames[-1], (-45, 70), (0, 1))
    after[-45:] = after[:, :70] = 0
    found = origins_of([before, after], link([before, after]))[1]
    assert len(found) > 5 and all(label == cell[1] for label, cell in found.items())


def test_single_cells_that_move_far():
    # Each in a direction of its own, by twice its size.
    places = [(20 + 40 * (n // 4), 20 + 40 * (n % 4)) for n in range(16)]
    steps = [(round(12 * np.sin(2 * n)), round(12 * np.cos(2 * n))) for n in range(16)]
    frames = [
        frame(
            *(
                (n + 1, y + move * dy, x + move * dx, 6, 6)
                for n, ((y, x), (dy, dx)) in enumerate(zip(places, steps, strict=True))
            ),
            shape=(170, 170),
        )
        for move in (0, 1)
    ]
    assert link(frames).tracks > 16
    links = link(frames, Tracking(max_distance=15))
    assert links.tracks == 16 and np.array_equal(links.relabel(1, frames[1]), frames[1])
    assert link(frames, Tracking(max_distance=5)).tracks > 16


def test_specks_beside_a_large_cell():
    labels = frame((1, 0, 0, 60, 120), *((n, 70, 5 * n, 1, 1) for n in range(2, 12)))
    with np.errstate(all="raise"):
        links = link([labels, labels])
    assert (links.tracks, links.followed) == (11, 1)


def test_volumes():
    flat = DIVIDING
    deep = [np.stack([0 * f, f, f, 0 * f]) for f in flat]
    links = link(deep)
    assert links.lineage.equals(link(flat).lineage)
    assert np.array_equal(links.relabel(2, deep[2])[1], links.relabel(2, deep[2][1]))


def test_frames_without_cells():
    cells, none = DIVIDING[0], np.zeros_like(DIVIDING[0])
    assert link([none, none]).lineage.empty
    assert link([none]).tracks == 0 and not link([none]).relabel(0, none).any()
    links = link([none, cells, none, cells, none, none, cells])
    assert links.lineage["first_time"].tolist() == [2, 2, 7, 7]
    assert links.lineage["last_time"].tolist() == [4, 4, 7, 7]


def test_a_movie_of_one_frame_with_70000_cells():
    many = np.arange(1, 70_001, dtype=np.uint32).reshape(250, 280)
    links = link([many])
    assert (links.tracks, links.followed) == (70_000, 1)
    assert links.relabel(0, many).dtype == np.uint32 and np.array_equal(
        links.relabel(0, many), many
    )
    assert link([DIVIDING[0]]).relabel(0, DIVIDING[0]).dtype == np.uint16


def test_the_same_movie_gives_the_same_numbers():
    movie = colony(6, 40, jitter=2)
    first, second = link(movie.frames), link(iter(movie.frames))
    assert first.lineage.equals(second.lineage)
    for number, labels in enumerate(movie.frames):
        assert np.array_equal(first.relabel(number, labels), second.relabel(number, labels))


def test_two_frames_are_in_memory():
    alive: list[weakref.ref] = []

    def frames():
        for number in range(12):
            labels = DIVIDING[number % 2].copy()
            alive.append(weakref.ref(labels))
            yield labels
            del labels
            gc.collect()
            assert sum(reference() is not None for reference in alive) <= 2

    assert link(frames()).tracks == 2


def test_frames_of_several_sizes():
    with pytest.raises(ValueError, match="pixels"):
        link([DIVIDING[0], DIVIDING[1][:-1]])


def test_without_laptrack(monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)
    with pytest.raises(Problem) as raised:
        link(DIVIDING)
    assert raised.value.code == "SM-TRK-001" and "laptrack" in raised.value.what


def test_the_config(configure):
    rules = section_of(schema()["properties"]["tracking"])["properties"]
    assert {key: rule["default"] for key, rule in rules.items()} == asdict(Tracking())
    assert configure().settings["tracking"] is False
    assert configure(tracking=True).settings["tracking"] is True
    settings = configure(tracking={"max_gap": 3}).settings["tracking"]
    assert settings == {"max_gap": 3, "min_overlap": 0.1, "max_distance": None}
    assert tracking_of(settings) == Tracking(max_gap=3)
    with pytest.raises(Problems, match="max_gap"):
        configure(tracking={"max_gab": 3})
