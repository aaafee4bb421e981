"""SegMake: from a folder of microscope images to cell masks, tables, pictures and a report."""

import os
import sys
from importlib.machinery import SourceFileLoader

__version__ = "0.2.0"


def _keep_bytecode_whole() -> None:
    """Have Python remove bytecode of a module that a full disk has cut: it would stumble over it for ever.

    Until 3.12.8 Python does not look how much it could write (python/cpython#126606).
    """
    write = SourceFileLoader.set_data

    def write_whole(loader: SourceFileLoader, path: str, data: bytes, **mode: int) -> None:
        write(loader, path, data, **mode)
        try:
            if os.stat(path).st_size != len(data):
                os.unlink(path)
        except OSError:
            pass

    SourceFileLoader.set_data = write_whole  # type: ignore[method-assign, assignment]


if sys.version_info < (3, 12, 8):
    _keep_bytecode_whole()
