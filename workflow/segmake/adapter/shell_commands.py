"""What comes before each rule's shell command: how SegMake is called in it, and with how many threads."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from segmake.core import installation
from segmake.core.threads import VARIABLES
from segmake.plan.written_plan import PLAN_VARIABLE


def shell_prefix(plan: Path, engine_python: str, *, conda: bool) -> str:
    """Return the shell's functions ``segmake``, ``segmake_engine`` and ``segmake_here``, and its variables.

    Where Snakemake makes the environments (``--sdm conda``) the first two are run by the Python of the rule's
    environment, which is active then; else by those that the set-up made. The third is run by Snakemake's own
    Python whatever environment is active: that of a user's script need not have anything of SegMake.

    Parameters
    ----------
    plan : Path
        Where the plan is.
    engine_python : str
        The Python of the engine, where conda is not asked.
    conda : bool
        Whether Snakemake makes the environments.
    """
    # -P: a file of the user's called like a module of Python (random.py) is none.
    here = shlex.quote(sys.executable)
    if conda:
        python = engine = '"$CONDA_PREFIX/bin/python"'
    else:
        python, engine = here, shlex.quote(engine_python)
    package = shlex.quote(str(installation.python_path(plan.parent)))
    # Of threads that spin while they wait, nothing is gained but that they look busy, and slow down who has work.
    passive = "OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}"
    prefix = (
        "set -euo pipefail; "
        f"export PYTHONNOUSERSITE=1 MPLBACKEND=Agg PYTHONPATH={package} "
        f"{PLAN_VARIABLE}={shlex.quote(str(plan.absolute()))}; "
        f"export {' '.join(f'{name}=${{OMP_NUM_THREADS:-1}}' for name in VARIABLES[1:])}; "
        f'segmake() {{ {python} -P -m segmake "$@"; }}; '
        f'segmake_engine() {{ {passive} {engine} -P -m segmake "$@"; }}; '
        f'segmake_here() {{ {here} -P -m segmake "$@"; }}; '
    )
    # Snakemake fills in what stands in single braces.
    return prefix.replace("{", "{{").replace("}", "}}")
