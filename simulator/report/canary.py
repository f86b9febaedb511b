"""What the canary showed, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wording import clean, missing, number, signed

_TOLD = {"watched": "items with the plant watched", "left": "pages with the plant left"}


def lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(arm, what it did) for every arm, after what was planted; empty without a canary."""
    found = summary.get("canary")
    if not found:
        return []
    planted = f"“{clean(found['text'])}” stood behind the titles of {found['items']:,} items."
    by_arm: dict[str, list[str]] = {}
    for row in found["shifts"]:
        by_arm.setdefault(row["arm"], []).append(_told(row))
    told = [(f"Canary, {clean(arm)}", "; ".join(parts)) for arm, parts in by_arm.items()]
    return [("Canary", planted), *told]


def _told(row: Mapping[str, Any]) -> str:
    text = f"{_TOLD[row['what']]} {number(row['planted'], 3)}, others {number(row['other'], 3)}"
    if missing(row["difference"]):
        return f"{text} (no comparison)"
    interval = ""
    if not missing(row["low"]):
        interval = f" ({signed(row['low'], 3)} to {signed(row['high'], 3)})"
    return f"{text}: shift {signed(row['difference'], 3)}{interval}"
