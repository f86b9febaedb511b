"""The upper bound: a ranking by the true utility of a synthetic world."""

from __future__ import annotations

from typing import Self

import numpy as np

from recommenders.interface import (
    UNKNOWN_USER,
    FloatArray,
    Interactions,
    Items,
    Progress,
    Query,
    Recommender,
    State,
)

NAME, PATH = "oracle", "simulator.oracle:Oracle"


class Oracle(Recommender):
    """The upper bound: ranks by the true utility, which only the synthetic data set knows."""

    utility: FloatArray
    """(n_users, n_items), lent by the world: it is not learned, and no part of the state."""

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """There is nothing to learn."""
        return self

    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) utility in 0..1; strangers get the mean over users."""
        out = self.utility[query.users]
        strangers = query.users == UNKNOWN_USER
        if strangers.any():
            out[strangers] = self.utility.mean(axis=0)
        return out

    def state(self) -> State:
        return {}

    def load_state(self, state: State) -> Self:
        return self
