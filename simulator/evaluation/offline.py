"""Ranking metrics against held-out items, one value a user, averaged with an interval.

The protocol is the caller's: every item of the catalogue competes but the masked ones
(all-ranking). Users without held-out items have no value. Formulas and sources:
docs/metrics.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recommenders.interface import NO_ITEM
from recommenders.ranking import hits, ndcg, recall

from .intervals import Estimate, Floats, mean_interval

IntArray = npt.NDArray[np.int64]

_DOCS = {
    "recall": "hits among the first K over held-out items, mean over users",
    "ndcg": "discounted gain of the hits, 1/log2(rank + 1), over an ideal list's",
    "precision": "hits among the first K over K, mean over users",
    "hit": "share of users with a hit among the first K",
    "mrr": "1 / rank of the first hit among the first K, 0 without one, mean over users",
    "coverage": "share of the catalogue that is in at least one user's first K",
    "novelty": "mean -log2(share of training users of an item) over the first K, mean over users",
}


def described() -> list[tuple[str, str]]:
    """(name, what it is) of every offline metric; K is the scenario's cutoff."""
    return [(f"{name}@K", doc) for name, doc in _DOCS.items()]


def offline_metrics(
    recommended: IntArray,
    truth: sp.csr_array,
    popularity: IntArray,
    *,
    n_users: int,
    cutoff: int,
    confidence: float,
) -> list[dict[str, Any]]:
    """Rows of metric (``recall@20``), mean, low, high, n; in a fixed order.

    ``recommended`` (B, at least ``cutoff``) best first, padded with NO_ITEM; ``truth``
    (B, n_items) the held-out items of the same users; ``popularity`` (n_items,) training
    users of each item, out of ``n_users``. Coverage is one number of all lists together
    and has no interval.

    >>> rows = offline_metrics(np.array([[1, 0], [2, 1]]), sp.csr_array([[1, 0, 1], [0, 0, 1]]),
    ...                        np.array([4, 2, 1]), n_users=4, cutoff=2, confidence=0.95)
    >>> [(row["metric"], round(row["mean"], 4)) for row in rows]  # doctest: +NORMALIZE_WHITESPACE
    [('recall@2', 0.75), ('ndcg@2', 0.6934), ('precision@2', 0.5), ('hit@2', 1.0),
     ('mrr@2', 0.75), ('coverage@2', 1.0), ('novelty@2', 1.0)]
    """
    if recommended.shape[1] < cutoff:
        raise ValueError(f"lists of {recommended.shape[1]} items for a cutoff of {cutoff}")
    listed = recommended[:, :cutoff]
    hit = hits(listed, truth)
    n_truth = np.bincount(truth.nonzero()[0], minlength=len(listed)).astype(np.int64)
    found, judged = hit.any(axis=1), n_truth > 0
    first = np.where(found, 1.0 / (hit.argmax(axis=1) + 1), 0.0)
    by_user: dict[str, Floats] = {
        "recall": recall(hit, n_truth),
        "ndcg": ndcg(hit, n_truth),
        "precision": np.where(judged, hit.sum(axis=1) / cutoff, np.nan),
        "hit": np.where(judged, found, np.nan),
        "mrr": np.where(judged, first, np.nan),
    }
    estimates = {name: mean_interval(values, confidence) for name, values in by_user.items()}
    estimates["coverage"] = _coverage(listed, truth.shape[1])
    estimates["novelty"] = mean_interval(novelty(listed, popularity, n_users), confidence)
    return [
        {"metric": f"{name}@{cutoff}", "mean": e.mean, "low": e.low, "high": e.high, "n": e.n}
        for name, e in estimates.items()
    ]


def _coverage(listed: IntArray, n_items: int) -> Estimate:
    """n is the number of lists."""
    distinct = np.unique(listed[listed != NO_ITEM])
    share = len(distinct) / n_items if n_items else np.nan
    return Estimate(share, np.nan, np.nan, len(listed))


def novelty(listed: IntArray, popularity: IntArray, n_users: int) -> Floats:
    """(B,) mean self-information of each list's items in bits; NaN for an empty list.

    -log2(max(popularity, 1) / n_users): an item that nobody has counts as if one user
    had it, else one such item would make every mean infinite.

    >>> novelty(np.array([[0, 1], [2, -1]]), np.array([8, 2, 0]), 8).tolist()
    [1.0, 3.0]
    """
    bits = -np.log2(np.maximum(popularity, 1) / n_users)
    there = listed != NO_ITEM
    total = np.where(there, bits[np.where(there, listed, 0)], 0.0).sum(axis=1)
    count = there.sum(axis=1)
    out = np.full(len(listed), np.nan)
    np.divide(total, count, out=out, where=count > 0)
    return out
