"""Catalogue and histories as sparse matrices: what profiles and the behavioural model share."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .interface import Catalogue, Floats, RatedHistory


def genre_matrix(catalogue: Catalogue) -> tuple[sp.csr_array, tuple[str, ...]]:
    """(n_items, n_genres) 0/1 and the genres' names in alphabetical order."""
    return _indicators([set(names) for names in catalogue.genres])


def decade_matrix(catalogue: Catalogue) -> tuple[sp.csr_array, tuple[str, ...]]:
    """(n_items, n_decades) 0/1 and names such as ``1990s``; a row is empty where year is 0."""
    return _indicators([{f"{year // 10 * 10}s"} if year > 0 else set() for year in catalogue.year])


def _indicators(labels: list[set[str]]) -> tuple[sp.csr_array, tuple[str, ...]]:
    names = tuple(sorted(set().union(*labels))) if labels else ()
    column = {name: number for number, name in enumerate(names)}
    columns = [sorted(column[name] for name in row) for row in labels]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in columns])]).astype(np.int64)
    indices = np.array([c for row in columns for c in row], dtype=np.int64)
    data = np.ones(len(indices))
    return sp.csr_array((data, indices, indptr), shape=(len(labels), len(names))), names


def history_matrix(
    history: RatedHistory, n_items: int, weight: Floats | None = None
) -> sp.csr_array:
    """(N, n_items) float64: ``weight`` (one a rating; 1 by default), summed over repeats."""
    data = np.ones(len(history.item)) if weight is None else weight
    out = sp.csr_array(
        (data, history.item, history.indptr), shape=(len(history), n_items), copy=True
    )
    out.sum_duplicates()
    return out


def shown_or_middle(catalogue: Catalogue) -> Floats:
    """(n_items,) the shown rating; the mean shown one, or the scale's middle, where none is."""
    shown = catalogue.shown_rating.astype(np.float64)
    known = shown[~np.isnan(shown)]
    default = float(known.mean()) if len(known) else sum(catalogue.rating_scale) / 2
    return np.asarray(np.where(np.isnan(shown), default, shown), dtype=np.float64)


def row_mean(values: sp.csr_array, counts: Floats) -> Floats:
    """(N,) row sums over ``counts``, NaN where a count is 0."""
    total = np.asarray(values.sum(axis=1), dtype=np.float64).ravel()
    unknown = np.full(len(total), np.nan)
    return np.asarray(np.divide(total, counts, out=unknown, where=counts > 0), dtype=np.float64)
