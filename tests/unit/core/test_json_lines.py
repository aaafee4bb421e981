from __future__ import annotations

import pytest

from segmake.core.json_lines import add_line, read_lines


def test_what_is_no_object_is_passed_over_and_the_next_line_begins_anew(tmp_path):
    path = tmp_path / "new folder" / "lines.jsonl"
    add_line(path, {"image": "é.tif"})
    with path.open("ab") as file:
        file.write(b'[1]\n\xff\n\n{"image": "b.ti')
    add_line(path, {"image": "c.tif"})
    assert list(read_lines(path)) == [{"image": "é.tif"}, {"image": "c.tif"}]


@pytest.mark.parametrize("strict", [True, False])
def test_a_file_that_is_not_there_has_no_lines(tmp_path, strict):
    for path in (tmp_path / "none.jsonl", tmp_path):
        assert list(read_lines(path, strict=strict)) == []


def test_one_that_cannot_be_read_is_an_error_only_where_it_has_to_be_read(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "lines.jsonl"
    assert list(read_lines(path)) == []
    with pytest.raises(NotADirectoryError):
        list(read_lines(path, strict=True))
