"""That there is no room is told once on the screen of a run, and never not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from segmake.core.told_once import begin_untold, to_tell, was_told
from segmake.messages import Problem

JOBS = 8


def tell(problem, state) -> int:
    """Meet a full disk in several jobs at the same time; return how many have told."""
    together = Barrier(JOBS)

    def job(number: int) -> bool:
        together.wait()
        with to_tell(problem, state) as first:
            return first

    with ThreadPoolExecutor(JOBS) as jobs:
        return sum(jobs.map(job, range(JOBS)))


@pytest.fixture
def full(tmp_path) -> Problem:
    return Problem("SM-RUN-040", where=str(tmp_path), folder=tmp_path)


def test_of_jobs_that_meet_a_full_disk_together_one_tells(full, tmp_path):
    for _ in range(2):
        begin_untold(tmp_path, one_screen=True)
        assert not was_told(full, tmp_path)
        with pytest.raises(BrokenPipeError), to_tell(full, tmp_path) as first:
            assert first
            raise BrokenPipeError
        assert tell(full, tmp_path) == 1, "one that could not tell leaves it to the next"
        assert was_told(full, tmp_path) and tell(full, tmp_path) == 0


def test_where_each_has_its_own_log_or_nothing_can_be_noted_all_tell(full, tmp_path):
    begin_untold(tmp_path, one_screen=True)
    tell(full, tmp_path)
    begin_untold(tmp_path, one_screen=False)
    assert tell(full, tmp_path) == JOBS
    begin_untold(tmp_path / "absent", one_screen=True)
    assert tell(full, tmp_path / "absent") == JOBS


def test_whatever_else_is_wrong_is_told_by_all(full, tmp_path):
    begin_untold(tmp_path, one_screen=True)
    for other in (
        Problem("SM-RUN-042", where=str(tmp_path), folder=tmp_path),
        Problem("SM-RUN-040", where="/proc", folder="/proc"),
    ):
        assert tell(other, tmp_path) == JOBS
    assert tell(full, tmp_path) == 1
