"""Which computers are known: OpenSSH's own list, and what the institute hands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import asyncssh

from segmake.core.files import one_line
from segmake.messages import Problem, say


def _own_files() -> tuple[Path, ...]:
    return (Path("~/.ssh/known_hosts").expanduser(), Path("/etc/ssh/ssh_known_hosts"))


@dataclass(frozen=True)
class HostKeys:
    """The keys by which a login tells that it talks to the right computer.

    Parameters
    ----------
    files : tuple of Path
        Lists as OpenSSH writes them; the first one gets what the user agrees to.
    handed_out : tuple of str
        Lines of such a list that the institute's site file brings.
    """

    files: tuple[Path, ...] = field(default_factory=_own_files)
    handed_out: tuple[str, ...] = ()

    def trusted(self, host: str, address: str, port: int | None) -> Any:
        """Return what asyncssh wants to know: the keys, authorities and withdrawn keys of a computer.

        Raises
        ------
        Problem
            ``SM-SSH-009`` if a list can't be read.
        """
        listed = self._listed()
        # A list that was typed by hand may not name the port.
        found = [listed.match(host, address, each) for each in dict.fromkeys((port, None))]
        return tuple(list(dict.fromkeys(chain(*each))) for each in zip(*found, strict=True))

    def others(self, host: str, address: str, port: int) -> list[asyncssh.SSHKey]:
        """Return the keys under which a computer is known, which are not the one that it shows."""
        return list(self.trusted(host, address, port)[0])

    def ways_out(self, host: str, address: str, port: int) -> dict[str, str]:
        """Return how the old key of a computer is taken out of each list that has it, by the names of the lists.

        Lists are files, and what the institute handed out.
        """
        own, *others = map(str, self.files)
        handed_out = say("ssh.handed_out")
        lists = {str(file): HostKeys((file,)) for file in self.files}
        lists[handed_out] = HostKeys((), self.handed_out)
        ways = {
            own: say("ssh.out_of_own", file=own, listed=listed_name(host, port)),
            **{file: say("ssh.out_of_computer", file=file) for file in others},
            handed_out: say("ssh.out_of_handed_out"),
        }
        return {name: ways[name] for name, one in lists.items() if one.others(host, address, port)}

    def add(self, host: str, port: int, key: asyncssh.SSHKey) -> None:
        """Note a computer in the user's list; nothing that is there is changed."""
        line = f"{listed_name(host, port)} {key.export_public_key().decode().strip()}\n"
        file = self.files[0]
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = file.read_bytes() if file.exists() else b""
        gap = "" if not before or before.endswith(b"\n") else "\n"
        with file.open("a", encoding="utf-8", newline="\n") as lines:
            lines.write(gap + line)

    def _listed(self) -> asyncssh.SSHKnownHosts:
        try:
            texts = [file.read_text(encoding="utf-8") for file in self.files if file.is_file()]
            return asyncssh.import_known_hosts("\n".join([*texts, *self.handed_out]))
        except (OSError, ValueError) as error:
            names = ", ".join(map(str, self.files))
            raise Problem("SM-SSH-009", where=names, error=one_line(str(error))) from error


def listed_name(host: str, port: int) -> str:
    """Return what a computer is called in a list."""
    return host if port == 22 else f"[{host}]:{port}"
