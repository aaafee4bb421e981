"""Where images are looked at, and where their cells are found: on this computer, or on the experiment's own one.

Images that lie on this computer are looked at here, if it can open images; their cells are found where the experiment
is computed, to which an image is sent first, into its place in the experiment's copy. No page waits for a login: what
needs one is told to go on as soon as it is made.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from segmake.config.edited_text import settings_in
from segmake.config.yaml_values import in_one_line
from segmake.core.files import fingerprint, readable
from segmake.core.installation import can_look
from segmake.experiment.seen import images_in
from segmake.messages import Problem, Problems, say
from segmake.messages.numbers import shown_bytes
from segmake.page.connection import Connection
from segmake.page.mistake import unexpected
from segmake.page.work import Task, Work, problem_values
from segmake.places.place import Answer, Place
from segmake.places.progress import Progress
from segmake.remote.sending import send_one
from segmake.remote.session import Session

# Before the paths of pictures that lie on the other computer.
THERE = "there:"

# So long a page waits for what the other computer has to do for it.
_PATIENCE_S = 1.5

_CACHE = 'printf %s "${XDG_CACHE_HOME:-$HOME/.cache}"'

# Of an image that nobody has opened yet.
_UNKNOWN = {
    **dict.fromkeys(("width", "height", "dtype", "pixel_size_um", "pixel_height_um", "axes")),
    **dict.fromkeys(("slice_step_um", "interval_s", "acquired", "objective", "lossy")),
    **dict.fromkeys(("planned_times", "planned_slices")),
    **{"number": 1, "name": "", "times": 1, "slices": 1, "color": False, "pages": 1},
    **{"channels": [], "doubted": []},
}


@dataclass
class _Trial:
    """A trial on the other computer: first the image is sent, then its cells are found there."""

    file: str
    task: Task
    key: str = ""
    sending: asyncio.Task[None] | None = None

    def tell(self, words: str) -> None:
        """Say how far it is while the image is sent."""
        self.task.lines = [{"answer": "try", "state": "sending", "words": words, "file": self.file}]

    def end(self, error: Problem | Problems) -> None:
        """Say what is wrong: it has ended before it began."""
        self.task.lines, self.task.over = [_error(error)], True


class Works:
    """What is done with the images of an experiment, wherever that is; see `segmake.page.work.Work`.

    Parameters
    ----------
    here : Work
        On this computer.
    connection : Connection
        To the experiment's computer.
    """

    def __init__(self, here: Work, connection: Connection) -> None:
        self.here, self._connection = here, connection
        self._far: tuple[Session, Work] | None = None
        self._trials: dict[str, _Trial] = {}
        # What lies here, by the names of files alone.
        self._listed: dict[str, Task] = {}
        self._asked: dict[str, asyncio.Task[Any]] = {}
        # Images that are sent to be seen, and where to.
        self._wanted: set[tuple[str, str]] = set()
        self._can_look = can_look()

    @property
    def place(self) -> Place:
        """Where `answer` and `told` run commands: on this computer."""
        return self.here.place

    @property
    def is_elsewhere(self) -> bool:
        """Whether cells are found on another computer."""
        with suppress(Problem):
            return self._connection.place is not None
        return False

    async def answer(self, *words: str) -> dict[str, Any]:
        """Return the last answer in JSON of a command on this computer, which is run to its end."""
        return await self.here.answer(*words)

    async def told(self, *words: str) -> Answer:
        """Return what a command on this computer says to people, once it has come to its end."""
        return await self.here.told(*words)

    async def look(self, images: str, include: Sequence[str] = (), *, anew: bool = False) -> Task:
        """Have all images of a folder looked at; what is known of a look that goes on or is over is returned."""
        folder = Path(os.path.expanduser(images))
        is_here = await asyncio.to_thread(folder.exists)
        if not self.is_elsewhere or (self._can_look and is_here):
            return await self.here.look(images, include, anew=anew)
        key = fingerprint("look", self._where, images, *include)
        if is_here:
            if anew or key not in self._listed:
                self._listed[key] = await asyncio.to_thread(_listed, folder, include)
            return self._listed[key]
        if anew:
            self._asked.pop(key, None)
        try:
            found: Task = await self._given(
                key, lambda: self._look_there(images, include, anew=anew)
            )
        except Problem as problem:
            return Task("", lines=[_error(problem)], over=True)
        except TimeoutError:
            return Task("")
        return found

    async def view(
        self, file: str, position: int, moment: int, images: dict[str, Any]
    ) -> dict[str, Any]:
        """Have a plane of an image drawn, and return the answer.

        Where that is not done at once, it ``waits``; one that has to be sent for it, and was not, is ``unsent``.
        """
        is_here = await asyncio.to_thread(os.path.exists, file)
        if not self.is_elsewhere or (self._can_look and is_here):
            return await self.here.view(file, position, moment, images)
        if is_here and (self._where, file) not in self._wanted:
            problem = Problem("SM-PAG-034", where=Path(file).name, host=self._host)
            return _error(problem) | {"unsent": True}
        state = await asyncio.to_thread(_state, file)
        place = ("view", self._where, file, state, position, moment)
        try:
            # What was drawn before is kept over there, unless it made room for others.
            found: dict[str, Any] = await self._given(
                fingerprint(*place, in_one_line(images)),
                lambda: self._view_there(file, position, moment, images),
                kept=False,
            )
        except (Problem, Problems) as error:
            return _error(error)
        except TimeoutError:
            return {"answer": "error", "problems": [], "waits": True}
        return found

    def send(self, file: str) -> None:
        """Have an image sent to the experiment's computer, where this one can't open it: `view` does it from now on."""
        self._connection.questions.ask_again()
        self._wanted.add((self._where, file))

    async def begin_trial(
        self, file: str, position: int, moment: int, settings: dict[str, Any]
    ) -> str:
        """Have the cells of a plane found, if that was not done before; return what `trial` takes."""
        if not self.is_elsewhere:
            return await self.here.begin_trial(file, position, moment, settings)
        key = await self.trial_key(file, position, moment, settings)
        before = self._trials.get(key)
        # What was found is found again at once over there, if its pictures have not made room for others.
        if before is None or before.task.over:
            trial = self._trials[key] = _Trial(file, Task("", where=self._host))
            trial.tell(say("page.trial.connecting", host=self._host))
            trial.sending = asyncio.create_task(self._try(trial, position, moment, settings))
        return key

    async def trial_key(
        self, file: str, position: int, moment: int, settings: dict[str, Any]
    ) -> str:
        """Return what tells a trial from all others."""
        key = await self.here.trial_key(file, position, moment, settings)
        return fingerprint(key, self._where) if self.is_elsewhere else key

    async def trial(self, key: str) -> Task | None:
        """Return how far a trial is; None if there is none."""
        trial = self._trials.get(key)
        if trial is None:
            return await self.here.trial(key)
        if not trial.key or self._far is None or trial.task.over:
            return trial.task
        far, there_key = self._far[1], trial.key
        # While the connection is lost, the trial goes on.
        with suppress(Problem, TimeoutError):
            there = await self._given(f"trial {key}", lambda: far.trial(there_key), kept=False)
            if there:
                # Here the image is called otherwise.
                lines = [{**line, "file": trial.file} for line in there.lines]
                trial.task = Task(
                    there.log, lines=lines, over=there.over, where=there.where, said=there.said
                )
        return trial.task

    async def stop(self, key: str) -> None:
        """Stop a trial."""
        trial = self._trials.pop(key, None)
        if trial is None:
            await self.here.stop(key)
            return
        if trial.sending:
            trial.sending.cancel()
        if trial.key and self._far:
            await self._far[1].stop(trial.key)

    async def bytes_of(self, path: str) -> bytes:
        """Return what a picture holds.

        Raises
        ------
        Problem
            ``SM-PAG-007`` for one of a computer that the experiment is not computed on any more.
        """
        if not path.startswith(THERE):
            return await self.here.bytes_of(path)
        if self._far is None:
            raise Problem("SM-PAG-007")
        return await self._far[1].bytes_of(path)

    # Over there

    @property
    def _host(self) -> str:
        place = self._connection.place
        return place.host if place else self.here.place.name

    @property
    def _where(self) -> str:
        """What tells the experiment's computer, and its folder there, from those of before."""
        place = self._connection.place
        return f"{place.host}:{place.folder}" if place else ""

    async def _there(self) -> tuple[Session, Work]:
        """Return the experiment's computer, once one is logged in there."""
        session = await self._connection.session()
        if self._far and self._far[0].computer is session.computer:
            return self._far
        answer = await session.computer.run(["sh", "-c", _CACHE])
        cache = f"{answer.text}/segmake/page"
        command = session.words("segmake")
        work = Work(session.computer, session.place.folder, command, cache, THERE)
        self._far = (session, work)
        return self._far

    async def _look_there(self, images: str, include: Sequence[str], *, anew: bool) -> Task:
        session, work = await self._there()
        folder = (await session.laptop()).shared(images) or images
        task = await work.look(folder, include, anew=anew)
        while not task.over:
            await asyncio.sleep(0.5)
            task = await work.look(folder, include)
        return task

    async def _view_there(
        self, file: str, position: int, moment: int, images: dict[str, Any]
    ) -> dict[str, Any]:
        session, work = await self._there()
        name = file
        if await asyncio.to_thread(os.path.exists, file):
            name, _ = await self._sent(session, file, {"images": images})
        # The folder is one of this computer.
        return await work.view(name, position, moment, {**images, "folder": "images"})

    async def _try(
        self, trial: _Trial, position: int, moment: int, settings: dict[str, Any]
    ) -> None:
        """Send the image of a trial, and have its cells found."""
        sections = {name: settings.get(name) or {} for name in ("images", "segmentation")}
        self._connection.questions.ask_again()
        try:
            session, work = await self._there()
            name = trial.file
            if await asyncio.to_thread(os.path.exists, name):

                def tell(progress: Progress) -> None:
                    trial.tell(_sending(progress, session.place.host))

                name, sections = await self._sent(session, trial.file, sections, tell)
            trial.key = await work.begin_trial(name, position, moment, sections)
        except (Problem, Problems) as error:
            trial.end(error)
        except Exception as error:
            trial.end(unexpected(error))

    async def _given(
        self, key: str, ask: Callable[[], Coroutine[Any, Any, Any]], *, kept: bool = True
    ) -> Any:
        """Return what the other computer answers, which is asked once, or by one page at a time if it is not kept.

        Raises
        ------
        Problem, Problems
            What is wrong; the next time it is asked again.
        TimeoutError
            If that takes longer than a page waits: it goes on, and is there later.
        """
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(ask())
        try:
            return await asyncio.wait_for(asyncio.shield(task), _PATIENCE_S)
        finally:
            if task.done() and (not kept or task.cancelled() or task.exception()):
                self._asked.pop(key, None)

    async def _sent(
        self,
        session: Session,
        file: str,
        sections: dict[str, Any],
        tell: Callable[[Progress], None] = lambda progress: None,
    ) -> tuple[str, dict[str, Any]]:
        """Send an image; return what it is called over there, and sections of a config as they are written there."""
        with TemporaryDirectory() as folder:
            config = Path(folder, "config.yaml")
            text = "".join(f"{name}: {in_one_line(each)}\n" for name, each in sections.items())
            config.write_text(text, encoding="utf-8")
            name, copied = await send_one(session, Path(file), config, tell)
        return name, settings_in(copied.body)


def _listed(folder: Path, include: Sequence[str]) -> Task:
    """Return the images of a folder by their names alone."""
    try:
        found = images_in(folder, include)
    except Problems as error:
        return Task(_new_name(), lines=[_error(error)], over=True)
    lines: list[dict[str, Any]] = [
        {
            "answer": "look.file",
            "file": readable(str(each.path.absolute())),
            "name": readable(each.relative),
            "of": len(found.found),
            "unopened": True,
            "format": None,
            "bytes": None,
            "picture": None,
            "shown": None,
            "positions": [_UNKNOWN],
            "problems": [],
        }
        for each in found.found
        if not each.folder
    ]
    whole = {"answer": "look", "problems": [], "left_out": found.left_out}
    return Task(_new_name(), lines=[*lines, whole], over=True)


def _new_name() -> str:
    """Return what tells a look without a log from all others."""
    return f"listed {secrets.token_hex(8)}"


def _sending(progress: Progress, host: str) -> str:
    if progress.lost:
        return say("page.trial.lost", host=host)
    names = {"sent": shown_bytes(progress.bytes), "all": shown_bytes(progress.all_bytes)}
    return say("page.trial.sending", host=host, **names)


def _state(file: str) -> tuple[int, int]:
    """Return what tells a file from another one of its name; nothing where it is not here."""
    with suppress(OSError):
        known = os.stat(file)
        return known.st_size, known.st_mtime_ns
    return 0, 0


def _error(error: Problem | Problems) -> dict[str, Any]:
    problems = error.problems if isinstance(error, Problems) else [error]
    return {"answer": "error", "problems": [problem_values(problem) for problem in problems]}
