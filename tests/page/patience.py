"""What is waited for before a page is read or used: on a slow machine it comes later, or in several steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# How long is waited on a machine that has much else to do.
PATIENCE_S = 90


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for what no locator can be asked for.

    Raises
    ------
    AssertionError
        With what it was waited for.
    """
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.01)


def settled(tab: Any) -> None:
    """Wait until a form neither is being answered nor will be shown anew by itself, and its script is at work."""
    from playwright.sync_api import expect

    tab.wait_for_load_state("load")
    expect(tab.locator("#form")).to_have_count(1)
    expect(tab.locator("#form[data-again], #form[aria-busy]")).to_have_count(0)


def speak(tab: Any, language: str) -> None:
    """Choose a language, and wait for the page in it."""
    from playwright.sync_api import expect

    with tab.expect_navigation():
        tab.get_by_role("button", name=language).click()
    expect(tab.locator("html")).to_have_attribute("lang", language[:2].lower())
