"""Rankings that know no taste: the most popular items, and Agent4Rec's draw among them.

Popularity is also what every other method answers to somebody it knows nothing of.
"""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from .interface import (
    FloatArray,
    IntArray,
    Interactions,
    Items,
    Progress,
    Query,
    Recommender,
    State,
)
from .random import keyed_uniform
from .settings import require


def popularity_for_strangers(
    scores: FloatArray, strangers: npt.NDArray[np.bool_], popularity: npt.NDArray[np.number]
) -> FloatArray:
    """``scores`` (B, n_items), the rows of ``strangers`` (B,) overwritten by popularity.

    Works in place on an array the caller owns, and returns it. Who is a stranger depends
    on the method: an unknown number, or nothing in the history it would score from.
    """
    scores[strangers] = popularity
    return scores


class Popularity(Recommender):
    """The items most training users had, the same for everybody."""

    popularity: IntArray  # (n_items,)

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        self.popularity = train.popularity.copy()
        self.report = {}
        return self

    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) number of training users of each item."""
        return np.tile(self.popularity.astype(np.float32), (len(query), 1))

    def state(self) -> State:
        return {"popularity": self.popularity}

    def load_state(self, state: State) -> Self:
        self.popularity = state["popularity"]
        return self


class RandomOfPopular(Recommender):
    """Agent4Rec's "Pop": a few items drawn for each user from the most popular ones.

    Of the ``pool`` items with most training users, ``draws`` random ones score between 1
    and 2 for a user and everything else 0. There it is drawn anew at each call; here once
    for each user, so that a second page fits the first.
    """

    top: IntArray  # (at most pool,) item numbers, by number
    n_items: int
    seed: int

    def __init__(self, pool: int = 600, draws: int = 40) -> None:
        require(pool >= 1, "pool", pool, "1 or more")
        require(1 <= draws <= pool, "draws", draws, f"1 to pool ({pool})")
        self.pool, self.draws = pool, draws

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        by_popularity = np.argsort(-train.popularity, kind="stable")
        self.top = np.sort(by_popularity[: self.pool])
        self.n_items = train.n_items
        self.seed = int(rng.integers(2**63))
        self.report = {}
        return self

    def scores(self, query: Query) -> FloatArray:
        """(B, n_items): 1 to 2 for the drawn items, 0 for all others."""
        luck = keyed_uniform(self.seed, query.users, self.top)
        drawn = min(self.draws, len(self.top))
        bar = -np.partition(-luck, drawn - 1, axis=1)[:, drawn - 1 : drawn]
        out = np.zeros((len(query), self.n_items), dtype=np.float32)
        out[:, self.top] = np.where(luck >= bar, 1.0 + luck, 0.0)
        return out

    def state(self) -> State:
        return {
            "top": self.top,
            "n_items": np.array(self.n_items),
            "seed": np.array(self.seed),
        }

    def load_state(self, state: State) -> Self:
        self.top = state["top"]
        self.n_items, self.seed = int(state["n_items"]), int(state["seed"])
        return self
