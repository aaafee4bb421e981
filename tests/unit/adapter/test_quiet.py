"""Which lines of Snakemake's log are for the user."""

from __future__ import annotations

import logging

import pytest
from snakemake.logging import logger

from segmake.adapter.quiet import SCREEN, is_news, speak_plainly


def record(words: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("snakemake", level, "", 0, words, (), None)


@pytest.mark.parametrize(
    ("words", "level", "news"),
    [
        ("Building DAG of jobs...", logging.INFO, False),
        ("Command 'segmake segment --batch 0001' returned non-zero exit status 1.", logging.ERROR, False),
        ("Command 'segmake_engine segment\n' died with <Signals.SIGKILL: 9>.", logging.ERROR, False),
        # Of this one SegMake has said nothing.
        ("Command 'segmake segment --batch 0001' returned non-zero exit status 2.", logging.ERROR, True),
        ("Command 'other' returned non-zero exit status 1.", logging.ERROR, True),
        ("At least one job did not complete successfully.", logging.ERROR, False),
        ("No SLURM account given, trying to guess.", logging.WARNING, False),
        ("MissingInputException in rule segment", logging.ERROR, True),
    ],
)  # fmt: skip
def test_what_is_said_already_is_left_out(words, level, news):
    assert is_news(record(words, level)) is news


def test_a_full_disk_of_snakemakes_own_is_told_as_such():
    line = record("Failed to write .snakemake/metadata/x: [Errno 28] No space left on device")
    assert is_news(line)
    assert line.getMessage().startswith("SM-RUN-040")
    other = record("Log of the job: [Errno 28] No space left on device: /data/x")
    assert is_news(other) and "SM-RUN" not in other.getMessage()


@pytest.mark.parametrize("quiet", [True, False])
def test_only_the_screen_is_quiet_and_only_where_it_is_asked_for(monkeypatch, quiet):
    monkeypatch.setattr(logging, "raiseExceptions", True)
    screen, file = logging.NullHandler(), logging.NullHandler()
    screen.name, file.name = SCREEN, "DefaultLogFileHandler"
    monkeypatch.setattr(logger, "handlers", [screen, file])
    speak_plainly(quiet=quiet)
    assert screen.filters == ([is_news] if quiet else []) and not file.filters
    assert not logging.raiseExceptions
