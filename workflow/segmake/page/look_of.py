"""What pages are made of: HTML from templates, with texts in the reader's language."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any

import jinja2
from starlette.responses import HTMLResponse, Response

from segmake import __version__
from segmake.config.yaml_values import in_one_line
from segmake.engines import BUILTIN_MODELS, SPLIT_DIAMETER
from segmake.messages import LANGUAGES, Problem, catalogue, filled, joined, language, names, say
from segmake.messages.numbers import duration, localised, moment, shown_bytes, significant
from segmake.messages.numbers import number as whole
from segmake.page.desk import CARDS, OTHER, Chosen, Desk, state_words
from segmake.page.fields import all_fields, sections
from segmake.page.remedies import as_shown
from segmake.page.steps import address_of, pages_of
from segmake.page.work import problem_values

# In French, signs with a space before them, or after them.
_SIGN = re.compile(r" (?=[:;?!»])|(?<=«) ")

# A code as addresses have it.
_CODE = re.compile(r"SM-[A-Z]{3}-\d{3}")


def page(name: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page.

    Parameters
    ----------
    name : str
        Of its template.
    status : int
    **values
        What the template names.
    """
    template = _templates().get_template(f"{name}.html.j2")
    shared = {
        "language": language(),
        "languages": LANGUAGES,
        "sections": sections(),
        "fields": all_fields(),
        "version": __version__,
        "name": name,
        "pages": pages_of(with_images=not values.get("desk") or values["desk"].file.has_images()),
    }
    # Whatever name slips in that is no text: the rest of the page is shown all the same.
    text = template.render(**shared, **values).encode("utf-8", "backslashreplace")
    return HTMLResponse(text, status_code=status)


def trial_values(desk: Desk, image: Chosen) -> dict[str, Any]:
    """Return how far a trial is, for the page and for its script."""
    task = image.trial
    found: dict[str, Any] = dict.fromkeys(("outlines", "cells", "diameter", "details", "size"))
    if task is None:
        nothing = {"key": "", "state": "none", "over": True, "words": "", "problems": []}
        return found | nothing | {"stale": False}
    last = task.last
    state = "failed" if task.problems else last.get("state", "sent")
    found |= {
        "key": image.trial_key,
        "state": state,
        "over": task.over,
        "words": state_words(task),
        "problems": list(map(as_shown, task.problems)),
        "seconds": last.get("seconds", 0),
        "stale": image.stale,
    }
    if last.get("state") == "done":
        found |= {
            "outlines": f"/picture/{desk.picture_id(last['outlines'], image.trial_key)}",
            "cells": last["cells"],
            "diameter": last["diameter"],
            "details": say(
                "page.trial.details",
                model=last["model"],
                device=last["device"],
                seconds=number(last["seconds"]),
            ),
        }
        pixel, estimated = last["pixel_size_um"], last.get("estimated_diameter")
        sizes = (
            [say("page.trial.size", size=length(last["diameter"], pixel))]
            if last["diameter"]
            else []
        )
        sizes += [say("page.trial.estimated", size=length(estimated, pixel))] if estimated else []
        found["size"] = " ".join(sizes) or None
    return found


def faq_entry(code: str) -> dict[str, str]:
    """Return what is to be said of a code: what is wrong, why, and what to do.

    Raises
    ------
    Problem
        ``SM-PAG-007`` if there is none.
    """
    entry = catalogue().get(code) if _CODE.fullmatch(code) else None
    if entry is None:
        raise Problem("SM-PAG-007")
    texts = {part: entry[part][language()] for part in ("what", "why", "do")}
    # What differs from one time to the next.
    return {"code": code} | {
        part: filled(text, dict.fromkeys(names(text), "…")) for part, text in texts.items()
    }


def number(value: float) -> str:
    """Return a number as it is read: with as many digits as matter, in the reader's way."""
    return significant(value)


def length(pixels: float, pixel_um: float | None) -> str:
    """Return a length in pixels, and in micrometres where the size of a pixel is known."""
    shown = f"{localised(f'{pixels:.1f}')} px"
    return f"{shown} = {significant(pixels * pixel_um)} µm" if pixel_um else shown


def spoken(section: str, part: str = "say", /, **values: object) -> str:
    """Return a text whose French signs neither begin a line nor end one alone."""
    text = say(section, part, **values)
    return _SIGN.sub("\N{NO-BREAK SPACE}", text) if language() == "fr" else text


@cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("segmake.page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.globals |= {
        "say": spoken,
        "joined": joined,
        "number": number,
        "whole": whole,
        "duration": duration,
        "moment": moment,
        "clock": lambda seconds: datetime.fromtimestamp(seconds).strftime("%H:%M:%S"),
        "date": lambda seconds: datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M"),
        "shown_bytes": shown_bytes,
        "in_one_line": in_one_line,
        "codes_in": lambda text: list(dict.fromkeys(_CODE.findall(text))),
        "length": length,
        "address_of": address_of,
        "cards": CARDS,
        "other_card": OTHER,
        "models": BUILTIN_MODELS,
        "split_diameter": SPLIT_DIAMETER,
        "as_shown": as_shown,
        "problem_values": problem_values,
    }
    return found
