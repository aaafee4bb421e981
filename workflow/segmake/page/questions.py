"""What a login asks of the user, put on the page: an answer is used once, and kept nowhere."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Literal

from segmake.messages import Problem, say

# So long somebody may take; a login is ended sooner, by either computer, mostly after two minutes.
PATIENCE_S = 15 * 60

# What a login says that the other computer has ended while it waited for an answer.
_TOO_LATE = "SM-SSH-035"

# What a login, or a set-up, says where its question was left, and where it took too long to answer.
LEFT = ("SM-SSH-004", "SM-SSH-030", "SM-REM-059", "SM-SSH-003", "SM-SSH-010", _TOO_LATE)

# After these no question is asked either until somebody wants it: not the right computer, or no right password or
# number.
REFUSED = ("SM-SSH-004", "SM-SSH-006", "SM-SSH-034")

Kind = Literal["secret", "shown", "agree"]


@dataclass
class Question:
    """Something that is asked.

    Attributes
    ----------
    text : str
        As the terminal shows it.
    kind : str
        Whether it is a password or the like, a text that may be seen, or a yes or no.
    proposed : str
        What an empty answer stands for.
    key : str
        What tells it from all others.
    """

    text: str
    kind: Kind
    proposed: str
    answer: asyncio.Future[str | None]
    key: str = field(default_factory=lambda: secrets.token_urlsafe(8))


class Questions:
    """Whoever uses the page, in whichever window; see `segmake.places.asking.Asking`.

    Once a question was left, none is asked until somebody wants it: nobody may be there, and computing centres lock
    out who logs in again and again without an answer.

    Parameters
    ----------
    patience_s : float
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._waiting: dict[str, Question] = {}
        # The code of what is said since a question was left; empty where none was.
        self.left = ""

    @property
    def waiting(self) -> Question | None:
        """The question that waits the longest."""
        return next(iter(self._waiting.values()), None)

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        """Return what the user types; None if they would rather not, or nobody is there."""
        return await self._ask(question, "shown" if shown else "secret")

    async def agrees(self, question: str) -> bool:
        """Return whether the user says yes."""
        return await self._ask(question, "agree") == "yes"

    def answer(self, key: str, text: str | None) -> None:
        """Answer a question; one that was answered in another window, or is not asked any more, stays as it is.

        Parameters
        ----------
        key : str
        text : str or None
            None for whoever would rather not; ``yes`` or ``no`` where that is asked.
        """
        question = self._waiting.get(key)
        if question and not question.answer.done():
            question.answer.set_result(text)

    def ask_again(self) -> None:
        """Ask from now on, whatever was left: the user is there."""
        self.left = ""

    def told(self, problem: Problem, host: str) -> Problem:
        """Return what is to be said of a problem: where a question was left, that, and how to go on by the page."""
        if problem.code == _TOO_LATE:
            self.left = self.left or "SM-PAG-030"
        if self.left and problem.code in LEFT:
            code, self.left = self.left, "SM-PAG-031"
            return Problem(code, where=host, host=host)
        if problem.code in REFUSED:
            self.left = "SM-PAG-031"
        return problem

    async def _ask(self, text: str, kind: Kind) -> str | None:
        if self.left:
            return None
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        question = Question(*_apart(text.strip(), kind), answer=answer)
        self._waiting[question.key] = question
        try:
            given = await asyncio.wait_for(question.answer, self._patience_s)
        except TimeoutError:
            self.left = "SM-PAG-030"
            return None
        except asyncio.CancelledError:
            # The login took too long for one of the computers, which may have been told already.
            self.left = self.left or "SM-PAG-030"
            raise
        finally:
            del self._waiting[question.key]
        if given is None:
            self.left = "SM-PAG-032"
        return given


def _apart(text: str, kind: Kind) -> tuple[str, Kind, str]:
    """Return a question without what it proposes, as a terminal shows that behind it."""
    before, after = say("reach.enter", default="\0").split("\0")
    question, mark, proposed = text.rpartition(f"\n  {before}")
    if kind != "shown" or not mark or not proposed.endswith(after):
        return text, kind, ""
    return question, kind, proposed.removesuffix(after)
