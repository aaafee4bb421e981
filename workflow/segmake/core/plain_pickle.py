"""Reads the arrays and plain values in a pickle from who knows where: nothing in it can run, or lead NumPy astray.

The instructions of a pickle are followed by Python's own reader in Python, which knows here only those that plain
values are made of; whatever they name is one of the classes below, that keep what they are given. NumPy's own ways to
make arrays of pickles trust them: 200 bytes can make one of an address in memory. Here arrays are made at the end, of
bytes, with a type of numbers and as many bytes as it takes.
"""

from __future__ import annotations

import math
import os
import pickle
import re
from typing import IO, Any, ClassVar

import numpy as np

# A number of so many bytes: b1, u2, i8, f4.
_NUMBER = re.compile(r"(?:b1|[ui][1248]|f[248])")

# Of these instructions, an array or a plain value is made; and what stands for objects of programs that are not here.
_INSTRUCTIONS = (
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP"),
    *(
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
    ),
    *("FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *(
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_LIST",
        "LIST",
        "APPEND",
        "APPENDS",
    ),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX"),
)


def load(file: IO[bytes]) -> Any:
    """Read a pickle.

    Parameters
    ----------
    file : file
        Open, at the beginning of the pickle.

    Returns
    -------
    object
        Plain values; an `Array` for each array, and something inert for anything else.

    Raises
    ------
    Exception
        Any, if it is damaged or is more than that.
    """
    return _Unpickler(_Bounded(file)).load()


class Inert:
    """Stands for whatever else than arrays and plain values is in a file: it does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Do nothing."""

    def extend(self, items: Any) -> None:
        """Do nothing."""

    def add(self, item: Any) -> None:
        """Do nothing."""


class _Type(Inert):
    """What a pickle says of the type of an array."""

    def __init__(self, code: Any = None, *rest: Any) -> None:
        self._code, self._order = code, "|"
        self._plain = True

    def __setstate__(self, state: Any) -> None:
        _, self._order, *parts = state[:5]
        self._plain = parts == [None, None, None]

    def type(self) -> np.dtype | None:
        """Return the type if it is one of numbers."""
        if not self._plain or not isinstance(self._code, str) or not _NUMBER.fullmatch(self._code):
            return None
        if self._order not in ("<", ">", "=", "|"):
            return None
        return np.dtype(self._order + self._code)


class Array(Inert):
    """What a pickle says of an array."""

    def __init__(self, *args: Any) -> None:
        self._state: Any = None

    def __setstate__(self, state: Any) -> None:
        self._state = state

    def item(self) -> Any:
        """Return the only object in an array of objects.

        Raises
        ------
        ValueError
            If that is not what it is.
        """
        shape, _, _, content = self._parts()
        if shape != () or not isinstance(content, list) or len(content) != 1:
            raise ValueError("not one object")
        return content[0]

    def array(self) -> np.ndarray:
        """Return an array of numbers.

        Raises
        ------
        ValueError
            If it is another one, or has not as many bytes as it takes.
        """
        shape, kind, fortran, content = self._parts()
        found = kind.type() if isinstance(kind, _Type) else None
        if found is None or not isinstance(content, bytes):
            raise ValueError("not an array of numbers")
        if len(shape) > 8 or math.prod(shape) * found.itemsize != len(content):
            raise ValueError(f"{len(content)} bytes for {shape} of {found}")
        return np.frombuffer(content, found).reshape(shape, order="F" if fortran else "C")

    def _parts(self) -> tuple[tuple[int, ...], Any, bool, Any]:
        """Return shape, type, whether the first index changes fastest, and content."""
        # New versions of NumPy have a number of their format before these.
        if not isinstance(self._state, tuple) or len(self._state) not in (4, 5):
            raise ValueError("no array")
        shape, kind, fortran, content = self._state[-4:]
        # A size of True is none; a negative one could make up for another.
        if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape):
            raise ValueError("no shape")
        return shape, kind, bool(fortran), content


# NumPy 1 and 2 have different names for the same.
_NAMES: dict[tuple[str, str], type] = {
    ("numpy", "dtype"): _Type,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): Array for core in ("core", "_core")},
}


class _Unpickler(pickle._Unpickler):
    """Python's reader of pickles in Python, with fewer instructions and names."""

    dispatch: ClassVar = {
        code: pickle._Unpickler.dispatch[code]
        for code in (getattr(pickle, name)[0] for name in _INSTRUCTIONS)
    }

    def find_class(self, module: str, name: str) -> type:
        """Return what stands for a name; nothing is imported."""
        return _NAMES.get((module, name), Inert)


class _Bounded:
    """A file that refuses to give more than it has, before memory is sought for it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.readline = file.readline
        self._end = os.fstat(file.fileno()).st_size

    def read(self, number: int) -> bytes:
        """Return so many bytes."""
        if number > self._end - self._file.tell():
            raise EOFError("cut off")
        return self._file.read(number)
