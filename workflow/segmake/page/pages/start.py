"""The step *Check and start*: what a run would do, what it asks for, and the button that starts it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.answers.answer import time_text
from segmake.config.as_written import without_numbers
from segmake.core.files import file_and_position, name_apart
from segmake.messages import Problem, Problems
from segmake.page.common import Common, apart, see
from segmake.page.draft import Draft
from segmake.page.errands import Errand, a_little
from segmake.page.fields import field_of
from segmake.page.planning import PLAN, START, Asked, Planning
from segmake.page.taken import put_together
from segmake.page.watch import Watch
from segmake.page.work import Task, in_readers_language, problem_values
from segmake.remote import running

# So many images are shown in a table.
SHOWN = 200

# What is told in the address after something was done.
_TOLD = ("saved", "first", "stopped")

# A file that is still being copied.
_PASSES = "SM-IMG-052"

# So long a page waits until all images are looked at.
_PATIENCE_S = 2.0

# The settings of a job that matter most; the others are folded up.
FIRST = (
    "cluster.hours",
    "cluster.memory_gb",
    "cluster.cpus",
    "cluster.partition",
    "cluster.gpu_model",
    "cluster.max_gpus",
)


class Start:
    """The page of the step.

    Parameters
    ----------
    common : Common
    planning : Planning
    watch : Watch
    """

    def __init__(self, common: Common, planning: Planning, watch: Watch) -> None:
        self._common, self._planning, self._watch = common, planning, watch
        # Of which config the errand is that starts a run.
        self._started: Asked | None = None
        # As it was chosen last; empty for the usual one.
        self._profile = ""

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [self._common.both("/start", self._start)]

    async def _start(self, request: Request) -> Response:
        if request.method == "GET":
            query = request.query_params
            draft = await apart(self._common.desk.file.as_it_is)
            told = next((name for name in _TOLD if name in query), "")
            return await self._shown(draft, told)
        form = await self._common.form(request)
        draft = await self._common.drafted(form)
        self._profile = running.LOCAL if form.get("profile") == running.LOCAL else ""
        do = form.get("do", "look")
        if draft.values and do in ("save", "start"):
            return await self._saved(form, draft, do)
        if draft.values:
            return await self._page(draft, self._asked(), posted=True)
        return await self._do(do, self._asked(), form.get("version", ""))

    async def _saved(self, form: dict[str, str], draft: Draft, do: str) -> Response:
        done = await self._common.saved(form, draft)
        if done is True:
            # What is to be started has to be seen first.
            return _back("first" if do == "start" else "saved")
        asked = self._asked()
        return await self._page(draft, asked, conflict=done, tried=bool(draft.fresh), posted=True)

    async def _do(self, do: str, asked: Asked, version: str) -> Response:
        planning, errands = self._planning, self._common.desk.errands
        if do == "start":
            known = planning.known(asked)
            if version != asked.version or known is None or not (known.can_start or known.at_work):
                # Another window was quicker, or this one: a double click.
                at_work = (await self._watch.look()).at_work
                return see("/follow") if at_work else _back("first")
            self._started = asked
            errand = planning.start(asked)
            await a_little(errand)
            if errand.over and not errand.problems:
                self._started = None
                return see("/follow")
            return _back()
        if do == "stop":
            await errands.stop(PLAN)
            return _back("stopped")
        wishes = {name: do == name for name in ("overwrite", "anew", "also_there")}
        wishes["sends"] = do == "send" or any(wishes.values())
        self._started = None
        await a_little(planning.look(asked, **wishes))
        return _back()

    async def _shown(self, draft: Draft, told: str) -> Response:
        asked = self._asked()
        starting = self._errand(START)
        if self._started and starting and starting.over and not starting.problems:
            # It was begun while the page was waited for.
            self._started = None
            return see("/follow")
        if told != "stopped" and not self._planning.is_fresh(asked) and not self._is_at_work():
            await a_little(self._planning.look(asked))
        return await self._page(draft, asked, told=told)

    async def _page(
        self,
        draft: Draft,
        asked: Asked,
        *,
        told: str = "",
        conflict: Any = None,
        tried: bool = False,
        posted: bool = False,
    ) -> Response:
        looking, starting = self._errand(PLAN), self._errand(START)
        working = next((each for each in (starting, looking) if each and not each.over), None)
        found = None if working else self._planning.known(asked)
        problems: list[dict[str, Any]] = []
        if not working and starting and self._started == asked:
            problems += starting.problems
        if not working and looking and not found:
            problems += looking.problems
        wrong = [
            _with_field(problem_values(each) | {"key": getattr(each.where, "key", "")})
            for each in draft.all_problems
        ]
        known = {(each["code"], each["text"]) for each in wrong}
        problems += found.errors if found else []
        planned = found.plan.get("images", []) if found else []
        seen = await self._seen(draft) if planned else []
        return self._common.page(
            "start",
            draft=draft,
            asked=asked,
            # The answer to a form can't be loaded again by itself, as it is when an errand is over.
            errand=None if posted else working,
            said=looking.lines if looking and asked.place else [],
            found=found,
            images=await apart(lambda: with_faults(planned, seen, draft.settings)),
            looking=next((each for each in seen if not each.over), None),
            wrong=wrong,
            problems=[
                _with_field(each) for each in problems if (each["code"], each["text"]) not in known
            ],
            warnings=list(map(_with_field, found.warnings)) if found else [],
            first=FIRST,
            most=SHOWN,
            told=told,
            conflict=conflict,
            tried=tried,
        )

    async def _seen(self, draft: Draft) -> list[Task]:
        """Return what the images' folders were seen to hold: a plan opens no image to its end."""
        desk, end = self._common.desk, time.monotonic() + _PATIENCE_S
        with suppress(Problem, Problems):
            tasks = await desk.looks(draft.settings)
            if await apart(lambda: any(map(_may_be_right_now, _faulty(tasks, draft.settings)))):
                await desk.look_anew(draft.settings)
            while not all(task.over for task in tasks) and time.monotonic() < end:
                await asyncio.sleep(0.1)
                tasks = await desk.looks(draft.settings)
            return tasks
        return []

    def _asked(self) -> Asked:
        version, _ = self._common.desk.file.now()
        return Asked(version, self._profile, self._common.desk.connection.place)

    def _errand(self, kind: str) -> Errand | None:
        return self._common.desk.errands.last(kind)

    def _is_at_work(self) -> bool:
        return any(each and not each.over for each in map(self._errand, (PLAN, START)))


def with_faults(
    images: Sequence[dict[str, Any]], seen: Sequence[Task], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the images of a plan, also with what was seen to be wrong with their files.

    Parameters
    ----------
    images : list of dict
        As ``segmake plan --json`` answers.
    seen : list of Task
        The look at each of the images' folders.
    settings : mapping
        Of the config, which says which files are one image.
    """
    faulty = [line for line in _faulty(seen, settings) if not _has_changed(line)]
    by_file = {line["file"]: line for line in faulty}
    # On another computer the same file has another path; of several folders it has another name, too.
    by_name = {line["name"]: line for line in faulty} if len(seen) == 1 else {}
    # That of two with the same name but for the suffix is in the name of one of them.
    by_name |= {name_apart(name): line for name, line in by_name.items()}
    found = []
    for image in images:
        name, _ = file_and_position(image["image"])
        line = by_file.get(image["file"]) or by_name.get(name)
        if line and image["to_do"] and not image["will_fail"]:
            image = {**image, "will_fail": in_readers_language(_fault_of(line))}
        found.append(image)
    return found


def _faulty(seen: Sequence[Task], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    section = without_numbers(settings.get("images")) or {}
    images = [line for task in seen for line in put_together(task.files, section)[0]]
    return [line for line in images if _fault_of(line)]


def _fault_of(line: Mapping[str, Any]) -> dict[str, Any]:
    return next((one for one in line["problems"] if one["severity"] == "error"), {})


def _may_be_right_now(line: Mapping[str, Any]) -> bool:
    return _fault_of(line)["code"] == _PASSES or _has_changed(line)


def _has_changed(line: Mapping[str, Any]) -> bool:
    """Return whether a file of this computer, or one of several, is another one since it was looked at."""
    if files := line.get("files"):
        return any(map(_has_changed, files))
    # Of a folder, or a file of another computer, nothing is known without another look.
    with suppress(OSError):
        if os.path.isfile(line["file"]):
            now = os.stat(line["file"])
            return (now.st_size, time_text(now.st_mtime_ns / 1e9)) != (
                line["bytes"],
                line["changed"],
            )
    return False


def _with_field(problem: dict[str, Any]) -> dict[str, Any]:
    """Return a problem with the address of the field where it is put right, if there is one."""
    name = field_of(str(problem.get("key") or ""))
    return {**problem, "field": f"/settings#{name}" if name else ""}


def _back(told: str = "") -> Response:
    return see(f"/start?{told}=1" if told else "/start")
