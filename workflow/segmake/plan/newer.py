"""Refuses to compute where a newer SegMake has worked: this one does not know what that has noted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from segmake import __version__
from segmake.core.journal import Entry
from segmake.messages import Problem
from segmake.plan.known_errors import number_of, version_of


def refuse_newer(entries: Iterable[Entry], results: Path) -> None:
    """Refuse results of which a newer version made some.

    Parameters
    ----------
    entries : iterable of Entry
        Of the journals of what is to be computed.
    results : Path
        Their folder.

    Raises
    ------
    Problem
        ``SM-RUN-068``
    """
    newest = max(map(version_of, entries), key=number_of, default=__version__)
    if number_of(newest) > number_of(__version__):
        names = {"results": results, "version": newest, "own": __version__}
        raise Problem("SM-RUN-068", where=str(results), **names)
