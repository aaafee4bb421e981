"""SegMake at another computer: found, or installed with its progress shown."""

from __future__ import annotations

import asyncio
import codecs
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname

from segmake import __version__
from segmake.core.files import one_line
from segmake.messages import Problem, language, say
from segmake.messages.numbers import shown_bytes
from segmake.places.copying import copy
from segmake.places.here import Here
from segmake.places.place import Place
from segmake.places.progress import Progress
from segmake.remote.passed_on import Among, Gathered

# Where the set-up over there keeps what it said, which process it is and how it ended: a later call goes on with it.
_STATE = "~/.cache/segmake/remote-setup"

# Seconds between two looks at what the set-up said.
LOOK_SECONDS = 1.0

# Where files of ``scripts/bundle.sh`` are kept over there, and how often it is said how much of one is.
_BUNDLES = "~/.cache/segmake"
_TELL_SECONDS = 10

# The name and the version that a program says of itself.
_NAME = "SegMake "

# sh FOLDER ADDRESS BUNDLE UV WORDS...: brings SegMake's folder, and a Python where there is none that it works with, as
# on many a cluster without a module loaded; then sets it up.
_INSTALL = """
folder=$1 address=$2 bundle=$3 uv_address=$4
shift 4
if [ ! -e "$folder/scripts/setup.sh" ]; then
    part=$folder.segmake-part
    rm -rf -- "$part"
    mkdir -p -- "$(dirname -- "$folder")" || exit 1
    if [ -n "$bundle" ]; then
        mkdir -p -- "$part" && tar -xf "$bundle" -C "$part" --strip-components 2 segmake-bundle/segmake || exit 1
    else
        GIT_TERMINAL_PROMPT=0 git clone --quiet -- "$address" "$part" || exit 1
    fi
    # An empty folder may be there already.
    mv -T -- "$part" "$folder" || exit 1
fi
fits() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1
}
bring_python() {
    for tool in conda mamba micromamba; do
        if "$tool" --version >/dev/null 2>&1; then return; fi
    done
    for tool in python3.12 python3.11 python3 python; do
        if fits "$tool"; then return; fi
    done
    UV_PYTHON_INSTALL_DIR=$folder/.environments/python UV_UNMANAGED_INSTALL=$folder/.environments/uv
    export UV_PYTHON_INSTALL_DIR UV_UNMANAGED_INSTALL
    uv=$(command -v uv || echo "$UV_UNMANAGED_INSTALL/uv")
    if [ ! -x "$uv" ]; then
        if command -v curl >/dev/null 2>&1; then get="curl -LsSf"; else get="wget -qO-"; fi
        $get "$uv_address/install.sh" | sh
    fi
    "$uv" python install --no-bin 3.12 || return
    python=$("$uv" python find --no-project 3.12) && PATH=$(dirname "$python"):$PATH
}
# With a bundle comes no Python: the set-up tells which one it was made for. If none can be brought, it says what to do.
if [ -n "$bundle" ]; then set -- "$@" --bundle "$bundle"; else bring_python; fi
bash "$folder/scripts/setup.sh" --inside --brief "$@"
"""

# sh STATE COMMAND...: runs a command, and notes its exit code.
_NOTED = """
state=$1
shift
"$@"
echo $? >"$state.code.part" && mv -- "$state.code.part" "$state.code"
"""

# python: the folder of the clone that a SegMake is of.
_CLONE = "from segmake.core.installation import clone; print(clone() or '')"

# The exit code where Slurm has commands and does not answer.
_SILENT = 2
_SLURM = f"""
command -v sbatch >/dev/null 2>&1 || exit 1
timeout 20 sinfo --noheader >/dev/null 2>&1 || exit {_SILENT}
"""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """A SegMake over there.

    Attributes
    ----------
    path : str
        The program, from the root on.
    version : str
    """

    path: str
    version: str


async def variables_there(place: Place) -> dict[str, str]:
    """Return what is set in the environment of a login there."""
    answer = await place.run(["env", "-0"])
    pairs = (line.partition("=") for line in answer.text.split("\0") if "=" in line)
    return {name: value for name, _, value in pairs}


def in_full(path: str, home: str) -> str:
    """Return a path from the root on."""
    if path == "~" or path.startswith("~/"):
        return home + path[1:]
    return path if path.startswith("/") else f"{home}/{path}"


async def find_program(place: Place, candidates: Iterable[str]) -> Program | None:
    """Return the first of some programs that is a SegMake; last, the one that a login finds by itself.

    Parameters
    ----------
    place : Place
    candidates : iterable of str
        Paths; empty ones are passed over.
    """
    for path in filter(None, candidates):
        if found := await try_program(place, path):
            return found
    found_by_itself = (await place.run(["sh", "-c", "command -v segmake"])).text.strip()
    if found_by_itself.startswith("/"):
        return await try_program(place, found_by_itself)
    return None


def usual_programs(folder: str) -> list[str]:
    """Return where the program is in a folder that SegMake's set-up has worked in."""
    return [f"{folder}/.venv/bin/segmake", f"{folder}/.environments/main/bin/segmake"]


async def try_program(place: Place, path: str) -> Program | None:
    """Return a SegMake, if a path is the program of one."""
    answer = await place.run([path, "--version"])
    said = answer.text.strip()
    if answer.code or not said.startswith(_NAME):
        return None
    return Program(path, said.removeprefix(_NAME))


def version_difference(there: str) -> Problem | None:
    """Return what follows where SegMake has another version there than here; None where it is the same."""
    from packaging.version import InvalidVersion, Version

    versions = {"here": __version__, "there": there}
    try:
        newer_there = Version(there) > Version(__version__)
        same = Version(there) == Version(__version__)
    except InvalidVersion:
        newer_there, same = False, there == __version__
    if same:
        return None
    if newer_there:
        return Problem("SM-REM-045", **versions)
    return Problem("SM-REM-044", **versions)


async def register_profiles(place: Place, program: Program) -> str:
    """Have ``snakemake --profile slurm`` find SegMake's profile there, and return what is wrong with that."""
    python = f"{dirname(program.path)}/python"
    answer = await place.run([python, "-c", _CLONE])
    if answer.code or not (folder := answer.text.strip()):
        return ""
    words = ["bash", f"{folder}/scripts/setup.sh", "--profiles-only"]
    done = await place.run(words, variables={"SEGMAKE_LANG": language()})
    return done.err.decode(errors="replace").strip()


async def slurm_there(place: Place) -> bool | None:
    """Return whether there is Slurm; None where its commands are, and no Slurm answers them."""
    code = (await place.run(["sh", "-c", _SLURM])).code
    return None if code == _SILENT else code == 0


async def refuse_unreachable(place: Place, address: str) -> None:
    """Refuse to clone an address that can't be reached from there.

    Raises
    ------
    Problem
        ``SM-REM-042``
    """
    words = ["timeout", "30", "git", "ls-remote", "--exit-code", "--", address, "HEAD"]
    answer = await place.run(words, variables={"GIT_TERMINAL_PROMPT": "0"})
    if answer.code:
        said = one_line(answer.err.decode(errors="replace")) or str(answer.code)
        names = {"host": place.name, "address": address, "error": said}
        raise Problem("SM-REM-042", where=place.name, **names)


async def send_bundle(place: Place, file: Path, tell: Tell) -> str:
    """Send the file of ``scripts/bundle.sh``, going on where a connection was lost, and return its path there.

    Raises
    ------
    Problem
        ``SM-REM-048`` if there is no such file here; what a copy may raise.
    """
    if not file.is_file():
        raise Problem("SM-REM-048", where=str(file), file=file)
    told = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            amounts = {"sent": progress.bytes, "all": progress.all_bytes}
            tell(say("reach.sending", **{name: shown_bytes(n) for name, n in amounts.items()}))

    here = Gathered(Here(), {file.name: file.absolute().as_posix()})
    there = Among(place, [], [file.name])
    await copy((here, ""), (there, _BUNDLES), tell=show, quiet=0)
    return f"{_BUNDLES}/{file.name}"


async def install(
    place: Place,
    folder: str,
    tell: Tell,
    *,
    address: str = "",
    bundle: str = "",
    engine: str = "",
    uv: str = "",
) -> None:
    """Set SegMake up in a folder there, and say how far it is; what goes on there already is followed.

    Parameters
    ----------
    place : Place
    folder : str
        From the root on.
    tell : callable
        Is told each line.
    address : str
        Of SegMake's repository.
    bundle : str
        The path there of a file of ``scripts/bundle.sh``.
    engine : str
        The engine that is installed with it; empty for that of the set-up.
    uv : str
        The address of the folder with uv's installer, which brings a Python where there is none.

    Raises
    ------
    Problem
        ``SM-REM-043`` if the set-up has failed. The next call does what is missing.
    """
    started = await _started(place)
    if not started:
        words = [folder, address, bundle, uv, *(("--engine", engine) if engine else ())]
        command = ["env", f"SEGMAKE_LANG={language()}", "SEGMAKE_PROGRESS_SECONDS=10"]
        command += ["sh", "-c", _NOTED, "sh", _STATE, "sh", "-c", _INSTALL, "sh", *words]
        clean = 'mkdir -p -- "$(dirname -- "$1")" && rm -f -- "$1.code" "$1.log"'
        await place.run(["sh", "-c", clean, "sh", _STATE])
        started = await place.start(command, folder="", log=f"{_STATE}.log")
        note = 'printf %s "$1" >"$2"'
        await place.run(["sh", "-c", note, "sh", started, f"{_STATE}.started"])
    await _follow(place, started, tell)
    code = (await place.run(["cat", f"{_STATE}.code"])).text.strip()
    if code != "0":
        raise Problem("SM-REM-043", where=place.name, host=place.name, log=f"{_STATE}.log")


async def _started(place: Place) -> str:
    """Return the set-up that goes on there; empty for none."""
    noted = (await place.run(["cat", f"{_STATE}.started"])).text.strip()
    return noted if noted and await place.is_at_work(noted) else ""


async def _follow(place: Place, started: str, tell: Tell) -> None:
    """Tell each line of the set-up's log until it ends."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    offset, rest, goes_on = 0, "", True
    while goes_on:
        # What it says last is read after its end.
        goes_on = await place.is_at_work(started)
        known = await place.look(f"{_STATE}.log")
        if known and known.size > offset:
            async for piece in place.read(f"{_STATE}.log", offset):
                offset += len(piece)
                *lines, rest = (rest + decoder.decode(piece)).split("\n")
                for line in lines:
                    tell(line)
        if goes_on:
            await asyncio.sleep(LOOK_SECONDS)
    if rest:
        tell(rest)
