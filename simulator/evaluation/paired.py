"""One metric of two arms that the same units met: one difference a unit.

The interval of their mean is Student's, which equals that of least squares with errors
clustered by unit; or a BCa bootstrap (Efron 1987) with a sign-flip test, for skewed
differences; or a confidence sequence, where one looks before the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..randomness import stream
from .intervals import Floats, mean_interval, standard_error, t_p_value
from .multiplicity import sign_flip_p
from .sequential import looks

Interval = Literal["t", "bca", "anytime"]

FEWEST = 8
"""Pairs from which to resample: with n pairs no sign-flip test can give less than 2 / 2^n, so
that with five nothing could ever be found at 5 %. Below, Student's t is used instead."""

RESAMPLES = 9_999
"""Of the bootstrap."""

_CELLS = 2_000_000
"""Resampled values held in memory at a time."""


@dataclass(frozen=True)
class Estimated:
    """A difference with its two-sided interval and p value; NaN where there is none."""

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Paired:
    """``n`` pairs; ``spread``: standard deviation of the control's values.
    ``standard_error_unpaired``: what two independent groups of n would give."""

    estimated: Estimated
    n: int
    mean: float
    control_mean: float
    spread: float
    correlation: float
    standard_error: float
    standard_error_unpaired: float


def paired(
    of_control: Floats,
    of_arm: Floats,
    confidence: float,
    interval: Interval = "t",
    planned: int | None = None,
    seed: int = 0,
) -> Paired:
    """From (units,) values of both sides, NaN where undefined; arm minus control.

    ``planned``: of an anytime interval, the number of pairs it was planned for (by default
    as many as there are). With less than two pairs only means are defined.

    >>> found = paired(np.array([1.0, 2.0, 3.0, 5.0]), np.array([2.0, 4.0, 6.0, 7.0]), 0.95)
    >>> found.estimated.difference, round(found.standard_error, 4), round(found.estimated.p, 4)
    (2.0, 0.4082, 0.0163)
    """
    whole = ~(np.isnan(of_control) | np.isnan(of_arm))
    a, b = of_arm[whole], of_control[whole]
    differences: Floats = a - b
    n = len(differences)
    if n < 2:
        means = (float(a[0]), float(b[0])) if n else (np.nan, np.nan)
        alone = Estimated(means[0] - means[1], np.nan, np.nan, np.nan)
        return Paired(alone, n, *means, np.nan, np.nan, np.nan, np.nan)
    spread = (_spread(a), _spread(b))
    return Paired(
        estimate(differences, confidence, interval, planned, seed),
        n,
        mean=float(a.mean()),
        control_mean=float(b.mean()),
        spread=spread[1],
        correlation=float(np.corrcoef(a, b)[0, 1]) if min(spread) > 0 else np.nan,
        standard_error=standard_error(differences),
        standard_error_unpaired=float(np.hypot(*spread) / np.sqrt(n)),
    )


def estimate(
    differences: Floats,
    confidence: float,
    interval: Interval = "t",
    planned: int | None = None,
    seed: int = 0,
) -> Estimated:
    """The mean of (n >= 2,) differences, none NaN; ``bca`` from :data:`FEWEST` on."""
    student = mean_interval(differences, confidence)
    if interval == "anytime":
        last = looks(differences, planned or len(differences), confidence)
        low, high, p = (float(part[-1]) for part in (last.low, last.high, last.p))
        return Estimated(student.mean, low, high, p)
    if interval == "bca" and len(differences) >= FEWEST:
        low, high = _bca(differences, confidence, seed)
        return Estimated(student.mean, low, high, sign_flip_p(differences, seed=seed))
    error = standard_error(differences)
    p = p_of_t(student.mean, error, len(differences) - 1)
    return Estimated(student.mean, student.low, student.high, p)


def p_of_t(difference: float, error: float, degrees: float) -> float:
    """Two-sided. Differences that are all alike and not 0 have no spread to be judged by: the
    chance that so many signs agree, 2 / 2^n (exact sign flips).

    >>> p_of_t(1.0, 0.0, 4), p_of_t(0.0, 0.0, 4)
    (0.0625, 1.0)
    """
    if error == 0:
        return 1.0 if difference == 0 else 2.0**-degrees
    return t_p_value(difference / error, degrees)


def _bca(differences: Floats, confidence: float, seed: int) -> tuple[float, float]:
    from scipy import stats  # a second to import

    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    found = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, _CELLS // len(differences)),
        confidence_level=confidence,
        method="BCa",
        rng=stream(seed, "bootstrap"),
    ).confidence_interval
    return float(found.low), float(found.high)


def _spread(values: Floats) -> float:
    return standard_error(values) * float(np.sqrt(len(values)))
