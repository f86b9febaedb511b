"""What recommenders that compare one vector of a user with one of an item have in common."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from .interface import UNKNOWN_USER, FloatArray, Interactions, Query, Recommender, State
from .popularity import popularity_for_strangers


class Factors(Recommender):
    """Scores are dot products; who has no training item gets popularity."""

    user_factors: FloatArray  # (n_users, width)
    item_factors: FloatArray  # (n_items, width)
    popularity: FloatArray  # (n_items,), the answer to strangers
    known: npt.NDArray[np.bool_]  # (n_users,), has training items

    def _meet(self, train: Interactions) -> None:
        """Who is known, and what strangers get."""
        self.popularity = train.popularity.astype(np.float32)
        self.known = np.diff(train.matrix.indptr) > 0

    def _put_back(self, factors: tuple[FloatArray, FloatArray]) -> None:
        self.user_factors, self.item_factors = factors

    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) dot products; popularity for users without training items."""
        users = np.where(query.users == UNKNOWN_USER, 0, query.users)
        strangers = (query.users == UNKNOWN_USER) | ~self.known[users]
        out: FloatArray = self.user_factors[users] @ self.item_factors.T
        return popularity_for_strangers(out, strangers, self.popularity)

    def state(self) -> State:
        return {
            "user_factors": self.user_factors,
            "item_factors": self.item_factors,
            "popularity": self.popularity,
            "known": self.known,
        }

    def load_state(self, state: State) -> Self:
        self.user_factors, self.item_factors = state["user_factors"], state["item_factors"]
        self.popularity, self.known = state["popularity"], state["known"]
        return self
