"""One environment of the config by itself, made as a run makes it: by Snakemake with conda, or by uv."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from segmake.adapter.conda_environments import conda_is_usable, usual_place
from segmake.adapter.own_files import with_profiles
from segmake.core import installation
from segmake.core.config import Config
from segmake.core.made_folders import named_environments
from segmake.environments.making import entering, uv
from segmake.environments.making.conda import DEFAULT_PLACE, check_place
from segmake.environments.making.entering import Entrance
from segmake.environments.solving.cuda import driver_of_nodes
from segmake.environments.solving.environment_files import KEPT
from segmake.messages import Problem
from segmake.slurm import commands as slurm

# A rule that is never run: Snakemake makes what it would run in.
_SNAKEFILE = """\
from segmake.adapter.conda_environments import tend
from segmake.adapter.refusal import refuse
tend(refuse, lambda file, problem: False)
rule environment:
    output: "never made"
    conda: {file}
    shell: "false"
"""


def find(name: str, config: Config, *, ask: bool = False) -> Entrance:
    """Return an environment of the config, made or not.

    Parameters
    ----------
    name : str
    config : Config
    ask : bool
        Whether a node may be asked for its driver, as a run does where packages bring CUDA.

    Raises
    ------
    Problem, Problems
        As `segmake.environments.making.entering.find`.
    """
    prefix = named_environments()
    here = slurm.is_here()

    def ask_driver() -> str | None:
        return driver_of_nodes(config.settings, KEPT, ask=ask) if here else None

    return entering.find(
        name,
        config,
        conda=_by_conda("slurm" if here else "local", prefix),
        prefix=prefix,
        folder_of_conda=(prefix or usual_place([]) or Path(DEFAULT_PLACE)).absolute(),
        ask_driver=ask_driver,
    )


def _by_conda(profile: str, prefix: Path | None) -> bool:
    """Return whether a run with one of SegMake's profiles has conda make environments."""
    file = Path(*with_profiles(["--profile", profile])[1:], "profile.yaml")
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError):
        return False
    if "conda" not in str(settings.get("software-deployment-method", "")):
        return False
    return not (installation.is_shared() and prefix is None) and conda_is_usable()


def make(entrance: Entrance, config: Config) -> Entrance:
    """Make an environment that is not there yet; the user is told meanwhile.

    Parameters
    ----------
    entrance : Entrance
    config : Config

    Returns
    -------
    Entrance
        The same, made.

    Raises
    ------
    Problem
        What kept it from being made by uv.
    SystemExit
        What kept it from being made by conda, after a message; or if the user stopped it.
    """
    if entrance.is_made:
        return entrance
    if entrance.way == "uv" and entrance.place:
        version = config.typed.environments[entrance.name].python
        uv.make(entrance.name, version, entrance.file, entrance.place)
        return entrance
    _make_with_conda(entrance)
    made = find(entrance.name, config)
    if not made.is_made:
        raise Problem("SM-ENV-078", name=entrance.name)
    return made


def _make_with_conda(entrance: Entrance) -> None:
    check_place(entrance.folder)
    with tempfile.TemporaryDirectory() as folder:
        snakefile = Path(folder, "Snakefile")
        snakefile.write_text(_SNAKEFILE.format(file=json.dumps(str(entrance.file))))
        words = ["--snakefile", str(snakefile), "--directory", folder, "--cores", "1"]
        words += ["--sdm", "conda", "--conda-prefix", str(entrance.folder)]
        words += ["--conda-create-envs-only", "--quiet", "all", "--nolock"]
        command = [sys.executable, "-P", "-m", "snakemake", *words]
        if code := subprocess.run(command, check=False).returncode:
            sys.exit(code)
