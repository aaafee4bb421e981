"""Python's collector of circular garbage, and when it only costs time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collecting() -> Iterator[None]:
    """Let the block make very many objects that stay: the collector would look through all of them, again and again.

    At 100,000 images that is a quarter of what planning takes. What is no longer used goes at once all the same, unless
    it refers to itself.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Those that stay are old at once: else the next look goes through all of them.
        gc.freeze()
        gc.unfreeze()
        if was_enabled:
            gc.enable()
