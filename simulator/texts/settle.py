"""Profiles as vectors, given to a world before its arms are trained.

A world is built without a store and without asking anybody; what trains arms lets its world be
settled first, where an arm reads profiles.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recommenders.interface import FloatArray, Texts

from ..embeddings.kept import embedded
from ..progress import Progress
from ..storage.store import Store
from ..world import World
from . import own
from .wanted import embedding as chosen
from .wanted import readers


@dataclass(frozen=True, eq=False)
class Settled:
    """The world with ``texts``, and what they are, for the facts of a run."""

    world: World
    facts: dict[str, Any] = field(default_factory=dict)


def settle(world: World, store: Store, progress: Progress, *, closed: bool = False) -> Settled:
    """Profiles of all items, and of all users with training data, embedded together; the same
    world where no arm reads them. ``closed``: nothing is sent, as in a replay. Raises InputError
    and AuditionError."""
    if not readers(world.scenario, world.file):
        return Settled(world)
    items, users = own.item_texts(world.dataset), own.user_texts(world)
    with closing(chosen(world.scenario, world.file)) as embedding:
        found = embedded(embedding, [*items, *users], store, progress, closed=closed)
        counted = f", {embedding.tokens:,} tokens" if embedding.tokens else ""
    # One embedding of both: in one space, and of one vocabulary.
    texts = Texts(found.vectors[: len(items)], found.vectors[len(items) :])
    facts = {
        "items": _counted(texts.items),
        "users": _counted(texts.users),
        "embedding": embedding.name,
        "dimensions": int(found.vectors.shape[1]),
    }
    sent = f", {found.found:,} texts known, {found.sent:,} sent" if embedding.by_text else ""
    progress.say(
        f"texts: {_told(texts.items, 'items')}, {_told(texts.users, 'users')}; "
        f"{embedding.name}{sent}{counted}"
    )
    return Settled(replace(world, texts=texts), {"texts": facts})


def _counted(vectors: FloatArray) -> dict[str, int]:
    there = int(np.any(vectors, axis=1).sum())
    return {"derived": there, "without": len(vectors) - there}


def _told(vectors: FloatArray, what: str) -> str:
    counted = _counted(vectors)
    without = f" ({counted['without']:,} without)" if counted["without"] else ""
    return f"{counted['derived']:,} {what}{without}"
