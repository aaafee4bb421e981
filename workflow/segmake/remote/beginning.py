"""What the command and the page both do and say before a run begins over there."""

from __future__ import annotations

from segmake.config.load import completed
from segmake.config.yaml_lines import read_yaml
from segmake.core.config import Config
from segmake.core.files import listed
from segmake.messages import Problem, say
from segmake.remote import group_folders
from segmake.remote.gone import ASIDE
from segmake.remote.known_computers import known_computer
from segmake.remote.sending import Sent
from segmake.remote.session import Session


async def make_folder(session: Session) -> None:
    """Make the experiment's folder over there.

    Raises
    ------
    Problem
        ``SM-REM-012`` if that can't be done, or nothing can be written there; ``SM-REM-072`` if it is somebody else's.
    """
    folder = session.place.folder
    if error := await group_folders.make_folder(session.computer, folder):
        raise Problem("SM-REM-012", where=session.place.host, path=folder, error=error)


def no_engine(session: Session) -> Problem:
    """Return what to do from here where the engine of the config is not installed: ``SM-REM-019``."""
    written, lines, _ = read_yaml(session.config)
    settings, _ = completed(Config(written, session.config, lines, written))
    host = session.place.host
    contact = known_computer(host).handed_out.contact or say("reach.centre")
    engine = settings.typed.segmentation.engine
    return Problem("SM-REM-019", where=host, host=host, engine=engine, contact=contact)


def sent_in_words(session: Session, sent: Sent) -> str:
    """Return in words what was sent, what was not, and what was found over there."""
    number = len(sent.files.copied)
    known = "remote.sent"
    if sent.config:
        known = "remote.sent_both" if number else "remote.sent_config"
    lines = [say(known, number=number)]
    folder = f"{session.place.folder}/{ASIDE}"
    for text, names in (
        ("remote.growing", sent.files.growing),
        ("remote.not_sent", sent.left),
        ("remote.aside", sent.aside),
        ("remote.foreign", sent.foreign),
        ("remote.stay", sent.stay),
    ):
        if names:
            values = {"number": len(names), "files": session.own_words(listed(names))}
            lines.append(say(text, folder=folder, host=session.place.host, **values))
    return "\n".join(lines)
