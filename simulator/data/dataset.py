"""The one shape every data set takes, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommenders.interface import Interactions, Items


@dataclass(frozen=True, eq=False)
class Split:
    """Three disjoint parts over the same users and items; any but ``train`` may be empty."""

    train: Interactions
    valid: Interactions
    test: Interactions


@dataclass(frozen=True, eq=False)
class GivenProfiles:
    """Profiles that came with the data, one entry a user; None where not given.

    Levels are 1..3 as in ``agents.interface.Profiles``; ``tastes`` are sentences.
    """

    tastes: tuple[tuple[str, ...], ...] | None = None
    rating_habit: tuple[str, ...] | None = None
    activity: npt.NDArray[np.int8] | None = None
    diversity: npt.NDArray[np.int8] | None = None
    conformity: npt.NDArray[np.int8] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Users, items and what happened between them.

    ``user_ids``/``item_ids`` are the source's own ids by dense number. ``split`` is set
    where the data came split. ``utility`` (n_users, n_items) float32 is a synthetic
    world's hidden truth in 0..1, None for real data. ``shown_rating`` (n_items,) float32 is
    set where the source brings the rating displayed beside an item; otherwise the mean
    of the training ratings is shown. ``notes`` are sentences about what the reader did to
    the data beyond renaming: repeated pairs, items without metadata, filters.
    No (user, item) pair occurs twice; interactions are sorted by user and, within a user,
    by time (in the file's order where the data has no times).
    """

    name: str
    interactions: Interactions
    items: Items
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    user_attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rating_scale: tuple[float, float] = (1.0, 5.0)
    split: Split | None = None
    given: GivenProfiles | None = None
    shown_rating: npt.NDArray[np.float32] | None = None
    utility: npt.NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_users(self) -> int:
        return self.interactions.n_users

    @property
    def n_items(self) -> int:
        return self.interactions.n_items
