"""Who asked first, without regard to timing.

Two arms may ask the identical question. One of them sends it, the others share the reply,
and which one was first depends on the network. Afterwards the question counts as sent where
it stands first in the plan, so that the calls of a run are a function of its scenario, its
seed and the replies.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from . import tables
from .rows import USABLE


class _Question(NamedTuple):
    """Where a question stands, in the order of the plan."""

    position: int
    round: int
    page: int
    agent: int
    kind: str
    arm_id: int


@dataclass
class _Asked:
    """What is known of a question's attempts so far, in order."""

    sent: bool = False
    last_cached: bool = False
    last_outcome: str = ""


def settle(connection: sa.Connection, run_id: int) -> None:
    """Let the first in the plan of those who share a reply be the one that was sent. A
    second time changes nothing."""
    moves = []
    for questions in _shared(connection, run_id).values():
        moves += _moves(questions)
    if moves:
        # Out of the way first, as two questions change places.
        connection.execute(_ASIDE, [_from(old) for old, _ in moves])
        connection.execute(_MOVE, [_from(old) | _to(new) for old, new in moves])


def _shared(connection: sa.Connection, run_id: int) -> dict[str, dict[_Question, _Asked]]:
    """By key: the questions of the run that have it, where both sent and cached ones do."""
    t, a = tables.calls.c, tables.arms.c
    arms = sa.select(a.id).where(a.run_id == run_id)
    cached = sa.func.sum(sa.case((t.cached, 1), else_=0))
    both = (
        sa.select(t.key)
        .where(t.arm_id.in_(arms), tables.KEYED)
        .group_by(t.key)
        .having(cached > 0, cached < sa.func.count())
    )
    query = (
        sa.select(
            *(a.position, t.round, t.page, t.agent, t.kind, t.arm_id),
            *(t.key, t.cached, t.outcome),
        )
        .join(tables.arms, a.id == t.arm_id)
        .where(a.run_id == run_id, tables.KEYED, t.key.in_(both))
        .order_by(t.attempt)
    )
    found: dict[str, dict[_Question, _Asked]] = defaultdict(lambda: defaultdict(_Asked))
    for *place, key, is_cached, outcome in connection.execute(query):
        asked = found[key][_Question(*place)]
        asked.sent |= not is_cached
        asked.last_cached, asked.last_outcome = bool(is_cached), outcome
    return found


def _moves(questions: dict[_Question, _Asked]) -> list[tuple[_Question, _Question]]:
    """From where to where the attempts go. A question that failed, or was sent as well as
    answered from the cache, tells of itself alone and stays."""
    usable = {q: asked for q, asked in questions.items() if asked.last_outcome in USABLE}
    senders = sorted(q for q, asked in usable.items() if asked.sent and not asked.last_cached)
    sharers = sorted(q for q, asked in usable.items() if not asked.sent)
    places = sorted(senders + sharers)
    return (
        [(old, new) for old, new in zip(senders + sharers, places, strict=True) if old != new]
        if senders
        else []
    )


def _from(question: _Question) -> dict[str, int | str]:
    return {f"old_{name}": value for name, value in question._asdict().items()}


def _to(question: _Question) -> dict[str, int | str]:
    return {f"new_{name}": value for name, value in question._asdict().items()}


_PLACE = ("arm_id", "round", "page", "kind")  # the agent is part of what a key stands for

_AT = [tables.calls.c[name] == sa.bindparam(f"old_{name}") for name in (*_PLACE, "agent")]
_ASIDE = tables.calls.update().where(*_AT).values(attempt=-1 - tables.calls.c.attempt)
_MOVE = (
    tables.calls.update()
    .where(*_AT, tables.calls.c.attempt < 0)
    .values(
        attempt=-1 - tables.calls.c.attempt,
        **{name: sa.bindparam(f"new_{name}") for name in _PLACE},
    )
)
