"""Less noise by what was known of agents before the arms diverged (CUPED: Deng, Xu, Kohavi
and Walker, WSDM 2013): the paired differences regressed on covariates.

With x centred on its mean over the population, the intercept of d ~ 1 + x is the mean
difference in that population. Each agent meets all arms, so nothing is left of chance between
groups: what is gained is knowing how the agents who played differ from the population. What
is not known of that, as only a sample of its users is described, adds to the error: with no
more known than those who played, drawn from infinitely many, nothing at all is gained. An
interval from the residuals alone, as for two groups, would be too narrow there: where half of
the variance of effects follows a covariate, it rejects 17 % at a nominal 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .intervals import Floats, t_quantile
from .paired import Interval, estimate, p_of_t


@dataclass(frozen=True)
class Adjusted:
    """The adjusted difference; ``variance_kept``: its squared standard error over that of the
    plain mean, 1 where covariates do not help."""

    difference: float
    low: float
    high: float
    p: float
    variance_kept: float


@dataclass(frozen=True, eq=False)
class Population:
    """What is known of the users that the answer is for: ``mean`` (k,) of their covariates, and
    ``error`` (k, k), the covariance of its error."""

    mean: Floats
    error: Floats

    @staticmethod
    def of(covariates: Floats, size: int | None) -> Population:
        """From (rows, k) covariates of ``rows`` of its ``size`` users (None: infinitely many),
        drawn at random: S / rows (1 - rows / size) (Cochran, Sampling Techniques, 1977,
        section 2.6). NaN is left out; each column needs a value."""
        mean = np.nanmean(covariates, axis=0)
        rows = len(covariates)
        centred = np.nan_to_num(covariates - mean)
        unseen = 1.0 if size is None else max(0.0, 1 - rows / size)
        return Population(mean, centred.T @ centred / max(rows - 1, 1) / rows * unseen)

    @staticmethod
    def known(means: Floats) -> Population:
        """Of which every user was looked at: (k,) means without error."""
        return Population(means, np.zeros((len(means), len(means))))


TRAITS = ["activity_value", "diversity_value", "conformity_value"]


def traits(agents: pd.DataFrame) -> pd.DataFrame:
    """What is known of agents before they meet any arm, as ``storage.queries.agents`` reads
    it: agent, world (where given) and raw trait values, activity as a logarithm (it is a
    count, and skewed)."""
    keys = [name for name in ("world", "agent") if name in agents]
    out = agents[keys + TRAITS].astype(dict.fromkeys(TRAITS, np.float64))
    return out.assign(activity_value=np.log1p(out["activity_value"]))


def means_of(users: pd.DataFrame) -> dict[str, float]:
    """The mean of each covariate over ``users`` (a row each, columns as :func:`traits` reads
    them), those without a value left out: what a run keeps of the population its agents were
    drawn from."""
    values = traits(users)[TRAITS]
    return {str(name): float(mean) for name, mean in values.mean().dropna().items()}


def adjusted(
    differences: Floats,
    covariates: Floats,
    population: Population,
    confidence: float,
    interval: Interval = "t",
    planned: int | None = None,
) -> tuple[Adjusted, Floats]:
    """The intercept of least squares with its t interval on n - 1 - k degrees of freedom, or
    an anytime one; and (n,) values with just that mean and standard error, for tests that
    resample units.

    ``differences`` (n,) and ``covariates`` (n, k). The variance is that of the intercept plus,
    for slopes b and the error C of the population's means, b' C b. A missing covariate counts
    as the mean; one that does not vary, or follows from others, is
    not counted in k. With nothing left to estimate the error from, all but the difference is
    NaN.

    >>> x = np.array([[-1.0], [0.0], [1.0], [0.0]])  # d = 2 + x, and +-0.1 beside it
    >>> known = Population(np.zeros(1), np.zeros((1, 1)))
    >>> found, _ = adjusted(np.array([1.0, 2.1, 3.0, 1.9]), x, known, 0.95)
    >>> round(found.difference, 6), round(found.variance_kept, 4)  # (0.02 / 2) / (2.02 / 3)
    (2.0, 0.0149)
    """
    n = len(differences)
    x = np.where(np.isnan(covariates), population.mean, covariates) - population.mean
    size = np.abs(x).max(axis=0, initial=0.0)
    varies = np.ptp(x, axis=0) > 1e-12 * size
    design = np.column_stack([np.ones(n), x[:, varies] / size[varies]])
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
    slopes = fitted[1:] / size[varies]
    of_means = float(slopes @ population.error[np.ix_(varies, varies)] @ slopes)
    error = float(np.sqrt(variance * (weights @ weights) + max(0.0, of_means)))
    alike = _alike(differences, residuals, mean, error)
    if interval == "anytime":
        found = estimate(alike, confidence, interval, planned)
        low, high, p = found.low, found.high, found.p
    else:
        half = t_quantile((1 + confidence) / 2, degrees) * error
        low, high, p = mean - half, mean + half, p_of_t(mean, error, degrees)
    kept = error**2 / (total / n) if total > 0 else np.nan
    return Adjusted(mean, low, high, p, kept), alike


def _alike(differences: Floats, residuals: Floats, mean: float, error: float) -> Floats:
    """(n,) with this mean and standard error, spread as the residuals are, or where there are
    none as the differences."""
    shape = residuals if residuals.any() else differences - differences.mean()
    spread = float(shape.std(ddof=1))
    scale = error * float(np.sqrt(len(shape))) / spread if spread > 0 else 0.0
    return np.asarray(mean + scale * (shape - shape.mean()), dtype=np.float64)
