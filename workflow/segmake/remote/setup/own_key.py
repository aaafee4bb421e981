"""The user's own SSH key on this computer: found, or made; nothing that is there is ever overwritten."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from segmake.core.files import error_line
from segmake.core.processes import host_name
from segmake.messages import Problem

# The keys that SSH looks for by itself, the best one first.
USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
# Where the first of these names is taken by a key that can't be used.
OWN = "id_ed25519_segmake"

# Behind the name of each key that was made for SegMake.
MARK = "(SegMake)"

# What others may not do: read a key; write what SSH believes.
_READABLE, _WRITABLE = 0o077, 0o022


@dataclass(frozen=True)
class OwnKey:
    """A key of the user's.

    Attributes
    ----------
    path : Path
        The file that stays on this computer.
    public : str
        The line that other computers get.
    locked : bool
        Whether a passphrase is typed for it.
    """

    path: Path
    public: str
    locked: bool = False

    @property
    def name(self) -> str:
        """How SSH's settings name the file, on each system."""
        return f"~/.ssh/{self.path.name}"


def folder() -> Path:
    """Return the folder of the user's keys."""
    return Path("~/.ssh").expanduser()


def usable_keys() -> Iterator[OwnKey]:
    """Yield the keys that SSH finds by itself, and the one that was made for SegMake, as far as they can be used."""
    for name in (*USUAL, OWN):
        path = folder() / name
        try:
            key = asyncssh.read_private_key(path)
        except (asyncssh.KeyImportError, OSError) as error:
            # With a passphrase, the public half lies beside it.
            if "passphrase" in str(error).lower():
                with suppress(asyncssh.KeyImportError, OSError):
                    public = asyncssh.read_public_key(path.with_name(f"{name}.pub"))
                    yield OwnKey(path, _line(public), locked=True)
        else:
            yield OwnKey(path, _line(key))


def make_key(passphrase: str) -> OwnKey:
    """Make an ed25519 key in the form of OpenSSH's.

    Parameters
    ----------
    passphrase : str
        Empty for none.

    Raises
    ------
    Problem
        ``SM-REM-033`` if it can't be written.
    """
    # Two laptops may have one name.
    comment = f"{getpass.getuser()}@{host_name()} {time.strftime('%Y-%m-%d')} {MARK}"
    made = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    path = _free_path()
    try:
        folder().mkdir(mode=0o700, exist_ok=True)
        _write_new(path, made.export_private_key("openssh", passphrase or None), 0o600)
        _write_new(path.with_name(f"{path.name}.pub"), made.export_public_key(), 0o644)
    except OSError as error:
        raise Problem("SM-REM-033", where=str(path), error=error_line(error)) from error
    return OwnKey(path, _line(made), locked=bool(passphrase))


def too_open() -> list[Path]:
    """Return what others may read or write here so that OpenSSH would not use it; Windows has other rights."""
    if os.name == "nt":
        return []
    keys = [folder() / name for name in (*USUAL, OWN)]
    forbidden = {folder(): _WRITABLE, folder() / "config": _WRITABLE}
    forbidden |= dict.fromkeys(keys, _READABLE)
    return [
        path for path, bits in forbidden.items() if path.exists() and path.stat().st_mode & bits
    ]


def close(path: Path) -> None:
    """Take from others what they may not do with a file or folder of the user's keys."""
    bits = _WRITABLE if path.is_dir() or path.name == "config" else _READABLE
    path.chmod(path.stat().st_mode & 0o7777 & ~bits)


def _free_path() -> Path:
    names = (USUAL[0], OWN, *(f"{OWN}_{number}" for number in range(2, 100)))
    paths = (folder() / name for name in names)
    free = (path for path in paths if not _is_taken(path))
    return next(free)


def _is_taken(path: Path) -> bool:
    return os.path.lexists(path) or os.path.lexists(path.with_name(f"{path.name}.pub"))


def _write_new(path: Path, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, mode), "wb") as file:
        file.write(content)


def _line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()
