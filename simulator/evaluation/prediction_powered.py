"""A mean of few expensive agents, sharpened by many cheap ones.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic, Science 382,
2023) with power tuning (Angelopoulos, Duchi and Zrnic, "PPI++", 2023). Of N agents all were
played by a cheap audience (f), n of them also by an expensive one (y), which is the one that
counts:

    estimate = weight * mean of f over all N + mean of (y - weight * f) over the n

For any fixed weight it has the expectation of y, however wrong f is; a poor cheap audience
costs width, never truth. The variance is least where the weight is the slope of y on f, which
makes this the regression estimator of double sampling (Cochran, Sampling Techniques, 1977,
chapter 12): var(y) / n * (1 - rho^2 (1 - n / N)). (PPI++ takes the mean of f over the N - n
others; its lambda is this weight times 1 - n / N, the estimate is the same.)

The slope comes from the same n agents, which an interval from plain residuals and the normal
distribution does not know: at n = 30 it holds the truth in 93 % instead of 95. So each squared
residual is divided by 1 - its leverage (HC2, MacKinnon and White 1985), and Student's t has
the degrees of freedom of Welch and Satterthwaite: n - 2 for the residuals, N - 1 for f.

What it takes for granted: the n are a random part of the N, and agents are independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from .intervals import Floats, mean_interval, standard_error, t_quantile
from .paired import Estimated, p_of_t

FEWEST = 3
"""Agents of both audiences from which a slope and its error can be estimated."""

_MOST = 2**40
"""Agents beyond which a number is not told apart from infinitely many."""


@dataclass(frozen=True)
class Combined:
    """``estimated``: from both audiences; ``alone``: from the n expensive agents by themselves;
    ``cheap``: the mean of the cheap audience over all N, which says nothing by itself.

    ``weight``: what the cheap audience counts (PPI's lambda); ``correlation`` between the two
    over the n, NaN where one of them does not vary; ``effective``: expensive agents whose own
    t interval would be as narrow, None where no number of them is (an interval of width 0).
    """

    estimated: Estimated
    alone: Estimated
    cheap: float
    n: int
    everybody: int
    weight: float
    correlation: float
    standard_error: float
    effective: int | None


def combine(
    expensive: Floats, cheap: Floats, confidence: float = 0.95, *, weight: float | None = None
) -> Combined:
    """From (N,) values of both audiences in the same order of agents, ``expensive`` NaN where
    only the cheap audience played; agents without a ``cheap`` value are left out.

    For a mean difference of two arms, both are differences by agent. ``weight``: instead of
    the one that is best; 0 is the expensive audience alone. Raises ValueError for fewer than
    :data:`FEWEST` agents of both.

    >>> nan = np.nan  # by hand: the slope is 3 / 2, f is 1 on average, and 0 over the first 3
    >>> found = combine(np.array([1, 4, 4, nan, nan, nan]), np.array([-1.0, 0, 1, 1, 2, 3]))
    >>> found.weight, found.alone.difference, found.estimated.difference  # 3 + 1.5 * (1 - 0)
    (1.5, 3.0, 4.5)
    """
    there = ~np.isnan(cheap)
    y, f = expensive[there], cheap[there]
    both = ~np.isnan(y)
    n, everybody = int(both.sum()), len(f)
    if n < FEWEST:
        raise ValueError(f"{n} agents of both audiences; {FEWEST} or more are needed")
    y, own = y[both], f[both]
    if weight is None and np.ptp(own) > 0:
        weight = _slope(y, own)
        error, degrees = _tuned(y, own, f, weight)
    else:  # also a cheap audience that does the same whoever it is: it knows nothing
        weight = weight or 0.0
        error, degrees = _fixed(y, own, f, weight)
    estimate = float(y.mean() + weight * (f.mean() - own.mean()))
    half = t_quantile((1 + confidence) / 2, degrees) * error
    plain = mean_interval(y, confidence)
    p_alone = p_of_t(plain.mean, standard_error(y), n - 1)
    return Combined(
        Estimated(estimate, estimate - half, estimate + half, p_of_t(estimate, error, degrees)),
        Estimated(plain.mean, plain.low, plain.high, p_alone),
        cheap=float(f.mean()),
        n=n,
        everybody=everybody,
        weight=weight,
        correlation=_correlation(y, own),
        standard_error=error,
        effective=as_narrow(standard_error(y) * float(np.sqrt(n)), half, confidence),
    )


def variance_factor(correlation: float, part: float) -> float:
    """The variance of the combined estimate over that of the expensive agents' own mean, in
    large samples, where these are a ``part`` n / N of all agents.

    >>> round(variance_factor(0.8, 0.1), 3), variance_factor(0.8, 1.0), variance_factor(1.0, 0.25)
    (0.424, 1.0, 0.25)
    """
    return 1 - correlation**2 * (1 - part)


def expensive_needed(alone: float, correlation: float, everybody: int) -> int | None:
    """Expensive agents that do with ``everybody`` cheap ones what ``alone`` do by themselves
    (at least :data:`FEWEST`, in large samples); None where no number up to all N does.

    From variance_factor(rho, n / N) / n = 1 / alone: n = (1 - rho^2) / (1 / alone - rho^2 / N).

    >>> expensive_needed(400, 0.8, 4000), expensive_needed(400, 0.0, 4000)  # 0.36 / 0.00234
    (154, 400)
    >>> expensive_needed(5000, 0.8, 4000) is None
    True
    """
    if alone > everybody:
        return None
    explained = correlation**2
    wanted = 1 / alone - explained / everybody
    if wanted <= 0:  # a perfect cheap audience of as many agents as are needed alone
        return FEWEST
    return max(FEWEST, min(everybody, ceil((1 - explained) / wanted - 1e-9)))


def as_narrow(sd: float, half: float, confidence: float = 0.95) -> int | None:
    """The fewest values (two at least) of standard deviation ``sd`` whose t interval reaches
    no further than ``half`` to either side; None for a width of 0, or for more than can be
    told.

    >>> as_narrow(1.0, 0.2), as_narrow(1.0, 0.1), as_narrow(1.0, 0.0)  # t(98) / 99^.5 = 0.1994
    (99, 387, None)
    """

    def enough(n: int) -> bool:
        return t_quantile((1 + confidence) / 2, n - 1) * sd <= half * sqrt(n) * (1 + 1e-12)

    if half <= 0:
        return None
    low, high = 1, 2
    while not enough(high):
        if high >= _MOST:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _slope(y: Floats, f: Floats) -> float:
    """Of least squares of y on f; f varies."""
    off: Floats = f - f.mean()
    return float((y - y.mean()) @ off / (off @ off))


def _tuned(y: Floats, own: Floats, f: Floats, slope: float) -> tuple[float, float]:
    """Standard error and degrees of freedom at the ``slope`` of (n,) ``y`` on ``own``: what
    the regression leaves of y, where f is on average over all N, and the chance in that."""
    n, everybody = len(y), len(f)
    off: Floats = own - own.mean()
    squares = off @ off
    weights = 1 / n + off * ((f.mean() - own.mean()) / squares)  # of each y in the estimate
    leverage = 1 / n + off**2 / squares
    residual: Floats = y - y.mean() - slope * off
    # One agent may be all that varies in f: without it there is no slope, but a mean.
    whole = 1 - leverage < 1e-9
    residual = np.where(whole, y - y.mean(), residual)
    kept = np.where(whole, 1 - 1 / n, 1 - leverage)
    parts = float(weights**2 @ (residual**2 / kept)), (slope * standard_error(f)) ** 2
    return _pooled(parts, (n - 2, everybody - 1))


def _fixed(y: Floats, own: Floats, f: Floats, weight: float) -> tuple[float, float]:
    """Standard error and degrees of freedom at a ``weight`` that these agents did not choose:
    of two independent means, one over the n, one over the others."""
    n, everybody = len(y), len(f)
    of_others = weight * (1 - n / everybody)
    own_part = standard_error(y - of_others * own) ** 2
    if of_others == 0:
        return float(np.sqrt(own_part)), n - 1
    spread = standard_error(f) ** 2 * everybody
    return _pooled((own_part, of_others**2 * spread / (everybody - n)), (n - 1, everybody - 1))


def _pooled(variances: tuple[float, float], degrees: tuple[int, int]) -> tuple[float, float]:
    """Of a sum of two independent parts (Welch 1947, Satterthwaite 1946)."""
    total = sum(variances)
    if total == 0:
        return 0.0, degrees[0]
    share = [part / total for part in variances]
    effective = 1 / sum(one**2 / own for one, own in zip(share, degrees, strict=True))
    return float(np.sqrt(total)), effective


def _correlation(y: Floats, f: Floats) -> float:
    return float(np.corrcoef(y, f)[0, 1]) if min(np.ptp(y), np.ptp(f)) > 0 else np.nan
