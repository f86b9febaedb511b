"""Position: how much of what is watched is owed to where it stands, and how much to what it is.

Under shuffled order a slot says nothing about the item in it, so that a difference between
slots is position alone. Each of the two is then judged by how well it tells what was watched
from what was not: the area under the ROC curve (AUC) of a slot's height, and of an item's
merit (true utility where it is known, else held-out relevance).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..evaluation.intervals import Floats
from ..randomness import stream
from ..report.wording import signed
from ..scenario import Order
from .control import Control, Row, measured

NAME = "slots"
_QUESTION = "Do agents watch by what an item is, rather than by where it stands?"

DRAWS = 1000
"""Of the bootstrap over agents."""


def slots(
    exposures: pd.DataFrame, orders: Mapping[Order, str], confidence: float, seed: int
) -> Control:
    """``exposures``: agent, arm, slot, watched, relevant, utility; ``orders``: the same arm
    in every order.

    Fails where a slot tells watched from not watched better than the item's merit does; as
    in the published run of Agent4Rec: slot .79, relevance .56 (docs/audit.md).
    """
    seen = exposures[exposures["watched"].notna()]
    by_order = {order: seen[seen["arm"] == arm] for order, arm in orders.items()}
    rates = {order: _by_slot(frame, confidence) for order, frame in by_order.items()}
    found: dict[str, Any] = {"arms": dict(orders), "rates": rates}
    frame = by_order["shuffled"]
    merit, of = _merit(frame)
    rows = [_last_slot(frame, confidence)]
    if merit is None or frame["watched"].nunique() < 2:
        why = "no item's merit is known" if merit is None else "everything or nothing was watched"
        said = f"{why[0].upper()}{why[1:]}, so that there is nothing to hold position against."
        return Control(NAME, _QUESTION, "cannot tell", said, tuple(rows), found)
    watched = frame["watched"].to_numpy(dtype=np.float64)
    height = -frame["slot"].to_numpy(dtype=np.float64)
    found["merit"] = of
    by_slot, by_merit, apart = _compared(
        height, merit, watched, frame["agent"].to_numpy(), confidence, seed
    )
    rows += [
        Row("watching told by slot, AUC", *by_slot),
        Row(f"watching told by {of}, AUC", *by_merit),
        Row("merit over slot, AUC", *apart, change=True),
        Row("variance of watching explained by slot", explained(height, watched)),
        Row(f"variance of watching explained by {of}", explained(_cut(merit), watched)),
    ]
    said = (
        f"Slot tells what is watched with an AUC of {by_slot[0]:.2f}, {of} with {by_merit[0]:.2f} "
        f"(difference {signed(apart[0], 2)}, {signed(apart[1], 2)} to {signed(apart[2], 2)}); "
        f"watched in the top slot {signed(100 * rows[0].value, 1)} points more than in the last"
    )
    if apart[2] < 0:
        said = f"{said}: position decides more than the item does."
        return Control(NAME, _QUESTION, "fail", said, tuple(rows), found)
    if apart[1] > 0:
        return Control(NAME, _QUESTION, "pass", f"{said}.", tuple(rows), found)
    said = f"{said}: which of the two counts more is not clear."
    return Control(NAME, _QUESTION, "cannot tell", said, tuple(rows), found)


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


def explained(groups: npt.NDArray[Any], values: Floats) -> float:
    """The share of the values' variance that lies between groups (eta squared).

    >>> explained(np.array([1, 1, 2, 2]), np.array([0.0, 1.0, 1.0, 1.0])).__round__(4)
    0.3333
    """
    _, place = np.unique(groups, return_inverse=True)
    means = np.bincount(place, values) / np.bincount(place)
    spread = ((values - values.mean()) ** 2).sum()
    return float(((means[place] - values.mean()) ** 2).sum() / spread) if spread > 0 else 0.0


def _compared(
    height: Floats,
    merit: Floats,
    watched: Floats,
    agent: npt.NDArray[Any],
    confidence: float,
    seed: int,
) -> list[tuple[float, float, float]]:
    """AUC of slot, of merit, and merit's minus slot's, each with a percentile interval of a
    bootstrap that draws whole agents."""
    _, who = np.unique(agent, return_inverse=True)
    n = int(who.max()) + 1
    rng = stream(seed, "audit", "slots")
    drawn = rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float64)
    weights = np.vstack([np.ones(n), drawn])
    pairs = np.array([[auc(score, watched, w[who]) for score in (height, merit)] for w in weights])
    of_each = np.column_stack([pairs, pairs[:, 1] - pairs[:, 0]])
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(of_each[1:], [tail, 1 - tail], axis=0)
    return [(float(a), float(b), float(c)) for a, b, c in zip(of_each[0], low, high, strict=True)]


def _merit(frame: pd.DataFrame) -> tuple[Floats | None, str]:
    for column, words in (("utility", "true utility"), ("relevant", "held-out relevance")):
        if len(frame) and frame[column].notna().all():
            values = frame[column].to_numpy(dtype=np.float64)
            if np.ptp(values) > 0:
                return values, words
    return None, ""


def _cut(merit: Floats) -> npt.NDArray[Any]:
    """As many groups as there are slots on an average page, so that both explain alike."""
    return np.searchsorted(np.quantile(merit, [0.25, 0.5, 0.75]), merit)


def _by_slot(frame: pd.DataFrame, confidence: float) -> list[dict[str, float]]:
    """By slot from the top: how often it was watched."""
    top_down = sorted(frame["slot"].unique().tolist())
    return [{"slot": slot, **_rate(frame[frame["slot"] == slot], confidence)} for slot in top_down]


def _rate(rows: pd.DataFrame, confidence: float) -> dict[str, float]:
    """Share watched; agents are what is independent, so theirs is the interval."""
    row = measured("", _by_agent(rows), confidence)
    return {"mean": row.value, "low": row.low, "high": row.high}


def _by_agent(rows: pd.DataFrame) -> Floats:
    share = rows["watched"].astype(float).groupby(rows["agent"]).mean()
    return np.asarray(share.to_numpy(dtype=np.float64))


def _last_slot(frame: pd.DataFrame, confidence: float) -> Row:
    """How much more each agent watches the top slot than the last one."""
    what = "shuffled order: watched in the top slot, minus the last"
    rate = frame["watched"].astype(float).groupby([frame["agent"], frame["slot"]]).mean().unstack()
    if rate.shape[1] < 2:
        return Row(what, np.nan)
    apart = (rate.iloc[:, 0] - rate.iloc[:, -1]).dropna()
    return measured(what, np.asarray(apart.to_numpy(dtype=np.float64)), confidence)
