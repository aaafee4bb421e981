"""What options a script takes, where it says so to argparse in plain words; nothing of the script is run."""

from __future__ import annotations

import argparse
import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from segmake.scripts.source.static import last_name, read_source, statements

# Stands in a value for what is not known before the run.
UNKNOWN = "\ue000"

# Methods of a parser that make more of the command line than options can tell.
_DYNAMIC = {
    "add_subparsers",
    "parse_known_args",
    "parse_intermixed_args",
    "parse_known_intermixed_args",
    "register",
}

_KEYWORDS_OF_PARSER = {
    "prog",
    "usage",
    "description",
    "epilog",
    "formatter_class",
    "allow_abbrev",
    "add_help",
    "argument_default",
    "exit_on_error",
    "suggest_on_error",
    "color",
}

_SWITCHES = {
    "store_true",
    "store_false",
    "store_const",
    "append_const",
    "count",
    "help",
    "version",
}

_CHANGES = {"append", "clear", "extend", "insert", "pop", "remove"}


class _Dynamic(Exception):
    """The options can't be told without running the script."""


@dataclass(frozen=True)
class Option:
    """An option, or a positional argument, of a script.

    Attributes
    ----------
    names : tuple of str
        As the script has them: ``("-t", "--threshold")``.
    nargs : int or str or None
        As argparse has it; 0: a switch, which takes no value.
    required : bool
    kind : type or None
        ``int`` or ``float``; None: any text, as far as is known.
    choices : tuple
        Empty: any value.
    repeated : bool
        Whether each time that it is given adds a value.
    help : str
        What the script says of it; empty where that is not written out.
    default : object
        What it is where it is not given; None where it is nothing, or not written out.
    """

    names: tuple[str, ...]
    nargs: int | str | None = None
    required: bool = False
    kind: type | None = None
    choices: tuple[Any, ...] = ()
    repeated: bool = False
    help: str = ""
    default: Any = None

    @property
    def positional(self) -> bool:
        """Whether it is told by its place, and not by its name."""
        return not self.names[0].startswith("-")

    @property
    def switch(self) -> bool:
        """Whether it takes no value."""
        return self.nargs == 0

    @property
    def shown(self) -> str:
        """Its longest name."""
        return max(self.names, key=len)

    def takes(self, number: int) -> bool:
        """Whether so many values can follow it."""
        if isinstance(self.nargs, int):
            return number == self.nargs
        least, most = {None: (1, 1), "?": (0, 1), "*": (0, None), "+": (1, None)}[self.nargs]
        return number >= least and (most is None or number <= most)

    def accepts(self, text: str) -> bool:
        """Whether a value is one that it can have."""
        if UNKNOWN in text:
            return True
        try:
            value = self.kind(text) if self.kind else text
        except ValueError:
            return False
        return not self.choices or value in self.choices


@dataclass(frozen=True)
class Parser:
    """What a script takes.

    Attributes
    ----------
    options : tuple of Option
    abbreviated : bool
        Whether the beginning of an option's name will do.
    """

    options: tuple[Option, ...] = ()
    abbreviated: bool = True

    def find(self, word: str) -> Option | None:
        """Return the option that a word such as ``--threshold`` stands for."""
        for option in self.options:
            if word in option.names and not option.positional:
                return option
        if not self.abbreviated or not word.startswith("--"):
            return None
        begun = [o for o in self.options for name in o.names if name.startswith(word)]
        return begun[0] if len(begun) == 1 else None

    def refusal(self, words: list[str]) -> str:
        """Return what argparse says of a command line; empty if nothing is wrong."""
        try:
            parser = _Refusing(add_help=False, allow_abbrev=self.abbreviated)
            for number, option in enumerate(self.options):
                _add(parser, option, number)
        except (ValueError, TypeError, argparse.ArgumentError):
            return ""
        try:
            parser.parse_args(words)
        except _Refused as refused:
            return str(refused)
        return ""


class _Refused(Exception):
    pass


class _Refusing(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Refused(message)


class _Choices(tuple):
    __slots__ = ()

    def __contains__(self, value: Any) -> bool:
        return (isinstance(value, str) and UNKNOWN in value) or tuple.__contains__(self, value)


def _add(parser: argparse.ArgumentParser, option: Option, number: int) -> None:
    keywords: dict[str, Any] = {}
    if not option.positional:
        keywords = {"dest": f"option_{number}", "required": option.required}
    if option.switch:
        parser.add_argument(*option.names, action="store_true", **keywords)
        return
    kind = option.kind
    if kind:
        keywords["type"] = lambda text: text if UNKNOWN in text else kind(text)
        # argparse names the type in its message.
        keywords["type"].__name__ = kind.__name__
    if option.choices:
        keywords["choices"] = _Choices(option.choices)
    parser.add_argument(*option.names, nargs=option.nargs, **keywords)


def takes(file: Path, word: str) -> bool:
    """Whether a script may take an option: not if it is known which ones it takes, and this is none of them.

    Parameters
    ----------
    file : Path
    word : str
        Such as ``--output-dir``.
    """
    if file.suffix != ".py":
        return True
    try:
        stat = file.stat()
    except (OSError, ValueError):
        return True
    parser = _parser_of_file(file.absolute(), stat.st_size, stat.st_mtime_ns)
    return parser is None or parser.find(word) is not None


@lru_cache(maxsize=64)
def _parser_of_file(file: Path, size: int, mtime_ns: int) -> Parser | None:
    """Return what a script takes; it is read once in a job."""
    trees = read_source(file).trees
    return parser_of(trees[0]) if trees else None


def parser_of(tree: ast.Module) -> Parser | None:
    """Return what a script takes; None if that can't be told for sure without running it.

    It can be where there is one ``ArgumentParser``, to which options are added by their names, always, and in
    this file.
    """
    try:
        return _Reading(tree).parser()
    except (_Dynamic, RecursionError):
        return None


@dataclass
class _Reading:
    """The calls of a file that make a parser."""

    tree: ast.Module
    calls: list[tuple[ast.Call, bool]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def parser(self) -> Parser:
        self.names = dict(_names_of_argparse(self.tree))
        # Options are often added in a loop over their names.
        self.tree = _Unrolling(self.tree).visit(copy.deepcopy(self.tree))
        for node, perhaps, _ in statements(self.tree):
            self.calls += [(call, perhaps) for call in _calls(node)]
        makers = [call for call, _ in self.calls if self._is(call.func, "ArgumentParser")]
        if len(makers) != 1:
            raise _Dynamic
        self._refuse_what_is_dynamic()
        self._refuse_if_passed_on(makers[0])
        keywords = _keywords(makers[0])
        if makers[0].args[1:] or not set(keywords) <= _KEYWORDS_OF_PARSER:
            raise _Dynamic
        added = [self._option(call) for call, _ in self._methods("add_argument")]
        options = [option for options in added for option in options]
        if _constant(keywords.get("add_help"), True):
            options.append(Option(("-h", "--help"), 0))
        return Parser(tuple(options), bool(_constant(keywords.get("allow_abbrev"), True)))

    def _is(self, node: ast.expr | None, name: str) -> bool:
        """Whether an expression is something of argparse."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr == name and self.names.get(node.value.id) == "argparse"
        return isinstance(node, ast.Name) and self.names.get(node.id) == f"argparse.{name}"

    def _methods(self, *names: str) -> list[tuple[ast.Call, bool]]:
        return [
            (call, perhaps)
            for call, perhaps in self.calls
            if isinstance(call.func, ast.Attribute) and call.func.attr in names
        ]

    def _refuse_what_is_dynamic(self) -> None:
        parsed = self._methods("parse_args")
        if not parsed or self._methods(*_DYNAMIC) or _changes_command_line(self.tree):
            raise _Dynamic
        if any(perhaps for _, perhaps in (*parsed, *self._methods("add_argument"))):
            raise _Dynamic
        parameters = {
            argument.arg
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for argument in (*node.args.args, *node.args.kwonlyargs)
        }
        for call, _ in parsed:
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            if len(given) > 1 or not all(_is_command_line(one, parameters) for one in given):
                raise _Dynamic

    def _refuse_if_passed_on(self, maker: ast.Call) -> None:
        """Refuse if a function of another file gets the parser: it may add options."""
        known = {
            last_name(call.func.value)
            for call, _ in self._methods("add_argument", "parse_args")
            if isinstance(call.func, ast.Attribute)
        }
        functions = {
            node.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        known.discard("")
        for call, _ in self.calls:
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            passed = any(one is maker or last_name(one) in known for one in given)
            if passed and last_name(call.func) not in {*functions, "autocomplete"}:
                raise _Dynamic

    def _option(self, call: ast.Call) -> Iterator[Option]:
        keywords = _keywords(call)
        names = [_constant(argument) for argument in call.args]
        if not names or not all(isinstance(name, str) and name for name in names):
            raise _Dynamic
        required = _constant(keywords.get("required"), False) is True
        action = keywords.get("action")
        told = _told(keywords)
        if self._is(action, "BooleanOptionalAction"):
            yield Option(tuple(names), 0, **told)
            # Either of the two will do, so neither is asked for.
            others = tuple(f"--no-{name[2:]}" for name in names if name.startswith("--"))
            if others:
                yield Option(others, 0)
            return
        kind = _constant(action, "store")
        if kind in _SWITCHES:
            yield Option(tuple(names), 0, required, **told)
            return
        if kind not in ("store", "append", "extend"):
            raise _Dynamic
        nargs = self._nargs(keywords.get("nargs"))
        positional = not names[0].startswith("-")
        yield Option(
            tuple(names),
            nargs,
            nargs not in ("?", "*") if positional else required,
            self._type(keywords),
            self._choices(keywords),
            kind != "store",
            **told,
        )

    def _nargs(self, node: ast.expr | None) -> int | str | None:
        nargs = _constant(node, None)
        fits = nargs in (None, "?", "*", "+") or (type(nargs) is int and nargs > 0)
        if not fits:
            raise _Dynamic
        return nargs

    def _type(self, keywords: dict[str, ast.expr]) -> type | None:
        node = keywords.get("type")
        return {"int": int, "float": float}.get(getattr(node, "id", ""))

    def _choices(self, keywords: dict[str, ast.expr]) -> tuple[Any, ...]:
        """Return the choices, if they are written out and compared with what is known."""
        node, kind = keywords.get("choices"), keywords.get("type")
        if kind is not None and getattr(kind, "id", "") not in ("int", "float", "str"):
            return ()
        if not isinstance(node, ast.List | ast.Tuple | ast.Set):
            return ()
        values = [getattr(each, "value", None) for each in node.elts]
        plain = all(isinstance(each, ast.Constant) for each in node.elts)
        return tuple(values) if plain else ()


class _Unrolling(ast.NodeTransformer):
    """Writes out loops over what is written out itself, where options are added."""

    def __init__(self, tree: ast.Module) -> None:
        stored = [
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        self._values = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and stored.count(node.targets[0].id) == 1
        }

    def visit_For(self, node: ast.For) -> Any:
        self.generic_visit(node)
        adds = any(getattr(part, "attr", "") == "add_argument" for part in ast.walk(node))
        leaves = any(isinstance(part, ast.Break | ast.Continue) for part in ast.walk(node))
        rounds = self._rounds(node.iter)
        if not adds or leaves or node.orelse or rounds is None:
            return node
        written: list[ast.stmt] = []
        for value in rounds:
            names = dict(_bound(node.target, value))
            written += [_Filling(names).visit(copy.deepcopy(each)) for each in node.body]
        return written

    def _rounds(self, node: ast.expr) -> list[ast.expr] | None:
        """Return what a loop goes through; None if that is not written out."""
        items = isinstance(node, ast.Call) and last_name(node.func) == "items" and not node.args
        if items and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node = node.func.value
        if isinstance(node, ast.Name):
            node = self._values.get(node.id, node)
        if isinstance(node, ast.Dict) and None not in node.keys:
            keys = [key for key in node.keys if key is not None]
            if not items:
                return keys
            pairs = zip(keys, node.values, strict=True)
            return [ast.Tuple([key, value], ast.Load()) for key, value in pairs]
        if items or not isinstance(node, ast.List | ast.Tuple):
            return None
        found: list[ast.expr] = []
        for each in node.elts:
            inner = each.value if isinstance(each, ast.Starred) else ast.List([each], ast.Load())
            if not isinstance(inner, ast.List | ast.Tuple):
                return None
            found += inner.elts
        return None if any(isinstance(each, ast.Starred) for each in found) else found


def _bound(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names of a loop with what they stand for in a round."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple | ast.List):
        # Where they are not as many, Python tells it.
        for inner, each in zip(target.elts, value.elts, strict=False):
            yield from _bound(inner, each)


class _Filling(ast.NodeTransformer):
    """Puts values in the place of names, and joins texts."""

    def __init__(self, names: dict[str, ast.expr]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._names.get(node.id, node) if isinstance(node.ctx, ast.Load) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        self.generic_visit(node)
        parts = []
        for part in node.values:
            plain = part
            if isinstance(part, ast.FormattedValue) and part.format_spec is None:
                plain = part.value
            if not isinstance(plain, ast.Constant):
                return node
            parts.append(str(plain.value))
        return ast.copy_location(ast.Constant("".join(parts)), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        values = [getattr(part, "value", None) for part in (node.left, node.right)]
        plain = all(isinstance(part, ast.Constant) for part in (node.left, node.right))
        if plain and isinstance(node.op, ast.Add) and all(isinstance(v, str) for v in values):
            return ast.copy_location(ast.Constant("".join(map(str, values))), node)
        return node


def _names_of_argparse(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node, _, _ in statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "argparse":
                    yield alias.asname or alias.name, "argparse"
        elif isinstance(node, ast.ImportFrom) and node.module == "argparse":
            for alias in node.names:
                yield alias.asname or alias.name, f"argparse.{alias.name}"


def _calls(node: ast.stmt) -> Iterator[ast.Call]:
    """Yield the calls of a statement, but for those of the statements within it."""
    pending: list[ast.AST] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, ast.Call):
            yield part
        for child in ast.iter_child_nodes(part):
            if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                pending.append(child)


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    if starred or any(keyword.arg is None for keyword in call.keywords):
        raise _Dynamic
    return {str(keyword.arg): keyword.value for keyword in call.keywords}


def _constant(node: ast.expr | None, default: Any = None) -> Any:
    """Return a value that is written out; one that is not there has a default, and any other is ``...``."""
    if node is None:
        return default
    return node.value if isinstance(node, ast.Constant) else ...


def _told(keywords: dict[str, ast.expr]) -> dict[str, Any]:
    """Return what an option says of itself to people, as far as it is written out."""
    try:
        default = ast.literal_eval(keywords["default"]) if "default" in keywords else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        default = None
    words = _constant(keywords.get("help"), "")
    # As argparse fills it in.
    told = (
        words.replace("%(default)s", str(default)).replace("%%", "%")
        if isinstance(words, str)
        else ""
    )
    return {"help": told, "default": default}


def _is_command_line(node: ast.expr, parameters: Iterable[str]) -> bool:
    """Whether what is parsed is all of the command line: ``argv`` of a function mostly is."""
    if isinstance(node, ast.Constant):
        return node.value is None
    if isinstance(node, ast.Name):
        return node.id in parameters
    return ast.unparse(node) in ("sys.argv[1:]", "argv[1:]")


def _changes_command_line(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript | ast.Attribute | ast.Name):
            target = node.value if isinstance(node, ast.Subscript) else node
            changed = not isinstance(node.ctx, ast.Load)
            if isinstance(node, ast.Attribute) and node.attr in _CHANGES:
                target, changed = node.value, True
            if changed and last_name(target) == "argv":
                return True
    return False
