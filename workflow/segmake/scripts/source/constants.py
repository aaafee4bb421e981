"""Puts values in the place of constants of a script: of a copy, in which nothing else is changed and no line moves."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmake.scripts.definition.values import MISFIT, as_number, as_truth, r_value, shell_value
from segmake.scripts.source.constants_of_text import Piece, r_constants, shell_constants
from segmake.scripts.source.static import KINDS, cells_of, last_name, without_commands

# The tag of the cell of a notebook whose constants are meant to be set, as papermill has it.
TAG = "parameters"

_LINE_END = re.compile(r"\r\n|\r|\n")


class SetError(Exception):
    """A constant can't be set.

    Attributes
    ----------
    name : str
    known : tuple of str
        The names that can be; empty if it is the value that does not fit.
    stands : str
        What stands there, and does not go with the value.
    """

    def __init__(self, name: str, known: tuple[str, ...] = (), stands: str = "") -> None:
        super().__init__(name)
        self.name, self.known, self.stands = name, known, stands


@dataclass(frozen=True)
class Change:
    """A piece of a script that is replaced.

    Attributes
    ----------
    line : int
        From 1.
    before, after : str
        The first line of it: ``SIZE = 3``.
    cell : int
        Of a notebook, from 1; else 0.
    """

    line: int
    before: str
    after: str
    cell: int = 0


@dataclass(frozen=True)
class _Place:
    """Where a constant gets its value: as Python's syntax tree has it."""

    node: ast.expr
    type: str = ""


def constants_of(path: Path) -> dict[str, str]:
    """Return the constants at the top level of a script, in their order, with what stands there.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        ``{"SIZE": "3", "Config.NAME": "'a'"}``; empty if the file can't be read.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError):
        return {}
    kind = KINDS.get(path.suffix, "")
    try:
        if kind == "notebook":
            cells = [text for _, _, text in _python_cells(data)]
            return {name: text for cell in cells for name, text in _python_constants(cell)}
        if kind == "python":
            text, _ = _decoded(data)
            return dict(_python_constants(text))
    except (SyntaxError, ValueError, LookupError, RecursionError):
        return {}
    pieces = _pieces(kind, data)
    return {name: found[0].text for name, found in pieces.items()}


def with_values(path: Path, values: Mapping[str, Any]) -> tuple[bytes, list[Change]]:
    """Return a script in which constants have other values, and what was changed.

    Parameters
    ----------
    path : Path
    values : dict
        By the names of constants that the script gives values to at its top level; of attributes of a class
        ``Config.NAME``. A dict replaces items of one. Numbers may be text.

    Raises
    ------
    SetError
        If the script has no such constant, or one that the value does not go with.
    OSError
        If the file can't be read.
    """
    data, kind = path.read_bytes(), KINDS.get(path.suffix, "")
    if kind == "notebook":
        return _notebook_with(data, values)
    if kind == "python":
        text, encoding = _decoded(data)
        text, changes = _python_with(text, values, str(path.absolute()))
        return _encoded(text, encoding), changes
    written = r_value if kind == "R" else shell_value
    pieces, text = _pieces(kind, data), data.decode("utf-8", "surrogateescape")
    edits = []
    for name, value in values.items():
        if name not in pieces:
            raise SetError(name, tuple(pieces))
        for piece in pieces[name]:
            new = written(value, piece.text)
            if new is MISFIT:
                raise SetError(name, stands=piece.text)
            edits.append((piece.start, piece.end, str(new)))
    return _replaced(text, edits, kind).encode("utf-8", "surrogateescape"), _changes(text, edits)


def _pieces(kind: str, data: bytes) -> dict[str, list[Piece]]:
    """Return the constants of a script in R or for bash, each with where its values stand."""
    text = data.decode("utf-8", "surrogateescape")
    found: dict[str, list[Piece]] = {}
    for name, piece in r_constants(text) if kind == "R" else shell_constants(text):
        found.setdefault(name, []).append(piece)
    return found


def _decoded(data: bytes) -> tuple[str, str]:
    """Return the text of a Python file as it says itself that it is written."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding), encoding


def _encoded(text: str, encoding: str) -> bytes:
    # A name of a file may hold what the script's encoding, or any, does not have: the language has escapes for it.
    return text.encode(encoding, "backslashreplace")


def _python_constants(text: str) -> Iterator[tuple[str, str]]:
    found = {name: places[0] for name, places in _places(_parsed(text)).items()}
    for name, place in found.items():
        yield name, ast.get_source_segment(text, place.node) or ""


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text.removeprefix("\ufeff"))
        except SyntaxError:
            # Commands of a notebook, on lines of their own.
            return ast.parse(without_commands(text))


def _places(tree: ast.Module) -> dict[str, list[_Place]]:
    """Return where each constant gets its value.

    Mostly once. Else wherever a value is written out or comes from outside: what is worked out from others stays.
    """
    assigned: dict[str, list[_Place]] = {}
    for name, place in _assigned(tree.body):
        assigned.setdefault(name, []).append(place)
    found = {}
    for name, places in assigned.items():
        plain = [place for place in places if _is_plain(place.node)]
        outer = [place for place in places if _is_from_outside(place.node)]
        own = [place for place in places if not _reads(place.node, name)]
        chosen = sorted([*plain, *outer], key=lambda place: place.node.lineno) if plain else own[:1]
        if chosen:
            found[name] = chosen
    return found


def _assigned(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, _Place]]:
    """Yield the assignments that are not in functions and loops."""
    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _bound(target, node.value, prefix)
        elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
            yield prefix + node.target.id, _Place(node.value, last_name(node.annotation))
        elif isinstance(node, ast.ClassDef) and not prefix:
            yield from _assigned(node.body, f"{node.name}.")
        elif isinstance(node, ast.If | ast.Try | ast.With):
            handlers = getattr(node, "handlers", [])
            blocks = [node.body, *(handler.body for handler in handlers)]
            for block in (*blocks, getattr(node, "orelse", []), getattr(node, "finalbody", [])):
                yield from _assigned(block, prefix)


def _bound(target: ast.expr, value: ast.expr, prefix: str) -> Iterator[tuple[str, _Place]]:
    if isinstance(target, ast.Name):
        yield prefix + target.id, _Place(value)
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        starred = any(isinstance(each, ast.Starred) for each in (*target.elts, *value.elts))
        if len(target.elts) == len(value.elts) and not starred:
            for inner, each in zip(target.elts, value.elts, strict=True):
                yield from _bound(inner, each, prefix)


def _is_plain(node: ast.expr) -> bool:
    """Whether a value is written out: a number, a text, a list of them, a call of something with such a value."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.UnaryOp):
        return _is_plain(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_plain(node.left) and _is_plain(node.right)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(map(_is_plain, node.elts))
    if isinstance(node, ast.Dict):
        return all(key is not None and _is_plain(key) for key in node.keys)
    return _argument(node) is not None


def _argument(node: ast.expr) -> ast.expr | None:
    """Return the only argument of a call, if it is written out: the text of ``Path("a.tif")``."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and _is_plain(node.args[0]):
        return node.args[0]
    return None


def _is_from_outside(node: ast.expr) -> bool:
    return any(last_name(part) in ("argv", "environ", "getenv") for part in ast.walk(node))


def _reads(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def _python_with(text: str, values: Mapping[str, Any], path: str = "") -> tuple[str, list[Change]]:
    """Return Python code with other values; `path` is what ``__file__`` is to be, empty: as it is."""
    tree = _parsed(text)
    places = _places(tree)
    starts = _line_starts(text)
    edits: list[tuple[int, int, str]] = []
    for name, value in values.items():
        if name not in places:
            raise SetError(name, tuple(places))
        for place in places[name]:
            for node, new in _edits(place.node, value, name, place.type):
                edits.append((*_span(text, starts, node), new))
    # One value may be that of two names.
    edits = sorted(set(edits))
    changes = _changes(text, edits)
    if path:
        edits += [(*_span(text, starts, node), repr(path)) for node in _own_path(tree)]
    return _replaced(text, edits, "python"), changes


def _own_path(tree: ast.Module) -> Iterator[ast.Name]:
    """Yield where a script asks for its own path: what lies beside it does not lie beside its copy."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "__file__" and isinstance(node.ctx, ast.Load):
            yield node


def _edits(node: ast.expr, value: Any, name: str, kind: str = "") -> Iterator[tuple[ast.expr, str]]:
    """Yield the parts of what stands there that are replaced, each with its new text."""
    argument = _argument(node)
    if value is not None and argument is not None:
        yield from _edits(argument, value, name)
    elif isinstance(value, dict):
        yield from _items(node, value, name)
    else:
        new = _python_value(value, node, kind)
        if new is MISFIT:
            raise SetError(name, stands=ast.unparse(node))
        yield node, str(new)


def _items(node: ast.expr, value: dict[str, Any], name: str) -> Iterator[tuple[ast.expr, str]]:
    """Yield the same for items of a dict that is written out: other items stay."""
    if not isinstance(node, ast.Dict):
        raise SetError(name, stands=ast.unparse(node))
    there = {
        str(key.value): item
        for key, item in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
    }
    for key, each in value.items():
        if key not in there:
            raise SetError(f"{name}: {key}", tuple(there))
        yield from _edits(there[key], each, name)


def _python_value(value: Any, node: ast.expr | None, kind: str = "") -> Any:
    """Return how a value is written in Python where another one stands, or `MISFIT`."""
    if value is None:
        return "None"
    if isinstance(node, ast.List | ast.Tuple | ast.Set) or (
        isinstance(value, list) and _kind(node, kind) == ""
    ):
        return _python_list(value, node)
    if isinstance(value, list):
        return MISFIT
    if call := _path_call(node):
        return f"{ast.unparse(call)}({_text(value)!r})"
    wanted = _kind(node, kind)
    if wanted == "str":
        return repr(_text(value))
    if wanted == "bytes":
        return repr(_text(value).encode("utf-8", "surrogateescape"))
    truth, number = as_truth(value), as_number(value)
    if wanted == "bool" and truth is not None:
        return str(truth)
    if number is not None:
        return number if number.lstrip("-")[0].isdigit() else f'float("{number}")'
    if wanted in ("bool", "number"):
        return str(value) if isinstance(value, bool) else MISFIT
    return str(value) if isinstance(value, bool) else repr(value)


def _python_list(value: Any, node: ast.expr | None) -> Any:
    if not isinstance(value, list):
        return MISFIT
    there = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []
    same = len(there) == len(value)
    models = there if same else [there[0] if there else None] * len(value)
    items = [_python_value(each, model) for each, model in zip(value, models, strict=True)]
    if MISFIT in items:
        return MISFIT
    inner = ", ".join(map(str, items))
    if isinstance(node, ast.Tuple):
        return f"({inner},)" if len(items) == 1 else f"({inner})"
    if isinstance(node, ast.Set):
        return f"{{{inner}}}" if items else "set()"
    return f"[{inner}]"


def _kind(node: ast.expr | None, hint: str = "") -> str:
    """Return the type of what stands there: ``str``, ``bytes``, ``bool``, ``number``, or nothing if any will do."""
    if isinstance(node, ast.UnaryOp):
        return _kind(node.operand)
    if isinstance(node, ast.JoinedStr):
        return "str"
    if isinstance(node, ast.BinOp):
        kinds = {_kind(node.left), _kind(node.right)}
        return "str" if "str" in kinds else "number" if kinds == {"number"} else ""
    value = node.value if isinstance(node, ast.Constant) else None
    for kind in (str, bytes, bool):
        if isinstance(value, kind):
            return kind.__name__
    if isinstance(value, int | float):
        return "number"
    return {"str": "str", "bool": "bool", "int": "number", "float": "number"}.get(hint, "")


def _path_call(node: ast.expr | None) -> ast.expr | None:
    """Return the ``Path`` of ``Path("a") / "b"``."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        node = node.left
    if isinstance(node, ast.Call) and last_name(node.func).endswith("Path"):
        return node.func
    return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


def _span(text: str, starts: list[int], node: ast.expr) -> tuple[int, int]:
    """Return where a node stands in a text; Python counts in bytes of UTF-8."""

    def place(line: int, column: int) -> int:
        start = starts[line - 1]
        end = starts[line] if line < len(starts) else len(text)
        mark = len("\ufeff".encode()) if line == 1 and text.startswith("\ufeff") else 0
        before = text[start:end].encode("utf-8", "surrogatepass")[: column + mark]
        return start + len(before.decode("utf-8", "surrogatepass"))

    return (
        place(node.lineno, node.col_offset),
        place(node.end_lineno or node.lineno, node.end_col_offset or 0),
    )


def _replaced(text: str, edits: list[tuple[int, int, str]], kind: str) -> str:
    """Return a text with pieces replaced, and as many lines as before."""
    for start, end, new in sorted(edits, reverse=True):
        lines = len(_LINE_END.findall(text[start:end]))
        if lines and kind == "shell":
            new += "\\\n" * lines
        elif lines:
            new = f"({new}" + "\n" * lines + ")"
        text = text[:start] + new + text[end:]
    return text


def _changes(text: str, edits: list[tuple[int, int, str]]) -> list[Change]:
    """Return the lines that pieces begin in, as they were and as they are then."""
    starts = _line_starts(text)
    found = []
    for number, start in enumerate(starts, start=1):
        end = starts[number] if number < len(starts) else len(text)
        here = sorted((edit for edit in edits if start <= edit[0] < end), reverse=True)
        if not here:
            continue
        # Of what goes over several lines, all is shown in one.
        last = max(end, *(edit[1] for edit in here))
        before = after = text[start:last]
        for first, stop, new in here:
            after = after[: first - start] + new + after[stop - start :]
        old, new = (" ".join(each.split("\n")[0].split()) for each in (before, after))
        found.append(Change(number, old, new))
    return found


def _python_cells(data: bytes) -> list[tuple[int, dict[str, Any], str]]:
    """Return the cells of a notebook that can be read as Python: number, cell and text."""
    try:
        found = cells_of(json.loads(data))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return []
    cells = []
    for number, cell in found:
        text = "".join(cell.get("source", cell.get("input", "")))
        with suppress(SyntaxError, ValueError, RecursionError):
            _parsed(text)
            cells.append((number, cell, text))
    return cells


def _notebook_with(data: bytes, values: Mapping[str, Any]) -> tuple[bytes, list[Change]]:
    """Return a notebook with other values: in a cell after the tagged one, as papermill does; else in their place."""
    content = json.loads(data)
    cells = [(n, _cell_of(content, n), text) for n, _, text in _python_cells(data)]
    places = [(*each, _places(_parsed(each[2]))) for each in cells]
    known = tuple(dict.fromkeys(name for *_, there in places for name in there))
    if unknown := next((name for name in values if name not in known), None):
        raise SetError(unknown, known)
    left, injected = dict(values), None
    changes: list[Change] = []
    for number, cell, text, there in places:
        own = {name: value for name, value in left.items() if name in there}
        if own and TAG in cell.get("metadata", {}).get("tags", ()):
            lines = [_assignment(text, there[name][0], name, own[name]) for name in own]
            injected = (number, lines)
            made = _python_with(text, own)[1]
            left = {name: value for name, value in left.items() if name not in own}
        else:
            new, made = _python_with(text, own)
            cell["source" if "source" in cell else "input"] = new.splitlines(keepends=True)
        changes += [Change(each.line, each.before, each.after, number) for each in made]
    if injected:
        _inject(content, *injected)
    return json.dumps(content, indent=1).encode("ascii"), changes


def _assignment(text: str, place: _Place, name: str, value: Any) -> str:
    """Return the line that gives a constant its new value after the old one."""
    starts = _line_starts(text)
    start, end = _span(text, starts, place.node)
    edits = [
        (first - start, last - start, new)
        for node, new in _edits(place.node, value, name, place.type)
        for first, last in [_span(text, starts, node)]
    ]
    return f"{name} = {_replaced(text[start:end], edits, 'python')}\n"


def _sheets(content: dict[str, Any]) -> list[dict[str, Any]]:
    # In old notebooks, cells are in sheets.
    return [content] if "cells" in content else content["worksheets"]


def _cell_of(content: dict[str, Any], number: int) -> dict[str, Any]:
    return [cell for sheet in _sheets(content) for cell in sheet["cells"]][number - 1]


def _inject(content: dict[str, Any], number: int, lines: list[str]) -> None:
    """Add a cell with these lines after the one with this number."""
    cell = _cell_of(content, number)
    new = {**cell, "metadata": {"tags": ["injected-parameters"]}, "outputs": []}
    new["source" if "source" in cell else "input"] = lines
    # Ids of cells have to differ.
    if "id" in cell:
        new["id"] = "segmake-set"
    for sheet in _sheets(content):
        if cell in sheet["cells"]:
            sheet["cells"].insert(sheet["cells"].index(cell) + 1, new)
            return
