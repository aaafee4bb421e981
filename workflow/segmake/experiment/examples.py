"""Makes experiments to begin with: a short config, the images that it is for, drawn, and the scripts that it names."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from segmake.config.schema import schema_file
from segmake.config.yaml_values import in_one_line
from segmake.core import installation
from segmake.core.config import DEFAULT_CONFIG
from segmake.core.files import write_atomically
from segmake.messages import Problem, say

EXAMPLES = ("phase", "two-channels", "movie", "stack", "several-files", "script", "sweep")
WITHOUT_IMAGES = ("sweep",)

_IMAGES = "images"
_SCRIPTS = "scripts"
_DEMO_MODEL = "resources/models/segmake_demo_cp3"
_OWN_SCRIPT = re.compile(rf"(?m)^\s+script: {_SCRIPTS}/(\S+)")
# Behind the name of an example, for its config where no network can be had.
WITHOUT_NETWORK = "-without-network"


def list_examples() -> str:
    """Return the examples, with a sentence for each."""
    width = max(map(len, EXAMPLES))
    rows = [f"  {name.ljust(width)}  {say(f'example.{name}')}" for name in EXAMPLES]
    return "\n".join([say("examples.are"), *rows, "", say("examples.how")])


def example_config(name: str, language: str) -> Path:
    """Return the config of an example, with comments in a language."""
    end = "" if language == "en" else f".{language}"
    return installation.example_configs() / f"{name}{end}.yaml"


def make_example(folder: Path, name: str, language: str) -> list[str]:
    """Make an example in a folder, and return what to tell of it.

    Parameters
    ----------
    folder : Path
        An experiment is made in it; there is none yet.
    name : str
        One of `EXAMPLES`.
    language : str
        Of the comments in the config, ``"en"`` or ``"fr"``.

    Raises
    ------
    Problem
        ``SM-EXP-005`` if its images or scripts are there already.
    ModuleNotFoundError
        If images can't be drawn here.
    OSError
        If it can't be written.
    """
    text = example_config(name, language).read_text(encoding="utf-8")
    scripts = _OWN_SCRIPT.findall(text)
    for path in (folder / _IMAGES, *(folder / _SCRIPTS / script for script in scripts)):
        if path.exists():
            raise Problem("SM-EXP-005", where=str(path), path=path)
    told = _draw(name, folder / _IMAGES)
    for script in scripts:
        (folder / _SCRIPTS).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(
            installation.example_configs() / _SCRIPTS / script, folder / _SCRIPTS / script
        )
        told.append(say("example.own_script", path=folder / _SCRIPTS / script))
    model = (installation.clone() or Path()) / _DEMO_MODEL
    if _DEMO_MODEL in text and not (model.is_file() and _has_network()):
        text = example_config(name + WITHOUT_NETWORK, language).read_text(encoding="utf-8")
        told.append(say("example.without_network"))
    config = folder / DEFAULT_CONFIG
    config.parent.mkdir(parents=True, exist_ok=True)
    text = re.sub(r"(?<=\$schema=)\S+", lambda _: str(schema_file(language)), text, count=1)
    with write_atomically(config) as part:
        part.write_text(text.replace(_DEMO_MODEL, in_one_line(str(model))), encoding="utf-8")
    return told


def _draw(name: str, folder: Path) -> list[str]:
    if name in WITHOUT_IMAGES:
        return []
    # A laptop that only sends experiments can't draw.
    from segmake.demo.example_images import write_images

    # The folder gets its name when it is complete.
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    paths = write_images(name, part)
    part.rename(folder)
    return [say("example.images", number=len(paths), folder=folder)]


def _has_network() -> bool:
    """Whether Cellpose 3 is there, or conda, by which the first run makes it."""
    python = installation.environments() / "cellpose3" / "bin" / "python"
    return installation.can_run() and (python.exists() or shutil.which("conda") is not None)
