"""The indexed sessions of one run as arrays: chosen, ordered, and paired between arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ..evaluation.study import read as read_study
from ..storage import tables
from ..storage.queries import Run
from . import session_index
from .session_index import ROWS, Rows, Standing
from .view import View

Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]


def which(view: View, name: str) -> tuple[Run, tuple[str, list[str]] | None]:
    """The run of that name; of a family its first member, with the family's name and all its
    members. InputError where there is none."""
    study = read_study(view.store, name)
    if not study.family:
        return study.first, None
    return study.first, (study.name, [run.name for run in study.members])


@dataclass(frozen=True, eq=False)
class Table:
    """What is there of a run, all of it as of one moment. ``size``: sessions."""

    view: View
    run: Run
    standing: Standing

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {}

    @property
    def size(self) -> int:
        return self.standing.rows

    def column(self, name: str) -> Column:
        """(size,) as ``session_index.KINDS`` has it."""
        if name not in self._columns:
            index, size = self.view.index, self.size  # rows may have come since
            self._columns[name] = session_index.column(index, self.standing.id, name)[:size]
        return self._columns[name]

    @cached_property
    def arms(self) -> dict[str, int]:
        """Their numbers by name, in the order of the scenario."""
        t = tables.arms.c
        query = sa.select(t.name, t.id).where(t.run_id == self.run.id).order_by(t.position)
        with self.view.store.engine.connect() as connection:
            return {str(name): int(number) for name, number in connection.execute(query)}

    @cached_property
    def arm(self) -> Column:
        """(size,) the place of each session's arm."""
        numbers = np.array(list(self.arms.values()), dtype=np.int64)
        order = np.argsort(numbers)
        return order[np.searchsorted(numbers[order], self.column("arm_id"))]

    @cached_property
    def outcomes(self) -> list[str]:
        """By number."""
        query = "SELECT outcome FROM outcomes WHERE visits = ? ORDER BY code"
        rows = self.view.index.connection.execute(query, (self.standing.id,))
        return [str(outcome) for (outcome,) in rows]

    @cached_property
    def rounds(self) -> list[int]:
        return self.levels("round")

    def levels(self, name: str) -> list[int]:
        """The different values of a column of small whole numbers."""
        return [int(value) for value in np.flatnonzero(np.bincount(self.column(name)))]

    def watched(self, items: Sequence[int]) -> Mask:
        """(size,) the sessions that watched any of these."""
        out = np.zeros(self.size, dtype=np.bool_)
        marks = ", ".join("?" * len(items))
        query = f"SELECT body FROM watchers WHERE visits = ? AND item IN ({marks})"
        found = self.view.index.connection.execute(query, (self.standing.id, *items))
        rows = np.frombuffer(b"".join(body for (body,) in found), dtype=ROWS)
        out[rows[rows < self.size]] = True
        return out

    @cached_property
    def noted(self) -> Mask:
        """(size,) the sessions that somebody wrote a note about."""
        t = tables.notes.c
        query = sa.select(t.arm_id, t.round, t.agent).distinct()
        query = query.where(t.arm_id.in_(list(self.arms.values())))
        out = np.zeros(self.size, dtype=np.bool_)
        with self.view.store.engine.connect() as connection:
            for arm, number, agent in connection.execute(query):
                here = np.flatnonzero(self.column("agent") == agent)
                mine = self.column("arm_id")[here] == arm
                out[here[mine & (self.column("round")[here] == number)]] = True
        return out

    def ordered(self, rows: Rows, by: str, down: bool = False) -> Rows:
        """These sessions by a column, what does not exist last; then by arm, round, agent."""
        agent = self.column("agent")[rows].astype(np.int64)
        place = self.arm[rows] * (int(self.column("round").max(initial=0)) + 1)
        place = (place + self.column("round")[rows]) * (int(agent.max(initial=0)) + 1) + agent
        rows = rows[np.argsort(place, kind="stable")]
        if by == "arm":
            return rows[::-1] if down else rows
        key = self._key(by)[rows]
        return rows[np.argsort(-key if down else key, kind="stable")]

    def _key(self, by: str) -> Column:
        """(size,) numbers in the order that is meant."""
        if by == "outcome":
            rank = np.argsort(np.argsort(self.outcomes))
            return np.asarray(rank[self.column("outcome")], dtype=np.float64)
        return self.column(by).astype(np.float64)


def table(view: View, run: Run) -> Table | None:
    """None where nothing has been read yet; asked for either way."""
    now = session_index.brought_up(view, run)
    return None if now is None else Table(view, run, now)


def titles(view: View, run: Run) -> dict[int, str]:
    """The catalogue's titles by number."""
    return _titles(view, run.id, run.created_at)


@lru_cache(maxsize=4)
def _titles(view: View, run_id: int, _created: str) -> dict[int, str]:
    t = tables.items.c
    query = sa.select(t.item, t.title).where(t.run_id == run_id)
    with view.store.engine.connect() as connection:
        return {int(item): str(title) for item, title in connection.execute(query)}


def people(view: View, run: Run, agents: Sequence[int]) -> dict[int, str]:
    """The source's own ids of some agents."""
    t = tables.agents.c
    wanted = sorted(set(map(int, agents)))
    query = sa.select(t.agent, t.user_id).where(t.run_id == run.id, t.agent.in_(wanted))
    with view.store.engine.connect() as connection:
        return {int(agent): str(user) for agent, user in connection.execute(query)}


def reasons(
    view: View, sessions: Sequence[tuple[int, int, int]]
) -> dict[tuple[int, int, int], str]:
    """Why each of some sessions (arm, round, agent) ended, in its own words."""
    t = tables.sessions.c
    places: dict[tuple[int, int], list[int]] = {}
    for arm, number, agent in sessions:
        places.setdefault((arm, number), []).append(agent)
    out = {}
    with view.store.engine.connect() as connection:
        for (arm, number), agents in places.items():
            query = sa.select(t.agent, t.exit_reason).where(
                t.arm_id == arm, t.round == number, t.agent.in_(agents)
            )
            for agent, reason in connection.execute(query):
                out[arm, number, int(agent)] = str(reason or "")
    return out
