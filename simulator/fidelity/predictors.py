"""Trivial predictions of a rating, fitted on the training ratings alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from agents.interface import Floats, IntArray
from recommenders.interface import Interactions

FACTORS = 8
RIDGE = 0.1
"""Per rating of a user or item: the weighted-lambda regularisation of Zhou et al. (2008)."""
SWEEPS = 8


@dataclass(frozen=True, eq=False)
class Predictors:
    """``item`` (n_items,) and ``user`` (n_users,) mean ratings, the overall mean where there is
    none; ``apart`` (n_users,) a user's mean distance from its items' means, 0 where unknown;
    ``spread`` the standard deviation that user plus item mean leaves in training;
    ``users`` (n_users, d) and ``items`` (n_items, d) factors of what it leaves."""

    item: Floats
    user: Floats
    apart: Floats
    spread: float
    users: Floats
    items: Floats

    def predict(self, user: IntArray, item: IntArray) -> dict[str, Floats]:
        """(B,) each, not clipped to the scale."""
        both = self.item[item] + self.apart[user]
        return {
            "item mean": self.item[item],
            "user mean": self.user[user],
            "user plus item mean": both,
            "ALS": both + (self.users[user] * self.items[item]).sum(axis=1),
        }


def fit(train: Interactions, rng: np.random.Generator) -> Predictors:
    """From the ratings that are known; ``train`` must have ratings."""
    assert train.rating is not None
    known = ~np.isnan(train.rating)
    user, item = train.user[known], train.item[known]
    rating = train.rating[known].astype(np.float64)
    overall = float(rating.mean())
    of_item = _means(item, rating, train.n_items, overall)
    of_user = _means(user, rating, train.n_users, overall)
    apart = _means(user, rating - of_item[item], train.n_users, 0.0)
    left = rating - of_item[item] - apart[user]
    matrix = sp.csr_array((left, (user, item)), shape=(train.n_users, train.n_items))
    users, items = als(matrix, rng)
    return Predictors(of_item, of_user, apart, float(left.std()), users, items)


def als(
    matrix: sp.csr_array, rng: np.random.Generator, factors: int = FACTORS, ridge: float = RIDGE
) -> tuple[Floats, Floats]:
    """Factors (n_users, d) and (n_items, d) of the known entries of ``matrix``, by alternating
    least squares: each side in turn minimises the squared error plus ``ridge`` times the
    squared length of each factor, once for every entry of its row."""
    rows, columns = matrix.tocsr(), sp.csr_array(matrix.T)
    items = rng.normal(0.0, 0.1, (matrix.shape[1], factors))
    users = np.zeros((matrix.shape[0], factors))
    for _ in range(SWEEPS):
        users = _solve(rows, items, ridge)
        items = _solve(columns, users, ridge)
    return users, items


def _solve(matrix: sp.csr_array, other: Floats, ridge: float) -> Floats:
    out = np.zeros((matrix.shape[0], other.shape[1]))
    eye = np.eye(other.shape[1])
    for n in range(matrix.shape[0]):
        part = slice(matrix.indptr[n], matrix.indptr[n + 1])
        seen = other[matrix.indices[part]]
        if len(seen):
            square = seen.T @ seen + ridge * len(seen) * eye
            out[n] = np.linalg.solve(square, seen.T @ matrix.data[part])
    return out


def _means(group: IntArray, value: Floats, n: int, otherwise: float) -> Floats:
    count = np.bincount(group, minlength=n)
    total = np.bincount(group, weights=value, minlength=n)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), otherwise))
