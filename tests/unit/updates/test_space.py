"""Sizes of files in the words of the user's language."""

from __future__ import annotations

import pytest

from segmake.updates.space import shown_bytes


@pytest.mark.parametrize(
    ("language", "sizes"),
    [("en", ["12 kB", "1.84 MB", "3.28 GB"]), ("fr", ["12 ko", "1,84 Mo", "3,28 Go"])],
)
def test_sizes_have_the_units_of_the_language(
    monkeypatch: pytest.MonkeyPatch, language: str, sizes: list[str]
) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", language)
    assert [shown_bytes(size) for size in (12_000, 1_840_000, 3_280_000_000)] == sizes
