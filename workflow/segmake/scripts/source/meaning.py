"""What a script is itself, and which of its changes are none: a comment, a number written in another way.

Keys hold a fingerprint of a script's files as they are written. So that a comment runs nothing again, a table in the
state folder holds which fingerprint was first used for what a script means, and keys go on with that one. It also keeps
the results of earlier versions, which did not see all files that a script runs: what a script was made of when it was
looked at first is what they were computed with.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from segmake.core.files import append_line, fingerprint
from segmake.scripts.definition.script import Script, same_number
from segmake.scripts.source.comments import without_comments
from segmake.scripts.source.followed import Unseen, follow, named_files
from segmake.scripts.source.static import cell_tree, last_name, notebook_code, read_source

# Raised when meanings are told in another way: results go on all the same, since the table has the texts as well.
_VERSION = 1

# A larger file is told from another by its size and its time.
_SMALL = 1 << 20

# What sees more of a file than what it does.
_SEES_TEXTS = re.compile(r"__doc__|getdoc|getsource|docopt")
_SEES_VARIABLES = re.compile(r"\benviron\b|\bgetenv\b")


@dataclass(frozen=True)
class Identity:
    """What a script is itself: its code, arguments, environment.

    Attributes
    ----------
    code : str
        What stands for it in keys.
    text : str
        Fingerprint of all of its files as they are written.
    names : tuple of str
        By which the table finds `code` again: by what it means, and by how it is written.
    files : tuple of Path
        All files that it is made of.
    unseen : tuple of Unseen
        Where it runs what can't be told.
    unmatched : tuple of str
        The patterns in its ``files`` that no file fits.
    """

    code: str
    text: str
    names: tuple[str, ...]
    files: tuple[Path, ...]
    unseen: tuple[Unseen, ...]
    unmatched: tuple[str, ...]


def identity_of(
    script: Script, table: Path, code_of: Callable[[Script], str], files: Sequence[Path]
) -> Identity:
    """Return what a script is itself, whatever it works on.

    Parameters
    ----------
    script : Script
    table : Path
        `table_of` the script.
    code_of : callable
        The fingerprint of a script as every version has made it: of its settings and `files`.
    files : sequence of Path
        The script, and the files beside it that it imports, as far as they are there.
    """
    followed = follow(script.file, [Path(os.path.realpath(path)) for path in files])
    named, unmatched = named_files(script)
    more = sorted((followed.files | named) - {Path(os.path.realpath(path)) for path in files})
    plain = code_of(script)
    written = fingerprint(plain, [_content(path) for path in more])
    names: tuple[str, ...] = (fingerprint("written", written),)
    known = _read(table)
    # What was written down by its text was so by its meaning before, which takes longer to tell.
    if names[0] not in known:
        names = (_meaning(script, code_of, files, more), *names)
    first = next((known[name] for name in names if name in known), "")
    return Identity(
        # That of another meaning was used for what the script was at first.
        code=first or (written if plain in known.values() else plain),
        text=text_of([*files, *more]),
        names=names,
        files=(*files, *more),
        unseen=() if script.files else tuple(followed.unseen),
        unmatched=tuple(unmatched),
    )


def _meaning(
    script: Script, code_of: Callable[[Script], str], files: Sequence[Path], more: Sequence[Path]
) -> str:
    """Return the fingerprint of what a script means: of its files, those that it runs, and all else that counts."""
    bare = replace(script, file=script.file / "-", arguments=_meant_arguments(script, files))
    # A docstring may be read by another file.
    strips = not any(_SEES_TEXTS.search(_text(path)) for path in (*files, *more))
    meant = [[_meant(path, strips) for path in several] for several in (files, more)]
    return fingerprint(_VERSION, meant, code_of(bare))


def table_of(state: Path, script: str) -> Path:
    """Return the table of a script that holds what was first used in keys for what it means."""
    return state / "scripts" / script / "meanings.txt"


def note(state: Path, script: str, meanings: Mapping[str, str]) -> None:
    """Write down what stands for a script from now on; what is known stays.

    Raises
    ------
    OSError
        If it can't be written.
    """
    table = table_of(state, script)
    known = _read(table)
    for name, code in meanings.items():
        if name not in known:
            append_line(table, f"{name} {code}")


def text_of(files: Sequence[Path]) -> str:
    """Return the fingerprint of files as they are written; one that is gone counts as well."""
    return fingerprint([_content(path) for path in files])


def _read(table: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    with suppress(OSError, ValueError):
        for line in table.read_text(encoding="ascii").splitlines():
            # Half a line, from a process that was killed while it wrote, says nothing.
            if found := re.fullmatch(r"([0-9a-f]{16}) ([0-9a-f]{16})", line):
                known.setdefault(found[1], found[2])
    return known


def _content(path: Path) -> Any:
    """Return what tells a file from another one; nothing of one that is gone."""
    try:
        stat = path.stat()
        return (
            [stat.st_size, stat.st_mtime_ns] if stat.st_size > _SMALL else path.read_bytes().hex()
        )
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.suffix == ".py" else ""
    except OSError:
        return ""


def _meant(path: Path, strips: bool) -> Any:
    """Return what a file means: the same for files that differ in comments, and if it strips them, in docstrings."""
    content = _content(path)
    if not isinstance(content, str):
        return content
    try:
        if path.suffix == ".py":
            trees = read_source(path).trees
            return [_meant_tree(tree, strips) for tree in trees] or content
        if path.suffix == ".ipynb":
            return _meant_notebook(path) or content
        if kind := {".sh": "shell", ".R": "R", ".r": "R"}.get(path.suffix):
            return without_comments(path.read_text(encoding="utf-8"), kind)
    except (RecursionError, UnicodeDecodeError, OSError):
        pass
    return content


def _meant_notebook(path: Path) -> Any:
    code = notebook_code(path)
    if code is None:
        return None
    language, cells = code
    trees = [cell_tree(text) if language == "python" else None for text in cells]
    # Lines that are no Python are none of the tree.
    plain = [not re.search(r"^\s*[%!?]", text, re.MULTILINE) for text in cells]
    return [
        _meant_tree(tree, strips=False) if tree and is_plain else text.rstrip()
        for tree, text, is_plain in zip(trees, cells, plain, strict=True)
        if text.strip()
    ]


def _meant_tree(tree: ast.Module, strips: bool) -> Any:
    """Return a syntax tree in a way that every version of Python writes alike: what is empty is left out."""

    def meant(node: Any) -> Any:
        if isinstance(node, list):
            return [meant(each) for each in node]
        if not isinstance(node, ast.AST):
            return repr(node)
        parts = {name: value for name, value in ast.iter_fields(node) if value not in (None, [])}
        if strips and isinstance(node, _WITH_DOCSTRINGS) and ast.get_docstring(node) is not None:
            parts["body"] = node.body[1:]
        parts.pop("ctx", None)
        return [type(node).__name__, {name: meant(value) for name, value in parts.items()}]

    return meant(tree)


_WITH_DOCSTRINGS = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _meant_arguments(script: Script, files: Sequence[Path]) -> dict[str, Any] | list[Any]:
    """Return arguments without what makes no difference: a script's own defaults, and how a number is written."""
    defaults = _defaults(files) if script.file.suffix == ".py" else None
    if not isinstance(script.arguments, dict):
        return _meant_words(script.arguments, defaults)
    found = {}
    for name, value in script.arguments.items():
        default = (defaults or {}).get(_word(name))
        left_out = value is None or (value is False and defaults is not None)
        if not left_out and not (default and default.is_meant_by(value)):
            found[name] = default.meant(value) if default else meant_value(value)
    return found


def _meant_words(words: Sequence[Any], defaults: Mapping[str, _Default] | None) -> list[Any]:
    """Return a command line with each number as the option before it takes it."""
    if defaults is None:
        return [meant_value(word) for word in words]
    # What stands for itself may be a text.
    other = _Default(None, None)
    return [
        defaults.get(str(before), other).meant(word)
        for before, word in zip(["", *words], words, strict=False)
    ]


def meant_value(value: Any) -> Any:
    """Return a value of the config so that ``1`` and ``1.0`` are the same."""
    if isinstance(value, list):
        return [meant_value(each) for each in value]
    return same_number(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class _Default:
    """What argparse takes where an option is not given."""

    kind: type | None
    value: Any

    def meant(self, value: Any) -> Any:
        """Return a value as the script's number, if it is to be one; a text is another one however alike it looks."""
        if self.kind is None:
            return value
        with suppress(ValueError, ArithmeticError):
            if self.kind is float and isinstance(value, str):
                return str(Decimal(repr(float(value))).normalize())
        return meant_value(value)

    def is_meant_by(self, value: Any) -> bool:
        if not isinstance(value, str) or self.value is None:
            return False
        try:
            convert = self.kind or str
            default = convert(self.value) if isinstance(self.value, str) else self.value
            return bool(convert(value) == default)
        except ValueError:
            return False


def _word(name: str) -> str:
    """Return an argument's name as the command line has it."""
    return name if name.startswith("-") else f"-{name}" if len(name) == 1 else f"--{name}"


def _defaults(files: Sequence[Path]) -> dict[str, _Default] | None:
    """Return the options of a script by their names; None where they can't be told, or it reads variables as well."""
    from segmake.scripts.source.options import parser_of

    trees = read_source(files[0]).trees if files else ()
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    if not trees or parser_of(trees[0]) is None or any(map(_SEES_VARIABLES.search, texts)):
        return None
    every = [tree for path in files for tree in read_source(path).trees]
    if any(_sets_defaults(node) for tree in every for node in ast.walk(tree)):
        return None
    found: dict[str, _Default] = {}
    for node in ast.walk(trees[0]):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            found |= dict.fromkeys(_names(node), _default(node))
    return found


def _sets_defaults(node: ast.AST) -> bool:
    """Whether a call may give options other defaults than stand beside their names."""
    if not isinstance(node, ast.Call):
        return False
    keywords = {keyword.arg for keyword in node.keywords}
    makes = last_name(node.func) in ("ArgumentParser", "add_parser")
    # Of a parser made in another way, by a function or a class of its own, `parents` are not those of a folder.
    parents = "parents" in keywords and last_name(node.func) not in ("mkdir", "makedirs")
    unclear = parents or "argument_default" in keywords or (makes and None in keywords)
    return last_name(node.func) == "set_defaults" or unclear


def _names(call: ast.Call) -> Iterator[str]:
    for each in call.args:
        if isinstance(each, ast.Constant) and str(each.value).startswith("-"):
            yield str(each.value)


def _default(call: ast.Call) -> _Default:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    kind = {"int": int, "float": float}.get(getattr(keywords.get("type"), "id", ""))
    # Values of another type, or several at once, are not looked into.
    plain = (kind or "type" not in keywords) and not {"nargs", "action"} & {*keywords}
    value = None
    with suppress(ValueError, TypeError, KeyError):
        value = ast.literal_eval(keywords["default"]) if plain else None
    return _Default(kind, value)
