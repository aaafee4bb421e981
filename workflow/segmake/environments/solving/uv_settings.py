"""What uv gets to see of the user's settings: how packages are reached, and nothing that changes which they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# uv's own: where packages and Pythons come from, how they are fetched, and where they are kept meanwhile.
_REACH = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX(_.*)?|EXTRA_INDEX_URL|FIND_LINKS|OFFLINE|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|HTTP_.*"
    r"|KEYRING_PROVIDER|CREDENTIALS_DIR|CACHE_DIR|CONCURRENT_.*|LINK_MODE|LOCK_TIMEOUT|CONFIG_FILE|PYTHON_INSTALL_MIRROR"
    r"|PYTHON_DOWNLOADS_JSON_URL|.*_TOKEN|.*_PASSWORD|.*_USERNAME)"
)

# Of other Pythons: uv would take one of them for the environment that is meant.
_OF_PYTHONS = re.compile(r"PYTHON.*|VIRTUAL_ENV|CONDA_(PREFIX|DEFAULT_ENV)")

# pip's settings of the same kind, and the variable that says it to uv.
_LIKE_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "HTTPS_PROXY",
}
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE")
_PIP_SETTING = re.compile(r"(?:global|install|:env:)\.([a-z-]+)='(.*)'")


def variables_of_uv(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment in which uv is started.

    The index, the proxy and the certificate that pip is told of count for uv as well, where uv is told of none.

    Parameters
    ----------
    environ : mapping
        The present environment.
    """
    found = {
        name: value
        for name, value in environ.items()
        if (not name.startswith("UV_") or _REACH.fullmatch(name)) and not _OF_PYTHONS.match(name)
    }
    has_index = any(found.get(name) for name in _INDEXES) or any(
        file.exists() for file in _files_of_uv(environ)
    )
    for setting, value in _settings_of_pip().items():
        variable = _LIKE_PIP.get(setting, "")
        known = found.get(variable) or found.get(variable.lower())
        if variable and not known and not (variable == "UV_DEFAULT_INDEX" and has_index):
            found[variable] = value
    # What uv says is read: where a terminal's width is known (COLUMNS), it would be broken into lines.
    plain = {"NO_COLOR": "1", "UV_NO_WRAP": "1", "UV_NO_PROGRESS": "1"}
    # git, which uv runs, neither asks for a password, which nobody would see, nor speaks another language.
    git = {"GIT_TERMINAL_PROMPT": "0", "LANGUAGE": "en"}
    return {**found, **plain, **git, "UV_PYTHON_DOWNLOADS": "never"}


def _files_of_uv(environ: Mapping[str, str]) -> list[Path]:
    home = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/"), ".config")
    return [Path(home, "uv", "uv.toml"), Path("/etc/uv/uv.toml")]


@cache
def _settings_of_pip() -> dict[str, str]:
    """Return what pip's files and variables say, the stronger ones last."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    settings: dict[str, str] = {}
    # Variables (`:env:`) are stronger than files.
    for line in sorted(answer.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        if match := _PIP_SETTING.fullmatch(line):
            settings[match[1]] = match[2]
    return settings
