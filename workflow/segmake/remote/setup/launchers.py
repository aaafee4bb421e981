"""Files to double-click in an experiment's folder: compute over there, wait, fetch, show the report; or open the page.

They run the SegMake that made them; where it is gone, they install one for this user by uv, which they bring too.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from segmake.core.files import error_line, write_atomically
from segmake.core.site import read_address
from segmake.messages import Problem, language, say
from segmake.remote.handed_out import HandedOut
from segmake.remote.running import SOME_FAILED

# The endings of Windows', macOS' and Linux' launchers.
ENDINGS = (".bat", ".command", ".desktop")

# What the entries of Linux' desktops run: nobody is to wonder which of two files to double-click.
_OF_DESKTOP = ".segmake-launcher.sh"
_PAGE_OF_DESKTOP = ".segmake-page.sh"

# Stands in each, so that no file of somebody else's is ever replaced.
_MARK = "segmake-launcher"

_BAT = r"""@echo off
rem {mark}
setlocal DisableDelayedExpansion
chcp 65001 >nul
title SegMake
rem A folder on a file server gets a letter as long as this runs.
pushd "%~dp0"
set "SEGMAKE_LANG={language}"
set "PYTHONUTF8=1"
set "SEGMAKE={program}"
if exist "%SEGMAKE%" goto run
set "SEGMAKE=%USERPROFILE%\.local\bin\segmake.exe"
if exist "%SEGMAKE%" goto run
{bring}
if exist "%SEGMAKE%" goto run
echo {no_program}
goto stay
:run
{deed}
popd
exit /b 0
{some_failed}:failed
echo.
echo {failed}
:stay
popd
pause
exit /b 1
"""

_COMPUTE_BAT = r"""\
"%SEGMAKE%" remote run --yes{profile}
set "CODE=%ERRORLEVEL%"
rem {some}: done, but some images failed. The report names them.
if "%CODE%"=="{some}" goto show
if not "%CODE%"=="0" goto failed
:show
"%SEGMAKE%" remote open
if not "%ERRORLEVEL%"=="0" goto failed
if "%CODE%"=="{some}" goto some"""

_SOME_BAT = r"""\
:some
echo.
echo {some_failed}
goto stay
"""

_PAGE_BAT = r"""\
"%SEGMAKE%" page
if not "%ERRORLEVEL%"=="0" goto failed"""

_BRING_BAT = r"""echo {bringing}
set "UV=%USERPROFILE%\.local\bin\uv.exe"
if exist "%UV%" goto install
powershell -NoProfile -ExecutionPolicy Bypass -Command "irm {uv}/install.ps1 | iex"
:install
"%UV%" tool install --python 3.12 "{package}"
"""

_COMMAND = r"""#!/bin/sh
# {mark}
cd -- "$(dirname -- "$0")" || exit 1
SEGMAKE_LANG={language}
export SEGMAKE_LANG
segmake={program}
stay() {{
    printf '\n%s\n' "$1"
    printf '%s ' {close}
    read -r _
    exit 1
}}
[ -x "$segmake" ] || segmake=$HOME/.local/bin/segmake
if [ ! -x "$segmake" ]; then
    {bring}
fi
[ -x "$segmake" ] || stay {no_program}
{deed}
"""

_COMPUTE_SH = r"""\
"$segmake" remote run --yes{profile}
code=$?
# {some}: done, but some images failed. The report names them.
[ "$code" = 0 ] || [ "$code" = {some} ] || stay {failed}
"$segmake" remote open || stay {failed}
[ "$code" = 0 ] || stay {some_failed}"""

_PAGE_SH = r"""\
"$segmake" page || stay {failed}"""

_BRING_SH = r"""echo {bringing}
    uv=$(command -v uv || echo "$HOME/.local/bin/uv")
    if [ ! -x "$uv" ]; then
        if command -v curl >/dev/null 2>&1; then curl -LsSf {installer} | sh; else wget -qO- {installer} | sh; fi
        uv=$HOME/.local/bin/uv
    fi
    "$uv" tool install --python 3.12 {package}"""

_DESKTOP = """\
[Desktop Entry]
# {mark}
Type=Application
Name={name}
Comment={comment}
Exec=sh {script}
Terminal=true
"""

# Within a quoted word of a desktop entry: once for the word, and once more for the line.
_DESKTOP_WORD = re.compile(r'(["`$\\])')


@dataclass(frozen=True)
class Launchers:
    """The launchers of an experiment.

    Attributes
    ----------
    program : str
        The SegMake that they run.
    handed_out : HandedOut
        Where SegMake and uv come from.
    profile : str
        The profile that runs get; empty for what is there.
    open_page : bool
        Whether they open the page in the browser, and compute nothing by themselves.
    """

    program: str
    handed_out: HandedOut
    profile: str = ""
    open_page: bool = False

    @property
    def name(self) -> str:
        """What they are called."""
        return say("reach.page_launcher" if self.open_page else "reach.launcher")

    @property
    def of_desktop(self) -> str:
        """The name of what Linux' desktops run."""
        return _PAGE_OF_DESKTOP if self.open_page else _OF_DESKTOP

    @property
    def package(self) -> str:
        """What uv is to install; empty where nobody said where SegMake comes from."""
        if wheel := self.handed_out.address("package"):
            return f"segmake[page] @ {wheel}"
        address = read_address(self.handed_out.address("segmake"))
        return f"segmake[page] @ git+{address}" if address else ""

    def bat(self) -> str:
        """Return what Windows runs, with lines as it ends them."""
        bring = ""
        if self.package:
            words = {"bringing": _echoed(say("reach.bringing")), "package": self.package}
            bring = _BRING_BAT.format(uv=self.handed_out.address("uv"), **words).rstrip()
        deed, some_failed = _PAGE_BAT, ""
        if not self.open_page:
            deed = _COMPUTE_BAT.format(profile=self._profile(), some=SOME_FAILED)
            some_failed = _SOME_BAT.format(some_failed=_echoed(say("remote.some_failed")))
        text = _BAT.format(
            mark=_MARK,
            language=language(),
            program=self.program.replace("%", "%%"),
            bring=bring,
            no_program=_echoed(self._no_program()),
            deed=deed,
            failed=_echoed(say("reach.failed")),
            some_failed=some_failed,
        )
        return text.replace("\n", "\r\n")

    def command(self) -> str:
        """Return what macOS runs, and the entry of Linux' desktops."""
        bring = ":"
        if self.package:
            installer = shlex.quote(f"{self.handed_out.address('uv')}/install.sh")
            bring = _BRING_SH.format(
                bringing=shlex.quote(say("reach.bringing")),
                installer=installer,
                package=shlex.quote(self.package),
            )
        deed = (_PAGE_SH if self.open_page else _COMPUTE_SH).format(
            profile=self._profile(),
            failed=shlex.quote(say("reach.failed")),
            some=SOME_FAILED,
            some_failed=shlex.quote(say("remote.some_failed")),
        )
        return _COMMAND.format(
            mark=_MARK,
            language=language(),
            program=shlex.quote(self.program),
            bring=bring,
            no_program=shlex.quote(self._no_program()),
            deed=deed,
            close=shlex.quote(say("reach.close")),
        )

    def desktop(self, script: Path) -> str:
        """Return the entry that Linux' desktops show; it names its script by the whole path."""
        word = _DESKTOP_WORD.sub(r"\\\1", str(script.absolute()))
        quoted = word.replace("\\", "\\\\").replace("\n", "\\n").replace("%", "%%")
        return _DESKTOP.format(mark=_MARK, name="SegMake", comment=self.name, script=f'"{quoted}"')

    def _profile(self) -> str:
        return f" --profile {self.profile}" if self.profile else ""

    def _no_program(self) -> str:
        contact = self.handed_out.contact or say("site.nobody")
        return say("reach.no_program", contact=contact)


def launchers(handed_out: HandedOut, profile: str = "", *, open_page: bool = False) -> Launchers:
    """Return the launchers that run the SegMake of now, with a profile or whatever is there."""
    windows = os.name == "nt"
    program = Path(sys.executable).with_name("segmake.exe" if windows else "segmake")
    return Launchers(str(program), handed_out, profile, open_page)


def has_page() -> bool:
    """Return whether the SegMake of now can open the page: the extra ``remote`` alone has none."""
    return bool(find_spec("uvicorn"))


def own_endings() -> tuple[str, ...]:
    """Return the ending of the launcher of this system."""
    if os.name == "nt":
        return (".bat",)
    return (".command",) if sys.platform == "darwin" else (".desktop",)


def write_launchers(experiment: Path, made: Launchers, endings: tuple[str, ...]) -> list[Path]:
    """Write launchers into an experiment's folder, and return those that are there now.

    Raises
    ------
    Problem
        ``SM-REM-047`` if there is a file of such a name that SegMake has not written, or none can be written.
    """
    script = experiment / made.of_desktop
    texts = {".bat": made.bat(), ".command": made.command(), ".desktop": made.desktop(script)}
    if ".desktop" in endings:
        _write(script, made.command())
    written = []
    for ending in endings:
        path = experiment / f"{made.name}{ending}"
        _write(path, texts[ending])
        written.append(path)
    return written


def _write(path: Path, text: str) -> None:
    try:
        if path.exists() and _MARK.encode() not in path.read_bytes():
            raise Problem("SM-REM-047", where=str(path), error=say("reach.not_ours"))
        with write_atomically(path) as part:
            part.write_bytes(text.encode(errors="surrogateescape"))
            part.chmod(0o755)
    except OSError as error:
        raise Problem("SM-REM-047", where=str(path), error=error_line(error)) from error


def _echoed(text: str) -> str:
    """Return what `echo` of Windows takes for a text, and not for a command."""
    return re.sub(r"([&|<>^])", r"^\1", " ".join(text.split())).replace("%", "%%")
