"""What people noted about pages: believable or not, and why.

A note belongs to one page that one agent saw in one arm of one run. It is no part of what the
simulation wrote: it can be changed and deleted, and a run is resumed, compared and summed up
without it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from ..errors import InputError
from . import queries, tables
from .frames import read
from .store import Store

BELIEVABLE, NOT_BELIEVABLE = "believable", "not believable"
VERDICTS = (BELIEVABLE, NOT_BELIEVABLE)

LONGEST_TEXT, LONGEST_AUTHOR = 4_000, 80
"""Characters."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""All but the tab and the end of a line; PostgreSQL keeps no NUL, UTF-8 no surrogate."""


@dataclass(frozen=True)
class Seen:
    """A page that an agent saw."""

    arm: str
    round: int
    agent: int
    page: int


@dataclass(frozen=True)
class Note:
    """``written_at``: ISO 8601, UTC, when it was written or last changed."""

    id: int
    run: str
    arm: str
    round: int
    agent: int
    page: int
    verdict: str
    text: str
    author: str
    written_at: str

    @property
    def seen(self) -> Seen:
        """The page it is about."""
        return Seen(self.arm, self.round, self.agent, self.page)


@dataclass(frozen=True)
class Counts:
    """Of one run: notes by verdict, and how many pages and agents they are about."""

    believable: int
    not_believable: int
    pages: int
    agents: int

    @property
    def notes(self) -> int:
        """All of them."""
        return self.believable + self.not_believable


def check(store: Store, run: str, seen: Seen) -> int:
    """The number of the arm of a page; InputError for a page that is not in the run."""
    t, p = tables.arms.c, tables.pages.c
    arm = sa.select(t.id).where(t.run_id == queries.run(store, run).id, t.name == seen.arm)
    with store.engine.connect() as connection:
        arm_id = connection.scalar(arm)
        key = (p.arm_id == arm_id, p.round == seen.round, p.page == seen.page)
        there = sa.select(sa.true()).where(*key, p.agent == seen.agent)
        if arm_id is not None and connection.scalar(there):
            return int(arm_id)
    where = f"page {seen.page} of agent {seen.agent} in arm {seen.arm!r}, round {seen.round}"
    raise InputError(run, key="page", found=where, allowed="a page that the agent saw")


def add(
    store: Store, run: str, seen: Seen, *, verdict: str, text: str = "", author: str = ""
) -> int:
    """A new note; returns its number. Raises InputError for a page that is not in the run, a
    verdict other than :data:`VERDICTS` or a text that is too long."""
    place = {"arm_id": check(store, run, seen), "round": seen.round, "page": seen.page}
    values = {**place, "agent": seen.agent, **_checked(verdict, text, author)}
    with store.transaction() as connection:
        made = tables.notes.insert().values(**values).returning(tables.notes.c.id)
        return int(connection.execute(made).scalar_one())


def change(store: Store, run: str, note: int, *, verdict: str, text: str, author: str) -> Note:
    """Say something else; InputError as :func:`add`, and for a note that is not there."""
    values, among = _checked(verdict, text, author), _of(store, run)
    with store.transaction() as connection:
        connection.execute(tables.notes.update().where(_is(note), among).values(**values))
    return find(store, run, note)


def delete(store: Store, run: str, note: int) -> Note:
    """Take a note away; returns what it was. InputError where it is not there."""
    gone, among = find(store, run, note), _of(store, run)
    with store.transaction() as connection:
        connection.execute(tables.notes.delete().where(_is(note), among))
    return gone


def find(store: Store, run: str, note: int) -> Note:
    """One note of a run or family; InputError where it is not there."""
    for found in _rows(store, _query(store, run).where(_is(note))):
        return found
    raise InputError(run, key="note", found=str(note), allowed="a note of this run")


def listed(
    store: Store,
    run: str,
    *,
    verdict: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Note]:
    """The notes of a run or of a family's runs, the latest first; one verdict only, a part
    only."""
    t = tables.notes.c
    query = _query(store, run).order_by(t.written_at.desc(), t.id.desc())
    if verdict is not None:
        query = query.where(t.verdict == verdict)
    return _rows(store, query.limit(limit).offset(offset))


def of_agent(store: Store, run: str, agent: int) -> list[Note]:
    """All notes about one agent's pages in a run, the oldest first."""
    t = tables.notes.c
    return _rows(store, _query(store, run).where(t.agent == agent).order_by(t.written_at, t.id))


def by_page(store: Store, run: str, agent: int) -> dict[tuple[str, int, int], list[Note]]:
    """The notes about an agent by (arm, round, page), the oldest first; for a page without
    any, an empty list."""
    out: dict[tuple[str, int, int], list[Note]] = defaultdict(list)
    for note in of_agent(store, run, agent):
        out[note.arm, note.round, note.page].append(note)
    return out


def of_page(store: Store, run: str, seen: Seen) -> list[Note]:
    """The notes about one page, the oldest first."""
    return [note for note in of_agent(store, run, seen.agent) if note.seen == seen]


def counts(store: Store, run: str) -> Counts:
    """How many notes a run has, or the runs of a family together; InputError where there is
    no such run."""
    t, among = tables.notes.c, _of(store, run)
    pages = sa.select(t.arm_id, t.round, t.agent, t.page).where(among).distinct().subquery()
    told = sa.select(t.verdict, sa.func.count()).where(among).group_by(t.verdict)
    with store.engine.connect() as connection:
        by_verdict = {str(verdict): int(n) for verdict, n in connection.execute(told)}
        n_pages, n_agents = connection.execute(
            sa.select(sa.func.count(), sa.func.count(pages.c.agent.distinct()))
        ).one()
    return Counts(
        believable=by_verdict.get(BELIEVABLE, 0),
        not_believable=by_verdict.get(NOT_BELIEVABLE, 0),
        pages=int(n_pages),
        agents=int(n_agents),
    )


def frame(store: Store, run: str | None = None) -> pd.DataFrame:
    """arm, round, agent, page, verdict, text, author, written_at; by page, then as written."""
    t, a = tables.notes.c, tables.arms.c
    order = (a.position, t.round, t.agent, t.page, t.written_at, t.id)
    columns = [column for column in _COLUMNS if column.key not in ("id", "run")]
    query = _query(store, queries.run(store, run).name).with_only_columns(*columns)
    return read(store.engine, query.order_by(*order))


def _checked(verdict: str, text: str, author: str) -> dict[str, Any]:
    """The columns that a person fills."""
    if verdict not in VERDICTS:
        raise InputError("note", key="verdict", found=repr(verdict), allowed=" or ".join(VERDICTS))
    told = {
        "text": _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _lines(text)).strip(),
        "author": _CONTROL.sub("\N{REPLACEMENT CHARACTER}", " ".join(author.split())),
    }
    for key, most in (("text", LONGEST_TEXT), ("author", LONGEST_AUTHOR)):
        if len(told[key]) > most:
            raise InputError(
                "note", key=key, found=f"{len(told[key]):,} characters", allowed=f"up to {most:,}"
            )
    return {"verdict": verdict, **told, "written_at": datetime.now(UTC).isoformat()}


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is(note: int) -> sa.ColumnElement[bool]:
    return tables.notes.c.id == note


def _of(store: Store, run: str) -> sa.ColumnElement[bool]:
    """That a note belongs to a run, or to one of a family; InputError where there is none."""
    if not (members := queries.family(store, run)):
        members = [queries.run(store, run)]
    t = tables.arms.c
    arms = sa.select(t.id).where(t.run_id.in_([member.id for member in members]))
    return tables.notes.c.arm_id.in_(arms)


_N = tables.notes.c
_COLUMNS = (
    *(_N.id, tables.runs.c.name.label("run"), tables.arms.c.name.label("arm")),
    *(_N.round, _N.agent, _N.page, _N.verdict, _N.text, _N.author, _N.written_at),
)


def _query(store: Store, run: str) -> sa.Select[Any]:
    return (
        sa.select(*_COLUMNS)
        .join(tables.arms, tables.arms.c.id == _N.arm_id)
        .join(tables.runs, tables.runs.c.id == tables.arms.c.run_id)
        .where(_of(store, run))
    )


def _rows(store: Store, query: sa.Select[Any]) -> list[Note]:
    with store.engine.connect() as connection:
        return [Note(**row) for row in connection.execute(query).mappings()]
