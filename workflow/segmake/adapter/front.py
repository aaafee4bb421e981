"""What Snakemake passes before it starts: foreign variables are taken away, and where it has to write is tried.

A cluster's modules, a home folder or a disk for temporary files would else end it before SegMake can speak, in a
traceback. In an experiment's folder, which has a config and no Snakefile, Snakemake gets SegMake's. `segmake_start.pth`
(see `segmake.adapter.installed`) calls `enter` in each Python of the main environment, since Snakemake is started in
several ways, also in the jobs: nothing is imported here that is not needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

# What changes which packages a Python finds, or how it and they run: set by modules and shells for other Pythons.
FOREIGN = (
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "PYTHONINSPECT",
    "PYTHONOPTIMIZE",
    "PYTHONCASEOK",
    "PYTHONPLATLIBDIR",
    "PYTHONIOENCODING",
    "PYTHONDEVMODE",
    "PYTHONDEBUG",
    "PYTHONVERBOSE",
    # A desktop's or a notebook's, which is not there; nothing is drawn on a screen here.
    "MPLBACKEND",
)

# Where temporary files go, in the order in which Python looks; PuLP, which Snakemake plans with, has another one.
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
_SYSTEM = ("/tmp", "/var/tmp")  # noqa: S108

# What is tried of the libraries: what Python, Snakemake and the steps load of them.
_NATIVE = (
    "ssl sqlite3 zlib ctypes psutil yaml numpy pandas pyarrow scipy.ndimage matplotlib.ft2font"
)
_TRY = """
import importlib, importlib.util, sys
for name in sys.argv[1].split():
    if importlib.util.find_spec(name.partition(".")[0]):
        importlib.import_module(name)
"""

_LIBRARIES = "LD_LIBRARY_PATH"

# Set once this process was started anew; what it starts itself may have to be cleaned again.
_CLEANED = "SEGMAKE_CLEANED"


def enter() -> None:
    """Clean the variables of a Snakemake or a SegMake that starts, and try where Snakemake has to write.

    Only for `segmake_start.pth`. Starts the process anew if a variable was changed that it has read already, and ends
    it with a message if it could not work.
    """
    try:
        program, arguments = started(sys.orig_argv)
        if program in ("snakemake", "segmake"):
            _clean()
        if program == "snakemake":
            from segmake.adapter.light_start import lighten

            lighten()
        # To be asked what it is, it writes nothing.
        if program == "snakemake" and not {"-h", "--help", "-v", "--version"} & set(arguments):
            if "--mode" not in arguments:
                _look_at(arguments)
            _prepare(arguments)
    finally:
        # A Snakefile of another clone brings a package of its own.
        for name in [name for name in sys.modules if name.partition(".")[0] == "segmake"]:
            del sys.modules[name]


def started(words: list[str]) -> tuple[str, list[str]]:
    """Return the module or the script that a Python's command line starts, and what is handed to it.

    Parameters
    ----------
    words : list of str
        As in `sys.orig_argv`.
    """
    left = words[1:]
    while left:
        word = left.pop(0)
        if word == "-m":
            return (left[0], left[1:]) if left else ("", [])
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            del left[:1]
        elif word == "-c" or not word.startswith("-"):
            return os.path.basename(word), left
    return "", []


def typed() -> list[str]:
    """Return what the user typed behind ``snakemake``."""
    program, arguments = started(sys.orig_argv)
    return arguments if program == "snakemake" else sys.argv[1:]


def without_foreign(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those that are meant for another Python; SegMake's own part of PYTHONPATH stays."""
    kept = {name: value for name, value in environ.items() if name not in FOREIGN}
    folders = kept.pop("PYTHONPATH", "").split(os.pathsep)
    own = [folder for folder in folders if os.path.isfile(f"{folder}/segmake/__init__.py")]
    if own:
        kept["PYTHONPATH"] = os.pathsep.join(own)
    return kept


def _clean() -> None:
    cleaned = without_foreign(os.environ)
    if cleaned.get(_LIBRARIES) and _libraries_are_unfit(cleaned):
        del cleaned[_LIBRARIES]
    own_packages = getattr(sys.modules.get("site"), "ENABLE_USER_SITE", False)
    # Of all of them, this alone is not read before Python gets here.
    os.environ.pop("MPLBACKEND", None)
    if cleaned == dict(os.environ) and not own_packages:
        return
    # A Python that went on would have read them already.
    cleaned["PYTHONNOUSERSITE"] = "1"
    os.environ.clear()
    os.environ.update(cleaned)
    if os.environ.get(_CLEANED) != str(os.getpid()) and (
        not sys.flags.ignore_environment or own_packages
    ):
        # Once: a Python that was told to leave out what is set here would start itself for ever.
        os.environ[_CLEANED] = str(os.getpid())
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _libraries_are_unfit(environ: dict[str, str]) -> bool:
    """Return whether SegMake's packages can be loaded only without LD_LIBRARY_PATH, which is said.

    It is left as it is where it does no harm: it may be needed, by the Python of a module, for the GPUs, or by Slurm.
    """
    import hashlib

    noted = os.path.join(sys.prefix, "segmake-libraries.txt")
    number = hashlib.sha256(os.fsencode(environ[_LIBRARIES])).hexdigest()
    try:
        with open(noted, encoding="ascii") as file:
            if number in file.read().split():
                return False
    except (OSError, ValueError):
        pass
    said = _load(environ)
    if said is None:
        try:
            with open(noted, "a", encoding="ascii") as file:
                file.write(f"{number}\n")
        except OSError:
            pass
        return False
    from segmake.messages import Problem

    if _load({name: value for name, value in environ.items() if name != _LIBRARIES}) is None:
        _tell(Problem("SM-ENV-060", error=said))
        return True
    _refuse(Problem("SM-ENV-061", error=said))
    return False


def _load(environ: Mapping[str, str]) -> str | None:
    """Return why the packages can't be loaded with these variables; None if they can."""
    import subprocess

    command = [sys.executable, "-s", "-c", _TRY, _NATIVE]
    tried = subprocess.run(command, env=dict(environ), capture_output=True, check=False)
    if tried.returncode == 0:
        return None
    lines = tried.stderr.decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else f"exit status {tried.returncode}"


def _look_at(arguments: list[str]) -> None:
    """Complete what a user typed by SegMake's profiles and Snakefile, or refuse it if it can't be meant so."""
    from segmake.adapter.own_files import with_all_configs, with_profiles, with_snakefile
    from segmake.adapter.wrong_start import explain, fault_of_config, what_is_wrong

    arguments = with_all_configs(with_profiles(arguments))
    if problem := what_is_wrong(arguments):
        _refuse(problem, 2)
    if fault := fault_of_config(arguments):
        _refuse(fault)
    explain(arguments)
    sys.argv[1:] = with_snakefile(arguments)


def _prepare(arguments: list[str]) -> None:
    """Find out whether Snakemake can write where it has to, and look for other places where that is possible."""
    from contextlib import suppress
    from pathlib import Path

    from segmake.core.disk import disk_problem
    from segmake.messages import Problem

    folder = Path(_working_folder(arguments), ".snakemake").absolute()
    # What a job can't write it says itself, in its log.
    if "--mode" not in arguments and (error := _fault(folder)):
        failing = disk_problem(error, folder)
        if failing is None or failing.code == "SM-RUN-041":
            reason = error.strerror or str(error)
            failing = Problem("SM-RUN-060", where=str(folder), folder=folder, error=reason)
        _refuse(failing)
    if not os.path.exists(folder / "metadata"):
        # Else the second of two first runs may take the folder for one of an older Snakemake, and convert it.
        with suppress(OSError):
            os.makedirs(folder / "incomplete", exist_ok=True)
    _note_start(arguments)
    _choose_temporary(folder)
    _choose_cache(folder)


def _note_start(arguments: list[str]) -> None:
    """Show others that a run is about to begin; whoever typed it waits, and each start of a job does not."""
    from pathlib import Path

    from segmake.core.run_marks import begins_no_run, note_start

    if not begins_no_run(arguments):
        note_start(Path(_working_folder(arguments)))


def _working_folder(arguments: list[str]) -> str:
    for word, after in zip(arguments, [*arguments, ""][1:], strict=True):
        if word in ("-d", "--directory"):
            return after
        if word.startswith("--directory="):
            return word.partition("=")[2]
    return ""


def _choose_temporary(own: os.PathLike[str]) -> None:
    """Let temporary files go where there is room, for Snakemake and for all that it starts."""
    asked = [os.environ[name] for name in _TEMPORARY if os.environ.get(name)]
    # Last beside Snakemake's notes, which can be written.
    place, failed = _first([*asked, *_SYSTEM, os.path.join(own, "tmp")], made=os.fspath(own))
    if place is None:
        return
    if asked or failed:
        for name in _TEMPORARY:
            os.environ.pop(name, None)
        os.environ["TMPDIR"] = place
    _tell_first("SM-RUN-061", place, failed)


def _choose_cache(own: os.PathLike[str]) -> None:
    """Let Snakemake keep copies of its sources where it can: by default that is in the home folder."""
    home = os.environ.get("XDG_CACHE_HOME", "").strip()
    home = home or os.path.join(os.path.expanduser("~"), ".cache")
    other = os.path.join(own, "cache")
    error = _fault(os.path.join(home, "snakemake"))
    if error is not None and _fault(other) is None:
        os.environ["XDG_CACHE_HOME"] = other
        _tell_first("SM-RUN-062", other, {home: error})
    _choose_notes_of_matplotlib()


def _choose_notes_of_matplotlib() -> None:
    """Give Matplotlib, which users' scripts use too, a folder: without one, it says so at length each time."""
    home = os.path.expanduser("~")
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    usual = os.environ.get("MPLCONFIGDIR") or os.path.join(settings, "matplotlib")
    try:
        os.makedirs(usual, exist_ok=True)
    except OSError:
        pass
    if not os.access(usual, os.W_OK):
        caches = os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.join(home, ".cache")
        os.environ["MPLCONFIGDIR"] = os.path.join(caches, "matplotlib")


def _first(folders: Iterable[str], made: str) -> tuple[str | None, dict[str, OSError]]:
    """Return the first folder that can be written to, and why those before it can't; below `made` it is made."""
    failed: dict[str, OSError] = {}
    for folder in folders:
        error = _fault(folder, make=folder.startswith(made))
        if error is None:
            return os.path.abspath(folder), failed
        failed[folder] = error
    return None, failed


def _fault(folder: str | os.PathLike[str], *, make: bool = True) -> OSError | None:
    """Return what keeps a file from being written to a folder; None if nothing does."""
    from pathlib import Path

    from segmake.core.disk import try_to_write

    try:
        if make:
            os.makedirs(folder, exist_ok=True)
        try_to_write(Path(folder))
    except OSError as error:
        return error
    return None


def _tell_first(code: str, place: str, failed: dict[str, OSError]) -> None:
    """Say that another place is used than the first, and why; one that is not there, on a node, is no news."""
    from segmake.messages import Problem

    for folder, error in failed.items():
        if not isinstance(error, FileNotFoundError):
            reason = error.strerror or str(error)
            _tell(Problem(code, where=folder, folder=folder, place=place, error=reason))
            return


def _tell(problem: Exception) -> None:
    print(problem, file=sys.stderr, flush=True)


def _refuse(problem: Exception, code: int = 1) -> None:
    """End the process with a message: an exception, so early, would bring a traceback with it."""
    print(f"\n{problem}", file=sys.stderr, flush=True)
    os._exit(code)
