"""What a store already holds of a scenario."""

from __future__ import annotations

import sqlalchemy as sa

from . import queries, tables
from .store import Store


def finished(store: Store, identity: str, members: int = 1) -> str | None:
    """The latest finished run of an identity, or family with as many finished ``members``;
    None where there is none."""
    if members > 1:
        return _family(store, identity, members)
    t = tables.runs.c
    query = (
        sa.select(t.name)
        .where(t.identity == identity, t.status == "finished")
        .order_by(t.id.desc())
        .limit(1)
    )
    with store.engine.connect() as connection:
        found = connection.scalar(query)
    return None if found is None else str(found)


def _family(store: Store, identity: str, members: int) -> str | None:
    t = tables.families.c
    query = sa.select(t.name).where(t.identity == identity).order_by(t.created_at.desc())
    with store.engine.connect() as connection:
        names = [str(name) for name in connection.scalars(query)]
    for name in names:
        runs = queries.family(store, name)
        if len(runs) == members and all(run.status == "finished" for run in runs):
            return name
    return None


def names(store: Store) -> list[str]:
    """Of all runs and families, the oldest first, families behind."""
    with store.engine.connect() as connection:
        runs = list(connection.scalars(sa.select(tables.runs.c.name).order_by(tables.runs.c.id)))
        families = connection.scalars(
            sa.select(tables.families.c.name).order_by(tables.families.c.created_at)
        )
        return [*map(str, runs), *map(str, families)]
