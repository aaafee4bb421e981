"""What the set-up puts into the main environment beside the package: a start, the command snakemake, activations.

``python -P installed.py WORKFLOW PREFIX``: the folder with the package, and that of the environment. What is there
already is brought up to date.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from pathlib import Path

# Variables that modules set for other Pythons. venv's own scripts take PYTHONHOME away, that for csh does not.
_VARIABLES = {"sh": ["PYTHONPATH"], "csh": ["PYTHONPATH", "PYTHONHOME"], "fish": ["PYTHONPATH"]}

# The words before which, within `deactivate`, a variable gets its value back; and what does so.
_GIVE_BACK = {
    "sh": (
        "deactivate () {\n",
        '    if [ -n "${_OLD_SEGMAKE_@:-}" ] ; then\n'
        '        @="${_OLD_SEGMAKE_@:-}"\n        export @\n        unset _OLD_SEGMAKE_@\n    fi\n',
    ),
    "csh": (
        "alias deactivate '",
        'test $?_OLD_SEGMAKE_@ != 0 && setenv @ "$_OLD_SEGMAKE_@" && unset _OLD_SEGMAKE_@; ',
    ),
    "fish": (
        'function deactivate  -d "Exit virtual environment and return to normal shell environment"\n',
        '    if test -n "$_OLD_SEGMAKE_@"\n'
        "        set -gx @ $_OLD_SEGMAKE_@\n        set -e _OLD_SEGMAKE_@\n    end\n",
    ),
}

# What takes it away, at the end of the script.
_TAKE_AWAY = {
    "sh": 'if [ -n "${@:-}" ] ; then\n    _OLD_SEGMAKE_@="${@:-}"\n    unset @\nfi\n',
    "csh": 'if ($?@) then\n    set _OLD_SEGMAKE_@="$@"\n    unsetenv @\nendif\n',
    "fish": "if set -q @\n    set -g _OLD_SEGMAKE_@ $@\n    set -e @\nend\n",
}

_MARK = "# SegMake: packages of other Pythons, to which modules lead, must not mix with its own."

# With these of another Python, this one does not start, or not with its own packages.
OF_ANOTHER_PYTHON = ("PYTHONHOME", "PYTHONPATH", "PYTHONPLATLIBDIR")

_COMMAND = """\
#!/bin/sh
# SegMake's command snakemake: Snakemake without what modules set for other Pythons.
python={python}
unset {variables}
if [ -n "${{LD_LIBRARY_PATH-}}" ] && ! "$python" -I -S -c '' 2>/dev/null; then
    unset LD_LIBRARY_PATH
fi
exec "$python" -P -m snakemake "$@"
"""

# In a clone that is gone, or of a version without it, Python starts as ever. The path is written as escaped bytes:
# Python reads such a file in the locale's encoding, whatever it is that day.
_START = (
    "import os, sys; sys.path.append(os.fsdecode({workflow!r})); "
    'exec("try:\\n from segmake.adapter.front import enter\\nexcept ImportError:\\n pass\\nelse:\\n enter()")\n'
)


def install(workflow: Path, prefix: Path) -> None:
    """Put SegMake's own files into an environment.

    Parameters
    ----------
    workflow : Path
        The folder that holds the package.
    prefix : Path
        The environment, a virtual one or conda's.
    """
    places = {"base": str(prefix), "platbase": str(prefix)}
    packages = Path(sysconfig.get_path("purelib", "posix_prefix", vars=places))
    # The path is written as escaped bytes: Python reads such a file in the locale's encoding, whatever it is that day.
    _write(packages / "segmake_start.pth", _START.format(workflow=os.fsencode(workflow)))
    # pip's own has the path as text, with which no Python starts where that can't be decoded; the other is of 0.1.0.
    for other in ("_segmake.pth", "segmake.pth"):
        (packages / other).unlink(missing_ok=True)
    python = shlex.quote(str(prefix / "bin" / "python"))
    _write(
        prefix / "bin" / "snakemake",
        _COMMAND.format(python=python, variables=" ".join(OF_ANOTHER_PYTHON)),
        executable=True,
    )
    if (prefix / "conda-meta").is_dir():
        _install_for_conda(prefix / "etc" / "conda")
    for shell, name in (("sh", "activate"), ("csh", "activate.csh"), ("fish", "activate.fish")):
        script = prefix / "bin" / name
        if script.is_file() and not (prefix / "conda-meta").is_dir():
            _write(script, activation(script.read_text(encoding="utf-8"), shell))


def activation(script: str, shell: str) -> str:
    """Return venv's script for a shell, so that it takes foreign variables away until `deactivate`."""
    before, give_back = _GIVE_BACK[shell]
    if _MARK in script or before not in script:
        return script
    names = _VARIABLES[shell]
    backs = "".join(give_back.replace("@", name) for name in names)
    taken = "".join(_TAKE_AWAY[shell].replace("@", name) for name in names)
    return script.replace(before, before + backs, 1) + f"\n{_MARK}\n{taken}"


def _install_for_conda(folder: Path) -> None:
    """Let `conda activate` take foreign variables away, and what is in ~/.local; `conda deactivate` gives them back."""
    for shell in _TAKE_AWAY:
        taken, back = "", ""
        for name in ("PYTHONPATH", "PYTHONHOME"):
            taken += _TAKE_AWAY[shell].replace("@", name)
            back += _CONDA_BACK[shell].replace("@", name)
        own, unset = _NO_USER_PACKAGES[shell]
        _write(folder / "activate.d" / f"segmake.{shell}", f"{_MARK}\n{own}{taken}")
        _write(folder / "deactivate.d" / f"segmake.{shell}", f"{_MARK}\n{unset}{back}")


_CONDA_BACK = {
    "sh": _GIVE_BACK["sh"][1],
    "csh": 'if ($?_OLD_SEGMAKE_@) then\n    setenv @ "$_OLD_SEGMAKE_@"\n    unset _OLD_SEGMAKE_@\nendif\n',
    "fish": _GIVE_BACK["fish"][1],
}

_NO_USER_PACKAGES = {
    "sh": ("export PYTHONNOUSERSITE=1\n", "unset PYTHONNOUSERSITE\n"),
    "csh": ("setenv PYTHONNOUSERSITE 1\n", "unsetenv PYTHONNOUSERSITE\n"),
    "fish": ("set -gx PYTHONNOUSERSITE 1\n", "set -e PYTHONNOUSERSITE\n"),
}


def _write(path: Path, text: str, *, executable: bool = False) -> None:
    """Write a file that others may be reading, such as the command of a run that starts at this moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    mode = path.stat().st_mode if path.exists() else 0o644
    part.chmod(0o755 if executable else mode)
    part.replace(path)


if __name__ == "__main__":
    install(Path(sys.argv[1]), Path(sys.argv[2]))
