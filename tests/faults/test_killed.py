"""Runs that are killed: what was finished is kept, nothing is computed twice, the same command goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile

from tests.projects import Project, below, draw_image, wait_until

IMAGES = 30
RESULTS = ("_masks.ome.tif", "_cells.csv", "cells.csv", "cells.parquet")
POISONOUS = ["a/img_9.tif", "a/img_11.tif"]


@pytest.fixture
def long_project(project: Project) -> Project:
    """A project with so many images that there is time to kill it in the middle."""
    for number in range(7, IMAGES):
        draw_image(project.images / "a" / f"img_{number}.tif", 1 + number % 20, seed=number)
    draw_image(project.images / "a" / "img_4.tif", 4)
    return project


def test_a_run_that_is_killed_twice_goes_on_where_it_was(
    long_project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for all_processes in (True, False):
        enough = min(len(long_project.finished()) + 5, IMAGES)
        run = long_project.start()
        wait_until(lambda number=enough: len(long_project.finished()) >= number, run)
        if all_processes:
            os.killpg(run.pid, signal.SIGKILL)
        else:
            # What works on the images goes on by itself.
            run.kill()
        run.wait()

    again = long_project.run()
    assert again.returncode == 0, again.stderr
    done = long_project.finished()
    assert len(done) == len(set(done)) == IMAGES

    # The same as if nothing had happened, byte for byte.
    calm = Project(tmp_path_factory.mktemp("calm"), long_project.settings)
    (calm.folder / "images").symlink_to(long_project.images)
    assert calm.run().returncode == 0
    assert long_project.contents(*RESULTS) == calm.contents(*RESULTS)


def test_images_that_kill_the_program_are_failed_and_the_others_are_done(
    long_project: Project,
) -> None:
    # Large images, so that there is time to kill the process that works on them.
    big = np.tile(np.random.default_rng(0).integers(0, 4000, (500, 500), np.uint16), (10, 10))
    for image in POISONOUS:
        tifffile.imwrite(long_project.images / image, big)
    run = long_project.start()

    def times_started() -> int:
        lines = long_project.journal()
        return sum(line["image"] in POISONOUS and line["event"] == "started" for line in lines)

    def kill_whoever_works_on_them() -> None:
        kills = 0
        while run.poll() is None:
            if times_started() > kills:
                kills += 1
                for process in below(run.pid):
                    # It may end while it is looked at.
                    with suppress(psutil.NoSuchProcess):
                        command = process.cmdline()
                        if "segmake" in command and "segment" in command:
                            process.kill()
            time.sleep(0.01)

    killer = threading.Thread(target=kill_whoever_works_on_them)
    killer.start()
    code = run.wait()
    killer.join()

    assert code == 1
    started = [line["image"] for line in long_project.journal() if line["event"] == "started"]
    assert {started.count(image) for image in POISONOUS} == {2}
    assert len(set(long_project.finished())) == IMAGES - len(POISONOUS)
    failed = {
        line["image"]: line["details"]["code"]
        for line in long_project.journal()
        if line["event"] == "failed"
    }
    assert failed == dict.fromkeys(POISONOUS, "SM-RUN-002")
    report = (long_project.results / "report.html").read_text(encoding="utf-8")
    assert "SM-RUN-002" in report


def test_a_second_run_in_the_same_folder_is_told_about_the_first(long_project: Project) -> None:
    run = long_project.start()
    wait_until(lambda: len(long_project.finished()) >= 1, run)
    # Held still, so that it can't end before the second has looked.
    os.killpg(run.pid, signal.SIGSTOP)
    second = long_project.run()
    os.killpg(run.pid, signal.SIGCONT)
    assert second.returncode == 1
    assert "SM-RUN-009" in second.stderr
    assert str(run.pid) in second.stderr
    assert run.wait() == 0


def test_a_result_folder_that_cannot_be_written(project: Project, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file in its place")
    run = project.run()
    assert run.returncode == 1
    assert "SM-RUN-010" in run.stderr
    assert "Traceback" not in run.stderr
