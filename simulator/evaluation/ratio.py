"""Ratios of sums, such as all watched over all shown: defined also where single agents have
nothing to divide by, and weighing every agent by how much it was shown.

By the delta method (Deng, Lu and Litz, KDD 2017): a ratio R = sum(t) / sum(b) varies as the
mean of (t - R b) / mean(b) over units does, and the difference of two ratios over the same
units as the mean of the differences of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .intervals import Floats, standard_error, t_quantile
from .paired import p_of_t


@dataclass(frozen=True)
class Ratio:
    """The control's and the arm's ratio of sums, and their difference; NaN is undefined."""

    control: float
    arm: float
    difference: float
    low: float
    high: float
    p: float


Parts = tuple[Floats, Floats]
"""(units,) tops and (units,) bottoms; NaN in a unit that has neither."""


def ratio(of_control: Parts, of_arm: Parts, confidence: float) -> Ratio:
    """Paired by unit, t with n - 1 degrees of freedom; units with a NaN are left out.

    >>> watched, shown = np.array([2.0, 1.0, 3.0]), np.array([4.0, 4.0, 8.0])
    >>> found = ratio((watched, shown), (watched + [1, 1, 0], shown), 0.95)
    >>> found.control, found.arm, found.difference
    (0.375, 0.5, 0.125)
    >>> # influences: arm (1, 0, -1) * 3 / 16, control (1 / 2, -1 / 2, 0) * 3 / 16
    >>> error = np.array([0.5, 0.5, -1.0]).std(ddof=1) * 3 / 16 / 3**0.5
    >>> round(float((found.high - found.difference) / error), 4)  # t(2 degrees, 97.5 %)
    4.3027
    """
    whole = ~np.isnan(np.sum([*of_control, *of_arm], axis=0))
    (top_b, bottom_b), (top_a, bottom_a) = (
        (top[whole], bottom[whole]) for top, bottom in (of_control, of_arm)
    )
    control, arm = _of_sums(top_b, bottom_b), _of_sums(top_a, bottom_a)
    difference = arm - control
    n = int(whole.sum())
    if n < 2 or np.isnan(difference):
        return Ratio(control, arm, difference, np.nan, np.nan, np.nan)
    error = standard_error(influence(top_a, bottom_a) - influence(top_b, bottom_b))
    half = t_quantile((1 + confidence) / 2, n - 1) * error
    p = p_of_t(difference, error, n - 1)
    return Ratio(control, arm, difference, difference - half, difference + half, p)


def influence(top: Floats, bottom: Floats) -> Floats:
    """(units,) what each unit adds to the ratio, in first order; their mean is 0."""
    mean = float(bottom.mean())
    return np.asarray((top - _of_sums(top, bottom) * bottom) / mean, dtype=np.float64)


def _of_sums(top: Floats, bottom: Floats) -> float:
    total = float(bottom.sum())
    return float(top.sum()) / total if total != 0 else np.nan
