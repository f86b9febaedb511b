"""Estimates with intervals for the figures; the unit is always the agent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

Floats = npt.NDArray[np.float64]


def mean_by(frame: pd.DataFrame, by: Sequence[str], value: str, confidence: float) -> pd.DataFrame:
    """The mean of ``value`` with its t interval for each group; one row of ``frame`` is
    one agent, NaN is missing. Columns: ``by``, mean, low, high, n."""
    known = frame.dropna(subset=[value])
    grouped = known.groupby(list(by), sort=True, observed=True)[value]
    out = grouped.agg(["mean", "std", "count"]).reset_index()
    count = out["count"].to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = out["std"].to_numpy(np.float64) / np.sqrt(count)
    half = _t(confidence, count) * error
    out["low"], out["high"] = out["mean"] - half, out["mean"] + half
    return out.rename(columns={"count": "n"})[[*by, "mean", "low", "high", "n"]]


def ratio_by(
    frame: pd.DataFrame, by: Sequence[str], top: str, bottom: str, confidence: float
) -> pd.DataFrame:
    """Sum of ``top`` over sum of ``bottom`` for each group, one row of ``frame`` an agent.

    The interval is linearised (delta method) and clustered by agent. Columns: ``by``,
    mean, low, high, n (agents), bottom.
    """
    work = frame.assign(
        _tt=frame[top] ** 2, _tb=frame[top] * frame[bottom], _bb=frame[bottom] ** 2, _n=1
    )
    out = work.groupby(list(by), sort=True, observed=True)[
        [top, bottom, "_tt", "_tb", "_bb", "_n"]
    ].sum()
    out = out.reset_index()
    n, below = out["_n"].to_numpy(np.float64), out[bottom].to_numpy(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = out[top].to_numpy(np.float64) / below
        spread = out["_tt"] - 2 * ratio * out["_tb"] + ratio**2 * out["_bb"]
        error = np.sqrt(n / (n - 1) * np.clip(spread.to_numpy(np.float64), 0, None)) / below
    half = _t(confidence, n) * error
    out["mean"], out["low"], out["high"] = ratio, ratio - half, ratio + half
    return out.rename(columns={"_n": "n"})[[*by, "mean", "low", "high", "n", bottom]]


def share(count: npt.ArrayLike, n: npt.ArrayLike, confidence: float) -> tuple[Floats, Floats]:
    """Wilson's interval (1927) of ``count`` successes among ``n`` agents."""
    k, size = np.asarray(count, np.float64), np.asarray(n, np.float64)
    z = special.ndtri((1 + confidence) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = k / size
        centre = (p + z**2 / (2 * size)) / (1 + z**2 / size)
        half = z * np.sqrt(p * (1 - p) / size + z**2 / (4 * size**2)) / (1 + z**2 / size)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def leader(values: pd.DataFrame, confidence: float) -> str | None:
    """The arm whose mean is above every other arm's beyond doubt, or None.

    ``values``: one row an agent, one column an arm. The best arm is chosen by looking, so
    its paired t tests against the others are held to alpha over the number of pairs.
    """
    paired = values.dropna()
    arms = len(paired.columns)
    if arms < 2 or len(paired) < 2:
        return None
    best = str(paired.mean().idxmax())
    gain = paired.drop(columns=best).rsub(paired[best], axis=0)
    alpha = (1 - confidence) / (arms * (arms - 1) / 2)
    critical = special.stdtrit(len(paired) - 1, 1 - alpha / 2)
    error = gain.std(ddof=1) / np.sqrt(len(paired))
    return best if bool((gain.mean() > critical * error).all()) else None


def _t(confidence: float, n: Floats) -> Floats:
    """Two-sided critical values of Student's t; NaN for fewer than two."""
    out = special.stdtrit(np.where(n > 1, n - 1, np.nan), (1 + confidence) / 2)
    return np.asarray(out, np.float64)
