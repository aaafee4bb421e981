"""A config that was read and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake.messages import Problem
from segmake.messages.locations import location

if TYPE_CHECKING:
    from segmake.core.settings import Settings
    from segmake.core.site import Site

# The keys that lead to a setting.
Keys = tuple[str | int, ...]

# A part of a setting's name that needs no quotes.
_PLAIN = re.compile(r"""[^."']+""")

# As seen from the folder in which SegMake is started.
DEFAULT_CONFIG = Path("config/config.yaml")


def _no_site() -> Site:
    # Whoever only wants to know where a config lies need not load it, nor the tree of settings.
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
        The file that they were read from; of several, the last one.
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
    files : dict
        The file of each key that stands in another one than `path`, where a command names several.
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
    files: dict[tuple[str | int, ...], Path] = field(default_factory=dict)

    @property
    def typed(self) -> Settings:
        """The settings, once checked, as a tree whose names and types a type checker knows."""
        from segmake.core.settings import Settings

        return Settings.of(self.settings)

    def where(self, *keys: str | int) -> str:
        """Return the file and line of a key, or of the nearest key above it that the user wrote."""
        if keys in self.origins:
            return self.origins[keys]
        for length in range(len(keys), 0, -1):
            if line := self.lines.get(keys[:length]):
                return location(self.file_of(*keys[:length]), line, _settable(self.written, keys))
        return location(self.path, key=_settable(self.written, keys))

    def file_of(self, *keys: str | int) -> Path:
        """Return the file that a key stands in."""
        return self.files.get(keys, self.path)


def name_in_full(keys: Iterable[str | int]) -> str:
    """Return how a setting is called where its sections have to be named: ``cluster.partition``.

    A part with dots in it is in quotes, as users type it: ``scripts.growth.arguments."a.b"``.
    """
    return ".".join(
        part if _PLAIN.fullmatch(part) else json.dumps(part, ensure_ascii=False)
        for part in map(str, keys)
    )


def own_names(settings: Any, section: str) -> Iterator[str]:
    """Yield what the scripts or environments of a config are called, as it says, in their order."""
    found = settings.get(section)
    for each in found if isinstance(found, list | dict) else ():
        name = each.get("name") if isinstance(each, dict) else each
        # A name may be written as a number.
        yield str(getattr(name, "text", name))


def _settable(settings: Any, keys: Keys) -> str:
    """Return the name of the setting that one sets to put right what these keys lead to: a list is set as a whole."""
    names = list(keys)
    if names[:1] == ["scripts"] and len(names) > 1 and isinstance(number := names[1], int):
        own = list(own_names(settings, "scripts"))
        has_name = at(settings, ("scripts", number, "name")) is not None
        if has_name and own.index(own[number]) == number:
            names[1] = own[number]
        elif str(number) not in own:
            # Without a name, or with that of another one, it is named by its place.
            names[1] = str(number)
    end = next((place for place, key in enumerate(names) if isinstance(key, int)), None)
    return name_in_full(names[:end])


def at(settings: Any, keys: Keys) -> Any:
    """Return a setting of nested ones; None where there is none."""
    for key in keys:
        try:
            settings = settings[key]
        except (LookupError, TypeError):
            return None
    return settings
