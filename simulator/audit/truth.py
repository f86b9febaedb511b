"""Agreement with the truth: on a world whose utilities are known, does the audience put arms
in the order of what they are worth, and would offline metrics alone have done so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from recommenders.interface import Histories, Query, Recommender
from recommenders.ranking import hits, ndcg, recall

from ..arms import ArmState
from ..dilution import lists
from ..evaluation.intervals import Floats
from ..evaluation.paired import FEWEST
from ..randomness import stream
from ..report.wording import number
from ..world import World, without
from .control import Control, Panel, Row, State, direction, margin, measured, negligible

NAME = "agreement with the truth"
ASKED = "Does the audience put arms of known quality in their true order?"

DRAWS = 2000
"""Of the bootstrap over agents."""


def standing(world: World, arms: Mapping[str, tuple[ArmState, Recommender]]) -> Panel:
    """By arm and agent: ``quality``, the mean true utility of what the arm would show first,
    as long as a session can be (known items left out), and of the same agent ``ndcg`` and
    ``recall`` on test items, as offline evaluation has them (NaN without test items)."""
    out: dict[str, dict[str, Floats]] = {"quality": {}, "ndcg": {}, "recall": {}}
    for name, (arm, trained) in arms.items():
        out["quality"][name] = _quality(world, arm, trained)
        out["ndcg"][name], out["recall"][name] = _offline(world, arm, trained)
    index = pd.Index(world.audience.agent, name="agent")
    return Panel({metric: pd.DataFrame(columns, index=index) for metric, columns in out.items()})


def _quality(world: World, arm: ArmState, trained: Recommender) -> Floats:
    assert world.dataset.utility is not None
    agent, session = world.audience.agent, world.scenario.session
    shown = lists(
        trained,
        Query(agent, world.histories()),
        session.page_size * session.max_pages,
        world.known[agent],
        dilute=arm.spec.dilute,
        seed=world.scenario.seed,
    )
    worth = np.where(shown >= 0, world.dataset.utility[agent[:, None], shown], np.nan)
    return np.asarray(pd.DataFrame(worth).mean(axis=1), dtype=np.float64)


def _offline(world: World, arm: ArmState, trained: Recommender) -> tuple[Floats, Floats]:
    agent, split = world.audience.agent, world.split
    history, truth = split.train.matrix[agent], split.test.matrix[agent]
    known = Histories(history.indptr.astype(np.int64), history.indices.astype(np.int64))
    listed = lists(
        trained,
        Query(agent, known),
        world.scenario.evaluation.cutoff,
        without((history + split.valid.matrix[agent]).tocsr(), truth),
        dilute=arm.spec.dilute,
        seed=world.scenario.seed,
    )
    hit, n_truth = hits(listed, truth), np.diff(truth.indptr)
    return ndcg(hit, n_truth), recall(hit, n_truth)


@dataclass(frozen=True, eq=False)
class Agreement:
    """How one yardstick orders the arms. ``tau`` Kendall's tau-b, ``pairs`` the share of
    pairs of arms in true order by size of the true gap, ``regret`` what the chosen candidate
    is worth less than the best; each (value, low, high)."""

    tau: tuple[float, float, float]
    pairs: Mapping[str, tuple[float, float, float]]
    regret: tuple[float, float, float]
    chosen: str


def agreement(
    panel: Panel,
    truth: Panel,
    primary: str,
    candidates: Sequence[str],
    confidence: float,
    seed: int,
) -> Control:
    """Over the arms of ``truth`` (at least ten); ``candidates`` are those that might be shipped."""
    arms = [str(name) for name in truth.by_metric["quality"].columns]
    if (why := panel.unusable(primary, *arms)) is not None:
        return Control(NAME, ASKED, "cannot tell", why)
    quality = truth.by_metric["quality"].to_numpy(dtype=np.float64)
    simulated = panel.by_metric[primary][arms].reindex(truth.by_metric["quality"].index)
    sources: dict[str, Floats] = {
        primary: direction(primary) * simulated.to_numpy(dtype=np.float64),
        **{name: truth.by_metric[name].to_numpy(np.float64) for name in ("ndcg", "recall")},
    }
    chosen_from = [arms.index(name) for name in candidates]
    rise, least = _rise(quality, sources[primary], confidence), margin(panel.values(primary, *arms))
    found: dict[str, Any] = {"metric": primary, "margin": least}
    by_source: dict[str, Agreement] = {}
    for name, values in sources.items():
        usable = ~np.isnan(values + quality).any(axis=1)
        if usable.sum() >= FEWEST:  # who has no test items has no offline metric
            which = quality[usable], values[usable]
            by_source[name] = _agree(*which, chosen_from, arms, confidence, seed)
    if primary not in by_source:
        why = f"{len(quality)} agents are too few to draw from; {FEWEST} is the least."
        return Control(NAME, ASKED, "cannot tell", why, (rise,), found)
    found["arms"] = _table(arms, quality, sources, primary)
    found["tau"] = {name: list(one.tau) for name, one in by_source.items()}
    found["chosen"] = {name: one.chosen for name, one in by_source.items()}
    rows = [
        row
        for name, one in by_source.items()
        for row in _rows(f"{'simulated' if name == primary else 'offline'} {name}", one)
    ]
    state, how = _judged(by_source[primary].tau, rise, least)
    said = f"{_said(by_source, primary, len(arms))}{how}."
    return Control(NAME, ASKED, state, said, (rise, *rows), found)


def _rise(quality: Floats, values: Floats, confidence: float) -> Row:
    """By how much an agent likes the truly best arm more than the worst: its least-squares
    slope on the arms' mean true quality, times their range."""
    true = np.nanmean(quality, axis=0)
    centred = true - true.mean()
    spread = float(centred @ centred)
    of_each = values @ centred / spread * np.ptp(true) if spread else np.zeros(len(values))
    return measured("simulated: from the truly worst arm to the best", of_each, confidence)


def _judged(tau: tuple[float, float, float], rise: Row, least: float) -> tuple[State, str]:
    """The state, and what to say of it; ``least``: the smallest rise that matters."""
    if tau[1] > 0:
        return "pass", ""
    if tau[2] < 0:
        return "fail", "; its order is the wrong way round"
    if negligible(rise, least):
        return "fail", f"; a rise that matters, {least:.2f}, would have been seen"
    return "cannot tell", "; too few agents to tell an order from none"


def _said(by_source: Mapping[str, Agreement], primary: str, arms: int) -> str:
    ours = by_source[primary]
    if np.isnan(ours.tau[0]):
        return f"All {arms} arms have the same {primary}: their order is not to be seen"
    beside = "".join(
        f"; offline {name} {number(one.tau[0], 2)}"
        for name, one in by_source.items()
        if name != primary
    )
    tau, low, high = (number(value, 2) for value in ours.tau)
    return (
        f"{arms} arms: Kendall's tau of {primary} with the truth {tau} ({low} to {high}{beside}). "
        f"Of the candidates it would ship {ours.chosen}, worth {ours.regret[0]:.3f} less than the "
        "best"
    )


def tau_b(x: Floats, y: Floats) -> Floats:
    """(B,) Kendall's (1945) tau-b of each row of (B, k) values; NaN where one is constant.

    >>> tau_b(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]])).round(4).tolist()
    [0.3333]
    """
    a, b = _signs(x), _signs(y)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    out = np.full(len(x), np.nan)
    np.divide((a * b).sum(axis=1), size, out=out, where=size > 0)
    return out


def _signs(values: Floats) -> Floats:
    """(B, pairs) which of each two columns is larger."""
    first, second = np.triu_indices(values.shape[1], 1)
    return np.sign(values[:, first] - values[:, second])


def _agree(
    quality: Floats,
    values: Floats,
    candidates: Sequence[int],
    arms: Sequence[str],
    confidence: float,
    seed: int,
) -> Agreement:
    """From (n, arms) of agents; drawn anew together, row 0 being the agents as they are."""
    n = len(quality)
    rng = stream(seed, "audit", "truth")
    drawn = rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n
    weights = np.vstack([np.full((1, n), 1 / n), drawn])
    true, seen = weights @ quality, weights @ values
    right = (_signs(true) == _signs(seen)).astype(np.float64)
    gap = np.abs([true[0, i] - true[0, j] for i, j in combinations(range(len(arms)), 2)])
    size = np.searchsorted(np.quantile(gap, [1 / 3, 2 / 3]), gap)
    best = np.asarray(candidates)
    pick = best[seen[:, best].argmax(axis=1)]
    regret = true[:, best].max(axis=1) - true[np.arange(len(true)), pick]
    tail = (1 - confidence) / 2

    def interval(of: Floats) -> tuple[float, float, float]:
        if np.isnan(of[0]):
            return np.nan, np.nan, np.nan
        low, high = np.nanquantile(of[1:], [tail, 1 - tail])
        return float(of[0]), float(low), float(high)

    return Agreement(
        tau=interval(tau_b(true, seen)),
        pairs={
            words: interval(right[:, size == group].mean(axis=1))
            for group, words in enumerate(("small", "middle", "large"))
            if (size == group).any()
        },
        regret=interval(regret),
        chosen=arms[int(pick[0])],
    )


def _rows(source: str, one: Agreement) -> list[Row]:
    return [
        Row(f"{source}: Kendall's tau with the truth", *one.tau),
        *(
            Row(f"{source}: pairs in true order, {size} gap", *share)
            for size, share in one.pairs.items()
        ),
        Row(f"{source}: regret of shipping {one.chosen}", *one.regret),
    ]


def _table(
    arms: Sequence[str], quality: Floats, sources: Mapping[str, Floats], primary: str
) -> list[dict[str, Any]]:
    """One entry an arm, the truly best first."""
    means = {name: pd.DataFrame(values).mean().to_numpy() for name, values in sources.items()}
    means[primary] = direction(primary) * means[primary]
    true = pd.DataFrame(quality).mean().to_numpy()
    return [
        {"arm": arms[i], "quality": float(true[i])}
        | {name: float(values[i]) for name, values in means.items()}
        for i in np.argsort(-true, kind="stable")
    ]
