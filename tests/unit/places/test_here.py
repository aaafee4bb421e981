"""Commands on the computer on which SegMake itself runs."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from segmake.places.here import Here

WAITS = (
    "import os, pathlib, time; pathlib.Path('begun').write_text(str(os.getpid())); time.sleep(60)"
)


@pytest.mark.skipif(sys.platform == "win32", reason="processes are told apart otherwise there")
def test_a_command_that_nobody_waits_for_any_more_is_ended(tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    async def leave() -> None:
        command = [sys.executable, "-c", WAITS]
        task = asyncio.create_task(Here().run(command, folder=str(tmp_path)))
        async with asyncio.timeout(30):
            while not begun.exists() or not begun.read_text():
                await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
