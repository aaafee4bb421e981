"""The pages that lead to each other, in the order in which an experiment goes through them."""

from __future__ import annotations

# What each is called in addresses, in templates and in messages; the overview comes first, the file last.
PAGES = (
    *("home", "connect", "images", "cells", "scripts"),
    *("start", "follow", "settings", "file"),
)

# Those that an experiment without images, of scripts alone, does without.
_OF_IMAGES = ("images", "cells")


def pages_of(*, with_images: bool) -> tuple[str, ...]:
    """Return the pages of an experiment."""
    return tuple(name for name in PAGES if with_images or name not in _OF_IMAGES)


def address_of(name: str) -> str:
    """Return the address of a page."""
    return "/" if name == "home" else f"/{name}"


# Those that a page leads to besides.
ADDRESSES = (*map(address_of, PAGES), "/environments", "/experiments", "/runs")
