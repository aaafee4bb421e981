from __future__ import annotations

import subprocess

import pytest

from segmake.core import installation
from segmake.messages import Problem
from segmake.updates.clone import open_clone


def test_who_may_not_write_to_the_clone_is_told_so_and_not_what_git_says(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    # Then git refuses to look into a clone of somebody else.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(installation, "clone", lambda: tmp_path)
    with pytest.raises(Problem, match="SM-UPD-010"):
        open_clone()
    monkeypatch.setattr(installation, "is_shared", lambda: True)
    with pytest.raises(Problem, match="SM-UPD-003"):
        open_clone()
