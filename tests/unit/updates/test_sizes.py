from __future__ import annotations

import os
from pathlib import Path

import pytest

from segmake.updates.sizes import size_of
from tests.unit.system_calls import counted


def test_what_has_several_names_counts_once_and_links_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "a", outside):
        folder.mkdir(parents=True)
        (folder / "one").write_bytes(bytes(100_000))
    os.link(inside / "a" / "one", inside / "two")
    (inside / "link").symlink_to(outside)
    size = size_of([inside, tmp_path / "gone"])
    assert size.files == 2
    assert 100_000 <= size.bytes < 150_000
    assert size.owners == {os.getuid()}


def test_a_file_and_a_link_count_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(bytes(8192))
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert size_of([tmp_path / "one"]).bytes == 8192
    assert size_of([tmp_path / "link"]).bytes < 8192


def test_many_files_are_looked_at_once_each_as_their_folder_lists_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in range(10):
        (tmp_path / str(folder)).mkdir()
        for number in range(50):
            (tmp_path / str(folder) / str(number)).touch()
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
    found = []
    looks = counted(lambda: found.append(size_of([tmp_path])))
    assert found[0].files == 500
    assert len(listed) == len(set(listed)) == 11
    # The folder that was asked for; each other look is a listed name's own.
    assert looks == {"stat": 1}
