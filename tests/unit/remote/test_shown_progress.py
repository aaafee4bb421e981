"""What a user sees of a copy."""

from __future__ import annotations

import io
import os
import pty
import re
from contextlib import suppress

import pytest

from segmake.places.progress import Progress
from segmake.remote import shown_progress
from segmake.remote.shown_progress import shown, telling


def half_and_whole(progress: Progress) -> None:
    progress.expect(40, 320_000_000)
    progress.began -= 10
    progress.add(80_000_000)
    progress.finish([8_000_000] * 10)
    progress.add(240_000_000)
    progress.finish([8_000_000] * 30)


@pytest.mark.parametrize(
    ("language", "first", "last"),
    [
        (
            "en",
            "Sending the images: 10 of 40 files, 80 MB of 320 MB, 8 MB/s, 30 s left",
            "Sending the images: 40 files, 320 MB, in 0.0 s",
        ),
        (
            "fr",
            "Sending the images : 10 fichiers sur 40, 80 Mo sur 320 Mo, 8 Mo/s, encore 30 s",
            "Sending the images : 40 fichiers, 320 Mo, en 0,0 s",
        ),
    ],
)
def test_a_line_now_and_then_in_a_file(
    monkeypatch: pytest.MonkeyPatch, language: str, first: str, last: str
) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", language)
    monkeypatch.setattr(shown_progress, "EVERY_SECONDS", 0)
    stream = io.StringIO()
    with shown("Sending the images", stream) as tell:
        half_and_whole(Progress(tell))
    lines = stream.getvalue().replace("\u00a0", " ").splitlines()
    assert first in lines and lines[-1] == last


def test_a_lost_connection_is_told_at_once() -> None:
    stream = io.StringIO()
    with shown("Sending", stream) as tell:
        progress = Progress(tell)
        progress.expect(2, 20)
        for _ in range(3):
            progress.lose()
        progress.expect(2, 20)
        progress.add(20)
    lines = stream.getvalue().splitlines()
    assert "lost" in lines[0] and lines[1] == "Sending: 0 of 2 files, 0 kB of 0 kB"
    assert len(lines) == 3


def test_nothing_new_and_nothing_of_what_failed() -> None:
    stream = io.StringIO()
    with shown("Fetching", stream) as tell:
        Progress(tell).expect(0, 0)
    assert stream.getvalue() == "Fetching: nothing is new\n"
    with pytest.raises(OSError), shown("Fetching", stream) as tell:
        half_and_whole(Progress(tell))
        raise OSError
    assert stream.getvalue() == "Fetching: nothing is new\n"


def test_one_line_of_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_progress, "REWRITE_SECONDS", 0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, shown("Sending the images", stream) as tell:
        half_and_whole(Progress(tell))
    said = b""
    # The other end is closed: an error, when all is read.
    with suppress(OSError):
        while piece := os.read(ours, 1 << 16):
            said += piece
    os.close(ours)
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said.decode())
    *rewritten, last = re.split(r"[\r\n]+", text.strip())
    assert "Sending the images: 10 of 40 files, 80 M" in rewritten
    assert max(map(len, rewritten)) <= 40
    assert last.startswith("Sending the images: 40 files, 320 MB, in")


def test_a_page_is_told_the_words_and_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_progress, "REWRITE_SECONDS", 0)
    said: list[tuple[str, float | None]] = []
    done: list[str] = []
    with telling(lambda words, part: said.append((words, part)), done.append)("Sending") as tell:
        half_and_whole(Progress(tell))
    assert said[0] == ("Sending: looking for what is new", None)
    parts = [part for _, part in said if part is not None]
    assert parts == sorted(parts) and parts[-1] == 1 and 0.25 in parts
    assert len(done) == 1 and done[0].startswith("Sending: 40 files")
