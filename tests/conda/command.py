"""The command `conda` of the tests: what Snakemake asks of one, done with py-rattler. See this folder's __init__.py."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import rattler
import yaml
from near import ONLY_PIP, put_there

VERSION = "25.11.0"

# What takes pip minutes: gigabytes with PyTorch, and thousands of files to compile.
LARGE = {"torch", "scikit-image", "pandas"}


def main(arguments: list[str]) -> int:
    """Answer as conda does; the first argument is the folder in which this conda is installed."""
    base = Path(arguments[0])
    options = _parser().parse_args(arguments[1:])
    if options.version:
        print(f"conda {VERSION}")
    elif options.command == "info":
        print(json.dumps({"conda_prefix": str(base), "platform": "linux-64"}))
    elif options.command == "config":
        # As conda is set up at first: Snakemake has a warning for that.
        print(json.dumps({"get": {}, "success": True, "warnings": []}))
    elif options.command == "clean":
        for archive in (base / "packages").glob("*.tar.bz2"):
            archive.unlink()
    elif options.command == "env":
        return create(base, options.file, options.prefix)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("--version", action="store_true")
    commands = parser.add_subparsers(dest="command")
    info = commands.add_parser("info")
    info.add_argument("--json", action="store_true", required=True)
    config = commands.add_parser("config")
    config.add_argument("--get", choices=["channel_priority"], required=True)
    config.add_argument("--json", action="store_true", required=True)
    clean = commands.add_parser("clean")
    clean.add_argument("-y", action="store_true", required=True)
    clean.add_argument("--tarballs", action="store_true", required=True)
    env = commands.add_parser("env").add_subparsers(required=True)
    create = env.add_parser("create")
    create.add_argument("--quiet", action="store_true")
    create.add_argument("--no-default-packages", action="store_true")
    create.add_argument("--file", type=Path, required=True)
    create.add_argument("--prefix", type=Path, required=True)
    return parser


def create(base: Path, file: Path, prefix: Path) -> int:
    """Make the environment that a file describes, and return the exit code."""
    dependencies = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    specs = [entry for entry in dependencies if isinstance(entry, str)]
    wheels = [
        package for entry in dependencies if isinstance(entry, dict) for package in entry["pip"]
    ]
    if prefix.exists():
        print(f"CondaValueError: prefix already exists: {prefix}", file=sys.stderr)
        return 1
    try:
        asyncio.run(_install(base, specs, prefix))
    except Exception as error:
        # Every error of rattler is of a class of its own; like conda, it is told and not raised.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return _install_wheels(wheels, file, prefix) if wheels else 0


async def _install(base: Path, specs: list[str], prefix: Path) -> None:
    channel = rattler.Channel((base / "channel").as_uri())
    gateway = rattler.Gateway(cache_dir=base / "cache")
    records = await rattler.solve(
        sources=[channel],
        specs=specs,
        gateway=gateway,
        platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    await rattler.install(records, prefix, cache_dir=base / "packages", show_progress=False)


def _install_wheels(wheels: list[str], file: Path, prefix: Path) -> int:
    """Let the environment's own pip install the packages of the `pip:` part."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("\n".join(wheels) + "\n", encoding="utf-8")
        python = prefix / "bin" / "python"
        large = LARGE & {package.partition("==")[0] for package in wheels}
        if large and ONLY_PIP not in os.environ:
            (packages,) = (prefix / "lib").glob("python3.*/site-packages")
            put_there(wheels, packages)
        command = [str(python), "-m", "pip", "install", "-U", "-r", str(listed)]
        # What this command itself imports is not for the environment.
        own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        code = subprocess.call(
            [*command, "--exists-action=b", "--no-input", "--progress-bar=off"],
            env=own,
            cwd=file.parent,
        )
    if code:
        print("failed\n\nCondaEnvException: Pip failed", file=sys.stderr)
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
