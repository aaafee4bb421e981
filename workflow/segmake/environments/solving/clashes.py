"""Reads in uv's words why packages can't be had together, and says it in one sentence.

uv derives the contradiction step by step (PubGrub). Most derivations turn on one pair: what a package depends on, and
what else is asked of that. Where no such pair is found, uv's own conclusion is told.
"""

from __future__ import annotations

import re
from itertools import combinations

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from segmake.messages import say

# A package with versions as uv writes it: ``numpy{python_full_version < '3.12'}>=1.23.2,<2``.
_RANGE = r"[<>=!~]=?[^\s,]+"
_ITEM = rf"[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?(?:\{{[^}}]*\}})?(?:{_RANGE}(?:,{_RANGE})*)?"

_UNKNOWN = re.compile(r"([\w.-]+) was not found in the package registry")
_DEPENDS = re.compile(rf"({_ITEM}) depends on ({_ITEM})")
# What is concluded was not asked for.
_ASKED = re.compile(rf"(?<!conclude that )you require ({_ITEM})(?: and ({_ITEM}))?")
_PYTHON = re.compile(rf"does not satisfy .*? and ({_ITEM}) depends on")
_NO_WHEELS = re.compile(rf"({_ITEM}) has no (?:usable wheels|wheels with)")
_WHEELS_HINT = re.compile(r"(?:Wheels are required for|only found wheels for) `([^`]+)`")
_NO_VERSION = re.compile(
    rf"(?:there (?:is|are) no versions? of|only the following versions of|only) ({_ITEM})"
)


def unknown_project(words: str) -> str | None:
    """Return the package that PyPI does not have."""
    found = _UNKNOWN.search(_flat(words))
    return found[1] if found else None


def without_wheels(words: str) -> str | None:
    """Return the package that nobody has built for this Python and this kind of computer, by its name."""
    found = _WHEELS_HINT.search(_flat(words))
    return canonicalize_name(found[1]) if found else None


def sentence(words: str, python: str) -> str:
    """Return who clashes with whom, in the user's language.

    Parameters
    ----------
    words : str
        What uv said.
    python : str
        The version of Python that was asked for.
    """
    flat = _flat(words)
    depends = [(_plain(one), _plain(need)) for one, need in _DEPENDS.findall(flat)]
    asked = [_plain(item) for pair in _ASKED.findall(flat) for item in pair if item]
    return (
        _clash_of_pair(depends, asked)
        or _useless_alone(flat, asked, python)
        or say("clash.other", words=_conclusion(flat))
    )


def held_back(words: str, told: bool, demanded: set[str]) -> str:
    """Return what keeps packages from being new, in the user's language.

    Parameters
    ----------
    words : str
        What uv said when newer ones were demanded, or a sentence for users.
    told : bool
        Whether it is such a sentence.
    demanded : set of str
        The packages of which newer versions were demanded, which no list has.
    """
    if told:
        return words
    flat = _flat(words)
    depends = [(_plain(one), _plain(need)) for one, need in _DEPENDS.findall(flat)]
    asked = [_plain(item) for pair in _ASKED.findall(flat) for item in pair if item]
    for one, need in depends:
        for other in asked:
            if _name(need) == _name(other) != _name(one) and _name(other) in demanded:
                return say("clash.needs", one=one, need=need)
    return _clash_of_pair(depends, []) or say("clash.other", words=_conclusion(flat))


def named(words: str) -> set[str]:
    """Return the normalized names of all that uv, or a rule, speaks of."""
    return {canonicalize_name(name) for name in re.findall(r"[A-Za-z0-9][\w.-]*[A-Za-z0-9]", words)}


def _clash_of_pair(depends: list[tuple[str, str]], asked: list[str]) -> str | None:
    """Return which two demands on the same package exclude each other."""
    for one, need in depends:
        for other in asked:
            if _name(need) == _name(other) != _name(one) and _exclude(need, other):
                return say("clash.listed", one=one, need=need, other=other)
    for (one, need), (second, other) in combinations(depends, 2):
        if _name(need) == _name(other) and _name(one) != _name(second) and need != other:
            return say("clash.both", one=one, need=need, second=second, other=other)
    for one, other in combinations(asked, 2):
        if _name(one) == _name(other) and one != other:
            return say("clash.same", one=one, other=other)
    return None


def _useless_alone(flat: str, asked: list[str], python: str) -> str | None:
    """Return which package can't be had whatever else is in the list."""
    if found := _PYTHON.search(flat):
        return say("clash.python", package=_plain(found[1]), python=python)
    if found := _NO_WHEELS.search(flat):
        return say("clash.wheels", package=_plain(found[1]), python=python)
    if found := _WHEELS_HINT.search(flat):
        return say("clash.wheels", package=found[1], python=python)
    if found := _NO_VERSION.search(flat):
        for one in asked:
            if _name(one) == _name(found[1]):
                return say("clash.version", package=one)
    return None


def _flat(words: str) -> str:
    return " ".join(words.split())


def _plain(item: str) -> str:
    """Return an item without markers, extras, and the end of its sentence."""
    return re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", item).rstrip(".")


def _name(item: str) -> str:
    return canonicalize_name(re.split(r"[<>=!~]", item)[0])


def _exclude(need: str, other: str) -> bool:
    """Whether no version will do for both, as far as one of them names a single version."""
    try:
        first, second = Requirement(need).specifier, Requirement(other).specifier
    except InvalidRequirement:
        return False
    for one, many in ((first, second), (second, first)):
        exact = [s.version for s in one if s.operator == "==" and not s.version.endswith("*")]
        if exact:
            return not many.contains(exact[0], prereleases=True)
    return bool(first) and bool(second)


def _conclusion(flat: str) -> str:
    """Return the last sentence of what uv derived: without what comes before it, its hints and its full stop."""
    derived = flat.split(" cause: ")[-1].split(" hint: ")[0]
    return re.split(r"(?<=\.) (?=And |Because )", derived)[-1][:400].rstrip(".")
