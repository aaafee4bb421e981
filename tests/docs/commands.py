"""Whether what the docs say to type is there: commands and options of SegMake, of Snakemake, of SegMake's scripts."""

from __future__ import annotations

import argparse
import re
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO

from segmake.cli.parser import command_line
from segmake.cli.speaking import Mistake
from tests.projects import ROOT

# Programs that a reader may type without a word on how they are got: part of the system, or named in the text.
PROGRAMS = set(
    [
        ".",
        "awk",
        "bash",
        "cat",
        "cd",
        "chmod",
        "chown",
        "clear",
        "column",
        "conda",
        "cp",
        "curl",
        "cut",
        "date",
        "df",
        "du",
        "echo",
        "exit",
        "export",
        "fc-list",
        "find",
        "for",
        "getent",
        "git",
        "grep",
        "groups",
        "gunzip",
        "gzip",
        "head",
        "hostname",
        "id",
        "imagej",
        "java",
        "jupyter",
        "less",
        "ln",
        "ls",
        "mamba",
        "man",
        "md5sum",
        "micromamba",
        "mkdir",
        "module",
        "mount",
        "mv",
        "nano",
        "nvidia-smi",
        "open",
        "pip",
        "pip3",
        "pipx",
        "printf",
        "ps",
        "pwd",
        "python",
        "python3",
        "rclone",
        "rm",
        "rsync",
        "sacct",
        "sacctmgr",
        "sbatch",
        "scancel",
        "scontrol",
        "scp",
        "sed",
        "sftp",
        "sh",
        "sha256sum",
        "shasum",
        "sinfo",
        "sort",
        "source",
        "squeue",
        "srun",
        "ssh",
        "ssh-add",
        "ssh-agent",
        "ssh-copy-id",
        "ssh-keygen",
        "ssh-keyscan",
        "sshare",
        "sprio",
        "sudo",
        "tail",
        "tar",
        "tee",
        "test",
        "tmux",
        "touch",
        "true",
        "umask",
        "uniq",
        "unset",
        "unzip",
        "uv",
        "uvx",
        "watch",
        "wc",
        "wget",
        "which",
        "xdg-open",
        "zip",
        "diff",
        "apt",
        "apt-get",
        "Rscript",
        "ruff",
        "mypy",
        "lint-imports",
        "snakefmt",
        "pytest",
        "pre-commit",
        "quota",
        "chgrp",
        "install",
    ]
)
# Of PowerShell; without regard to capitals.
WINDOWS = {
    name.lower()
    for name in [
        "$",
        "$env",
        "add-content",
        "add-windowscapability",
        "cat",
        "cd",
        "clear",
        "copy",
        "copy-item",
        "del",
        "dir",
        "echo",
        "exit",
        "explorer",
        "expand-archive",
        "get-childitem",
        "get-command",
        "get-content",
        "get-filehash",
        "get-item",
        "get-service",
        "get-windowscapability",
        "icacls",
        "invoke-webrequest",
        "ls",
        "mkdir",
        "mv",
        "net",
        "new-item",
        "new-psdrive",
        "notepad",
        "ping",
        "py",
        "python",
        "pwd",
        "remove-item",
        "ren",
        "scp",
        "set-content",
        "set-service",
        "sftp",
        "ssh",
        "ssh-add",
        "ssh-keygen",
        "start",
        "start-process",
        "start-service",
        "test-netconnection",
        "test-path",
        "tnc",
        "type",
        "uv",
        "where",
        "whoami",
        "winget",
        "wsl",
        "mstsc",
        "start-sshagent",
        "powershell",
        "irm",
        "iex",
        "write-output",
        "set-executionpolicy",
    ]
}
_OPTION = re.compile(r"--?[a-zA-Z][\w-]*")


def faults(command: list[str]) -> list[str]:
    """Return what is wrong with a command that a block has."""
    program, *words = command
    if program == "segmake" or command[:3] == ["python", "-m", "segmake"]:
        return _of_segmake(words if program == "segmake" else command[3:])
    if program == "snakemake":
        return _of_snakemake(words)
    if program == "bash" and words and not words[0].startswith("-"):
        return _of_script(words[0], words[1:])
    if program.endswith((".sh", "/segmake", "/snakemake", "/pip", "/python")):
        return faults([program.rpartition("/")[2], *words]) if "/" in program else []
    return (
        [] if program in PROGRAMS else [f"{program}: no program that the docs may use (PROGRAMS)"]
    )


def named_faults(text: str) -> list[str]:
    """Return what is wrong with a command that a sentence names, which may lack what it needs to be run."""
    program, *words = text.split()
    if program == "segmake":
        return _named_of_segmake(words)
    if program == "snakemake":
        known = _snakemake()._option_string_actions
        return [
            f"snakemake {option}: no such option"
            for option in _options(words)
            if option not in known
        ]
    if program == "bash" and words:
        return _of_script(words[0], words[1:])
    return []


def _options(words: list[str]) -> list[str]:
    found = [_OPTION.match(word.strip("[]")) for word in words]
    return [option[0] for option in found if option]


def _of_segmake(words: list[str]) -> list[str]:
    try:
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            _, left = command_line(words).parse_known_args(words)
    except Mistake as mistake:
        return [" ".join(str(mistake.problem).split())]
    except SystemExit as ended:
        return [f"ends with {ended.code}"] if ended.code else []
    return [f"{' '.join(left)}: no such words of segmake"] if left else []


def _named_of_segmake(words: list[str]) -> list[str]:
    parser: argparse.ArgumentParser = command_line()
    for word in words:
        actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not actions or word.startswith("-"):
            break
        if not word.islower():
            # Of any of them.
            return []
        if word not in actions[0].choices:
            return [f"{parser.prog} {word}: no such command"]
        parser = actions[0].choices[word]
    known = parser._option_string_actions
    return [
        f"{parser.prog} {option}: no such option"
        for option in _options(words)
        if option not in known
    ]


@cache
def _snakemake() -> argparse.ArgumentParser:
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


def _of_snakemake(words: list[str]) -> list[str]:
    said = StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(said):
            _snakemake().parse_args(words)
    except SystemExit as ended:
        return [said.getvalue().strip().splitlines()[-1]] if ended.code else []
    return []


def _of_script(script: str, words: list[str]) -> list[str]:
    """Return what is wrong with a script of SegMake, wherever its clone lies."""
    _, below, name = script.rpartition("scripts/")
    if not below or not script.endswith(".sh"):
        return []
    file = ROOT / "scripts" / name
    if not file.is_file():
        return [f"{script}: no such script"]
    text = file.read_text(encoding="utf-8")
    # The tests' script hands all of them to pytest.
    options = [] if name == "test.sh" else _options(words)
    return [
        f"{script} {option}: no such option"
        for option in options
        if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text)
    ]
