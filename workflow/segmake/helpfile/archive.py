"""Puts what tells what is wrong into one file, without what is secret, and says what is in it."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from segmake import __version__
from segmake.core.files import write_atomically
from segmake.core.site import read_site
from segmake.helpfile.contents import Part, parts
from segmake.helpfile.masking import Masks
from segmake.messages import Problem, say
from segmake.updates.space import shown_bytes

# Of all texts together: what mail servers take, before it is compressed.
MOST_BYTES = 5_000_000

FIRST_PAGE = "README.txt"


def write_helpfile(
    configs: Sequence[Path], results: Path, to: Path | None, tell: Callable[[str], None]
) -> Path:
    """Write the file, and return where it lies.

    Parameters
    ----------
    configs : sequence of Path
        Of the experiment, of which the last one counts most; they may be wrong, or not be there.
    results : Path
        The same.
    to : Path or None
        Where to write; None: to the current folder, with the time in its name.
    tell : callable
        Is given what is in the file, before it is written.

    Raises
    ------
    Problem
        ``SM-HLP-001`` if it can't be written there, ``SM-HLP-002`` if there is a file of this name.
    """
    place = to or Path(f"segmake-help-{time.strftime('%Y-%m-%d-%H%M%S')}.zip")
    if place.exists():
        raise Problem("SM-HLP-002", where=str(place), file=place)
    _refuse_where_nothing_can_be_written(place)
    tell(say("help.collects"))
    shown, masks = _without_secrets(configs, results)
    first = _first_page(shown, masks)
    tell("\n".join([say("help.contents"), *_list(shown), _masked(masks)]))
    try:
        with write_atomically(place) as part, ZipFile(part, "w", ZIP_DEFLATED) as archive:
            for one in (first, *shown):
                archive.writestr(one.name, one.text.encode("utf-8", "replace"))
    except OSError as error:
        raise _unwritable(place, error) from None
    return place


def _refuse_where_nothing_can_be_written(place: Path) -> None:
    """Refuse at once what would be found out only when all is collected; a mistyped folder is not made."""
    try:
        # Raises where there is no such folder.
        os.scandir(place.parent).close()
        with write_atomically(place.with_name(f"{place.name}.try"), lasting=False) as part:
            part.touch()
    except OSError as error:
        raise _unwritable(place, error) from None
    place.with_name(f"{place.name}.try").unlink(missing_ok=True)


def _unwritable(place: Path, error: OSError) -> Problem:
    return Problem("SM-HLP-001", where=str(place), file=place, error=error.strerror or str(error))


def _without_secrets(configs: Sequence[Path], results: Path) -> tuple[list[Part], Masks]:
    """Return the texts that there is room for, without what is secret in any of them."""
    user = ""
    with suppress(KeyError, OSError):
        user = getpass.getuser()
    masks = Masks(user=user, home=os.path.expanduser("~"), host=socket.gethostname())
    shown: list[Part] = []
    room = MOST_BYTES
    for part in parts(configs, results):
        text = masks.hide(part.text, yaml=part.yaml)
        room -= len(text.encode("utf-8", "replace"))
        if room < 0:
            break
        shown.append(replace(part, name=masks.hide(part.name), text=text))
    # What one text shows to be secret may stand in one before it.
    return [replace(part, text=masks.hide_known(part.text)) for part in shown], masks


def _first_page(shown: list[Part], masks: Masks) -> Part:
    """Return what can be read without the rest: what is wrong, and what the other texts are."""
    wanted = ("check.txt", "status.txt", "failed.txt")
    told = [part.text[:20_000] for part in shown if part.name in wanted]
    head = say("help.first", version=__version__, time=time.strftime("%Y-%m-%d %H:%M %z"))
    text = "\n".join([head, "", say("help.contents"), *_list(shown), "", _masked(masks), "", *told])
    return Part(FIRST_PAGE, text, "")


def _list(shown: list[Part]) -> list[str]:
    """Return a line for each text; logs are one."""
    lines = [f"  {FIRST_PAGE:<18} {say('help.part.first')}"]
    groups: dict[str, list[Part]] = {}
    for part in shown:
        folder, inside, _ = part.name.partition("/")
        groups.setdefault(f"{folder}/" if inside else part.name, []).append(part)
    for name, same in groups.items():
        size = shown_bytes(sum(len(part.text) for part in same))
        files = say("help.files", number=len(same)) if name.endswith("/") else ""
        lines.append(f"  {name:<18} {same[0].about} ({files}{size})")
    return lines


def _masked(masks: Masks) -> str:
    """Return what was taken out, and what was not."""
    counted = ", ".join(
        f"{say(f'help.masked.{kind}')} ({masks.found[kind]})"
        for kind in ("secret", "user", "home", "host", "mail")
        if masks.found[kind]
    )
    contact = read_site().contact
    lines = [
        say("help.masked", kinds=counted or say("help.masked.nothing")),
        say("help.not_masked"),
    ]
    return "\n".join([*lines, say("help.send", contact=contact)] if contact else lines)
