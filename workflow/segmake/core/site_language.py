"""The language of the site file: spoken where neither SEGMAKE_LANG nor the locale names one.

Each start asks for it, jobs too: what reads the site file is loaded only where it is needed.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from segmake.core import installation
from segmake.messages import LANGUAGES

# The line as it is mostly written; whatever else may be wrong with the file is told in that language, too.
_PLAIN = re.compile(rf"^language:[ \t]+({'|'.join(LANGUAGES)})[ \t]*(?: #.*)?$", re.MULTILINE)

# Where a shell says which language it speaks.
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")


def speak_its_language() -> None:
    """Have this process, and those that it starts, speak the language of the site file, where nothing names another."""
    said = next(filter(None, map(os.environ.get, _LOCALE)), "C")
    # C.UTF-8 is no language; but with it, the list in LANGUAGE counts.
    listed = said not in ("C", "POSIX") and os.environ.get("LANGUAGE")
    if os.environ.get("SEGMAKE_LANG") or listed or said.partition(".")[0] not in ("C", "POSIX"):
        return
    with suppress(OSError, UnicodeDecodeError):
        text = (installation.home() / "site.yaml").read_text(encoding="utf-8-sig")
        # To look for the word takes no time, to read YAML does.
        if "language" not in text:
            return
        if named := _PLAIN.findall(text):
            os.environ["SEGMAKE_LANG"] = named[0]
            return
        from segmake.core.site import read_site

        spoken = read_site().settings.get("language")
        if spoken in LANGUAGES:
            os.environ["SEGMAKE_LANG"] = spoken
