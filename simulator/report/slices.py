"""Parts of the audience as text: exploratory, and said to be so wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .comparing import interval
from .wording import probability, signed, wording

LEVELS = {"1": "low", "2": "middle", "3": "high"}


def table(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a part, metric and arm, in the summary's order."""
    rows = []
    for part in summary.get("slices", ()):
        digits = wording(part["metric"]).digits
        rows.append(
            {
                "slice": f"{part['slice']}: {LEVELS.get(part['level'], part['level'])}",
                "metric": wording(part["metric"]).short,
                "arm": part["arm"],
                "agents": f"{part['agents']:,}",
                "n": f"{part['n']:,}",
                "difference": signed(part["difference"], digits),
                "interval": interval(part, digits),
                "p": probability(part["p_adjusted"]),
                "label": part["label"],
            }
        )
    return rows
