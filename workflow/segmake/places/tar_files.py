"""Small files in one stream, as tar writes and reads them: each alone would wait for several answers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator

_NAMES = "utf-8"


def packed(files: Iterable[tuple[str, float, bytes]]) -> bytes:
    """Return a tar file of some files: names, times (to the second) and contents."""
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", format=tarfile.GNU_FORMAT, encoding=_NAMES
    ) as archive:
        for name, time, content in files:
            about = tarfile.TarInfo(f"./{name}")
            about.size, about.mtime = len(content), int(time)
            archive.addfile(about, io.BytesIO(content))
    return stream.getvalue()


def unpacked(stream: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a tar file with their names; where it is cut, it ends."""
    try:
        with tarfile.open(fileobj=io.BytesIO(stream), mode="r", encoding=_NAMES) as archive:
            for about in archive:
                file = archive.extractfile(about)
                content = file.read() if file else b""
                if len(content) == about.size:
                    yield about.name.removeprefix("./"), content
    except tarfile.ReadError:
        return
