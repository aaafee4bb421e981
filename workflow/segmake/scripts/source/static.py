"""Reads a script's file without running it: what is wrong with it, and what it imports."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

KINDS = {".py": "python", ".ipynb": "notebook", ".R": "R", ".r": "R", ".sh": "shell"}

# The Python of SegMake's own environment for images (workflow/envs/imaging.yaml).
PYTHON = "3.11"

_IMPORT_FAILS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

# What makes Python look for modules elsewhere too.
_MOVES = {("sys", "path"), ("sys", "meta_path"), ("site", "addsitedir")}

_IMPORT_LINE = re.compile(
    r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n;]*)|import[ \t]+([^\n;]*))",
    re.MULTILINE,
)

_OURS = f"{sys.version_info.major}.{sys.version_info.minor}"

# Lines that are IPython and not Python: %magic, !command, ?help.
_IPYTHON = re.compile(r"(\s*)[%!?/,;]|.*=\s*[!%]|.*\?\s*$")
_PYTHON_CELLS = {"time", "timeit", "capture", "prun"}


@dataclass(frozen=True)
class Fault:
    """Why a script can't be run as it is.

    Attributes
    ----------
    kind : {"missing", "folder", "closed", "suffix", "encoding", "line_ends", "syntax", "python2", "notebook"}
    line : int
        From 1; 0: no line in particular.
    words : str
        What Python, or the system, says of it.
    cell : int
        Of a notebook, from 1; the line is counted in it.
    """

    kind: Literal[
        "missing",
        "folder",
        "closed",
        "suffix",
        "encoding",
        "line_ends",
        "syntax",
        "python2",
        "notebook",
    ]
    line: int = 0
    words: str = ""
    cell: int = 0


@dataclass(frozen=True)
class Source:
    """A script's file as it was read.

    Attributes
    ----------
    path : Path
    kind : str
        One of `KINDS`; empty for any other file.
    trees : tuple of ast.Module
        Its Python code, as far as it can be parsed: of a notebook one for each cell.
    fault : Fault or None
    language : str
        That of a notebook.
    """

    path: Path
    kind: str
    trees: tuple[ast.Module, ...] = ()
    fault: Fault | None = None
    language: str = "python"


@dataclass(frozen=True)
class Import:
    """What one import names.

    Attributes
    ----------
    module : str
    names : tuple of str
        What is taken from it: modules as well, where it is a package.
    level : int
        How many dots are in front of it.
    guarded : bool
        Whether it may fail.
    """

    module: str
    names: tuple[str, ...]
    level: int
    guarded: bool


def read_source(path: Path, python: str = PYTHON) -> Source:
    """Read a script's file; nothing of it is run.

    Parameters
    ----------
    path : Path
    python : str
        The version of Python that will run it. Syntax that is newer than this very Python can't be judged, and is
        no fault.
    """
    data, fault = _read(path)
    if fault is not None:
        return Source(path, KINDS.get(path.suffix, ""), fault=fault)
    return _source(path, data, python)


def _source(path: Path, data: bytes, python: str) -> Source:
    kind = KINDS.get(path.suffix, "")
    if not kind:
        return Source(path, kind, fault=Fault("suffix", words=path.suffix))
    if kind == "python":
        trees, fault = _parse(data, python)
        return Source(path, kind, trees, fault)
    if kind == "notebook":
        return _read_notebook(path, data, python)
    return Source(path, kind, fault=_plain_fault(kind, data))


def modules_of(path: Path) -> list[str]:
    """Return the modules that a script can't do without, and that neither Python has nor a file beside it.

    Modules whose absence the script provides for (``try``, ``if``) are left out. A script that changes ``sys.path`` may
    have modules of its own anywhere: of such a script only those are told that the catalogue of packages knows.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of str
        The first parts of their names, in alphabetical order; none if the file can't be read.
    """
    return _Walk(path).modules()


def local_files(path: Path) -> list[Path]:
    """Return a script and the files beside it that it imports, and those that they import in turn.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Path
        The script first, whether it is there or not.
    """
    return [path, *sorted(_Walk(path).files)]


def imports_of(path: Path) -> tuple[Import, ...]:
    """Return what a Python file, or a notebook, imports itself; nothing of a file that can't be read."""
    return _contents(path)[0]


def files_of_import(one: Import, place: Path, folders: Sequence[Path]) -> list[Path]:
    """Return the files that an import reads, of the first folder that has it.

    Parameters
    ----------
    one : Import
    place : Path
        The file that imports: dots in front of a module start from its folder.
    folders : sequence of Path
        Where other modules are looked for, the first ones first.
    """
    if one.level:
        folders = [place.parents[min(one.level, len(place.parents)) - 1]]
    for folder in folders:
        if found := list(_beside(folder, one.module, one.names)):
            return found
    return []


def notebook_code(path: Path) -> tuple[str, list[str]] | None:
    """Return the language of a notebook, and the code of its cells; None if it can't be read."""
    try:
        content = json.loads(_read(path)[0])
    except (ValueError, RecursionError):
        return None
    cells = _cells(content)
    return None if cells is None else (_language(content), [text for _, text in cells])


def cell_tree(text: str) -> ast.Module | None:
    """Return the Python of a notebook's cell; None if it is none, or not Python alone."""
    return _parse_cell(text, 0, newer=False)[0]


def statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool, bool]]:
    """Yield each statement of a file, whether it may be passed over, and whether an import in it may fail.

    Without recursion, which long files would be too deep for.
    """
    blocks: list[tuple[list[ast.stmt], bool, bool]] = [(tree.body, False, False)]
    while blocks:
        body, perhaps, guarded = blocks.pop()
        for node in body:
            yield node, perhaps, guarded
            inner = list(_blocks(node))
            blocks += [(block, perhaps or p, guarded or g) for block, p, g in inner]


def _blocks(node: ast.stmt) -> Iterator[tuple[list[ast.stmt], bool, bool]]:
    """Yield the blocks of a statement: each with whether it may be passed over, and an import in it may fail."""
    perhaps = guarded = False
    if isinstance(node, ast.If):
        perhaps = guarded = not _is_main_guard(node.test)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.While | ast.Match):
        perhaps = True
    elif isinstance(node, ast.Try | ast.TryStar):
        guarded = any(_catches_import(handler.type) for handler in node.handlers)
        perhaps = bool(node.handlers)
        for handler in node.handlers:
            yield handler.body, True, guarded
    elif isinstance(node, ast.With):
        guarded = any(_suppresses_import(item.context_expr) for item in node.items)
        perhaps = any(_suppresses(item.context_expr) for item in node.items)
    for case in getattr(node, "cases", ()):
        yield case.body, True, guarded
    for key in ("body", "orelse"):
        if block := getattr(node, key, None):
            yield block, perhaps, guarded
    if block := getattr(node, "finalbody", None):
        yield block, False, False


def _is_main_guard(test: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(test))


def _catches_import(caught: ast.expr | None) -> bool:
    return caught is None or any(last_name(part) in _IMPORT_FAILS for part in ast.walk(caught))


def _suppresses_import(manager: ast.expr) -> bool:
    if not isinstance(manager, ast.Call) or not _suppresses(manager):
        return False
    return any(_catches_import(argument) for argument in manager.args)


def _suppresses(manager: ast.expr) -> bool:
    return isinstance(manager, ast.Call) and last_name(manager.func) == "suppress"


def last_name(node: ast.AST) -> str:
    """Return the name of a variable, or of an attribute of anything; empty for what is neither."""
    return str(getattr(node, "attr", None) or getattr(node, "id", ""))


class _Walk:
    """What a script imports, and the files beside it that import in turn."""

    def __init__(self, path: Path) -> None:
        self.files: set[Path] = set()
        self._needed: set[str] = set()
        self._moves_path = False
        try:
            # Python looks beside the file that a link leads to.
            script = Path(os.path.realpath(path)) if path.suffix == ".py" else path.absolute()
        except ValueError:
            script = path
        self._folder = script.parent
        pending, seen = [(path, script, False)], {(script, False)}
        while pending:
            read, place, guarded = pending.pop()
            imports, moves_path = _contents(read)
            self._moves_path = self._moves_path or moves_path
            for one in imports:
                doubtful = guarded or one.guarded
                for file in self._follow(one, place, doubtful):
                    if (file, doubtful) not in seen:
                        seen.add((file, doubtful))
                        pending.append((file, file, doubtful))
        self.files.discard(script)

    def modules(self) -> list[str]:
        if self._moves_path:
            # Jobs read files too, where what the catalogue is read with is not installed.
            from segmake.environments.wanted.provided import package_of

            return sorted(module for module in self._needed if package_of(module))
        return sorted(self._needed)

    def _follow(self, one: Import, place: Path, guarded: bool) -> list[Path]:
        """Return the files that an import reads; a module that is elsewhere is noted."""
        found = files_of_import(one, place, [self._folder])
        first = one.module.split(".")[0]
        known = one.level or first in sys.stdlib_module_names or first == "__main__"
        # The folder is looked into last: it may be long, and imports are many.
        if not (found or known or guarded or _is_extension(self._folder, first)):
            self._needed.add(first)
        self.files |= set(found)
        return found


def _contents(path: Path) -> tuple[tuple[Import, ...], bool]:
    """Return what a file imports, and whether it has Python look for modules elsewhere too."""
    data, fault = _read(path)
    return ((), False) if fault else _contents_of(path.suffix, data)


@lru_cache(maxsize=2048)
def _contents_of(suffix: str, data: bytes) -> tuple[tuple[Import, ...], bool]:
    # Many files import the same ones, and they are asked for more than once: each text is parsed once.
    source = _source(Path(f"-{suffix}"), data, _OURS)
    return tuple(_imports_of(source, data)), any(map(_moves_path, source.trees))


def _imports_of(source: Source, data: bytes) -> Iterator[Import]:
    for tree in source.trees:
        yield from _imports(tree)
    if source.kind == "python" and not source.trees:
        # Another Python may well read it, and has to come to the same files.
        text = data.decode("utf-8", "replace")
        for match in _IMPORT_LINE.finditer(text):
            yield from _written_imports(*match.groups())


def _written_imports(start: str | None, listed: str | None, plain: str | None) -> Iterator[Import]:
    words = re.sub(r"#.*|[()\\]", " ", listed or plain or "").split(",")
    names = [word.split()[0] for word in words if word.split()]
    if start is None:
        yield from (Import(name, (), 0, True) for name in names)
    else:
        module = start.lstrip(".")
        yield Import(module, tuple(names), len(start) - len(module), True)


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node, _, guarded in statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), 0, guarded)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.module or "", names, node.level, guarded)


def _beside(folder: Path, module: str, names: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files in a folder that an import reads: packages on the way, the module, modules of a package."""
    for part in module.split(".") if module else ():
        package, file = folder / part / "__init__.py", folder / f"{part}.py"
        # Unlike Path's methods, these take an unreadable folder for an absent file.
        if os.path.isfile(package):
            yield package
        elif os.path.isfile(file):
            yield file
            return
        elif not os.path.isdir(folder / part):
            return
        folder = folder / part
    for name in names:
        for file in (folder / name / "__init__.py", folder / f"{name}.py"):
            if os.path.isfile(file):
                yield file
                break


def _is_extension(folder: Path, module: str) -> bool:
    return any(path.suffix in (".so", ".pyd") for path in folder.glob(f"{module}.*"))


def _moves_path(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        used: list[tuple[str | None, str]] = []
        if isinstance(node, ast.Attribute):
            used = [(last_name(node.value), node.attr)]
        elif isinstance(node, ast.ImportFrom):
            used = [(node.module, alias.name) for alias in node.names]
        if not _MOVES.isdisjoint(used):
            return True
    return False


def _read(path: Path) -> tuple[bytes, Fault | None]:
    try:
        # Unlike Path's methods, these take any text for a path.
        if os.path.isdir(path):
            return b"", Fault("folder")
        if not os.path.isfile(path):
            return b"", Fault("missing")
        return path.read_bytes(), None
    except OSError as error:
        return b"", Fault("closed", words=error.strerror or "")


def _parse(data: bytes, python: str) -> tuple[tuple[ast.Module, ...], Fault | None]:
    if fault := _encoding_fault(data):
        return (), fault
    wanted = _version(python)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data, feature_version=min(wanted, sys.version_info[:2]))
            # A `return` outside of a function is found by the compiler only.
            compile(data, "script", "exec", dont_inherit=True)
    except SyntaxError as error:
        return (), _syntax_fault(error, newer=wanted > sys.version_info[:2])
    except (ValueError, RecursionError, MemoryError):
        # Too deep for this Python, and perhaps not for another one.
        return (), None
    return (tree,), None


def _version(python: str) -> tuple[int, int]:
    major, minor = python.split(".")[:2]
    return int(major), int(minor)


def _syntax_fault(error: SyntaxError, *, newer: bool, cell: int = 0) -> Fault | None:
    words, line = error.msg or "", error.lineno or 0
    if words.startswith("Missing parentheses in call to"):
        return Fault("python2", line, words, cell)
    return None if newer else Fault("syntax", line, words, cell)


def _encoding_fault(data: bytes) -> Fault | None:
    """Return why a file is no text that Python reads: UTF-8, or what its first lines say."""
    if b"\0" in data:
        return Fault("encoding")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return Fault("encoding", data.count(b"\n", 0, error.start) + 1)
    except (SyntaxError, LookupError):
        return Fault("encoding", 1)
    return None


def _plain_fault(kind: str, data: bytes) -> Fault | None:
    """Return why a file that is not Python's is no text for its interpreter."""
    if b"\0" in data:
        return Fault("encoding")
    if kind == "shell" and b"\r\n" in data and data.count(b"\r\n") == data.count(b"\n"):
        return Fault("line_ends")
    return None


def _read_notebook(path: Path, data: bytes, python: str) -> Source:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        return Source(path, "notebook", fault=Fault("notebook", getattr(error, "lineno", 0)))
    cells = _cells(content)
    if cells is None:
        return Source(path, "notebook", fault=Fault("notebook"))
    language = _language(content)
    if language != "python":
        return Source(path, "notebook", language=language)
    wanted = _version(python)
    trees, fault = [], None
    for number, text in cells:
        tree, found = _parse_cell(text, number, newer=wanted > sys.version_info[:2])
        trees += [tree] if tree else []
        fault = fault or found
    return Source(path, "notebook", tuple(trees), fault)


def cells_of(content: Any) -> list[tuple[int, dict[str, Any]]]:
    """Return the cells of a notebook that have code, with their numbers from 1.

    Raises
    ------
    LookupError, TypeError, AttributeError
        If it is no notebook.
    """
    # In old notebooks, cells are in sheets.
    sheets = [content] if "cells" in content else content["worksheets"]
    cells = [cell for sheet in sheets for cell in sheet["cells"]]
    return [(n, cell) for n, cell in enumerate(cells, start=1) if cell["cell_type"] == "code"]


def without_commands(text: str) -> str:
    """Return the code of a cell without lines that are IPython, each replaced so that the others keep their numbers."""
    return "\n".join(re.sub(r"^(\s*)[%!?].*", r"\1pass", line) for line in text.split("\n"))


def _cells(content: Any) -> list[tuple[int, str]] | None:
    """Return the code of a notebook, with the numbers of its cells; None if it is no notebook."""
    try:
        return [
            (number, "".join(cell["source"] if "source" in cell else cell["input"]))
            for number, cell in cells_of(content)
        ]
    except (LookupError, TypeError, AttributeError):
        return None


def _language(content: Any) -> str:
    try:
        about = content["metadata"]
        kernel = about.get("kernelspec", {}).get("language")
        return str(kernel or about.get("language_info", {}).get("name") or "python").lower()
    except (LookupError, TypeError, AttributeError):
        return "python"


def _parse_cell(text: str, number: int, *, newer: bool) -> tuple[ast.Module | None, Fault | None]:
    lines = text.split("\n")
    magic = re.match(r"\s*%%(\w*)", text)
    if magic and magic[1] not in _PYTHON_CELLS:
        return None, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(without_commands(text)), None
    except SyntaxError as error:
        if any(_IPYTHON.match(line) for line in lines):
            return None, None
        return None, _syntax_fault(error, newer=newer, cell=number)
    except (ValueError, RecursionError, MemoryError):
        return None, None
