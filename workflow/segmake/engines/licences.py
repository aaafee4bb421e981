"""The licences of engines and models: ``licences.toml``, which says what its keys mean."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal

from segmake.core.settings import Segmentation
from segmake.engines import BUILTIN_MODELS
from segmake.messages import LANGUAGES, language, say

TABLE = Path(__file__).with_suffix(".toml")

# In the list of an entry's models: all those that no other entry of the engine names.
_OTHERS = "*"


@dataclass(frozen=True)
class Licence:
    """What is known of the licence of a program, or of models.

    Attributes
    ----------
    version : str
        The one that was looked at.
    licence : dict
        Its name, by language.
    use : {"any", "noncommercial", "unclear"}
    source : dict
        Where that is said, by language.
    checked : date
    engine : str
        Of the config; empty for a package.
    package : str
    models : tuple of str
        Empty for the program itself.
    note : dict
        What a user has to know, by language.
    """

    version: str
    licence: dict[str, str]
    use: Literal["any", "noncommercial", "unclear"]
    source: dict[str, str]
    checked: date
    engine: str = ""
    package: str = ""
    models: tuple[str, ...] = ()
    note: dict[str, str] = field(default_factory=dict)


@cache
def licences() -> tuple[Licence, ...]:
    """Return the whole table."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["entries"]
    return tuple(
        Licence(
            **{
                **one,
                "models": tuple(one.get("models", ())),
                "licence": _in_each_language(one["licence"]),
                "source": _in_each_language(one["source"]),
            }
        )
        for one in entries
    )


def _in_each_language(words: str | dict[str, str]) -> dict[str, str]:
    return dict.fromkeys(LANGUAGES, words) if isinstance(words, str) else words


def licences_of(segmentation: Segmentation) -> Iterator[Licence]:
    """Yield the licences of an engine, and of its model; of a model of the user's own nothing is known.

    Parameters
    ----------
    segmentation : Segmentation
        That section of the config.
    """
    builtin = BUILTIN_MODELS.get(segmentation.engine, ())
    own = [one for one in licences() if one.engine == segmentation.engine]
    yield from (one for one in own if not one.models)
    model = segmentation.model or ""
    name = model if model in builtin else Path(model).name
    named = [one for one in own if name in one.models]
    others = [one for one in own if _OTHERS in one.models and model in builtin]
    yield from (named or others)[:1]


def warning(segmentation: Segmentation) -> str:
    """Return a line on the engine or model that is not free for every use; nothing if both are.

    Parameters
    ----------
    segmentation : Segmentation
        As for `licences_of`.
    """
    bound = [one for one in licences_of(segmentation) if one.use != "any"]
    if not bound:
        return ""
    first = bound[0]
    name = segmentation.model if first.models else segmentation.engine
    words = {"licence": first.licence[language()], "use": say(f"licence.{first.use}")}
    return say("licence.line", name=name, note=first.note[language()], **words)


def licences_page() -> str:
    """Return the table in Markdown, in the language of messages."""
    words = language()
    rows = [f"| {say('licence.columns')} |", "|---|---|---|---|---|---|"]
    for one in licences():
        name = one.engine or one.package
        if one.models:
            models = [say("licence.own_model") if m == _OTHERS else f"`{m}`" for m in one.models]
            name = say("licence.models", name=name, models=", ".join(models))
        use = say(f"licence.{one.use}")
        if one.note:
            use = say("licence.noted", use=use, note=one.note[words])
        cells = [name, one.version, one.licence[words], use, one.source[words], str(one.checked)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
