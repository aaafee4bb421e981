"""The runs of an experiment on the computer that computes it, with its settings as this computer's config had them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake.answers.runs import settings_of
from segmake.core.files import one_line, write_atomically
from segmake.core.user_settings import own_settings_folder
from segmake.messages import Problem
from segmake.remote.config_copy import apart, sign_of
from segmake.remote.session import Session, answer_in, told

_NOTHING_RAN = "SM-RUN-013"

# So many are kept here, the last ones that were sent, of all experiments.
_MOST = 200


def keep_own(sign: str, text: str) -> None:
    """Keep the config that a copy was made of: over there, its paths are others.

    Parameters
    ----------
    sign : str
        As in the note of the copy.
    text : str
    """
    path = _kept(sign)
    # What can't be kept can't be taken up again, and all else goes on.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as part:
            part.write_text(text, encoding="utf-8", newline="")
        kept = sorted(path.parent.glob("*.yaml"), key=lambda each: each.stat().st_mtime)
        for each in kept[:-_MOST]:
            each.unlink()


def own_text(copied: str) -> str | None:
    """Return the config that a copy was made of; None where it was made on another computer, or edited there.

    Parameters
    ----------
    copied : str
        The copy. Where both computers see one folder, it is the config itself.
    """
    body, sign = apart(copied)
    if not sign:
        return copied
    # What was edited over there is not what is kept here under its sign.
    if sign_of(body) == sign:
        with suppress(OSError, ValueError), _kept(sign).open(encoding="utf-8", newline="") as file:
            return file.read()
    return None


async def runs_there(session: Session) -> dict[str, Any]:
    """Return what ``segmake runs --json`` answers over there, with the settings as they were written here.

    Raises
    ------
    Problem
        ``SM-REM-018`` if nothing was ever run, ``SM-REM-005`` if no answer comes, and what else is wrong there.
    """
    host = session.place.host
    nothing_ran = Problem("SM-REM-018", where=host, host=host)
    try:
        answer = await session.program("segmake", "runs", "--json", *session.config_options)
    except Problem as problem:
        # Its folder is not there yet.
        raise nothing_ran if problem.code == "SM-SSH-013" else problem from None
    words = told(answer)
    try:
        said: dict[str, Any] = answer_in(answer) or {}
        if said["answer"] == "error":
            first = said["problems"][0]
            if first["code"] == _NOTHING_RAN:
                raise nothing_ran
            words = first["message"]
        texts = {name: own_text(each["text"]) for name, each in said["settings"].items()}
        known = {name: text for name, text in texts.items() if text is not None}
        for run in said["runs"]:
            run["settings"] = run["settings"] if run["settings"] in known else None
    except (LookupError, TypeError, AttributeError):
        said_there = one_line(session.own_words(words))
        raise Problem("SM-REM-005", where=session.computer.name, said=said_there) from None
    place = {"host": host, "folder": session.place.folder}
    return {**said, "settings": settings_of(known, session.config), "place": place}


def _kept(sign: str) -> Path:
    # No cache: nothing can make it again.
    return own_settings_folder() / "sent-configs" / f"{sign}.yaml"
