"""How well a score tells what happened from what did not, and how much a figure explains."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def auc(score: Floats, positive: Floats, weight: Floats) -> float:
    """The chance that a positive has a higher score than a negative, ties counting half
    (Mann and Whitney 1947), each row with its weight; NaN where one kind is missing.

    >>> auc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4))
    0.875
    """
    _, place = np.unique(score, return_inverse=True)
    up = np.bincount(place, weight * positive)
    down = np.bincount(place, weight * (1 - positive))
    below = np.cumsum(down) - down / 2
    total = up.sum() * down.sum()
    return float(up @ below / total) if total > 0 else np.nan


def auc_interval(
    score: Floats,
    positive: Floats,
    agent: npt.NDArray[np.int64],
    confidence: float,
    rng: np.random.Generator,
    draws: int = 200,
) -> tuple[float, float]:
    """A percentile interval of the AUC from a bootstrap that draws whole agents; ``agent``
    (n,) whose row each is, from 0."""
    _, place = np.unique(score, return_inverse=True)
    n = int(agent.max()) + 1
    drawn = rng.multinomial(n, np.full(n, 1 / n), draws).astype(np.float64)
    values = [auc(place.astype(np.float64), positive, weight[agent]) for weight in drawn]
    low, high = np.nanquantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def explained(design: Floats, values: Floats) -> float:
    """The share of the values' variance (n,) that a least-squares fit on the columns of
    ``design`` (n, d), a constant besides, explains; 0 where they do not vary.

    >>> explained(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0.0, 1.0, 1.0, 2.0]))
    0.5
    """
    apart = values - values.mean()
    total = float(apart @ apart)
    if total <= 0:
        return 0.0
    columns = design - design.mean(axis=0)
    fitted = columns @ np.linalg.lstsq(columns, apart, rcond=None)[0]
    return float(round(1.0 - float(((apart - fitted) ** 2).sum()) / total, 12))
