"""A world as the store's columns: its catalogue and its people."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .world import World

IntArray = npt.NDArray[np.int64]


def items(world: World) -> dict[str, Any]:
    """For ``Store.add_items``: the catalogue as agents see it."""
    catalogue, dataset = world.catalogue, world.dataset
    return {
        "item": range(len(catalogue)),
        "item_id": dataset.item_ids,
        "title": catalogue.title,
        "genres": [list(genres) for genres in catalogue.genres],
        "year": catalogue.year,
        "text": catalogue.text,
        "shown_rating": catalogue.shown_rating,
        "popularity": catalogue.popularity,
    }


def people(world: World, row: IntArray) -> dict[str, Any]:
    """For ``Store.add_agents``: these (B,) rows of the audience."""
    audience, profiles = world.audience, world.audience.profiles
    arrival = np.empty(len(audience), dtype=np.int64)
    arrival[world.coming] = np.arange(1, len(audience) + 1)
    agent, rows = audience.agent[row], row.tolist()
    return {
        "agent": agent,
        "user_id": [world.dataset.user_ids[user] for user in agent.tolist()],
        "activity": profiles.activity[row],
        "diversity": profiles.diversity[row],
        "conformity": profiles.conformity[row],
        "activity_value": profiles.activity_value[row],
        "diversity_value": profiles.diversity_value[row],
        "conformity_value": profiles.conformity_value[row],
        "tastes": [list(profiles.tastes[r]) for r in rows],
        "persona": [profiles.persona[r] for r in rows],
        "arrival": arrival[row],
        "taste_popularity": _mean_popularity(world)[row],
    }


def _mean_popularity(world: World) -> npt.NDArray[np.float64]:
    """(N,) over each agent's history, of how often the item is in the training data; NaN for
    an empty history."""
    history = world.audience.history
    popularity = world.catalogue.popularity[history.item].astype(np.float64)
    count = np.diff(history.indptr)
    total = np.bincount(np.repeat(np.arange(len(count)), count), popularity, len(count))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
