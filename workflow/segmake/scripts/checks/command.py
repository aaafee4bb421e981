"""How a script is called: its command line, and what it sees of the environment.

No shell comes between: every value reaches the script as it is written in the config.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from segmake.scripts.definition.script import PLACEHOLDER, Script, as_text, placeholders
from segmake.scripts.source.options import takes

# The option by which each is given, where the arguments do not have its placeholder.
OPTIONS = {
    "input": "--input",
    "mask": "--mask",
    "cells": "--cells",
    "output_dir": "--output-dir",
}

# Other names of the same.
ALIASES = {"image": "input"}

# What a program needs of the environment that it is started in, and no password is kept in.
_PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TERM|TMPDIR|TMP|TEMP|HOSTNAME"
    r"|LD_LIBRARY_PATH|LIBRARY_PATH|CPATH|MANPATH|MODULEPATH|LOADEDMODULES|MODULESHOME"
    r"|CONDA_PREFIX|CONDA_DEFAULT_ENV|CUDA_\w+|GPU_DEVICE_ORDINAL|NVIDIA_(VISIBLE_DEVICES|DRIVER_CAPABILITIES)|ROCR_VISIBLE_DEVICES"
    r"|SLURM_(JOB_ID|JOBID|CPUS_PER_TASK|CPUS_ON_NODE|JOB_NODELIST|SUBMIT_DIR|JOB_PARTITION|MEM_PER_NODE|GPUS\w*)"
    r"|SLURMD_NODENAME|XDG_\w+|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|R_LIBS\w*|R_HOME|JAVA_HOME"
    r"|(?i:https?_proxy|no_proxy|ftp_proxy|all_proxy)"
)

# An argument of such a name is on the command line alone: as a variable it would change how programs work.
_NOT_FOR_ARGUMENTS = re.compile(
    r"(SEGMAKE|LD|DYLD|CONDA|CUDA|NVIDIA|SLURM|OMP|MKL|OPENBLAS|GLIBC|MALLOC|JAVA|XDG|SSL|LC)_.*"
    r"|R_(HOME|LIBS|PROFILE|ENVIRON|DEFAULT).*|PYTHON.*|BASH.*|ENV|IFS|PS4|SHELLOPTS|GCONV_PATH|HOSTALIASES"
)

# Libraries that would otherwise take every core, for each of the runs that work side by side.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

# What R reads first: it lets scripts find what lies beside them.
_R_PROFILE = Path(__file__).with_name("beside.R")

# What argparse takes for a number.
_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


def command_line(
    script: Script,
    python: str,
    given: Mapping[str, str],
    values: Mapping[str, str],
    parameters: Mapping[str, str | bool],
) -> list[str]:
    """Return the words that start a run of a script.

    Parameters
    ----------
    script : Script
    python : str
        The Python of its environment.
    given : dict
        What the script works on, by the name of its placeholder: ``input``, ``mask``, ``cells``, ``output_dir``, and
        the names of other scripts.
    values : dict
        What other placeholders stand for.
    parameters : dict
        Of this run of a sweep.
    """
    known = known_words(given, values, parameters)
    words = [*interpreter(script.file, python), *_own(script.file, known)]
    if script.file.suffix == ".ipynb":
        # A notebook has no command line: it gets everything by variables.
        return words
    if isinstance(script.arguments, list):
        return [*words, *(fill(str(word), known) for word in script.arguments)]
    for name in passed(script, given):
        word = OPTIONS.get(name, f"--{name}")
        # A script that knows no such option writes to where it is run, which is the same folder.
        if name != "output_dir" or takes(script.file, word):
            words += [word, given[name]]
    swept = {name: parameters[name] for name in left_over(script, parameters)}
    for name, value in {**script.arguments, **swept}.items():
        words += option(name, value, known)
    return words


def passed(script: Script, given: Iterable[str]) -> list[str]:
    """Return what SegMake itself passes by an option: what no placeholder stands for.

    Parameters
    ----------
    script : Script
    given : iterable of str
        What it works on, by the names of the placeholders.
    """
    words = placeholders(script.texts)
    # What is swept goes before.
    words -= {name.lstrip("-") for name in script.parameters}
    return [name for name in given if name not in {ALIASES.get(word, word) for word in words}]


def left_over(script: Script, names: Iterable[str]) -> list[str]:
    """Return those of the parameters of a sweep that no placeholder stands for: these are passed by options."""
    used = placeholders(script.texts)
    return [name for name in names if name.lstrip("-") not in used]


def known_words(
    given: Mapping[str, str], values: Mapping[str, str], parameters: Mapping[str, str | bool]
) -> dict[str, str]:
    """Return what each placeholder stands for; what is swept goes before what SegMake has of the same name."""
    swept = {name.lstrip("-"): as_text(value) for name, value in parameters.items()}
    return _known(given, values) | swept


def option(name: str, value: Any, known: Mapping[str, str]) -> list[str]:
    """Return the words of one argument: ``--threshold 0.5``; of true the name alone, of false and null nothing."""
    if value is None or value is False:
        return []
    word = name if name.startswith("-") else f"-{name}" if len(name) == 1 else f"--{name}"
    if value is True:
        return [word]
    if isinstance(value, list):
        return [word, *(fill(str(each), known) for each in value)]
    text = fill(str(value), known)
    # argparse takes a word that begins with a dash for another option, unless it is a number.
    dashed = text.startswith("-") and word.startswith("--") and not _NUMBER.fullmatch(text)
    return [f"{word}={text}"] if dashed else [word, text]


def fill(text: str, known: Mapping[str, str]) -> str:
    """Put values in the place of their placeholders; other braces stay as they are."""
    return PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), text)


def interpreter(file: Path, python: str) -> list[str]:
    """Return what starts a file of this kind."""
    if file.suffix in (".R", ".r"):
        # That of the environment, if it has one.
        own = Path(python).with_name("Rscript")
        return [str(own) if own.exists() else "Rscript"]
    if file.suffix == ".sh":
        return ["bash"]
    if file.suffix == ".ipynb":
        return [python, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace"]
    return [python]


def variables(
    script: Script,
    given: Mapping[str, str],
    values: Mapping[str, str],
    parameters: Mapping[str, str | bool],
    environ: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment of a run: what programs need of the present one, and what the command line says.

    Parameters
    ----------
    script, given, values, parameters
        As for `command_line`.
    environ : dict
        The present environment. What may be a secret is left out, but for what ``variables`` of the script names.
    """
    known = known_words(given, values, parameters)
    seen = {
        name: value
        for name, value in environ.items()
        if _is_passed(name) or name in script.variables
    }
    own = {f"SEGMAKE_{variable_of(n)}": value for n, value in _known(given, values).items()}
    threads = dict.fromkeys(_THREADS, values["cpus"])
    # Output is seen at once, figures need no screen, packages of the home folder stay out.
    python = {"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1", "MPLBACKEND": "Agg"}
    if script.file.suffix == ".ipynb":
        # It works in its folder of outputs, and imports what lies beside the original.
        python |= {"PYTHONPATH": str(script.file.absolute().parent)}
        del python["MPLBACKEND"]
    if script.file.suffix == ".R":
        python["R_PROFILE_USER"] = str(_R_PROFILE)
    python["SEGMAKE_SCRIPT_FOLDER"] = str(script.file.absolute().parent)
    set_here = {name: fill(value, known) for name, value in script.values.items()}
    if "PYTHONPATH" in python and "PYTHONPATH" in set_here:
        set_here["PYTHONPATH"] += os.pathsep + python["PYTHONPATH"]
    found = {**seen, **threads, **python, **set_here, **own}
    arguments = script.arguments if isinstance(script.arguments, dict) else {}
    for name, value in {**arguments, **parameters}.items():
        variable = variable_of(name)
        if (
            value is not None
            and variable not in found
            and not _NOT_FOR_ARGUMENTS.fullmatch(variable)
        ):
            if isinstance(value, list):
                found[variable] = json.dumps([fill(str(each), known) for each in value])
            else:
                found[variable] = fill(as_text(value), known)
    return found


def is_passed(name: str) -> bool:
    """Whether every script sees a variable, if it is there."""
    python = ("PYTHONUNBUFFERED", "PYTHONNOUSERSITE", "MPLBACKEND")
    return _is_passed(name) or name in (*_THREADS, *python)


@cache
def _is_passed(name: str) -> bool:
    return bool(_PASSED.fullmatch(name))


def _known(given: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Return what each placeholder stands for."""
    known = {**values, **given}
    return known | {alias: known[name] for alias, name in ALIASES.items() if name in known}


def _own(file: Path, known: Mapping[str, str]) -> list[str]:
    """Return the words that follow an interpreter: the file, or the copy of a notebook that is to be executed."""
    if file.suffix != ".ipynb":
        return [str(file.absolute())]
    return ["--ExecutePreprocessor.timeout=-1", str(Path(known["output_dir"], file.name))]


def variable_of(name: str) -> str:
    """Return an argument's name as that of a variable: ``BATCH_SIZE`` for ``--batch-size``."""
    return re.sub(r"\W", "_", name.lstrip("-"), flags=re.ASCII).upper()
