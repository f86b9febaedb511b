"""What there is where a run is more than one visit: rounds, refits on feedback, replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .tables import estimates
from .wording import DASH, half_width, missing, number, signed, wording


def rounds_table(summary: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Any] | None:
    """Every round of every arm in short: ``metrics`` [(name, short)], ``arms`` [(arm, rows)],
    a row being the round's number and a cell a metric. None for one round."""
    if "rounds" not in summary:
        return None
    arms = []
    for arm in summary["arms"]:
        rows = []
        for number_, found in summary["rounds"].items():
            entry = found["arms"][arm]
            both = {**estimates(entry, "offline"), **estimates(entry, "simulated")}
            rows.append((number_, [_cell(both.get(name), name) for name in metrics]))
        arms.append((arm, rows))
    return {"metrics": [(name, wording(name).short) for name in metrics], "arms": arms}


def feedback_table(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """The dual table of feedback: ``metrics``, ``groups`` [(recommender, rows)]; a row holds
    the row's name, a cell a metric, and a cell a metric of the difference to Origin."""
    rows = summary.get("feedback")
    if not rows:
        return None
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["recommender"], []).append(
            {
                "row": row["row"],
                "arm": row["arm"],
                "round": row["round"],
                "cells": [_cell(row["metrics"].get(name), name) for name in metrics],
                "over": [_gain(row["over_origin"].get(name), name) for name in metrics],
                "beyond": [_gain(row["over_unviewed"].get(name), name) for name in metrics],
            }
        )
    return {
        "metrics": [(name, wording(name).short) for name in metrics],
        "groups": list(groups.items()),
        "beyond": any(row["over_unviewed"] for row in rows),
    }


def components(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How the variance of differences splits between agents and replicates."""
    out = []
    for part in summary.get("components", ()):
        between, within = part["between"], part["within"]
        known = not missing(between) and not missing(within) and between + within > 0
        out.append(
            {
                "metric": wording(part["metric"]).short,
                "arm": part["arm"],
                "agents": f"{part['agents']:,}",
                "share": f"{between / (between + within):.0%}" if known else DASH,
                "text": part["text"],
            }
        )
    return out


def _cell(found: Mapping[str, Any] | None, metric: str) -> dict[str, str]:
    if found is None:
        return {"mean": DASH, "half": ""}
    half, digits = half_width(found), wording(metric).digits
    return {
        "mean": number(found["mean"], digits),
        "half": "" if missing(half) else f"±\u2009{number(half, digits)}",
    }


def _gain(found: Mapping[str, Any] | None, metric: str) -> dict[str, str]:
    """A difference with its interval; ``kind``: whether the interval leaves zero out."""
    if found is None or missing(found["mean"]):
        return {"mean": "", "interval": "", "kind": "none"}
    digits = wording(metric).digits
    if missing(found["low"]) or missing(found["high"]):
        return {"mean": signed(found["mean"], digits), "interval": "", "kind": "unclear"}
    kind = "better" if found["low"] > 0 else "worse" if found["high"] < 0 else "unclear"
    interval = f"{signed(found['low'], digits)} to {signed(found['high'], digits)}"
    return {"mean": signed(found["mean"], digits), "interval": interval, "kind": kind}
