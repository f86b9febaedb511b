"""One metric of one arm against the control: every number of its record, without a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from . import power
from .comparison import Comparison, Estimate, Role
from .covariates import Adjusted, Population, adjusted
from .intervals import Floats, t_quantile
from .missing import Bounds, worst_and_best
from .paired import FEWEST, Estimated, Interval, paired
from .power import POWER
from .ratio import Ratio, ratio
from .simulated import BOTTOM, TOP, Metric
from .units import Sessions, Unit

SMALL = 0.2
"""Default margin of equivalence, in standard deviations of the control's agents: what
Cohen (1988) calls a small effect. It is fixed before looking, unlike a margin taken from
the interval's own width, which any amount of data would meet half of the time."""


@dataclass(frozen=True)
class Question:
    """How all pairs of arms are compared."""

    control: str
    confidence: float
    unit: Unit
    interval: Interval
    planned: int | None
    seed: int
    margins: Mapping[str, float]
    guardrails: Mapping[str, float]
    primary: str | None
    adjust: bool = False

    def role(self, metric: str) -> Role:
        if metric == self.primary:
            return "primary"
        return "guardrail" if metric in self.guardrails else "secondary"


@dataclass(frozen=True, eq=False)
class Known:
    """(units, k) covariates in the order of units, and of their population."""

    values: Floats
    population: Population

    @staticmethod
    def of(
        found: Sessions, covariates: pd.DataFrame, population: int | Mapping[str, float] | None
    ) -> Known:
        """``covariates``: agent (and world) and numeric columns, of so many users, or of a
        population with these means; columns without a mean are not used."""
        keys = [name for name in ("world", "agent") if name in covariates]
        table = covariates.set_index(keys).astype(np.float64).dropna(axis=1, how="all")
        _, first = np.unique(found.unit, return_index=True)
        if isinstance(population, Mapping):
            table = table[[name for name in table if name in population]]
        wanted = pd.DataFrame({"world": found.world[first], "agent": found.agent[first]})
        index = pd.MultiIndex.from_frame(wanted) if len(keys) == 2 else pd.Index(wanted["agent"])
        if isinstance(population, Mapping):
            means = np.array([population[str(name)] for name in table], dtype=np.float64)
            users = Population.known(means)
        else:
            users = Population.of(table.to_numpy(dtype=np.float64), population)
        return Known(table.reindex(index).to_numpy(dtype=np.float64), users)


@dataclass(frozen=True, eq=False)
class Row:
    """A comparison without its verdict, and (units,) differences with its mean and standard
    error, NaN without a pair."""

    comparison: Comparison
    differences: Floats


def minimum_detectable(standard_error: float, n: int, confidence: float) -> float:
    """The true difference that a paired t test of this size finds with :data:`POWER`.

    >>> round(minimum_detectable(1 / 100 ** 0.5, 100, 0.95), 3)  # s_d = 1, 100 agents
    0.283
    """
    return power.detectable(n, POWER, confidence) * standard_error * float(np.sqrt(n))


def measure(
    ask: Question,
    found: Sessions,
    known: Known | None,
    arm: str,
    name: str,
    metric: Metric,
    with_ratio: bool,
) -> Row:
    b, a = found.pair(ask.control, arm, name)
    pair = paired(b, a, ask.confidence, ask.interval, ask.planned, ask.seed)
    differences: Floats = a - b
    by_covariates, alike = _adjusted(ask, differences, known) if known else (None, None)
    interval: Interval = "t" if ask.interval == "bca" and pair.n < FEWEST else ask.interval
    said, error = pair.estimated, pair.standard_error
    estimate: Estimate = "plain"
    if ask.adjust and by_covariates is not None and alike is not None:
        estimate, differences, own = "adjusted", alike, by_covariates
        said = Estimated(own.difference, own.low, own.high, own.p)
        error *= float(np.sqrt(own.variance_kept))
        interval = "anytime" if interval == "anytime" else "t"
    detectable, needed = _sensitivity(ask, said, error, pair.n)
    comparison = Comparison(
        metric=name,
        control=ask.control,
        arm=arm,
        role=ask.role(name),
        unit=ask.unit,
        difference=said.difference,
        low=said.low,
        high=said.high,
        interval=interval,
        p=said.p,
        p_adjusted=np.nan,
        verdict="",
        minimum_detectable=detectable,
        margin=ask.margins.get(name, SMALL * found.spread(ask.control, arm, name)),
        mean=pair.mean,
        control_mean=pair.control_mean,
        n=pair.n,
        missing=found.missing(ask.control, arm, name),
        correlation=pair.correlation,
        standard_error=pair.standard_error,
        standard_error_unpaired=pair.standard_error_unpaired,
        needed=needed,
        # Its interval holds at a size fixed beforehand, not where the data said to stop.
        ratio=_ratio(ask, found, arm, name)
        if with_ratio and metric.parts and ask.interval != "anytime"
        else None,
        adjusted=by_covariates,
        estimate=estimate,
        bounds=_bounds(found, ask.control, arm, name, metric),
    )
    return Row(comparison, differences)


def _sensitivity(ask: Question, found: Estimated, error: float, n: int) -> tuple[float, int | None]:
    """The difference found with :data:`POWER` at this standard error, and the units that find
    half of it so. An anytime interval excludes 0 at its last look, at least that often, where
    the truth lies by t(0.8) standard errors beyond its half width."""
    if ask.interval == "anytime":
        if np.isnan(found.low) or n < 2:
            return np.nan, None
        return (found.high - found.low) / 2 + t_quantile(POWER, n - 1) * error, None
    detectable = minimum_detectable(error, n, ask.confidence)
    half = power.detectable(n, POWER, ask.confidence) / 2
    return detectable, power.needed(half, POWER, ask.confidence) if detectable > 0 else None


def _adjusted(
    ask: Question, differences: Floats, known: Known
) -> tuple[Adjusted | None, Floats | None]:
    there = ~np.isnan(differences)
    if there.sum() < 2:
        return None, None
    result, alike = adjusted(
        differences[there],
        known.values[there],
        known.population,
        ask.confidence,
        ask.interval,
        ask.planned,
    )
    out = np.full(len(differences), np.nan)
    out[there] = alike
    return result, out


def _ratio(ask: Question, found: Sessions, arm: str, name: str) -> Ratio:
    """Over sums, so each session counts by its size; sessions lost in one arm in neither."""
    sides = [
        [found.column(side, title.format(name)) for title in (TOP, BOTTOM)]
        for side in (ask.control, arm)
    ]
    lost = np.isnan(np.sum([*sides[0], *sides[1]], axis=0))
    control, own = (
        (found.total(np.where(lost, np.nan, top)), found.total(np.where(lost, np.nan, bottom)))
        for top, bottom in sides
    )
    return ratio(control, own, ask.confidence)


def _bounds(found: Sessions, control: str, arm: str, name: str, metric: Metric) -> Bounds | None:
    """None where nothing is missing, or anything could be."""
    possible = found.met[control] | found.met[arm]
    if metric.low is None or metric.high is None or found.missing(control, arm, name) == 0:
        return None
    if not possible.any():
        return None
    b, a = (found.column(side, name) for side in (control, arm))
    ends = worst_and_best(b, a, metric.low, metric.high)
    return Bounds(
        *(float(np.nanmean(found.average(np.where(possible, end, np.nan)))) for end in ends)
    )
