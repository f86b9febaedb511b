"""Student's t for means: the one interval that all estimates here use.

``scipy.special`` holds the distribution; ``scipy.stats`` takes a second to import.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over agents or users; ``low`` and ``high`` are NaN below two values."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: npt.ArrayLike, confidence: float) -> Estimate:
    """The mean of the values that are defined, with its two-sided t interval.

    mean +- t(n - 1) * s / sqrt(n), s with n - 1 in the divisor. NaN means undefined and
    is left out; with nothing left the mean is NaN and n is 0.

    >>> found = mean_interval([1.0, 2.0, float("nan"), 3.0], 0.95)  # 2 +- 4.3027 / sqrt(3)
    >>> found.mean, round(found.low, 3), round(found.high, 3), found.n
    (2.0, -0.484, 4.484, 3)
    """
    array: Floats = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    n = len(known)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    mean = float(known.mean())
    if n == 1:
        return Estimate(mean, np.nan, np.nan, 1)
    half = t_quantile((1 + confidence) / 2, n - 1) * standard_error(known)
    return Estimate(mean, mean - half, mean + half, n)


def standard_error(values: Floats) -> float:
    """Of the mean; exactly 0 when all values are equal (a rounded mean would leave dust)."""
    if np.ptp(values) == 0:
        return 0.0
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def t_quantile(probability: float, degrees: float) -> float:
    """The value below which Student's t lies with this probability."""
    return float(special.stdtrit(degrees, probability))


def t_p_value(statistic: float, degrees: float) -> float:
    """Two-sided."""
    return float(2 * special.stdtr(degrees, -abs(statistic)))
