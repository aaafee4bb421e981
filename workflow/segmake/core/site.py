"""The site file: what whoever set up SegMake says once for all of its users, ``site.yaml`` in SegMake's folder.

It is optional. ``workflow/segmake/core/site.schema.yaml`` says what it may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from segmake.core import installation
from segmake.messages import Problem, say

SITE = installation.home() / "site.yaml"
SCHEMA = Path(__file__).with_name("site.schema.yaml")

# Whatever else an address may have in it can make it another one than it looks like.
_HOST = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", re.ASCII)
_SEGMENT = re.compile(r"(?!\.{1,2}$)[\w.~+-]+", re.ASCII)

_HTTPS_PORT = 443

_EXAMPLE = '{packages: {git: ["https://github.com/our-lab/"]}}'


@dataclass(frozen=True)
class Address:
    """A place on the web, in parts that can be compared.

    Attributes
    ----------
    host : str
    port : int
    segments : tuple of str
        The folders of its path.
    """

    host: str
    port: int
    segments: tuple[str, ...]

    def __str__(self) -> str:
        port = "" if self.port == _HTTPS_PORT else f":{self.port}"
        return f"https://{self.host}{port}/{'/'.join(self.segments)}"

    def is_below(self, other: Address) -> bool:
        """Return whether this is the other address or lies below it; ``lab2`` is not below ``lab``."""
        if (self.host, self.port) != (other.host, other.port):
            return False
        own = (*self.segments[:-1], *(one.removesuffix(".git") for one in self.segments[-1:]))
        length = len(other.segments)
        return other.segments in (self.segments[:length], own[:length])


def read_address(text: str) -> Address | None:
    """Return the parts of an address with https; None if it is none, or may be another one than it looks like.

    Parameters
    ----------
    text : str
        Such as ``https://github.com/our-lab/``.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    own = f"{parts.netloc}{parts.path}"
    path = parts.path.removeprefix("/").removesuffix("/")
    segments = tuple(path.split("/")) if path else ()
    plain = _HOST.fullmatch(host) and all(map(_SEGMENT.fullmatch, segments))
    # Without name, password, question and fragment, and without what `urlsplit` passes over.
    if parts.scheme != "https" or "@" in own or text[len("https://") :] != own or not plain:
        return None
    return Address(host, port or _HTTPS_PORT, segments)


@dataclass(frozen=True)
class Site:
    """What the site file says.

    Attributes
    ----------
    settings : dict
        As they are written, as far as they are sound.
    problems : list of Problem
        What is wrong with the file.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def permits(self, address: Address) -> bool:
        """Return whether packages may come from a git repository."""
        listed = (self.settings.get("packages") or {}).get("git") or []
        prefixes = [found for one in listed if (found := read_address(one))]
        return any(address.is_below(prefix) for prefix in prefixes)


def read_site() -> Site:
    """Return what the site file says; nothing if there is none."""
    try:
        text = SITE.read_text(encoding="utf-8-sig")
        written = YAML().load(text)
    except FileNotFoundError:
        return Site()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(error.problem or "", mark.line + 1 if mark else 1)
    except UnicodeDecodeError:
        return _unreadable("UTF-8?")
    except OSError as error:
        return _unreadable(str(error.strerror))
    except (YAMLError, ValueError) as error:
        return _unreadable(str(error))
    if written is None:
        return Site()
    if problems := [*_faults(written), *_prefix_faults(written)]:
        return Site(problems=problems)
    return Site(written)


def _unreadable(error: str, line: int | None = None) -> Site:
    where = say("config.line", file=SITE, line=line) if line else str(SITE)
    return Site(problems=[Problem("SM-SIT-001", where=where, error=error)])


@cache
def _schema() -> dict[str, Any]:
    return YAML(typ="safe").load(SCHEMA.read_text(encoding="utf-8"))


def _faults(written: Any) -> Iterator[Problem]:
    """Yield what the schema refuses, each with its line."""
    # Few have a site file.
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(_schema()).iter_errors(written):
        keys = list(error.absolute_path)
        rule: Any = error.schema
        given: Any = error.instance
        name = ".".join(str(key) for key in keys if isinstance(key, str)) or SITE.name
        if error.validator == "additionalProperties":
            allowed = ", ".join(rule["properties"])
            for key in sorted(map(str, set(given) - set(rule["properties"]))):
                where = _where(written, [*keys, key])
                yield Problem("SM-SIT-002", where=where, key=key, section=name, allowed=allowed)
        else:
            example = '["https://github.com/our-lab/"]' if "git" in keys else _EXAMPLE
            yield Problem("SM-SIT-003", where=_where(written, keys), key=name, example=example)


def _prefix_faults(written: Any) -> Iterator[Problem]:
    """Yield the addresses that permit nothing, since they are none."""
    packages = written.get("packages") if isinstance(written, dict) else None
    listed = packages.get("git") if isinstance(packages, dict) else None
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(one, str) and read_address(one) is None:
            where = _where(written, ["packages", "git", index])
            yield Problem("SM-SIT-004", where=where, address=one)


def _where(written: Any, keys: list[Any]) -> str:
    """Return file and line of a key, or of the nearest one above it."""
    line, node = 1, written
    for key in keys:
        try:
            place = (node.lc.data or {}).get(key)
            line = place[0] + 1 if place else line
            node = node[key]
        except (AttributeError, LookupError, TypeError):
            break
    return say("config.line", file=SITE, line=line)
