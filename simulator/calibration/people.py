"""Settings of the behavioural model fitted to what real people chose and rated.

Ratings tell what people pick and how they mark it. They tell nothing of slots, pages, leaving
or satisfaction: position has no effect here, and the others are stated choices
(docs/calibration.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from agents.interface import Floats, IntArray
from agents.response.behavioural import Behavioural

from ..errors import InputError
from ..randomness import stream
from ..world import World
from . import opinion
from .fitting import FREE, POSITIVE, Bound, yes_no
from .known import Known, known

Settings = dict[str, Any]

PARTS = ("genre_weight", "era_weight", "text_weight", "collaborative")
WATCH_SLOPE, IDIOSYNCRASY = 2.0, 0.0
"""How choice divides between a firm and a lucky part: the model's defaults; the data do not
tell."""

HOW = (
    "choice: logit that tells an agent's held-out items from as many others, drawn by popularity "
    "from those it is not known to have met; eagerness: how often an item drawn by popularity is "
    "the agent's own, by activity; ratings: interval likelihood of held-out ratings; slot effect "
    "0; satisfaction spans the scale around its middle; leaving as by default"
)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Held-out items and others: ``row`` in the audience, ``item``, ``own`` and, of own ones,
    ``rating`` (NaN elsewhere); all (n,)."""

    row: IntArray
    item: IntArray
    own: Floats
    rating: Floats


def fit(world: World, model: Behavioural, rows: IntArray) -> Settings:
    """From the held-out part of the agents at these rows of the audience."""
    pairs = held_out(world, rows)
    weights = _weights(world, model, pairs)
    tuned = Behavioural(**{**model.settings, "preset": "", **weights})
    columns = known(world, tuned, pairs.row, pairs.item)
    return {
        **weights,
        "rating_weight": model.parameters.rating_weight,
        **_choice(columns, pairs),
        "eagerness": _eagerness(world, rows),
        **rating_settings(world, model, weights, pairs),
        "satisfaction_start": 5.5,
        "satisfaction_level": 5.5,
        "satisfaction_middle": 0.5,
        "satisfaction_gain": 9.0,
        "satisfaction_watched": model.parameters.satisfaction_watched,
        "return_middle": 5.5,
    }


def held_out(world: World, rows: IntArray) -> Pairs:
    """The agents' items of the validation part (the test part where that is empty) and as many
    others. Raises InputError where there are none."""
    part = world.split.valid if len(world.split.valid) else world.split.test
    place = np.full(world.dataset.n_users, -1, dtype=np.int64)
    place[world.audience.agent[rows]] = rows
    mine = place[part.user] >= 0
    row, item = place[part.user[mine]], part.item[mine]
    if not len(row):
        raise InputError(
            world.file,
            key="dataset.split",
            found="nothing held out for these agents",
            allowed="a split with a validation or a test part",
        )
    rating = np.full(len(row), np.nan) if part.rating is None else part.rating[mine]
    other_row, other = _others(world, row)
    return Pairs(
        np.concatenate([row, other_row]),
        np.concatenate([item, other]),
        np.repeat([1.0, 0.0], [len(row), len(other)]),
        np.concatenate([rating.astype(np.float64), np.full(len(other), np.nan)]),
    )


def _others(world: World, row: IntArray) -> tuple[IntArray, IntArray]:
    """As many items an agent is not known to have met, drawn by popularity, as it has ``row``."""
    rng = stream(world.scenario.seed, "calibration", "others")
    weight = world.catalogue.popularity.astype(np.float64)
    parts = (world.split.train, world.split.valid, world.split.test)
    met = sum((part.matrix for part in parts[1:]), parts[0].matrix).tocsr()
    rows, items = [], []
    for one, many in zip(*np.unique(row, return_counts=True), strict=True):
        chance = weight.copy()
        chance[met[[int(world.audience.agent[one])]].indices] = 0.0
        many = min(int(many), int((chance > 0).sum()))
        items.append(rng.choice(len(chance), many, replace=False, p=chance / chance.sum()))
        rows.append(np.full(many, one))
    return np.concatenate(rows), np.concatenate(items)


def _weights(world: World, model: Behavioural, pairs: Pairs) -> Settings:
    """What each part of a taste tells of own items, beside the others: a logit on all of them."""
    columns = []
    for part in PARTS:
        alone = {**dict.fromkeys(PARTS, 0.0), part: 1.0}
        one = Behavioural(**{**model.settings, "preset": "", **alone})
        columns.append(known(world, one, pairs.row, pairs.item).taste)
    design = np.column_stack(columns)
    start, bounds = [0.2] * len(PARTS) + [0.0], [*[POSITIVE] * len(PARTS), FREE]
    b = yes_no(lambda b: design @ b[:-1] + b[-1], pairs.own > 0, start, bounds, "logit")
    return dict(zip(PARTS, map(float, b[:-1]), strict=True))


def _choice(columns: Known, pairs: Pairs) -> Settings:
    """Appeal: the logit's coefficients, stretched by what luck blurs.

    The mean of logistic(s (a + i e)) over e ~ Normal(0, 1) is nearly
    logistic(s a / sqrt(1 + (s i / 1.702)^2)), the usual probit approximation.
    """
    design = columns.appeal
    bounds: list[Bound] = [*[POSITIVE] * 3, FREE]
    b = yes_no(
        lambda b: design @ b[:3] + b[3], pairs.own > 0, [0.5, 0.1, 0.1, 0.0], bounds, "logit"
    )
    blur = np.sqrt(1 + (WATCH_SLOPE * IDIOSYNCRASY / 1.702) ** 2)
    taste, quality, familiarity, level = (float(value * blur / WATCH_SLOPE) for value in b)
    return {
        "taste": taste,
        "quality": quality,
        "familiarity": familiarity,
        "appeal_level": level,
        "idiosyncrasy": IDIOSYNCRASY,
        "watch_level": 0.0,
        "watch_slope": WATCH_SLOPE,
        "openness": (0.0, 0.0, 0.0),
        "slot_effect": 0.0,
    }


def _eagerness(world: World, rows: IntArray) -> tuple[float, float, float]:
    """By activity, in log-odds and beside the middle level: how likely an item that is drawn by
    popularity, from those not in an agent's training part, is one that it chose."""
    popularity = world.catalogue.popularity.astype(np.float64)
    part = world.split.valid if len(world.split.valid) else world.split.test
    users = world.audience.agent[rows]
    chosen = part.matrix[users] @ popularity
    rest = popularity.sum() - world.split.train.matrix[users] @ popularity
    level = world.audience.profiles.activity[rows]
    share = chosen / rest
    rates = [share[level == one].mean() if (level == one).any() else np.nan for one in (1, 2, 3)]
    odds = logit(np.array(rates)) - logit(rates[1])
    low, high = np.nan_to_num(odds[[0, 2]])
    return float(low), 0.0, float(high)


def rating_settings(world: World, model: Behavioural, weights: Settings, pairs: Pairs) -> Settings:
    """With as much weight on neighbours in rating taste as makes the ratings most likely."""
    rated = ~np.isnan(pairs.rating)
    if not rated.any():
        return {}
    row, item, rating = pairs.row[rated], pairs.item[rated], pairs.rating[rated]
    best: tuple[float, Settings] | None = None
    for near in (0.0, 1.0, 2.0, 4.0):
        trial = {**model.settings, "preset": "", **weights, "rating_neighbours": near}
        columns = known(world, Behavioural(**trial), row, item)
        found = opinion.fit(columns, rating, world.catalogue)
        every, share = opinion.shares(found, columns, world.catalogue)
        given = share[np.arange(len(rating)), np.searchsorted(every, rating - 1e-6)]
        likely = float(np.log(np.maximum(given, 1e-12)).mean())
        if best is None or likely > best[0]:
            best = likely, {**found, "rating_neighbours": near}
    assert best is not None
    return best[1]
