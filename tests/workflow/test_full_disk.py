"""A disk that is full, and one that can only be read: no image is blamed, nothing is lost, the same command goes on."""

from __future__ import annotations

from tests.disks import remount, small_disk
from tests.projects import Project


def test_a_run_on_a_full_disk_says_so_and_goes_on_with_room(project: Project) -> None:
    (project.images / "a" / "img_4.tif").unlink()
    with small_disk(project.results, "180k"):
        remount(project.results, "ro")
        refused = project.run()
        assert refused.returncode == 1 and "SM-RUN-041" in refused.stderr, refused.stderr
        remount(project.results, "rw")
        full = project.run()
        assert full.returncode == 1 and "SM-RUN-040" in full.stderr, full.stderr
        said = refused.stderr + full.stderr
        assert str(project.results) in full.stderr
        assert not any(word in said for word in ("Traceback", "FAILED", "SM-RUN-001", "Errno"))
        # Once for each job that met it, and at the end: no job was tried again.
        assert full.stderr.count("SM-RUN-040") <= 4
        assert not any(line["event"] == "failed" for line in project.journal("overlay"))
        before = project.journal()
        remount(project.results, "size=20m")
        again = project.run()
        assert project.computed(before) == [], "cells were found again"
        assert again.returncode == 0, again.stderr
        assert len(project.finished("overlay")) == 6
