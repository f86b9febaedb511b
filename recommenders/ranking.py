"""From scores to lists, and from lists to offline metrics; the same for every recommender.

What must not be shown is excluded here and nowhere else, and here ties are broken.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from .interface import (
    NO_ITEM,
    Histories,
    IntArray,
    Interactions,
    Query,
    Recommender,
    RecommenderError,
)

BoolArray = npt.NDArray[np.bool_]


def top_k(
    scores: npt.NDArray[np.floating], k: int, exclude: sp.csr_array | None = None
) -> IntArray:
    """The ``k`` best items of each row, best first: (B, n_items) scores to (B, k) numbers.

    ``exclude`` (B, n_items) names by its non-zero entries what may not be returned. Equal
    scores go by the smaller item number, also where the list is cut. An item scored
    -inf is never returned; :data:`NO_ITEM` pads what is missing. Inputs are not changed.
    Raises RecommenderError where a score is not a number.

    >>> top_k(np.array([[1.0, 3.0, 3.0, -np.inf]]), 4).tolist()
    [[1, 2, 0, -1]]
    """
    if k < 1:
        raise RecommenderError(f"k: found {k}; allowed: 1 or more")
    n_rows, n_items = scores.shape
    out = np.full((n_rows, k), NO_ITEM, dtype=np.int64)
    if n_rows == 0 or n_items == 0:
        return out
    masked = np.array(scores, order="C")
    if exclude is not None:
        masked[_stored(exclude, (n_rows, n_items))] = -np.inf
    kept = min(k, n_items)
    values, best = _largest(masked, min(k + 1, n_items))
    if np.isnan(values[:, 0]).any():  # torch ranks NaN above everything
        raise RecommenderError("scores: found NaN; allowed: numbers, or -inf for cannot score")
    if n_items > kept:
        cut = np.flatnonzero((values[:, kept - 1] == values[:, kept]) & (values[:, kept] > -np.inf))
        best[cut, :kept] = _first_of_ties(masked[cut], values[cut, kept - 1], kept)
    best = _in_order(masked, best[:, :kept])
    found = np.take_along_axis(masked, best, axis=1) > -np.inf
    out[:, :kept] = np.where(found, best, NO_ITEM)
    return out


def _stored(matrix: sp.csr_array, shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Row and column numbers of the non-zero entries."""
    if matrix.shape != shape:
        raise RecommenderError(f"matrix beside the scores: found {matrix.shape}; allowed: {shape}")
    rows = np.repeat(np.arange(shape[0], dtype=np.int64), np.diff(matrix.indptr))
    there = matrix.data != 0
    return rows[there], matrix.indices[there].astype(np.int64)


def _largest(scores: npt.NDArray[np.floating], k: int) -> tuple[npt.NDArray[np.floating], IntArray]:
    """The k largest values of each row and where they stand; ties in no defined order."""
    import torch  # 200 MB and seconds, which who only reads a store does without

    values, where = torch.topk(torch.from_numpy(scores), k, dim=1)
    return values.numpy(), where.numpy()


def _first_of_ties(
    scores: npt.NDArray[np.floating], threshold: npt.NDArray[np.floating], k: int
) -> IntArray:
    """(R, k) items: all above the row's threshold, filled up with the first that equal it."""
    above = scores > threshold[:, None]
    equal = scores == threshold[:, None]
    room = k - above.sum(axis=1)
    chosen = above | (equal & (np.cumsum(equal, axis=1, dtype=np.int32) <= room[:, None]))
    return np.nonzero(chosen)[1].reshape(len(scores), k)


def _in_order(scores: npt.NDArray[np.floating], items: IntArray) -> IntArray:
    """Each row's items by falling score, equal ones by number."""
    by_number = np.sort(items, axis=1)
    values = np.take_along_axis(scores, by_number, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(by_number, order, axis=1)


def recommend(
    recommender: Recommender,
    query: Query,
    k: int,
    exclude: sp.csr_array | None = None,
    block: int = 512,
) -> IntArray:
    """(B, k) best items for every user of the query, ``block`` users at a time.

    The block bounds memory to block x n_items scores; it does not change the result.
    """
    out = np.full((len(query), k), NO_ITEM, dtype=np.int64)
    for start in range(0, len(query), block):
        rows = slice(start, start + block)
        out[rows] = top_k(
            recommender.scores(query.rows(rows)), k, None if exclude is None else exclude[rows]
        )
    return out


def hits(recommended: IntArray, truth: sp.csr_array) -> BoolArray:
    """(B, k): is the item at this rank among the row's non-zero entries of ``truth``?

    >>> hits(np.array([[2, 0, NO_ITEM]]), sp.csr_array([[0, 1, 1]])).tolist()
    [[True, False, False]]
    """
    n_rows, n_items = truth.shape
    rows, items = _stored(truth, (len(recommended), n_items))
    wanted = np.sort(rows * n_items + items)
    asked = np.arange(n_rows, dtype=np.int64)[:, None] * n_items + recommended
    place = np.searchsorted(wanted, asked)
    found = np.append(wanted, -1)[place] == asked
    out: BoolArray = found & (recommended != NO_ITEM)
    return out


def recall(hit: BoolArray, n_truth: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Hits / held-out items, of each row; NaN where nothing is held out.

    The divisor is the whole truth (B,), not min(k, truth), as Agent4Rec has it.

    >>> recall(np.array([[True, False], [False, False]]), np.array([4, 0])).tolist()
    [0.25, nan]
    """
    out = np.full(len(hit), np.nan)
    np.divide(hit.sum(axis=1), n_truth, out=out, where=n_truth > 0)
    return out


def ndcg(hit: BoolArray, n_truth: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Discounted gain 1 / log2(rank + 1) of the hits, over that of an ideal list.

    The ideal list has hits in its first min(k, truth) ranks. NaN where nothing is held out.

    >>> ndcg(np.array([[False, True]]), np.array([1])).round(4).tolist()
    [0.6309]
    """
    k = hit.shape[1]
    gain = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gain)])[np.minimum(n_truth, k)]
    out = np.full(len(hit), np.nan)
    np.divide(hit @ gain, ideal, out=out, where=n_truth > 0)
    return out


def validation_ndcg(
    recommender: Recommender, train: Interactions, valid: Interactions, k: int = 20
) -> float:
    """Mean NDCG@k over the users of ``valid``: what tuning and early stopping watch.

    All items compete but those of the user's ``train``, which is also the query's history.
    """
    known, truth = train.matrix, valid.matrix
    n_truth = np.diff(truth.indptr).astype(np.int64)
    users = np.flatnonzero(n_truth)
    if len(users) == 0:
        raise RecommenderError("valid: found no interactions; allowed: at least one to judge by")
    histories = Histories(known.indptr.astype(np.int64), known.indices.astype(np.int64))
    query = Query(np.arange(len(n_truth), dtype=np.int64), histories).rows(users)
    listed = recommend(recommender, query, k, known[users])
    return float(ndcg(hits(listed, truth[users]), n_truth[users]).mean())
