"""Which other files a script runs, beside those that it imports: as far as that can be seen in its text.

Programs that it starts, files that it sources, modules that it imports by a name in quotes. Nothing is run, and what
is taken for such a file in error costs no more than a run that was not needed.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from segmake.messages import say
from segmake.scripts.definition.script import Script
from segmake.scripts.source.comments import without_comments
from segmake.scripts.source.folding import Seen, seen_in_python
from segmake.scripts.source.static import (
    Import,
    cell_tree,
    files_of_import,
    imports_of,
    notebook_code,
    read_source,
)

# So many files are followed beside those that lie beside a script: more are a library, not what is edited every day.
MOST_FILES = 500

# Files of such endings are code, wherever a script names them. Others may be what it writes: `files` is for these.
CODE = r"py|ipynb|R|r|Rmd|qmd|sh|bash|jl|m|pl|awk|sed|c|cpp|stan|ijm|groovy|bsh"

_KIND = {".R": "R", ".r": "R", ".Rmd": "R", ".qmd": "R", ".sh": "shell", ".bash": "shell"}

# Stands for the folder of a script, whose name may have blanks.
_FOLDER_OF_SCRIPT = "\ue001"

_ENDING = re.compile(rf"\.(?:{CODE})(?![\w.])")
_BETWEEN = re.compile(r"[\s\"'`;|&()<>=,]")
_LONGEST_PATH = 400
_STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'")

# How a shell script says in which folder it lies.
_NAME = r"\"?(?:\$0|\$\{?BASH_SOURCE(?:\[0\])?\}?|\$\{0\})\"?"
_FULL = rf"\$\((?:readlink -[fe]|realpath)(?: --)? {_NAME}\)"
_PLAIN = rf"(?:{_FULL}|\"{_FULL}\"|{_NAME})"
_FOLDER = (
    rf"(?:\$\(dirname(?: --)? {_PLAIN}\)|`dirname {_PLAIN}`|\$\{{(?:0|BASH_SOURCE(?:\[0\])?)%/\*\}}"
    r"|\$SEGMAKE_SCRIPT_FOLDER\b|\$\{SEGMAKE_SCRIPT_FOLDER\})"
)
_HERE = re.compile(
    rf"\$\(\s*(?:builtin )?cd (?:-P )?(?:-- )?\"?{_FOLDER}\"?(?P<below>[\w./-]*)\"?\s*(?:>\s*/dev/null(?:\s*2>&1)?)?"
    rf"\s*(?:&&|;)\s*pwd(?: -P)?\s*\)|{_FOLDER}"
)
_ASSIGNED = re.compile(
    r"(?:^|;|&&)[ \t]*(?:(?:export|readonly|local|declare(?: -\w+)*)[ \t]+)?(\w+)="
    r"((?:\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|\"'])*)",
    re.MULTILINE,
)
_QUOTES = re.compile(r"[\"']")
_STARTED = re.compile(
    r"(?:^|[\s;&|(])(?:python[\d.]*|Rscript|bash|sh|source|\.|julia|perl)[ \t]+"
    r"((?:-[\w-]+[ \t]+)*)(\"?\$[^\s;&|]*)",
    re.MULTILINE,
)
_MODULE = re.compile(r"(?:^|\s)-m[ \t]+([\w.]+)")

_SOURCED = re.compile(
    r"(?<![\w.$@])(source|sys\.source|source_python|py_run_file|sourceCpp|rmarkdown::render)[ \t]*\("
)
_APPLIED = re.compile(
    r"\b[a-z]*apply\s*\([^()]*(?:\([^()]*\)[^()]*)*,\s*(?:base::)?source\b|\bwalk\s*\(.*\bsource\b"
)
_CONSTANT = re.compile(
    r"^[ \t]*([\w.]+)[ \t]*(?:<-|=)[ \t]*(?:\"([^\"\n]*)\"|'([^'\n]*)')[ \t]*$", re.MULTILINE
)


@dataclass(frozen=True)
class Unseen:
    """A place in a script where other code is run that can't be told.

    Attributes
    ----------
    file : Path
    words : str
        What stands there.
    """

    file: Path
    words: str


@dataclass
class Followed:
    """What a script runs besides itself.

    Attributes
    ----------
    files : set of Path
    unseen : list of Unseen
    """

    files: set[Path] = field(default_factory=set)
    unseen: list[Unseen] = field(default_factory=list)


def follow(script: Path, beside: Collection[Path] = ()) -> Followed:
    """Return which other files a script runs, as far as that can be seen, and where it can't.

    Parameters
    ----------
    script : Path
        A file that is no script, or is not there, runs nothing.
    beside : collection of Path
        Files that count whatever is found here: they are none of the `MOST_FILES`.
    """
    walk = _Walk(beside)
    # Where a link stands for the script, what lies beside the file it leads to is meant.
    walk.start(Path(os.path.realpath(script)), [])
    walk.found.files.discard(Path(os.path.realpath(script)))
    return walk.found


def named_files(script: Script) -> tuple[set[Path], list[str]]:
    """Return the files that the patterns in ``files`` of a script fit, and the patterns that none fits.

    Parameters
    ----------
    script : Script
        Its patterns are those of files and folders, from its own folder or from SegMake's.
    """
    found: set[Path] = set()
    unmatched = []
    for pattern in script.files:
        fitting = [
            path for path in fitting_files(script.file, pattern) if "__pycache__" not in path.parts
        ]
        found |= {Path(os.path.realpath(path)) for path in fitting}
        if not fitting:
            unmatched.append(pattern)
    return found, unmatched


def fitting_files(script: Path, pattern: str) -> list[Path]:
    """Return the files that a pattern fits, and those in the folders that it fits."""
    for folder in (Path(os.path.realpath(script)).parent, Path.cwd()):
        whole = os.path.join(glob.escape(str(folder)), os.path.expanduser(pattern))
        paths = [Path(path) for path in glob.glob(whole, recursive=True)]
        below = [file for path in paths if path.is_dir() for file in path.rglob("*")]
        files = [path for path in (*paths, *below) if path.is_file()]
        if files := [path for path in files if os.access(path, os.R_OK)]:
            return files
    return []


class _Walk:
    """Goes from program to program."""

    def __init__(self, beside: Collection[Path]) -> None:
        self.found = Followed()
        self._beside = frozenset(beside)
        self._looked: dict[Path, Seen] = {}
        self._started: set[Path] = set()
        self._imported: dict[tuple[object, ...], list[Path]] = {}
        self._left = MOST_FILES

    def start(self, program: Path, folders: list[Path]) -> None:
        """Follow a program, which finds modules beside it and in some folders."""
        pending = [(program, folders)]
        while pending:
            program, folders = pending.pop()
            if program in self._started or not self._has_room(program):
                continue
            self._started.add(program)
            search = [program.parent, *(each for each in folders if each != program.parent)]
            files = self._modules(program, search)
            self.found.files |= files
            for file in sorted(files):
                seen = self._look(file)
                pending += [(other, search[1:]) for other in seen.programs]

    def _modules(self, program: Path, search: list[Path]) -> set[Path]:
        """Return a program and all that it imports; folders that it adds are put to those that are searched."""
        known, pending = {program}, [program]
        # What was in none of the folders may be in one that is added later.
        absent: dict[Import, Path] = {}
        while pending:
            file = pending.pop()
            seen = self._look(file)
            imports = [(Import(module, (), 0, True), file) for module in seen.modules]
            if file.suffix in (".py", ".ipynb"):
                imports += [(one, file) for one in imports_of(file)]
            if added := [each for each in dict.fromkeys(seen.folders) if each not in search]:
                search += added
                imports += absent.items()
                absent = {}
            for one, place in imports:
                found = self._files_of(one, place, search)
                if not found and not one.level:
                    absent[one] = place
                new = [each for each in found if each not in known and self._has_room(each)]
                known.update(new)
                pending += new
        return known

    def _files_of(self, one: Import, place: Path, search: list[Path]) -> list[Path]:
        """Return the files that an import reads, looked for once for all files that import the same."""
        key = (one, place.parent if one.level else None, *search)
        if key not in self._imported:
            self._imported[key] = files_of_import(one, place, search)
        return self._imported[key]

    def _has_room(self, file: Path) -> bool:
        """Whether a file is followed as well; the first that is not is told."""
        if file in self._looked or file in self._beside:
            return True
        self._left -= 1
        if self._left == -1:
            words = say("scripts.too_many_files", number=MOST_FILES)
            self.found.unseen.append(Unseen(file, words))
        return self._left >= 0

    def _look(self, file: Path) -> Seen:
        if file not in self._looked:
            seen = self._looked[file] = look(file)
            self.found.unseen += [Unseen(file, words) for words in dict.fromkeys(seen.unseen)]
        return self._looked[file]


def look(file: Path) -> Seen:
    """Return what a file says of other code that it runs."""
    if file.suffix == ".py":
        trees = read_source(file).trees
        return seen_in_python(trees, file, partial(_programs, file))
    if file.suffix == ".ipynb":
        return _look_at_notebook(file)
    kind = _KIND.get(file.suffix, "")
    try:
        text = file.read_text(encoding="utf-8", errors="replace") if kind else ""
    except OSError:
        text = ""
    return {"shell": _in_shell, "R": _in_r}.get(kind, _in_nothing)(file, text)


def _in_nothing(file: Path, text: str) -> Seen:
    return Seen()


def _existing(file: Path, name: str) -> Path | None:
    """Return the file of a name: from the folder of the file that has it, or from SegMake's."""
    name = name.replace(_FOLDER_OF_SCRIPT, str(file.parent))
    # Any text may stand there.
    with suppress(OSError, ValueError):
        for folder in (file.parent, Path.cwd()):
            for one in (name, name.lstrip("/\\")):
                path = Path(os.path.realpath(folder / one))
                if one and path.is_file() and os.access(path, os.R_OK):
                    return path
    return None


def _programs(file: Path, text: str) -> list[Path]:
    """Return the code files that a text names which are there."""
    names = [text.strip()] if _is_code(text.strip()) else []
    for match in _ENDING.finditer(text):
        before = text[max(0, match.start() - _LONGEST_PATH) : match.start()]
        names.append(_BETWEEN.split(before)[-1] + match[0])
    found = [_existing(file, name) for name in names]
    return [path for path in dict.fromkeys(found) if path and path != file]


def _is_code(name: str) -> bool:
    return re.search(rf"\.(?:{CODE})\Z", name) is not None


def _look_at_notebook(file: Path) -> Seen:
    code = notebook_code(file)
    if code is None:
        return Seen()
    language, cells = code
    seen = Seen()
    if language == "r":
        return _in_r(file, "\n".join(cells))
    trees = [tree for tree in map(cell_tree, cells) if tree]
    seen.add(seen_in_python(trees, file, partial(_programs, file)))
    for cell in cells:
        if re.match(r"\s*%%(bash|sh|script)\b", cell):
            seen.add(_in_shell(file, cell.partition("\n")[2]))
            continue
        for line in cell.split("\n"):
            if run := re.match(r"\s*%run\s+(?:-\w+\s+)*(.+)", line):
                _note_run(file, run[1].strip(), line, seen)
            elif re.match(r"\s*!", line):
                seen.programs += _programs(file, line)
    return seen


def _note_run(file: Path, named: str, line: str, seen: Seen) -> None:
    """Note what `%run` names: with or without the ending of Python."""
    first = re.match(r"\"([^\"]+)\"|'([^']+)'|(\S+)", named)
    name = next(filter(None, first.groups())) if first else ""
    path = _existing(file, name) or _existing(file, f"{name}.py")
    if path:
        seen.programs.append(path)
    elif re.search(r"[${]", name):
        seen.unseen.append(line.strip())


def _in_shell(file: Path, text: str) -> Seen:
    seen = Seen()
    text = without_comments(text, "shell")

    def here(match: re.Match[str]) -> str:
        return _FOLDER_OF_SCRIPT + (match["below"] or "")

    text = _HERE.sub(here, text)
    text = _filled(text, _constants_of_shell(text))
    seen.programs += _programs(file, text)
    for module in _MODULE.findall(text):
        seen.modules.append(module)
        seen.modules.append(f"{module}.__main__")
    for name, value in _ASSIGNED.findall(text):
        if name == "PYTHONPATH":
            parts = [part for part in _QUOTES.sub("", value).split(":") if part and "$" not in part]
            parts = [part.replace(_FOLDER_OF_SCRIPT, str(file.parent)) for part in parts]
            seen.folders += [path for part in parts if (path := file.parent / part).is_dir()]
    for options, word in _STARTED.findall(text):
        if "-c" not in options and "-e" not in options.split() and not _is_found(file, word):
            seen.unseen.append(word.strip('"'))
    return seen


def _is_found(file: Path, word: str) -> bool:
    return "$" not in word or bool(_programs(file, word))


def _constants_of_shell(text: str) -> dict[str, str]:
    """Return the variables of a shell script that have one value, which is known."""
    values: dict[str, set[str]] = {}
    for name, value in _ASSIGNED.findall(text):
        values.setdefault(name, set()).add(_QUOTES.sub("", value))
    constants: dict[str, str] = {}
    # One may hold another.
    for _ in range(len(values)):
        for name, several in values.items():
            filled = {_filled(value, constants) for value in several}
            if len(filled) == 1 and not re.search(r"[$`]", one := filled.pop()):
                constants[name] = one
    return constants


def _filled(text: str, constants: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return constants.get(match[1] or match[2], match[0])

    # A quote that only keeps blanks together is in the way of the path behind it.
    text = re.sub(r"\"(\$\{?\w+\}?)\"/", r"\1/", text)
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)


def _in_r(file: Path, text: str) -> Seen:
    seen = Seen()
    text = without_comments(text, "R")
    constants = {name: first or second for name, first, second in _CONSTANT.findall(text)}
    seen.programs += [path for string in _strings(text) for path in _programs(file, string)]
    for match in _SOURCED.finditer(text):
        inside = _in_parentheses(text, match.end() - 1)
        found = _sourced(file, inside, constants)
        seen.programs += found
        named = {path for string in _strings(inside) for path in _programs(file, string)}
        if not found and not named:
            seen.unseen.append(f"{match[1]}({' '.join(inside.split())})")
    seen.unseen += [" ".join(match[0].split()) + ")" for match in _APPLIED.finditer(text)]
    return seen


def _sourced(file: Path, inside: str, constants: dict[str, str]) -> list[Path]:
    """Return the file that the argument of `source` names: one text, or several that make a path."""
    first = re.match(r"\s*(?:file\s*=\s*)?([\w.]+)\s*(?:,|\Z)", inside)
    if first and first[1] in constants:
        return _programs(file, constants[first[1]])
    parts = _strings(inside)
    # A variable in front is most often a folder: that of the script.
    paths = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
    found = [_existing(file, path) for path in paths if _is_code(path)]
    return [path for path in found if path][:1]


def _strings(text: str) -> list[str]:
    return [first or second for first, second in _STRING.findall(text)]


def _in_parentheses(text: str, start: int) -> str:
    """Return what stands between a parenthesis and the one that ends it."""
    depth, quote = 0, ""
    for place in range(start, len(text)):
        sign = text[place]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
            if not depth:
                return text[start + 1 : place]
    return text[start + 1 :]
