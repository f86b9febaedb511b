"""What is missing: whether an arm lost more than the control, and how much it could matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from .intervals import Floats

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bounds:
    """Where the mean difference lies whatever the missing values were (Manski's worst-case
    bounds, 1990): no interval, no chance in it."""

    low: float
    high: float


def mcnemar(only_one: int, only_other: int) -> float:
    """Exact two-sided p value that one side loses sessions as often as the other, from the
    numbers of pairs in which only one lost its session (McNemar 1947).

    >>> mcnemar(0, 5)  # 2 * 0.5^5
    0.0625
    """
    total = only_one + only_other
    if total == 0:
        return 1.0
    return min(1.0, 2 * float(special.bdtr(min(only_one, only_other), total, 0.5)))


def worst_and_best(
    of_control: Floats, of_arm: Floats, low: float, high: float
) -> tuple[Floats, Floats]:
    """(pairs,) the least and the greatest each difference can be, for a metric that lies in
    ``low``..``high`` and is NaN where it is missing.

    >>> nan = np.nan
    >>> worst_and_best(np.array([1.0, 2.0, nan]), np.array([3.0, nan, nan]), 1.0, 10.0)
    (array([ 2., -1., -9.]), array([2., 8., 9.]))
    """
    least = np.where(np.isnan(of_arm), low, of_arm) - np.where(
        np.isnan(of_control), high, of_control
    )
    most = np.where(np.isnan(of_arm), high, of_arm) - np.where(
        np.isnan(of_control), low, of_control
    )
    return least, most
