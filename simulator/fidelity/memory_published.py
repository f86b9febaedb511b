"""What a page leaves behind in a published run's agents, beside this model on their pages.

Observational: nobody drew at random what a page of theirs holds, and whoever left is seen no more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from agents.interface import BoolArray, Floats, IntArray, ResponseModel

from ..evaluation.intervals import t_quantile
from ..world import World
from . import replies
from .measures import Baseline, Measure
from .slates import Slates

TEST = "memory"
DRAWS = 10


def after_a_page(world: World, slates: Slates, model: ResponseModel) -> Iterator[Measure]:
    """How leaving after a page goes with what the page before it held, its own share held
    fixed: by truly relevant items, and by what each itself watched. Activity, which decides much
    of when an agent leaves, is held fixed too."""
    here = [replies.forced(world, slates, 1, model, start=draw) for draw in range(DRAWS)]
    shown = np.maximum(slates.there.sum(axis=2), 1)
    left = np.arange(1, slates.pages + 1) == slates.exit_page[:, None]
    confidence = world.scenario.evaluation.confidence
    relevant = (slates.relevant & slates.there).sum(axis=2) / shown
    # Draw by draw, as a published run is one draw: with means over draws, what chance made an
    # agent watch would be lost, and with it whether that moves it.
    shares = {
        "relevant": ([relevant] * DRAWS, relevant),
        "watched": (
            [np.nansum(one.watched, axis=2) / shown for one in here],
            (slates.watched & slates.there).sum(axis=2) / shown,
        ),
    }
    leaving = np.stack([one.leave for one in here])
    activity = world.audience.profiles.activity[slates.row]
    held = (activity[:, None] == (1, 3)).astype(np.float64)
    reached = np.asarray(slates.there.any(axis=2))
    for name, (ours, theirs) in shares.items():
        found = carried(leaving, np.stack(ours), reached, held, confidence)
        beside = carried(left[None].astype(np.float64), theirs[None], reached, held, confidence)
        n = int(reached[:, 1:-1].any(axis=1).sum())
        yield Measure(
            TEST,
            f"leaving after a page, by {name} share of the page before: slope",
            *found,
            n,
            "published slates, observational",
            0,
            (
                Baseline("published", *beside, n),
                Baseline("no memory", 0.0, np.nan, np.nan, n),
            ),
            "share that leaves, from nothing to all on the page before; the page's own share, "
            "number and activity held fixed; of those who reached it, never drawn at random",
        )


def carried(
    leave: Floats, share: Floats, reached: BoolArray, held: Floats, confidence: float
) -> tuple[float, float, float]:
    """Slope of ``leave`` (D, N, P) after pages 2..P-1 on the page before's ``share`` (D, N, P), in
    D draws, with the page's own share and number and the agents' ``held`` (N, d) held fixed, and
    its interval: least squares, errors clustered by agent, all its draws together. NaN where
    nothing can be told."""
    draw, agent, page = np.nonzero(np.broadcast_to(reached[:, 1:-1], leave[:, :, 1:-1].shape))
    page = page + 1
    dummies = page[:, None] == np.unique(page)
    varying = held[agent][:, np.ptp(held[agent], axis=0) > 0] if len(agent) else held[agent]
    before, own = share[draw, agent, page - 1], share[draw, agent, page]
    columns = np.column_stack([before, own, dummies, varying])
    few = len(page) // max(len(leave), 1) <= columns.shape[1]
    if few or np.linalg.matrix_rank(columns) < columns.shape[1]:
        return np.nan, np.nan, np.nan
    return _clustered(columns, leave[draw, agent, page], agent, confidence)


def _clustered(
    columns: Floats, values: Floats, agent: IntArray, confidence: float
) -> tuple[float, float, float]:
    """The first column's coefficient and its interval (Liang and Zeger 1986, CR0 times
    G / (G - 1))."""
    inverse = np.linalg.inv(columns.T @ columns)
    beta = inverse @ columns.T @ values
    error = values - columns @ beta
    group = np.unique(agent, return_inverse=True)[1]
    many = int(group.max()) + 1
    if many < 2:
        return float(beta[0]), np.nan, np.nan
    score = np.zeros((many, columns.shape[1]))
    np.add.at(score, group, columns * error[:, None])
    variance = inverse @ (score.T @ score) @ inverse * many / (many - 1)
    half = t_quantile((1 + confidence) / 2, many - 1) * float(np.sqrt(max(variance[0, 0], 0.0)))
    return float(beta[0]), float(beta[0]) - half, float(beta[0]) + half
