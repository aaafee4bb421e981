"""Tells whether a script takes anything of what it is given: if not, all of its runs are the same."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from segmake.environments.wanted.provided import package_of
from segmake.scripts.checks.command import is_passed, variable_of
from segmake.scripts.checks.copies import filled
from segmake.scripts.definition.script import Script, as_text, placeholders
from segmake.scripts.source.static import Source, last_name, local_files, read_source, statements

# What reads a command line by names.
PARSERS = {
    *("argparse", "optparse", "getopt", "click", "typer", "fire", "docopt", "plac", "tyro"),
    *("absl", "hydra", "cappa", "cyclopts", "defopt", "simple_parsing", "configargparse"),
}

# What may read more than can be seen here.
_HIDDEN = {"importlib", "runpy", "papermill"}

# The same for every run, or for most of them.
_SAME = {"output_dir", "project", "cpus"}

_VARIABLE_READ = re.compile(r"""(?:environ(?:\.get)?\s*[\[(]|getenv\s*\()\s*["'](\w+)["']""")

_R_PARSERS = re.compile(
    r"commandArgs|optparse|argparse|argparser|docopt|getopt|\bsource\s*\(|R\.utils"
)
_R_VARIABLES = re.compile(r"Sys\.getenv\s*\(\s*(?:[\"']([^\"']*)[\"']\s*[,)])?")

_SHELL_ARGUMENTS = re.compile(
    r"\$\{?[@*#1-9]|\bgetopts\b|\bshift\b|\bprintenv\b|^\s*env\b|\$\{!", re.M
)
_SHELL_VARIABLES = re.compile(r"\$\{?([A-Za-z_]\w*)")

# A program that sees the same variables, and may read them.
_SHELL_CALLS = re.compile(
    r"(^|[;&|(]|\s)(python\S*|Rscript|bash|sh|source|\.|perl|julia|matlab|octave|java|snakemake)\s"
    r"|(^|[;&|(]\s*)(\S+/|\.)\S*",
    re.M,
)


def takes_something(script: Script, source: Source) -> bool:
    """Whether a script may take something that differs between its runs; true where that can't be told.

    Of one that is run for each image, parameters of a sweep don't count: its images differ.

    Parameters
    ----------
    script : Script
    source : Source
        Of its file.
    """
    if script.per_image and script.parameters:
        return _takes_its_image(script, source)
    if placeholders([script.constants]) - _SAME:
        return True
    if source.kind == "shell":
        return _shell_takes(script, _plain_text(source))
    if source.kind == "R" or source.language == "r":
        return _r_takes(script, _plain_text(source))
    if source.kind not in ("python", "notebook") or source.language != "python":
        return True
    return _python_takes(script, source)


def _takes_its_image(script: Script, source: Source) -> bool:
    swept = {name.lstrip("-"): as_text(value) for name, value in script.runs()[0].items()}
    constants = filled(script.constants, swept)
    return takes_something(replace(script, constants=constants, sweep={}, design=[]), source)


def given_variables(script: Script) -> set[str]:
    """Return the names of the variables by which a script gets what it is given, but for SegMake's."""
    arguments = script.arguments if isinstance(script.arguments, dict) else {}
    names = {variable_of(name) for name in (*arguments, *script.parameters)}
    return names | set(script.values) | set(script.variables)


def _python_takes(script: Script, source: Source) -> bool:
    sources = [source, *(read_source(path) for path in local_files(source.path)[1:])]
    if any(not each.trees for each in sources):
        return True
    nodes = [node for each in sources for tree in each.trees for node in ast.walk(tree)]
    imported = set(_imported(nodes))
    local = {path.stem for path in local_files(source.path)} | {
        path.parent.name for path in local_files(source.path)
    }
    unknown = {
        module
        for module in imported - local
        if module not in sys.stdlib_module_names and package_of(module) is None
    }
    if imported & (PARSERS | _HIDDEN) or unknown:
        return True
    names = {last_name(node) for node in nodes if isinstance(node, ast.expr)}
    names |= {a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
    if any(
        "SEGMAKE_" in n.value
        for n in nodes
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ):
        return True
    if names & {"argv", "orig_argv", "exec", "eval", "__import__"}:
        return True
    return bool(names & {"environ", "environb", "getenv"}) and _reads_given(script, nodes)


def _imported(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _reads_given(script: Script, nodes: list[ast.AST]) -> bool:
    """Whether a variable that is read may be one that is given: not if all are read by other names."""
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    if any(_is_given(script, text) for text in texts):
        return True
    named = [
        node
        for node in nodes
        if (isinstance(node, ast.Subscript) and last_name(node.value) == "environ")
        or (isinstance(node, ast.Call) and _is_read(node))
    ]
    keys = [n.slice if isinstance(n, ast.Subscript) else n.args[0] for n in named]
    uses = [n for n in nodes if isinstance(n, ast.expr) and last_name(n) in ("environ", "getenv")]
    return len(uses) != len(keys) or not all(isinstance(key, ast.Constant) for key in keys)


def _is_read(call: ast.Call) -> bool:
    if not call.args or not isinstance(call.func, ast.Attribute | ast.Name):
        return False
    if last_name(call.func) == "getenv":
        return True
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return owner is not None and last_name(owner) == "environ" and last_name(call.func) != "environ"


def _is_given(script: Script, name: str) -> bool:
    return name.startswith("SEGMAKE_") or name in given_variables(script)


def variables_read(path: Path) -> set[str]:
    """Return the variables of the environment that a Python script reads by names that are written out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return set()
    return set(_VARIABLE_READ.findall(text))


def variables_missing(script: Script, source: Source) -> list[tuple[str, int]]:
    """Return the variables that Python code can't do without and that it will not see, each with its line."""
    found: dict[str, int] = {}
    own: set[str] = set()
    for tree in source.trees:
        for node, perhaps, guarded in statements(tree):
            for part in _parts(node):
                if not isinstance(part, ast.Subscript) or last_name(part.value) != "environ":
                    continue
                name = part.slice.value if isinstance(part.slice, ast.Constant) else None
                if not isinstance(part.ctx, ast.Load):
                    own.add(str(name))
                elif isinstance(name, str) and not perhaps and not guarded:
                    found.setdefault(name, part.lineno)
    given = given_variables(script) | own
    return [
        (name, line)
        for name, line in found.items()
        if name not in given and not name.startswith("SEGMAKE_") and not is_passed(name)
    ]


def _parts(node: ast.stmt) -> Iterator[ast.AST]:
    """Yield the parts of a statement, but for those of the statements within it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from ast.walk(child)


def _r_takes(script: Script, text: str) -> bool:
    names = _R_VARIABLES.findall(text)
    return bool(_R_PARSERS.search(text)) or any(not n or _is_given(script, n) for n in names)


def _shell_takes(script: Script, text: str) -> bool:
    if _SHELL_ARGUMENTS.search(text) or _SHELL_CALLS.search(text):
        return True
    return any(_is_given(script, name) for name in _SHELL_VARIABLES.findall(text))


def _plain_text(source: Source) -> str:
    """Return the text of a script that is not Python, without its comments."""
    try:
        text = source.path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text if source.kind == "notebook" else re.sub(r"(^|\s)#.*", r"\1", text)


def by_places(source: Source) -> str:
    """Return by which word a script in R or for bash takes an argument at its place, ``$1``; empty if it may not."""
    text = _plain_text(source)
    if source.kind == "shell":
        other = re.search(
            r"\$\{?[@*]|\bgetopts\b|\bshift\b|\bcase\b|\bset\s+--|\(\)\s*\{|\bfunction\b", text
        )
        # In single quotes it is awk's.
        bare = re.sub(r"'[^']*'", "''", text)
        places = [int(p) for p in re.findall(r"\$\{?([1-9])", bare)]
        return f"${max(places)}" if 1 in places and not other else ""
    if source.kind == "R":
        found = re.search(
            r"([\w.]+)\s*(?:<-|=)\s*commandArgs\s*\(\s*(?:trailingOnly\s*=\s*)?T(?:RUE)?\s*\)", text
        )
        if not found or re.search(r"optparse|argparse|argparser|docopt|getopt", text):
            return ""
        name = re.escape(found[1])
        uses = len(re.findall(rf"(?<![\w.]){name}(?![\w.])", text)) - 1
        places = [int(p) for p in re.findall(rf"(?<![\w.]){name}\[\[?(\d+)\]", text)]
        counted = len(re.findall(rf"length\s*\(\s*{name}\s*\)", text))
        only_so = uses == len(places) + counted
        return f"{found[1]}[{max(places)}]" if 1 in places and only_so else ""
    return ""


def last_place(word: str) -> int:
    """Return the number in ``$2`` or ``args[2]``."""
    return int(re.findall(r"\d+", word)[-1])
