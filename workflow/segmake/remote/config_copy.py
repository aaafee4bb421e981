"""The copy of a config that the other computer works with: paths as they are called there, all else as it is written.

Its lines are those of the config itself, so that a message that names one is right for both; a note follows them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from segmake.config.as_written import is_merge, nodes_of
from segmake.config.shared_paths import paths_in, values_in
from segmake.config.yaml_lines import read_yaml
from segmake.config.yaml_values import in_one_line
from segmake.core.config import Keys, at, name_in_full
from segmake.messages import Problem, catalogue, say
from segmake.messages.locations import location
from segmake.remote.laptop_paths import Laptop
from segmake.scripts.definition.script import OF_SEGMAKE

Kind = Literal["images", "results", "script", "list", "value", "other"]

# Before the fingerprint in a copy's note.
_SIGN = "# segmake-remote: "

_PROJECT = "{project}"

# What a setting is that is a path, by the end of its keys.
_KINDS: dict[tuple[str | int, ...], Kind] = {
    ("images", "folder"): "images",
    ("results",): "results",
    ("script",): "script",
    ("file",): "list",
}


@dataclass(frozen=True)
class Named:
    """A path in a config.

    Attributes
    ----------
    keys : tuple
        Those that lead to it.
    kind : str
    text : str
        As the config has it.
    there : str
        As the copy has it.
    source : Path or None
        The file or folder of this computer that it is; None of what is not to be sent, or is not here.
    name : str
        What that is called over there, from the experiment's folder on.
    """

    keys: Keys
    kind: Kind
    text: str
    there: str
    source: Path | None = None
    name: str = ""


@dataclass(frozen=True)
class ConfigCopy:
    """A config as the other computer gets it.

    Attributes
    ----------
    body : str
        Its lines, without the note.
    named : list of Named
        The paths in it.
    """

    body: str
    named: list[Named] = field(default_factory=list)

    def with_note(self, computer: str, config: Path) -> str:
        """Return the whole file: behind its lines, which computer and which file it was made from."""
        note = say("remote.note", computer=computer, path=config).splitlines()
        lines = [*(f"# {line}" for line in note), f"{_SIGN}{sign_of(self.body)}"]
        return f"{self.body}{''.join(f'{line}{chr(10)}' for line in lines)}"


def make_copy(config: Path, laptop: Laptop, folder: str, sent: Collection[str] = ()) -> ConfigCopy:
    """Return the copy of a config.

    Parameters
    ----------
    config : Path
    laptop : Laptop
        How paths are written here. Those of the config start from its experiment.
    folder : str
        The experiment's folder over there.
    sent : collection of str
        The files that were sent earlier: a folder of images that is not here now keeps the name of its copy.

    Raises
    ------
    Problem
        ``SM-REM-003`` if its paths are written in a way that can't be changed.
    Problems
        If the config can't be read, or is no YAML.
    """
    written = read_yaml(config)[0]
    text = config.read_bytes().decode("utf-8-sig")
    named = [
        *(_path(keys, value, laptop, sent) for keys, value in paths_in(written)),
        *(_value(keys, value, laptop, folder) for keys, value in values_in(written)),
    ]
    changed = {one.keys: one.there for one in named if one.there != one.text}
    body = _with_texts(text, changed)
    body = body if body.endswith("\n") else f"{body}\n"
    copied = read_yaml(config, body)[0]
    for keys, there in changed.items():
        if at(copied, keys) != there:
            name = name_in_full(keys)
            raise Problem("SM-REM-003", where=location(config, key=name), name=name)
    return ConfigCopy(body, named)


def sign_of(body: str) -> str:
    """Return what tells the lines of a copy from all others."""
    return hashlib.sha256(body.encode()).hexdigest()


def apart(copy: str) -> tuple[str, str]:
    """Return the lines of a copy, and the fingerprint that its note has of them; empty where there is no note."""
    body, mark, sign = copy.rpartition(_SIGN)
    if not mark:
        return copy, ""
    sign = sign.strip()
    above = body
    # The config itself may end with comments.
    while sign_of(above) != sign:
        start = above.rfind("\n", 0, -1) + 1
        if not above.startswith("# ", start):
            return _without_note(body), sign
        above = above[:start]
    return above, sign


def _without_note(body: str) -> str:
    """Return the lines of a copy that was edited, without those of its note, in whichever language that is."""
    for text in catalogue()["remote.note"]["say"].values():
        first = f"\n# {text.partition('{')[0]}"
        if first in body:
            return body[: body.rindex(first) + 1]
    return body


def _path(keys: Keys, text: str, laptop: Laptop, sent: Collection[str]) -> Named:
    """Return what becomes of a setting that is a path."""
    # What stands in a list has the kind of the list.
    short = tuple(key for key in keys if not isinstance(key, int))
    kind = _KINDS.get(short) or _KINDS.get(short[-1:], "other")
    if kind == "script" and text.startswith(OF_SEGMAKE):
        return Named(keys, kind, text, text)
    if keys[-1] == "existing" or not laptop.can_be_here(text):
        return Named(keys, kind, text, laptop.shared(text) or text)
    inside = laptop.below(text)
    # Images are many, and are where they are.
    if (inside is None or kind == "images") and (shared := laptop.shared(text)):
        return Named(keys, kind, text, shared)
    source = Path(laptop.full(text))
    is_folder = kind in ("images", "results") or os.path.isdir(source)
    name = laptop.called(text, is_folder=is_folder)
    if kind == "results":
        is_here = inside is not None or os.path.isdir(source.parent)
        return Named(keys, kind, text, name if is_here else text)
    if os.path.exists(source):
        return Named(keys, kind, text, name, source, name)
    if kind == "images" and any(each.startswith(f"{name}/") for each in sent):
        return Named(keys, kind, text, name, None, name)
    # A pattern, a name that is no path, or a path of the other computer.
    return Named(keys, kind, text, inside if laptop.is_windows and inside else text)


def _value(keys: Keys, text: str, laptop: Laptop, folder: str) -> Named:
    """Return what becomes of a value that a script is given: of what is a path, if it leads to something here."""
    own = text.removeprefix(_PROJECT).lstrip("/\\") if text.startswith(_PROJECT) else text
    plain = Named(keys, "value", text, text)
    if not own or not laptop.can_be_here(own):
        return Named(keys, "value", text, laptop.shared(own) or text) if own else plain
    inside = laptop.below(own)
    if inside is None and (shared := laptop.shared(own)):
        return Named(keys, "value", text, shared)
    source = Path(laptop.full(own))
    # A word such as `fast` may be the name of a folder, but is not meant so.
    is_word = own == text and not {"/", "\\"} & set(text)
    if not (os.path.isfile(source) and source.suffix if is_word else os.path.exists(source)):
        return plain
    name = laptop.called(own, is_folder=os.path.isdir(source))
    # A script runs in another folder, so that its paths say where they lie.
    from_there = inside is None or laptop.is_absolute(text)
    above = _PROJECT if own != text else folder.rstrip("/") if from_there else ""
    return Named(keys, "value", text, f"{above}/{name}" if above else name, source, name)


def _with_texts(text: str, changed: Mapping[Keys, str]) -> str:
    """Return the text of a config with other values for some settings, each on the lines on which it stands."""
    root = nodes_of(text)
    places = {}
    for keys, node in _scalars(root) if root else ():
        if keys in changed:
            # Of a value that is repeated (`*`), the place is one.
            places[node.start_mark.index] = (node.end_mark.index, changed[keys])
    for start, (end, new) in sorted(places.items(), reverse=True):
        breaks = "\n" * text.count("\n", start, end)
        text = f"{text[:start]}{in_one_line(new)}{breaks}{text[end:]}"
    return text


def _scalars(node: Node, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield the single values below a node, with the keys that lead to them; what another section lends, too."""
    if isinstance(node, ScalarNode):
        yield keys, node
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _scalars(value, (*keys, index))
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            if is_merge(key):
                lent = value.value if isinstance(value, SequenceNode) else [value]
                for section in lent:
                    yield from _scalars(section, keys)
            else:
                yield from _scalars(value, (*keys, str(key.value)))
