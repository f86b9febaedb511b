"""Arms against the control, unit by unit.

The same agents met every arm with the same luck, so each agent gives one difference and
the differences are what is tested. No pooling of events: one number a unit (an agent, or a
seeded world where agents learn from each other), a paired interval, and p values adjusted
over what was looked at. Methods and why: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from . import verdicts
from .comparison import Comparison, Role
from .covariates import Adjusted
from .measure import SMALL, Known, Question, Row, measure, minimum_detectable
from .missing import Bounds
from .multiplicity import holm, max_t
from .paired import FEWEST, Estimated, Interval
from .power import POWER
from .ratio import Ratio
from .simulated import BOTTOM, METRICS, TOP, Metric
from .units import Sessions, Unit, sessions
from .verdicts import MOST_MISSING, Guardrail

__all__ = [
    "MOST_MISSING",
    "POWER",
    "SMALL",
    "Adjusted",
    "Bounds",
    "Comparison",
    "Correction",
    "Guardrail",
    "Interval",
    "Ratio",
    "Role",
    "Unit",
    "compare",
    "holm",
    "minimum_detectable",
]

Correction = Literal["holm", "max-t", "none"]


def compare(
    values: pd.DataFrame,
    control: str,
    *,
    confidence: float = 0.95,
    correction: Correction = "holm",
    unit: Unit = "agent",
    refitted: bool = False,
    primary: str | None = None,
    guardrails: Mapping[str, float] | None = None,
    margins: Mapping[str, float] | None = None,
    interval: Interval = "t",
    planned: int | None = None,
    adjust: bool = False,
    parts: pd.DataFrame | None = None,
    covariates: pd.DataFrame | None = None,
    population: int | Mapping[str, float] | None = None,
    seed: int = 0,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Comparison]:
    """Every other arm and metric against ``control``, in the order of arms, then metrics.

    ``values``: arm (ordered category), agent, failed (bool, optional), world and replicate
    (int, optional) and a column for each metric; one row a session, NaN where undefined.
    ``parts``: the same sessions with dividends and divisors, as ``simulated.parts`` names
    them. With ``refitted`` (recommenders learned from these agents) agents are not
    independent: differences are given, but no interval, test or verdict, unless the unit is
    the world.

    ``primary`` is tested apart: corrected over arms only. Each of ``guardrails`` (metric to
    margin) has to hold at its own level, as all of them must; all but the primary are
    corrected together. ``max-t`` becomes ``holm`` for anytime intervals, which no permutation
    gives, and with fewer than :data:`FEWEST` units, which cannot be permuted often enough.
    ``margins`` by metric: what counts as no difference. ``planned``: units that an anytime
    interval was planned for.

    ``covariates``: agent (and world) and numeric columns, a row for each of those who played,
    and of others of the ``population`` (so many users, None for infinitely many; or the means
    over all of them, by column) where they are known: an adjusted estimate is for these.
    Units that are worlds are not adjusted. With ``adjust`` difference, interval, p and verdict
    are those of the adjusted estimate; ValueError where there are no covariates.
    """
    if adjust and covariates is None:
        raise ValueError("adjust needs covariates")
    ask = Question(
        control,
        confidence,
        unit,
        interval,
        planned,
        seed,
        margins or {},
        guardrails or {},
        primary,
        adjust,
    )
    found = sessions(_with_parts(values, parts), [*metrics, *_part_names(parts)], unit)
    coupled = refitted and unit == "agent"
    known = None
    if covariates is not None and unit == "agent" and not coupled:
        known = Known.of(found, covariates, population)
    rows = [
        measure(ask, found, known, arm, name, metric, parts is not None)
        for arm in found.columns
        if arm != control
        for name, metric in metrics.items()
    ]
    if coupled:
        return [_without_inference(row.comparison, ask.guardrails) for row in rows]
    if correction == "max-t" and (interval == "anytime" or found.units < FEWEST):
        correction = "holm"
    p_adjusted, tests = np.full(len(rows), np.nan), np.ones(len(rows), dtype=np.int64)
    for family in (True, False):
        places = [i for i, row in enumerate(rows) if (row.comparison.role == "primary") == family]
        p_adjusted[places] = _corrected([rows[i] for i in places], correction, seed)
        if correction != "none":
            tests[places] = sum(not np.isnan(rows[i].comparison.p) for i in places)
    return [
        replace(_judged(ask, found, row, metrics[row.comparison.metric], float(p)), tests=int(n))
        for row, p, n in zip(rows, p_adjusted, tests, strict=True)
    ]


def _part_names(parts: pd.DataFrame | None) -> list[str]:
    ends = (TOP.format(""), BOTTOM.format(""))
    return [] if parts is None else [str(name) for name in parts if str(name).endswith(ends)]


def _with_parts(values: pd.DataFrame, parts: pd.DataFrame | None) -> pd.DataFrame:
    if parts is None:
        return values
    keys = [name for name in ("arm", "world", "agent", "replicate", "round") if name in values]
    keys = [name for name in keys if name in parts]
    columns = parts[keys + _part_names(parts)].astype({"arm": str})
    out = values.astype({"arm": str}).merge(columns, on=keys, how="left", validate="1:1")
    return out.assign(arm=pd.Categorical(out["arm"], values["arm"].cat.categories, ordered=True))


def _corrected(rows: Sequence[Row], correction: Correction, seed: int) -> Sequence[float]:
    """p values of one family, adjusted for each other."""
    p = [row.comparison.p for row in rows]
    if correction == "none" or not rows:
        return p
    if correction == "holm":
        return holm(p)
    columns = [row.differences for row in rows]
    # Draws are counted, so that they may fall below the exact p value of one test.
    found = np.maximum(max_t(np.column_stack(columns), seed=seed)[1], p)
    return [float(value) for value in found]


def _judged(
    ask: Question, found: Sessions, row: Row, metric: Metric, p_adjusted: float
) -> Comparison:
    own = row.comparison
    better = int(np.sign(metric.better))
    with_ratio = own.ratio is not None
    withheld = verdicts.withheld(found, ask.control, own.arm, own.metric, with_ratio)
    if own.n < 2:
        withheld = "withheld: fewer than two pairs" + (" of worlds" * (ask.unit == "world"))
    said = Estimated(own.difference, own.low, own.high, own.p)
    margin = ask.guardrails.get(own.metric)
    return replace(
        own,
        p_adjusted=p_adjusted,
        verdict=withheld
        or (
            "inconclusive"  # a handful that happen to do alike
            if own.n < FEWEST and said.low == said.high
            else verdicts.verdict(said, p_adjusted, own.margin, better, ask.confidence)
        ),
        guardrail=None if margin is None else verdicts.guardrail(said, margin, better, withheld),
    )


def _without_inference(own: Comparison, guardrails: Mapping[str, float]) -> Comparison:
    nan, withheld = np.nan, f"withheld: {verdicts.COUPLED}"
    margin = guardrails.get(own.metric)
    return replace(
        own,
        low=nan,
        high=nan,
        p=nan,
        minimum_detectable=nan,
        needed=None,
        standard_error=nan,
        standard_error_unpaired=nan,
        ratio=None if own.ratio is None else replace(own.ratio, low=nan, high=nan, p=nan),
        adjusted=None,
        verdict=withheld,
        guardrail=None if margin is None else Guardrail(margin, None, withheld),
    )
