"""Counts how much memory is taken at a time: by Python and numpy, and by Arrow, whose own is not seen by Python."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pyarrow


def peak_of(work: Callable[[], object]) -> int:
    """Return the bytes that a function takes at most: both peaks, whether or not they are at the same time."""
    usual = pyarrow.default_memory_pool()
    counting = pyarrow.proxy_memory_pool(usual)
    pyarrow.set_memory_pool(counting)
    # What was garbage before, and when garbage is looked for, would decide the peak.
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] + counting.max_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
        pyarrow.set_memory_pool(usual)
