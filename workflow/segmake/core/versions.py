"""The versions that are in the keys of results: one is raised when its part gives other results for the same input.

Each is a part of the keys of its step: what an earlier version made is made again where, and only where, it would come
out different.
"""

from __future__ import annotations

# What each engine finds.
ENGINES = {"cellpose": 1, "cellpose3": 1, "omnipose": 1, "threshold": 1}

# The diameter that is estimated from an image: only in the keys of those that have it estimated.
DIAMETERS = 1

# What the readers make of a file: its pixels, and what is known of it (kept in the list of images).
PIXELS = 2
HEADERS = 4

# The label images, and what is written beside them for other programs.
LABELS = 1
OUTPUTS = 1
TRACKING = 1

# The numbers for the same masks.
MEASUREMENT = 2

# The pictures with the outlines of the cells.
OVERLAYS = 2

# The report or the tables of the whole run.
REPORT = 4

# How scripts are called, and what they see.
SCRIPT_RUNS = 1
