"""The pages that lead to each other, in the order in which an experiment goes through them."""

from __future__ import annotations

# What each is called in addresses, in templates and in messages; the overview comes first, the file last.
PAGES = ("home", "connect", "cells", "settings", "file")


def address_of(name: str) -> str:
    """Return the address of a page."""
    return "/" if name == "home" else f"/{name}"


ADDRESSES = (*map(address_of, PAGES), "/experiments")
