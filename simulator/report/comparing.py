"""The verdicts as the page shows them: a matrix to scan, and every difference drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .findings import verdict_kind
from .wording import DASH, missing, number, probability, signed, wording

SYMBOLS = {
    "better": "▲",
    "worse": "▼",
    "higher": "↑",
    "lower": "↓",
    "same": "=",
    "unclear": "?",
    "withheld": "✕",
}
WORDS = {
    "better": "better",
    "worse": "worse",
    "higher": "higher",
    "lower": "lower",
    "same": "no difference",
    "unclear": "inconclusive",
    "withheld": "withheld",
}

_WIDTH = 200.0
"""Width of a drawn difference in its own units; zero lies in the middle."""


def verdict_matrix(summary: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Arms by metrics in this order: ``metrics`` [(name, short)], ``rows`` [(arm, cells)]."""
    found = summary.get("comparisons", [])
    metrics = sorted({row["metric"] for row in found}, key=order.index)
    arms = list(dict.fromkeys(row["arm"] for row in found))
    by_key = {(row["arm"], row["metric"]): row for row in found}
    rows = []
    for arm in arms:
        cells = []
        for metric in metrics:
            row = by_key.get((arm, metric))
            kind = verdict_kind(str(row["verdict"])) if row else None
            words = wording(metric)
            cells.append(
                {
                    "kind": kind or "none",
                    "symbol": SYMBOLS[kind] if kind else DASH,
                    "word": WORDS[kind] if kind else "not compared",
                    "difference": signed(row["difference"], words.digits) if row else "",
                }
            )
        rows.append((arm, cells))
    return {"metrics": [(metric, wording(metric).short) for metric in metrics], "rows": rows}


def comparison_groups(summary: Mapping[str, Any], order: Sequence[str]) -> list[dict[str, Any]]:
    """One group a metric, in this order: its rows on one scale, drawn around zero."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in summary.get("comparisons", []):
        groups.setdefault(row["metric"], []).append(row)
    return [
        {
            "metric": metric,
            "words": wording(metric),
            "rows": [_row(row, wording(metric).digits, _reach(rows)) for row in rows],
        }
        for metric, rows in sorted(groups.items(), key=lambda entry: order.index(entry[0]))
    ]


def _reach(rows: list[Mapping[str, Any]]) -> float:
    """The largest distance from zero that any interval of the group has."""
    ends = [abs(row[key]) for row in rows for key in ("low", "high") if not missing(row[key])]
    return max(ends, default=0.0) or 1.0


def _row(row: Mapping[str, Any], digits: int, reach: float) -> dict[str, Any]:
    interval = DASH
    if not missing(row["low"]) and not missing(row["high"]):
        interval = f"{signed(row['low'], digits)} to {signed(row['high'], digits)}"
    kind = verdict_kind(str(row["verdict"]))
    return {
        "arm": row["arm"],
        "difference": signed(row["difference"], digits),
        "interval": interval,
        "p": probability(row.get("p_adjusted")),
        "kind": kind,
        "symbol": SYMBOLS[kind],
        "verdict": row["verdict"],
        "detectable": number(row.get("minimum_detectable"), digits),
        "drawn": None if interval == DASH else _drawn(row, reach),
    }


def _drawn(row: Mapping[str, Any], reach: float) -> dict[str, str]:
    """Positions for the inline drawing: interval, point, and what was detectable."""

    def at(value: float) -> float:
        return _WIDTH / 2 * (1 + 0.94 * max(-1.0, min(1.0, value / reach)))

    detectable = row.get("minimum_detectable")
    around = 0.0 if missing(detectable) else float(detectable)  # type: ignore[arg-type]
    return {
        "low": f"{at(row['low']):.1f}",
        "high": f"{at(row['high']):.1f}",
        "point": f"{at(row['difference']):.1f}",
        "zone": f"{at(-around):.1f}",
        "zone_width": f"{at(around) - at(-around):.1f}",
    }
