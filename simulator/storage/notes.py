"""What comes with a page or an interview: memories and calls, in the same transaction.

An agent's memories of a page are numbered in the order noted, those of its interview after
those of its last page. They always come with the page or interview they belong to: when
that is in the store already, so are they, and nothing of it is written again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from agents.interface import Call, MemoryEntry

from . import bulk, tables
from .rows import call_columns, memory_columns

IntArray = npt.NDArray[np.int64]
Place = Mapping[str, bulk.Values]


def already_there(
    connection: sa.Connection, table: sa.Table, place: Place, agent: IntArray
) -> set[int]:
    """Those of ``agent`` (B,) who have a row of ``table`` (pages or interviews) there."""
    if not len(agent):
        return set()
    # A range of the key: a list of thousands would be more than a statement takes.
    c = table.c
    among = c.agent.between(int(agent.min()), int(agent.max()))
    query = sa.select(c.agent).where(among, *(c[name] == value for name, value in place.items()))
    return set(connection.scalars(query))


def add_notes(
    connection: sa.Connection,
    place: Place,
    memories: Sequence[MemoryEntry],
    calls: Sequence[Call],
    agent_of_row: IntArray | None,
    *,
    page: int | None,
    done: Collection[int],
    again: bool,
) -> None:
    """Memories of one ``page``, or of interviews where it is None, and calls. Memories of
    agents who are ``done`` are in the store; ``again``: so may some of the calls be."""
    if not memories and not calls:
        return
    if agent_of_row is None:
        raise ValueError("memories and calls need agent_of_row")
    if page is not None and (others := {entry.page for entry in memories} - {page}):
        raise ValueError(f"memories of page {sorted(others)} do not come with page {page}")
    fresh = [entry for entry in memories if int(agent_of_row[entry.row]) not in done]
    if fresh:
        agent = agent_of_row[[entry.row for entry in fresh]].tolist()
        last = _last(connection, place, fresh) if page is None else {}
        columns = memory_columns(fresh, agent, last)
        bulk.insert(connection, tables.memories, {**place, **columns}, len(fresh))
    if calls:
        columns = call_columns(calls, agent_of_row[[call.row for call in calls]])
        bulk.insert(connection, tables.calls, {**place, **columns}, len(calls), again=again)


def _last(
    connection: sa.Connection, place: Place, memories: Sequence[MemoryEntry]
) -> dict[tuple[int, int], int]:
    """The last position by (page, agent)."""
    c = tables.memories.c
    pages = {entry.page for entry in memories}
    query: sa.Select[Any] = (
        sa.select(c.page, c.agent, sa.func.max(c.position))
        .where(c.arm_id == place["arm_id"], c.round == place["round"], c.page.in_(pages))
        .group_by(c.page, c.agent)
    )
    return {(page, agent): position for page, agent, position in connection.execute(query)}
