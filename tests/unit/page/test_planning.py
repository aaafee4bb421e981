"""What a page is told of a run that was not begun yet."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from segmake.page.common import unexpected
from segmake.page.connection import Connection
from segmake.page.errands import Errands
from segmake.page.planning import Asked, Planning
from segmake.page.watch import Watch

NOTHING_RAN = '{"answer": "error", "problems": [{"code": "SM-RUN-013"}]}'


@pytest.mark.skipif(sys.platform == "win32", reason="there, nothing is computed")
@pytest.mark.parametrize(
    ("said", "told"), [("echo Killed >&2; kill -9 $$", "Killed"), ("echo '{'", "{"), ("exit 3", "")]
)
def test_that_no_plan_was_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    program = tmp_path / "bin" / "segmake"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nif [ $1 = status ]; then echo '{NOTHING_RAN}'; exit; fi\n{said}\n"
    )
    program.chmod(0o755)
    (tmp_path / "config").mkdir()
    config = tmp_path / "config" / "config.yaml"
    config.write_text("images: {folder: images}\n")
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    monkeypatch.chdir(tmp_path)

    async def problems() -> list[dict[str, Any]]:
        connection = Connection(tmp_path, config)
        planning = Planning(connection, Errands(), Watch(connection, unexpected), unexpected)
        errand = planning.look(Asked("1", "local", None))
        while not errand.over:
            await asyncio.sleep(0.01)
        return errand.problems

    (problem,) = asyncio.run(asyncio.wait_for(problems(), 60))
    assert problem["code"] == "SM-PAG-021" and told in problem["text"]
