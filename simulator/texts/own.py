"""Profiles that need no model: an item's own words, and what is known of a user's tastes.

Only training data enters a user's profile. Titles are the data's own, without a scenario's canary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.tastes import NOTHING, derive_tastes

from ..data.dataset import Dataset
from ..world import World, plain_catalogue, rated_history


def item_texts(dataset: Dataset) -> list[str]:
    """(n_items,) title with year, kinds, decade, text and further attributes, as far as they are
    known; "" for an item of which the data knows nothing but its id."""
    return [_item(dataset, item) for item in range(dataset.n_items)]


def _item(dataset: Dataset, item: int) -> str:
    items, year, title = dataset.items, dataset.items.year[item], titled(dataset, item)
    parts = [
        f"{title} ({year})" if title and year > 0 else title,
        ", ".join(items.genres[item]),
        # As derived tastes name decades: a word that both profiles have.
        f"{year // 10 * 10}s" if year > 0 else "",
        items.text[item],
        *(values[item] for values in items.attributes.values()),
    ]
    return _joined(parts)


def titled(dataset: Dataset, item: int) -> str:
    """Its title; "" where readers put the id in place of one."""
    title = dataset.items.title[item].strip()
    return "" if title == dataset.item_ids[item] else title


def user_texts(world: World) -> list[str]:
    """(n_users,) the persona that came with the data (tastes and rating habit), else the
    derived tastes; "" for a user without training data, or of whom nothing stands out."""
    train = world.split.train
    users = np.unique(train.user)
    derived = derive_tastes(rated_history(train).rows(users), plain_catalogue(world))
    out = [""] * world.dataset.n_users
    for user, tastes in zip(users.tolist(), derived, strict=True):
        # One sentence for all who have no profile would make them all alike.
        told = () if tastes == (NOTHING,) else tastes
        out[user] = _joined(_persona(world.dataset, user) or told)
    return out


def _persona(dataset: Dataset, user: int) -> list[str]:
    """Tastes and rating habit as they were given; nothing where no tastes were."""
    given = dataset.given
    tastes = [] if given is None or given.tastes is None else list(given.tastes[user])
    if given is None or not "".join(tastes).strip():
        return []
    return tastes if given.rating_habit is None else [*tastes, given.rating_habit[user]]


def _joined(parts: Sequence[str]) -> str:
    """The parts that say something, as sentences of one line."""
    told = [" ".join(part.split()) for part in parts]
    return " ".join(p if p.endswith((".", "!", "?", "…")) else f"{p}." for p in told if p)
