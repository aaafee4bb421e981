"""TIFF files of all kinds, read with the library tifffile.

A pixel is the number that the file holds: a palette is not applied (in microscopy it is a colour for the screen, and
the numbers are the intensities), and a picture whose 0 is white is not inverted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffFrame, TiffPage, TiffPageSeries

from segmake.formats import CutShort, unreadable
from segmake.formats.axes import index_of, leading, size_of
from segmake.formats.believed import Header
from segmake.formats.claims import refuse_size
from segmake.formats.micromanager import missing_index
from segmake.formats.ome import Document, Facts
from segmake.formats.tiff_damage import refuse_cut, refuse_unwritten
from segmake.formats.tiff_metadata import facts_of, is_lossy
from segmake.messages import Problem

# What it has to say of a damaged file is said by SegMake, in the user's words.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

# What tifffile's letters for axes count; all others count pages that nothing explains.
_ROLES = {"X": "x", "Y": "y", "T": "time", "Z": "slice", "C": "channel", "S": "channel"}
# Those which say what was planned, so that it is known what is not there.
_PLANNED = ("ome", "mmstack", "ndtiff")
# Positions of Micro-Manager, and of Zeiss' LSM.
_POSITIONS = {"mmstack": "R", "ndtiff": "R", "lsm": "P"}

# What `segmake.formats.claims` calls the compressions whose best ratio is known.
_COMPRESSIONS: dict[int, str] = {
    COMPRESSION.NONE: "none",
    COMPRESSION.PACKBITS: "packbits",
    COMPRESSION.LZW: "lzw",
    COMPRESSION.ADOBE_DEFLATE: "deflate",
    COMPRESSION.DEFLATE: "deflate",
}

# What tifffile calls series of pages that nothing but the pages themselves arranges.
_UNNAMED = {"generic", "shaped", "uniform"}

# What is known of files of one page by all that they say: many images of an experiment say the same.
_KNOWN: dict[bytes, tuple[Header, ...]] = {}
_MOST_KNOWN = 256
# tifffile's kinds of series which that decides alone, and neither the file's name nor what lies beside it.
_TOLD = {*_UNNAMED, "imagej"}

# The fields of view of an experiment mostly have the same header, whatever else is said of each.
_header = lru_cache(maxsize=256, typed=True)(Header)

# Pictures of a slide as a whole, which are no fields of view.
_EXTRAS = {"label", "macro", "thumbnail", "overview", "map"}


@dataclass(frozen=True)
class _Field:
    """A field of view: where its planes are, if any were saved, or the name of the file that is missing."""

    header: Header
    stack: _Stack | None
    position: int = 0
    missing: str = ""


class TiffImage:
    """An open TIFF file; see `segmake.formats.Image`.

    Parameters
    ----------
    path : Path
    file : file, optional
        The same file, open to be read.
    is_link : bool
        Whether the path is a link: it has another name than the file, which tifffile finds out, as it looks at each
        folder above it.
    """

    takes_open_files = True

    def __init__(self, path: Path, file: BinaryIO | None = None, *, is_link: bool = False) -> None:
        self._path, self._opened = path, file
        self._file: TiffFile | None = None
        self._is_link = is_link
        try:
            said = refuse_cut(path, file)
        except Exception as error:
            self.__exit__()
            raise unreadable(path, error) from error
        said = None if self._is_link else said
        known = _KNOWN.get(said) if said else None
        self.fields = known or tuple(place.header for place in self._places)
        if said and self._file and _is_told(self._file):
            if len(_KNOWN) == _MOST_KNOWN:
                _KNOWN.clear()
            _KNOWN[said] = self.fields

    def __enter__(self) -> TiffImage:
        return self

    def __exit__(self, *_: Any) -> None:
        for opened in (self._file, self._opened):
            if opened:
                opened.close()

    @cached_property
    def _places(self) -> list[_Field]:
        """The fields of view and their planes, found by tifffile."""
        try:
            file, document = _open(self._path, None if self._is_link else self._opened)
        except Exception as error:
            self.__exit__()
            raise unreadable(self._path, error) from error
        self._file = file
        try:
            found = self._ome_fields(file, document) if document else self._plain_fields(file)
            if places := list(found):
                return places
            raise ValueError("no picture in it")
        except Exception as error:
            self.__exit__()
            raise self._of_opening(error) from error

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one plane; see `segmake.formats.Image`. Bits become 0 and 1 (uint8).

        Raises
        ------
        Problem
            ``SM-IMG-007`` if a file is missing that holds a part of the field of view, ``SM-IMG-008`` if nothing was
            saved for the plane, ``SM-IMG-003`` if it can't be read.
        """
        place = self._places[position]
        wanted = {"channel": channel, "time": time, "slice": slice, "page": page}
        try:
            if place.missing:
                raise FileNotFoundError(None, "", place.missing)
            wanted["position"] = place.position
            plane = place.stack.plane(wanted) if place.stack else None
        except FileNotFoundError as error:
            part = Path(error.filename).name
            raise Problem("SM-IMG-007", where=str(self._path), part=part) from None
        except Exception as error:
            raise unreadable(self._path, error) from error
        if plane is None:
            numbers = {"channel": channel + 1, "time": time + 1, "slice": slice + 1}
            raise Problem("SM-IMG-008", where=str(self._path), **numbers)
        return plane

    def refuse_unwritten(self) -> None:
        """Refuse a file whose last pixels were never written; see `segmake.formats.Image`."""
        for name in (self._path.name, *self.fields[0].parts):
            part = self._path.with_name(name)
            try:
                if part == self._path:
                    refuse_unwritten(part, self._opened)
                elif part.is_file():
                    refuse_unwritten(part)
            except Exception as error:
                raise unreadable(self._path, error) from error

    def _of_opening(self, error: Exception) -> Problem:
        """Return the problem of a file that could not be opened, or of one that belongs to it and is missing."""
        if isinstance(error, FileNotFoundError) and error.filename:
            part = Path(error.filename)
            if part.name != self._path.name:
                return Problem("SM-IMG-007", where=str(self._path), part=part.name)
        return unreadable(self._path, error)

    def _plain_fields(self, file: TiffFile) -> Iterator[_Field]:
        """Yield the fields of view that the pages are, one series of like pages after the other."""
        lacks = missing_index(file, self._path)
        every = list(file.series)
        left_out = [
            (number > 0 and _is_extra(series))
            or (len(every) > 1 and any(_is_copy(series, other) for other in every))
            for number, series in enumerate(every)
        ]
        copies = sum(map(_number_of_copies, every, left_out))
        for number, series in enumerate(every):
            if left_out[number]:
                continue
            _refuse_if_cut(file, series)
            self._refuse_claim(series)
            stack = _Stack(file, series)
            parts = tuple(sorted(stack.files() - {self._path.name}))
            for position in range(stack.size("position")):
                facts = facts_of(file, series, position)
                beside = {"copies": copies, "copies_before": sum(left_out[:number]), "lacks": lacks}
                yield _Field(stack.header(facts, parts, position, **beside), stack, position)
                copies = 0

    def _ome_fields(self, file: TiffFile, document: Document) -> Iterator[_Field]:
        """Yield the fields of view that the OME-XML names."""
        names = {name for image in document.images for name in document.files(image)}
        names |= {document.path.name}
        parts = tuple(sorted(names - {self._path.name}))
        for part in parts:
            if self._path.with_name(part).is_file():
                refuse_cut(self._path.with_name(part))
        series = iter(file.series)
        for number, image in enumerate(document.images):
            if not document.is_there(image):
                missing = (*document.missing(image), "")[0]
                yield _Field(document.header(image, parts), None, missing=missing)
                continue
            found = next(series)
            if not (number and _is_extra(found)):
                self._refuse_claim(found)
                stack = _Stack(file, found)
                yield _Field(stack.header(document.facts(image), parts), stack)

    def _refuse_claim(self, series: TiffPageSeries) -> None:
        """Refuse planes, or a stack in one piece, that are larger than the file can hold."""
        page = series.keyframe
        held = page.parent.filehandle.size
        pixel = page.samplesperpixel * max(1, page.bitspersample // 8)
        depth = page.imagedepth if series.dataoffset is None else series.size // max(1, page.size)
        kind = _COMPRESSIONS.get(page.compression, "other")
        refuse_size(self._path, page.imagewidth, page.imagelength * depth, pixel, held, kind)


class _Stack:
    """The pages of one series, as tifffile arranges them, and the planes in them."""

    def __init__(self, file: TiffFile, series: TiffPageSeries) -> None:
        self._file, self._series = file, series
        self._shape = tuple(series.get_shape(squeeze=False))
        axes = _axes(series, self._shape)
        named = {**_ROLES, _POSITIONS.get(series.kind, ""): "position"}
        self._roles = [named.get(axis, "page") for axis in axes]
        self._sizes: dict[str, int] = {}
        for role, size in zip(self._roles, self._shape, strict=True):
            self._sizes[role] = self._sizes.get(role, 1) * size
        places = [index for index, role in enumerate(self._roles) if role in ("x", "y")]
        if len(places) != 2 or 0 in self._shape or series.dtype.kind not in "buif":
            raise ValueError(f"no picture: {axes} {self._shape} {series.dtype}")
        self._samples = size_of("S", axes, self._shape)
        # Data that lie in one piece are read in pieces of a plane, all others page by page.
        self._offset = None if series.is_multifile else series.dataoffset
        if self._offset is None:
            self._start = self._first_axis_of_a_page()
        else:
            # Rows, where what lies between or within the pixels of a plane is more than a few channels.
            rest = [n for i, n in enumerate(self._shape) if i > places[0] and i not in places]
            self._start = places[0] if math.prod(rest) <= 4 else places[1]
        self._saved = self._saved_sizes()

    def size(self, role: str) -> int:
        """Return how many there are of a role."""
        return self._sizes.get(role, 1)

    def files(self) -> set[str]:
        """Return the names of the files that the pages are in."""
        if not self._series.is_multifile:
            return {self._file.filename}
        return {page.parent.filename for page in self._series if page is not None}

    def header(
        self, facts: Facts, parts: tuple[str, ...], position: int = 0, **beside: Any
    ) -> Header:
        """Return the header of a field of view, with as many time points and slices as were saved.

        Parameters
        ----------
        facts : Facts
        parts : tuple of str
        position : int
        **beside
            What it has of the file as a whole, by the names of its attributes.
        """
        color = self._is_color()
        times, slices = self._saved[position]
        planned_times, planned_slices = self.size("time"), self.size("slice")
        return _header(
            width=self.size("x"),
            height=self.size("y"),
            times=times,
            slices=slices,
            channels=self._channel_names(facts, color),
            color=color,
            dtype=_name_of(self._series.dtype),
            pixel_size_um=facts.pixel_size_um,
            pixel_height_um=facts.pixel_height_um,
            doubted=facts.doubted,
            unnamed=self.size("page"),
            slice_step_um=facts.slice_step_um if slices > 1 else None,
            interval_s=facts.interval_s,
            acquired=facts.acquired,
            objective=facts.objective,
            position=facts.position,
            lossy=is_lossy(self._series.keyframe),
            parts=parts,
            planned_times=planned_times if times < planned_times else None,
            planned_slices=planned_slices if slices < planned_slices else None,
            **beside,
        )

    def plane(self, wanted: Mapping[str, int]) -> np.ndarray | None:
        """Return one plane: YX; None if it was never written."""
        index = index_of(wanted, self._roles, self._shape)
        outer, inner = index[: self._start], tuple(index[self._start :])
        # Rarely, a page is a row of several planes (or a column, or a point): these are put together.
        spread = [axis for axis, place in enumerate(outer) if isinstance(place, slice)]
        pieces: list[np.ndarray] = []
        for steps in np.ndindex(*(self._shape[axis] for axis in spread)):
            for axis, step in zip(spread, steps, strict=True):
                outer[axis] = step
            block = self._block(outer)
            if block is None:
                return None
            pieces.append(block[inner])
        plane = pieces[0]
        if spread:
            plane = np.stack(pieces).reshape(*(self._shape[axis] for axis in spread), *plane.shape)
        if self._roles.index("x") < self._roles.index("y"):
            plane = plane.T
        # Networks and libraries want the machine's own byte order.
        native = np.uint8 if plane.dtype == bool else plane.dtype.newbyteorder("=")
        return np.ascontiguousarray(plane, dtype=native)

    def _saved_sizes(self) -> list[tuple[int, int]]:
        """Return how many time points and slices of each position were saved, with all that belongs to them.

        An acquisition that was stopped leaves pages out, at the end. Of one that has none at all, or lacks them
        elsewhere, all that was planned counts, so that what is missing is told when it is read.
        """
        planned = (self.size("time"), self.size("slice"))
        positions = self.size("position")
        if self._offset is not None or self._series.kind not in _PLANNED:
            return [planned] * positions
        pages = list(self._series)
        if all(page is not None for page in pages):
            return [planned] * positions
        self._refuse_cut_pages([page for page in pages if page is not None])
        outer, roles = self._shape[: self._start], self._roles[: self._start]
        there = np.zeros(math.prod(outer), bool)
        there[: len(pages)] = [page is not None and _is_written(page) for page in pages]
        return [leading(there.reshape(outer), roles, at) for at in range(positions)]

    def _refuse_cut_pages(self, pages: list[TiffPage | TiffFrame]) -> None:
        """Refuse a stack with missing pages if one of the others lacks pixels: then it was not stopped, but cut."""
        for page in pages:
            ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
            handle = page.parent.filehandle
            if not handle.closed and max(ends, default=0) > handle.size:
                raise CutShort("it ends before its pixels do")

    def _first_axis_of_a_page(self) -> int:
        size = math.prod(self._series.keyframe.shape)
        for start in range(len(self._shape)):
            if math.prod(self._shape[start:]) == size:
                return start
        raise ValueError(f"pages of {self._series.keyframe.shape} in {self._shape}")

    def _block(self, outer: list[Any]) -> np.ndarray | None:
        """Return what lies at one place of the outer axes; None if it was never written."""
        shape = self._shape[self._start :]
        number = int(np.ravel_multi_index(outer, self._shape[: self._start])) if outer else 0
        if self._offset is None:
            pixels = self._page(number)
        else:
            dtype = np.dtype(self._file.byteorder + self._series.dtype.char)
            size = math.prod(shape)
            offset = self._offset + number * size * dtype.itemsize
            # There is the beginning of the file: tifffile would read wherever it is just now, or elsewhere.
            if not self._offset:
                raise CutShort("its pixels were never written")
            if offset + size * dtype.itemsize > self._file.filehandle.size:
                raise CutShort("it ends before its pixels do")
            pixels = self._file.filehandle.read_array(dtype, size, offset)
        if pixels is not None and self._series.transform is not None:
            pixels = self._series.transform(pixels)
        return None if pixels is None else pixels.reshape(shape)

    def _page(self, number: int) -> np.ndarray | None:
        try:
            page = self._series[number]
        except IndexError:
            return None
        if page is None or not _is_written(page):
            return None
        handle = page.parent.filehandle
        # tifffile closes the other files of a set.
        closed = handle.closed
        if closed:
            handle.open()
        try:
            ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
            if max(ends) > handle.size:
                raise CutShort("it ends before its pixels do")
            return page.asarray()
        finally:
            if closed:
                handle.close()

    def _is_color(self) -> bool:
        """Whether the samples are those of a colour picture.

        ImageJ saves some stacks of three channels as if they were one, and says that they are channels.
        """
        if self._samples not in (3, 4) or self.size("channel") != self._samples:
            return False
        if self._series.keyframe.photometric not in (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR):
            return False
        imagej = self._file.imagej_metadata or {} if self._series.kind == "imagej" else {}
        return bool(imagej.get("channels", 1) == 1)

    def _channel_names(self, facts: Facts, color: bool) -> tuple[str, ...]:
        number = self.size("channel")
        if color:
            return ("red", "green", "blue", "alpha")[:number]
        names = facts.channels
        if len(names) * self._samples == number and self._samples > 1:
            # Each channel is a picture of several samples.
            names = tuple(
                f"{name or index} {sample}"
                for index, name in enumerate(names, start=1)
                for sample in range(1, self._samples + 1)
            )
        names = (*names, *[""] * number)[:number]
        return tuple(name or str(index) for index, name in enumerate(names, start=1))


@lru_cache(maxsize=64)
def _name_of(dtype: np.dtype[Any]) -> str:
    """Return what a header calls the type of pixels; bits become bytes when they are read."""
    return "uint8" if dtype.kind == "b" else str(dtype)


def _open(path: Path, opened: BinaryIO | None) -> tuple[TiffFile, Document | None]:
    """Return a file, and its OME-XML if it is that which arranges the pages."""
    if opened is None:
        file = TiffFile(path)
    else:
        opened.seek(0)
        file = TiffFile(opened)
    try:
        document = _document_of(file, path)
    except Exception:
        file.close()
        raise
    if document is None:
        return file, None
    file.close()
    if document.metadata_file:
        source = path.parent / document.metadata_file
        if not source.is_file():
            raise Problem("SM-IMG-007", where=str(path), part=document.metadata_file)
        if source.suffix.lower() in (".tif", ".tiff"):
            document = _document(source)
        else:
            document = Document(source.read_text(encoding="utf-8"), path)
        if document is None or document.metadata_file:
            raise ValueError(f"no OME-XML in {source.name}")
    document.refuse_claims()
    # tifffile would take zeros for the pixels in a file that is missing, and pass over images without pixels.
    lost = [image for image in document.images if not document.is_there(image)]
    file = TiffFile(document.path, omexml=document.xml(lost))
    try:
        return file, document if _arranges(document, len(lost), file) else None
    except Exception:
        file.close()
        raise


def _is_told(file: TiffFile) -> bool:
    """Whether what its only page says is all that decides what a file holds: not its name, files beside it, pixels."""
    return not file.is_ome and all(
        series.kind in _TOLD and series.keyframe.compression in _COMPRESSIONS
        for series in file.series
    )


def _document(path: Path) -> Document | None:
    with TiffFile(path) as file:
        return _document_of(file, path)


def _document_of(file: TiffFile, path: Path) -> Document | None:
    """Return the OME-XML of a file, if it says where the pixels of images are, or which file does."""
    if not file.ome_metadata or (file.is_mmstack and file.series[0].kind == "mmstack"):
        return None
    try:
        document = Document(file.ome_metadata, path, len(file.pages))
    except ParseError:
        return None
    return document if document.says_where or document.metadata_file else None


def _arranges(document: Document, lost: int, file: TiffFile) -> bool:
    """Whether tifffile could arrange a file's pages as its OME-XML says."""
    number = len(document.images) - lost
    if number == 0:
        return True
    arranged = all(series.kind == "ome" for series in file.series)
    if not arranged and not lost:
        return False
    if not arranged or len(file.series) != number:
        raise ValueError(f"{number} images in its OME-XML, {len(file.series)} in its pages")
    return True


def _axes(series: TiffPageSeries, shape: tuple[int, ...]) -> str:
    """Return the letters of a series' axes, the outermost first."""
    axes = series.get_axes(squeeze=False)
    # Programs that know no axes save YXC as a stack of pages that are two, three or four pixels wide.
    if series.kind == "shaped" and axes.endswith("QYX") and shape[-1] <= 4 < min(shape[-3:-1]):
        return axes[:-3] + "YXC"
    return axes


def _is_extra(series: TiffPageSeries) -> bool:
    """Whether a series after the first is a small copy or a mask of another, or the label or overview of a slide."""
    if series.name.lower().removesuffix(" image") in _EXTRAS:
        return True
    return series.kind in ("generic", "lsm") and (
        series.keyframe.is_reduced or series.keyframe.is_mask
    )


def _is_copy(series: TiffPageSeries, other: TiffPageSeries) -> bool:
    """Whether a series is another one made smaller, as a thumbnail or for a quick look.

    Programs that do not flag such pages make them smaller by a whole number, or save them in colours for the screen.
    """
    kinds = {series.kind, other.kind}
    page, large = series.keyframe, other.keyframe
    if not kinds <= _UNNAMED or page.size >= large.size or len(series) > len(other):
        return False
    width, height = page.imagewidth, page.imagelength
    if width > large.imagewidth or height > large.imagelength:
        return False
    step = round(large.imagewidth / width)
    smaller = step > 1 and all(
        small in (size // step, -(-size // step))
        for small, size in ((width, large.imagewidth), (height, large.imagelength))
    )
    grey = large.photometric != PHOTOMETRIC.RGB and large.bitspersample > 8
    for_the_screen = page.photometric == PHOTOMETRIC.RGB and page.bitspersample == 8 and grey
    return smaller or for_the_screen or bool(page.is_reduced)


def _number_of_copies(series: TiffPageSeries, left_out: bool) -> int:
    """Return how many pages of a series are smaller copies; those within a page (SubIFDs) do not count."""
    if left_out:
        return 0 if series.keyframe.is_mask else len(series)
    return sum(len(level) for level in series.levels[1:] if not level.keyframe.is_subifd)


def _is_written(page: TiffPage | TiffFrame) -> bool:
    """Whether there are pixels; a tile that is empty has none on purpose, a strip or a page never was written."""
    counts, keyframe = page.databytecounts, page.keyframe
    in_tiles = keyframe is not None and keyframe.is_tiled
    return any(counts) and (in_tiles or 0 not in counts)


def _refuse_if_cut(file: TiffFile, series: TiffPageSeries) -> None:
    """Refuse an ImageJ stack that lacks planes: tifffile takes the pages that are there for pages without a name."""
    imagej = file.imagej_metadata if series.kind == "generic" and file.is_imagej else None
    if imagej:
        said = math.prod(imagej.get(key, 1) for key in ("frames", "slices", "channels"))
        if said > len(file.pages):
            raise CutShort(f"planes: {len(file.pages)} of {said}")
