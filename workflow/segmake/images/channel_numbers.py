"""Refuses numbers of channels that mean something else from file to file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from segmake.core.config import Config
from segmake.images.selection import channel_key, interpreted
from segmake.messages import Problem, joined, say

if TYPE_CHECKING:
    from segmake.images.image import ImageFile

# So many images are named of each channel.
NAMED = 2

# A name that only counts, such as `1`, `Ch2`, `channel 0` or `Channel:0:1`: it says nothing of what was recorded.
_COUNTS = re.compile(r"(?:ch|chan|channel|c|canal|kanal)?(?:[\s_:.#-]*\d+)+")


def mixed_numbers(config: Config, images: Iterable[ImageFile]) -> Iterator[Problem]:
    """Yield ``SM-DIR-024`` or ``SM-DIR-025`` for each number in the config that is another channel in another file.

    Parameters
    ----------
    config : Config
    images : iterable of ImageFile
        Those that are computed; colour pictures, and files that do not name their channels, say nothing.
    """
    settings = config.typed
    section = settings.images
    named = [
        (image.image, interpreted(image.header, section).channels)
        for image in images
        if image.header and not image.header.color
    ]
    for key in ("channel", "second_channel"):
        number = getattr(section, key)
        if isinstance(number, int) and (found := _names(number, named)):
            most = max(found, key=lambda name: len(found[name]))
            yield Problem(
                "SM-DIR-024",
                where=config.where("images", key),
                key=key,
                number=number,
                names=_listed(found),
                name=json.dumps(most, ensure_ascii=False),
                all=json.dumps([*found, *_counting(number, named)], ensure_ascii=False),
            )
    wanted = settings.measurements.intensity_channels
    for index, number in enumerate(wanted if isinstance(wanted, tuple) else ()):
        if isinstance(number, int) and (found := _names(number, named)):
            rest = [each for each in wanted if each != number]
            yield Problem(
                "SM-DIR-025",
                where=config.where("measurements", "intensity_channels", index),
                number=number,
                names=_listed(found),
                all=json.dumps([*found, *rest], ensure_ascii=False),
            )


def _names(number: int, named: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, list[str]]:
    """Return the images of each name under a number; nothing if there is one name, or no file with a choice."""
    found: dict[str, list[str]] = {}
    spelt: dict[str, str] = {}
    several = False
    for image, channels in named:
        if number > len(channels):
            continue
        name = " ".join(channels[number - 1].split())
        if name and not _COUNTS.fullmatch(channel_key(name)):
            found.setdefault(spelt.setdefault(channel_key(name), name), []).append(image)
            several = several or len(channels) > 1
    return found if several and len(found) > 1 else {}


def _counting(number: int, named: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Return what the channel is called in files that only count theirs: a list of names is to take these, too."""
    names = [channels[number - 1] for _, channels in named if number <= len(channels)]
    return list(dict.fromkeys(name for name in names if _COUNTS.fullmatch(channel_key(name))))


def _listed(found: dict[str, list[str]]) -> str:
    """Return which channel how many images have there, with some of them."""
    return joined(
        say(
            "channels.under_number",
            name=name,
            number=len(images),
            images=", ".join(images[:NAMED]) + (", ..." if len(images) > NAMED else ""),
        )
        for name, images in found.items()
    )
