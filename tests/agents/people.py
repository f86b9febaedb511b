"""A generated audience whose tastes are known: every user loves one kind of item."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agents import profile
from agents.interface import Audience, Catalogue, Profiles, RatedHistory

GENRES = ("Comedy", "Drama", "Horror", "Western")
PLOTS = (
    "a clumsy baker and a wedding full of laughter",
    "a family grieves and slowly learns to forgive",
    "a haunted cellar hides a hungry ghost",
    "a lonely sheriff rides against cattle thieves",
)
N_ITEMS = 400


def kind(item: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """The genre's number of each item."""
    return np.asarray(item, dtype=np.int64) % len(GENRES)


def catalogue(n: int = N_ITEMS, **changed: Any) -> Catalogue:
    columns: dict[str, Any] = {
        "title": tuple(f"Title {i}" for i in range(n)),
        "text": tuple(PLOTS[i % 4] for i in range(n)),
        "genres": tuple((GENRES[i % 4],) for i in range(n)),
        "year": tuple(1950 + 10 * (i // 4 % 5) for i in range(n)),
        # Mean rating and popularity are the same for every kind.
        "shown_rating": (3.0 + (np.arange(n) // 4 % 7) / 4).astype(np.float32),
        "popularity": (1 + np.arange(n) // 4 % 50).astype(np.int64),
    }
    return Catalogue(**(columns | changed))


def loved(n: int) -> npt.NDArray[np.int64]:
    """The genre's number each of n users loves."""
    return np.arange(n, dtype=np.int64) % len(GENRES)


def history(n: int, length: int = 24, seed: int = 0, rated: bool = True) -> RatedHistory:
    """Three in four items of the loved kind; those rated 5 or 4, the others 1 or 2."""
    rng = np.random.default_rng(seed)
    items, ratings = [], []
    for user in range(n):
        own = rng.permutation(np.flatnonzero(kind(np.arange(N_ITEMS)) == user % 4))
        other = rng.permutation(np.flatnonzero(kind(np.arange(N_ITEMS)) != user % 4))
        many = length * 3 // 4
        items.append(np.concatenate([own[:many], other[: length - many]]))
        ratings.append(np.where(kind(items[-1]) == user % 4, 5, 1) - rng.integers(-1, 1, length))
    rating = np.clip(np.concatenate(ratings), 1, 5).astype(np.float32)
    if not rated:
        rating[:] = np.nan
    return RatedHistory(np.arange(n + 1) * length, np.concatenate(items).astype(np.int64), rating)


def profiles(n: int, activity: int = 2, diversity: int = 2, conformity: int = 2) -> Profiles:
    """All alike in their traits."""

    def level(value: int) -> npt.NDArray[np.int8]:
        return np.full(n, value, dtype=np.int8)

    nothing = np.full(n, np.nan)
    return Profiles(
        level(activity),
        level(diversity),
        level(conformity),
        nothing,
        nothing,
        nothing,
        tuple(() for _ in range(n)),
        ("",) * n,
    )


def audience(n: int, **levels: int) -> Audience:
    """n users who differ in taste; with levels given, alike in traits."""
    past = history(n)
    made = profiles(n, **levels) if levels else profile.build(past, catalogue())
    return Audience(np.arange(n, dtype=np.int64), made, past)
