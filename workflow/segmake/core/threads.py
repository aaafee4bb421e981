"""How many threads a library may start in a job: as many as the job has cores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

# Each library reads one of these when it starts, and takes as many threads as the node has cores where it is not set:
# OpenMP (torch too) and those for linear algebra, as Snakemake sets them to the cores of a rule; and others.
VARIABLES = (
    *("OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("TIFFFILE_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "ARROW_IO_THREADS"),
)


def allowed(environ: Mapping[str, str] = os.environ) -> int:
    """Return how many threads a library may start in this process."""
    for name in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        # OpenMP takes a number for each level of loops within loops.
        first = environ.get(name, "").partition(",")[0].strip()
        if first.isdecimal() and int(first):
            return int(first)
    return os.cpu_count() or 1


def limit(number: int) -> None:
    """Let libraries that are imported from now on, and those of other processes, start so many threads each."""
    os.environ.update(dict.fromkeys(VARIABLES, str(number)))


def tensorstore_limits() -> dict[str, Any]:
    """Return what tensorstore is to be given as a part of its context, since it reads no variable."""
    limit = {"limit": allowed()}
    return {"data_copy_concurrency": limit, "file_io_concurrency": limit}
