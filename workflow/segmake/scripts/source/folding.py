"""What a Python file says of other code that it runs, where paths are put together of what is known before the run."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any

from segmake.scripts.source.static import last_name

# Calls that run a module, or a file.
_IMPORTS = {"import_module", "__import__", "run_module"}
_RUNS = {"run_path", "SourceFileLoader", "spec_from_file_location", "execfile"}
_STARTS = {"run", "call", "check_call", "check_output", "Popen", "system"}
_INTERPRETERS = ("python", "python3", "Rscript", "bash", "sh", "julia", "perl")

# What makes a path of paths, and what leaves one as it is.
_JOINS = {"Path", "PurePath", "PosixPath", "join", "joinpath"}
_SAME = {
    "abspath",
    "realpath",
    "normpath",
    "expanduser",
    "fspath",
    "str",
    "resolve",
    "absolute",
    "as_posix",
}

_INSTALLED = {"site-packages", "dist-packages"}

# So many values are looked at that an expression may have.
_MOST = 50


@dataclass
class Seen:
    """What a file says of other code that it runs.

    Attributes
    ----------
    programs : list of Path
        Files that it starts, or reads as code.
    modules : list of str
        Modules that it imports by a name that is a value.
    folders : list of Path
        ResultPaths in which it looks for modules, too.
    unseen : list of str
        Where it runs what can't be told, as it is written.
    """

    programs: list[Path] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def add(self, other: Seen) -> None:
        """Take in what another part of the file says."""
        self.programs += other.programs
        self.modules += other.modules
        self.folders += other.folders
        self.unseen += other.unseen


def seen_in_python(
    trees: Iterable[ast.Module], file: Path, programs: Callable[[str], list[Path]]
) -> Seen:
    """Return what a Python file, or a notebook, says of other code that it runs.

    Parameters
    ----------
    trees : iterable of ast.Module
    file : Path
    programs : callable
        From a text to the code files that it names, and that are there.
    """
    seen = Seen()
    try:
        nodes = [node for tree in trees for node in ast.walk(tree)]
        reading = _Reading(file, nodes)
        texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            # A text that stands alone is a comment.
            is_text = isinstance(node, ast.Constant | ast.BinOp | ast.JoinedStr)
            if isinstance(node, ast.Call) or (is_text and id(node) not in texts):
                seen.programs += [path for text in reading.values(node) for path in programs(text)]
            if isinstance(node, ast.Call):
                reading.note_call(node, seen)
            elif isinstance(node, ast.List | ast.Tuple):
                reading.note_words(node, seen)
    except RecursionError:
        # Too deep for this Python.
        pass
    return seen


class _Reading:
    """The values that expressions of a file may have, as far as they are written in it."""

    def __init__(self, file: Path, nodes: list[ast.AST]) -> None:
        self._file = file
        self._bound: dict[str, list[ast.expr | None]] = {}
        self._busy: set[str] = set()
        for node in nodes:
            for target, value in _bindings(node):
                if isinstance(target, ast.Name):
                    self._bound.setdefault(target.id, []).append(value)

    def values(self, node: ast.AST | None) -> list[str]:
        """Return the texts that an expression may stand for; none where that is not known."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.Name):
            return [str(self._file)] if node.id == "__file__" else self._of_name(node.id)
        if isinstance(node, ast.Attribute):
            return [
                os.path.dirname(one) for one in self.values(node.value) if node.attr == "parent"
            ]
        if isinstance(node, ast.Subscript):
            return self._of_variable(node.value, node.slice) or self._of_parents(node)
        if isinstance(node, ast.BinOp):
            signs: dict[type, str] = {ast.Div: os.sep, ast.Add: ""}
            between = signs.get(type(node.op))
            return [] if between is None else self._joined([node.left, node.right], between)
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.FormattedValue) else p for p in node.values]
            return self._joined(parts, "")
        return self._of_call(node) if isinstance(node, ast.Call) else []

    def _of_name(self, name: str) -> list[str]:
        if name in self._busy:
            return []
        self._busy.add(name)
        found: list[str] = []
        for bound in self._bound.get(name, ()):
            values = self.values(bound) if bound is not None else []
            found += values
            if not values:
                found = []
                break
        self._busy.discard(name)
        return found[:_MOST]

    def _of_variable(self, owner: ast.AST | None, name: ast.AST | None) -> list[str]:
        """Return the folder of the script, where the variable that SegMake says it in is asked for."""
        of_folder = isinstance(name, ast.Constant) and name.value == "SEGMAKE_SCRIPT_FOLDER"
        asked = last_name(owner) in ("environ", "getenv") if owner else False
        return [os.path.dirname(self._file)] if of_folder and asked else []

    def _of_parents(self, node: ast.Subscript) -> list[str]:
        place = getattr(node.slice, "value", None)
        if last_name(node.value) != "parents" or not isinstance(place, int):
            return []
        wholes = [Path(value).parents for value in self.values(getattr(node.value, "value", None))]
        return [str(parents[place]) for parents in wholes if 0 <= place < len(parents)]

    def _joined(self, nodes: list[ast.expr], between: str) -> list[str]:
        parts = [self.values(node) for node in nodes]
        if not all(parts):
            return []
        joined = [
            between.join(each) if not between else os.path.join(*each) for each in product(*parts)
        ]
        return joined[:_MOST]

    def _of_call(self, node: ast.Call) -> list[str]:
        name, owner = last_name(node.func), getattr(node.func, "value", None)
        of_owner = [owner] if owner is not None and self.values(owner) else []
        if name in _JOINS and (node.args or of_owner):
            return self._joined([*of_owner, *node.args], os.sep)
        if name in _SAME:
            return self.values((of_owner or node.args or [None])[0])
        if name in ("get", "getenv") and node.args:
            return self._of_variable(owner if name == "get" else node.func, node.args[0])
        if name == "dirname" and node.args:
            return [os.path.dirname(value) for value in self.values(node.args[0])]
        return []

    def note_call(self, node: ast.Call, seen: Seen) -> None:
        """Note the modules and folders that a call names, or that it can't be told what it runs."""
        name = last_name(node.func)
        first = node.args[0] if node.args else None
        if name in _IMPORTS and first is not None:
            self._note_import(node, first, seen)
        elif name in _RUNS and first is not None:
            path = node.args[1] if name[0] in "Ss" and node.args[1:] else first
            self._tell_unless(self.values(path), node, seen)
        elif name == "exec" and first is not None:
            calls = [call for call in ast.walk(first) if isinstance(call, ast.Call)]
            opened = [call for call in calls if last_name(call.func) in ("open", "read_text")]
            known = [
                self.values(call.args[0] if call.args else getattr(call.func, "value", None))
                for call in opened
            ]
            self._tell_unless(all(known), node, seen)
        elif name in ("insert", "append", "extend") and _is_path(getattr(node.func, "value", None)):
            self._note_folders(node, seen)

    def _note_import(self, node: ast.Call, first: ast.expr, seen: Seen) -> None:
        names = self.values(first)
        self._tell_unless(names, node, seen)
        for name in names:
            module = name.lstrip(".")
            if module != name:
                seen.folders.append(self._file.parents[len(name) - len(module) - 1])
            seen.modules += [module, f"{module}.__main__"]

    def _note_folders(self, node: ast.Call, seen: Seen) -> None:
        given = node.args[-1] if node.args else None
        several = given.elts if isinstance(given, ast.List | ast.Tuple) else [given]
        for one in several:
            values = self.values(one)
            self._tell_unless(values, node, seen)
            # Any text may stand there; installed packages are those of an environment.
            with suppress(OSError, ValueError):
                folders = [Path(os.path.realpath(self._file.parent / value)) for value in values]
                own = [each for each in folders if not _INSTALLED & {*each.parts}]
                seen.folders += [folder for folder in own if folder.is_dir()]

    def note_words(self, node: ast.List | ast.Tuple, seen: Seen) -> None:
        """Note what a command line starts: ``[sys.executable, path]``."""
        words = [self.values(each) for each in node.elts]
        for flag, value in pairwise(words):
            if flag == ["-m"]:
                seen.modules += [part for one in value for part in (one, f"{one}.__main__")]
        starts = node.elts and (
            last_name(node.elts[0]) == "executable"
            or any(os.path.basename(word) in _INTERPRETERS for word in words[0])
        )
        if starts and words[1:] and not words[1] and not isinstance(node.elts[1], ast.Starred):
            self._tell_unless((), node, seen)

    def _tell_unless(self, known: Any, node: ast.expr, seen: Seen) -> None:
        if not known:
            seen.unseen.append(ast.unparse(node))


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Yield the names that a statement gives a value, each with the value; None if it is not known."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value) for target in node.targets)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        yield node.target, node.value
    elif isinstance(node, ast.AugAssign | ast.withitem):
        target = node.target if isinstance(node, ast.AugAssign) else node.optional_vars
        if target is not None:
            yield target, None
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        if isinstance(node.iter, ast.List | ast.Tuple | ast.Set):
            yield from ((node.target, value) for value in node.iter.elts)
        else:
            yield node.target, None
    elif isinstance(node, ast.arg):
        yield ast.Name(node.arg), None


def _is_path(node: ast.AST | None) -> bool:
    return node is not None and last_name(node) == "path"
