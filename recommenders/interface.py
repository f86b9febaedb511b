"""The recommenders' side of the seam: plain arrays in, scores out.

``Recommender.scores`` is the only method a ranking needs. What must not be shown
(known or already shown items) is excluded once, in :func:`top_k`, never in a method,
and ties are broken there too, by the smaller item number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
State = dict[str, npt.NDArray[Any]]

UNKNOWN_USER = -1
"""The user number of somebody the training data does not hold."""

NO_ITEM = -1
"""Pads a list of recommendations that has fewer than k items."""


class RecommenderError(Exception):
    """A recommender was asked for something it cannot do; the text says what to change."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Observed (user, item) events with dense numbers.

    ``user`` (n,) in 0..n_users-1, ``item`` (n,) in 0..n_items-1, ``rating`` (n,) in the
    data set's own scale or None, ``timestamp`` (n,) in seconds or None.
    """

    user: IntArray
    item: IntArray
    n_users: int
    n_items: int
    rating: FloatArray | None = None
    timestamp: IntArray | None = None

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def matrix(self) -> sp.csr_array:
        """Binary (n_users, n_items) float32 CSR with sorted indices; repeats collapse to 1."""
        ones = np.ones(len(self), dtype=np.float32)
        out = sp.csr_array((ones, (self.user, self.item)), shape=(self.n_users, self.n_items))
        out.sum_duplicates()
        out.sort_indices()
        out.data[:] = 1.0
        return out

    @cached_property
    def popularity(self) -> IntArray:
        """(n_items,) number of distinct users of each item."""
        return np.bincount(self.matrix.indices, minlength=self.n_items).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Items:
    """What is known of each item; every tuple has n_items entries.

    ``text`` is free text (plot, description), empty where there is none; ``year`` is 0
    where unknown; ``attributes`` maps further column names to one value an item.
    """

    title: tuple[str, ...]
    text: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    year: tuple[int, ...]
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.title)


@dataclass(frozen=True, eq=False)
class Texts:
    """What the profiles of items and users say, as vectors of one embedding.

    ``items`` (n_items, D) and ``users`` (n_users, D) float32, rows of unit length; a row of
    zeros is a profile that is not there.
    """

    items: FloatArray
    users: FloatArray

    def __post_init__(self) -> None:
        shapes = self.items.shape, self.users.shape
        if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
            raise ValueError(f"texts: items {shapes[0]} and users {shapes[1]} do not match")


@dataclass(frozen=True, eq=False)
class Histories:
    """Ordered item lists of B users, ragged: user b has ``item[indptr[b]:indptr[b + 1]]``.

    Oldest first; what happened in the present session stands at the end.
    """

    indptr: IntArray
    item: IntArray

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def matrix(self, n_items: int) -> sp.csr_array:
        """Binary (B, n_items) float32 CSR with sorted indices; repeats collapse to 1."""
        ones = np.ones(len(self.item), dtype=np.float32)
        out = sp.csr_array((ones, self.item, self.indptr), shape=(len(self), n_items), copy=True)
        out.sum_duplicates()
        out.sort_indices()
        out.data[:] = 1.0
        return out

    def appended(self, owner: IntArray, item: IntArray) -> Histories:
        """Each event ``item[e]`` of user ``owner[e]`` (ascending) added behind its history."""
        old = np.repeat(np.arange(len(self)), np.diff(self.indptr))
        order = np.argsort(np.concatenate([old, owner]), kind="stable")
        lengths = np.diff(self.indptr) + np.bincount(owner, minlength=len(self))
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Histories(indptr, np.concatenate([self.item, item])[order])

    def rows(self, index: IntArray | slice) -> Histories:
        """The histories of the chosen users, in the order of ``index``."""
        positions = np.arange(len(self), dtype=np.int64)[index]
        starts, ends = self.indptr[positions], self.indptr[positions + 1]
        lengths = ends - starts
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(indptr[-1], dtype=np.int64) - np.repeat(indptr[:-1], lengths)
        return Histories(indptr, self.item[np.repeat(starts, lengths) + within])


@dataclass(frozen=True, eq=False)
class Query:
    """A request for scores: ``users`` (B,) with :data:`UNKNOWN_USER` for strangers.

    ``histories`` holds what each user did so far, the present session included; it
    belongs to the query for every recommender, and general ones may ignore it.
    """

    users: IntArray
    histories: Histories

    def __len__(self) -> int:
        return len(self.users)

    def rows(self, index: IntArray | slice) -> Query:
        """The same request for some of its users."""
        return Query(self.users[index], self.histories.rows(index))


Progress = Callable[[str], None]
"""Called with one short line now and then while a recommender trains."""


class Recommender(ABC):
    """Fit once, then score every item for any batch of users.

    Settings are keyword arguments of the constructor with defaults; they are kept, with
    defaults filled in, in ``settings`` by the registry. Contract (tests/contract):
    higher is better; float32; finite, or -inf for "cannot score"; the same query twice
    gives the same scores; batch composition is irrelevant; inputs are never changed; a
    stranger without history gets popularity, never NaN; refit equals a fresh fit;
    ``load_state(state())`` restores the same scores.
    """

    adapts: ClassVar[Literal["none", "history"]] = "none"
    """``history``: scores follow the query's history; ``none``: only the user's number counts."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """What must be there besides interactions: any of text, time, llm."""

    settings: Mapping[str, Any] = MappingProxyType({})
    report: Mapping[str, Any] = MappingProxyType({})
    """What the last ``fit`` did: epochs, best epoch, validation metric, seconds."""

    @abstractmethod
    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from ``train``; ``valid`` serves early stopping only, never as training data."""

    @abstractmethod
    def scores(self, query: Query) -> FloatArray:
        """(B, n_items) float32, higher is better."""

    @abstractmethod
    def state(self) -> State:
        """Everything ``scores`` needs, as named arrays (no pickles)."""

    @abstractmethod
    def load_state(self, state: State) -> Self:
        """Take back what :meth:`state` returned; returns self."""


class TextRecommender(Recommender):
    """One that learns from profiles too: its ``fit`` takes their vectors."""

    needs: ClassVar[frozenset[str]] = frozenset({"text"})

    @abstractmethod
    def fit(
        self,
        train: Interactions,
        items: Items,
        *,
        valid: Interactions | None = None,
        rng: np.random.Generator,
        progress: Progress | None = None,
        texts: Texts | None = None,
    ) -> Self:
        """As every recommender's; raises RecommenderError without ``texts``, or where their
        numbers of users and items are not those of ``train``."""


def checked_texts(texts: Texts | None, train: Interactions) -> Texts:
    """The texts, if they are there and fit; RecommenderError otherwise."""
    if texts is None:
        raise RecommenderError("texts: found none; allowed: vectors of the profiles it reads")
    found = len(texts.users), len(texts.items)
    if found != (train.n_users, train.n_items):
        raise RecommenderError(
            f"texts: found {found[0]} users and {found[1]} items; "
            f"allowed: {train.n_users} and {train.n_items}, as in the training data"
        )
    return texts
