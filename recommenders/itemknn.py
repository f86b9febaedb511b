"""Item neighbourhoods: an item is as good as its likeness to what the user already had."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.sparse as sp

from .interface import (
    NO_ITEM,
    FloatArray,
    IntArray,
    Interactions,
    Items,
    Progress,
    Query,
    Recommender,
    State,
)
from .popularity import popularity_for_strangers
from .ranking import top_k
from .settings import require

_BLOCK = 1024  # items whose likeness to all others is held densely at once


class ItemKNN(Recommender):
    """Cosine likeness of items, shrunk and cut to each item's nearest neighbours.

    Items i and j with n_ij users in common are alike by n_ij / (sqrt(n_i n_j) + shrink):
    ``shrink`` mistrusts likeness that rests on few users (0 is the plain cosine). An item
    scores the sum of its likeness to those of its ``neighbours`` nearest items that stand in
    the history (Sarwar et al. 2001; Deshpande and Karypis 2004). More neighbours smooth
    towards popularity.
    """

    adapts = "history"

    likeness: sp.csr_array  # (n_items, n_items): row = item in the history, column = item scored
    popularity: IntArray  # (n_items,)

    def __init__(self, neighbours: int = 100, shrink: float = 10.0) -> None:
        require(neighbours >= 1, "neighbours", neighbours, "1 or more")
        require(shrink >= 0, "shrink", shrink, "0 or more")
        self.neighbours, self.shrink = neighbours, shrink

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        by_item = train.matrix.T.tocsr()
        self.popularity = train.popularity.copy()
        blocks = [
            self._nearest(by_item, np.arange(start, min(start + _BLOCK, train.n_items)))
            for start in range(0, train.n_items, _BLOCK)
        ]
        self.likeness = sp.csr_array(sp.vstack(blocks, format="csr").T.tocsr())
        self.likeness.sort_indices()
        self.report = {"pairs": int(self.likeness.nnz)}
        return self

    def _nearest(self, by_item: sp.csr_array, block: IntArray) -> sp.csr_array:
        """(b, n_items): for each item of the block its nearest neighbours' likeness."""
        common = (by_item[block] @ by_item.T).toarray()
        size = np.sqrt(self.popularity)
        alike = common / np.maximum(np.outer(size[block], size) + self.shrink, 1e-12)
        alike[common == 0] = -np.inf
        alike[np.arange(len(block)), block] = -np.inf
        nearest = top_k(alike, self.neighbours)
        row, place = np.nonzero(nearest != NO_ITEM)
        column = nearest[row, place]
        values = alike[row, column].astype(np.float32)
        return sp.csr_array((values, (row, column)), shape=alike.shape)

    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) summed likeness to the history; popularity where it is empty."""
        history = query.histories.matrix(len(self.popularity))
        out = (history @ self.likeness).toarray()
        return popularity_for_strangers(out, np.diff(history.indptr) == 0, self.popularity)

    def state(self) -> State:
        return {
            "data": self.likeness.data,
            "indices": self.likeness.indices,
            "indptr": self.likeness.indptr,
            "popularity": self.popularity,
        }

    def load_state(self, state: State) -> Self:
        self.popularity = state["popularity"]
        shape = (len(self.popularity), len(self.popularity))
        parts = (state["data"], state["indices"], state["indptr"])
        self.likeness = sp.csr_array(parts, shape=shape)
        return self
