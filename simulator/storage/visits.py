"""One agent's rows in a run, looked up by their keys: the same few milliseconds in a store of
a hundred agents and of a hundred thousand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import InputError
from . import keyed, tables
from .queries import Run
from .store import Store

Row = Mapping[str, Any]

_ORDER = ("round", "page", "slot", "position", "kind", "attempt")


@dataclass(frozen=True)
class Visits:
    """What there is of one agent, in the order of arm, round, page and slot or position. Rows
    are those of the tables, with ``arm``, the arm's name, for ``arm_id``; a session has its
    interview's satisfaction, return_intent, interview_reason and interview_outcome (None
    without one). ``items`` by number: all that were shown."""

    pages: Sequence[Row]
    exposures: Sequence[Row]
    memories: Sequence[Row]
    sessions: Sequence[Row]
    items: Mapping[int, Row]


def agent(store: Store, run: Run, number: int) -> Row:
    """The profile of an agent; InputError, naming some that there are, for no such agent."""
    c = tables.agents.c
    of_run = c.run_id == run.id
    with store.engine.connect() as connection:
        query = sa.select(tables.agents).where(of_run, c.agent == number)
        found = connection.execute(query).mappings().one_or_none()
        if found is not None:
            return dict(found)
        count = connection.scalar(sa.select(sa.func.count()).where(of_run)) or 0
        first = connection.scalars(sa.select(c.agent).where(of_run).order_by(c.agent).limit(8))
        few = ", ".join(map(str, first)) + (", ..." if count > 8 else "")
    raise InputError(
        run.name,
        key="agent",
        found=str(number),
        allowed=f"one of its {count:,} agents: {few}" if count else "it has no agents",
    )


def visits(
    store: Store, run: Run, number: int, arm: str | None = None, round_: int | None = None
) -> Visits:
    """Of agent ``number`` in one arm or (None) in all, in one round or (None) in all."""
    with store.engine.connect() as connection:
        look = _Look(connection, run, number, arm, round_)
        # While a run writes: what is written last is read first, so that nothing is read of
        # which a part is not there yet.
        ended = look.rows(_sessions())
        pages = look.rows(sa.select(tables.pages))
        exposures = look.rows(sa.select(tables.exposures))
        return Visits(
            pages=pages,
            exposures=exposures,
            memories=look.rows(sa.select(tables.memories)),
            sessions=ended,
            items=_items(connection, run.id, {row["item"] for row in exposures}),
        )


def sessions(store: Store, run: Run, number: int) -> Sequence[Row]:
    """How the agent's visits ended, in all arms and rounds; as in :class:`Visits`."""
    with store.engine.connect() as connection:
        return _Look(connection, run, number, None, None).rows(_sessions())


def calls(
    store: Store, run: Run, number: int, arm: str | None = None, **where: int | str | None
) -> Sequence[Row]:
    """The agent's requests to a chat model in one arm or (None) in all; ``where``: of that
    round, page, kind, attempt, as far as they are given."""
    columns = [column for column in tables.calls.columns if column.name != "id"]
    query = sa.select(*columns)
    for name, value in where.items():
        if value is not None:
            query = query.where(tables.calls.c[name] == value)
    with store.engine.connect() as connection:
        return _Look(connection, run, number, arm, None).rows(query)


def shown(store: Store, run: Run, number: int, arm: str, round_: int, page: int) -> Sequence[Row]:
    """The items of one page, from the top slot down."""
    e, i, a = tables.exposures.c, tables.items.c, tables.arms.c
    arm_id = sa.select(a.id).where(a.run_id == run.id, a.name == arm).scalar_subquery()
    there = (e.arm_id == arm_id, e.round == round_, e.page == page, e.agent == number)
    query = (
        sa.select(tables.items)
        .join(tables.exposures, sa.and_(i.run_id == run.id, i.item == e.item))
        .where(*there)
        .order_by(e.slot)
    )
    with store.engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def begun(store: Store, run: Run, number: int) -> list[tuple[str, int]]:
    """The (arm, round) of every visit of which there is a page."""
    with store.engine.connect() as connection:
        c = tables.pages.c
        query = sa.select(c.arm_id, c.round, c.page, c.agent).where(c.page == 1)
        rows = _Look(connection, run, number, None, None).rows(query)
        return [(row["arm"], row["round"]) for row in rows]


def beside(
    store: Store, run: Run, number: int, arm: str, round_: int, also: str | None = None
) -> tuple[int | None, int | None]:
    """The agents before and after this one among those who visited ``arm`` (and ``also``) in
    that round."""
    first, other = tables.pages.alias(), tables.pages.alias()
    agent = first.c.agent
    query = sa.select(agent).where(*_there(first, run, arm, round_))
    before, after = query.where(agent < number), query.where(agent > number)
    if also is not None:
        # The bound is said of both, since it does not follow for a planner.
        same = (other.c.agent == agent, *_there(other, run, also, round_))
        known = sa.select(other.c.agent).where(*same)
        before = before.where(sa.exists(known.where(other.c.agent < number)))
        after = after.where(sa.exists(known.where(other.c.agent > number)))
    with store.engine.connect() as connection:
        return (
            connection.scalar(before.order_by(agent.desc()).limit(1)),
            connection.scalar(after.order_by(agent).limit(1)),
        )


def _there(pages: Any, run: Run, arm: str, round_: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Of everybody who visited an arm there is a first page."""
    a, c = tables.arms.c, pages.c
    arm_id = sa.select(a.id).where(a.run_id == run.id, a.name == arm).scalar_subquery()
    return c.arm_id == arm_id, c.round == round_, c.page == 1


class _Look:
    """One connection's look at one agent."""

    def __init__(
        self,
        connection: sa.Connection,
        run: Run,
        number: int,
        arm: str | None,
        round_: int | None,
    ) -> None:
        self._connection, self._number, self._round = connection, number, round_
        a = tables.arms.c
        query = sa.select(a.id, a.name).where(a.run_id == run.id).order_by(a.position)
        names = {row.id: row.name for row in connection.execute(query)}
        self._names = {i: name for i, name in names.items() if arm is None or name == arm}
        if arm is not None and not self._names:
            allowed = ", ".join(names.values())
            raise InputError(run.name, key="arm", found=repr(arm), allowed=allowed)
        self._ends = keyed.ends(connection, list(self._names))

    def rows(self, query: sa.Select[Any]) -> list[Row]:
        c = query.selected_columns
        where = keyed.one(c, list(self._names), self._number, self._ends)
        if self._round is not None:
            where.append(c["round"] == self._round)
        found = list(self._connection.execute(query.where(*where)).mappings())
        place = {arm_id: position for position, arm_id in enumerate(self._names)}
        order = [name for name in _ORDER if name in c]
        found.sort(key=lambda row: (place[row["arm_id"]], *(row[name] for name in order)))
        out: list[Row] = []
        for row in found:
            values = dict(row)
            out.append({"arm": self._names[values.pop("arm_id")], **values})
        return out


def _sessions() -> sa.Select[Any]:
    t, i = tables.sessions.c, tables.interviews.c
    same = sa.and_(t.arm_id == i.arm_id, t.round == i.round, t.agent == i.agent)
    return sa.select(
        *tables.sessions.columns,
        i.satisfaction,
        i.return_intent,
        i.reason.label("interview_reason"),
        i.outcome.label("interview_outcome"),
    ).outerjoin(tables.interviews, same)


def _items(connection: sa.Connection, run_id: int, among: set[int]) -> dict[int, Row]:
    c = tables.items.c
    query = sa.select(tables.items).where(c.run_id == run_id, c.item.in_(sorted(among)))
    return {row["item"]: dict(row) for row in connection.execute(query).mappings()}
