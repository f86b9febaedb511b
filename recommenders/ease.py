"""EASE: a linear autoencoder over items in closed form; seconds to fit, hard to beat.

H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, equation 8.
"""

from __future__ import annotations

import time
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from .interface import (
    FloatArray,
    IntArray,
    Interactions,
    Items,
    Progress,
    Query,
    Recommender,
    RecommenderError,
    State,
)
from .popularity import popularity_for_strangers
from .ranking import validation_ndcg
from .settings import require

CUTOFF = 20
MAX_ITEMS = 30_000
"""The fit holds two dense float64 matrices of n_items x n_items: 14 GB at this size."""


class EASE(Recommender):
    """Linear item-to-item weights in closed form (Steck 2019); the strong, simple baseline.

    With X the binary users x items matrix, G = X'X + l2 I and P = inverse of G, the weights
    are B = -P / diag(P), column by column, with a zero diagonal; a history scores the
    sum of its items' rows of B. ``l2`` is the ridge: more of it trusts frequent pairs only.
    Given a list ``l2_grid`` (50, 100, 200, 300, 500, 700, 1000, 2000 serves well), the value
    with the best validation NDCG@20 takes the place of ``l2``.
    """

    adapts = "history"

    weights: FloatArray  # (n_items, n_items): row = item in the history, column = item scored
    popularity: IntArray  # (n_items,)

    def __init__(self, l2: float = 500.0, l2_grid: tuple[float, ...] | None = None) -> None:
        require(l2 > 0, "l2", l2, "a number above 0")
        if l2_grid is not None:
            allowed = "a list of at least one number above 0"
            require(len(l2_grid) > 0 and min(l2_grid) > 0, "l2_grid", list(l2_grid), allowed)
        self.l2, self.l2_grid = l2, l2_grid

    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """``report`` holds the ``l2`` used and, by ``l2``, the validation NDCG@20 of the grid.

        Raises RecommenderError for more than :data:`MAX_ITEMS` items, and for a grid without
        validation data.
        """
        if train.n_items > MAX_ITEMS:
            raise RecommenderError(
                f"ease: found {train.n_items} items; allowed: at most {MAX_ITEMS}, as it holds "
                "a dense matrix of items x items"
            )
        start = time.perf_counter()
        self.popularity = train.popularity.copy()
        together = (train.matrix.T @ train.matrix).toarray().astype(np.float64)
        if self.l2_grid is None:
            self.weights = closed_form(together, self.l2)
            self.report = {"l2": self.l2}
        else:
            self.report = self._tune(together, self.l2_grid, train, valid, progress)
        self.report = {**self.report, "seconds": time.perf_counter() - start}
        return self

    def _tune(
        self,
        together: npt.NDArray[np.float64],
        grid: tuple[float, ...],
        train: Interactions,
        valid: Interactions | None,
        progress: Progress | None,
    ) -> dict[str, object]:
        """Keeps the weights of the best l2 on ``valid``, the first of equal ones; the report."""
        if valid is None or len(valid) == 0:
            raise RecommenderError("l2_grid: found no validation data; allowed: with some, or l2")
        tried: dict[str, float] = {}
        best: tuple[float, float, FloatArray] | None = None
        for l2 in grid:
            self.weights = closed_form(together, l2)
            value = validation_ndcg(self, train, valid, CUTOFF)
            tried[f"{l2:g}"] = value
            if progress is not None:
                progress(f"l2 {l2:g}: validation NDCG@{CUTOFF} {value:.4f}")
            if best is None or value > best[0]:
                best = (value, l2, self.weights)
        assert best is not None  # the constructor refuses an empty grid
        value, l2, self.weights = best
        return {"l2": l2, f"validation_ndcg@{CUTOFF}": value, "tried": tried}

    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) summed weights from the history; popularity where it is empty."""
        history = query.histories.matrix(len(self.popularity))
        out: FloatArray = history @ self.weights
        return popularity_for_strangers(out, np.diff(history.indptr) == 0, self.popularity)

    def state(self) -> State:
        return {"weights": self.weights, "popularity": self.popularity}

    def load_state(self, state: State) -> Self:
        self.weights, self.popularity = state["weights"], state["popularity"]
        return self


def closed_form(together: npt.NDArray[np.float64], l2: float) -> FloatArray:
    """Steck's B from ``together`` = X'X (n_items, n_items), which is not changed."""
    matrix = np.array(together, order="F")
    matrix[np.diag_indices_from(matrix)] += l2
    factor, failed = lapack.dpotrf(matrix, lower=True, overwrite_a=True)
    inverse, failed_too = lapack.dpotri(factor, lower=True, overwrite_c=True)
    if failed or failed_too:
        raise RecommenderError(f"l2: found {l2:g}, too small to invert; allowed: a larger one")
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    weights: FloatArray = (inverse / -np.diag(inverse)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights
