"""Looking at the data as they come: intervals that hold at every look at once.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences" (Annals of
Statistics 52, 2024), theorem 2.2: after n pairs with mean m and standard deviation s,

    m +- s * sqrt(2 (n rho^2 + 1) / (n^2 rho^2) * log(sqrt(n rho^2 + 1) / alpha)).

However often it is looked at, and whenever one stops, it misses the truth in about alpha of
all experiments. The price at the planned n is an interval 1.5 times as wide as Student's.
Agents have to come in random order, and only as whole pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from .intervals import Floats

START = 30
"""Pairs before the first look: the theorem is asymptotic, and the spread has to be known."""

DIFFERING = 10
"""Pairs that differ at all before the first look. Where most agents do the same under both arms
(leave on the same page), the spread of the first pairs says next to nothing of the rare large
differences, and an interval from it would be far too narrow, or of no width at all. Once all
that were planned have come, the interval is given whatever they did."""


@dataclass(frozen=True, eq=False)
class Looks:
    """After each prefix of the pairs, last axis (..., N): the mean, its confidence sequence,
    and the always-valid p value; all but the mean NaN before :data:`START` pairs, and before
    :data:`DIFFERING` of them differ.

    ``p`` is the level at which the sequence of the same rho would just exclude 0, so p < alpha
    exactly where 0 lies outside. Its running minimum is valid too.
    """

    mean: Floats
    low: Floats
    high: Floats
    p: Floats

    def decided(self, margin: float | None = None) -> npt.NDArray[np.bool_]:
        """(..., N): 0 lies outside the interval, or the interval within +- ``margin``."""
        out = (self.low > 0) | (self.high < 0)
        if margin is not None:
            out |= (-margin <= self.low) & (self.high <= margin)
        return np.asarray(out, dtype=np.bool_)


def tuning(planned: int, alpha: float) -> float:
    """The rho that makes the interval narrowest after ``planned`` pairs.

    With x = n rho^2 the derivative of the width is 0 where x = log(x + 1) - 2 log(alpha), that
    is x + 1 = -W(-alpha^2 / e), W being the lower branch of Lambert's function.

    >>> round(tuning(200, 0.05), 4)
    0.2026
    """
    if planned < 1 or not 0 < alpha < 1:
        raise ValueError(f"planned >= 1 and 0 < alpha < 1 needed, found {planned} and {alpha}")
    best = -float(special.lambertw(-(alpha**2) / np.e, -1).real) - 1
    return float(np.sqrt(best / planned))


def looks(differences: npt.ArrayLike, planned: int, confidence: float = 0.95) -> Looks:
    """After each prefix of ``differences`` (..., N), in the order in which pairs came.

    ``planned``: the number of pairs at which the interval shall be narrowest; the plan, not
    what the data made of it. Raises ValueError for NaN: leave missing pairs out before.

    >>> found = looks(np.tile([1.0, 3.0], 50), planned=100)
    >>> found.mean[-1], found.low[-1].round(2), found.high[-1].round(2), found.low[28]
    (np.float64(2.0), np.float64(1.69), np.float64(2.31), np.float64(nan))
    """
    values: Floats = np.asarray(differences, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError("differences hold NaN: leave out pairs without a value")
    alpha = 1 - confidence
    n = np.arange(1, values.shape[-1] + 1, dtype=np.float64)
    mean, spread = _running(values, n)
    x = n * tuning(planned, alpha) ** 2
    half = spread * np.sqrt(2 * (x + 1) / (n * x) * (0.5 * np.log1p(x) - np.log(alpha)))
    few = (np.cumsum(values != 0, axis=-1) < DIFFERING) & (n < planned)
    early = (n < START) | few
    low, high = (np.where(early, np.nan, mean + side * half) for side in (-1, 1))
    return Looks(mean, low, high, np.where(early, np.nan, _p_value(mean, spread, n, x)))


def _running(values: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n - 1) of each prefix; the deviation of one value is 0."""
    shift = values[..., :1]  # sums of small numbers lose less
    total = np.cumsum(values - shift, axis=-1)
    squares = np.cumsum((values - shift) ** 2, axis=-1)
    variance = np.maximum(squares - total**2 / n, 0) / np.maximum(n - 1, 1)
    equal = np.maximum.accumulate(values, -1) == np.minimum.accumulate(values, -1)
    return shift + total / n, np.where(equal, 0.0, np.sqrt(variance))


def _p_value(mean: Floats, spread: Floats, n: Floats, x: Floats) -> Floats:
    """The alpha at which the half width equals the mean's distance from 0, at most 1:
    sqrt(x + 1) exp(-t^2 x / (2 (x + 1))) with t = mean sqrt(n) / spread."""
    flat = spread == 0
    square = (mean / np.where(flat, 1.0, spread)) ** 2 * n
    p = np.exp(np.minimum(0.5 * np.log1p(x) - 0.5 * square * x / (x + 1), 0.0))
    return np.where(flat, np.where(mean == 0, 1.0, 0.0), p)
