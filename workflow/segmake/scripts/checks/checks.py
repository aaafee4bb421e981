"""Checks the section ``scripts`` of the config, and the scripts themselves, before anything is run."""

from __future__ import annotations

import ast
import difflib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import DecimalException
from functools import partial
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from math import ceil, prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from segmake.core.settings import Environment
from segmake.environments.solving.existing_environments import has_program
from segmake.environments.wanted.catalogue import Package
from segmake.environments.wanted.provided import lacking, own_projects, package_of, projects_of
from segmake.messages import Problem, say
from segmake.scripts.checks.argument_checks import PLACEHOLDERS, Call, argument_problems, is_switch
from segmake.scripts.checks.command import left_over
from segmake.scripts.checks.copies import filled
from segmake.scripts.checks.intake import PARSERS, by_places, last_place, takes_something
from segmake.scripts.checks.notes import sample_values, way_of
from segmake.scripts.definition.designs import DesignError, read_design
from segmake.scripts.definition.script import (
    OF_SEGMAKE,
    OWN,
    Script,
    as_text,
    is_logarithmic,
    number_of_values,
    placeholders,
    script_file,
    scripts_of,
    values_of,
)
from segmake.scripts.source.constants import SetError, with_values
from segmake.scripts.source.options import UNKNOWN, parser_of
from segmake.scripts.source.pitfalls import question, read_paths
from segmake.scripts.source.static import (
    KINDS,
    PYTHON,
    Fault,
    Source,
    last_name,
    local_files,
    modules_of,
    read_source,
)

if TYPE_CHECKING:
    from segmake.core.config import Config
    from segmake.core.settings import Settings

# What a script is given by these names already; `run` is the name of a variable that SegMake sets itself.
RESERVED = (
    "input",
    "image",
    "images",
    "mask",
    "masks",
    "cells",
    "output-dir",
    "name",
    "position",
    "seed",
    "cpus",
    "project",
    "run",
)

PROGRAMS = {"R": "Rscript", "shell": "bash"}

# A constant of a script is tried with so many values of a sweep, and so many of its constants are named.
_MOST_TRIED = 1000
_MOST_NAMES = 12

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Which program is run, with which libraries, and what SegMake and Slurm say themselves, is not for `variables`.
_NOT_SET = re.compile(
    r"(SEGMAKE|LD|DYLD|SLURM|CONDA)_\w*|PATH|HOME|TMPDIR|PYTHONHOME|PYTHONSTARTUP|PYTHONNOUSERSITE|PYTHONEXECUTABLE"
    r"|BASH_ENV|BASHOPTS|SHELLOPTS|ENV|IFS|PS4|GCONV_PATH|GLIBC_TUNABLES|HOSTALIASES|PERL5OPT|R_HOME"
)

# Such numbers need no more digits.
_UNCOUNTABLE = 10**15


def script_problems(config: Config) -> Iterator[Problem]:
    """Yield what is wrong with the scripts of a config: their settings, their files, and how these go together."""
    settings = config.typed
    yield from _name_problems(config, settings)
    for index in range(len(settings.scripts)):
        yield from _Check(config, settings, index).problems()
    yield from _cycles(config, settings)


def _name_problems(config: Config, settings: Settings) -> Iterator[Problem]:
    """Yield a problem for each name that is taken; on some file systems, case makes no difference to folders."""
    seen: dict[str, str] = {}
    for index, section in enumerate(settings.scripts):
        # One that lacks its name is told by itself.
        if not (name := section.name):
            continue
        where = config.where("scripts", index, "name")
        simple = name.lower().replace("_", "-")
        if simple in RESERVED:
            yield Problem("SM-SCR-002", where=where, name=name)
        elif simple in seen:
            yield Problem("SM-SCR-001", where=where, name=name, other=seen[simple])
        seen.setdefault(simple, name)


def _cycles(config: Config, settings: Settings) -> Iterator[Problem]:
    """Yield a problem for each group of scripts that wait for each other."""
    sections = settings.scripts
    indices = {section.name: index for index, section in enumerate(sections)}
    graph = {
        name: {need for need in sections[index].needs or () if need in indices}
        for name, index in indices.items()
    }
    while True:
        try:
            TopologicalSorter(graph).prepare()
            return
        except CycleError as error:
            # So that each stands before what it needs.
            names = error.args[1][::-1]
            first = min(names, key=lambda name: indices[name])
            start = names.index(first)
            ring = [*names[start:-1], *names[:start], first]
            where = config.where("scripts", indices[first], "needs")
            yield Problem("SM-SCR-028", where=where, scripts=" -> ".join(ring))
            # Without it, another one may be found.
            del graph[first]
            graph = {name: needs - {first} for name, needs in graph.items()}


class _Check:
    """The checks of one script."""

    def __init__(self, config: Config, settings: Settings, index: int) -> None:
        self.config = config
        self.settings = settings
        self.index = index
        self.section = settings.scripts[index]
        self.where = partial(config.where, "scripts", index)
        self.name = self.section.name or ""
        self.sweep = {key: value for key, value in self.section.sweep.items() if key != "zip"}
        self.rows: list[dict[str, str]] = []
        self.of_design = list(self._design_problems())
        needs = self.section.needs
        # A need that is none is told by itself.
        known = {*OWN, *(section.name for section in settings.scripts)}
        self.script = self._script([need for need in needs or () if need in known])
        self.needs = needs if needs is not None else self.script.needs

    def _script(self, needs: list[str]) -> Script:
        """Return the script without the values of its sweep, of which there may be billions."""
        swept = self.sweep if self._goes_together else {}
        sweep = {name: [True if is_switch(value) else UNKNOWN] for name, value in swept.items()}
        changes = {"sweep": sweep, "name": self.name, "script": self.section.script or ""}
        if self.section.needs is not None:
            changes["needs"] = needs
        checked = self.config.settings["scripts"][self.index]
        (script,) = scripts_of({"scripts": [checked | changes]}).values()
        return script

    @property
    def _goes_together(self) -> bool:
        """Whether there are parameters where `run` wants some, and none where it does not."""
        run, written = self.section.run, self.config.written["scripts"][self.index]
        # Who forgets `run` may mean each image or not.
        may = "run" in written and run in ("image", "dataset")
        return run == "sweep" or may if self.sweep else run != "sweep"

    def problem(self, code: str, *keys: str | int, **values: object) -> Problem:
        return Problem(code, where=self.where(*keys), script=self.script.file.name, **values)

    def problems(self) -> Iterator[Problem]:
        of_needs = list(self._need_problems())
        yield from of_needs
        yield from self._sweep_problems()
        yield from self._variable_problems()
        yield from self._output_problems()
        yield from self._text_problems()
        if self.section.script is not None:
            yield from self._file_problems(arguments=not of_needs)

    def _need_problems(self) -> Iterator[Problem]:
        names = [each.name for each in self.settings.scripts if each.name]
        words = [*OWN, *names]
        for index, need in enumerate(self.needs):
            if need not in words:
                nearest = difflib.get_close_matches(need.lower(), words, 1, 0.6)
                remedy = (
                    say("script.nearest", nearest=nearest[0])
                    if nearest
                    else say("script.needs", known=", ".join(words))
                )
                yield self.problem("SM-SCR-027", "needs", index, need=need, remedy=remedy)
        own = [need for need in self.needs if need in OWN]
        if self.settings.images.folder is None and (own or self.script.per_image):
            what = f"needs: [{', '.join(own)}]" if own else "run: image"
            key = "needs" if own and self.section.needs is not None else "run"
            yield self.problem("SM-SCR-029", key, setting=what)

    def _design_problems(self) -> Iterator[Problem]:
        """Read the design of a sweep, each column of which is a parameter; yield what is wrong with it."""
        design = self.sweep.get("file")
        if isinstance(design, str):
            try:
                self.rows = read_design(Path(design).expanduser())
            except DesignError as fault:
                place = say("config.line", file=design, line=fault.line) if fault.line else design
                values = {"file": place, "error": say(f"design.{fault.kind}", value=fault.value)}
                yield Problem("SM-SCR-056", where=self.where("sweep", "file"), **values)
                self.rows = [{"file": ""}]
        elif isinstance(design, list) and isinstance(design[0], dict):
            self.rows = design
        if self.rows:
            del self.sweep["file"]
            twice = sorted(set(self.rows[0]) & set(self.sweep))
            if twice:
                error = say("design.twice", value=twice[0])
                where = self.where("sweep", twice[0])
                yield Problem("SM-SCR-056", where=where, file=design, error=error)
            columns = {name: [row[name] for row in self.rows] for name in self.rows[0]}
            self.sweep = {**columns, **self.sweep}

    def _sweep_problems(self) -> Iterator[Problem]:
        yield from self.of_design
        if not self._goes_together:
            yield self.problem("SM-SCR-023", "sweep" if self.sweep else "run")
            return
        yield from self._taken_problems()
        numbers = {}
        for name, value in self.sweep.items():
            numbers[name] = _number(value)
            if isinstance(value, dict) and (error := _range_fault(value)):
                yield self.problem("SM-SCR-057", "sweep", name, name=name, error=error)
            elif not numbers[name]:
                ends = {"first": f"{value['from']:.15g}", "last": f"{value['to']:.15g}"}
                yield self.problem("SM-SCR-025", "sweep", name, name=name, **ends)
        if self.rows:
            # They go together.
            numbers = {n: number for n, number in numbers.items() if n not in self.rows[0]}
            numbers["file"] = len(self.rows)
        zipped = self.section.sweep.get("zip")
        if zipped and len(set(numbers.values())) > 1:
            listed = ", ".join(f"{name}: {_shown(number)}" for name, number in numbers.items())
            yield self.problem("SM-SCR-024", "sweep", "zip", numbers=listed)
        runs = min(numbers.values(), default=0) if zipped else prod(numbers.values())
        if runs > self.section.max_runs:
            jobs = ceil(runs / self.script.runs_per_job) if runs < _UNCOUNTABLE else runs
            words = "script.sweep_size.image" if self.script.per_image else "script.sweep_size"
            size = say(words, runs=_shown(runs), jobs=_shown(jobs))
            values = {"runs": _shown(runs), "limit": self.section.max_runs}
            yield self.problem("SM-SCR-026", "sweep", size=size, **values)

    def _taken_problems(self) -> Iterator[Problem]:
        """Yield a problem for each parameter that would stand in the place of the image."""
        for name in self.sweep if self.script.per_image else ():
            if name.lstrip("-").lower() in ("image", "input"):
                key = "file" if self.rows and name in self.rows[0] else name
                remedy = say("script.sweep_name", name=name, line=f'{name}: "{{value}}"')
                yield self.problem("SM-SCR-058", "sweep", key, name=name, remedy=remedy)

    def _variable_problems(self) -> Iterator[Problem]:
        """Yield a problem for each variable that can't be set without changing how the programs themselves work."""
        section = self.section.variables
        for index, each in enumerate(section):
            name = each.partition("=")[0]
            if not isinstance(section, dict) and "=" not in each:
                continue
            key = each if isinstance(section, dict) else index
            if not _VARIABLE.fullmatch(name):
                error = say("script.variable.name")
                yield self.problem("SM-SCR-053", "variables", key, name=name, error=error)
            elif _NOT_SET.fullmatch(name):
                error = say("script.variable.kept")
                yield self.problem("SM-SCR-053", "variables", key, name=name, error=error)

    def _output_problems(self) -> Iterator[Problem]:
        for index, pattern in enumerate(self.section.outputs):
            path = PurePosixPath(pattern)
            leads_out = path.is_absolute() or ".." in path.parts or pattern.startswith("~")
            if leads_out or PureWindowsPath(pattern).drive:
                values = {"pattern": pattern, "name": path.name}
                yield self.problem("SM-SCR-012", "outputs", index, **values)

    def _text_problems(self) -> Iterator[Problem]:
        """Yield a problem for each text that the script would not get as it is meant."""
        for keys, text in _texts(self.config.settings["scripts"][self.index], ()):
            if keys == ("script",):
                continue
            if "\0" in text:
                remedy = say("script.zero")
                value = text.replace("\0", "\\0")
                yield self.problem("SM-SCR-021", *keys, value=value, remedy=remedy)
            elif keys[0] in ("arguments", "sweep", "set", "variables"):
                yield from self._value_problems(keys, text)

    def _value_problems(self, keys: tuple[str | int, ...], text: str) -> Iterator[Problem]:
        if need := self._need_missing_for(text):
            needs = f"needs: [{', '.join((*self.needs, need))}]"
            remedy = say("script.placeholder", needs=needs)
            yield self.problem("SM-SCR-021", *keys, value=text, remedy=remedy)
        elif nearest := self._meant_placeholder(text):
            remedy = say("script.nearest", nearest=f"{{{nearest}}}")
            yield self.problem("SM-SCR-021", *keys, value=text, remedy=remedy)
        elif instead := _full_path(text):
            yield self.problem("SM-SCR-020", *keys, path=text, instead=instead)

    def _meant_placeholder(self, text: str) -> str:
        """Return the placeholder that a value is nothing but a misspelling of."""
        if not re.fullmatch(r"\{[A-Za-z][\w-]*\}", text):
            return ""
        own = ("image", "input", "mask", "cells", "output_dir", "name", "position", "seed", "cpus")
        swept = [name.lstrip("-") for name in self.sweep]
        words = (*own, "project", *self.needs, *swept)
        known = {word.replace("_", "").replace("-", "").lower(): word for word in words}
        word = text.strip("{}").lower().replace("-", "").replace("_", "")
        if text.strip("{}") in known.values():
            return ""
        nearest = difflib.get_close_matches(word, known, 1, 0.7)
        return known[nearest[0]] if nearest else ""

    def _need_missing_for(self, text: str) -> str:
        """Return what a value that is nothing but a placeholder stands for, if `needs` does not have it."""
        found = placeholders(text)
        if len(found) != 1 or text != f"{{{min(found)}}}":
            return ""
        word = min(found)
        if word in {name.lstrip("-") for name in self.sweep}:
            return ""
        names = {PLACEHOLDERS[need]: need for need in OWN} | {"image": "images"}
        scripts = {section.name for section in self.settings.scripts}
        need = names.get(word) or (word if word in scripts - {self.name} else "")
        return "" if need in self.needs else need

    def _file_problems(self, *, arguments: bool) -> Iterator[Problem]:
        """Yield what is wrong with the file, and, where it is known what it is given, with its arguments."""
        environment, environments = self.section.environment, self.settings.environments
        known = environment is None or environment in environments
        if environment is not None and not known:
            yield self._unknown_environment(environment, list(environments))
        own = environments.get(environment or "", Environment(python=PYTHON))
        # A number, where that is how it is written.
        python = str(own.python)
        source = read_source(self.script.file, python)
        if source.fault:
            yield self._fault(source, source.fault)
        program = PROGRAMS.get(source.kind)
        # What conda puts into the environment is not there yet.
        brought = own.conda or (program and own.existing and has_program(own.existing, program))
        if program and not brought and shutil.which(program) is None:
            yield self.problem("SM-SCR-009", "script", program=program)
        if known and source.kind in ("python", "notebook"):
            yield from self._package_problems(source, environment)
        if not source.fault:
            yield from self._set_problems(source)
            yield from self._source_problems(source)
        if arguments:
            yield from self._argument_problems(source)

    def _set_problems(self, source: Source) -> Iterator[Problem]:
        """Yield a problem for each constant that the script does not have, or that can't have its value."""
        for name, value in self.section.set.items():
            error = set_error(source.path, name, self._fillings(value))
            if error is None:
                continue
            if error.stands:
                names = {"value": _in_words(value), "stands": " ".join(error.stands.split())}
                yield self.problem("SM-SCR-051", "set", name, name=error.name, **names)
                continue
            nearest = difflib.get_close_matches(
                name.lower(), [k.lower() for k in error.known], 1, 0.6
            )
            if nearest:
                found = next(each for each in error.known if each.lower() == nearest[0])
                remedy = say("script.nearest", nearest=found)
            elif error.known:
                remedy = say("script.set.known", known=", ".join(error.known[:_MOST_NAMES]))
            else:
                remedy = say("script.set.none", name=name)
            yield self.problem("SM-SCR-050", "set", name, name=error.name, remedy=remedy)

    def _fillings(self, value: Any) -> list[Any]:
        """Return what a value of `set` is in the runs: with each value of the parameters that it names."""
        known = sample_values(self.script)
        swept = {
            name.lstrip("-"): [as_text(each) for each in islice(values_of(values), _MOST_TRIED)]
            for name, values in self.sweep.items()
            if name.lstrip("-") in placeholders([value]) and _number(values) < _UNCOUNTABLE
        }
        number = max(map(len, swept.values()), default=1)
        points = (
            {name: each[place % len(each)] for name, each in swept.items() if each}
            for place in range(number)
        )
        return [filled(value, known | point) for point in points]

    def _source_problems(self, source: Source) -> Iterator[Problem]:
        """Yield a problem for what surely does not work in a run, or not as it is meant."""
        if source.kind not in ("python", "notebook") or not source.trees:
            return
        word, line = question(source)
        if word:
            place = say("config.line", file=source.path, line=line)
            yield self.problem("SM-SCR-055", "script", place=place, word=f"{word}()")
        paths = [path for path in read_paths(source, self.section.set) if path.sure]
        for path in [path for path in paths if path.windows][:1]:
            place = say("config.line", file=source.path, line=path.line)
            remedy = way_of(self.script, path)
            yield self.problem("SM-SCR-054", "script", place=place, path=path.text, remedy=remedy)
            return
        fixed = next((path for path in paths if "/" in path.text or "." in path.text), None)
        if fixed and self.script.per_image and not takes_something(self.script, source):
            names = {"path": fixed.text, "line": fixed.line}
            remedy = way_of(self.script, fixed)
            yield self.problem("SM-SCR-052", "script", remedy=remedy, **names)

    def _unknown_environment(self, name: str, there: list[str]) -> Problem:
        nearest = difflib.get_close_matches(name, there, 1, 0.6)
        if nearest:
            remedy = say("script.nearest", nearest=nearest[0])
        elif there:
            remedy = say("script.environments", known=", ".join(there))
        else:
            remedy = say("script.environments.none", name=name)
        return self.problem("SM-SCR-010", "environment", name=name, remedy=remedy)

    def _fault(self, source: Source, fault: Fault) -> Problem:
        path = self.section.script.replace("\0", "\\0")
        tell = partial(self.problem, path=path)
        if fault.kind == "missing":
            nearest = _nearest_file(self.section.script)
            hint = say("script.nearest", nearest=nearest) if nearest else say("script.missing")
            return tell("SM-SCR-003", "script", remedy=hint)
        if fault.kind in ("folder", "closed"):
            error = say("script.folder") if fault.kind == "folder" else fault.words
            return tell("SM-SCR-004", "script", error=error)
        if fault.kind == "suffix":
            kinds = ", ".join(KINDS)
            return tell("SM-SCR-005", "script", suffix=source.path.suffix or "-", kinds=kinds)
        if fault.kind in ("encoding", "line_ends"):
            remedy = say("script.encoding" if fault.kind == "encoding" else "script.line_ends")
            return tell("SM-SCR-006", "script", remedy=remedy)
        if fault.kind == "notebook":
            return tell("SM-SCR-008", "script")
        place = say("config.line", file=path, line=fault.line)
        if fault.cell:
            place = say("script.cell", file=path, cell=fault.cell, line=fault.line)
        old = fault.kind == "python2"
        remedy = say("script.python2") if old else say("script.syntax")
        return tell("SM-SCR-007", "script", place=place, error=fault.words, remedy=remedy)

    def _package_problems(self, source: Source, environment: str | None) -> Iterator[Problem]:
        """Yield a problem if the environment is sure not to have what the script imports."""
        modules = modules_of(source.path)
        if source.kind == "notebook":
            modules += ["nbconvert"]
            modules += ["ipykernel"] if source.language == "python" else []
        if environment is None:
            there = own_projects()
        elif self._holds_what_is_unknown(environment):
            return
        else:
            there = projects_of(self.settings.environments[environment].packages)
        missing = lacking(dict.fromkeys(modules), there)
        if not missing:
            return
        names = _package_names(missing.values())
        keys = {"modules": ", ".join(missing), "packages": ", ".join(names)}
        if environment is None:
            remedy = self._own_environment(modules)
            about = say("script.own_environment")
            where = self.where("environment")
        else:
            listed = self.settings.environments[environment].packages
            line = f"packages: [{', '.join((*map(_in_list, listed), *names))}]"
            remedy = say("script.add", name=environment, line=line)
            about = say("script.environment", name=environment)
            where = self.config.where("environments", environment, "packages")
        values = {"script": self.script.file.name, "about": about, "remedy": remedy}
        yield Problem("SM-SCR-011", where=where, **keys, **values)

    def _holds_what_is_unknown(self, environment: str) -> bool:
        """Return whether there is more in an environment than its packages tell: of conda, or from before."""
        section = self.settings.environments[environment]
        return bool(section.conda or section.existing)

    def _own_environment(self, modules: list[str]) -> str:
        """Return what to write where SegMake's own environment will not do."""
        environments = self.settings.environments
        for name, section in environments.items():
            there = projects_of(section.packages)
            if there is not None and not lacking(modules, there):
                return say("script.use", name=name)
        found = [package for module in modules if (package := package_of(module))]
        names = ", ".join(_package_names(found))
        name = self.name if self.name not in environments else f"{self.name}-packages"
        return say("script.make", name=name, line=f"{name}: {{packages: [{names}]}}")

    def _argument_problems(self, source: Source) -> Iterator[Problem]:
        if source.kind == "notebook":
            if isinstance(self.section.arguments, list):
                remedy = say("script.notebook.remedy")
                error = say("script.notebook")
                yield self.problem("SM-SCR-019", "arguments", error=error, remedy=remedy)
            return
        if not self._goes_together or self.of_design:
            # Which arguments there will be is not known.
            return
        parser = parser_of(source.trees[0]) if source.trees else None
        listed = isinstance(self.section.arguments, list)
        lost = left_over(self.script, self.sweep) if listed else []
        if lost and not _reads_variables(source, self.script):
            words = ", ".join(f'"{{{name.lstrip("-")}}}"' for name in lost)
            error, remedy = say("script.sweep_list"), say("script.sweep_list.remedy", words=words)
            yield self.problem("SM-SCR-019", "arguments", error=error, remedy=remedy)
            return
        if not parser and not listed and (word := _place_word(source)):
            yield self._by_places(word)
            return
        sweep = {
            name: value if 0 < _number(value) < _UNCOUNTABLE else []
            for name, value in self.sweep.items()
        }
        yield from argument_problems(Call(self.script, sweep, parser, self.where))

    def _by_places(self, word: str) -> Problem:
        """Return the problem of a script that counts on the places of its arguments, and would get them by name."""
        own = [PLACEHOLDERS.get(need, need) for need in self.script.needs]
        names = [*own, *(name.lstrip("-") for name in self.sweep)]
        last = last_place(word)
        words = [f'"{{{name}}}"' for name in (*names, "output_dir")]
        words += [say("script.value")] * (last - len(words))
        remedy = say("script.place", line=f"arguments: [{', '.join(words[:last])}]")
        error = say("script.by_places", word=word)
        return self.problem("SM-SCR-019", "script", error=error, remedy=remedy)


def _place_word(source: Source) -> str:
    """Return the last place by which a script takes an argument, ``sys.argv[2]``; empty if it may not."""
    if source.kind == "python":
        last = _last_place(source)
        return f"sys.argv[{last}]" if last else ""
    return by_places(source)


def _last_place(source: Source) -> int:
    """Return the last place at which a script takes an argument, ``sys.argv[2]``; 0 if it may read them otherwise."""
    nodes = [node for tree in source.trees for node in ast.walk(tree)]
    places = [
        node.slice.value
        for node in nodes
        if isinstance(node, ast.Subscript)
        and last_name(node.value) == "argv"
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, int)
    ]
    counted = [
        node
        for node in nodes
        if isinstance(node, ast.Call)
        and last_name(node.func) == "len"
        and [last_name(argument) for argument in node.args] == ["argv"]
    ]
    used = [node for node in nodes if isinstance(node, ast.expr) and last_name(node) == "argv"]
    only_so = len(used) == len(places) + len(counted)
    # At the first place stands the name of an option, which no script would want; at the second its value.
    wrong = 1 in places and only_so and not _modules_that_parse(source)
    return max(places) if wrong else 0


def _modules_that_parse(source: Source) -> set[str]:
    """Return the modules for reading a command line that a script imports."""
    names = {
        alias.name.split(".")[0]
        for tree in source.trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {
        (node.module or "").split(".")[0]
        for tree in source.trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    return names & PARSERS


def _reads_variables(source: Source, script: Script) -> bool:
    """Whether a script may read its arguments from variables, or a file beside it does."""
    if source.kind != "python":
        return source.kind == "notebook" or takes_something(replace(script, constants={}), source)
    names = {last_name(node) for tree in source.trees for node in ast.walk(tree)}
    return bool(names & {"environ", "getenv"}) or len(local_files(source.path)) > 1


def set_error(path: Path, name: str, values: list[Any]) -> SetError | None:
    """Return why a constant of a script can't be set to one of some values; None if it can."""
    try:
        for value in values:
            with_values(path, {name: value})
    except SetError as error:
        return error
    except (OSError, ValueError, SyntaxError, LookupError, RecursionError):
        # Too deep for this Python, and perhaps not for another one.
        return None
    return None


def _in_words(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _range_fault(value: dict[str, Any]) -> str:
    """Return why a range can't be counted; empty if it can."""
    steps = [key for key in ("step", "number", "factor") if value.get(key)]
    if len(steps) > 1:
        return say("range.both", one=steps[0], other=steps[1])
    if value["scale"] == "log" and not value.get("number"):
        return say("range.number")
    if is_logarithmic(value) and value["from"] <= 0:
        return say("range.positive")
    return ""


def _number(value: Any) -> int:
    """Return how many values a parameter has, however many."""
    try:
        return number_of_values(value)
    except (DecimalException, OverflowError):
        return _UNCOUNTABLE


def _shown(number: int) -> str:
    return str(number) if number < _UNCOUNTABLE else "> 10^15"


def _texts(node: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield all texts of a section with their keys, names of arguments too."""
    if isinstance(node, str) and keys:
        yield keys, node
    elif isinstance(node, dict):
        for key, value in node.items():
            if "\0" in key:
                yield (*keys, key), key
            yield from _texts(value, (*keys, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, (*keys, index))


def _full_path(text: str) -> str:
    """Return how to write a path that is there, but not for a script, which works in another folder; else nothing."""
    if "/" not in text or placeholders(text):
        return ""
    home = text.startswith("~")
    path = os.path.expanduser(text)
    # Unlike Path's methods, these take any text for a path.
    if (os.path.isabs(path) and not home) or not os.path.exists(path):
        return ""
    return path if home else "{project}/" + text.removeprefix("./")


def _nearest_file(words: str) -> str:
    """Return the script whose path is most like one that is not there."""
    path = script_file(words)
    try:
        there = [p.name for p in path.parent.iterdir() if p.suffix in KINDS]
    except (OSError, ValueError):
        return ""
    nearest = difflib.get_close_matches(path.name, there, 1, 0.6)
    if nearest and words.startswith(OF_SEGMAKE):
        return f"{OF_SEGMAKE}{nearest[0]}"
    return str(path.parent / nearest[0]) if nearest else ""


def _package_names(packages: Any) -> list[str]:
    names: list[Package] = list(packages)
    return list(dict.fromkeys(_in_list(package.name) for package in names))


def _in_list(words: str) -> str:
    """Return a package as it can stand in a list in brackets."""
    return words if re.fullmatch(r"[A-Za-z][\w. -]*", words) else f'"{words}"'
