"""A copy of files that lie in many places, cut and taken up again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from segmake.messages import Problem
from segmake.places import copying
from segmake.places.copying import copy
from segmake.places.differences import SMALL
from segmake.places.here import Here
from segmake.places.place import PIECE
from segmake.places.progress import Progress
from segmake.remote.passed_on import Among, Gathered

# A model of the user's own, a module beside a script, and images.
SINGLE = ["models/mine 1", "scripts/a/b.py", "top"]


class Lossy(Here):
    """A place to which the connection is lost after some pieces of the first file, if it is to be."""

    def __init__(self, pieces: int | None = None) -> None:
        self.pieces = pieces

    async def write(self, path: str, pieces: AsyncIterator[bytes], offset: int = 0) -> None:
        async def some() -> AsyncIterator[bytes]:
            left = self.pieces
            async for piece in pieces:
                if left == 0:
                    raise Problem("SM-SSH-010", host="cluster", error="-")
                left = None if left is None else left - 1
                yield piece

        await super().write(path, some(), offset)


@pytest.fixture
def laptop(tmp_path: Path) -> dict[str, str]:
    """Files of a laptop by the names that they get elsewhere."""
    paths = {}
    for number, name in enumerate([*SINGLE, "images/pos 1.tif"]):
        path = tmp_path / "laptop" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(SMALL + 3 * PIECE if number == 0 else 10))
        os.utime(path, (1.6e9, 1.6e9))
        paths[name] = str(path)
    return paths


def test_a_single_file_goes_on_where_it_was_cut_and_leaves_nothing(
    laptop: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PATIENCE", ())
    there = tmp_path / "there"

    def sends(pieces: int | None = None) -> int:
        seen = Progress()

        def tell(progress: Progress) -> None:
            seen.sent = progress.sent

        target = Among(Lossy(pieces), ["images"], SINGLE)
        asyncio.run(copy((Gathered(Here(), laptop), ""), (target, str(there)), tell=tell))
        return seen.sent

    with pytest.raises(Problem, match="SM-SSH-010"):
        sends(2)
    assert sends() <= SMALL + PIECE + 40
    found = {str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()}
    assert found == set(laptop)
    for name, path in laptop.items():
        assert (there / name).read_bytes() == Path(path).read_bytes()
