"""When a run of a script is out of date: what decides its result, put into a key.

A key holds the script's own code and arguments, its environment, and the keys of all that it works on. What works on
all images together takes those that went well, which is known only once all were tried. So keys are made twice: when a
run of SegMake is planned, with the images expected to go well that have not failed before, and in the job, with those
that did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from segmake.core import versions
from segmake.core.files import fingerprint
from segmake.core.journal import Entry
from segmake.scripts.definition.runs import runs_of
from segmake.scripts.definition.script import OWN, Script, image_of, label_of


@dataclass(frozen=True)
class ImageFacts:
    """What decides what a script sees of an image.

    Attributes
    ----------
    needs : dict
        The key of each of `OWN`: of the image itself, of its labels, and of its table.
    readable : bool
        Whether the file could be opened when the run was planned.
    state : dict
        What became, or is expected to become, of each of `OWN`: ``"done"``, ``"failed"``, or ``""`` if neither.
    left_out : bool
        Whether the config keeps it out of what works on all images.
    """

    needs: Mapping[str, str]
    readable: bool
    state: Callable[[str], Literal["done", "failed", ""]]
    left_out: bool = False


@dataclass
class Keys:
    """The keys of the runs of all scripts.

    Attributes
    ----------
    scripts : dict
    codes : dict
        For each script, the fingerprint of all that it is itself: code, arguments, environment.
    images : dict
        The facts of each image that is there.
    journals : callable
        From a script's name to how each of its runs came to its end last.
    expected : bool
        Whether what has not failed is taken for done.
    before : bool
        Whether a key counts, too, under which a run was noted before it was carried over to another one
        (`segmake.runner.same_content`).
    """

    scripts: Mapping[str, Script]
    codes: Mapping[str, str]
    images: Mapping[str, ImageFacts]
    journals: Callable[[str], Mapping[str, Entry]]
    expected: bool
    before: bool = False
    _keys: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _whole: dict[str, str | None] = field(default_factory=dict)
    _sweeps: dict[str, dict[str, dict[str, str | bool]]] = field(default_factory=dict)
    _by_image: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def runs(self, name: str) -> dict[str, dict[str, str | bool]]:
        """Return the runs of a script by what they are called, each with its parameters of a sweep."""
        script = self.scripts[name]
        if not script.parameters:
            return {image: {} for image in self.images} if script.per_image else {name: {}}
        if name not in self._sweeps:
            images = list(self.images) if script.per_image else [""]
            self._sweeps[name] = runs_of(script, images, self.journals(name))
        return self._sweeps[name]

    def runs_of_image(self, name: str, image: str) -> list[str]:
        """Return the runs for an image of a script that is run for each."""
        script = self.scripts[name]
        if not script.parameters:
            return [image]
        if name not in self._by_image:
            runs = self._by_image[name] = {}
            for run in self.runs(name):
                runs.setdefault(image_of(script, run), []).append(run)
        return self._by_image[name].get(image, [])

    def key(self, name: str, run: str) -> str | None:
        """Return the key of a run; None where what it needs is not there."""
        if (name, run) not in self._keys:
            self._keys[name, run] = self._make_key(name, run)
        return self._keys[name, run]

    def is_done(self, name: str, run: str) -> bool:
        """Whether a run went well with its present key, or is expected to."""
        key = self.key(name, run)
        entry = self.journals(name).get(run)
        tried = entry is not None and (
            entry.key == key or (self.before and entry.details.get("carried") == key)
        )
        if key is None:
            return False
        if self.expected:
            return not (tried and entry is not None and entry.event == "failed")
        return tried and entry is not None and entry.event == "done"

    def is_there(self, need: str, image: str) -> bool:
        """Whether an image has what a script needs: the image itself, or what SegMake or a script made of it."""
        facts = self.images[image]
        if need in OWN:
            return facts.readable and self._is_there(facts, need)
        return any(self.is_done(need, run) for run in self.runs_of_image(need, image))

    def is_settled(self, name: str) -> bool:
        """Whether its keys are those that its runs will have: not where something it works on failed, and is retried.

        A script that is run for each image has another key for it only if it takes all of another script.
        """
        script = self.scripts[name]
        for need in script.needs:
            if need not in OWN and not self.is_settled(need):
                return False
            if not script.per_image and any(self._has_failed(need, image) for image in self.images):
                return False
            # Several of its runs are taken; each is tried again if it failed.
            other = self.scripts.get(need)
            several = other is not None and bool(other.parameters or not other.per_image)
            if several and any(self._has_failed(need, run) for run in self.runs(need)):
                return False
        return True

    def _has_failed(self, need: str, run: str) -> bool:
        if need in OWN:
            facts = self.images[run]
            # What can't be read stays out of this run, whatever becomes of it.
            return facts.readable and facts.state(need) == "failed"
        entry = self.journals(need).get(run)
        return entry is not None and entry.event == "failed"

    def _make_key(self, name: str, run: str) -> str | None:
        script = self.scripts[name]
        parts = []
        for need in script.needs:
            image = image_of(script, run)
            part = self._of_image(need, image) if script.per_image else self._of_all(need)
            if part is None:
                return None
            parts.append(part)
        return fingerprint(versions.SCRIPT_RUNS, self.codes[name], parts, self.runs_key(name, run))

    def runs_key(self, name: str, run: str) -> str:
        """Return what tells the runs of a script apart, where what they work on does not."""
        return label_of(self.scripts[name], run)

    def _of_image(self, need: str, image: str) -> str | None:
        """Return the key of what a run for one image takes; None if it is not there."""
        if need in OWN:
            return self.images[image].needs[need] if self.is_there(need, image) else None
        if not self.scripts[need].per_image:
            return self._of_all(need)
        runs = [run for run in self.runs_of_image(need, image) if self.is_done(need, run)]
        if self.scripts[need].parameters:
            return fingerprint({run: self.key(need, run) for run in runs}) if runs else None
        return self.key(need, image) if runs else None

    def _of_all(self, need: str) -> str | None:
        """Return the key of what a run takes that works on all images, or takes all of another script."""
        if need not in self._whole:
            if need in OWN:
                found = {
                    image: facts.needs[need]
                    for image, facts in self.images.items()
                    if self.is_there(need, image) and not facts.left_out
                }
            else:
                runs = self.runs(need)
                found = {r: self.key(need, r) or "" for r in runs if self.is_done(need, r)}
            self._whole[need] = fingerprint(found) if found else None
        return self._whole[need]

    def _is_there(self, facts: ImageFacts, need: str) -> bool:
        if need == "images":
            return True
        state = facts.state(need)
        return state != "failed" if self.expected else state == "done"
