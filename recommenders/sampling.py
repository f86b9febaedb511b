"""Training triples for pairwise losses, a whole epoch at a time and without rejection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .interface import IntArray, Interactions, RecommenderError


class Triples(NamedTuple):
    """n samples: ``user`` prefers ``positive`` over ``negative``; each (n,) int64."""

    user: IntArray
    positive: IntArray
    negative: IntArray


class TripleSampler:
    """Users weigh equally; a uniform positive of the user; a uniform item outside their training.

    Drawing users rather than interactions keeps a few very active people from dominating
    the loss (the sampling of Agent4Rec's MF and LightGCN). Users without a training item,
    or with every item, have no triple and are left out.

    The negative needs no rejection: with the user's items sorted, ``p_0 < p_1 < ...``, the
    r-th item outside them is ``r + #{k: p_k - k <= r}``, and that count is one binary search
    in the keys ``user * n_items + (p_k - k)``, which are sorted over the whole matrix.
    """

    def __init__(self, train: Interactions) -> None:
        matrix = train.matrix
        self._n_items = train.n_items
        self._starts = matrix.indptr[:-1].astype(np.int64)
        self._counts = np.diff(matrix.indptr).astype(np.int64)
        self._items = matrix.indices.astype(np.int64)
        owners = np.repeat(np.arange(train.n_users, dtype=np.int64), self._counts)
        within = np.arange(len(self._items), dtype=np.int64) - self._starts[owners]
        self._gap_keys = owners * self._n_items + (self._items - within)
        self._users = np.flatnonzero((self._counts > 0) & (self._counts < self._n_items))
        if len(self._users) == 0:
            raise RecommenderError(
                "pairwise training needs a user with at least one training item and one other "
                f"item: found none among {train.n_users} users and {self._n_items} items"
            )

    def __len__(self) -> int:
        """Triples of one epoch: the number of training pairs of the users who have triples."""
        return int(self._counts[self._users].sum())

    def epoch(self, rng: np.random.Generator) -> Triples:
        """``len(self)`` triples in random order; each user occurs equally often, give or take 1."""
        times, rest = divmod(len(self), len(self._users))
        repeats = np.full(len(self._users), times)
        repeats[rng.permutation(len(self._users))[:rest]] += 1
        user = np.repeat(self._users, repeats)  # sorted, which keeps the searches in cache
        count = self._counts[user]
        rank = (rng.random(len(user)) * count).astype(np.int64)
        positive = self._items[self._starts[user] + rank]
        negative = self._negatives(user, rng)
        order = rng.permutation(len(user))
        return Triples(user[order], positive[order], negative[order])

    def _negatives(self, user: IntArray, rng: np.random.Generator) -> IntArray:
        """For each of ``user`` a uniform item outside the user's training items."""
        gap = (rng.random(len(user)) * (self._n_items - self._counts[user])).astype(np.int64)
        before = np.searchsorted(self._gap_keys, user * self._n_items + gap, side="right")
        negative: IntArray = gap + before - self._starts[user]
        return negative


class PairSampler(TripleSampler):
    """Training pairs weigh equally: each stands once in an epoch, with a new uniform negative.

    The sampling of RLMRec's graph models. Users with every item have no negative and are
    left out, as in the parent.
    """

    def epoch(self, rng: np.random.Generator) -> Triples:
        """``len(self)`` triples in random order; the positives are exactly the training pairs."""
        every = np.repeat(np.arange(len(self._counts), dtype=np.int64), self._counts)
        chosen = np.flatnonzero(self._counts[every] < self._n_items)
        order = rng.permutation(chosen)
        user = every[order]
        return Triples(user, self._items[order], self._negatives(user, rng))
