"""Profiles as vectors, given to a world before its arms are trained.

A world is built without a store and without asking anybody; what trains arms lets its world be
settled first, where an arm reads profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from agents.interface import Spent
from recommenders.interface import FloatArray, Texts

from ..embeddings.kept import embedded
from ..progress import Progress
from ..storage.run_texts import Written
from ..storage.store import Store
from ..world import World
from . import own
from .wanted import embedding as chosen
from .wanted import readers, written
from .write import Profiles, applied, write


@dataclass(frozen=True, eq=False)
class Settled:
    """The world with ``texts``; what was ``written`` for it, which a run keeps; what they are,
    for the facts of a run; and what asking took."""

    world: World
    written: Written = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)


def settle(
    world: World,
    store: Store,
    progress: Progress,
    *,
    kept: Written | None = None,
    used: Spent | None = None,
    closed: bool = False,
) -> Settled:
    """Profiles of all items, and of all users with training data, embedded together; the same
    world where no arm reads them. What a model is to write is ``kept`` from an earlier stint or
    a recording, or is asked for now, of a budget of which ``used`` is gone. ``closed``: nothing
    is embedded elsewhere, as in a replay. Raises InputError, AuditionError and BudgetError."""
    arms = readers(world.scenario, world.file)
    if not arms:
        return Settled(world)
    items, users = own.item_texts(world.dataset), own.user_texts(world)
    found = Profiles()
    if written(world.scenario):
        found = write(world, items, users, store, progress, used) if kept is None else of(kept)
    by_item, by_user = found.written.get("item", {}), found.written.get("user", {})
    items, users = applied(items, by_item), applied(users, by_user)
    with closing(chosen(world.scenario, world.file)) as embedding:
        made = embedded(embedding, [*items, *users], store, progress, closed=closed)
        counted = f", {embedding.tokens:,} tokens" if embedding.tokens else ""
    # One embedding of both: in one space, and of one vocabulary.
    texts = Texts(made.vectors[: len(items)], made.vectors[len(items) :])
    facts: dict[str, Any] = {
        "arms": arms,
        "items": _counted(texts.items, by_item),
        "users": _counted(texts.users, by_user),
        "embedding": embedding.name,
        "dimensions": int(made.vectors.shape[1]),
    }
    sent = f", {made.found:,} texts known, {made.sent:,} sent" if embedding.by_text else ""
    progress.say(
        f"texts: {_told(facts['items'], 'items')}, {_told(facts['users'], 'users')}; "
        f"{embedding.name}{sent}{counted}"
    )
    if written(world.scenario):
        for about, failures in found.failures.items():
            facts[f"{about}s"]["failures"] = dict(sorted(failures.items()))
        facts |= asdict(found.spent)
    return Settled(replace(world, texts=texts), found.written, {"texts": facts}, found.spent)


def of(kept: Written) -> Profiles:
    """Those that were written before, for which nothing is owed any more."""
    return Profiles({about: dict(some) for about, some in kept.items()})


def _counted(vectors: FloatArray, by_number: Mapping[int, str]) -> dict[str, Any]:
    """How many have a profile that a model wrote, or the data's own, or none (a row of zeros)."""
    there = np.any(vectors, axis=1)
    wrote = sum(bool(there[number]) for number in by_number)
    return {
        "written": wrote,
        "derived": int(there.sum()) - wrote,
        "without": int((~there).sum()),
    }


def _told(counted: Mapping[str, int], what: str) -> str:
    parts = [f"{counted['written']:,} written"] if counted["written"] else []
    parts += [f"{counted['derived']:,} of the data's own"] if counted["derived"] else []
    parts += [f"{counted['without']:,} without"] if counted["without"] else []
    return f"{what} {', '.join(parts) or 'none'}"
