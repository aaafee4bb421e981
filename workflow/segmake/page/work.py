"""What the page has done where the images are: looking at them, drawing one, trying settings on it.

All of it is a command of ``segmake`` that answers in JSON, run at a `segmake.places.place.Place`. What takes long is
started there so that it goes on without the page, and what it says is read from its log.
"""

from __future__ import annotations

import asyncio
import json
import posixpath
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from typing import Any

from segmake import __version__
from segmake.config.yaml_values import in_one_line
from segmake.core.config import at
from segmake.core.files import fingerprint, natural_key
from segmake.messages import Problem, language, remembered, say
from segmake.places.place import Answer, Place

# Between two looks whether something still works.
_LOOK_S = 2.0
# What earlier pages have left is removed after so long.
_OLD_S = 7 * 24 * 3600


@dataclass
class Task:
    """A command that was started, and what it has said.

    Attributes
    ----------
    log : str
        Where it writes.
    lines : list of dict
        Its answers.
    over : bool
        Whether it has ended.
    where, said : str
        The place, and the last that it said which is no answer.
    """

    log: str
    started: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list)
    over: bool = False
    where: str = ""
    said: str = ""
    read: int = 0
    looked: float = 0.0
    # Two windows ask at the same time: what it says is to be read once.
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _files: list[dict[str, Any]] = field(default_factory=list)
    _sorted: int = 0

    @property
    def last(self) -> dict[str, Any]:
        """The last answer; an empty one before the first."""
        return self.lines[-1] if self.lines else {}

    @property
    def files(self) -> list[dict[str, Any]]:
        """What is known of each image that was looked at, in the order of their names."""
        # Of ten thousand, that takes longer than all else that a page has to do.
        if self._sorted != len(self.lines):
            seen = (line for line in self.lines if line.get("answer") == "look.file")
            self._files = sorted(seen, key=lambda line: natural_key(line["name"]))
            self._sorted = len(self.lines)
        return self._files

    @property
    def is_whole(self) -> bool:
        """Whether it has said all that it had to say."""
        return self.last.get("answer") in ("look", "error") or self.last.get("state") == "done"

    @property
    def problems(self) -> list[dict[str, Any]]:
        """What went wrong, as answers tell it; also that it ended too soon."""
        if self.over and not self.is_whole:
            problem = Problem(
                "SM-PAG-004", where=self.where, said=self.said or say("phrases.silent")
            )
            return [problem_values(problem)]
        return self.last.get("problems", []) if self.last.get("answer") == "error" else []


class Work:
    """Commands of ``segmake`` at a place, in the folder of an experiment.

    Parameters
    ----------
    place : Place
    folder : str
        Of the experiment, over there.
    command : sequence of str
        What starts ``segmake`` over there.
    cache : str
        A folder over there for what can be made again.
    mark : str
        What stands before the paths of its pictures, to tell them from those of another place.
    """

    def __init__(
        self, place: Place, folder: str, command: Sequence[str], cache: str, mark: str = ""
    ) -> None:
        self.place, self.folder, self.mark = place, folder, mark
        self._command, self._cache = tuple(command), cache
        self._tasks: dict[str, Task] = {}
        self._views: dict[str, dict[str, Any]] = {}
        self._starting = asyncio.Lock()

    async def look(self, images: str, include: Sequence[str] = (), *, anew: bool = False) -> Task:
        """Have all images of a folder looked at; what is known of a look that goes on or is over is returned.

        Parameters
        ----------
        images : str
        include : sequence of str
            The patterns of their names; without, those of a config that says nothing of it.
        anew : bool
            Whether to look again.
        """
        key = fingerprint("look", images, *include)
        async with self._starting:
            if not self._tasks:
                await self._clear_away()
            if anew or key not in self._tasks:
                log = f"{self._cache}/look-{key}-{secrets.token_hex(4)}.jsonl"
                names = [word for pattern in include for word in ("--include", pattern)]
                await self._start(key, log, "look", images, *names)
        return await self._news(self._tasks[key])

    async def view(
        self, file: str, position: int, moment: int, images: dict[str, Any]
    ) -> dict[str, Any]:
        """Have a plane of an image drawn, and return the answer.

        Parameters
        ----------
        file : str
        position, moment : int
            From 1.
        images : dict
            The section ``images`` of a config.
        """
        key = fingerprint(file, position, moment, in_one_line(images), await self._known_of(file))
        known = self._views.get(key)
        if known and await self.place.look(known["picture"].removeprefix(self.mark)):
            return known
        config = await self._config({"images": images, "segmentation": {"engine": "threshold"}})
        words = [*self._words(file, position, moment, config), "--picture"]
        answer = await self._ask(words)
        if answer.get("answer") != "error":
            self._views[key] = answer
        return answer

    async def begin_trial(
        self, file: str, position: int, moment: int, settings: dict[str, Any]
    ) -> str:
        """Have the cells of a plane found, if that was not done before; return what `trial` takes.

        Parameters
        ----------
        file : str
        position, moment : int
            From 1.
        settings : dict
            Of a config, of which the sections ``images`` and ``segmentation`` count.
        """
        key = await self.trial_key(file, position, moment, settings)
        log = f"{self._cache}/try-{key}.jsonl"
        async with self._starting:
            # A page that was there before may have had it done.
            before = self._tasks.get(key) or Task(log, over=True, where=self.place.name)
            await self._news(before)
            if not before.over or await self._has_pictures(before):
                self._tasks[key] = before
                return key
            config = await self._config(_two_sections(settings))
            await self.place.write_many(self._cache, [(f"try-{key}.jsonl", time.time(), b"")])
            await self._start(key, log, *self._words(file, position, moment, config))
        return key

    async def trial_key(
        self, file: str, position: int, moment: int, settings: dict[str, Any]
    ) -> str:
        """Return what tells a trial from all others: also from those of what the image, or the model, was before."""
        files = [file, str(at(settings, ("segmentation", "model")) or "")]
        known = [await self._known_of(each) for each in files]
        sections = in_one_line(_two_sections(settings))
        return fingerprint(file, position, moment, sections, known, __version__)

    async def trial(self, key: str) -> Task | None:
        """Return how far a trial is; None if there is none."""
        return await self._news(self._tasks[key]) if key in self._tasks else None

    async def stop(self, key: str) -> None:
        """Stop a trial."""
        if task := self._tasks.pop(key, None):
            await self.place.stop(task.started)

    async def answer(self, *words: str) -> dict[str, Any]:
        """Return the last answer in JSON of a command, which is run to its end."""
        return await self._ask(words)

    async def told(self, *words: str) -> Answer:
        """Return what a command says to people, once it has come to its end."""
        variables = {"SEGMAKE_LANG": language()}
        command = [*self._command, *words]
        return await self.place.run(command, folder=self.folder, variables=variables)

    async def bytes_of(self, path: str) -> bytes:
        """Return what a file over there holds."""
        own = path.removeprefix(self.mark)
        return b"".join([piece async for piece in self.place.read(own)])

    async def _known_of(self, file: str) -> tuple[float, ...]:
        """Return what tells a file from another one of its name; nothing where there is none."""
        # What can't be looked at, such as a model that is no file, is told where it is needed.
        with suppress(Problem, ValueError):
            if file and (found := await self.place.look(posixpath.join(self.folder, file))):
                return astuple(found)
        return ()

    async def _has_pictures(self, trial: Task) -> bool:
        """Whether a trial has found its cells, and their outlines have not been removed to make room."""
        if trial.last.get("state") != "done":
            return False
        return await self.place.look(trial.last["outlines"].removeprefix(self.mark)) is not None

    async def _clear_away(self) -> None:
        """Remove what was left over there by pages that ended long ago."""
        with suppress(Problem):
            there = await self.place.files(self._cache, unread=[])
            old = [name for name, file in there.items() if time.time() - file.time > _OLD_S]
            await self.place.remove(self._cache, old)

    def _words(self, file: str, position: int, moment: int, config: str) -> list[str]:
        options = {"--position": position, "--time": moment, "--configfile": config}
        return ["try", file, *(str(word) for pair in options.items() for word in pair)]

    async def _config(self, sections: dict[str, Any]) -> str:
        """Write a config for a trial over there, and return its path."""
        text = "".join(f"{name}: {in_one_line(section)}\n" for name, section in sections.items())
        name = f"{fingerprint(text)}.yaml"
        await self.place.write_many(self._cache, [(name, time.time(), text.encode())])
        return f"{self._cache}/{name}"

    async def _ask(self, words: Sequence[str]) -> dict[str, Any]:
        command = [*self._command, *words, "--json"]
        variables = {"SEGMAKE_LANG": language()}
        said = await self.place.run(command, folder=self.folder, variables=variables)
        answers = list(self._answers(said.out))
        if not answers:
            raise Problem("SM-PAG-004", where=self.place.name, said=_last_line(said.err))
        return answers[-1]

    async def _start(self, key: str, log: str, *words: str) -> None:
        command = ["env", f"SEGMAKE_LANG={language()}", *self._command, *words, "--json"]
        task = Task(log, where=self.place.name)
        task.started = await self.place.start(command, folder=self.folder, log=log)
        self._tasks[key] = task

    def _answers(self, said: bytes) -> Iterator[dict[str, Any]]:
        for answer in _answers(said):
            pictures = {name: answer[name] for name in ("picture", "outlines") if answer.get(name)}
            answer |= {"problems": problems_in(answer)}
            yield answer | {name: f"{self.mark}{path}" for name, path in pictures.items()}

    async def _news(self, task: Task) -> Task:
        """Return a task with all that it has said so far."""
        async with task.reading:
            return await self._read(task)

    async def _read(self, task: Task) -> Task:
        now = time.monotonic()
        over = task.over
        if not over and now - task.looked > _LOOK_S:
            task.looked = now
            # Asked before its log is read: what it said at last is not missed.
            over = not await self.place.is_at_work(task.started)
        if not task.over or not task.lines:
            known = await self.place.look(task.log)
            if known and known.size > task.read:
                pieces = [piece async for piece in self.place.read(task.log, task.read)]
                whole, end, _ = b"".join(pieces).rpartition(b"\n")
                task.read += len(whole) + len(end)
                answers = list(self._answers(whole))
                task.lines += answers
                task.said = "" if answers else _last_line(whole)
        task.over = over or task.is_whole
        return task


def problem_values(problem: Problem) -> dict[str, Any]:
    """Return a problem as pages show it; what `segmake.answers` tells of one has the same names."""
    return {
        "code": problem.code,
        "text": problem.what,
        "remedy": problem.remedy,
        "where": str(problem.where),
        "language": language(),
        "values": problem.plain_values,
    }


def problems_in(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the problems of an answer, with the language that it speaks."""
    return [{**one, "language": answer.get("language")} for one in answer.get("problems", [])]


def in_readers_language(problem: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a problem as whoever reads the page now is told of it, whatever language it was told in.

    Parameters
    ----------
    problem : mapping
        As `problem_values` or an answer has it: of another version of SegMake it may be unknown here, and stays.
    """
    values = problem.get("values")
    if problem.get("language") in (None, language()) or not isinstance(values, dict):
        return problem
    with suppress(KeyError):
        again = remembered(problem["code"], problem["where"], values)
        return {**problem, "text": again.what, "remedy": again.remedy}
    return problem


def _two_sections(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings.get(name) or {} for name in ("images", "segmentation")}


def _answers(said: bytes) -> Iterator[dict[str, Any]]:
    for line in said.splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            # What libraries write beside it.
            continue
        if isinstance(answer, dict):
            yield answer


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else say("phrases.silent")
