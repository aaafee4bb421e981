"""Scripts as users write them, the sections of a config that name them, and what is found in these."""

from __future__ import annotations

from typing import Any

from segmake.messages import Problem

GROWTH = """\
    import argparse
    from pathlib import Path

    import numpy as np
    import pandas as pd

    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("-w", "--window", type=int, default=0)
    parser.add_argument("--max_gap", type=float)
    parser.add_argument("--method", choices=["linear", "spline"], default="linear")
    parser.add_argument("--range", nargs=2, type=float)
    parser.add_argument("--skip", nargs="*")
    parser.add_argument("--log-scale", action="store_true")
    parser.add_argument("--smooth", action=argparse.BooleanOptionalAction)
    options = parser.parse_args()
    cells = pd.read_csv(options.cells)
    cells.to_csv(options.output_dir / "growth.csv")
"""

POSITIONAL = """\
    import argparse
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("out_dir")
    parser.add_argument("--mask", required=True)
    parser.add_argument("--sigma", type=float)
    args = parser.parse_args()
"""

LOOP = """\
    import argparse
    parser = argparse.ArgumentParser()
    for name in ["--cells", "--output-dir"]:
        parser.add_argument(name, required=True)
    for name, kind in {"level": int, "width": float}.items():
        parser.add_argument(f"--{name}", type=kind)
    args = parser.parse_args()
"""

OTHER_NAMES = """\
    import argparse
    def main(argv=None):
        parser = argparse.ArgumentParser()
        parser.add_argument("--picture", required=True)
        parser.add_argument("--results-folder", required=True)
        args = parser.parse_args(argv)
    if __name__ == "__main__":
        main()
"""

SIMULATION = """\
    import argparse
    import random
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--rate", type=float, default=1.0)
    p.add_argument("--quiet", action="store_true")
    p.add_argument("--output-dir", required=True)
    args = p.parse_args()
"""


def growth(**section: Any) -> dict[str, Any]:
    return {"name": "growth", "script": "growth.py", "needs": ["cells"], **section}


def codes(problems: list[Problem]) -> list[str]:
    return sorted(problem.code for problem in problems)
