"""The health panel in words and symbols, the same on the page and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .wording import clean

SYMBOLS = {"ok": "✓", "attention": "!", "stop": "✕"}

WORST = {
    "ok": "Nothing stands against reading the verdicts below.",
    "attention": "Read the marked lines before the verdicts.",
    "stop": "Do not act on the verdicts: see the lines marked ✕.",
}


def lines(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """state, symbol, title, text of each check, those that stop first."""
    order = list(reversed(SYMBOLS))
    checks: Sequence[Mapping[str, Any]] = summary.get("health", ())
    return [
        {
            "state": check["state"],
            "symbol": SYMBOLS[check["state"]],
            "title": check["title"],
            "text": clean(check["text"]),
        }
        for check in sorted(checks, key=lambda check: order.index(check["state"]))
    ]


def overall(summary: Mapping[str, Any]) -> tuple[str, str]:
    """(state, sentence) of the panel as a whole."""
    states = {check["state"] for check in summary.get("health", ())}
    state = next((state for state in reversed(SYMBOLS) if state in states), "ok")
    return state, WORST[state]
