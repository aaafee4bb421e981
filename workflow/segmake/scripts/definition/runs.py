"""Which runs of a sweep there are, and what each is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from segmake.core.journal import Entry
from segmake.messages import say
from segmake.messages.numbers import number
from segmake.scripts.definition.script import (
    Script,
    image_of,
    label_meant,
    label_of,
    run_label,
    run_of,
)


def runs_of(
    script: Script, images: Iterable[str], entries: Mapping[str, Entry]
) -> dict[str, dict[str, str | bool]]:
    """Return the runs of a sweep by what they are called, each with its parameters.

    One that was done goes by its name of then, whatever order the parameters have now.

    Parameters
    ----------
    script : Script
    images : iterable of str
        Each is run with each combination; without an image, the one of an empty name.
    entries : mapping
        How each run came to its end last.
    """
    wanted = {run_label(parameters): parameters for parameters in script.runs()}
    before: dict[tuple[str, tuple[str, ...]], str] = {}
    for run in sorted(entries, key=lambda run: entries[run].time):
        label = label_of(script, run)
        if label not in wanted and (meant := label_meant(label, script)):
            before[image_of(script, run), meant] = run
    every = list(images)
    found = {}
    # Runs of the same image are not neighbours: of runs at work beside each other it can be told which opened theirs.
    for label, parameters in wanted.items():
        meant = label_meant(label, script) if before else ()
        for image in every:
            run = run_of(image, label)
            if meant and run not in entries:
                run = before.pop((image, meant), run)
            found[run] = parameters
    return found


def said_of_each(script: Script, images: int, runs: int) -> str:
    """Return how the runs of a script come about that is run for each image with each combination of parameters."""
    if not images or not script.per_image or not script.parameters:
        return ""
    return say("script.each", images=number(images), number=number(runs // images))
