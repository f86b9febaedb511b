"""Finished sessions read from a store a few at a time, with all that the index keeps of them.

Every read is of one batch of one arm and follows the key (arm, round, page, agent), so that
none takes long and none holds much, whatever the size of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from agents.interface import OK

from ..evaluation.simulated import Log, values
from ..storage import tables
from ..storage.frames import read
from ..storage.store import Store

SESSIONS = 2_000
"""In a batch, at most (an agent's rounds stay together)."""

SPARSE = 500
"""Up to so many agents are named one by one; of more, all between the first and the last are
read."""

TEXT = 100_000
"""Characters of a text that are kept for the search."""

SAID = (
    "page reason",
    "page feeling",
    "item reason",
    "item feeling",
    "exit reason",
    "interview",
    "memory",
)
"""Where a text stands, by number."""

TRAITS = ("activity", "diversity", "conformity")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """One arm of one run, and what metrics need to know of the run."""

    store: Store
    run_id: int
    arm_id: int
    genres: tuple[tuple[str, ...], ...]
    rating_scale: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Batch:
    """``sessions``: a row for each, in the order of agent, round: arm_id, round, agent, traits,
    exit_page, shown, watched, liked, satisfaction, return_intent, outcome (of the session, else
    ``interview: OUTCOME`` where that failed), censored, failed and every simulated metric.
    ``watched``: row, item; ``said``: row, where (a place in :data:`SAID`), text; each once."""

    sessions: pd.DataFrame
    watched: pd.DataFrame
    said: pd.DataFrame


def keys(store: Store, arm_id: int) -> pd.DataFrame:
    """round, agent of every session of the arm that has ended."""
    t = tables.sessions.c
    return read(store.engine, sa.select(t.round, t.agent).where(t.arm_id == arm_id))


def count(store: Store, arm_ids: Sequence[int]) -> int:
    """Sessions that have ended."""
    query = sa.select(sa.func.count()).where(tables.sessions.c.arm_id.in_(arm_ids))
    with store.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def batches(source: Source, wanted: pd.DataFrame) -> Iterator[Batch]:
    """``wanted``: round, agent of sessions that have ended, in any order."""
    wanted = wanted.sort_values(["agent", "round"], ignore_index=True)
    start = 0
    while start < len(wanted):
        stop = min(start + SESSIONS, len(wanted))
        while stop < len(wanted) and wanted["agent"][stop] == wanted["agent"][stop - 1]:
            stop += 1
        yield _batch(source, wanted[start:stop].reset_index(drop=True))
        start = stop


def _batch(source: Source, wanted: pd.DataFrame) -> Batch:
    sessions = _sessions(source, wanted)
    exposures = _exposures(source, wanted)
    log = Log(sessions, exposures, source.genres, source.rating_scale)
    found = values(log)
    seen = (log.watched == 1) & (log.session >= 0)
    watched = pd.DataFrame({"row": log.session[seen], "item": exposures["item"].to_numpy()[seen]})
    metrics = found.drop(columns=["arm", "round", "agent"])
    out = sessions.drop(columns=["exit_reason", "interview_reason", "interview_outcome"])
    spoilt = sessions["interview_outcome"].notna() & (sessions["interview_outcome"] != OK)
    spoilt &= sessions["outcome"] == OK
    told = "interview: " + sessions["interview_outcome"].astype(str)
    out = out.assign(outcome=sessions["outcome"].where(~spoilt, told))
    out = out.rename(columns={"arm": "arm_id"})
    named = [name for name in metrics if name not in out]
    return Batch(
        pd.concat([out, metrics[named]], axis=1),
        watched.drop_duplicates(ignore_index=True),
        _said(source, wanted, sessions),
    )


def _sessions(source: Source, wanted: pd.DataFrame) -> pd.DataFrame:
    """``wanted`` with how each session ended and whose it was; ``arm`` is the arm's number."""
    t, i, a = tables.sessions.c, tables.interviews.c, tables.agents.c
    here = sa.and_(t.arm_id == i.arm_id, t.round == i.round, t.agent == i.agent)
    kept = (t.exit_page, t.shown, t.watched, t.liked, t.exit_reason, t.censored, t.outcome)
    query = (
        sa.select(
            t.arm_id.label("arm"),
            t.round,
            t.agent,
            *kept,
            i.satisfaction,
            i.return_intent,
            i.reason.label("interview_reason"),
            i.outcome.label("interview_outcome"),
        )
        .outerjoin(tables.interviews, here)
        .where(*_place(source, t, wanted))
    )
    people = sa.select(a.agent, *(a[name] for name in TRAITS))
    people = people.where(a.run_id == source.run_id, _among(a.agent, wanted))
    out = wanted.merge(read(source.store.engine, query), on=["round", "agent"], how="inner")
    return out.merge(read(source.store.engine, people), on="agent", how="left")


def _exposures(source: Source, wanted: pd.DataFrame) -> pd.DataFrame:
    """What these agents were shown up to their last wanted round: earlier rounds too, since an
    item may be shown again."""
    e = tables.exposures.c
    last = int(wanted["round"].max())
    query = sa.select(e.round, e.page, e.agent, e.slot, e.item, e.watched, e.rating)
    parts = [
        read(source.store.engine, query.where(*_pages(source, e, wanted, number)))
        for number in range(1, last + 1)
    ]
    out = pd.concat(parts, ignore_index=True)
    out = out[out["agent"].isin(wanted["agent"])]
    out = out.sort_values(["agent", "round", "page", "slot"], ignore_index=True)
    return out.assign(arm=source.arm_id)


def _said(source: Source, wanted: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Every text of these sessions: row, where, text."""
    found = [
        sessions[["round", "agent"]].assign(where=SAID.index(where), text=sessions[column])
        for column, where in (("exit_reason", "exit reason"), ("interview_reason", "interview"))
    ]
    p, e, m = tables.pages.c, tables.exposures.c, tables.memories.c
    for number in sorted(set(wanted["round"])):
        for c, columns in (
            (p, {"page": ("reason", "feeling")}),
            (e, {"item": ("reason", "feeling")}),
        ):
            for what, names in columns.items():
                for name in names:
                    query = sa.select(c.round, c.agent, c[name].label("text")).where(
                        *_pages(source, c, wanted, number), c[name].is_not(None)
                    )
                    rows = read(source.store.engine, query)
                    found.append(rows.assign(where=SAID.index(f"{what} {name}")))
        query = sa.select(m.round, m.agent, m.text).where(*_pages(source, m, wanted, number))
        found.append(read(source.store.engine, query).assign(where=SAID.index("memory")))
    out = pd.concat([part for part in found if len(part)], ignore_index=True)
    out = out[out["text"].notna() & (out["text"] != "")]
    rows = sessions[["round", "agent"]].assign(row=np.arange(len(sessions)))
    out = out.merge(rows, on=["round", "agent"])[["row", "where", "text"]]
    return out.assign(text=out["text"].str.slice(0, TEXT)).drop_duplicates(ignore_index=True)


def _place(source: Source, c: Any, wanted: pd.DataFrame) -> list[sa.ColumnElement[bool]]:
    rounds = [int(number) for number in sorted(set(wanted["round"]))]
    return [c.arm_id == source.arm_id, c.round.in_(rounds), _among(c.agent, wanted)]


def _pages(
    source: Source, c: Any, wanted: pd.DataFrame, number: int
) -> list[sa.ColumnElement[bool]]:
    """Of one round, every page named, so that the key is used up to the agent."""
    p = tables.pages.c
    query = sa.select(sa.func.max(p.page)).where(p.arm_id == source.arm_id, p.round == number)
    with source.store.engine.connect() as connection:
        last = int(connection.execute(query).scalar() or 0)
    return [
        c.arm_id == source.arm_id,
        c.round == number,
        c.page.in_(range(1, last + 1)),
        _among(c.agent, wanted),
    ]


def _among(column: sa.ColumnElement[int], wanted: pd.DataFrame) -> sa.ColumnElement[bool]:
    agents: Ints = np.unique(wanted["agent"].to_numpy(dtype=np.int64))
    if len(agents) <= SPARSE:
        return column.in_([int(agent) for agent in agents])
    return column.between(int(agents[0]), int(agents[-1]))
