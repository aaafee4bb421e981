"""Imports the packages of an environment, each in a process of its own, and looks for what scripts import.

It runs with the Python of that environment, 3.8 or newer, which need not have anything of SegMake: standard library
only. What is to be tried, and what came of it, are files in JSON; `segmake.environments.making.trial`
writes the one and reads the other.
"""

import argparse
import ctypes
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import permutations
from pathlib import Path

# Each brings libraries of its own for the same work, and crashes the others if these don't fit.
FRAMEWORKS = ("torch", "tensorflow", "jax")

# So many processes at a time: some packages take a gigabyte of memory.
AT_ONCE = 4

# So much of what an import says is kept.
OUTPUT_BYTES = 20_000

# Top-level folders of a package that are none of what it is for.
_BESIDE = {"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmarks", "setup"}

# What belongs to the driver of a GPU, and what is said where there is none.
_DRIVER = re.compile(
    r"lib(cuda|nvidia-[\w-]+|nvcuvid)\.so|no CUDA-capable device|CUDA_ERROR_NO_DEVICE|cudaErrorNoDevice"
    r"|no NVIDIA driver|CUDA driver version is insufficient|cudaErrorInsufficientDriver"
)
_LIBRARY = re.compile(
    r"([\w.+-]+\.so[\w.]*): cannot open shared object file|version [`']?((?:GLIBC|CXXABI)\w*_[\d.]+)"
)


def distributions():
    """Return the version of each package that is installed, by its name."""
    found = {}
    for one in importlib.metadata.distributions():
        # What is left of a package that was removed has no name; each Python fails in its own way.
        with suppress(Exception):
            found[one.metadata["Name"]] = one.version
    return {name: found[name] for name in sorted(filter(None, found), key=str.lower)}


def modules_of(project):
    """Return the modules that an installed package brings, by the list of its files; one of its own name goes alone."""
    found, packages = set(), set()
    for file in importlib.metadata.files(project) or []:
        name = file.name.partition(".")[0]
        if file.suffix not in (".py", ".so") or not all(map(str.isidentifier, file.parts[:-1])):
            continue
        if name == "__init__":
            packages.add(file.parts[:-1])
        elif name.isidentifier():
            found.add((*file.parts[:-1], name))
    # What lies in a package is reached by it; of a folder without an `__init__`, what is in it counts.
    tops = {each for each in packages | found if each and not _is_inside(each, packages)}
    names = sorted(".".join(each) for each in tops if not _is_beside(each))
    if not names:
        # Some installers leave no list of files.
        listed = importlib.metadata.distribution(project).read_text("top_level.txt") or ""
        names = [name for name in listed.split() if not _is_beside((name,))]
    same = [name for name in names if _plain(name) == _plain(project)]
    return same or names


def _is_inside(parts, packages):
    return any(parts[:length] in packages for length in range(1, len(parts)))


def _is_beside(parts):
    return parts[0] in _BESIDE or any(part.startswith("_") for part in parts)


def _plain(name):
    return re.sub(r"[-_.]+", "", name).lower()


def attempt(modules, then, folder, seconds):
    """Import modules in a new process, and return what came of it.

    Parameters
    ----------
    modules : list of str
        In this order.
    then : str
        What is done afterwards; see `work_in_child`.
    folder : str
        A folder in which it may work.
    seconds : float
        After so long it is ended.
    """
    place = tempfile.mkdtemp(dir=folder)
    answer = os.path.join(place, "answer")
    command = [sys.executable, "-I", __file__, "--child", answer, "--then", then, *modules]
    began = time.monotonic()
    with open(os.path.join(place, "output"), "w+b") as output:
        child = subprocess.Popen(
            command,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # What the package started would go on by itself.
            _end_group(child)
        output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT_BYTES))
        said = output.read().decode("utf-8", "replace")
    found = {"seconds": round(time.monotonic() - began, 1), "output": said}
    return {**found, **_outcome(code, _read(answer), seconds)}


def _end_group(child):
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(answer):
    try:
        return json.loads(Path(answer).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _outcome(code, answer, seconds):
    """Return the kind of an end, and a word on it."""
    if code is None:
        # What is imported and does not end by itself can be used.
        return answer or {"kind": "slow", "why": f"{seconds:g} s"}
    if code < 0:
        kind = "killed" if -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU) else "crash"
        return {"kind": kind, "why": _signal_name(-code)}
    return answer or {"kind": "error", "why": f"exit code {code}"}


def _signal_name(number):
    words = (signal.strsignal(number) or "").lower()
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    return f"{words} ({name})" if words else name


def work_in_child(answer, modules, then):
    """Import modules and write down whether that went well; ``from_numpy``: then hand an array to PyTorch."""
    found = {"kind": "ok", "why": ""}
    try:
        loaded = [importlib.import_module(module) for module in modules]
        if then == "from_numpy":
            torch, numpy = loaded
            torch.from_numpy(numpy.zeros(1))
        elif "torch" in modules and len(modules) > 1:
            _load_compiler()
    # A package may fail in any way while it is imported.
    except BaseException as error:
        traceback.print_exc()
        found = _failure(error)
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)


def _load_compiler():
    """Load what PyTorch itself loads only when it trains, or with torchvision: triton, which crashes beside others."""
    try:
        importlib.import_module("torch._dynamo")
    # An old PyTorch has none, and some don't take every Python.
    except Exception:
        traceback.print_exc()


def _failure(error):
    """Return the kind of an exception, and which library or place it is about."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if _DRIVER.search(text) and not _has_gpu():
        return {"kind": "no_gpu", "why": words}
    if libraries := [one or other for one, other in _LIBRARY.findall(text)]:
        return {"kind": "library", "why": words, "what": libraries[-1]}
    place = getattr(error, "filename", None)
    if isinstance(error, OSError) and place and error.errno in (1, 13, 30):
        return {"kind": "place", "why": words, "what": str(place)}
    return {"kind": "error", "why": words}


def _has_gpu():
    """Return whether a GPU can be used: a login node may have the driver alone."""
    try:
        return ctypes.CDLL("libcuda.so.1").cuInit(0) == 0
    except OSError:
        return False


def is_there(module):
    """Return whether a module can be imported, without doing so."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


class Trial:
    """The attempts of an environment, several at a time."""

    def __init__(self, folder, seconds):
        self._folder = folder
        self._seconds = seconds
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        self._pool = ThreadPoolExecutor(max(1, min(AT_ONCE, cores)))

    def all(self, wanted):
        """Return what came of each attempt: of lists of modules, each with what is done afterwards."""
        found = list(self._pool.map(lambda one: self._one(*one), wanted))
        for place, one in enumerate(found):
            # Beside others it may have had too little memory or time.
            if one["kind"] in ("killed", "slow"):
                found[place] = self._one(*wanted[place])
        return found

    def _one(self, modules, then=""):
        return attempt(modules, then, self._folder, self._seconds)

    def packages(self, wanted):
        """Return what came of each package: of those with several modules, one that can be imported is enough."""
        installed = {_plain(name): version for name, version in distributions().items()}
        records = []
        for project, module in wanted.items():
            version = installed.get(_plain(project))
            modules = [] if version is None else [module] if module else modules_of(project)
            record = {"package": project, "version": version, "modules": modules}
            if version is None:
                record.update(kind="absent", why="", seconds=0)
            elif not modules:
                record.update(kind="ok", why="no module", seconds=0)
            records.append(record)
        tried = [(record, module) for record in records for module in record["modules"]]
        for (record, module), found in zip(tried, self.all([([m],) for _, m in tried])):
            if record.get("kind") not in ("ok", "no_gpu"):
                record.update(found, module=module)
        return records

    def together(self, known):
        """Return what came of the frameworks that are there, two by two in both orders, and of arrays in PyTorch.

        Parameters
        ----------
        known : dict
            What came of modules that were tried already.
        """
        there = [module for module in FRAMEWORKS if is_there(module)]
        wanted = [*there, *(["numpy"] if "torch" in there and is_there("numpy") else [])]
        left = [module for module in wanted if module not in known]
        if len(wanted) > 1:
            results = self.all([([module],) for module in left])
            known = {**known, **{m: one["kind"] for m, one in zip(left, results)}}
        good = [module for module in there if known.get(module) == "ok"]
        pairs = [(list(pair), "") for pair in permutations(good, 2)]
        if "torch" in good and known.get("numpy") == "ok":
            pairs.append((["torch", "numpy"], "from_numpy"))
        results = self.all(pairs)
        return [{"modules": m, "then": t, **one} for (m, t), one in zip(pairs, results)]


def main():
    """Do what is asked for, and return the exit code, which tells nothing of the packages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", help="file for what came of one attempt")
    parser.add_argument("--then", default="")
    parser.add_argument("--request", help="file with what is to be tried")
    parser.add_argument("--answer", help="file for what came of it")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    if options.child:
        work_in_child(options.child, options.modules, options.then)
        return 0
    with open(options.request, encoding="utf-8") as file:
        request = json.load(file)
    found = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "prefix": sys.prefix,
        "there": distributions(),
        "missing": [module for module in request["imports"] if not is_there(module)],
    }
    known = request["known"] or {}
    if all(known.get(key) == found[key] for key in ("python", "prefix", "there")):
        found.update({key: known[key] for key in ("packages", "together", "tried")})
    else:
        found["tried"] = time.time()
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(folder, request["seconds"])
            found["packages"] = trial.packages(request["packages"])
            tried = {one["module"]: one["kind"] for one in found["packages"] if "module" in one}
            found["together"] = trial.together(tried)
    with open(options.answer, "w", encoding="utf-8") as file:
        json.dump(found, file)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        # A disk that is full: SegMake says what to do about it when the run ends.
        sys.exit(str(error))
