"""The step *Follow and take home*: how far the run is, what failed and why, and the results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segmake.config.edit import set_values
from segmake.core.config import name_in_full
from segmake.core.files import listed
from segmake.images.named_images import SECTIONS, reasons
from segmake.messages import Problem, Problems, say
from segmake.messages.numbers import shown_bytes
from segmake.page.common import Common, apart, see
from segmake.page.errands import Errand, a_little
from segmake.page.mistake import unexpected
from segmake.page.pages.results import of_scripts, results_of
from segmake.page.watch import Seen, Watch, name_paths
from segmake.remote import running
from segmake.remote.fetching import REPORT, TICKED, Fetched, fetch
from segmake.remote.patience import patiently
from segmake.remote.shown_progress import telling

# The kinds of the errands.
STOP, FETCH = "stop", "fetch"

ALL = "all"
_TABLES = (".csv", ".tsv", ".xlsx", ".parquet")

# So many names of failed images, and so many jobs, are shown.
NAMES, JOBS = 20, 50

# What the ticks of an image to look at, and of all that are flagged for the same, begin with.
ONE, WHOLE = "image ", "all "

# What was heard so long ago is told to be old: the connection may be silent for a while before it is lost.
_OLD_S = 30


@dataclass(frozen=True)
class Home:
    """What lies on this computer.

    Attributes
    ----------
    folder : Path
        Of the results.
    report : float or None
        When the report was made, in seconds since 1970.
    tables : list of tuple
        Names of files, and their sizes in words.
    kinds : list of str
        What else was taken home before: newer tables are not to lie beside old masks.
    """

    folder: Path
    report: float | None
    tables: list[tuple[str, str]]
    kinds: list[str]


@dataclass(frozen=True)
class Look:
    """Images to look at for the same reasons.

    Attributes
    ----------
    flag, text, remedy : str
        What is unusual about them: its name, the same in words, and what to do.
    images : list of str
    """

    flag: str
    text: str
    remedy: str
    images: list[str]


class Follow:
    """The page of the step.

    Parameters
    ----------
    common : Common
    watch : Watch
    """

    def __init__(self, common: Common, watch: Watch) -> None:
        self._common, self._watch = common, watch
        self._fetched: Fetched | None = None

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._common.both("/follow", self._follow),
            self._common.watch("/follow/now", self._now),
        ]

    async def _follow(self, request: Request) -> Response:
        if request.method == "POST":
            form = await self._common.form(request)
            do = form.get("do")
            if do == STOP:
                await a_little(self._begin(STOP, self._stop))
            if do == FETCH:
                ticked = [kind for kind in (*TICKED, ALL) if kind in form]
                await a_little(self._begin(FETCH, lambda errand: self._fetch(errand, ticked)))
            if do == "leave":
                await self._common.desk.errands.stop(FETCH)
            if do in SECTIONS:
                looks, _ = self._looks(await self._watch.look())
                await apart(lambda: _note(self._common.desk.file.path, do, form, looks))
            return see("/follow")
        return await self._now(request)

    async def _now(self, request: Request) -> Response:
        return await self._page(await self._watch.look())

    async def _page(self, seen: Seen) -> Response:
        desk = self._common.desk
        place = desk.connection.place
        home = await apart(lambda: _home(results_of(desk)))
        looks, noted = await apart(lambda: self._looks(seen))
        stopping, fetching = desk.errands.last(STOP), desk.errands.last(FETCH)
        run = seen.run
        images = run["images"] if run else None
        return self._common.page(
            "follow",
            seen=seen,
            place=place,
            run=run,
            is_old=time.time() - seen.when > _OLD_S,
            images=images,
            left=max(0, images["total"] - images["complete"] - images["failed"]) if images else 0,
            failures=list(_grouped(run["failures"])) if run else [],
            looks=looks,
            to_look_at=sum(len(each.images) for each in looks) + _untold(seen),
            noted=noted,
            home=home,
            of_scripts=await apart(lambda: of_scripts(home.folder)),
            is_home=_is_home(seen, home, is_here=place is None),
            ticks=(*TICKED, ALL),
            more=self._more(),
            stopping=stopping,
            fetching=fetching,
            stop_problems=stopping.problems if stopping and seen.at_work else [],
            names=NAMES,
            one_tick=ONE,
            whole_tick=WHOLE,
            jobs=JOBS,
        )

    def _looks(self, seen: Seen) -> tuple[list[Look], int]:
        """Return the images to look at of a run that is over, and how many of these the config names since then."""
        found = list(_to_look_at(seen))
        named: dict[str, str] = {}
        # What is wrong with the config is told elsewhere.
        with suppress(Problem, Problems):
            settings = self._common.desk.file.as_it_was("")
            for section in (settings.get(name) for name in SECTIONS):
                if isinstance(section, dict):
                    named |= reasons(section, (image for each in found for image in each.images))
        left = [replace(each, images=[i for i in each.images if i not in named]) for each in found]
        return [each for each in left if each.images], len(named)

    def _more(self) -> dict[str, str]:
        """Return how large is what was left over there when it was asked last, by what is ticked."""
        more = self._fetched.more if self._fetched else {}
        sizes = {kind: sum(more.get(name, 0) for name in TICKED[kind]) for kind in TICKED}
        sizes[ALL] = sum(more.values())
        return {kind: shown_bytes(size) for kind, size in sizes.items() if size}

    def _begin(self, kind: str, work: Any) -> Errand:
        return self._common.desk.errands.begin(kind, work, unexpected)

    async def _stop(self, errand: Errand) -> None:
        session = await self._common.desk.connection.session()
        names = {"host": session.place.host, "seconds": round(running.STOP_SECONDS)}
        errand.tell(say("remote.stopping", **names))
        try:
            # What it says besides is for a terminal; the page itself says what is true.
            await running.stop(session, lambda words: None)
        finally:
            self._watch.forget()

    async def _fetch(self, errand: Errand, ticked: list[str]) -> None:
        session = await self._common.desk.connection.session()
        name_paths(session)

        def now(words: str, part: float | None) -> None:
            errand.progress, errand.share = words, part

        async def fetched() -> Fetched:
            return await fetch(
                session,
                [kind for kind in ticked if kind != ALL],
                all_of_it=ALL in ticked,
                showing=telling(now, errand.tell),
            )

        done = await patiently(fetched, errand.tell, session.place.host)
        self._fetched = done
        for words in _told(done):
            errand.tell(words)


def _told(done: Fetched) -> Iterator[str]:
    """Yield in words what was fetched, what was edited here, and what was still being written over there."""
    yield say("remote.fetched", number=len(done.files), path=done.results)
    for text, names in (("remote.growing_there", done.growing), ("remote.kept", done.kept)):
        if names:
            yield say(text, number=len(names), files=listed(names))


def _to_look_at(seen: Seen) -> Iterator[Look]:
    """Yield the images to look at by what says most about them; while a run is at work, none."""
    # Another computer's SegMake may be too old to say it.
    told = seen.run.get("look_at", []) if seen.run and not seen.at_work else []
    groups: dict[str, Look] = {}
    for one in told:
        first = one["flags"][0]
        group = groups.setdefault(first["flag"], Look(**first, images=[]))
        group.images.append(one["image"])
    yield from groups.values()


def _untold(seen: Seen) -> int:
    return int(seen.run.get("look_at_left_out", 0)) if seen.run and not seen.at_work else 0


def _note(config: Path, section: str, form: dict[str, str], looks: list[Look]) -> None:
    """Write into the config that images are left out of the tables, or right.

    Raises
    ------
    Problem, Problems
        ``SM-CFG-055`` if no image is ticked, or no reason is given; what would be wrong with the config.
    """
    reason = form.get("reason", "").strip()
    ticked = {name for key, name in form.items() if key.startswith(ONE)}
    whole = {name for key, name in form.items() if key.startswith(WHOLE)}
    images = [
        image for look in looks for image in look.images if look.flag in whole or image in ticked
    ]
    if not images or not reason:
        raise Problem("SM-CFG-055")
    set_values(config, {name_in_full((section, image)): reason for image in images})


def _home(folder: Path) -> Home:
    """Return what lies in a folder of results."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in _TABLES)
        report = folder / REPORT
        made = report.stat().st_mtime if report.is_file() else None
        tables = [(each.name, shown_bytes(each.stat().st_size)) for each in files]
        kinds = [
            kind
            for kind, names in TICKED.items()
            if any((folder / name).is_dir() for name in names)
        ]
        return Home(folder, made, tables, kinds)
    except OSError:
        return Home(folder, None, [], [])


def _is_home(seen: Seen, home: Home, *, is_here: bool) -> bool:
    """Return whether the report that lies here is that of the last run, as far as that is known."""
    if home.report is None:
        return False
    if is_here or not seen.began:
        return True
    # The clock of the other computer made both.
    return home.report >= datetime.fromisoformat(seen.began).timestamp()


def _grouped(failures: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each thing that failed, with the names of what it befell."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in failures:
        key = (one["code"], one["text"], one["remedy"])
        group = groups.setdefault(key, {**one, "where": "", "names": []})
        group["names"].append(
            one["name"] if not one["script"] else f"{one['script']}: {one['name']}"
        )
    yield from groups.values()
