"""Arms against the control, agent by agent.

The same agents met every arm with the same luck, so each agent gives one difference and
the differences are what is tested. No bootstrap, no pooling of events: one number an
agent, a paired t test, Holm's correction over everything that was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from .intervals import Floats, mean_interval, standard_error, t_p_value, t_quantile
from .simulated import METRICS, Metric

Correction = Literal["holm", "max-t", "none"]
Interval = Literal["t", "bca", "anytime"]
Role = Literal["primary", "guardrail", "secondary"]
Unit = Literal["agent", "world"]

POWER = 0.8
"""Of the minimum detectable difference."""

SMALL = 0.2
"""Default margin of equivalence, in standard deviations of the control's agents: what
Cohen (1988) calls a small effect. It is fixed before looking, unlike a margin taken from
the interval's own width, which any amount of data would meet half of the time."""

MOST_MISSING = 0.01
"""Above this share of failed sessions in either arm, or of pairs without a value, no
verdict is given: who is missing may differ from who is not."""


@dataclass(frozen=True)
class Guardrail:
    """``margin``: by how much the arm may be worse, in the metric's units; ``holds``: whether
    the bad end of the interval lies above that; None where no verdict may be given."""

    margin: float
    holds: bool | None
    text: str


@dataclass(frozen=True)
class Ratio:
    """Ratios of sums over all units (control's, arm's), their difference with its interval."""

    control: float
    arm: float
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Adjusted:
    """The difference regressed on what was known of agents before; ``variance_kept`` is the
    share of its variance that is left."""

    difference: float
    low: float
    high: float
    p: float
    variance_kept: float


@dataclass(frozen=True)
class Bounds:
    """The mean difference if every missing value had been the worst or the best possible."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One metric of one arm against the control; differences are arm minus control.

    ``low``..``high`` is the interval of ``difference`` over ``n`` pairs of units, not corrected
    for multiplicity; ``p_adjusted`` is. ``standard_error_unpaired`` is what the same
    agents would give if they were compared as two groups; ``correlation`` between the
    arms says why. ``missing`` is the share of pairs without a value. ``needed``: units that
    find half of ``minimum_detectable`` with :data:`POWER`.
    """

    metric: str
    control: str
    arm: str
    role: Role
    unit: Unit
    difference: float
    low: float
    high: float
    interval: Interval
    p: float
    p_adjusted: float
    verdict: str
    minimum_detectable: float
    margin: float
    mean: float
    control_mean: float
    n: int
    missing: float
    correlation: float
    standard_error: float
    standard_error_unpaired: float
    needed: int | None = None
    guardrail: Guardrail | None = None
    ratio: Ratio | None = None
    adjusted: Adjusted | None = None
    bounds: Bounds | None = None


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
    seed: int = 0,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Comparison]:
    """Every other arm and metric against ``control``, in the order of arms, then metrics.

    ``values``: arm (ordered category), agent, failed (bool, optional), world and replicate
    (int, optional) and a column for each metric; one row a session, NaN where undefined.
    With ``refitted`` (recommenders learned from these agents) agents are not independent:
    differences are given, but no interval, test or verdict, unless the unit is the world.
    """
    by_arm = {
        str(arm): values.loc[values["arm"] == arm].set_index("agent")[list(metrics)]
        for arm in values["arm"].cat.categories
    }
    failed = dict.fromkeys(by_arm, 0.0)
    if "failed" in values:
        share = values.groupby("arm", observed=True)["failed"].mean()
        failed |= {str(arm): float(part) for arm, part in share.items()}
    found = []
    for arm in [name for name in by_arm if name != control]:
        # An agent that met one of the two only has NaN on the other side.
        left, right = by_arm[control].align(by_arm[arm], join="outer", axis=0)
        for name, metric in metrics.items():
            b, a = (side[name].to_numpy(dtype=np.float64) for side in (left, right))
            found.append((metric, _measure(b, a, name, control, arm, confidence)))
    if refitted:
        return [_without_inference(comparison) for _, comparison in found]
    p_values = [comparison.p for _, comparison in found]
    adjusted = holm(p_values) if correction == "holm" else p_values
    out = []
    for (metric, comparison), p in zip(found, adjusted, strict=True):
        worst = max(failed[name] for name in (control, comparison.arm))
        comparison = replace(comparison, p_adjusted=p)
        verdict = _withheld(comparison, worst) or _verdict(comparison, metric, 1 - confidence)
        out.append(replace(comparison, verdict=verdict))
    return out


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment; NaN is no test and stays NaN.

    >>> holm([0.01, 0.04, 0.03, float("nan")])
    [0.03, 0.06, 0.06, nan]
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    out = np.full(len(p), np.nan)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return [float(value) for value in out]


def minimum_detectable(standard_error: float, n: int, confidence: float) -> float:
    """The true difference that a paired t test of this size finds with :data:`POWER`.

    (t(n-1, 1 - alpha/2) + t(n-1, power)) * standard error; for large n the textbook
    n = (z + z)^2 s_d^2 / MDE^2 solved for MDE.

    >>> round(minimum_detectable(1 / 100 ** 0.5, 100, 0.95), 3)  # s_d = 1, 100 agents
    0.283
    """
    if n < 2:
        return np.nan
    alpha = 1 - confidence
    return (t_quantile(1 - alpha / 2, n - 1) + t_quantile(POWER, n - 1)) * standard_error


def _measure(
    of_control: Floats, of_arm: Floats, metric: str, control: str, arm: str, confidence: float
) -> Comparison:
    """From (agents,) values of both sides, NaN where undefined."""
    whole = ~(np.isnan(of_control) | np.isnan(of_arm))
    a, b = of_arm[whole], of_control[whole]
    difference: Floats = a - b
    n = len(difference)
    estimate = mean_interval(difference, confidence)
    error = standard_error(difference) if n > 1 else np.nan
    spread = (float(a.std(ddof=1)), float(b.std(ddof=1))) if n > 1 else (np.nan, np.nan)
    return Comparison(
        metric=metric,
        control=control,
        arm=arm,
        role="secondary",
        unit="agent",
        difference=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        interval="t",
        p=_p_value(estimate.mean, error, n),
        p_adjusted=np.nan,
        verdict="",
        minimum_detectable=minimum_detectable(error, n, confidence),
        margin=SMALL * spread[1],
        mean=float(a.mean()) if n else np.nan,
        control_mean=float(b.mean()) if n else np.nan,
        n=n,
        missing=(len(whole) - n) / len(whole) if len(whole) else 1.0,
        correlation=float(np.corrcoef(a, b)[0, 1]) if n > 1 and min(spread) > 0 else np.nan,
        standard_error=error,
        standard_error_unpaired=float(np.hypot(*spread) / np.sqrt(n)) if n > 1 else np.nan,
    )


def _p_value(difference: float, error: float, n: int) -> float:
    if n < 2:
        return np.nan
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return t_p_value(difference / error, n - 1)


def _withheld(comparison: Comparison, failed: float) -> str | None:
    if comparison.n < 2:
        return "withheld: fewer than two pairs"
    if failed > MOST_MISSING:
        return f"withheld: {failed:.1%} of an arm's sessions failed"
    if comparison.missing > MOST_MISSING:
        return f"withheld: {comparison.missing:.1%} of the agents have no pair of values"
    return None


def _verdict(comparison: Comparison, metric: Metric, alpha: float) -> str:
    if comparison.p_adjusted < alpha:
        up = comparison.difference > 0
        if metric.better == 0:
            return "higher" if up else "lower"
        return "better" if up == (metric.better > 0) else "worse"
    if -comparison.margin <= comparison.low and comparison.high <= comparison.margin:
        return f"no difference larger than {comparison.margin:.3g}"
    return "inconclusive"


def _without_inference(comparison: Comparison) -> Comparison:
    return replace(
        comparison,
        low=np.nan,
        high=np.nan,
        p=np.nan,
        minimum_detectable=np.nan,
        standard_error=np.nan,
        standard_error_unpaired=np.nan,
        verdict="withheld: arms learned from these agents, so agents are not independent",
    )
