"""Writes small LIF files as Leica describes the format: a header, XML, and a block of memory for each image."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

NUMBERS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "λ": 5, "M": 10}


@dataclass
class Series:
    """An image of a LIF file.

    Attributes
    ----------
    pixels : array
    axes : str
        As the pixels lie in the file, outermost first; C are channels, S are the colours of a pixel.
    steps : dict
        Distance of neighbours on X, Y, Z (metres) and T (seconds).
    channels : list of (dye, colour on the screen)
    """

    name: str
    pixels: np.ndarray
    axes: str
    steps: dict[str, float] = field(default_factory=dict)
    channels: list[tuple[str, str]] = field(default_factory=list)
    more: str = ""

    def __post_init__(self) -> None:
        self.pixels = np.ascontiguousarray(self.pixels)

    def description(self, block: str) -> str:
        """Return the XML of the image."""
        jumps = dict(zip(self.axes, self.pixels.strides, strict=True))
        lengths = dict(zip(self.axes, self.pixels.shape, strict=True))
        dimensions = "".join(
            f'<DimensionDescription DimID="{NUMBERS[axis]}" NumberOfElements="{lengths[axis]}" Origin="0" '
            f'Length="{self.steps.get(axis, 0) * (lengths[axis] - 1)}" Unit="{"s" if axis == "T" else "m"}" '
            f'BitInc="0" BytesInc="{jumps[axis]}"/>'
            for axis in sorted(set(self.axes) - set("CS"), key=NUMBERS.__getitem__)
        )
        colors = lengths.get("S", 1)
        number = colors * lengths.get("C", 1)
        told = self.channels or [("", "")] * number
        channels = "".join(
            # A colour camera writes blue, green, red.
            f'<ChannelDescription DataType="{int(self.pixels.dtype.kind == "f")}" '
            f'ChannelTag="{3 - index if colors == 3 else 0}" Resolution="{8 * self.pixels.itemsize}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName={quoteattr(color)} IsLUTInverted="0" '
            f'BytesInc="{index // colors * jumps.get("C", 0) + index % colors * jumps.get("S", 0)}" BitInc="0">'
            + (
                f"<ChannelProperty><Key>DyeName</Key><Value>{dye}</Value></ChannelProperty>"
                if dye
                else ""
            )
            + "</ChannelDescription>"
            for index, (dye, color) in enumerate(told)
        )
        return (
            f"<Element Name={quoteattr(self.name)}><Data><Image><ImageDescription><Channels>{channels}</Channels>"
            f"<Dimensions>{dimensions}</Dimensions></ImageDescription>{self.more}</Image></Data>"
            f'<Memory Size="{self.pixels.nbytes}" MemoryBlockID="{block}"/></Element>'
        )


def write_lif(path: Path, *images: Series) -> None:
    """Write a LIF file of some images."""
    blocks = [f"MemBlock_{number}" for number in range(len(images))]
    inner = "".join(image.description(block) for image, block in zip(images, blocks, strict=True))
    xml = (
        f'<LMSDataContainerHeader Version="2"><Element Name="project.lif"><Data><Experiment/></Data>'
        f"<Children>{inner}</Children></Element></LMSDataContainerHeader>"
    )
    text = xml.encode("utf-16-le")
    parts = [struct.pack("<IIBI", 0x70, 5 + len(text), 0x2A, len(text) // 2), text]
    for image, block in zip(images, blocks, strict=True):
        name = block.encode("utf-16-le")
        size = image.pixels.nbytes
        head = struct.pack("<IIBQBI", 0x70, 14 + len(name), 0x2A, size, 0x2A, len(name) // 2)
        parts += [head, name, image.pixels.tobytes()]
    path.write_bytes(b"".join(parts))
