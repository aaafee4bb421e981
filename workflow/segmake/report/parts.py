"""What several parts of the report need: links, names that can be seen, and data that the page holds itself."""

from __future__ import annotations

import base64
import re
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import pandas as pd

# Colours and movements of the cursor, as programs write them to a terminal.
_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b")
# Halves of characters that stand for no byte of a file name.
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_LONGEST_LOG = 4000


def href(path: str) -> str:
    """Return a path, relative to the page, as a link; quoted, so that it can't name a scheme."""
    if not path:
        return ""
    whole = _HALVES.sub("\ufffd", PurePath(path).as_posix())
    return "./" + quote(whole.encode("utf-8", errors="surrogateescape"))


def shown(name: object) -> str:
    """Return a file name with characters that can't be seen, such as a line break, made visible."""
    whole = _HALVES.sub("\ufffd", str(name))
    text = whole.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return re.sub(
        r"[\x00-\x1f\x7f]",
        lambda match: "␡" if match[0] == "\x7f" else chr(0x2400 + ord(match[0])),
        text,
    )


def shown_lines(said: str) -> str:
    """Return the end of what a program said, without the colours of a terminal, as lines that can be seen."""
    text = _TERMINAL.sub("", said[-2 * _LONGEST_LOG :])[-_LONGEST_LOG:].strip("\r\n")
    # What a progress bar wrote over is gone.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(shown(line.expandtabs(4)).rstrip() for line in lines)


def text_of(value: Any) -> str:
    """Return a value of a table as text, empty if it is missing."""
    return "" if value is None or (not isinstance(value, str) and pd.isna(value)) else str(value)


def data_uri(content: bytes, mime: str) -> str:
    """Return bytes as an address that the page holds itself."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def inside(path: Path, folder: Path) -> Path | None:
    """Return where a file really is, or None if that is outside of a folder, or there is no such file."""
    try:
        real = path.resolve(strict=True)
        return real if real.is_relative_to(folder.resolve()) else None
    except (OSError, RuntimeError, ValueError):  # a circle of links, a name with a zero byte
        return None
