"""Finds in a script's source what does not work where it is run: paths that lead nowhere, and what waits for a user."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.scripts.source.comments import lines_that_run
from segmake.scripts.source.static import Source, last_name, statements

# What takes the path of a file or folder first, and reads it.
_READ = {
    *("open", "imread", "imread_collection", "ImageCollection", "TiffFile", "TiffSequence", "File"),
    *("ND2File", "ND2Reader", "CziFile", "LifFile", "AICSImage", "BioImage", "VideoCapture"),
    *("read", "load", "loadtxt", "loadmat", "genfromtxt", "fromfile", "memmap"),
    *("listdir", "scandir", "walk", "glob", "iglob", "natsorted_glob"),
    *(
        "read_csv",
        "read_table",
        "read_excel",
        "read_json",
        "read_parquet",
        "read_hdf",
        "read_pickle",
    ),
}

# The same as methods of a path.
_READ_METHODS = {"glob", "rglob", "iterdir", "read_text", "read_bytes", "open"}

# What neither reads a file nor makes one; of anything else it may be that it makes the file that it is given.
_NEITHER = {
    *("join", "Path", "PurePath", "print", "str", "format", "exists", "isfile", "isdir", "is_file"),
    *("is_dir", "basename", "dirname", "splitext", "abspath", "expanduser", "info", "warning"),
}

# What may make files of any name: a program that is started, and what writes under a name that is put together.
_STARTS = {
    "system",
    "run",
    "call",
    "check_call",
    "check_output",
    "Popen",
    "extractall",
    "copy",
    "copyfile",
    "copytree",
}
_WRITES = {
    *(
        "open",
        "savefig",
        "imwrite",
        "imsave",
        "save",
        "savez",
        "savetxt",
        "to_csv",
        "to_excel",
        "to_parquet",
    ),
    *("to_json", "write_text", "write_bytes", "write_image", "touch"),
}

# Windows in which one chooses a file, for which there is no screen.
_DIALOGS = {
    "askopenfilename",
    "askopenfilenames",
    "askdirectory",
    "getOpenFileName",
    "getExistingDirectory",
}

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")

_ACTIVATES = re.compile(r"(^|[;&])\s*(source\s+activate|(conda|mamba|micromamba)\s+activate)\b")

# So many paths of a script are told.
MOST_PATHS = 3


@dataclass(frozen=True)
class ReadPath:
    """A path that is written out in a script and read.

    Attributes
    ----------
    text : str
    line : int
    name : str
        Of the constant that holds it; empty if none does.
    sure : bool
        Whether the line is always reached.
    """

    text: str
    line: int
    name: str = ""
    sure: bool = True

    @property
    def searched(self) -> bool:
        """Whether it is a folder, or a pattern, that the script looks for files in."""
        return "*" in self.text or not os.path.splitext(self.text)[1]

    @property
    def windows(self) -> bool:
        """Whether it is one of a computer with Windows."""
        return bool(_WINDOWS.match(self.text))


@dataclass
class _Reading:
    """The paths of a file of Python code."""

    trees: tuple[ast.Module, ...]
    known: set[str]
    constants: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    moves: bool = False
    makes_files: bool = False
    makes_folders: bool = False

    def paths(self) -> Iterator[ReadPath]:
        stored: list[str] = []
        nodes = [node for tree in self.trees for node in ast.walk(tree)]
        for node in nodes:
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                stored.append(node.id)
            elif isinstance(node, ast.arg):
                stored.append(node.arg)
        for tree in self.trees:
            for each in tree.body:
                target = each.targets[0] if isinstance(each, ast.Assign) else None
                if isinstance(each, ast.Assign) and isinstance(target, ast.Name):
                    text = self._text(each.value)
                    if text and stored.count(target.id) == 1 and target.id not in self.known:
                        self.constants[target.id] = text
        found: list[ReadPath] = []
        for tree in self.trees:
            reached = set(_sure_calls_of(tree))
            for node, _, _ in statements(tree):
                for call in _calls(node):
                    found += self._of_call(call, call not in reached)
        yield from (path for path in found if self._is_read(path))

    def _is_read(self, path: ReadPath) -> bool:
        """Whether a path is none that the script makes itself."""
        return not any(
            path.text == made or path.text.startswith(f"{made}/") for made in self.written
        )

    def may_be_there(self, path: ReadPath) -> bool:
        """Whether a relative path may be right: from another folder, or as what the script has made by then."""
        if os.path.isabs(path.text) or path.windows:
            return False
        inside = "/" in path.text.removeprefix("./")
        return self.moves or self.makes_folders or (self.makes_files and not inside)

    def _of_call(self, call: ast.Call, perhaps: bool) -> Iterator[ReadPath]:
        name = last_name(call.func)
        self.moves = self.moves or name == "chdir"
        method = isinstance(call.func, ast.Attribute) and name in _READ_METHODS
        base = (
            self._text(call.func.value) if method and isinstance(call.func, ast.Attribute) else ""
        )
        first = self._text(call.args[0]) if call.args else ""
        text, node = (os.path.join(base, first), call.func) if base else (first, None)
        if base and name in ("read_text", "read_bytes", "open"):
            text = base
        named = [self._text(each) for each in (*call.args[:1], *_receiver(call))]
        writes = name == "open" and _writes(call, 0 if base else 1)
        if text and not writes and (base or name in _READ):
            held = node.value if isinstance(node, ast.Attribute) else call.args[0]
            constant = next((n for n in _names(held) if n in self.constants), "")
            yield ReadPath(text, call.lineno, constant, not perhaps)
        elif name in _STARTS or (name in ("mkdir", "makedirs") and not any(named)):
            self.makes_folders = True
        elif name in _WRITES and (writes or name != "open") and not text:
            self.makes_files = True
        elif name not in _NEITHER:
            self.written |= {*named, *map(self._text, call.args)} - {""}

    def _text(self, node: ast.expr | None) -> str:
        """Return a path that can be told without running the script; empty if it can't."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        if isinstance(node, ast.Name):
            return self.constants.get(node.id, "")
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            parts = [self._text(each) for each in node.args]
            whole = bool(parts) and all(parts) and not node.keywords
            path = name in ("join", "Path", "PurePath") and whole
            return os.path.join(*parts) if path else ""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add):
            left, right = self._text(node.left), self._text(node.right)
            between = "/" if isinstance(node.op, ast.Div) else ""
            return f"{left}{between}{right}" if left and right else ""
        if isinstance(node, ast.JoinedStr):
            texts = [
                self._text(part.value if isinstance(part, ast.FormattedValue) else part)
                for part in node.values
            ]
            return "".join(texts) if all(texts) else ""
        return ""


def read_paths(source: Source, known: Mapping[str, Any]) -> list[ReadPath]:
    """Return the paths that Python code reads and that are written out in it.

    Parameters
    ----------
    source : Source
    known : dict
        Constants that get other values.
    """
    reading = _Reading(source.trees, set(known))
    try:
        found = list(reading.paths())
    except RecursionError:
        return []
    return [path for path in found if not reading.may_be_there(path)]


def _writes(call: ast.Call, place: int) -> bool:
    modes = [call.args[place]] if len(call.args) > place else []
    modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    return any(
        not isinstance(m, ast.Constant) or bool(set("wax+") & set(str(m.value))) for m in modes
    )


def _receiver(call: ast.Call) -> list[ast.expr]:
    return [call.func.value] if isinstance(call.func, ast.Attribute) else []


def _names(node: ast.expr) -> Iterator[str]:
    yield from (part.id for part in ast.walk(node) if isinstance(part, ast.Name))


def _calls(node: ast.stmt) -> Iterator[ast.Call]:
    """Yield the calls of a statement in their order, but for those of the statements within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from (part for part in ast.walk(child) if isinstance(part, ast.Call))


def leads_nowhere(path: ReadPath) -> bool:
    """Whether nothing is found where a run looks: its own folder is empty when it starts."""
    text = path.text
    if path.windows or not path.sure or "://" in text or text.startswith("~") or "\0" in text:
        return False
    if not os.path.isabs(text):
        # A word without an ending may be anything.
        return "/" in text or bool(re.search(r"\.\w{1,5}$", text)) or "*" in text
    fixed = re.split(r"[*?\[]", text)[0]
    return not os.path.exists(fixed if fixed == text else os.path.dirname(fixed))


def question(source: Source) -> tuple[str, int]:
    """Return what a script surely calls that waits for a user, and its line; nothing and 0 if it calls none."""
    for tree in source.trees:
        names = {n.id for n in _nodes(tree, ast.Name) if not isinstance(n.ctx, ast.Load)}
        names |= {n.arg for n in _nodes(tree, ast.arg)} | _imported(tree)
        names |= {n.name for n in _nodes(tree, ast.FunctionDef)}
        for call in _sure_calls_of(tree):
            asked = isinstance(call.func, ast.Name) and call.func.id == "input"
            if last_name(call.func) in _DIALOGS or (asked and "input" not in names):
                return last_name(call.func), call.lineno
    return "", 0


def _nodes(tree: ast.Module, kind: Any) -> Iterator[Any]:
    yield from (node for node in ast.walk(tree) if isinstance(node, kind))


def _imported(tree: ast.Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def _sure_calls_of(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls that each run of a file comes to: outside of functions, and in functions that these call."""
    functions = {node.name: node for node in _nodes(tree, ast.FunctionDef | ast.AsyncFunctionDef)}
    owners = dict(_owners(tree))
    calls: dict[ast.AST | None, list[ast.Call]] = {}
    for node, perhaps, _ in statements(tree):
        if not perhaps:
            calls.setdefault(owners.get(node), []).extend(_sure_calls(node))
    todo: list[ast.AST | None] = [None]
    seen = set(todo)
    while todo:
        for call in calls.get(todo.pop(0), []):
            yield call
            called = functions.get(call.func.id) if isinstance(call.func, ast.Name) else None
            if called is not None and called not in seen:
                seen.add(called)
                todo.append(called)


def _owners(tree: ast.Module) -> Iterator[tuple[ast.stmt, ast.AST]]:
    """Yield the statements of functions, each with the innermost one that it is in."""
    todo: list[tuple[ast.AST, ast.AST | None]] = [(tree, None)]
    while todo:
        node, owner = todo.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt) and owner is not None:
                yield child, owner
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            todo.append((child, child if is_function else owner))


def _sure_calls(node: ast.stmt) -> Iterator[ast.Call]:
    """Yield the calls of a statement that it always makes, but for those of the statements within it."""
    todo: list[ast.AST] = [node]
    while todo:
        part = todo.pop(0)
        if isinstance(part, ast.Call):
            yield part
        if isinstance(part, ast.Lambda):
            continue
        if isinstance(part, _FOR_EACH):
            # There may be none.
            todo.append(part.generators[0].iter)
        elif isinstance(part, ast.IfExp):
            todo.append(part.test)
        elif isinstance(part, ast.BoolOp):
            todo.append(part.values[0])
        else:
            inner = ast.iter_child_nodes(part)
            todo += [each for each in inner if not isinstance(each, _STATEMENTS)]


_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
_FOR_EACH = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def shell_pitfalls(path: Path) -> Iterator[tuple[str, int]]:
    """Yield what is unwise in a script for bash, with its line: ``activate``, ``set_e``."""
    lines = _lines(path, "shell")
    hook = any(re.search(r"conda\.sh|shell\.\w+ hook|mamba\.sh", line) for line in lines)
    for number, line in enumerate(lines, start=1):
        if _ACTIVATES.search(line) and not hook:
            yield "activate", number
            break
    commands = [
        line
        for line in map(str.strip, lines)
        if line
        and not re.match(
            r"(export\s+|readonly\s+)?\w+=\S*$|cd\b|module\b|[})]|(then|do|done|fi|else)\b", line
        )
    ]
    stops = re.compile(r"^\s*set\s+(-\w*e|.*\bo errexit)|\|\|\s*exit|&&\s*\\?$|^\s*trap\b.*\bERR\b")
    if len(commands) > 1 and not any(stops.search(line) for line in lines):
        yield "set_e", 0


def windows_line(path: Path, kind: str) -> int:
    """Return the line in which a script of a kind that is not Python has a path of Windows; 0 if none has."""
    for number, line in enumerate(_lines(path, kind), start=1):
        if re.search(r"""["'][A-Za-z]:[\\/]""", line):
            return number
    return 0


def _lines(path: Path, kind: str) -> list[str]:
    try:
        return lines_that_run(path.read_text(encoding="utf-8", errors="replace"), kind)
    except OSError:
        return []
