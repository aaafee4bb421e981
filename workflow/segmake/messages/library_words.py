"""What the libraries that read images say of damaged files, in English alone: what it means to who reads it."""

from __future__ import annotations

import re

# What libraries are known to say, and the section of the catalogue with its meaning; the first that fits counts.
_MEANINGS = tuple(
    (re.compile(said, re.IGNORECASE), section)
    for said, section in (
        (r"ChunkMap|chunk ?map|ND2 file header|chunk header", "library.nd2_list"),
        (r"not a TIFF file|invalid TIFF|cannot identify image file", "library.no_such_format"),
        (r"not a .*\bfile\b|invalid (file )?(header|signature|magic)", "library.no_such_format"),
        (r"not well-formed|no element found|mismatched tag|XML", "library.description"),
        (r"truncated|unexpected end|end of file|\bEOF\b|not enough|too short", "library.ends"),
        (r"cannot reshape array|buffer (is smaller|size)|requires a buffer", "library.ends"),
        (r"decompress|\bdecod|LZW|zlib|inflate|corrupt", "library.compressed"),
    )
)

# Whose values hold words of a library: those of a file that could not be read.
_CODES = ("SM-IMG-003",)


def meaning_of(code: str, said: str) -> str | None:
    """Return the section that says what a library means; None where it stands for itself.

    Parameters
    ----------
    code : str
        That of the problem.
    said : str
        What the library says.
    """
    if code not in _CODES:
        return None
    known = (section for pattern, section in _MEANINGS if pattern.search(said))
    return next(known, "library.other")
