"""Runs the examples in the docstrings of folders, in one Python that has no Snakemake; prints as JSON what failed.

``python tests/unit/folder_examples.py PLACE FILE...``: each example works in a new folder in PLACE.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from doctest import DocTestParser, DocTestRunner
from pathlib import Path


def failures_of(file: Path) -> str:
    """Return what the example in a file's docstring gives otherwise than it says; nothing if all is well."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    test = DocTestParser().get_doctest(docstring, {}, file.parent.name, str(file), 0)
    if not test.examples:
        return "there is no example"
    said: list[str] = []
    DocTestRunner().run(test, out=said.append)
    return "".join(said)


if __name__ == "__main__":
    for absent in ("snakemake", "snakemake_executor_plugin_slurm"):
        # An import of what is None fails.
        sys.modules[absent] = None  # type: ignore[assignment]
    place = Path(sys.argv[1])
    found = {}
    for number, name in enumerate(sys.argv[2:]):
        (folder := place / str(number)).mkdir()
        os.chdir(folder)
        found[name] = failures_of(Path(name))
    print(json.dumps(found))
