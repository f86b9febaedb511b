"""Arms compared within parts of the audience, to look for where a difference comes from.

Exploratory, and labelled so: the parts are many, small, and nobody planned them; p values
are adjusted by Benjamini and Hochberg over all of them, which bounds the share of false
findings, not the chance of one. Parts are made of what was known before any arm was met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .compare import compare
from .comparison import Comparison
from .intervals import Floats
from .missing import Bools
from .multiplicity import benjamini_hochberg
from .paired import FEWEST
from .simulated import METRICS, Metric
from .units import Unit

COLD = 10
"""Below so many training ratings a user is cold (the usual cut of data sets that are said to
have no cold users: 10-core)."""

TRAITS = ("activity", "diversity", "conformity")

POPULARITY = "taste_popularity"
"""The optional column: mean popularity of the items in an agent's history."""


@dataclass(frozen=True)
class Slice:
    """One metric of one arm against the control among ``agents`` of one part of the audience;
    ``label`` says that it is exploratory and what was found."""

    slice: str
    level: str
    agents: int
    metric: str
    control: str
    arm: str
    difference: float
    low: float
    high: float
    n: int
    p: float
    p_adjusted: float
    label: str


def slices(
    values: pd.DataFrame,
    control: str,
    agents: pd.DataFrame,
    *,
    confidence: float = 0.95,
    unit: Unit = "agent",
    refitted: bool = False,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Slice]:
    """By slice, level, arm and metric. ``values`` as in ``compare``; ``agents`` as
    ``storage.queries.agents`` reads them (agent, activity, diversity, conformity,
    activity_value), with world where numbers of agents mean other users there."""
    keys = [name for name in ("world", "agent") if name in agents and name in values]
    rows = pd.MultiIndex.from_frame(values[keys])
    found: list[tuple[str, str, int, Comparison]] = []
    for (name, level), inside in parts_of(agents).items():
        members = agents.loc[inside, keys]
        mine = values[rows.isin(pd.MultiIndex.from_frame(members))]
        compared = compare(
            mine,
            control,
            confidence=confidence,
            correction="none",
            unit=unit,
            refitted=refitted,
            metrics=metrics,
        )
        found += [(name, level, len(members), row) for row in compared]
    adjusted = benjamini_hochberg([np.nan if _few(row) else row.p for *_, row in found])
    return [
        _slice(name, level, n, row, p, confidence)
        for (name, level, n, row), p in zip(found, adjusted, strict=True)
    ]


def _few(row: Comparison) -> bool:
    """A handful of agents who happen to do alike would look certain."""
    return row.unit == "agent" and row.n < FEWEST


def parts_of(agents: pd.DataFrame) -> dict[tuple[str, str], Bools]:
    """(slice, level) to (agents,) who is in it; a slice that holds everybody or nobody tells
    nothing and is left out.

    >>> found = parts_of(pd.DataFrame({"activity": [1, 1, 3], "activity_value": [2.0, 40.0, 90.0]}))
    >>> {key: inside.tolist() for key, inside in found.items()}  # doctest: +NORMALIZE_WHITESPACE
    {('activity', '1'): [True, True, False], ('activity', '3'): [False, False, True],
     ('history', 'cold'): [True, False, False], ('history', 'warm'): [False, True, True]}
    """
    out: dict[tuple[str, str], Bools] = {}
    for trait in [name for name in TRAITS if name in agents]:
        levels = agents[trait].to_numpy()
        out |= {(trait, str(level)): np.asarray(levels == level) for level in (1, 2, 3)}
    if POPULARITY in agents:
        of_taste = agents[POPULARITY].to_numpy(dtype=np.float64)
        out |= {("popularity of taste", name): part for name, part in _tertiles(of_taste).items()}
    if "activity_value" in agents:
        cold = agents["activity_value"].to_numpy(dtype=np.float64) < COLD
        out |= {("history", "cold"): cold, ("history", "warm"): ~cold}
    return {key: inside for key, inside in out.items() if inside.any() and not inside.all()}


def _tertiles(values: Floats) -> dict[str, Bools]:
    """Equal values lie together, in the lower part; NaN in none."""
    if np.isnan(values).all():
        return {}
    first, second = np.nanquantile(values, [1 / 3, 2 / 3])
    return {
        "low": values <= first,
        "middle": (values > first) & (values <= second),
        "high": values > second,
    }


def _slice(
    name: str, level: str, agents: int, row: Comparison, p_adjusted: float, confidence: float
) -> Slice:
    if row.verdict.startswith("withheld"):
        said = row.verdict
    elif _few(row):
        said = f"withheld: {row.n} pairs"
    elif p_adjusted < 1 - confidence:
        said = "higher" if row.difference > 0 else "lower"
    else:
        said = "inconclusive"
    return Slice(
        name,
        level,
        agents,
        row.metric,
        row.control,
        row.arm,
        row.difference,
        row.low,
        row.high,
        row.n,
        row.p,
        p_adjusted,
        f"exploratory: {said}",
    )
