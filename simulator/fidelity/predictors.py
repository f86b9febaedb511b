"""Trivial predictions of a rating, fitted on the training ratings alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from agents.interface import Floats, IntArray
from recommenders.interface import Interactions

FACTORS, RIDGE, SWEEPS = 16, 15.0, 8
"""Of the alternating least squares; the ridge was the best of 3, 6, 10, 15 on the validation part
of Agent4Rec's users, where the factors overfit with a smaller one."""

SMOOTHING = 5.0
"""Ratings' worth of the mean mixed into the means that the factors stand on."""


@dataclass(frozen=True, eq=False)
class Predictors:
    """``item`` (n_items,) and ``user`` (n_users,) mean ratings, the overall mean where there is
    none; ``apart`` (n_users,) a user's mean distance from its items' means, 0 where unknown;
    ``spread`` the standard deviation that user plus item mean leaves in training. ``smooth_*``:
    the item's mean and the user's distance again, smoothed; ``users`` (n_users, d) and ``items``
    (n_items, d) factors of what these leave."""

    item: Floats
    user: Floats
    apart: Floats
    spread: float
    smooth_item: Floats
    smooth_user: Floats
    users: Floats
    items: Floats

    def predict(self, user: IntArray, item: IntArray) -> dict[str, Floats]:
        """(B,) each, not clipped to the scale."""
        both = self.item[item] + self.apart[user]
        return {
            "item mean": self.item[item],
            "user mean": self.user[user],
            "user plus item mean": both,
            "ALS": self.smooth_item[item]
            + self.smooth_user[user]
            + (self.users[user] * self.items[item]).sum(axis=1),
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
    spread = float((rating - of_item[item] - apart[user]).std())
    smooth_item = overall + _means(item, rating - overall, train.n_items, 0.0, SMOOTHING)
    smooth_user = _means(user, rating - smooth_item[item], train.n_users, 0.0, SMOOTHING)
    left = rating - smooth_item[item] - smooth_user[user]
    matrix = sp.csr_array((left, (user, item)), shape=(train.n_users, train.n_items))
    return Predictors(of_item, of_user, apart, spread, smooth_item, smooth_user, *als(matrix, rng))


def als(
    matrix: sp.csr_array, rng: np.random.Generator, factors: int = FACTORS, ridge: float = RIDGE
) -> tuple[Floats, Floats]:
    """Factors (n_users, d) and (n_items, d) of the known entries of ``matrix``, by alternating
    least squares (Koren et al. 2009): each side in turn minimises the squared error plus ``ridge``
    times the squared length of its factors."""
    rows, columns = matrix.tocsr(), sp.csr_array(matrix.T)
    items = rng.normal(0.0, 0.3, (matrix.shape[1], factors))
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
            square = seen.T @ seen + ridge * eye
            out[n] = np.linalg.solve(square, seen.T @ matrix.data[part])
    return out


def _means(
    group: IntArray, value: Floats, n: int, otherwise: float, smoothing: float = 0.0
) -> Floats:
    count = np.bincount(group, minlength=n)
    total = np.bincount(group, weights=value, minlength=n)
    return np.asarray(np.where(count > 0, total / np.maximum(count + smoothing, 1.0), otherwise))
