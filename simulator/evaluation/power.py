"""How many pairs a wanted difference needs, and what a number of pairs can show.

For the two-sided paired t test: under a true mean difference of ``effect`` standard
deviations of the differences, t has a noncentral t distribution with n - 1 degrees of
freedom and noncentrality effect * sqrt(n), so nothing here is an approximation (Cohen,
Statistical Power Analysis, 1988, chapter 2, with the exact distribution). The textbook's
n = (z(1 - alpha/2) + z(power))^2 / effect^2 lies one or two pairs lower.

Two groups of n each, with equal variances, differ only in the degrees of freedom, 2 n - 2,
where ``effect`` is in sqrt(s_A^2 + s_B^2), the deviation of a difference between two
independent agents.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from .intervals import Floats, t_quantile

POWER = 0.8
"""What a difference is found with unless said otherwise (Cohen's convention)."""

MOST = 2**53
"""Pairs beyond which a number needed is not told apart from infinitely many."""

Groups = Literal[1, 2]
"""1: pairs; 2: two groups of as many units each."""

_NORMAL_FROM = 100_000
"""Degrees of freedom from which the normal distribution is the same to four digits; the
noncentral t is slow and less exact there."""


def power(n: npt.ArrayLike, effect: float, confidence: float = 0.95, groups: Groups = 1) -> Floats:
    """The chance to find a true difference of ``effect`` standard deviations of the paired
    differences with ``n`` pairs (an array of sizes gives a power curve); NaN below two. With
    ``groups`` 2: with ``n`` in each of two groups.

    >>> power([34, 100, 199], 0.2).round(3).tolist()
    [0.205, 0.508, 0.802]
    """
    sizes = np.asarray(n, dtype=np.float64)
    degrees = groups * (sizes - 1)
    shift = abs(effect) * np.sqrt(sizes)
    tail = (1 + confidence) / 2
    large = degrees >= _NORMAL_FROM
    few = np.where(large | (sizes < 2), 10.0, degrees)  # any number: not used
    critical = special.stdtrit(few, tail)
    # The wrong sign: nctdtr gives NaN where this falls below about 1e-13.
    wrong = np.nan_to_num(special.nctdtr(few, shift, -critical))
    small = special.nctdtr(few, -shift, -critical) + wrong
    bound = special.ndtri(tail)
    normal = special.ndtr(shift - bound) + special.ndtr(-shift - bound)
    return np.where(sizes >= 2, np.where(large, normal, small), np.nan)


@lru_cache(maxsize=4096)
def needed(
    effect: float, power_wanted: float = POWER, confidence: float = 0.95, groups: Groups = 1
) -> int | None:
    """The fewest pairs (two at least) that find ``effect`` (in standard deviations of the
    paired differences) with this power; None for no effect, or for more than :data:`MOST`.
    With ``groups`` 2: the fewest in each of two groups.

    >>> needed(0.3), needed(0.2), needed(-0.2, power_wanted=0.9), needed(0.0)
    (90, 199, 265, None)
    >>> needed(0.3, groups=2)
    89
    """
    if effect == 0 or np.isnan(effect):
        return None
    low, high = 1, 2
    while power(high, effect, confidence, groups) < power_wanted:
        if high >= MOST:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, effect, confidence, groups) < power_wanted:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=4096)
def detectable(n: int, power_wanted: float = POWER, confidence: float = 0.95) -> float:
    """The true difference, in standard deviations of the paired differences, that ``n`` pairs
    find with this power; NaN below two pairs.

    >>> round(detectable(100), 3), round(detectable(90), 2)
    (0.283, 0.3)
    """
    from scipy.optimize import brentq  # slow to import, and not always needed

    if n < 2:
        return np.nan
    high = 2 * t_quantile((1 + confidence) / 2, n - 1) / np.sqrt(n)
    while power(n, high, confidence) < power_wanted:
        high *= 2

    def lacking(effect: float) -> float:
        return float(power(n, effect, confidence)) - power_wanted

    return float(brentq(lacking, 0.0, high, xtol=1e-13, rtol=1e-13))
