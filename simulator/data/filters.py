"""Leaving out users and items with too few interactions, whatever the data came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from recommenders.interface import IntArray, Interactions, Items

from .dataset import Dataset, GivenProfiles, Split
from .options import Request

Kept = npt.NDArray[np.bool_]
T = TypeVar("T")


def keep_active(dataset: Dataset, minimum: int, item_minimum: int, request: Request) -> Dataset:
    """The data set without users of fewer than ``minimum`` interactions and items of fewer
    than ``item_minimum``, repeated until both hold.

    An item that loses its last interaction with the users left out goes too. Everything
    else is renumbered in the same order. Raises InputError when nothing is left.
    """
    events = dataset.interactions
    users, items = np.ones(dataset.n_users, bool), np.ones(dataset.n_items, bool)
    alive = np.ones(len(events), bool)
    while True:
        of_user = np.bincount(events.user[alive], minlength=dataset.n_users)
        users &= of_user >= minimum
        alive = users[events.user] & items[events.item]
        of_item = np.bincount(events.item[alive], minlength=dataset.n_items)
        items &= of_item >= item_minimum
        still = users[events.user] & items[events.item]
        if still.sum() == alive.sum():
            break
        alive = still
    seen = np.bincount(events.item, minlength=dataset.n_items) > 0
    items &= (of_item > 0) | ~seen
    if not alive.any():
        raise request.refuse(
            "min_interactions" if minimum else "min_item_interactions",
            found=f"nothing left of {len(events):,} interactions of {dataset.n_users:,} users "
            f"and {dataset.n_items:,} items",
            allowed=f"at most {int(np.bincount(events.user).max()):,} for users and "
            f"{int(np.bincount(events.item).max()):,} for items, the largest counts here",
            fix="choose smaller minima",
        )
    note = (
        f"{int((~users).sum()):,} users and {int((~items).sum()):,} items "
        f"with too few interactions are left out"
    )
    return _restrict(dataset, users, items, note)


def _restrict(dataset: Dataset, users: Kept, items: Kept, note: str) -> Dataset:
    def part(events: Interactions) -> Interactions:
        return _events(events, users, items)

    split = dataset.split
    return replace(
        dataset,
        interactions=part(dataset.interactions),
        items=_items(dataset.items, items),
        user_ids=_pick(dataset.user_ids, users),
        item_ids=_pick(dataset.item_ids, items),
        user_attributes={k: _pick(v, users) for k, v in dataset.user_attributes.items()},
        split=split and Split(part(split.train), part(split.valid), part(split.test)),
        given=dataset.given and _given(dataset.given, users),
        shown_rating=None if dataset.shown_rating is None else dataset.shown_rating[items],
        utility=None if dataset.utility is None else dataset.utility[users][:, items],
        notes=(*dataset.notes, note),
    )


def _pick(values: Sequence[T], kept: Kept) -> tuple[T, ...]:
    return tuple(values[row] for row in np.flatnonzero(kept).tolist())


def _events(events: Interactions, users: Kept, items: Kept) -> Interactions:
    rows = users[events.user] & items[events.item]
    new_user: IntArray = np.cumsum(users) - 1
    new_item: IntArray = np.cumsum(items) - 1
    return Interactions(
        user=new_user[events.user[rows]],
        item=new_item[events.item[rows]],
        n_users=int(users.sum()),
        n_items=int(items.sum()),
        rating=None if events.rating is None else events.rating[rows],
        timestamp=None if events.timestamp is None else events.timestamp[rows],
    )


def _items(items: Items, kept: Kept) -> Items:
    attributes: Mapping[str, tuple[str, ...]] = {
        name: _pick(values, kept) for name, values in items.attributes.items()
    }
    return Items(
        title=_pick(items.title, kept),
        text=_pick(items.text, kept),
        genres=_pick(items.genres, kept),
        year=_pick(items.year, kept),
        attributes=attributes,
    )


def _given(given: GivenProfiles, users: Kept) -> GivenProfiles:
    return GivenProfiles(
        tastes=given.tastes and _pick(given.tastes, users),
        rating_habit=given.rating_habit and _pick(given.rating_habit, users),
        activity=None if given.activity is None else given.activity[users],
        diversity=None if given.diversity is None else given.diversity[users],
        conformity=None if given.conformity is None else given.conformity[users],
    )
