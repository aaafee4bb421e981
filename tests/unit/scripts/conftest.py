"""The fixtures of these tests."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from segmake.messages import Problem, Problems
from segmake.scripts.checks.checks import script_problems


@pytest.fixture
def check(configure, tmp_path, monkeypatch):
    """Write files, and return what is found in a config with these scripts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()

    def run(files: dict[str, str | bytes], scripts: list[dict], **sections: Any) -> list[Problem]:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(textwrap.dedent(text), encoding="utf-8")
        try:
            config = configure(scripts=scripts, **sections)
        except Problems as problems:
            return problems.problems
        assert not list(script_problems(config))
        return []

    return run
