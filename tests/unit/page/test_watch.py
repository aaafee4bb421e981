"""What is told of a run is what its computer said after something was begun or ended, not before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from segmake.page.connection import Connection
from segmake.page.mistake import unexpected
from segmake.page.watch import Seen, Watch


class Slow(Watch):
    """Hears of no run at first, and says so only once something was begun."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, unexpected)
        self.asked = asyncio.Event()
        self.begun = asyncio.Event()
        self.answered = asyncio.Event()

    async def _heard(self) -> Seen:
        if self.begun.is_set():
            return Seen(at_work=True, when=2.0)
        self.asked.set()
        await self.begun.wait()
        # The answer to whoever asked later is there first.
        await asyncio.sleep(0.1)
        self.answered.set()
        return Seen(when=1.0)


def test_an_answer_of_before_is_not_waited_for_nor_believed(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()

    async def looked() -> None:
        watch = Slow(Connection(tmp_path, tmp_path / "config.yaml"))
        other_window = asyncio.create_task(watch.look())
        await watch.asked.wait()
        watch.begun.set()
        watch.forget()
        assert (await watch.look()).at_work
        await watch.answered.wait()
        await other_window
        assert (await watch.look()).at_work

    asyncio.run(looked())
