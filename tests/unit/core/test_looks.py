"""Many files are looked at one after the other, and several at once where each look is a wait."""

from __future__ import annotations

import threading
import time

import pytest

from segmake.core import looks as looking
from segmake.core.looks import AT_ONCE, in_parts, looks


def test_looks_that_take_long_are_taken_at_once_and_told_in_their_order(monkeypatch):
    monkeypatch.setattr(looking, "SLOW_SECONDS", 0.01)
    # Nobody gets past it alone.
    together = threading.Barrier(AT_ONCE)

    def look(part: int) -> int:
        if part:
            together.wait(timeout=60)
        else:
            time.sleep(0.02)
        return part

    assert [*looks(look, range(AT_ONCE + 1))] == [*range(AT_ONCE + 1)]


def test_looks_that_are_soon_done_start_no_thread(monkeypatch):
    monkeypatch.setattr(looking, "SLOW_SECONDS", 60)
    threads = {*looks(lambda part: threading.get_ident(), in_parts(range(3 * looking.FILES)))}
    assert threads == {threading.get_ident()}


def test_what_goes_wrong_in_a_look_is_told_and_keeps_the_others_from_beginning(monkeypatch):
    monkeypatch.setattr(looking, "SLOW_SECONDS", -1)
    begun = []

    def look(part: int) -> None:
        begun.append(part)
        if part == 1:
            raise PermissionError
        time.sleep(0.01)

    with pytest.raises(PermissionError):
        [*looks(look, range(5_000))]
    assert len(begun) < 2_500
