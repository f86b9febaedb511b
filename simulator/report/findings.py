"""Which arm leads a metric beyond doubt; everything a figure's title may claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..evaluation.compare import MOST_MISSING
from ..evaluation.study import Study
from . import intervals
from .wording import wording

CLAIMED = ("n_exit", "s_sat", "p_view", "mean_rating")
"""The simulated metrics whose leader a title or bold type may name."""


def leaders(
    study: Study, summary: Mapping[str, Any], units: pd.DataFrame, dual: pd.DataFrame
) -> dict[str, str | None]:
    """For each metric the arm that leads it, None where the intervals support no claim.

    Simulated metrics by paired tests over ``units``. Where arms learned from their agents,
    agents are not independent and no claim by agent is made; nor where more than one session
    in a hundred failed, as the agents who answered may differ from those who did not.
    """
    out = _offline(dual)
    number = int(summary["round"])
    now = study.values[study.values["round"] == number]
    coupled = study.unit == "agent" and study.coupled(number)
    if coupled or now["s_sat"].notna().sum() < (1 - MOST_MISSING) * len(now):
        return out
    for metric in CLAIMED:
        wide = units.pivot(index="unit", columns="arm", values=metric)
        out[metric] = intervals.leader(wide, study.confidence)
    return out


def _offline(dual: pd.DataFrame) -> dict[str, str | None]:
    """Offline estimates are not paired here: the best interval must clear all others."""
    out: dict[str, str | None] = {}
    for metric, rows in dual[dual["part"] == "offline"].groupby("metric", sort=False):
        known = rows.dropna(subset=["low", "high"])
        if len(known) < 2 or len(known) < len(rows) or wording(str(metric)).better <= 0:
            continue
        ranked = known.astype({"low": float, "high": float, "mean": float}).sort_values("mean")
        best, others = ranked.iloc[-1], ranked.iloc[:-1]
        out[str(metric)] = str(best["arm"]) if best["low"] > others["high"].max() else None
    return out


_VERDICTS = {
    "better": "better",
    "worse": "worse",
    "higher": "higher",
    "lower": "lower",
    "no difference": "same",
    "inconclusive": "unclear",
}


def verdict_kind(verdict: str) -> str:
    """The verdict's first words as one of better, worse, higher, lower, same, unclear, withheld.

    >>> verdict_kind("no difference larger than 0.02"), verdict_kind("better")
    ('same', 'better')
    """
    text = verdict.strip().lower()
    return next((kind for start, kind in _VERDICTS.items() if text.startswith(start)), "withheld")
