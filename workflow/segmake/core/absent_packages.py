"""What is told where a package is missing: which part of SegMake brings it.

A computer that only sends images has few packages, and gets those that are missing with the next larger part.
"""

from __future__ import annotations

from segmake.messages import Problem

# What is imported of each extra of pyproject.toml, and of none that is smaller.
OF_PAGE = frozenset({"asyncssh", "bcrypt", "jinja2", "starlette", "uvicorn"})
OF_LOOK = frozenset(
    {
        *("PIL", "imagecodecs", "liffile", "nd2", "numpy", "pylibCZIrw", "scipy", "tensorstore"),
        "tifffile",
    }
)


def absent(name: str) -> Problem:
    """Return what to say of a package that could not be imported.

    Parameters
    ----------
    name : str
        As it is imported, perhaps with a part of it: ``scipy.ndimage``.
    """
    package = name.partition(".")[0]
    if package in OF_PAGE:
        return Problem("SM-REM-052", package=package)
    return Problem("SM-PAG-060" if package in OF_LOOK else "SM-RUN-065", package=package)
