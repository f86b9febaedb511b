"""Position: how much of what is watched is owed to where it stands, and how much to what it is.

Under shuffled order a slot says nothing about the item in it, so that a difference between
slots is position alone. Each of the two is then judged by how well it tells what was watched
from what was not: the area under the ROC curve (AUC).

A slot's score is how often other agents watched in it, so that any habit counts, be it for the
top, the bottom or the middle of a page. An item's score is its merit (true utility where it is
known, else held-out relevance), as coarse as slots are: cut into as many equally large groups
as there are slots, the better the higher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..evaluation.intervals import Floats
from ..evaluation.paired import FEWEST
from ..randomness import stream
from ..report.wording import signed
from ..scenario import Order
from .control import Control, Row, State, measured

Indices = npt.NDArray[np.int64]

NAME = "slots"
RELEVANCE = "held-out relevance"
_QUESTION = "Do agents watch by what an item is, rather than by where it stands?"

DRAWS = 1000
"""Of the bootstrap over agents."""

FOLDS = 5
"""Of the agents at random: the slots of each are scored by what all others watched."""


def slots(
    exposures: pd.DataFrame, orders: Mapping[Order, str], confidence: float, seed: int
) -> Control:
    """``exposures``: agent, arm, slot, watched, relevant, utility; ``orders``: the same arm
    in every order.

    Fails where slots tell watched from not watched better than the item's merit does, beyond
    doubt; as in the published run of Agent4Rec: slot .79, relevance .56 (docs/audit.md).
    """
    seen = exposures[exposures["watched"].notna()]
    by_order = {order: seen[seen["arm"] == arm] for order, arm in orders.items()}
    rates = {order: _by_slot(frame, confidence) for order, frame in by_order.items()}
    found: dict[str, Any] = {"arms": dict(orders), "rates": rates}
    frame = by_order["shuffled"]
    merit, of = _merit(frame)
    rows = [_last_slot(frame, confidence)]
    if (why := _unusable(frame, merit)) is not None:
        return Control(NAME, _QUESTION, "cannot tell", f"{why}.", tuple(rows), found)
    assert merit is not None
    watched = frame["watched"].to_numpy(dtype=np.float64)
    slot, group = _numbered(frame["slot"]), _groups(merit, frame["slot"].nunique())
    found["merit"] = of
    by_slot, by_merit, apart = _compared(
        slot, group, watched, _numbered(frame["agent"]), confidence, seed
    )
    rows += [
        Row("watching told by slot, AUC", *by_slot),
        Row(f"watching told by {of}, AUC", *by_merit),
        Row("merit over slot, AUC", *apart, change=True),
        Row("variance of watching explained by slot", explained(slot, watched)),
        Row(f"variance of watching explained by {of}", explained(group, watched)),
    ]
    state, how = _judged(apart, of)
    said = (
        f"Slot tells what is watched with an AUC of {by_slot[0]:.2f}, {of} with {by_merit[0]:.2f} "
        f"(difference {signed(apart[0], 2)}, {signed(apart[1], 2)} to {signed(apart[2], 2)}); "
        f"shuffled, {_range(rates['shuffled'])}{how}."
    )
    return Control(NAME, _QUESTION, state, said, tuple(rows), found)


def _unusable(frame: pd.DataFrame, merit: Floats | None) -> str | None:
    if merit is None:
        return "No item's merit is known, so that there is nothing to hold position against"
    if frame["watched"].nunique() < 2:
        return "Everything or nothing was watched: neither position nor merit tells anything"
    if (agents := frame["agent"].nunique()) < FEWEST:
        return f"{agents} agents are too few to draw from; {FEWEST} is the least"
    return None


def _judged(apart: tuple[float, float, float], of: str) -> tuple[State, str]:
    """From merit's AUC over slot's, with its interval."""
    if apart[2] < 0:
        if of == RELEVANCE:
            # Most of what an agent likes is in no test set, so merit is worth more than this.
            return "fail", ": position tells more than what little is known of the items does"
        return "fail", ": position decides more than the item does"
    if apart[1] > 0:
        return "pass", ""
    return "cannot tell", ": which of the two counts more is not clear"


def _range(rates: Sequence[Mapping[str, float]]) -> str:
    least, most = (end(rates, key=lambda rate: rate["mean"]) for end in (min, max))
    return (
        f"slot {most['slot']:g} is watched most ({100 * most['mean']:.0f} %) and "
        f"slot {least['slot']:g} least ({100 * least['mean']:.0f} %)"
    )


def auc(score: Floats, up: Floats, down: Floats) -> Floats:
    """(B,) the chance that a positive has a higher score than a negative, ties counting half
    (Mann and Whitney 1947); NaN where one kind is missing.

    ``score``: (groups,); how many positives (``up``) and negatives (``down``): (B, groups).

    >>> auc(np.array([1.0, 2.0, 3.0]), np.array([[0.0, 1.0, 1.0]]), np.array([[1.0, 1.0, 0.0]]))
    array([0.875])
    """
    return _ratio(_wins(score, up, down), up.sum(axis=1) * down.sum(axis=1))


def _wins(score: Floats, up: Floats, down: Floats) -> Floats:
    """(B,) pairs of a positive and a negative in which the positive has the higher score."""
    one, other = score[:, np.newaxis], score[np.newaxis, :]
    of_pair = (one > other) + (one == other) / 2
    return np.asarray(((up @ of_pair) * down).sum(axis=1))


def _ratio(part: Floats, whole: Floats) -> Floats:
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def explained(groups: Indices, values: Floats) -> float:
    """The share of the values' variance that lies between groups (eta squared).

    >>> explained(np.array([1, 1, 2, 2]), np.array([0.0, 1.0, 1.0, 1.0])).__round__(4)
    0.3333
    """
    _, place = np.unique(groups, return_inverse=True)
    means = np.bincount(place, values) / np.bincount(place)
    spread = ((values - values.mean()) ** 2).sum()
    return float(((means[place] - values.mean()) ** 2).sum() / spread) if spread > 0 else 0.0


def _compared(
    slot: Indices, group: Indices, watched: Floats, agent: Indices, confidence: float, seed: int
) -> list[tuple[float, float, float]]:
    """AUC of slot, of merit, and merit's minus slot's, each with a percentile interval of a
    bootstrap that draws whole agents. The slots' scores stay as they were learned: learning
    them from fewer distinct agents in each draw would make every habit look weaker."""
    n = int(agent.max()) + 1
    rng = stream(seed, "audit", "slots")
    fold = rng.permutation(n) % FOLDS
    drawn = rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float64)
    weights = np.vstack([np.ones(n), drawn])
    by_slot = _folds(slot, watched, agent, fold, weights)
    by_merit = _folds(group, watched, agent, fold, weights)
    known = np.arange(group.max() + 1.0)
    pairs = np.column_stack(
        [_within(_learned(by_slot), by_slot), _within([known] * FOLDS, by_merit)]
    )
    of_each = np.column_stack([pairs, pairs[:, 1] - pairs[:, 0]])
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(of_each[1:], [tail, 1 - tail], axis=0)
    return [(float(a), float(b), float(c)) for a, b, c in zip(of_each[0], low, high, strict=True)]


def _learned(folds: Sequence[tuple[Floats, Floats]]) -> list[Floats]:
    """For each fold, how often the agents of all others watched in each slot (draw 0)."""
    up, down = (np.array([fold[side][0] for fold in folds]) for side in (0, 1))
    watched, shown = (part.sum(axis=0) - part for part in (up, up + down))
    # A slot that no other agent saw is as good as any.
    return list(np.nan_to_num(_ratio(watched, shown), nan=float(up.sum() / (up + down).sum())))


def _folds(
    kind: Indices, watched: Floats, agent: Indices, fold: Indices, weights: Floats
) -> list[tuple[Floats, Floats]]:
    """Of each fold of the agents: (draws, kinds) items watched, and not watched."""
    size = len(fold), int(kind.max()) + 1
    flat = agent * size[1] + kind
    up, down = (
        np.bincount(flat, part, size[0] * size[1]).reshape(size) for part in (watched, 1 - watched)
    )
    chosen = [fold == number for number in range(FOLDS)]
    return [(weights[:, own] @ up[own], weights[:, own] @ down[own]) for own in chosen]


def _within(scores: Sequence[Floats], folds: Sequence[tuple[Floats, Floats]]) -> Floats:
    """(draws,) AUC over the pairs within a fold: across folds, who watches much was left out of
    the own scores and counts in the others', so that no habit at all would be below 0.5."""
    wins = [_wins(score, up, down) for score, (up, down) in zip(scores, folds, strict=True)]
    pairs = [up.sum(axis=1) * down.sum(axis=1) for up, down in folds]
    return _ratio(np.sum(wins, axis=0), np.sum(pairs, axis=0))


def _merit(frame: pd.DataFrame) -> tuple[Floats | None, str]:
    for column, words in (("utility", "true utility"), ("relevant", RELEVANCE)):
        if len(frame) and frame[column].notna().all():
            values = frame[column].to_numpy(dtype=np.float64)
            if np.ptp(values) > 0:
                return values, words
    return None, ""


def _groups(merit: Floats, count: int) -> Indices:
    """(n,) group from 0 up of each value: ``count`` groups of one size, two at least; equal
    values are together.

    >>> _groups(np.array([0.1, 0.9, 0.3, 0.5]), 2).tolist()
    [0, 1, 0, 1]
    >>> _groups(np.array([0.0, 1.0, 1.0, 1.0]), 4).tolist()
    [0, 2, 2, 2]
    """
    _, place, times = np.unique(merit, return_inverse=True, return_counts=True)
    middle = (np.cumsum(times) - times / 2) / len(merit)
    return np.asarray((middle * max(count, 2)).astype(np.int64)[place])


def _numbered(values: pd.Series) -> Indices:
    """0, 1, ... by rising value."""
    return np.asarray(np.unique(values.to_numpy(), return_inverse=True)[1], dtype=np.int64)


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
