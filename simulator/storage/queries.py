"""Everything that is read from a store, as pandas frames with arms by name.

``arm`` is an ordered category in the scenario's order. Rows come in the order of arm,
round, agent, page, slot (as far as a frame has them). Booleans that can be missing have
the dtype ``boolean``, numbers that can be missing are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from agents.interface import Spent
from agents.response.question import GAVE_UP

from ..errors import InputError
from . import keyed, tables
from .frames import read
from .rows import USABLE
from .store import Store


@dataclass(frozen=True)
class Run:
    """One row of ``runs``: what was asked, with which code, and how it ended."""

    id: int
    name: str
    status: str
    seed: int
    scenario: dict[str, Any]
    scenario_file: str
    versions: dict[str, str]
    dataset: dict[str, Any]
    schema_version: str
    created_at: str
    finished_at: str | None
    error: str | None
    spent_seconds: float
    identity: str
    family: str | None = None
    world: int = 1
    replicate: int = 1


def run(store: Store, name: str | None = None) -> Run:
    """One run by name, the latest when ``name`` is None; InputError if there is none."""
    query = sa.select(tables.runs).order_by(tables.runs.c.id.desc()).limit(1)
    if name is not None:
        query = query.where(tables.runs.c.name == name)
    with store.engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
        if row is not None:
            return Run(**{field.name: row[field.name] for field in fields(Run)})
        there = list(connection.scalars(sa.select(tables.runs.c.name).order_by(tables.runs.c.id)))
    if name is None:
        raise InputError(store.name, found="no runs", fix="audition run SCENARIO.yaml")
    raise InputError(
        store.name, key="run", found=repr(name), allowed=", ".join(there) or "none there yet"
    )


def family(store: Store, name: str) -> list[Run]:
    """The members of a family that were begun, in order of (world, replicate); none where
    there is no family of that name."""
    t = tables.runs.c
    query = sa.select(tables.runs).where(t.family == name).order_by(t.world, t.replicate)
    with store.engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    return [Run(**{field.name: row[field.name] for field in fields(Run)}) for row in rows]


def runs(store: Store) -> pd.DataFrame:
    """name, status, seed, agents (count), arms (names), scenario_file, created_at,
    finished_at, error, family (NaN for a run of its own), world, replicate; the oldest
    first."""
    t, a, b = tables.runs.c, tables.agents.c, tables.arms.c
    audience = sa.select(a.run_id, sa.func.count().label("n")).group_by(a.run_id).subquery()
    first = (t.name, t.status, t.seed, sa.func.coalesce(audience.c.n, 0).label("agents"))
    last = (t.scenario_file, t.created_at, t.finished_at, t.error, t.family, t.world, t.replicate)
    query = (
        sa.select(t.id, *first, *last).outerjoin(audience, audience.c.run_id == t.id).order_by(t.id)
    )
    frame = read(store.engine, query)
    names: dict[int, list[str]] = {run_id: [] for run_id in frame["id"]}
    with store.engine.connect() as connection:
        for run_id, arm in connection.execute(
            sa.select(b.run_id, b.name).order_by(b.run_id, b.position)
        ):
            if run_id in names:  # else begun since the first query
                names[run_id].append(arm)
    frame.insert(4, "arms", [tuple(names[run_id]) for run_id in frame.pop("id")])
    return frame


def arms(store: Store, name: str | None = None) -> pd.DataFrame:
    """arm, position, recommender, settings, is_control, fit_report, seconds."""
    t = tables.arms.c
    query = (
        sa.select(
            t.id.label("arm_id"),
            t.name.label("arm"),
            t.position,
            t.recommender,
            t.settings,
            t.is_control,
            t.fit_report,
            t.train_seconds,
            t.simulate_seconds,
        )
        .where(t.run_id == run(store, name).id)
        .order_by(t.position)
    )
    frame = read(store.engine, query)
    frame["arm"] = pd.Categorical(frame["arm"], categories=list(frame["arm"]), ordered=True)
    return frame


def agents(store: Store, name: str | None = None) -> pd.DataFrame:
    """The audience: agent, user_id, traits, tastes, persona, arrival, taste_popularity."""
    return _of_run(store, tables.agents, name)


def items(store: Store, name: str | None = None) -> pd.DataFrame:
    """The catalogue: item, item_id, title, genres, year, text, shown_rating, popularity."""
    return _of_run(store, tables.items, name)


def sessions(
    store: Store, name: str | None = None, *, agent: int | Sequence[int] | None = None
) -> pd.DataFrame:
    """One row for each (arm, round, agent): how the visit ended, n_rated and rating_sum of
    its ratings, satisfaction and return_intent of its interview (interview_outcome)."""
    t, i, e = tables.sessions.c, tables.interviews.c, tables.exposures.c
    rated = (
        sa.select(
            e.arm_id,
            e.round,
            e.agent,
            sa.func.count(e.rating).label("n_rated"),
            sa.func.coalesce(sa.func.sum(e.rating), 0.0).label("rating_sum"),
        )
        .where(*keyed.chosen(store.engine, e, _arm_ids(store, name), agent))
        .group_by(e.arm_id, e.round, e.agent)
        .subquery()
    )
    query = (
        sa.select(
            *tables.sessions.columns,
            sa.func.coalesce(rated.c.n_rated, 0).label("n_rated"),
            sa.func.coalesce(rated.c.rating_sum, 0.0).label("rating_sum"),
            i.satisfaction,
            i.return_intent,
            i.reason.label("interview_reason"),
            i.outcome.label("interview_outcome"),
        )
        .outerjoin(rated, _same_session(t, rated.c))
        .outerjoin(tables.interviews, _same_session(t, i))
    )
    return _of_arms(store, query, name, agent=agent)


def pages(
    store: Store, name: str | None = None, *, arm: str | None = None, agent: int | None = None
) -> pd.DataFrame:
    """One row for each page that an agent saw."""
    return _of_arms(store, sa.select(tables.pages), name, arm=arm, agent=agent)


def exposures(
    store: Store,
    name: str | None = None,
    *,
    arm: str | None = None,
    agent: int | Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row for each item shown; ``columns`` beyond the key, all when None."""
    table = tables.exposures
    key = [column.name for column in table.primary_key]
    chosen = [table.c[c] for c in (*key, *columns)] if columns is not None else [table]
    return _of_arms(store, sa.select(*chosen), name, arm=arm, agent=agent)


def interviews(store: Store, name: str | None = None) -> pd.DataFrame:
    """One row for each exit interview."""
    return _of_arms(store, sa.select(tables.interviews), name)


def memories(
    store: Store, name: str | None = None, *, arm: str | None = None, agent: int | None = None
) -> pd.DataFrame:
    """What agents noted, in the order noted."""
    return _of_arms(store, sa.select(tables.memories), name, arm=arm, agent=agent)


def calls(
    store: Store, name: str | None = None, *, arm: str | None = None, agent: int | None = None
) -> pd.DataFrame:
    """Every request to a chat model, in order of its question (arm, round, agent, page,
    kind) and attempt; ``latency`` in seconds."""
    columns = [column for column in tables.calls.columns if column.name != "id"]
    return _of_arms(store, sa.select(*columns), name, arm=arm, agent=agent)


def usage(store: Store, name: str | None = None, *, by_kind: bool = False) -> pd.DataFrame:
    """What chat models cost by arm (and kind of question): calls and tokens_in (of them
    tokens_cached from the provider's prompt cache) and tokens_out that were sent; cost_usd
    of these, NaN where any that took tokens or was answered has no price; cached (answers that cost
    nothing); assumed_tokens and assumed_usd of requests whose replies were lost."""
    t = tables.calls.c
    # A call that says that a question was given up was never sent.
    sent = sa.case((sa.or_(t.cached, t.outcome == GAVE_UP), 0), else_=1)
    # A usable reply without a price cost what nobody knows, tokens told or not (imported runs).
    took_tokens = sa.or_(t.tokens_in + t.tokens_out > 0, t.outcome.in_(USABLE))
    unpriced = sa.case((sa.and_(t.cost_usd.is_(None), took_tokens), 1), else_=0)
    groups: list[sa.Column[Any]] = [tables.arms.c.position, *([t.kind] if by_kind else [])]
    query = (
        sa.select(
            tables.arms.c.name.label("arm"),
            *([t.kind] if by_kind else []),
            sa.func.sum(sent).label("calls"),
            *(sa.func.sum(sent * t[c]).label(c) for c in ("tokens_in", "tokens_out")),
            sa.func.coalesce(sa.func.sum(sent * t.cost_usd), 0.0).label("cost_usd"),
            sa.func.sum(sa.case((t.cached, 1), else_=0)).label("cached"),
            *(sa.func.sum(sent * t[c]).label(c) for c in ("tokens_cached", "assumed_tokens")),
            sa.func.sum(sent * t.assumed_usd).label("assumed_usd"),
            sa.func.sum(sent * unpriced).label("unpriced"),
        )
        .join(tables.arms, tables.arms.c.id == t.arm_id)
        .where(t.arm_id.in_(_arm_ids(store, name)))
        .group_by(tables.arms.c.name, *groups)
        .order_by(*groups)
    )
    frame = read(store.engine, query)
    unknown = frame.pop("unpriced") > 0
    return frame.assign(cost_usd=frame["cost_usd"].mask(unknown))


def cost_by_run(store: Store) -> dict[str, tuple[int, float | None]]:
    """By run: how many calls were sent, and what they cost in US dollars, None where that is not
    known of any that took tokens, or of all. Runs that sent none are left out."""
    c, a, r = tables.calls.c, tables.arms.c, tables.runs.c
    unpriced = sa.and_(c.cost_usd.is_(None), c.tokens_in + c.tokens_out > 0)
    query = (
        sa.select(
            r.name,
            sa.func.count(),
            sa.func.sum(c.cost_usd),
            sa.func.sum(sa.case((unpriced, 1), else_=0)),
        )
        .select_from(tables.calls)
        .join(tables.arms, a.id == c.arm_id)
        .join(tables.runs, r.id == a.run_id)
        .where(c.cached.is_(False), c.outcome != GAVE_UP)
        .group_by(r.name)
    )
    with store.engine.connect() as connection:
        return {
            str(name): (int(calls), None if unknown or usd is None else float(usd))
            for name, calls, usd, unknown in connection.execute(query)
        }


def spent(store: Store, name: str | None = None) -> Spent:
    """What a run has used of its budget: money and tokens of the calls it sent, what those
    may have cost whose replies were lost, and the seconds of all its stints."""
    t = tables.calls.c
    query = sa.select(
        sa.func.coalesce(sa.func.sum(sa.func.coalesce(t.cost_usd, 0.0) + t.assumed_usd), 0.0),
        sa.func.coalesce(sa.func.sum(t.tokens_in + t.tokens_out + t.assumed_tokens), 0),
    ).where(t.arm_id.in_(_arm_ids(store, name)), t.cached.is_(False))
    with store.engine.connect() as connection:
        usd, tokens = connection.execute(query).one()
    return Spent(float(usd), int(tokens), run(store, name).spent_seconds)


def kept_replies(store: Store, identity: str) -> dict[str, int]:
    """How many ``runs`` of an identity there are, and how many usable ``replies`` they left
    that need not be asked for again."""
    c, a, r = tables.calls.c, tables.arms.c, tables.runs.c
    query = (
        sa.select(sa.func.count(r.id.distinct()), sa.func.count(c.key.distinct()))
        .join(tables.arms, a.id == c.arm_id)
        .join(tables.runs, r.id == a.run_id)
        .where(r.identity == identity, tables.KEYED, c.outcome.in_(USABLE))
    )
    with store.engine.connect() as connection:
        found, replies = connection.execute(query).one()
    return {"runs": int(found), "replies": int(replies)}


def sent_by(store: Store, keys: Sequence[str]) -> dict[str, list[str]]:
    """By key of a question: the names of the runs that were sent a usable reply to it, the
    oldest first."""
    c, a, r = tables.calls.c, tables.arms.c, tables.runs.c
    query = (
        sa.select(c.key, r.name)
        .join(tables.arms, a.id == c.arm_id)
        .join(tables.runs, r.id == a.run_id)
        .where(c.key.in_(keys), tables.KEYED, c.cached.is_(False), c.outcome.in_(USABLE))
        .distinct()
        .order_by(r.id)
        .add_columns(r.id)
    )
    found: dict[str, list[str]] = {}
    with store.engine.connect() as connection:
        for key, name, _ in connection.execute(query):
            found.setdefault(key, []).append(name)
    return found


def offline(store: Store, name: str | None = None) -> pd.DataFrame:
    """Offline metrics: arm, round, metric, mean, low, high, n."""
    return _of_arms(store, sa.select(tables.offline), name)


def steps(store: Store, name: str | None = None) -> pd.DataFrame:
    """What the data collector logged: arm, round, step, active, exits, ..."""
    return _of_arms(store, sa.select(tables.steps), name)


_ORDER = (
    *("arm", "round", "agent", "step", "page"),
    *("slot", "position", "kind", "attempt", "metric"),
)


def _of_run(store: Store, table: sa.Table, name: str | None) -> pd.DataFrame:
    columns = [column for column in table.columns if column.name != "run_id"]
    query = sa.select(*columns).where(table.c.run_id == run(store, name).id)
    frame = read(store.engine, query)
    key = columns[0].name
    return frame.sort_values(key, ignore_index=True)


def _of_arms(
    store: Store,
    query: sa.Select[Any],
    name: str | None,
    *,
    arm: str | None = None,
    agent: int | Sequence[int] | None = None,
) -> pd.DataFrame:
    """The rows of one run's arms, ``arm_id`` replaced by the arm's name."""
    known = arms(store, name)
    wanted = known if arm is None else known[known["arm"] == arm]
    if arm is not None and wanted.empty:
        raise InputError(
            run(store, name).name, key="arm", found=repr(arm), allowed=", ".join(known["arm"])
        )
    ids = [int(i) for i in wanted["arm_id"]]
    query = query.where(*keyed.chosen(store.engine, query.selected_columns, ids, agent))
    frame = read(store.engine, query)
    code = {int(arm_id): place for place, arm_id in enumerate(known["arm_id"])}
    codes = frame.pop("arm_id").map(code).to_numpy(dtype=np.int64)
    arm_names = pd.Categorical.from_codes(codes, pd.Index(known["arm"]), ordered=True)
    frame.insert(0, "arm", pd.Series(arm_names, index=frame.index))
    keys = [key for key in _ORDER if key in frame.columns]
    order = np.lexsort([codes if k == "arm" else frame[k].to_numpy() for k in reversed(keys)])
    return frame.iloc[order].reset_index(drop=True)


def _arm_ids(store: Store, name: str | None) -> list[int]:
    return [int(arm_id) for arm_id in arms(store, name)["arm_id"]]


def _same_session(left: Any, right: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        left.arm_id == right.arm_id, left.round == right.round, left.agent == right.agent
    )
