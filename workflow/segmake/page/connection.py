"""The computer that an experiment is computed on, and the way to it as long as the page is open."""

from __future__ import annotations

import sys
from pathlib import Path

from segmake.messages import Problem
from segmake.places.here import Here
from segmake.remote.remembered import PlaceFile, read_place
from segmake.remote.session import Session


class Connection:
    """The computer that an experiment is computed on: this one, unless it has a file ``segmake.place``.

    Parameters
    ----------
    experiment : Path
        Its folder on this computer, which is the working folder.
    config : Path
    """

    def __init__(self, experiment: Path, config: Path) -> None:
        self._experiment, self._config = experiment, config.relative_to(experiment)

    @property
    def place(self) -> PlaceFile | None:
        """Where it is computed; None for this computer.

        Raises
        ------
        Problem
            ``SM-REM-002`` if the file can't be understood.
        """
        try:
            return read_place(self._experiment)
        except Problem as problem:
            if problem.code == "SM-REM-001":
                return None
            raise

    async def session(self) -> Session:
        """Return the experiment with the computer that it is computed on, on which commands of SegMake can be run."""
        program = Path(sys.executable).with_name("segmake")
        here = Here()
        place = PlaceFile(here.name, str(self._experiment), str(program))
        return Session(self._experiment, self._config, place, here)

    async def close(self) -> None:
        """End the connection; what was started goes on."""
