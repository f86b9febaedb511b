"""Trivial users: what one who only follows the crowd, or plain factors, would like best.

All are fitted on the training part alone. They rank; they have no opinion of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from recommenders.interface import FloatArray, Histories, IntArray, Query, Recommender
from recommenders.itemknn import ItemKNN
from recommenders.mf import MF
from recommenders.popularity import Popularity

from ..randomness import stream
from ..world import World

_BATCH = 256  # agents whose scores of all items are held at once

USERS: Mapping[str, type[Recommender]] = {
    "popularity": Popularity,
    "nearest neighbours": ItemKNN,
    "matrix factorisation": MF,
}
"""Each likes what its method scores highest, with the method's default settings."""


def fitted(world: World) -> dict[str, Recommender]:
    """One of each, fitted on the world's training part; seeded apart from the arms."""
    # As in a run: sums have one order, whatever the number of cores.
    torch.set_num_threads(1)
    train, items, seed = world.split.train, world.dataset.items, world.scenario.seed
    return {
        name: kind().fit(train, items, rng=stream(seed, "fidelity", name))
        for name, kind in USERS.items()
    }


def scores(world: World, user: Recommender, row: IntArray, item: IntArray) -> FloatArray:
    """(B, k) what the trivial user of each audience row (B,) thinks of its items (B, k)."""
    history = world.audience.history
    out = np.empty(item.shape, dtype=np.float32)
    for start in range(0, len(row), _BATCH):
        part = slice(start, start + _BATCH)
        own = history.rows(row[part])
        query = Query(world.audience.agent[row[part]], Histories(own.indptr, own.item))
        out[part] = np.take_along_axis(user.scores(query), item[part], axis=1)
    return out
