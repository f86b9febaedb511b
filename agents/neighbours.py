"""Collaborative neighbours: items are alike where the same people chose both.

With X (N, n) who chose what in the training part, user u's row divided by the root of its
length and item i's column by the root of its count give A; entry (i, j) of A'A is the cosine of
items i and j with active users counting less. A = U S V' truncated to D dimensions; an item's
vector is its row of V S^(1/2), so that the inner product of two vectors is the likeness of
two items with the spectrum evened out (A'A)^(1/2): the few directions everybody shares do not
drown the others, as a ridge does in a linear autoencoder (Steck 2019), without its constant.

Only what people chose in the training part enters. Nothing of a recommender does, but a
recommender that learns the same thing from the same data is at an advantage with an audience
that follows these likenesses (docs/fidelity.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from .features import history_matrix
from .interface import Floats, RatedHistory

DIMENSIONS = 64


@dataclass(frozen=True, eq=False)
class Neighbours:
    """``vector`` (n_items, D) float64, zero for an item nobody chose; ``count`` (n_items,)
    how many people chose it."""

    vector: Floats
    count: Floats

    def chosen(self, history: sp.csr_array) -> Floats:
        """(B, D) what histories (B, n_items) lean to: an item's cosine with each item chosen,
        summed; everybody's choices, in the same number, taken off.

        What is left says how an agent's company differs from everybody: popularity alone
        gives nothing, and is weighed by itself.
        """
        weighted = self.vector / np.sqrt(np.maximum(self.count, 1.0))[:, None]
        everybody = self.count / max(float(self.count.sum()), 1.0)
        return np.asarray(history @ (weighted - everybody @ weighted))

    def rated(self, away: sp.csr_array) -> Floats:
        """(B, D) the same for ratings' distances (B, n_items) from what was expected."""
        return np.asarray(away @ self.vector)


def find(population: RatedHistory, n_items: int, dimensions: int = DIMENSIONS) -> Neighbours:
    """Neighbours from N people's histories. Columns beyond the rank of the data are zero, so
    the shape never depends on it; the same histories give the same vectors."""
    chosen = history_matrix(population, n_items)
    chosen.data[:] = 1.0
    count = np.asarray(chosen.sum(axis=0), dtype=np.float64).ravel()
    vector = np.zeros((n_items, dimensions))
    rank = min(dimensions, len(population), n_items)
    if chosen.nnz and rank:
        length = np.diff(chosen.indptr).astype(np.float64)
        even = _inverse_root(length) @ chosen @ _inverse_root(count)
        _, size, axes = randomized_svd(even, rank, n_iter=6, random_state=0)
        # The largest is 1; what is below has no direction but that of rounding.
        vector[:, :rank] = axes.T * np.sqrt(np.where(size > 1e-6, size, 0.0))
        vector[count == 0] = 0.0
    return Neighbours(vector, count)


def _inverse_root(count: Floats) -> sp.dia_array:
    return sp.diags_array(1.0 / np.sqrt(np.maximum(count, 1.0)))
