"""The files with the weights of networks: fetched once, checked, and known by what is in them."""

from __future__ import annotations

import errno
import hashlib
import shutil
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch

from segmake.core.disk import disk_problem
from segmake.core.files import alone, error_line, write_atomically
from segmake.messages import Problem, say

# A server that says nothing for so long says nothing any more.
_PATIENCE_SECONDS = 60

# Notes of the training, which old files lack.
_NOTES = {"diam_mean", "diam_labels"}


def fetch_files(folder: Path, addresses: Mapping[str, str], model: str) -> None:
    """Download the files of a built-in model that are not there, and check those whose content was noted.

    Parameters
    ----------
    folder : Path
        The folder of models.
    addresses : mapping
        Where to get each file, by the names that they have in the folder.
    model : str
        The model's name, for messages.

    Raises
    ------
    Problem
        ``SM-RUN-007`` if they can't be downloaded, ``SM-MOD-002`` if a file is not what it was the first time.
    """
    for name, address in addresses.items():
        path = folder / name
        try:
            if not path.is_file():
                with alone(folder, "model.waiting"):
                    if not path.is_file():
                        print(say("model.download", model=name, folder=folder), file=sys.stderr)
                        _download(address, path)
        except (OSError, HTTPException) as error:
            if problem := disk_problem(error, folder):
                raise problem from error
            missing = [name for name in addresses if not (folder / name).is_file()]
            raise Problem(
                "SM-RUN-007",
                where=model,
                model=model,
                error=str(getattr(error, "reason", "") or error),
                files=", ".join(missing),
                addresses=", ".join(addresses[name] for name in missing),
                folder=folder,
            ) from error
        _check_content(path, model)


def note_content(files: Iterable[Path]) -> None:
    """Note the checksums of files that were loaded, beside them, where there is no note yet.

    Parameters
    ----------
    files : iterable of Path
        Of a built-in model: one that the user trained may be trained again.
    """
    for path in files:
        if not _noted(_note(path)):
            # A shared folder that others look after can't be written to, and need not be.
            with suppress(OSError), write_atomically(_note(path)) as part:
                part.write_text(f"{checksum(path)}  {path.name}\n", encoding="ascii")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(path: Path, model: str) -> Path:
    """Return the path of a file of weights.

    Raises
    ------
    Problem
        ``SM-MOD-003`` if it is not there: what was fetched on one computer may be out of another one's sight.
    """
    if not path.is_file():
        raise Problem("SM-MOD-003", where=model, model=model, path=path)
    return path


def read_weights(path: Path, model: str, engine: str) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a file of weights; they are not brought into memory.

    Raises
    ------
    Problem
        ``SM-MOD-001`` if they are for another engine, ``SM-RUN-006`` if the file holds no weights.
    """
    try:
        found = _load(path)
        state = {name.removeprefix("module."): tensor for name, tensor in found.items()}
    except Exception as error:
        # What PyTorch says of such a file is advice to programmers; of a short one, that an argument is invalid.
        refused = isinstance(error, OSError) and error.errno != errno.EINVAL
        reason = error_line(error) if refused else say("model.no_weights")
        raise Problem("SM-RUN-006", where=model, model=model, error=reason) from error
    other = engine_of(state)
    if other not in (engine, None):
        raise Problem("SM-MOD-001", where=model, model=model, engine=engine, other=other)
    return state


def engine_of(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return the engine that a network is for, told by its tensors; None if it is of none that is known.

    Cellpose 4 turns tokens into pixels with a tensor ``W2``. The U-net of Cellpose 1 to 3 gives three values for each
    pixel (two of the flow, and the probability of a cell), and one value if it restores images; it keeps the diameter
    of its training images (``diam_mean``). That of Omnipose does not, and mostly gives a fourth value, the boundary.
    """
    if "W2" in state:
        return "cellpose"
    head = state.get("output.2.weight")
    if head is None:
        return None
    if head.shape[0] > 3:
        return "omnipose"
    return "cellpose3" if head.shape[0] == 1 or "diam_mean" in state else None


def check_complete(network: torch.nn.Module, state: Mapping[str, torch.Tensor], model: str) -> None:
    """Refuse a file that lacks weights: Cellpose would leave random numbers in their places.

    Raises
    ------
    Problem
        ``SM-RUN-006``
    """
    wanted = {name for name, _ in network.named_parameters()} - _NOTES
    if missing := sorted(wanted - state.keys()):
        reason = f"{missing[0]} (+ {len(missing) - 1})"
        raise Problem("SM-RUN-006", where=model, model=model, error=f"KeyError: {reason}")


def _download(address: str, path: Path) -> None:
    with write_atomically(path) as part:
        with (
            urllib.request.urlopen(address, timeout=_PATIENCE_SECONDS) as answer,  # noqa: S310
            part.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file, 1 << 20)
        length, size = answer.headers["Content-Length"], part.stat().st_size
        # A connection that breaks off looks like the end of the file.
        if length is not None and size != int(length):
            raise OSError(f"{size} of {length} bytes")
        # So does the page on which a network asks who one is.
        if not _holds_weights(part):
            raise OSError(say("model.no_weights"))


def _holds_weights(path: Path) -> bool:
    try:
        return isinstance(_load(path), Mapping)
    except Exception:
        return False


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:
        # Files from before torch 1.6 can't be mapped into memory.
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_content(path: Path, model: str) -> None:
    """Hold a file against the checksum that was noted when it was first loaded."""
    note = _note(path)
    noted = _noted(note)
    if noted and noted != checksum(path):
        raise Problem("SM-MOD-002", where=model, model=model, path=path, note=note)


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _noted(note: Path) -> str | None:
    try:
        return note.read_text(encoding="ascii").split()[0]
    except (OSError, UnicodeError, IndexError):
        return None
