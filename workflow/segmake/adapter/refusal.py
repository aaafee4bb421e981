"""How SegMake ends Snakemake: with a message of its own, where an exception would bring a traceback with it."""

from __future__ import annotations

import sys
from typing import NoReturn

from segmake.messages import Problem, Problems


def refuse(problem: Problem | Problems) -> NoReturn:
    """End Snakemake with what is wrong."""
    print(f"\n{problem}", file=sys.stderr)
    sys.exit(1)
