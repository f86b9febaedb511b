"""The calls by which users' tastes are written: kept in the store, beside those of runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from agents.interface import Call, Place

from . import bulk, tables
from .rows import USABLE, call_columns
from .store import Store

_FIELDS = [c.name for c in tables.profile_calls.columns if c.name not in ("id", "agent")]


class ProfileLedger:
    """An :class:`agents.interface.Ledger` of calls that belong to no run: what is usable is
    found by its key, whoever asked; what failed is asked again. Places mean nothing.

    ``agent_of_row`` (N,) turns the rows of calls into agents.
    """

    closed = False

    def __init__(self, store: Store, agent_of_row: npt.NDArray[np.int64]) -> None:
        self._store = store
        self._agent = [int(agent) for agent in agent_of_row]

    def logged(self, place: Place, row: int, page: int, kind: str) -> Sequence[Call]:
        """Nothing: there is no run to go on with."""
        return []

    def known(self, key: str) -> Call | None:
        """The newest usable reply to this question; its ``row`` is -1."""
        t = tables.profile_calls.c
        query = sa.select(*[t[name] for name in _FIELDS]).where(t.key == key, t.outcome.in_(USABLE))
        with self._store.engine.connect() as connection:
            found = connection.execute(query.order_by(t.id.desc()).limit(1)).mappings().first()
        return None if found is None else Call(row=-1, page=0, kind="profile", **found)

    def write(self, calls: Sequence[tuple[Place, Call]]) -> None:
        """Keep what was sent; what was known already is there."""
        sent = [call for _, call in calls if not call.cached]
        columns = call_columns(sent, [self._agent[call.row] for call in sent])
        kept = {name: columns[name] for name in ("agent", *_FIELDS)}
        if sent:
            with self._store.transaction() as connection:
                bulk.insert(connection, tables.profile_calls, kept, len(sent))
