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
            "role": rows[0]["role"],
            "words": wording(metric),
            "rows": [_row(row, wording(metric).digits, _reach(rows)) for row in rows],
        }
        for metric, rows in sorted(groups.items(), key=lambda entry: order.index(entry[0]))
    ]


def metric_order(summary: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The primary metric first, then guardrails, then as ``names`` stand."""
    role = {row["metric"]: row["role"] for row in summary.get("comparisons", [])}
    places = {"primary": 0, "guardrail": 1}
    return sorted(names, key=lambda name: places.get(role.get(name, ""), 2))


def _reach(rows: list[Mapping[str, Any]]) -> float:
    """The largest distance from zero that any interval of the group has."""
    ends = [abs(row[key]) for row in rows for key in ("low", "high") if not missing(row[key])]
    return max(ends, default=0.0) or 1.0


def row_texts(row: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of one comparison as text: page and terminal print the same."""
    digits, kind = wording(row["metric"]).digits, verdict_kind(str(row["verdict"]))
    return {
        "arm": row["arm"],
        "role": row["role"],
        "mean": number(row["mean"], digits),
        "control_mean": number(row["control_mean"], digits),
        "difference": signed(row["difference"], digits),
        "interval": interval(row, digits),
        "p": probability(row.get("p_adjusted")),
        "kind": kind,
        "symbol": SYMBOLS[kind],
        "verdict": row["verdict"],
        "guardrail": _guardrail(row["guardrail"], digits),
        "detectable": number(row["minimum_detectable"], digits),
        "n": f"{row['n']:,}",
        "correlation": number(row["correlation"], 2),
        "narrower": _narrower(row),
        "needed": DASH if row["needed"] is None else f"{row['needed']:,}",
        "ratio": _beside(row["ratio"], 3),
        "adjusted": _beside(row["adjusted"], digits),
    }


def _guardrail(found: Mapping[str, Any] | None, digits: int) -> str:
    """
    >>> _guardrail({"margin": 0.5, "holds": False, "text": "broken: at least 0.7 worse"}, 2)
    'guardrail 0.50: broken'
    """
    if found is None:
        return ""
    state = "withheld" if found["holds"] is None else found["text"].partition(":")[0]
    return f"guardrail {number(found['margin'], digits)}: {state}"


def interval(found: Mapping[str, Any], digits: int) -> str:
    """low to high, or a dash."""
    if missing(found["low"]) or missing(found["high"]):
        return DASH
    return f"{signed(found['low'], digits)} to {signed(found['high'], digits)}"


def _beside(found: Mapping[str, Any] | None, digits: int) -> dict[str, str] | None:
    """Another estimate of the same difference."""
    if found is None:
        return None
    kept = found.get("variance_kept")
    return {
        "control": number(found.get("control"), digits),
        "arm": number(found.get("arm"), digits),
        "difference": signed(found["difference"], digits),
        "interval": interval(found, digits),
        "p": probability(found["p"]),
        "kept": DASH if kept is None or missing(kept) else f"{kept:.0%}",
    }


def _narrower(row: Mapping[str, Any]) -> str:
    """How many times more units two groups would need for the same standard error."""
    paired, unpaired = row["standard_error"], row["standard_error_unpaired"]
    if missing(paired) or missing(unpaired) or not paired:
        return DASH
    return f"{(unpaired / paired) ** 2:.1f}×"


def _row(row: Mapping[str, Any], digits: int, reach: float) -> dict[str, Any]:
    texts = row_texts(row)
    return {**texts, "drawn": None if texts["interval"] == DASH else _drawn(row, reach)}


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
