"""A config that was read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.messages import Problem
from segmake.messages.locations import location

if TYPE_CHECKING:
    from segmake.core.site import Site

# The keys that lead to a setting.
Keys = tuple[str | int, ...]

# As seen from the folder in which SegMake is started.
DEFAULT_CONFIG = Path("config/config.yaml")


def _no_site() -> Site:
    # Whoever only wants to know where a config lies need not load it.
    from segmake.core.site import Site

    return Site()


@dataclass(frozen=True)
class Config:
    """A checked config: what the user wrote, with the defaults filled in.

    Attributes
    ----------
    settings : dict
        The nested settings. ``segmentation`` holds only what the chosen engine takes.
    path : Path
        The file that they were read from.
    lines : dict
        The line (from 1) of each key that the user wrote: ``{("images", "folder"): 3}``.
    written : dict
        The nested settings that the user wrote, without defaults.
    overrides : dict
        The nested settings of the command, which took the place of those in the file.
    origins : dict
        File and line of what was read from another file, or stands on one line with others, by its keys.
    list_faults : dict
        What is wrong with the list of packages of an environment, by its name. A run that does not need it goes on.
    list_remarks : dict
        What of the list of an environment is left out, in words, by its name.
    site : Site
        What the site file says.
    """

    settings: dict[str, Any]
    path: Path
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    written: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    list_faults: dict[str, list[Problem]] = field(default_factory=dict)
    list_remarks: dict[str, str] = field(default_factory=dict)
    site: Site = field(default_factory=_no_site)

    def where(self, *keys: str | int) -> str:
        """Return the file and line of a key, or of the nearest key above it that the user wrote."""
        if keys in self.origins:
            return self.origins[keys]
        for length in range(len(keys), 0, -1):
            if line := self.lines.get(keys[:length]):
                return location(self.path, line, name_in_full(keys))
        return location(self.path, key=name_in_full(keys))


def name_in_full(keys: Keys) -> str:
    """Return how a setting is called where its sections have to be named: ``cluster.partition``."""
    return ".".join(map(str, keys))


def at(settings: Any, keys: Keys) -> Any:
    """Return a setting of nested ones; None where there is none."""
    for key in keys:
        try:
            settings = settings[key]
        except (LookupError, TypeError):
            return None
    return settings
