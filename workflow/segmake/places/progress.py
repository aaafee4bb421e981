"""How far a copy is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Progress:
    """How far a copy is.

    Attributes
    ----------
    told : callable
        Is told whenever something has arrived.
    files, bytes : int
        What is over there; of files that are not whole yet, only the bytes.
    all_files, all_bytes : int
        What was to be copied.
    sent : int
        Bytes that were sent; what is sent twice after the connection was lost counts twice.
    lost : bool
        Whether the connection is lost, and another attempt is waited for.
    began : float
        When, by `time.monotonic`.
    """

    told: Callable[[Progress], None] = field(default=lambda progress: None, repr=False)
    all_files: int = 0
    all_bytes: int = 0
    files: int = 0
    bytes: int = 0
    sent: int = 0
    lost: bool = False
    began: float = field(default_factory=time.monotonic)
    _whole: int = 0

    @property
    def rate(self) -> float:
        """Bytes per second, of what was sent since the beginning."""
        return self.sent / max(time.monotonic() - self.began, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """The seconds that it will take yet, if it goes on so; None while that is not known."""
        return (self.all_bytes - self.bytes) / self.rate if self.sent else None

    def expect(self, files: int, size: int) -> None:
        """Note what is still to be copied; what was begun by an attempt that was cut is counted by the next one."""
        self.bytes = self._whole
        self.lost = False
        self.all_files, self.all_bytes = self.files + files, self.bytes + size
        self.told(self)

    def lose(self) -> None:
        """Note that the connection is lost."""
        self.lost = True
        self.told(self)

    def found(self, size: int) -> None:
        """Note bytes of a file that are over there already."""
        self.bytes += size

    def add(self, size: int) -> None:
        """Note bytes that have been sent."""
        self.bytes += size
        self.sent += size
        self.told(self)

    def finish(self, sizes: list[int]) -> None:
        """Note files that are whole."""
        self.files += len(sizes)
        self._whole += sum(sizes)
        self.told(self)
