from __future__ import annotations

import os
from pathlib import Path

import pytest

from segmake.core import versions
from segmake.formats import isolated
from segmake.images import inventory, kept_headers
from segmake.images.inventory import take_inventory, write_inventory

NUMBER = 5


@pytest.fixture
def read(monkeypatch) -> list[Path]:
    """The files whose headers were read, in the order in which they were."""
    paths: list[Path] = []

    def headers_of(some: list[Path]) -> list:
        paths.extend(some)
        return isolated.headers_of(some)

    monkeypatch.setattr(inventory, "headers_of", headers_of)
    return paths


@pytest.fixture
def images(tmp_path, draw, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_headers, "WORTH_KEEPING", NUMBER)
    for number in range(NUMBER):
        draw(tmp_path / "images" / f"\udce9{number}.tif", cells=number)
    return tmp_path / "images"


def test_a_dry_run_reads_no_header_twice(images, configure, read, tmp_path):
    kept = tmp_path / "results" / ".segmake" / "inventory.tsv"

    def take():
        read.clear()
        return take_inventory(configure(), kept)

    first = take()
    assert len(read) == NUMBER
    assert take() == first and not read
    assert not kept.parent.exists()
    # Another time, another version of the readers, half a line.
    changed = images / "\udce91.tif"
    os.utime(changed, ns=(1, 10**18 + 1))
    again = take()
    assert read == [changed] and again.images[1].header == first.images[1].header
    (file,) = (tmp_path / "cache" / "segmake" / "headers").iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    old = lines[0].replace(b'"by": %d' % versions.HEADERS, b'"by": -1')
    file.write_bytes(b"".join([old, b"[1]\n", *lines[1:-1], lines[-1][:-9]]))
    assert take() == again and len(read) == 2
    # What a run notes needs no other place.
    write_inventory(again, kept)
    take()
    assert not read and not file.exists()


def test_a_file_that_could_not_be_read_is_tried_again(images, configure, read, tmp_path):
    bad = images / "bad.tif"
    bad.write_bytes(b"no tiff")
    kept = tmp_path / "results" / ".segmake" / "inventory.tsv"
    for _ in range(2):
        read.clear()
        found = take_inventory(configure(), kept)
        assert [image.image for image in found.images if image.problem] == ["bad.tif"]
    assert read == [bad]


def test_a_home_without_room_keeps_nothing_and_stops_nothing(images, configure, read, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    for _ in range(2):
        found = take_inventory(configure(), tmp_path / "results" / ".segmake" / "inventory.tsv")
        assert len(found.images) == NUMBER
    assert len(read) == 2 * NUMBER
