"""Commands for whatever shell somebody has over there: csh, fish and bash take the same line, and none reads it."""

from __future__ import annotations

import base64
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# A login shell knows where Slurm is; what it prints comes before the mark.
_SCRIPT = """\
if command -v bash >/dev/null 2>&1; then shell="bash --login"; else shell="sh -l"; fi
exec $shell -c {inner}
"""
# For tools that every computer has where all look for them: a start of the shell takes longer than many a file.
_BARE_SCRIPT = "exec sh -c {inner}\n"
_INNER = """\
printf '%s\\n' {mark}; printf '%s\\n' {mark} >&2
{enter}{variables}exec {command}
"""


@dataclass(frozen=True)
class LoginScript:
    """A command as it is sent.

    Parameters
    ----------
    command : sequence of str
        Its words.
    folder : str
        Where it runs; empty for the user's home.
    variables : mapping
        Of its environment.
    login : bool
        Whether it is to find what a login does, such as Slurm.
    mark : str
        What is printed, on both outputs, before the command begins.
    """

    command: Sequence[str]
    folder: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    login: bool = True
    mark: str = field(default_factory=lambda: secrets.token_hex(16))

    def __str__(self) -> str:
        """Return the line, in which no shell finds anything to replace."""
        enter = f"cd -- {_quoted(self.folder)} || exit {NO_FOLDER}\n" if self.folder else ""
        variables = "".join(
            f"export {name}={_quoted(value)}\n" for name, value in self.variables.items()
        )
        inner = _INNER.format(
            mark=self.mark,
            enter=enter,
            variables=variables,
            command=" ".join(map(_quoted, self.command)),
        )
        script = (_SCRIPT if self.login else _BARE_SCRIPT).format(inner=_quoted(inner))
        packed = base64.b64encode(script.encode(errors="surrogateescape")).decode()
        return f"/bin/sh -c 'eval \"$(echo {packed} | base64 -d)\"'"

    def without_greeting(self, output: bytes) -> bytes | None:
        """Return what the command itself wrote; None if it never began."""
        _, mark, own = output.partition(f"{self.mark}\n".encode())
        return own if mark else None


# The exit code where there is no such folder: none that shells give of themselves.
NO_FOLDER = 93

# A home is the login's own business: `~` is left for the shell over there.
_HOME = "~/"


def _quoted(text: str) -> str:
    if text.startswith(_HOME):
        return '"$HOME"/' + shlex.quote(text.removeprefix(_HOME))
    return shlex.quote(text)
