"""The steps that an image goes through: name, order and versions of each are declared here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from segmake.core import versions


@dataclass(frozen=True)
class Step:
    """What a step is beside its name, by which its rule, its command and the folder of its journals are called.

    Attributes
    ----------
    after : str
        The step whose results it works on; empty for the first.
    versions : tuple of int
        Those of the parts that decide its result for each image. What decides it of some images alone (the engine,
        an estimated diameter, tracking) has its version in the keys of these.
    """

    after: str
    versions: tuple[int, ...]


SEGMENT, MASKS, MEASURE, OVERLAY = "segment", "masks", "measure", "overlay"

# In the order in which they are done.
STEPS = {
    SEGMENT: Step(after="", versions=(versions.PIXELS,)),
    MASKS: Step(after=SEGMENT, versions=(versions.LABELS, versions.OUTPUTS)),
    MEASURE: Step(after=MASKS, versions=(versions.MEASUREMENT,)),
    OVERLAY: Step(after=MASKS, versions=(versions.OVERLAYS,)),
}

# The steps that work on labels: all but the one that finds them.
ON_LABELS = tuple(name for name, step in STEPS.items() if step.after)

# Those that need the masks, and nothing of each other.
ON_MASKS = tuple(name for name, step in STEPS.items() if step.after == MASKS)
