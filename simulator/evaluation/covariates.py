"""Less noise by what was known of agents before the arms diverged (CUPED: Deng, Xu, Kohavi
and Walker, WSDM 2013): the paired differences regressed on covariates.

With x centred on its mean over the population, the intercept of d ~ 1 + x is the mean
difference in that population. Agents meet all arms, so nothing is left of chance between
groups: what is gained is knowing how the agents who played differ from the population.
Where the population is just these agents, the estimate stays what it was, and its
narrower interval speaks of agents who are as these are; not of other agents drawn anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .intervals import Floats, t_quantile
from .paired import Interval, estimate, p_of_t


@dataclass(frozen=True)
class Adjusted:
    """The adjusted difference; ``variance_kept``: the residual variance over that of the
    differences, 1 where covariates say nothing."""

    difference: float
    low: float
    high: float
    p: float
    variance_kept: float


TRAITS = ["activity_value", "diversity_value", "conformity_value"]


def traits(agents: pd.DataFrame) -> pd.DataFrame:
    """What is known of agents before they meet any arm, as ``storage.queries.agents`` reads
    it: agent, world (where given) and raw trait values, activity as a logarithm (it is a
    count, and skewed)."""
    keys = [name for name in ("world", "agent") if name in agents]
    out = agents[keys + TRAITS].astype(dict.fromkeys(TRAITS, np.float64))
    return out.assign(activity_value=np.log1p(out["activity_value"]))


def adjusted(
    differences: Floats,
    covariates: Floats,
    centre: Floats,
    confidence: float,
    interval: Interval = "t",
    planned: int | None = None,
) -> tuple[Adjusted, Floats]:
    """The intercept of least squares with its t interval on n - 1 - k degrees of freedom, or
    an anytime one; and (n,) values with just that mean and standard error, for tests that
    resample units.

    ``differences`` (n,) and ``covariates`` (n, k), ``centre`` (k,) the population's means. A
    missing covariate counts as the mean; one that does not vary, or follows from others, is
    not counted in k. With nothing left to estimate the error from, all but the difference is
    NaN.

    >>> x = np.array([[-1.0], [0.0], [1.0], [0.0]])  # d = 2 + x, and +-0.1 beside it
    >>> found, _ = adjusted(np.array([1.0, 2.1, 3.0, 1.9]), x, np.zeros(1), 0.95)
    >>> round(found.difference, 6), round(found.variance_kept, 4)  # (0.02 / 2) / (2.02 / 3)
    (2.0, 0.0149)
    """
    n = len(differences)
    x = np.where(np.isnan(covariates), centre, covariates) - centre
    size = np.abs(x).max(axis=0, initial=0.0)
    x = x[:, np.ptp(x, axis=0) > 1e-12 * size] if n else x
    design = np.column_stack([np.ones(n), x / np.abs(x).max(axis=0, initial=0.0)])
    fitted, _, rank, _ = np.linalg.lstsq(design, differences, rcond=1e-10)
    # What each difference weighs in the intercept: the shortest w with design' w = (1, 0, ...).
    weights = np.linalg.lstsq(design.T, np.eye(design.shape[1])[0], rcond=1e-10)[0]
    mean, degrees = float(weights @ differences), n - int(rank)
    residuals: Floats = differences - design @ fitted
    if degrees < 1:
        return Adjusted(mean, np.nan, np.nan, np.nan, np.nan), np.full(n, np.nan)
    variance = float(residuals @ residuals) / degrees
    total = float(differences.var(ddof=1))
    if variance <= 1e-24 * max(total, mean**2):
        variance, residuals = 0.0, np.zeros(n)
    error = float(np.sqrt(variance * (weights @ weights)))
    alike = mean + (residuals * _scale(residuals, error))
    if interval == "anytime":
        found = estimate(alike, confidence, interval, planned)
        low, high, p = found.low, found.high, found.p
    else:
        half = t_quantile((1 + confidence) / 2, degrees) * error
        low, high, p = mean - half, mean + half, p_of_t(mean, error, degrees)
    kept = variance / total if total > 0 else np.nan
    return Adjusted(mean, low, high, p, kept), alike


def _scale(residuals: Floats, error: float) -> float:
    """What gives values of this spread the standard error ``error``."""
    spread = float(residuals.std(ddof=1))
    return error * float(np.sqrt(len(residuals))) / spread if spread > 0 else 0.0
