"""The steps by their names, for whoever does none of them."""

from __future__ import annotations

STEPS = ("segment", "masks", "measure", "overlay")

# The step whose results each of the others works on.
AFTER = {"masks": "segment", "measure": "masks", "overlay": "masks"}
