"""What ``segmake try --json`` answers: a line when the picture is drawn, and one for each step after that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from segmake.answers.answer import Answer, answer, path_text
from segmake.look.trial import Trial


def trial_answers(steps: Iterable[Trial]) -> Iterator[Answer]:
    """Yield an answer for each step of a trial."""
    for step in steps:
        yield answer(
            "try",
            1,
            state=step.state,
            file=path_text(step.file),
            position=step.position,
            time=step.time,
            slice=step.slice,
            channel=step.channel,
            width=step.width,
            height=step.height,
            pixel_size_um=step.pixel_um,
            picture=path_text(step.picture),
            reduced=step.reduced,
            seconds=round(step.seconds, 2),
            model=step.model or None,
            device=step.device or None,
            outlines=path_text(step.outlines) if step.outlines else None,
            cells=step.cells,
            diameter=step.diameter and round(step.diameter, 2),
            estimated_diameter=step.estimated,
        )
