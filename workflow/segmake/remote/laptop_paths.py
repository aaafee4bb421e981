r"""What a path of a user's own computer is called where the experiment is computed: rules alone, nothing is looked at.

>>> from pathlib import PureWindowsPath
>>> laptop = Laptop(PureWindowsPath(r"D:\day 1"), PureWindowsPath(r"C:\Users\marie"))
>>> laptop.called(r"data\images")
'data/images'
>>> laptop.called(r"..\models").startswith("sent/")
True
"""

from __future__ import annotations

import ntpath
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath

from segmake.core.files import fingerprint
from segmake.core.site_paths import Share, spelling_of, translated

# In the experiment's folder over there: what lies elsewhere on the user's own computer.
SENT = "sent"

# So many of the names in its path say which folder it is.
_LAST_NAMES = 3

# Before what Windows keeps such a path for: a drive, a server.
_NO_NAME = ":\\/"


@dataclass(frozen=True)
class Laptop:
    """How paths are written on a user's own computer.

    Parameters
    ----------
    experiment : PurePath
        The experiment's folder, in full; a `PureWindowsPath` makes it a computer with Windows.
    home : PurePath
        The user's.
    shares : sequence of Share
        The folders of the cluster that this computer sees too.
    """

    experiment: PurePath
    home: PurePath
    shares: Sequence[Share] = ()

    @property
    def is_windows(self) -> bool:
        """Whether its paths are those of Windows."""
        return isinstance(self.experiment, PureWindowsPath)

    def full(self, text: str) -> PurePath:
        """Return a path in full, without ``..`` and without ``~``."""
        kind = type(self.experiment)
        if text == "~" or text.startswith(("~/", "~\\")):
            text = f"{self.home}{text[1:]}"
        rules = ntpath if self.is_windows else posixpath
        return kind(rules.normpath(str(self.experiment / text)))

    def is_absolute(self, text: str) -> bool:
        """Whether a path says by itself where it lies."""
        return text.startswith("~") or type(self.experiment)(text).is_absolute()

    def below(self, text: str) -> str | None:
        """Return the way from the experiment's folder to a path, with ``/``; None if it lies elsewhere."""
        path = self.full(text)
        if not path.is_relative_to(self.experiment):
            return None
        return path.relative_to(self.experiment).as_posix()

    def shared(self, text: str) -> str | None:
        """Return what the cluster calls a path of a folder that both see; None if it lies in none of these."""
        # An address is none of this computer's paths.
        return translated(str(self.full(text)) if self.can_be_here(text) else text, self.shares)

    def called(self, text: str, *, is_folder: bool = True) -> str:
        """Return what a path is called over there: from the experiment's folder on, or as the cluster calls a share.

        Parameters
        ----------
        text : str
            As the config has it.
        is_folder : bool
            Files that lie in one folder outside of the experiment's stay together.
        """
        inside = self.below(text)
        if inside is not None:
            return inside
        if there := self.shared(text):
            return there
        path = self.full(text)
        folder = path if is_folder else path.parent
        aside = f"{SENT}/{_sign(folder)}/{self._last_names(folder)}"
        return aside if is_folder else f"{aside}/{path.name}"

    def _last_names(self, folder: PurePath) -> str:
        """Return the last names of a path: images of two folders of one name are told apart by those above, as here."""
        inner = folder
        if folder.is_relative_to(self.home) and folder != self.home:
            inner = folder.relative_to(self.home)
        above = [name for name in inner.parts[:-1] if name != inner.anchor]
        return "/".join([*above[1 - _LAST_NAMES :], _name(folder)])

    def can_be_here(self, text: str) -> bool:
        """Whether a text can be a path of this computer: ``/data`` is none of Windows, nor ``D:/`` one of others."""
        spelling = spelling_of(text)
        if spelling is None:
            return True
        return (spelling.root != "/") == self.is_windows


def _sign(folder: PurePath) -> str:
    """Return what tells a folder from all others of its name."""
    path = folder.as_posix()
    # Windows knows no upper and lower case.
    same = path.casefold() if isinstance(folder, PureWindowsPath) else path
    return fingerprint(same)[:8]


def _name(folder: PurePath) -> str:
    # A drive itself has no name.
    return folder.name or "".join(each for each in folder.drive if each not in _NO_NAME) or "root"
