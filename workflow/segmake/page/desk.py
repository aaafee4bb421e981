"""The experiment that a page is open on: its config, its images, and what was tried on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.config.as_written import without_numbers
from segmake.core.config import at
from segmake.core.files import fingerprint
from segmake.engines import BUILTIN_MODELS
from segmake.messages import Problem, say
from segmake.page.connection import Connection
from segmake.page.draft import Draft, SettingsFile
from segmake.page.errands import Errands
from segmake.page.fields import all_fields, number_in
from segmake.page.taken import Taken, patterns, taken, wider
from segmake.page.work import Task, in_readers_language
from segmake.page.works import Works

# So many images are listed at once.
PAGE = 24

# What is offered with a picture of its own; of other models the name is typed.
CARDS = (
    ("cellpose3", "bact_phase_cp3"),
    ("cellpose3", "bact_fluor_cp3"),
    ("cellpose3", "deepbacs_cp3"),
    ("omnipose", "bact_phase_omni"),
    ("cellpose3", "cyto3"),
    ("cellpose", "cpsam_v2"),
    ("threshold", ""),
)
OTHER = "other"


@dataclass
class Chosen:
    """The image that is shown, and what is known of it.

    Attributes
    ----------
    name : str
        As it is listed; empty for none.
    position, time : int
        From 1.
    seen : dict
        What `segmake look` says of the file.
    view : dict
        What `segmake try --picture` says of the plane.
    problems : list of dict
        Why there is no picture.
    trial : Task or None
        How far a trial on it is.
    trial_key : str
        Which one that is.
    stale : bool
        Whether the settings were others then.
    waits : bool
        Whether its picture is drawn on another computer, and not there yet.
    unsent : bool
        Whether it has to be sent there before.
    """

    name: str = ""
    position: int = 1
    time: int = 1
    seen: dict[str, Any] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)
    trial: Task | None = None
    trial_key: str = ""
    stale: bool = False
    waits: bool = False
    unsent: bool = False

    @property
    def field_of_view(self) -> dict[str, Any]:
        """What the file says of the position; empty where it is not known."""
        positions = self.seen.get("positions") or [{}]
        return positions[min(self.position, len(positions)) - 1]


@dataclass
class Listing:
    """The images that are listed.

    Attributes
    ----------
    shown : list of dict
        Those of this part of the list.
    number, fitting : int
        How many there are, and how many have the words that were asked for in their names.
    part, parts : int
    looked, of : int
        How many files were looked at, and how many will be; 0 while that is not known.
    left_out : int
        How many others there are, which the config does not take.
    none_taken : bool
        Whether it takes none: they are listed all the same.
    over : bool
        Whether all were looked at.
    problems : list of dict
    """

    shown: list[dict[str, Any]]
    number: int
    fitting: int
    part: int
    parts: int
    looked: int
    of: int
    left_out: int
    none_taken: bool
    over: bool
    problems: list[dict[str, Any]]


class Desk:
    """What all pages of one server share.

    Parameters
    ----------
    folder : Path
        Of the experiment, on this computer.
    config : Path
    work : Works
    connection : Connection
    """

    def __init__(self, folder: Path, config: Path, work: Works, connection: Connection) -> None:
        self.folder = folder
        self.connection = connection
        self.errands = Errands()
        self.file = SettingsFile(config)
        self.work = work
        # What may be fetched, by what it is called in addresses: nothing else can be asked for.
        self._pictures: dict[str, str] = {}
        self._taken: tuple[object, Taken] = (None, Taken())

    @property
    def name(self) -> str:
        """What the experiment is called."""
        return self.folder.resolve().name

    def picture_id(self, path: str, of: str = "") -> str:
        """Return what a picture over there is called in an address; `of` tells it from an earlier one of its path."""
        name = fingerprint(path, of)
        self._pictures[name] = path
        return name

    def picture_path(self, name: str) -> str:
        """Return the picture that an address names.

        Raises
        ------
        Problem
            ``SM-PAG-007`` if it was not offered.
        """
        if name not in self._pictures:
            raise Problem("SM-PAG-007")
        return self._pictures[name]

    async def listing(self, settings: Mapping[str, Any], words: str, part: int) -> Listing:
        """Return a part of the list of images, of those whose names have some words in them."""
        tasks = await self.looks(settings)
        seen = [line for task in tasks for line in task.files]
        images = self.taken(settings, tasks).images
        listed = images or seen
        fitting = [line for line in listed if words.casefold() in line["name"].casefold()]
        parts = max(1, math.ceil(len(fitting) / PAGE))
        part = max(1, min(part, parts))
        return Listing(
            shown=fitting[(part - 1) * PAGE : part * PAGE],
            number=len(listed),
            fitting=len(fitting),
            part=part,
            parts=parts,
            looked=len(seen),
            left_out=len(seen) - sum(len(line.get("files", [line])) for line in listed),
            none_taken=bool(seen and not images),
            of=sum(task.lines[0].get("of", 0) for task in tasks if task.lines),
            over=all(task.over for task in tasks),
            problems=[problem for task in tasks for problem in task.problems],
        )

    async def looks(self, settings: Mapping[str, Any], *, anew: bool = False) -> list[Task]:
        """Return the look at each folder of images; it is begun if it was not."""
        include = wider(patterns(_section(settings))[0])
        return [
            await self.work.look(folder, include, anew=anew) for folder in image_folders(settings)
        ]

    def taken(self, settings: Mapping[str, Any], tasks: Sequence[Task]) -> Taken:
        """Return the images that a config takes; of ten thousand it takes long to find out."""
        section = _section(settings)
        key = (
            str([section.get(name) for name in ("include", "exclude", "derived", "pattern")]),
            *((task.log, len(task.lines)) for task in tasks),
        )
        if self._taken[0] != key:
            self._taken = (key, taken(tasks, section))
        return self._taken[1]

    async def look_anew(self, settings: Mapping[str, Any]) -> None:
        """Have the images looked at again: those that are new, or have changed."""
        await self.looks(settings, anew=True)

    async def chosen(
        self, draft: Draft, name: str, position: int, moment: int, trial: str = ""
    ) -> Chosen:
        """Return an image with its picture; without a name the first that can be read.

        Parameters
        ----------
        draft : Draft
        name : str
        position, moment : int
            From 1.
        trial : str
            The one that was shown before: where there is none with the settings of now, it is shown still.

        Raises
        ------
        Problem
            ``SM-PAG-008`` if no such image is listed.
        """
        tasks = await self.looks(draft.settings)
        seen = [line for task in tasks for line in task.files]
        if name:
            taken = self.taken(draft.settings, tasks).images
            found = next((line for line in (*taken, *seen) if line["file"] == name), None)
            if found is None and all(task.over for task in tasks):
                raise Problem("SM-PAG-008", where=name)
        else:
            images = self.taken(draft.settings, tasks).images or seen
            sound = [line for line in images if line["positions"] and not line["problems"]]
            found = next(iter(sound or images), None)
        if found is None:
            return Chosen()
        image = Chosen(found["file"], position, moment, found)
        if not found["positions"]:
            image.problems = found["problems"]
            return image
        image.position = max(1, min(position, len(found["positions"])))
        image.time = max(1, min(moment, image.field_of_view["times"]))
        answer = await self.work.view(image.name, image.position, image.time, _images(draft))
        if answer["answer"] == "error":
            image.problems = answer["problems"]
            image.waits, image.unsent = answer.get("waits", False), answer.get("unsent", False)
        else:
            image.view = answer
        key = await self.work.trial_key(image.name, image.position, image.time, draft.settings)
        image.trial, image.trial_key = await self.work.trial(key), key
        if image.trial is None and (before := await self.work.trial(trial)):
            shown = (before.last.get("file"), before.last.get("position"), before.last.get("time"))
            if shown == (image.name, image.position, image.time):
                image.trial, image.trial_key, image.stale = before, trial, True
        return image

    async def begin_trial(self, draft: Draft, image: Chosen) -> None:
        """Have the cells of the image that is shown found."""
        place = (image.name, image.position, image.time)
        image.trial_key = await self.work.begin_trial(*place, draft.settings)
        image.trial, image.stale = await self.work.trial(image.trial_key), False


def image_folders(settings: Mapping[str, Any]) -> list[str]:
    """Return the folders of images that a config names."""
    named = at(settings, ("images", "folder"))
    # What is no text is told at the field.
    found = named if isinstance(named, list) else [named]
    return [each for each in found if isinstance(each, str) and each]


def _section(settings: Mapping[str, Any]) -> dict[str, Any]:
    section = without_numbers(settings.get("images"))
    return section if isinstance(section, dict) else {}


def _images(draft: Draft) -> dict[str, Any]:
    """Return the section ``images`` of a draft, without what is wrong with it: a picture is to be seen all the same."""
    section = without_numbers(draft.settings.get("images") or {})
    wrong = {name.partition(".")[2] for name in draft.problems if name.startswith("images.")}
    kept = {key: value for key, value in section.items() if key not in wrong}
    return {"folder": None, **kept}


def card_of(draft: Draft) -> str:
    """Return which card stands for the engine and the model of a draft."""
    engine, model = draft.engine, draft.model
    for one, other in CARDS:
        if engine == one and other in ("", model):
            return f"{one}/{other}"
    return OTHER


def taken_from_cards(form: Mapping[str, str], draft: Draft) -> dict[str, str]:
    """Return what a form says of settings, with the engine and the model that its card stands for.

    Parameters
    ----------
    form : mapping
    draft : Draft
        The file as it is.
    """
    typed = {name: text for name, text in form.items() if name in draft.shown}
    card = form.get("card", OTHER)
    if card not in {f"{engine}/{model}" for engine, model in CARDS}:
        return typed
    engine, _, model = card.partition("/")
    wanted = {"segmentation.engine": engine, "segmentation.model": model}
    now = {"segmentation.engine": draft.engine, "segmentation.model": draft.model}
    if engine not in BUILTIN_MODELS:
        # It has none, and what the file says of one goes with the old engine.
        wanted["segmentation.model"] = now["segmentation.model"]
    for name, text in wanted.items():
        typed[name] = draft.shown[name] if now[name] == text else text
    return typed


def circle(draft: Draft) -> float | None:
    """Return the diameter that a draft says, in pixels; None where it says none, or none that can be drawn."""
    number = number_in(draft.shown["segmentation.diameter"])
    return number if number and 0 < number < 1e5 else None


def smallest(draft: Draft) -> float | None:
    """Return the diameter of a disc with the area of the smallest object that is kept."""
    name = "segmentation.min_size"
    number = number_in(draft.shown[name] or all_fields()[name].default)
    return 2 * math.sqrt(number / math.pi) if number and number > 0 else None


def state_words(task: Task) -> str:
    """Return in words how far a trial is."""
    if task.problems:
        return str(in_readers_language(task.problems[0])["text"])
    last = task.last
    state = last.get("state")
    if state == "sending":
        return str(last["words"])
    if state == "done":
        return say(f"page.trial.{'done' if last['cells'] else 'nothing'}", cells=last["cells"])
    return say(f"page.trial.{state or 'sent'}")
