"""The engine that finds the cells, at another computer: whether it is set up there, and who may set it up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname

from segmake.core.config import DEFAULT_CONFIG
from segmake.messages import Problem, Problems, say
from segmake.places.place import Place
from segmake.remote.known_computers import known_computer
from segmake.remote.setup.segmake_there import Program

# python ENGINE: whether its environment is missing where no conda makes it for a run of Slurm's, and SegMake's folder
# where this user may write there.
_ASK = """
import shutil, sys
from segmake.core import installation
engine = sys.argv[1]
has_file = installation.environment_file(engine).is_file()
needs_none = not has_file and (installation.PACKAGE / "engines" / f"{engine}.py").is_file()
is_made = (installation.environments() / engine / "bin" / "python").exists()
by_conda = has_file and shutil.which("conda") and shutil.which("sbatch")
print("there" if needs_none or is_made or by_conda else "missing")
print("" if installation.is_shared() else installation.clone() or "")
"""


@dataclass(frozen=True)
class EngineThere:
    """An engine at another computer.

    Attributes
    ----------
    is_missing : bool
        Whether a run would be refused for want of it.
    folder : str
        SegMake's folder there, if this user may add to it; else empty.
    """

    is_missing: bool
    folder: str


async def engine_there(place: Place, program: Program, engine: str) -> EngineThere | None:
    """Return what is known of an engine there; None of none, and where SegMake there is too old to say it."""
    if engine in ("", "none"):
        return None
    python = f"{dirname(program.path)}/python"
    answer = await place.run([python, "-c", _ASK, engine])
    if answer.code:
        return None
    state, folder = [*answer.text.splitlines(), "", ""][:2]
    return EngineThere(state == "missing", folder)


def missing_engine(host: str, engine: str, there: EngineThere) -> Problem:
    """Return what to do where an engine is missing: another thing where others have set SegMake up."""
    if there.folder:
        return Problem("SM-REM-062", where=host, engine=engine, host=host)
    contact = known_computer(host).handed_out.contact or say("site.nobody")
    return Problem("SM-REM-057", where=host, engine=engine, host=host, contact=contact)


def engine_of(experiment: Path) -> str:
    """Return the engine of an experiment; empty where it needs none, or its config has mistakes."""
    from segmake.config.load import load_config

    try:
        settings = load_config(experiment / DEFAULT_CONFIG, images=False).typed
    except (Problem, Problems):
        return ""
    return settings.segmentation.engine if settings.images.folder is not None else ""
