"""What ``segmake jupyter --json`` answers: each JupyterLab that is there, and how it is reached."""

from __future__ import annotations

from collections.abc import Iterable

from segmake.answers.answer import Answer, answer, path_text, time_text
from segmake.jupyter.opening import Opened
from segmake.jupyter.way import forwarding


def jupyter_answer(there: Iterable[Opened]) -> Answer:
    """Return what is known of each JupyterLab.

    Parameters
    ----------
    there : iterable of Opened
    """
    return answer("jupyter", 1, sessions=list(map(_session, there)))


def _session(opened: Opened) -> dict[str, object]:
    session = opened.session
    return {
        "environment": session.name,
        "experiment": path_text(session.experiment),
        "state": opened.state,
        "reason": opened.reason or None,
        "job": session.job or None,
        "node": opened.node,
        "socket": (session.place or {}).get("socket"),
        "ends": time_text(opened.ends),
        "port": opened.port,
        "token": session.token,
        "url": opened.url,
        "forwarding": forwarding(opened.port) if opened.port else None,
    }
