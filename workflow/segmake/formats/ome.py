"""What OME-XML says of the images in an OME-TIFF file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from segmake.formats.believed import Header, first_told
from segmake.formats.claims import LARGEST_PLANE, refuse_number, refuse_size

MICROMETRES = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "pm": 1e-6,
    "Å": 1e-4,
}
SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0, "h": 3600.0, "d": 86400.0}

# The types of pixels that OME and NumPy call by different names.
_TYPES = {"float": "float32", "double": "float64", "bit": "uint8"}


@dataclass(frozen=True)
class Facts:
    """What the metadata of a file say of one field of view; see `segmake.formats.Header`."""

    channels: tuple[str, ...] = ()
    pixel_size_um: float | None = None
    pixel_height_um: float | None = None
    slice_step_um: float | None = None
    interval_s: float | None = None
    acquired: str | None = None
    objective: str | None = None
    position: str = ""
    doubted: tuple[str, ...] = ()


class Document:
    """The OME-XML of a TIFF file.

    Parameters
    ----------
    xml : str
    path : Path
        The file, which may have been renamed since it was written.
    pages : int, optional
        How many pages the file has.

    Attributes
    ----------
    images : list of Element
        The fields of view.

    Raises
    ------
    xml.etree.ElementTree.ParseError
        If it is no XML.
    """

    def __init__(self, xml: str, path: Path, pages: int | None = None) -> None:
        # Expat itself refuses entities that grow without end.
        self._root = ElementTree.fromstring(xml)  # noqa: S314
        self.path, self._pages = path, pages
        self.images = self._root.findall("{*}Image")
        self._forget_the_only_file()

    @property
    def metadata_file(self) -> str | None:
        """The name of the file that has the metadata of a set of files, if it is not this one."""
        found = self._root.find("{*}BinaryOnly")
        return None if found is None else found.get("MetadataFile")

    def files(self, image: Element) -> tuple[str, ...]:
        """Return the names of the other files that hold a part of an image's pixels."""
        own = self._root.get("UUID")
        others = dict.fromkeys(
            link.get("FileName") or str(link.text)
            for link in image.iterfind("{*}Pixels/{*}TiffData/{*}UUID")
            if not (own and link.text == own)
        )
        return tuple(name for name in others if name.lower() != self.path.name.lower())

    def missing(self, image: Element) -> tuple[str, ...]:
        """Return which of them are not there."""
        return tuple(n for n in self.files(image) if not (self.path.parent / n).is_file())

    @property
    def says_where(self) -> bool:
        """Whether it says of any image which pages it is."""
        return self._root.find("{*}Image/{*}Pixels/{*}TiffData") is not None

    def is_there(self, image: Element) -> bool:
        """Whether an image has pixels: an acquisition that was stopped names positions that it did not reach."""
        if self.files(image):
            return not self.missing(image)
        data = image.iterfind("{*}Pixels/{*}TiffData")
        return any(self._pages is None or int(d.get("IFD", 0)) < self._pages for d in data)

    def xml(self, leave_out: Iterable[Element] = ()) -> str:
        """Return the XML without some of its images."""
        for image in leave_out:
            self._root.remove(image)
        return ElementTree.tostring(self._root, encoding="unicode")

    def refuse_claims(self) -> None:
        """Refuse images that name very many more planes than there are pages, or larger ones than there can be.

        Raises
        ------
        Problem
            ``SM-IMG-051``.
        """
        for image in self.images:
            pixels = _pixels(image)
            width, height, *counts = (int(pixels.get(f"Size{axis}", 1)) for axis in "XYTZC")
            refuse_size(self.path, width, height, 1, LARGEST_PLANE, "other")
            files = 1 + len(self.files(image))
            there = (self._pages or 1) * files
            refuse_number(self.path, math.prod(counts), there)
            # There are never so many channels that were to be taken, and were not.
            refuse_number(self.path, 100 * counts[-1], there)

    def facts(self, image: Element) -> Facts:
        """Return what is said of an image."""
        pixels = _pixels(image)
        stage = image.find("{*}StageLabel")
        names = [None if stage is None else stage.get("Name")]
        if len(self.images) > 1:
            names.append(image.get("Name"))
        return Facts(
            channels=tuple(
                first_told(channel.get("Name"), channel.get("Fluor"))
                for channel in pixels.iterfind("{*}Channel")
            ),
            pixel_size_um=_length(pixels, "PhysicalSizeX"),
            pixel_height_um=_length(pixels, "PhysicalSizeY"),
            slice_step_um=_length(pixels, "PhysicalSizeZ"),
            interval_s=_interval_s(pixels),
            acquired=_date(image),
            objective=self._objective(image),
            position=first_told(*names),
        )

    def header(self, image: Element, parts: tuple[str, ...]) -> Header:
        """Return the header of an image whose pixels are not there."""
        pixels, facts = _pixels(image), self.facts(image)
        number = int(pixels.get("SizeC", 1))
        names = (*facts.channels, *[""] * number)[:number]
        dtype = pixels.get("Type", "uint16")
        return Header(
            width=int(pixels.get("SizeX", 1)),
            height=int(pixels.get("SizeY", 1)),
            times=int(pixels.get("SizeT", 1)),
            slices=int(pixels.get("SizeZ", 1)),
            channels=tuple(name or str(index) for index, name in enumerate(names, start=1)),
            color=False,
            dtype=_TYPES.get(dtype, dtype),
            pixel_size_um=facts.pixel_size_um,
            pixel_height_um=facts.pixel_height_um,
            position=facts.position,
            parts=parts,
        )

    def _forget_the_only_file(self) -> None:
        """Drop the file's name if there is but one, since the file may have been renamed."""
        data = list(self._root.iterfind("{*}Image/{*}Pixels/{*}TiffData"))
        links = [(element, link) for element in data for link in element.findall("{*}UUID")]
        if len({(link.get("FileName"), link.text) for _, link in links}) == 1:
            for element, link in links:
                element.remove(link)

    def _objective(self, image: Element) -> str | None:
        settings = image.find("{*}ObjectiveSettings")
        if settings is None:
            return None
        for objective in self._root.iterfind("{*}Instrument/{*}Objective"):
            if objective.get("ID") == settings.get("ID"):
                times = positive(objective.get("NominalMagnification"))
                return objective.get("Model") or (f"{times:g}x" if times else None)
        return None


def positive(value: object, scale: float = 1.0) -> float | None:
    """Return a number times `scale`; None if it is no number, or none above zero."""
    try:
        number = float(str(value)) * scale
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def told_of(value: object) -> Mapping[str, Any]:
    """Return what a program wrote, if it wrote names and values; else nothing."""
    return value if isinstance(value, Mapping) else {}


def length_um(value: object, unit: str) -> float | None:
    """Return a length in micrometres; None if it is none, or its unit (such as "pixel") says nothing about them."""
    scale = MICROMETRES.get(unit) or MICROMETRES.get(unit.lower().removesuffix("s"))
    return positive(value, scale or math.nan)


def _pixels(image: Element) -> Element:
    found = image.find("{*}Pixels")
    return Element("Pixels") if found is None else found


def _length(pixels: Element, name: str) -> float | None:
    return length_um(pixels.get(name), pixels.get(f"{name}Unit", "µm"))


def _date(image: Element) -> str | None:
    text = (image.findtext("{*}AcquisitionDate") or "").strip()
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


def _interval_s(pixels: Element) -> float | None:
    unit = SECONDS.get(pixels.get("TimeIncrementUnit", "s"), math.nan)
    written = positive(pixels.get("TimeIncrement"), unit)
    if written:
        return written
    moments: dict[int, float] = {}
    for time, moment in _moments(pixels):
        moments.setdefault(time, moment)
    if len(moments) < 2:
        return None
    first, last = min(moments), max(moments)
    return positive((moments[last] - moments[first]) / (last - first))


def _moments(pixels: Element) -> Iterator[tuple[int, float]]:
    """Yield the time point and the moment, in seconds, of each plane."""
    for plane in pixels.iterfind("{*}Plane"):
        try:
            unit = SECONDS[plane.get("DeltaTUnit", "s")]
            yield int(plane.get("TheT", 0)), float(plane.get("DeltaT", "")) * unit
        except (KeyError, ValueError):
            continue
