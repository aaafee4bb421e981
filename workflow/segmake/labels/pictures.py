"""Pictures for people: an image made visible, the same with outlined cells, strips of frames, and thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segmake.core.files import open_atomically
from segmake.core.strips import Striped, parts, strips
from segmake.messages.numbers import brief

if TYPE_CHECKING:
    from segmake.images.field_of_view import FieldOfView
    from segmake.labels.labels import LabelStack

Color = tuple[int, int, int]

# Orange stands out from every grey, from black to white, for colour-blind eyes too.
OUTLINE = (255, 120, 0)
# Cells take these in turn. Any two differ by 31 (CIEDE2000), and by 13 for colour-blind eyes of any kind.
CELL_COLORS = (
    (255, 160, 0),
    (192, 64, 255),
    (224, 255, 160),
    (255, 0, 32),
    (128, 224, 255),
    (0, 160, 96),
)
LONGEST_PANEL = 2048
LONGEST_THUMBNAIL = 420
SHORTEST_PANEL = 512
GAP = 6
ROOMY_CELL = 200  # pixels

STRIP_FRAMES = 6
LONGEST_STRIP_PANEL = 800
SHORTEST_STRIP_PANEL = 256
MOVIE_FRAMES = 40
LONGEST_MOVIE_PANEL = 480
MOVIE_FRAME_MS = 250

# So many pixels are looked at to find what becomes black and white.
_SAMPLE = 4_000_000


class Frame(NamedTuple):
    """One time point or slice: the plane (Y, X), its labels (Y, X; or Striped), and a few ASCII words."""

    plane: np.ndarray
    labels: np.ndarray | Striped
    caption: str


def stretch(plane: np.ndarray, *, low: float = 0.5, high: float = 99.8) -> np.ndarray:
    """Spread the grey values of an image between black and white.

    Parameters
    ----------
    plane : array (Y, X), any real dtype
        NaN and infinities are allowed.
    low, high : float
        The percentiles of the finite values that become black and white.

    Returns
    -------
    array (Y, X), uint8
        NaN and minus infinity are black, plus infinity is white; a constant plane is mid-grey.

    Raises
    ------
    ValueError
        If `plane` does not have exactly two axes.
    """
    plane = np.asarray(plane)
    if plane.ndim != 2:
        raise ValueError(f"a plane has two axes (Y, X), not the shape {plane.shape}")
    return _spread(plane, *_limits(_sample(plane, _SAMPLE), low, high))


def draw_outlines(
    picture: np.ndarray,
    labels: np.ndarray,
    *,
    colors: Sequence[Color] = (OUTLINE,),
    thickness: int = 1,
) -> np.ndarray:
    """Draw the outline of every cell on a grey picture, inside the cell.

    Each cell has a line of its own, so cells that touch stay apart.

    Parameters
    ----------
    picture : array (Y, X), uint8
        As `stretch` returns it.
    labels : array (Y, X), integers
        0 is the background, every other value one cell.
    colors : sequence of tuple of int
        Red, green and blue, 0..255; cells take them in turn by their numbers.
    thickness : int
        Of the line, in pixels.

    Returns
    -------
    array (Y, X, 3), uint8

    Raises
    ------
    ValueError
        If `picture` and `labels` differ in shape.
    """
    picture, labels = np.asarray(picture), np.asarray(labels)
    _refuse_other_shape(picture, labels)
    colored = np.repeat(np.asarray(picture, np.uint8)[..., np.newaxis], 3, axis=-1)
    edges = _edges(labels, thickness)
    colored[edges] = np.array(colors, np.uint8)[_turn(labels[edges], len(colors))]
    return colored


def write_pictures(
    plane: np.ndarray,
    labels: np.ndarray | Striped | None,
    *,
    picture: Path,
    before: Path,
    after: Path,
    color: Color = OUTLINE,
    contrast: tuple[float, float] = (0.5, 99.8),
    longest_panel: int = LONGEST_PANEL,
    longest_thumbnail: int = LONGEST_THUMBNAIL,
) -> None:
    """Write the before/after picture of an image, and its two thumbnails for a page.

    The picture holds both panels, side by side, or one above the other where the image is wide.
    Large images are shrunk, small ones enlarged by a whole factor, and the outlines are drawn
    after that, so that they stay thin and sharp. A file appears only when it is complete.

    Parameters
    ----------
    plane : array (Y, X), any real dtype
        What was segmented.
    labels : array (Y, X), integers, Striped, or None
        None (or zeros only) draws no outline.
    picture : Path
        Of the picture (``.png``). ResultPaths are made.
    before, after : Path
        Of the thumbnails; the suffix (``.jpg``, ``.png``, ``.webp``) says the format.
    color : tuple of int
        Red, green and blue of the outlines, 0..255.
    contrast : tuple of float
        The percentiles of the image that become black and white.
    longest_panel, longest_thumbnail : int
        The longer side of each panel and of each thumbnail, in pixels, at most.

    Raises
    ------
    ValueError
        If `plane` is empty or not (Y, X), or `labels` differs from it in shape.
    OSError
        If a file cannot be written.
    """
    grey = stretch(plane, low=contrast[0], high=contrast[1])
    labels = np.zeros(grey.shape, np.uint8) if labels is None else labels
    _refuse_undrawable(grey, labels)

    panel = _resize(grey, labels, SHORTEST_PANEL, longest_panel)
    panels = _panels(*panel, (color,), _thickness([panel[1]]), beside=not _is_wide(grey))
    _save(_with_palette(panels, (color,)), picture)
    _save_thumbnails(grey, labels, "", before, after, (color,), longest_thumbnail)


def write_strip(
    read: Callable[[int], Frame],
    number: int,
    *,
    picture: Path,
    before: Path,
    after: Path,
    movie: Path | None = None,
    colors: Sequence[Color] = (OUTLINE,),
    contrast: tuple[float, float] = (0.5, 99.8),
) -> None:
    """Write the before/after strip of a movie or z-stack, the thumbnails of one of its frames, and a small movie.

    The strip has a few frames, evenly spread, each with its caption, before and after: side by side, or one below the
    other where the frames are wide. The same grey value is equally bright in all frames. The thumbnails show the frame
    of the strip that stands out most: a colony that has grown, a slice in focus. Frames are read one at a time, and
    kept at the size that they are drawn in.

    Parameters
    ----------
    read : callable
        From an index (0 to `number` - 1) to its `Frame`; all frames have one shape. Called for a few in rising order.
    number : int
        Of frames, at least 1.
    picture, before, after : Path
        As for `write_pictures`.
    movie : Path or None
        Of an animated picture (``.webp``) of at most `MOVIE_FRAMES` frames; None: none is made.
    colors : sequence of tuple of int
        Red, green and blue of the outlines, 0..255; cells take them in turn by their numbers. `CELL_COLORS` where a
        number is the same cell in every frame, else one colour.
    contrast : tuple of float
        The percentiles of all frames that become black and white.

    Raises
    ------
    ValueError
        If a plane is empty or not (Y, X), or labels differ from it in shape.
    OSError
        If a file cannot be written.
    """
    chosen = evenly_spread(number, STRIP_FRAMES)
    moving = evenly_spread(number, MOVIE_FRAMES) if movie else []
    indices = sorted({*chosen, *moving})
    strip, film, values = [], [], []
    for index in indices:
        frame = read(index)
        _refuse_undrawable(frame.plane, frame.labels)
        values.append(_sample(frame.plane, _SAMPLE // len(indices)))
        if index in chosen:
            strip.append(_shrunk(frame, LONGEST_STRIP_PANEL))
        if index in moving:
            film.append(_shrunk(frame, LONGEST_MOVIE_PANEL))
    limits = _limits(np.concatenate(values), *contrast)

    strip = [frame._replace(plane=_spread(frame.plane, *limits)) for frame in strip]
    wide = _is_wide(strip[0].plane)
    blocks = _blocks(strip, SHORTEST_STRIP_PANEL, LONGEST_STRIP_PANEL, colors, beside=wide)
    joined = _joined(blocks, 2 * GAP, colors, beside=not wide)
    _save(_with_palette(joined, colors), picture)
    clearest = _clearest([frame.plane for frame in strip])
    _save_thumbnails(*strip[clearest], before, after, colors, LONGEST_THUMBNAIL)
    if movie:
        film = [frame._replace(plane=_spread(frame.plane, *limits)) for frame in film]
        size = LONGEST_MOVIE_PANEL
        _save_movie(_blocks(film, size // 2, size, colors, beside=not wide), colors, movie)


def write_field(
    field: FieldOfView,
    labels: LabelStack,
    *,
    picture: Path,
    before: Path,
    after: Path,
    movie: Path | None = None,
    linked: bool,
    color: Color = OUTLINE,
    contrast: tuple[float, float] = (0.5, 99.8),
) -> None:
    """Write the pictures of a field of view: of its plane, or a strip of its time points or slices.

    Of a movie of z-stacks the strip shows one slice: the one that stands out most at the time point in the middle.

    Parameters
    ----------
    field : FieldOfView
    labels : LabelStack
        Its label image.
    picture, before, after : Path
        As for `write_pictures`.
    movie : Path or None
        As for `write_strip`; made of time points alone.
    linked : bool
        Whether a number is the same cell in all time points (or slices): each cell then has a colour of its own.
    color, contrast
        As for `write_pictures`.

    Raises
    ------
    Problem
        If a plane cannot be read.
    ValueError
        If the label image has another size than the planes.
    OSError
        If a file cannot be written.
    """
    channel, times, depth = field.selection.channel, labels.times, labels.depth
    paths: dict[str, Any] = {"picture": picture, "before": before, "after": after}
    if times == depth == 1:
        plane = field.channel(channel, 0, 0)
        write_pictures(plane, labels.striped(), **paths, color=color, contrast=contrast)
        return
    stack = (field.channel(channel, times // 2, place) for place in range(depth))
    slice_shown = _clearest(stack) if times > 1 < depth else 0

    def read(index: int) -> Frame:
        time, place = (index, slice_shown) if times > 1 else (0, index)
        plane = field.channel(channel, time, place)
        return Frame(plane, labels.striped(time, place), _caption(field, time, place))

    write_strip(
        read,
        times if times > 1 else depth,
        **paths,
        movie=movie if times > 1 else None,
        colors=CELL_COLORS if linked else (color,),
        contrast=contrast,
    )


def evenly_spread(number: int, most: int) -> list[int]:
    """Return at most so many indices from 0 to `number` - 1, evenly spread, the first and the last among them."""
    return np.linspace(0, number - 1, min(number, most)).round().astype(int).tolist()


def _caption(field: FieldOfView, time: int, place: int) -> str:
    """Return what a frame is: ``t 12 · 55 min``, ``z 5``; the same in every language, in letters of Pillow's font."""
    chosen, interval = field.selection, field.header.interval_s
    words = []
    if len(chosen.times) > 1:
        words.append(f"t {chosen.times[time] + 1}")
        if interval:
            unit, name = (60, "min") if interval >= 60 else (1, "s")
            elapsed = brief(chosen.times[time] * interval / unit)
            words.append(f"{elapsed} {name}".replace("\u202f", " "))
    if chosen.depth > 1:
        words.append(f"z {chosen.slices[place] + 1}")
    return " · ".join(words)


# Grey values


def _sample(plane: np.ndarray, most: int) -> np.ndarray:
    """Return about so many finite values of a plane, evenly spread: (N,), float64."""
    step = max(1, int((plane.size / most) ** 0.5))
    values = plane[::step, ::step].astype(np.float64).ravel()
    return values if plane.dtype.kind in "iu" else values[np.isfinite(values)]


def _limits(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Return the values that become black and white; equal if all are, or there are none.

    The values lose their order.
    """
    if values.size == 0:
        return 0.0, 0.0
    black, white = np.percentile(values, (low, high), overwrite_input=True)
    if black == white:  # nearly all pixels are equal: the few others are what there is to see
        black, white = values.min(), values.max()
    return float(black), float(white)


def _clearest(planes: Iterable[np.ndarray]) -> int:
    """Return which of some planes has the grey values furthest apart; of equal ones the one next to the middle."""
    spreads = [float(_sample(plane, _SAMPLE).std()) for plane in planes]
    middle = (len(spreads) - 1) / 2
    return max(range(len(spreads)), key=lambda place: (spreads[place], -abs(place - middle)))


def _spread(plane: np.ndarray, black: float, white: float) -> np.ndarray:
    """Return a plane with its values spread from black to white: (Y, X), uint8."""
    grey = np.empty(plane.shape, np.uint8)
    factor = 255 / (white - black) if white > black else 0.0
    # Strip by strip: a stitched image of gigabytes must not be copied to float at once.
    for rows in strips(*plane.shape):
        values = plane[rows].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            values -= black
            values *= factor
        if not factor:
            values += 128
        np.nan_to_num(values, copy=False, nan=0, posinf=255, neginf=0)
        np.rint(values, out=values)
        grey[rows] = np.clip(values, 0, 255, out=values)
    return grey


# Outlines


def _refuse_other_shape(picture: np.ndarray, labels: np.ndarray | Striped) -> None:
    if labels.shape != picture.shape:
        raise ValueError(
            f"the labels {labels.shape} and the picture {picture.shape} differ in shape"
        )


def _refuse_undrawable(plane: np.ndarray, labels: np.ndarray | Striped) -> None:
    """Refuse a plane that has no pixels, or not as many as the labels."""
    if plane.size == 0:
        raise ValueError(
            f"there is nothing to draw in an image of {plane.shape[1]} x {plane.shape[0]}"
        )
    _refuse_other_shape(plane, labels)


def _edges(labels: np.ndarray, thickness: int) -> np.ndarray:
    """Return where the pixels of a cell lie within `thickness` of another cell or of no cell."""
    edges = np.zeros(labels.shape, bool)
    for distance in range(1, thickness + 1):
        vertical = labels[distance:] != labels[:-distance]
        edges[distance:] |= vertical
        edges[:-distance] |= vertical
        horizontal = labels[:, distance:] != labels[:, :-distance]
        edges[:, distance:] |= horizontal
        edges[:, :-distance] |= horizontal
    return edges & (labels != 0)


def _turn(cells: np.ndarray, colors: int) -> np.ndarray:
    """Return which color each cell number takes."""
    return (cells.astype(np.int64) - 1) % colors


def _thickness(labels: Sequence[np.ndarray]) -> int:
    """Return how thick to draw outlines: 2 pixels if most cells are large enough to show inside."""
    areas = np.concatenate([np.unique(one[one != 0], return_counts=True)[1] for one in labels])
    return 2 if areas.size and np.median(areas) >= ROOMY_CELL else 1


# Panels: pictures of 256 colours, half the bytes of RGB: greys first, the last of them white, then those of outlines.


def _white(colors: Sequence[Color]) -> int:
    """Return the index of the last grey."""
    return 255 - len(colors)


def _is_wide(plane: np.ndarray) -> bool:
    return bool(plane.shape[1] > 1.5 * plane.shape[0])


def _shrunk(frame: Frame, longest: int) -> Frame:
    """Return a frame whose longer side is at most `longest`, its plane as float32."""
    plane, labels = _resize(frame.plane.astype(np.float32), frame.labels, 1, longest)
    return Frame(plane, labels, frame.caption)


def _resize(
    plane: np.ndarray, labels: np.ndarray | Striped, shortest: int, longest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a plane (uint8 or float32) and its labels between two sizes of the longer side."""
    height, width = plane.shape
    longer = max(height, width)
    if longer > longest:
        new_height = max(1, round(height * longest / longer))
        new_width = max(1, round(width * longest / longer))
        image = Image.fromarray(plane).resize((new_width, new_height), Image.Resampling.LANCZOS)
        rows = (2 * np.arange(new_height) + 1) * height // (2 * new_height)
        columns = (2 * np.arange(new_width) + 1) * width // (2 * new_width)
        return np.asarray(image), _at(labels, rows, columns)
    if isinstance(labels, Striped):
        labels = np.concatenate(list(labels.parts()))
    factor = max(1, shortest // longer)
    if factor > 1:
        plane = plane.repeat(factor, axis=0).repeat(factor, axis=1)
        labels = labels.repeat(factor, axis=0).repeat(factor, axis=1)
    return plane, labels


def _at(labels: np.ndarray | Striped, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the labels at some rows, in order, and columns of each: array (Y, X)."""
    found, first = [], 0
    for part in parts(labels):
        here = rows[(rows >= first) & (rows < first + len(part))] - first
        found.append(part[np.ix_(here, columns)])
        first += len(part)
    return np.concatenate(found)


def _panels(
    grey: np.ndarray, labels: np.ndarray, colors: Sequence[Color], thickness: int, *, beside: bool
) -> np.ndarray:
    """Return the panels before and after, beside each other or one below the other."""
    white = _white(colors)
    before = np.rint(np.arange(256) * (white / 255)).astype(np.uint8)[grey]
    edges = _edges(labels, thickness)
    after = before.copy()
    after[edges] = white + 1 + _turn(labels[edges], len(colors))
    return _joined([before, after], GAP, colors, beside=beside)


def _joined(
    panels: list[np.ndarray], gap: int, colors: Sequence[Color], *, beside: bool
) -> np.ndarray:
    """Put panels of one shape next to each other, with white between them."""
    height, width = panels[0].shape
    between = np.full((height, gap) if beside else (gap, width), _white(colors), np.uint8)
    pieces = [piece for panel in panels for piece in (between, panel)][1:]
    return np.concatenate(pieces, axis=1 if beside else 0)


def _blocks(
    frames: list[Frame],
    shortest: int,
    longest: int,
    colors: Sequence[Color],
    *,
    beside: bool,
) -> list[np.ndarray]:
    """Return the panels of each frame with its caption above them, all of one shape."""
    sized = [_resize(frame.plane, frame.labels, shortest, longest) for frame in frames]
    font = _font(max(14, max(sized[0][0].shape) // 20))
    thickness = _thickness([labels for _, labels in sized])
    widest = max(int(font.getlength(frame.caption)) + 1 for frame in frames)
    line = sum(font.getmetrics())
    blocks = []
    for frame, (grey, labels) in zip(frames, sized, strict=True):
        panels = _panels(grey, labels, colors, thickness, beside=beside)
        height, width = panels.shape
        block = Image.new("L", (max(width, widest), line + height), _white(colors))
        ImageDraw.Draw(block).text((0, 0), frame.caption, fill=0, font=font)
        block.paste(Image.fromarray(panels), (0, line))
        blocks.append(np.asarray(block))
    return blocks


@lru_cache
def _font(size: int) -> Any:
    """Return the font that Pillow brings along; it has ASCII and little more."""
    return ImageFont.load_default(size)


# Files


def _with_palette(indices: np.ndarray, colors: Sequence[Color]) -> Image.Image:
    """Return a picture of greys and then of the colors of the outlines."""
    image = Image.fromarray(indices)
    greys = np.rint(np.linspace(0, 255, 256 - len(colors))).astype(int).repeat(3).tolist()
    image.putpalette([*greys, *(value for color in colors for value in color)])
    return image


def _save_thumbnails(
    grey: np.ndarray,
    labels: np.ndarray | Striped,
    caption: str,
    before: Path,
    after: Path,
    colors: Sequence[Color],
    longest: int,
) -> None:
    small, small_labels = _resize(grey, labels, longest, longest)
    outlined = draw_outlines(
        small, small_labels, colors=colors, thickness=_thickness([small_labels])
    )
    for thumbnail, path in ((small, before), (outlined, after)):
        image = Image.fromarray(thumbnail)
        _write_into(image, caption)
        _save(image, path)


def _write_into(image: Image.Image, caption: str) -> None:
    """Write a caption into the top right corner of a picture that has room for it."""
    font, margin = _font(15), 6
    if caption and font.getlength(caption) + 2 * margin < image.width and image.height > 60:
        white, black = (255, 0) if image.mode == "L" else ((255,) * 3, (0,) * 3)
        style = {"fill": white, "stroke_width": 1, "stroke_fill": black, "font": font}
        ImageDraw.Draw(image).text((image.width - margin, 4), caption, anchor="ra", **style)


def _save(image: Image.Image, path: Path) -> None:
    kind = Image.registered_extensions()[path.suffix.lower()]
    # Full colour resolution: JPEG would otherwise smear outlines of one pixel.
    options: dict[str, Any] = {"quality": 85, "subsampling": 0} if kind == "JPEG" else {}
    with open_atomically(path) as file:
        image.save(file, format=kind, **options)


def _save_movie(frames: list[np.ndarray], colors: Sequence[Color], path: Path) -> None:
    images = [_with_palette(frame, colors) for frame in frames]
    with open_atomically(path) as file:
        images[0].save(
            file,
            format="WEBP",
            save_all=True,
            append_images=images[1:],
            duration=[MOVIE_FRAME_MS] * (len(images) - 1) + [5 * MOVIE_FRAME_MS],
            loop=0,
            quality=60,
            method=3,
        )
