"""Programs that some tests need: installed where tests may install, else the test is skipped and says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest

# No question is asked, and nothing more installed than is needed.
_INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
# Another test may be installing something.
_INSTALL += ("-o", "DPkg::Lock::Timeout=300")


def program(name: str, package: str = "") -> str:
    """Return the path of a program, which is installed from Debian's packages where CI runs as root.

    Parameters
    ----------
    name : str
    package : str, optional
        Of Debian, where it is called otherwise.
    """
    package = package or name
    may = os.geteuid() == 0 and shutil.which("apt-get") and "CI" in os.environ
    if not shutil.which(name) and may and not _apt(*_INSTALL, package):
        _apt("apt-get", "update", "-qq")
        _apt(*_INSTALL, package)
    return shutil.which(name) or pytest.skip(f"there is no {name} here: apt-get install {package}")


@cache
def _apt(*words: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    return done.returncode == 0
