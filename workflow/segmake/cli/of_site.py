"""What whoever sets SegMake up for others runs: ``segmake site`` and ``segmake firstday``.

What the site file says, whether it fits the cluster, its part for other computers; and whether SegMake works here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmake import __version__
from segmake.core.files import write_atomically
from segmake.messages import Problem, Problems, joined, say

if TYPE_CHECKING:
    from segmake.core.site import Site

# What a computer that is not of the cluster has to know of it.
_FOR_OTHERS = ("login", "addresses", "paths", "contact", "language")


def do_site(options: argparse.Namespace) -> None:
    """Do one of `ACTIONS` with the site file."""
    ACTIONS[options.action](options)


def show_site(options: argparse.Namespace) -> None:
    """Say what the site file says, with what each setting is called and its line."""
    from segmake.core.site import title_of

    site, path = _sound()
    if not path.exists():
        print(say("site.none", path=path))
        return
    print(say("site.shown", path=path))
    for name, value in site.settings.items():
        section = value.items() if isinstance(value, dict) else ()
        rows = [((name, key), inner) for key, inner in section if inner is not None]
        for keys, inner in rows if section else [((name,), value)]:
            shown = joined(_shown(inner))
            place = say("site.line", line=site.lines.get(keys, 1))
            print(f"  {'.'.join(keys)}: {shown}\n    {title_of(*keys)}, {place}")


def _shown(value: Any) -> list[str]:
    """Return what a setting says, each of several things by itself."""
    if isinstance(value, dict):
        here = value["here"] if isinstance(value["here"], list) else [value["here"]]
        return [f"{value['there']} = {', '.join(here)}"]
    return (
        [shown for each in value for shown in _shown(each)]
        if isinstance(value, list)
        else [str(value)]
    )


def check_site(options: argparse.Namespace) -> None:
    """Hold the site file against the cluster, and propose what it does not say; raise what is wrong with it."""
    from segmake.cluster.site_proposals import proposals, site_problems, written_out
    from segmake.slurm import commands as slurm

    site, path = _sound()
    if options.write and path.exists():
        raise Problem("SM-SIT-009", where=str(path), path=path)
    print(say("site.fine" if path.exists() else "site.none", path=path))
    if not slurm.is_here():
        if options.write:
            raise Problem("SM-RUN-011")
        print(say("site.no_slurm"))
        return
    if problems := site_problems(site) if path.exists() else []:
        raise Problems(problems)
    if options.node:
        print(say("builder.asking"), file=sys.stderr, flush=True)
    found = proposals(site, node=options.node)
    if not found:
        print(say("site.complete"))
        return
    text = f"# {say('site.made')}\n{written_out(found)}\n"
    if options.write:
        with write_atomically(path) as part:
            part.write_text(text, encoding="utf-8")
        print(say("site.written", path=path))
    print(f"\n{text}" if options.write else f"{say('site.proposed', path=path)}\n\n{text}")


def export_site(options: argparse.Namespace) -> None:
    """Write the part of the site file that a user's own computer needs before its first login."""
    from ruamel.yaml import YAML

    site, path = _sound()
    part = {key: site.settings[key] for key in _FOR_OTHERS if site.settings.get(key)}
    if "login" not in part and "paths" not in part:
        raise Problem("SM-SIT-010", where=str(path))
    _add_own(part)
    yaml = YAML()
    yaml.default_flow_style = False
    # A value that is folded is hard to read, and to copy.
    yaml.width = sys.maxsize
    content = {"segmake": __version__, **part}
    if options.file is None:
        yaml.dump(content, sys.stdout)
        return
    file: Path = options.file
    with write_atomically(file) as written, written.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
    print(say("site.exported", path=file))


def _add_own(part: dict[str, Any]) -> None:
    """Add where this SegMake lies and comes from, as far as the site file does not say it."""
    from segmake.core.installation import clone

    program = Path(sys.prefix) / "bin" / "segmake"
    if part.get("login") and program.exists():
        part["login"] = {"program": str(program)} | _said(part["login"])
    origin = _origin(clone())
    if origin:
        part["addresses"] = {"segmake": origin} | _said(part.get("addresses") or {})


def _said(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None}


def _origin(folder: Path | None) -> str:
    """Return the address of the repository that SegMake was cloned from, if others can use it."""
    from segmake.core.site import read_address

    if folder is None:
        return ""
    words = ("git", "-C", str(folder), "remote", "get-url", "origin")
    try:
        said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
    # One with a name and password in it is nobody else's.
    return said if read_address(said) else ""


def _sound() -> tuple[Site, Path]:
    """Return what the site file says, if nothing is wrong with it, and where it is."""
    from segmake.core.site import SITE, read_site

    site = read_site()
    if site.problems:
        raise Problems(site.problems)
    return site, SITE


def do_first_day(options: argparse.Namespace) -> int:
    """Try SegMake on this cluster step by step, or list the steps; return 1 where one has failed."""
    from segmake.firstday.course import Wanted, do_day, listed

    if options.list:
        print("\n".join(listed()))
        return 0
    wanted = Wanted(
        options.folder,
        options.only,
        options.skip,
        options.gpu_minutes,
        options.here,
        options.allow_cpu,
        options.yes,
        options.configfiles,
    )
    return do_day(wanted, lambda line: print(line, flush=True))


# By their names on the command line; the first one is done where none is named.
ACTIONS = {"show": show_site, "check": check_site, "export": export_site}
