"""A slow browser, as a busy machine has it: ``SEGMAKE_SLOW_PAGE=8:300`` for the tests of the page.

Scripts take 8 times as long, and each answer of the server comes 300 ms later: what a test reads without having waited
for it is then another thing than on a quick machine.
"""

from __future__ import annotations

import os
from typing import Any


def as_slow_as_wanted(browser: Any) -> Any:
    """Slow down all windows that a browser will open, if the environment says so, and return it."""
    rate, _, delay_ms = os.environ.get("SEGMAKE_SLOW_PAGE", "").partition(":")
    if not rate:
        return browser
    new_context = browser.new_context

    def slow_down(tab: Any) -> None:
        session = tab.context.new_cdp_session(tab)
        session.send("Emulation.setCPUThrottlingRate", {"rate": float(rate)})
        session.send("Network.enable")
        conditions = {"latency": float(delay_ms or 0), "downloadThroughput": -1}
        session.send(
            "Network.emulateNetworkConditions",
            {**conditions, "uploadThroughput": -1, "offline": False},
        )

    def new_slow_context(**options: Any) -> Any:
        context = new_context(**options)
        context.on("page", slow_down)
        return context

    browser.new_context = new_slow_context
    return browser
