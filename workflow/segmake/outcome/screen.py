"""Shows where a run is while it goes on: what the main process of a run on a cluster does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from segmake.messages import joined
from segmake.outcome.progress import LOOK_SECONDS, Progress, progress_of
from segmake.outcome.queue import IMAGE_RULES
from segmake.outcome.tally import Seen, Tally, counted
from segmake.outcome.usage import describe_mishap
from segmake.plan.overview import overview_of
from segmake.plan.plan import Plan
from segmake.slurm.commands import SCRIPT
from segmake.slurm.jobs import Jobs, Sent

# In a file there is a line when so much time has passed, or sooner when batches started or ended.
LINE_SECONDS = 60.0
LINE_SECONDS_AT_LEAST = 10.0


class Observer:
    """Looks where a run is.

    Parameters
    ----------
    plan : Plan
        Of the run.
    jobs : Jobs
        The record of the jobs that were sent to Slurm; empty where none were.
    """

    def __init__(self, plan: Plan, jobs: Jobs) -> None:
        self.jobs = jobs
        self._state = plan.folders.state
        self._overview = overview_of(plan)
        # What a run that was lost has told of its jobs is not told again.
        self._told = {sent.job.id for sent in jobs.of_run() if sent.over}
        self._seen: dict[str, Seen] = {}

    def look(self) -> Progress:
        """Return where the run is now; of the jobs, what the main process has written down."""
        self._seen = counted(self._overview, self._state, self._seen)
        live = [sent.job for sent in self.jobs.live()]
        tally = Tally(self._overview, self._seen)
        return progress_of(tally, live, held=self.jobs.held, room=self.jobs.room)

    def mishaps(self) -> list[str]:
        """Return in words which jobs have ended too soon since this was last asked."""
        known = [sent for sent in self.jobs.of_run() if sent.cause and self._is_ours(sent)]
        new = [sent for sent in known if sent.job.id not in self._told]
        self._told.update(sent.job.id for sent in new)
        return [*self.jobs.to_tell(), *(describe_mishap(sent) for sent in new)]

    def _is_ours(self, sent: Sent) -> bool:
        return sent.job.rule in IMAGE_RULES or sent.job.rule.startswith(SCRIPT)


@dataclass
class Screen:
    """Shows where a run is until it is stopped: in place on a terminal, with a line now and then in a file.

    Attributes
    ----------
    observer : Observer
    stream : file
        Where to, a terminal or a file.
    """

    observer: Observer
    stream: TextIO
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to show; a problem of the display never touches the run."""
        show = self._show_in_place if self.stream.isatty() else self._write_lines
        self._thread = threading.Thread(target=show, name="segmake-progress", daemon=True)
        self._thread.start()

    def cease(self) -> None:
        """Show no more, without waiting for what is being shown."""
        self._stop.set()

    def stop(self) -> None:
        """Cease to show, and leave what was shown last on the terminal."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=LOOK_SECONDS)

    def _show_in_place(self) -> None:
        # Only what shows a run has need of it, and no dry run, and no job.
        from rich.console import Console
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        console = Console(file=self.stream)
        with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
            for progress in self._looks():
                total = progress.images + sum(runs for _, _, runs in progress.scripts)
                done = progress.segmented + sum(done for _, done, _ in progress.scripts)
                bar = ProgressBar(total=max(total, 1), completed=done)
                bar.width = min(60, console.width)
                table = Table.grid()
                table.add_row(bar)
                for line in progress.describe():
                    table.add_row(Text(line))
                for line in self.observer.mishaps():
                    live.console.print(Text(line))
                live.update(table, refresh=True)

    def _write_lines(self) -> None:
        last, jobs, written = "", (0, 0), time.monotonic() - LINE_SECONDS
        for progress in self._looks():
            for line in self.observer.mishaps():
                print(f"{time.strftime('%H:%M')}  {line}", file=self.stream, flush=True)
            text = joined(progress.describe())
            changed = jobs != (progress.running, progress.waiting)
            patience = LINE_SECONDS_AT_LEAST if changed else LINE_SECONDS
            if text != last and time.monotonic() - written >= patience:
                last, written, jobs = text, time.monotonic(), (progress.running, progress.waiting)
                print(f"{time.strftime('%H:%M')}  {text}", file=self.stream, flush=True)

    def _looks(self) -> Iterator[Progress]:
        while True:
            # The run is worth more than what is said about it.
            with suppress(Exception):
                yield self.observer.look()
            if self._stop.wait(LOOK_SECONDS):
                return
