"""Profiles that a chat model wrote for the recommenders of a run, kept with it from its beginning:
a resumed run goes on with those it was begun with, and a recording takes them along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import sqlalchemy as sa

from . import bulk, tables

if TYPE_CHECKING:
    from .store import Store

Written = Mapping[str, Mapping[int, str]]
"""``item`` and ``user`` -> number -> profile, "" where the model said that it knows none."""


def keep(connection: sa.Connection, run_id: int, written: Written) -> None:
    """Those of a run that begins."""
    for about, by_number in written.items():
        columns: dict[str, bulk.Values] = {
            "run_id": run_id,
            "about": about,
            "number": list(by_number),
            "text": list(by_number.values()),
        }
        bulk.insert(connection, tables.texts, columns, len(by_number))


def kept(store: Store, run_id: int) -> Written:
    """What a run was begun with."""
    t, out = tables.texts.c, dict[str, dict[int, str]]()
    query = sa.select(t.about, t.number, t.text).where(t.run_id == run_id)
    with store.engine.connect() as connection:
        for about, number, text in connection.execute(query.order_by(t.about, t.number)):
            out.setdefault(about, {})[int(number)] = text
    return out
