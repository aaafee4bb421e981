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

from segmake.core import installation
from segmake.core.site_paths import Share, shares_of, spelling_of
from segmake.core.yaml_nodes import lines_of, plain
from segmake.messages import Problem, language, say
from segmake.messages.locations import location
from segmake.messages.numbers import hours_of, hours_setting, whole_minutes

SITE = installation.home() / "site.yaml"
SCHEMA = Path(__file__).with_name("site.schema.yaml")


# Whatever else an address may have in it can make it another one than it looks like.
_HOST = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", re.ASCII)
_SEGMENT = re.compile(r"(?!\.{1,2}$)[\w.~+-]+", re.ASCII)

_HTTPS_PORT = 443


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
    lines : dict
        The line (from 1) of each key.
    problems : list of Problem
        What is wrong with the file.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def section(self, name: str) -> dict[str, Any]:
        """Return what a section says; what is null in it is not said."""
        section = self.settings.get(name) or {}
        return {key: value for key, value in section.items() if value is not None}

    def where(self, *keys: str | int) -> str:
        """Return the file and line of a key, or of the nearest one above it."""
        above = (self.lines.get(keys[:length]) for length in range(len(keys), 0, -1))
        return location(SITE, next(filter(None, above), 1), ".".join(map(str, keys)))

    def permits(self, address: Address) -> bool:
        """Return whether packages may come from a git repository."""
        listed = self.section("packages").get("git") or []
        prefixes = [found for one in listed if (found := read_address(one))]
        return any(address.is_below(prefix) for prefix in prefixes)

    @property
    def cluster(self) -> dict[str, Any]:
        """What stands where the section ``cluster`` of a config says nothing."""
        section = self.section("cluster")
        for key in ("cuda_driver", "compute_capability"):
            if key in section:
                section[key] = str(section[key])
        return section

    @property
    def limits(self) -> dict[str, Any]:
        """What a config may not exceed; ``hours`` as a number."""
        section = self.section("limits")
        if isinstance(hours := section.get("hours"), str):
            section["hours"] = hours_of(hours)
        return section

    @property
    def shares(self) -> list[Share]:
        """How folders of the cluster are called on users' computers."""
        return shares_of(self.settings.get("paths"))

    @property
    def models_folder(self) -> str | None:
        """The folder of the engines' own models."""
        return self.section("folders").get("models")

    @property
    def environments_folder(self) -> Path | None:
        """The folder in which environments are made, where a group shares one."""
        folder = self.section("folders").get("environments")
        return Path(folder).expanduser() if folder else None

    def limit_problem(self, where: str, name: str, key: str, value: str) -> Problem:
        """Return that a config asks for more than is allowed.

        Parameters
        ----------
        where : str
            The place in the config.
        name : str
            How the setting is called in messages.
        key : str
            The limit.
        value : str
            What is asked for.
        """
        limit = typed_limit(key, self.limits[key])
        names = {"name": name, "value": value, "limit": limit, **self._rule(key)}
        return Problem("SM-SIT-005", where=where, **names)

    def partition_problem(self, where: str, partition: str) -> Problem:
        """Return that jobs would go to a partition that is not allowed."""
        allowed = ", ".join(self.limits["partitions"])
        names = {"partition": partition, "allowed": allowed, **self._rule("partitions")}
        return Problem("SM-SIT-006", where=where, **names)

    def _rule(self, key: str) -> dict[str, str]:
        contact = self.contact or say("site.nobody")
        return {"rule": self.where("limits", key), "contact": contact}

    @property
    def contact(self) -> str:
        """Whom users may ask; empty where nobody is named."""
        return self.settings.get("contact") or ""


def typed_limit(name: str, limit: Any) -> str:
    """Return a limit as one types it into a config."""
    return hours_setting(whole_minutes(limit)) if name == "hours" else f"{limit:g}"


def read_site() -> Site:
    """Return what the site file says; nothing if there is none."""
    try:
        text = SITE.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Site()
    except UnicodeDecodeError:
        return _unreadable("UTF-8?")
    except OSError as error:
        return _unreadable(str(error.strerror))
    # Few have a site file.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        written = YAML().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(error.problem or "", mark.line + 1 if mark else 1)
    except Exception as error:
        # YAML's rarer features fail in many ways.
        return _unreadable(str(error) or type(error).__name__)
    if written is None:
        return Site()
    site = Site(plain(written), dict(lines_of(written)))
    problems = [*_faults(site), *_prefix_faults(site), *_limit_faults(site)]
    # Of a file with faults, nothing is in force.
    problems += [] if problems else _share_faults(site)
    return Site(lines=site.lines, problems=problems) if problems else site


def _unreadable(error: str, line: int | None = None) -> Site:
    return Site(problems=[Problem("SM-SIT-001", where=location(SITE, line), error=error)])


@cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of the site file."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(SCHEMA.read_text(encoding="utf-8"))


def title_of(*keys: str) -> str:
    """Return what a setting, or a section, is called in the user's language."""
    rule = schema()
    for key in keys:
        rule = rule["properties"][key]
    return rule["title"][language()]


def _faults(site: Site) -> Iterator[Problem]:
    """Yield what the schema refuses, each with its line."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema()).iter_errors(site.settings):
        keys = list(error.absolute_path)
        rule: Any = error.schema
        given: Any = error.instance
        name = ".".join(str(key) for key in keys if isinstance(key, str)) or SITE.name
        if error.validator == "additionalProperties":
            allowed = ", ".join(rule["properties"])
            for key in sorted(set(given) - set(rule["properties"])):
                where = site.where(*keys, key)
                yield Problem("SM-SIT-002", where=where, key=key, section=name, allowed=allowed)
        else:
            yield _unfit(site, keys, name)


def _unfit(site: Site, keys: list[str | int], name: str) -> Problem:
    return Problem("SM-SIT-003", where=site.where(*keys), key=name, example=_example(keys))


def _example(keys: list[str | int]) -> str:
    """Return how a setting, or one of the nearest section above it that has an example, is written."""
    import json

    rule, name = schema(), ""
    example: Any = rule["properties"]["contact"]["examples"][0]
    for key in keys:
        known = rule.get("properties", {})
        if key not in known:
            rule = rule.get("items", {}) if isinstance(key, int) else {}
            continue
        rule, name = known[key], f"{key}: "
        if "examples" in rule:
            example = rule["examples"][0]
        elif "properties" in rule:
            first, inner = next(iter(rule["properties"].items()))
            example = {first: inner["examples"][0]}
    return f"{name or 'contact: '}{json.dumps(example, ensure_ascii=False)}"


def _limit_faults(site: Site) -> Iterator[Problem]:
    """Yield a time limit that is none."""
    limits = site.settings.get("limits") if isinstance(site.settings, dict) else None
    hours = limits.get("hours") if isinstance(limits, dict) else None
    if isinstance(hours, str) and hours_of(hours) is None:
        yield _unfit(site, ["limits", "hours"], "limits.hours")


def _share_faults(site: Site) -> Iterator[Problem]:
    """Yield the names of shares that are no paths of a user's computer, or stand for two folders."""
    there: dict[Any, str] = {}
    for index, share in enumerate(site.shares):
        for number, here in enumerate(share.here):
            keys: list[str | int] = ["paths", index, "here", number]
            spelling = spelling_of(here)
            if spelling is None:
                yield _unfit(site, keys, "paths.here")
                continue
            # What Windows does not tell apart is one.
            folders = spelling.folders
            same = folders if spelling.root == "/" else tuple(map(str.casefold, folders))
            other = there.setdefault((spelling.root, same), share.there)
            if other != share.there:
                names = {"here": here, "first": other, "second": share.there}
                yield Problem("SM-SIT-008", where=site.where(*keys), **names)


def _prefix_faults(site: Site) -> Iterator[Problem]:
    """Yield the addresses that permit nothing, since they are none."""
    packages = site.settings.get("packages") if isinstance(site.settings, dict) else None
    listed = packages.get("git") if isinstance(packages, dict) else None
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(one, str) and read_address(one) is None:
            where = site.where("packages", "git", index)
            yield Problem("SM-SIT-004", where=where, address=one)
