"""Whether a file that can't be read lacks its end, by the marks that its format puts there."""

from __future__ import annotations

import struct
from pathlib import Path

from segmake.formats.zeros import FEWEST, start_of_zeros

_END_OF_JPEG, _END_OF_PNG = b"\xff\xd9", b"IEND\xaeB`\x82"
_MAP_OF_ND2 = b"ND2 CHUNK MAP SIGNATURE 0000001!"
# Where a CZI file says where its list of tiles is, which starts with a mark.
_PLACE_OF_CZI, _LIST_OF_CZI = 84, b"ZISRAWDIRECTORY"


def lacks_its_end(path: Path) -> bool:
    """Whether the end of a file is zeros, or not what its format ends in; False where nobody can say."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size - start_of_zeros(file, size, max(0, size - FEWEST)) >= min(size, FEWEST):
            return True
        file.seek(max(0, size - 1024))
        end = file.read()
        suffix = path.suffix.lower()
        if suffix == ".nd2":
            return _MAP_OF_ND2 not in end
        if suffix == ".png":
            return _END_OF_PNG not in end
        if suffix in (".jpg", ".jpeg"):
            return _END_OF_JPEG not in end
        if suffix == ".czi" and size > _PLACE_OF_CZI + 8:
            file.seek(_PLACE_OF_CZI)
            (place,) = struct.unpack("<Q", file.read(8))
            file.seek(min(place, size))
            return file.read(len(_LIST_OF_CZI)) != _LIST_OF_CZI
    return False
