"""The one class that writes. Readers use :mod:`simulator.storage.queries`.

Each method is one transaction: when it returns, its rows outlive the process, and when it
raises, none of them is there. What is written is never changed, but for the end of an
arm and of a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from agents.interface import NO_ITEM, OK, Answers, Call, Interviews, MemoryEntry

from ..errors import AuditionError
from . import bulk, tables
from .connect import WRITES, connect, first_line, parse
from .migrations import HEAD

Status = Literal["running", "finished", "failed", "interrupted", "budget"]
IntArray = npt.NDArray[np.int64]
Columns = Mapping[str, bulk.Values]


class Store:
    """Runs, arms and what every agent saw and did.

    >>> store = Store.open("sqlite://")          # in memory; a path or any SQLAlchemy URL
    >>> run = store.begin_run(name="try", seed=7, scenario={}, scenario_file="try.yaml")
    >>> store.run_name(run)
    'try'
    >>> store.run_name(store.begin_run(name="try", seed=7, scenario={}, scenario_file=""))
    'try-2'
    >>> store.close()
    """

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self._writing = engine.execution_options(**{WRITES: True})

    @classmethod
    def open(cls, where: str | Path, *, create: bool = True) -> Self:
        """Open a store by path or SQLAlchemy URL and bring its tables up to date.

        With ``create`` False a store that is not there is refused. Raises InputError if it
        cannot be opened, is no store, or was written by a newer Audition.
        """
        url = parse(where)
        return cls(connect(url, create=create), url.render_as_string(hide_password=True))

    def close(self) -> None:
        """Close every connection; on SQLite the log is merged into the file."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._writing.begin() as connection:
                yield connection
        except OperationalError as error:  # disk full, locked, connection lost
            raise AuditionError(f"{self.name}: cannot be written: {first_line(error)}") from error

    # Runs and arms

    def begin_run(
        self,
        *,
        name: str,
        seed: int,
        scenario: Mapping[str, Any],
        scenario_file: str,
        versions: Mapping[str, str] | None = None,
        dataset: Mapping[str, Any] | None = None,
    ) -> int:
        """A new run, ``running``; a name that is taken gets the suffix -2, -3, ...

        ``scenario`` is the resolved one; ``dataset`` holds at least name, users, items,
        interactions and ``rating_scale`` [lowest, highest].
        """
        with self._transaction() as connection:
            taken = set(connection.scalars(sa.select(tables.runs.c.name)))
            free, suffix = name, 2
            while free in taken:
                free, suffix = f"{name}-{suffix}", suffix + 1
            row = connection.execute(
                tables.runs.insert().returning(tables.runs.c.id),
                {
                    "name": free,
                    "status": "running",
                    "seed": seed,
                    "scenario": scenario,
                    "scenario_file": scenario_file,
                    "versions": versions or {},
                    "dataset": dataset or {},
                    "schema_version": HEAD,
                    "created_at": _now(),
                },
            )
            return int(row.scalar_one())

    def run_name(self, run_id: int) -> str:
        """The name the run got, suffix included."""
        with self.engine.connect() as connection:
            query = sa.select(tables.runs.c.name).where(tables.runs.c.id == run_id)
            return str(connection.execute(query).scalar_one())

    def end_run(self, run_id: int, *, status: Status, error: str | None = None) -> None:
        """Say how the run ended."""
        with self._transaction() as connection:
            connection.execute(
                tables.runs.update().where(tables.runs.c.id == run_id),
                {"status": status, "error": error, "finished_at": _now()},
            )

    def add_items(self, run_id: int, columns: Columns) -> None:
        """The catalogue, by column: item, item_id, title, genres, year, text, ..."""
        self._add(tables.items, {"run_id": run_id}, columns)

    def add_agents(self, run_id: int, columns: Columns) -> None:
        """The audience, by column: agent, user_id, traits, tastes, persona."""
        self._add(tables.agents, {"run_id": run_id}, columns)

    def add_arm(
        self,
        run_id: int,
        *,
        position: int,
        name: str,
        recommender: str,
        settings: Mapping[str, Any],
        is_control: bool,
        fit_report: Mapping[str, Any] | None = None,
        train_seconds: float | None = None,
    ) -> int:
        """A trained arm; ``position`` is its place in the scenario."""
        with self._transaction() as connection:
            row = connection.execute(
                tables.arms.insert().returning(tables.arms.c.id),
                {
                    "run_id": run_id,
                    "position": position,
                    "name": name,
                    "recommender": recommender,
                    "settings": settings,
                    "is_control": is_control,
                    "fit_report": fit_report or {},
                    "train_seconds": train_seconds,
                },
            )
            return int(row.scalar_one())

    def end_arm(self, arm_id: int, *, simulate_seconds: float) -> None:
        """Say how long the arm's sessions took, all rounds together."""
        with self._transaction() as connection:
            connection.execute(
                tables.arms.update().where(tables.arms.c.id == arm_id),
                {"simulate_seconds": simulate_seconds},
            )

    # What happens in an arm

    def add_pages(
        self,
        arm_id: int,
        round_: int,
        page: int,
        *,
        agent: IntArray,
        item: IntArray,
        rank: IntArray,
        answers: Answers,
        relevant: npt.NDArray[np.bool_] | None = None,
        utility: npt.NDArray[np.floating[Any]] | None = None,
        memories: Sequence[MemoryEntry] = (),
        calls: Sequence[Call] = (),
        agent_of_row: IntArray | None = None,
    ) -> None:
        """One page of each of B agents, with what came of it, in one transaction.

        ``agent`` (B,); ``item``, ``rank``, ``relevant``, ``utility`` (B, k) from the top
        slot down, padded with NO_ITEM, which is not written; ``agent_of_row`` (N,) turns
        the rows of memories and calls into agents. Of an answer that is not ok only what
        was shown and the outcome are kept.
        """
        place: dict[str, bulk.Values] = {"arm_id": int(arm_id), "round": int(round_)}
        on_page = {**place, "page": int(page)}
        with self._transaction() as connection:
            bulk.insert(
                connection, tables.pages, on_page | _page_columns(agent, answers), len(agent)
            )
            shown = _exposure_columns(agent, item, rank, answers, relevant, utility)
            bulk.insert(connection, tables.exposures, on_page | shown, len(_sized(shown["item"])))
            _add_notes(connection, place, memories, calls, agent_of_row)

    def add_sessions(self, arm_id: int, round_: int, columns: Columns) -> None:
        """How visits ended: agent, exit_page, shown, watched, liked, exit_reason, censored,
        outcome; one row for each agent, also where the session failed."""
        self._add(tables.sessions, {"arm_id": int(arm_id), "round": int(round_)}, columns)

    def add_interviews(
        self,
        arm_id: int,
        round_: int,
        agent: IntArray,
        interviews: Interviews,
        *,
        memories: Sequence[MemoryEntry] = (),
        calls: Sequence[Call] = (),
        agent_of_row: IntArray | None = None,
    ) -> None:
        """Exit interviews of ``agent`` (B,), with the calls and memories they made."""
        place: dict[str, bulk.Values] = {"arm_id": int(arm_id), "round": int(round_)}
        columns: dict[str, bulk.Values] = {
            "agent": agent,
            "satisfaction": interviews.satisfaction,
            "return_intent": interviews.return_intent,
            "reason": interviews.reason,
            "outcome": interviews.outcome,
        }
        with self._transaction() as connection:
            bulk.insert(connection, tables.interviews, place | columns, len(agent))
            _add_notes(connection, place, memories, calls, agent_of_row)

    def add_steps(self, arm_id: int, round_: int, columns: Columns) -> None:
        """The data collector's rows: step, active, exits, watch_rate, satisfaction."""
        self._add(tables.steps, {"arm_id": int(arm_id), "round": int(round_)}, columns)

    def add_offline(self, arm_id: int, round_: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Offline metrics: rows of metric, mean, low, high, n (evaluation.offline)."""
        names = ("metric", "mean", "low", "high", "n")
        columns = {name: [row[name] for row in rows] for name in names}
        self._add(tables.offline, {"arm_id": int(arm_id), "round": int(round_)}, columns)

    def _add(self, table: sa.Table, place: Columns, columns: Columns) -> None:
        needed = {c.name for c in table.columns if not c.nullable} - place.keys()
        unknown, missing = columns.keys() - table.c.keys(), needed - columns.keys()
        if unknown or missing:
            raise ValueError(f"{table.name}: unknown {sorted(unknown)}, missing {sorted(missing)}")
        n = max((len(_sized(v)) for v in columns.values() if not _scalar(v)), default=1)
        with self._transaction() as connection:
            bulk.insert(connection, table, {**place, **columns}, n)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _scalar(values: bulk.Values) -> bool:
    return values is None or isinstance(values, str | int)


def _sized(values: bulk.Values) -> npt.NDArray[Any] | Sequence[Any]:
    if _scalar(values):
        raise TypeError(f"one value for each row is needed, not {values!r}")
    return values  # type: ignore[return-value]


def _page_columns(agent: IntArray, answers: Answers) -> dict[str, bulk.Values]:
    ok = _ok(answers)
    return {
        "agent": agent,
        "satisfaction": _where(ok, answers.satisfaction),
        "fatigue": _where(ok, answers.fatigue),
        "leave": _where(ok, answers.leave),
        "reason": answers.reason,
        "feeling": answers.feeling,
        "outcome": answers.outcome,
    }


def _exposure_columns(
    agent: IntArray,
    item: IntArray,
    rank: IntArray,
    answers: Answers,
    relevant: npt.NDArray[np.bool_] | None,
    utility: npt.NDArray[np.floating[Any]] | None,
) -> dict[str, bulk.Values]:
    """(B, k) arrays as columns of their B * k exposures, padded slots left out."""
    n_agents, k = item.shape
    ok = _ok(answers)
    slots = np.broadcast_to(np.arange(1, k + 1), item.shape)
    columns: dict[str, Any] = {
        "agent": np.repeat(agent, k),
        "slot": slots,
        "rank": rank,
        "item": item,
        "relevant": relevant,
        "utility": utility,
        "interest": _where(ok, answers.interest),
        "aligned": _where(ok, answers.aligned),
        "watched": _where(ok, answers.watched),
        "rating": _where(ok, answers.rating),
        "reason": _flat(answers.item_reason),
        "feeling": _flat(answers.item_feeling),
    }
    for name in ("relevant", "utility", "interest", "aligned", "watched", "rating", "rank"):
        if columns[name] is not None and columns[name].shape != (n_agents, k):
            raise ValueError(f"{name} is {columns[name].shape}, the page {(n_agents, k)}")
    flat = {n: v.ravel() if isinstance(v, np.ndarray) else v for n, v in columns.items()}
    shown = flat["item"] != NO_ITEM
    if shown.all():
        return flat
    keep = np.flatnonzero(shown)
    return {
        name: None
        if values is None
        else values[keep]
        if isinstance(values, np.ndarray)
        else [values[i] for i in keep]
        for name, values in flat.items()
    }


def _ok(answers: Answers) -> npt.NDArray[np.bool_] | None:
    """(B,) which answers can be used; None if all can, the usual case."""
    if all(outcome == OK for outcome in answers.outcome):
        return None
    return np.array([outcome == OK for outcome in answers.outcome])


def _where(ok: npt.NDArray[np.bool_] | None, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``values`` with None in the rows that are not ok."""
    if ok is None:
        return values
    out = values.astype(object)
    out[~ok] = None
    return out


def _flat(texts: Sequence[Sequence[str]] | None) -> list[str] | None:
    return None if texts is None else [text for row in texts for text in row]


def _add_notes(
    connection: sa.Connection,
    place: Mapping[str, bulk.Values],
    memories: Sequence[MemoryEntry],
    calls: Sequence[Call],
    agent_of_row: IntArray | None,
) -> None:
    """Memories, numbered within each agent's page in the order noted, and calls."""
    if not memories and not calls:
        return
    if agent_of_row is None:
        raise ValueError("memories and calls need agent_of_row")
    if memories:
        agent = agent_of_row[[entry.row for entry in memories]].tolist()
        columns = _by_field(memories, ("page", "kind", "text", "importance"))
        columns["agent"] = agent
        columns["position"] = _positions(connection, place, columns["page"], agent)
        bulk.insert(connection, tables.memories, {**place, **columns}, len(memories))
    if calls:
        columns = _by_field(calls, [n for n in Call.__dataclass_fields__ if n != "row"])
        columns["agent"] = agent_of_row[[call.row for call in calls]]
        bulk.insert(connection, tables.calls, {**place, **columns}, len(calls))


def _by_field(entries: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: [getattr(entry, name) for entry in entries] for name in names}


def _positions(
    connection: sa.Connection,
    place: Mapping[str, bulk.Values],
    pages: Sequence[int],
    agents: Sequence[int],
) -> list[int]:
    """1.. within each (page, agent), after what is already noted there."""
    c = tables.memories.c
    query = (
        sa.select(c.page, c.agent, sa.func.max(c.position))
        .where(c.arm_id == place["arm_id"], c.round == place["round"], c.page.in_(set(pages)))
        .group_by(c.page, c.agent)
    )
    last = {(page, agent): position for page, agent, position in connection.execute(query)}
    out = []
    for key in zip(pages, agents, strict=True):
        last[key] = last.get(key, 0) + 1
        out.append(last[key])
    return out
