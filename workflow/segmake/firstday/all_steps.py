"""All steps of the first day, in their order: what is cheap, and tells most, comes first."""

from __future__ import annotations

from segmake.firstday import disks, engines, facts, growth, queue
from segmake.firstday.models import models
from segmake.firstday.step import Step

STEPS = (
    Step("versions", facts.versions),
    Step("slurm", facts.cluster_settings, needs=("slurm",)),
    Step("environments", facts.environments),
    Step("file-systems", disks.file_systems),
    Step("models", models, needs=("engine",)),
    Step("gpu", queue.graphics, needs=("gpu", "engine"), gpu_minutes=3),
    Step(
        "picture", engines.picture, needs=("gpu", "engine"), gpu_minutes=3 * engines.PICTURE_MINUTES
    ),
    Step(
        "equality",
        engines.equality,
        needs=("gpu", "engine"),
        gpu_minutes=3 * engines.EQUALITY_MINUTES,
    ),
    Step("speed", engines.speed, needs=("gpu", "engine"), gpu_minutes=3 * engines.SPEED_MINUTES),
    Step("partitions", queue.partitions, needs=("slurm",), gpu_minutes=queue.MOST_GPUS),
    Step("main-process", queue.main_process, needs=("slurm",)),
    Step("missing-files", queue.missing_files, needs=("slurm",)),
    Step("accounts", queue.accounts, needs=("slurm",)),
    Step("memory", growth.memory, needs=("slurm",)),
    Step("time", growth.time, needs=("slurm",)),
    Step("conda", facts.conda),
)
