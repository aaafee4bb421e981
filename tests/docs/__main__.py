"""Check pages of the docs without running them: `python -m tests.docs PAGE...`, all without a name.

An English page is compared with its French one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.docs import blocks, checked, pairs, terms, whole

found = []
paths = {Path(name).resolve() for name in sys.argv[1:]} or set(blocks.pages())
for path in sorted({Path(str(path).replace(".fr.md", ".md")) for path in paths}):
    for each in (path, blocks.french_of(path)):
        if not each.is_file():
            found.append(f"{each}: not there")
            continue
        page = blocks.read(each)
        found += checked.faults(page) + whole.faults(page) + terms.faults(page)
    if path.is_file() and blocks.french_of(path).is_file():
        found += pairs.differences(blocks.read(path), blocks.read(blocks.french_of(path)))
print(*found or ["nothing is wrong"], sep="\n")
sys.exit(bool(found))
