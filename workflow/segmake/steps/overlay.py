"""The step overlay: the picture of each image before and after, and its thumbnails."""

from __future__ import annotations

from typing import Any

from segmake.plan.plan import Plan
from segmake.runner.pipeline import Task
from segmake.steps.inputs import (
    DoOne,
    field_of,
    has_volumes,
    mask_of,
)


def work_of(plan: Plan) -> DoOne:
    """Return what draws the before/after picture of an image, or the strip of a movie or stack, and its thumbnails."""
    from segmake.labels.pictures import write_field

    settings = plan.typed
    red, green, blue = bytes.fromhex(settings.overlays.color.removeprefix("#"))
    low, high = settings.overlays.contrast

    def work(task: Task) -> dict[str, Any]:
        picture, before, after = task.outputs
        with (
            field_of(task, settings) as view,
            mask_of(task, plan.folders) as stack,
        ):
            movie = plan.folders.movie(task.image)
            movie.unlink(missing_ok=True)
            linked = settings.tracking is not None and stack.times > 1
            write_field(
                view,
                stack,
                picture=picture,
                before=before,
                after=after,
                movie=movie,
                linked=linked or has_volumes(settings, stack),
                color=(red, green, blue),
                contrast=(low, high),
            )
        return {}

    return work
