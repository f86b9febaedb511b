"""Tiny data sets whose right answers are known without computing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recommenders.interface import (
    FloatArray,
    Histories,
    IntArray,
    Interactions,
    Items,
    Query,
    Texts,
)


def interactions(rows: Sequence[Sequence[int]], n_items: int) -> Interactions:
    """One list of item numbers for each user."""
    user = np.repeat(np.arange(len(rows), dtype=np.int64), [len(row) for row in rows])
    item = np.array([item for row in rows for item in row], dtype=np.int64)
    return Interactions(user, item, len(rows), n_items)


def histories(rows: Sequence[Sequence[int]]) -> Histories:
    """One list of item numbers for each user of a query."""
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Histories(indptr, np.array([item for row in rows for item in row], dtype=np.int64))


def query(train: Interactions, users: Sequence[int] | None = None) -> Query:
    """Training users (all by default) with what they did in ``train``."""
    indptr = train.matrix.indptr.astype(np.int64)
    known = Histories(indptr, train.matrix.indices.astype(np.int64))
    everybody = Query(np.arange(train.n_users, dtype=np.int64), known)
    return everybody if users is None else everybody.rows(np.array(users, dtype=np.int64))


def plain_items(n: int) -> Items:
    """Items of which nothing but a title is known."""
    return Items(tuple(f"Item {i}" for i in range(n)), ("",) * n, ((),) * n, (0,) * n)


def unit_rows(vectors: FloatArray) -> FloatArray:
    """(n, D) with rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    out = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=out, where=lengths > 0)
    return out


def texts(train: Interactions, width: int = 6, seed: int = 0) -> Texts:
    """Profiles that tell the tastes: an item is a random mixture of the items it was had with.

    A user is the sum of its items. Who has no interaction has no profile.
    """
    mixing = np.random.default_rng(seed).normal(size=(train.n_items, width)).astype(np.float32)
    matrix = train.matrix.toarray()
    items = unit_rows(matrix.T @ matrix @ mixing)
    return Texts(items, unit_rows(matrix @ items))


@dataclass(frozen=True)
class Checkerboard:
    """Users of block b had all items of colour b but ``held_out`` (n_users, n_held)."""

    train: Interactions
    held_out: IntArray

    @property
    def items(self) -> Items:
        return plain_items(self.train.n_items)


def checkerboard(n_users: int = 48, n_items: int = 24, n_held: int = 2) -> Checkerboard:
    """User u and item i match where u and i are both even or both odd.

    Every item is held out from equally many users, so that popularity says nothing, and an
    unseen item's colour is all there is to learn: whoever learned it ranks the held-out
    items above all others.
    """
    per_colour = n_items // 2
    assert n_users // 2 % per_colour == 0, "each item must be held out equally often"
    train, held = [], []
    for user in range(n_users):
        colour = np.arange(user % 2, n_items, 2)
        missing = (user // 2 * n_held + np.arange(n_held)) % per_colour
        held.append(np.sort(colour[missing]))
        train.append(np.delete(colour, missing).tolist())
    return Checkerboard(interactions(train, n_items), np.array(held, dtype=np.int64))


def small_world(seed: int = 0, n_users: int = 30, n_items: int = 25) -> Interactions:
    """Three tastes and some noise; the last user has no interaction, the last item no user."""
    rng = np.random.default_rng(seed)
    same = np.arange(n_users)[:, None] % 3 == np.arange(n_items) % 3
    appeal = np.linspace(1.0, 0.4, n_items)
    had = rng.random((n_users, n_items)) < np.where(same, 0.7, 0.12) * appeal
    had[:-1, 0] |= ~had[:-1].any(axis=1)
    had[-1], had[:, -1] = False, False
    user, item = np.nonzero(had)
    return Interactions(user.astype(np.int64), item.astype(np.int64), n_users, n_items)
