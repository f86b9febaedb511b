"""Where one agent's rows stand, so that they are looked up and not looked for.

The keys of what happens page by page begin (arm, round, page, agent): with a list of the
rounds and pages there are, a query for one agent is a few steps down the key's tree, whatever
the size of the audience.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from . import tables

_AT_ONCE = 500
"""Subqueries in one statement."""


@dataclass(frozen=True)
class Ends:
    """The last round and the last page that anybody in some arms has seen; 0 before any."""

    round: int
    page: int


def ends(connection: sa.Connection, arm_ids: Sequence[int]) -> Ends:
    """Looked up at the ends of stretches of the key of pages."""
    p = tables.pages.c
    rounds = _asked(connection, [_last(p.round, p.arm_id == arm_id) for arm_id in arm_ids])
    pages = [
        _last(p.page, p.arm_id == arm_id, p.round == number)
        for arm_id, last in zip(arm_ids, rounds, strict=True)
        for number in range(1, last + 1)
    ]
    return Ends(max(rounds, default=0), max(_asked(connection, pages), default=0))


def one(c: Any, arm_ids: Sequence[int], agent: int, last: Ends) -> list[sa.ColumnElement[bool]]:
    """Conditions on columns ``c`` of a table for the rows of one agent in these arms."""
    rounds = range(1, last.round + 1)
    among = [c["arm_id"].in_(list(arm_ids)), c["round"].in_(rounds), c["agent"] == agent]
    # Calls are kept by agent before page.
    if "page" in c and "attempt" not in c:
        among.append(c["page"].in_(range(1, last.page + 1)))
    return among


def chosen(
    engine: sa.Engine, c: Any, arm_ids: Sequence[int], agent: int | Sequence[int] | None
) -> list[sa.ColumnElement[bool]]:
    """The same for one agent, or several, or all (None)."""
    if isinstance(agent, int):
        with engine.connect() as connection:
            return one(c, arm_ids, agent, ends(connection, arm_ids))
    among = [c["arm_id"].in_(list(arm_ids))]
    return among if agent is None else [*among, c["agent"].in_(list(agent))]


def _last(column: sa.Column[int], *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.max(column)).where(*where).scalar_subquery()


def _asked(connection: sa.Connection, questions: Sequence[sa.ScalarSelect[int]]) -> list[int]:
    """The answers, 0 where there is none."""
    out: list[int] = []
    for start in range(0, len(questions), _AT_ONCE):
        few = questions[start : start + _AT_ONCE]
        asked = [question.label(f"q{place}") for place, question in enumerate(few)]
        out.extend(found or 0 for found in connection.execute(sa.select(*asked)).one())
    return out
