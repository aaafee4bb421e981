"""Python's argparse in the user's language: help, and mistakes as SegMake's own messages."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Iterable
from typing import Any, NoReturn

from segmake.messages import Problem, say

# What argparse says of a mistake, in the Pythons that SegMake runs on, and the code of SegMake's own message.
_MISTAKES = (
    (re.compile(r"the following arguments are required: (?P<names>.+)"), "SM-CMD-003"),
    (
        re.compile(
            r"argument (?P<option>\S+): invalid choice: (?P<value>.+?) \(choose from (?P<allowed>.+)\)"
        ),
        "SM-CMD-005",
    ),
    (re.compile(r"argument (?P<option>\S+): invalid int value: (?P<value>.+)"), "SM-CMD-005"),
    (
        re.compile(r"argument (?P<option>\S+): ignored explicit argument (?P<value>.+)"),
        "SM-CMD-007",
    ),
    (re.compile(r"argument (?P<option>\S+): expected .+"), "SM-CMD-004"),
    (
        re.compile(r"argument (?P<option>\S+): not allowed with argument (?P<other>\S+)"),
        "SM-CMD-011",
    ),
    (re.compile(r"ambiguous option: (?P<option>\S+) could match (?P<options>.+)"), "SM-CMD-006"),
)

# A space before a sign, and one at which no line ends.
_BEFORE_SIGN = re.compile(r" (?=[;:?!\u00bb])")
_FIRM = "\N{NO-BREAK SPACE}"


class _Help(argparse.HelpFormatter):
    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, say("help.usage") if prefix is None else prefix)

    def _split_lines(self, text: str, width: int) -> list[str]:
        # No line begins with what French puts a space before.
        kept = _BEFORE_SIGN.sub(_FIRM, text)
        return [line.replace(_FIRM, " ") for line in super()._split_lines(kept, width)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        kept = _BEFORE_SIGN.sub(_FIRM, text)
        return super()._fill_text(kept, width, indent).replace(_FIRM, " ")


class Mistake(SystemExit):
    """What was typed can't be understood; `main` says so, and ends with the exit code for it.

    Attributes
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(2)


class Parser(argparse.ArgumentParser):
    """A parser whose help and messages are in the user's language.

    Parameters
    ----------
    **settings
        Those of `argparse.ArgumentParser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(add_help=False, formatter_class=_Help, **settings)
        # argparse's own groups have English titles.
        self._after = self.add_argument_group(say("help.values"))
        self._switches = self.add_argument_group(say("help.options"))
        self.words: list[str] = []
        # Of one that takes a command: those that there are.
        self.commands: Collection[str] = ()
        self.add_argument("-h", "--help", action="help", help=say("help.help"))

    def add_argument(self, *names: str, **settings: Any) -> argparse.Action:
        """Add an option or a word, as argparse does."""
        is_option = names[0].startswith("-")
        self.words += [name for name in names if name.startswith("--")]
        return (self._switches if is_option else self._after).add_argument(*names, **settings)

    def add_alternatives(self) -> Any:
        """Return what options are added to of which one at most may be typed."""
        return self._switches.add_mutually_exclusive_group()

    def error(self, message: str) -> NoReturn:
        """Raise SegMake's message for one of argparse's."""
        for pattern, code in _MISTAKES:
            if found := pattern.fullmatch(message):
                self.refuse(code, **self._values(found.groupdict()))
        self.refuse("SM-CMD-009", error=message, usage=self.usage_line())

    def refuse_words(self, words: list[str]) -> NoReturn:
        """Raise a message on words that mean nothing here."""
        from difflib import get_close_matches

        near = get_close_matches(words[0].partition("=")[0], self.words, 1)
        remedy = say("mistake.usage", usage=self.usage_line())
        if near:
            remedy = say("mistake.nearest", line=f"{self.prog} {near[0]}")
        self.refuse("SM-CMD-002", words=" ".join(words), remedy=remedy)

    def refuse(self, code: str, **values: object) -> NoReturn:
        """Raise a mistake in the command line; a command that is not there may be another one, mistyped."""
        word = str(values.get("value", "")).strip('"')
        if code == "SM-CMD-005" and word and self.commands:
            code, values = "SM-CMD-001", {"word": word, "remedy": self._other_command(word)}
            values["program"] = self.prog
        raise Mistake(Problem(code, where=self.prog, **values))

    def _other_command(self, word: str) -> str:
        from difflib import get_close_matches

        if near := get_close_matches(word, self.commands, 1):
            return say("mistake.nearest", line=f"{self.prog} {near[0]}")
        return say("mistake.commands", program=self.prog, commands=", ".join(self.commands))

    def usage_line(self) -> str:
        """Return how the command is typed, in one line."""
        words = " ".join(self.format_usage().split())
        return words.removeprefix(" ".join(say("help.usage").split())).strip()

    def _values(self, found: dict[str, str]) -> dict[str, str]:
        """Return what the message names, in SegMake's way of writing."""
        allowed = found.get("allowed", "").replace("'", "") or say("allowed.integer")
        value = found.get("value", "").replace("'", '"')
        return found | {"allowed": allowed, "value": value, "usage": self.usage_line()}
