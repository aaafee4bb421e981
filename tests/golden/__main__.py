"""Lists which golden values differ, and writes them anew: see the package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import tifffile

from tests.golden.comparison import (
    KEPT_LABELS,
    differences,
    kept,
    labels_made,
    made,
    unmatched,
    write,
)
from tests.golden.configs import CONFIGS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(CONFIGS)}")
    parser.add_argument("--write", action="store_true", help="write what differs")
    options = parser.parse_args()
    if unknown := set(options.runs) - set(CONFIGS):
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    values = kept()
    differ = 0
    for name in options.runs or CONFIGS:
        if lacks := CONFIGS[name].lacks():
            print(f"{name}: left as it is, {lacks}")
            continue
        with TemporaryDirectory(prefix="segmake-golden-") as top:
            now = made(name, Path(top) / name)
            found = differences(values.get(name, {}), now)
            if name == "stack":
                labels = labels_made(Path(top) / name)
                known = KEPT_LABELS.exists()
                if not known or unmatched(tifffile.imread(KEPT_LABELS), labels):
                    found.append(f"{KEPT_LABELS.name}: other cells")
                    if options.write:
                        tifffile.imwrite(KEPT_LABELS, labels, compression="zlib", software=False)
        print(f"{name}: {len(now)} values, {len(found)} differ")
        print("".join(f"  {line}\n" for line in found), end="")
        differ += len(found)
        values[name] = now
    if options.write:
        write(values)
        return 0
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
