"""Many tests at once: p values adjusted for how many there were.

NaN is no test and stays NaN everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..randomness import stream
from .intervals import Floats

FLIPS = 9_999
"""Sign flips drawn where there are too many to try all."""

_CELLS = 4_000_000
"""Signs held in memory at a time."""


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment: the chance of any false finding is kept.

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


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's (1995) step-up adjustment: the expected share of false ones
    among the findings is kept. For exploring, not for deciding.

    >>> [round(p, 3) for p in benjamini_hochberg([0.01, 0.04, 0.03, 0.2])]
    [0.04, 0.053, 0.053, 0.2]
    """
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    out = np.full(len(p), np.nan)
    out[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return [float(value) for value in out]


def sign_flip_p(differences: Floats, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p value of the mean of (n,) paired differences when each one's sign may be
    flipped: exact where symmetry about 0 is the null hypothesis, whatever the distribution.

    All 2^n flips are tried where these are at most ``flips`` + 1.

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0]))  # only + + + and - - - are as far out: 2 of 8
    0.25
    """
    raw, _ = max_t(differences[:, np.newaxis], flips, seed)
    return raw[0]


def max_t(
    differences: Floats, flips: int = FLIPS, seed: int = 0
) -> tuple[list[float], list[float]]:
    """Of K tests over the same n units, (p values, adjusted p values) by sign flips.

    ``differences`` (n, K): NaN where a unit has no pair. A flip turns all differences of a
    unit together, so the tests stay as correlated as they are, and each is compared with the
    largest of all: step-down max-T (Westfall and Young, Resampling-Based Multiple Testing,
    1993, algorithm 4.1). The statistic is |sum| / sqrt(sum of squares), which for one column
    grows as |t| does and exists without any variance.

    >>> raw, adjusted = max_t(np.array([[1.0, 1.0], [2.0, -1.0], [3.0, 1.0], [4.0, 1.0]]))
    >>> raw, adjusted
    ([0.125, 0.625], [0.25, 0.625])
    """
    known: Floats = np.nan_to_num(differences)
    scale = np.sqrt(np.square(known).sum(axis=0))
    observed = np.abs(known.sum(axis=0)) / np.where(scale > 0, scale, 1.0)
    order = np.argsort(-observed, kind="stable")
    # Equally far out is as far: sums of the same numbers in another order differ by dust.
    bar = observed[order] * (1 - 1e-12)
    raw, adjusted = (np.zeros(len(order)) for _ in range(2))
    total = 0
    for signs in _signs(len(known), flips, seed):
        flipped = np.abs(signs @ known)[:, order] / np.where(scale > 0, scale, 1.0)[order]
        raw += (flipped >= bar).sum(axis=0)
        largest = np.maximum.accumulate(flipped[:, ::-1], axis=1)[:, ::-1]
        adjusted += (largest >= bar).sum(axis=0)
        total += len(signs)
    more = 0 if _all_tried(len(known), flips) else 1  # what was observed counts as one draw
    steps = np.maximum.accumulate((adjusted + more) / (total + more))
    out = np.full((2, len(order)), np.nan)
    out[:, order] = (raw + more) / (total + more), steps
    out[:, np.isnan(differences).all(axis=0)] = np.nan
    return [float(p) for p in out[0]], [float(p) for p in out[1]]


def _all_tried(n: int, flips: int) -> bool:
    return n < 62 and 1 << n <= flips + 1


def _signs(n: int, flips: int, seed: int) -> Iterator[Floats]:
    """(draws, n) of 1 and -1, in chunks; all there are where these are few."""
    if _all_tried(n, flips):
        bits: npt.NDArray[np.int64] = np.arange(2**n)[:, np.newaxis] >> np.arange(n)
        yield (1 - 2 * (bits & 1)).astype(np.float64)
        return
    rng = stream(seed, "sign flips")
    step = max(1, _CELLS // n)
    for start in range(0, flips, step):
        draws = rng.integers(0, 2, (min(step, flips - start), n), dtype=np.int8)
        yield (1 - 2 * draws).astype(np.float64)
