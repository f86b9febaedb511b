"""Lists as an arm shows them: its recommender's, or mixed with random items in a known dose
(``dilute``), which is how an audience's sense of quality is put to the test.

At each place of a diluted list a random item stands with probability ``dilute``, else the
recommender's next best. Which places are random, and in which order random items come, hangs
on seed, user and place alone: arms of other recommenders are hit at the same places, and what
is random at a small dose is random at a larger one too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recommenders.interface import NO_ITEM, IntArray, Query, Recommender
from recommenders.random import Random
from recommenders.ranking import recommend

from .randomness import KeyedLuck, stream


def lists(
    recommender: Recommender,
    query: Query,
    k: int,
    exclude: sp.csr_array,
    *,
    dilute: float = 0.0,
    seed: int,
    first: int = 1,
) -> IntArray:
    """(B, k) items for every user of the query, best first, padded with ``NO_ITEM``.

    ``exclude`` (B, n_items) is not returned, whoever proposes it; ``dilute`` 0..1 is the
    share of random places, of which the list's first one has the number ``first``.

    Both sources leave out what is excluded before they are mixed: mixed as scores and
    excluded afterwards, known items, which a good recommender ranks high, would eat its
    places and leave the random ones. So 0 gives exactly the recommender's list, 1 a random
    one, and pages of a session continue each other as slices of one list do.
    """
    best = recommend(recommender, query, k, exclude)
    if not dilute:
        return best
    places = np.arange(first, first + k)
    draws = KeyedLuck(seed).uniform("dilution", query.users[:, None], places)
    other = recommend(_random(seed, exclude.shape[1]), query, k, exclude)
    return mixed(best, other, draws < dilute)


def mixed(best: IntArray, other: IntArray, random: npt.NDArray[np.bool_]) -> IntArray:
    """Two lists as one, without repeats: where ``random`` (B, k) the next item of ``other``
    (B, k), else of ``best`` (B, k). A list that has run out leaves gaps, which go to the end.

    >>> two = mixed(np.array([[1, 2, 3]]), np.array([[2, 9, 1]]), np.array([[False, True, True]]))
    >>> two.tolist()
    [[1, 2, 9]]
    """
    out = np.full(best.shape, NO_ITEM, dtype=np.int64)
    rows = np.arange(len(best))
    left = best != NO_ITEM, other != NO_ITEM
    for place in range(best.shape[1]):
        source = random[:, place][:, None]
        items, free = np.where(source, other, best), np.where(source, left[1], left[0])
        next_ = items[rows, free.argmax(axis=1)]
        out[:, place] = np.where(free.any(axis=1), next_, NO_ITEM)
        for unused, listed in zip(left, (best, other), strict=True):
            unused[listed == out[:, place][:, None]] = False
    gaps_last = np.argsort(out == NO_ITEM, axis=1, kind="stable")
    return np.take_along_axis(out, gaps_last, axis=1)


def _random(seed: int, n_items: int) -> Recommender:
    """A random order of the catalogue for each user."""
    number = stream(seed, "dilution").integers(2**63)
    return Random().load_state({"seed": np.array(number), "n_items": np.array(n_items)})
