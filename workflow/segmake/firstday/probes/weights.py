"""Downloads the models of an engine by SegMake's own code, and loads each; runs with the Python of the engine.

``weights.py sizes|fetch ENGINE SETTINGS...``: each of the settings is a section ``segmentation`` as JSON. Prints, as
JSON, the size of what is to be downloaded, or size and checksum of each file.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from typing import Any

from segmake.engines import engine, models_folder
from segmake.engines.weights import checksum
from segmake.messages import Problem

PATIENCE_SECONDS = 30


def sizes(name: str, settings: dict[str, Any]) -> dict[str, int]:
    """Return the size of each file of a model that is not there yet, as the server tells it."""
    found = {}
    for file, address in engine(name).addresses(settings).items():
        if not (models_folder(settings["models_folder"]) / file).is_file():
            # Of a GET that is not read, the head alone comes; not all servers know HEAD.
            with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
                found[file] = int(answer.headers["Content-Length"] or 0)
    return found


def fetch(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return size and checksum of each file of a model, which is downloaded where it is not there, and loaded."""
    module = engine(name)
    began = time.perf_counter()
    files = module.fetch(settings)
    fetched = time.perf_counter()
    module.load({**settings, "gpu": False})
    loaded = time.perf_counter()
    return {
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": checksum(path)} for path in files
        },
        "fetch_s": round(fetched - began, 2),
        "load_s": round(loaded - fetched, 2),
    }


if __name__ == "__main__":
    task = {"sizes": sizes, "fetch": fetch}[sys.argv[1]]
    given = [json.loads(text) for text in sys.argv[3:]]
    try:
        print(json.dumps({one["model"]: task(sys.argv[2], one) for one in given}))
    except (Problem, OSError) as error:
        print(json.dumps({"error": str(error)}))
