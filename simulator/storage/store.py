"""The one class that writes. Readers use :mod:`simulator.storage.queries`.

Each method is one transaction: when it returns, its rows outlive the process, and when it
raises, none of them is there. What is written is never changed, but for the end of an
arm and of a run, and for where the calls stand that two arms shared (``settle_calls``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from agents.interface import Answers, Call, Interviews, MemoryEntry, Place

from ..errors import AuditionError
from . import bulk, families, run_texts, tables
from .connect import WRITES, connect, first_line, parse
from .locks import locked
from .migrations import HEAD
from .notes import add_notes, already_there
from .rows import call_columns, exposure_columns, page_columns
from .settle import settle

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
        # Threads of this process queue here: waiting for a database's lock means sleeping.
        self._turn = threading.Lock()
        self._resuming = False

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
    def transaction(self) -> Iterator[sa.Connection]:
        """What is written in it is there when it ends, or nothing of it is; from any thread."""
        try:
            with self._turn, self._writing.begin() as connection:
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
        identity: str = "",
        family: str | None = None,
        world: int = 1,
        replicate: int = 1,
        texts: run_texts.Written = MappingProxyType({}),
    ) -> int:
        """A new run, ``running``; a name that is taken, by a run or a family, gets the suffix
        -2, -3, ... A member of a ``family`` has its name from the family: InputError where
        that is taken.

        ``scenario`` is the resolved one; ``dataset`` holds at least name, users, items,
        interactions and ``rating_scale`` [lowest, highest]; ``identity`` stands for all
        that must be the same when the run is resumed; ``texts`` are profiles that a model wrote
        for its recommenders.
        """
        with self.transaction() as connection:
            free = families.free_name(connection, name)
            if family is not None and free != name:
                raise families.taken(self.name, name, family)
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
                    "identity": identity,
                    "family": family,
                    "world": world,
                    "replicate": replicate,
                },
            )
            run_id = int(row.scalar_one())
            run_texts.keep(connection, run_id, texts)
            return run_id

    def begin_family(
        self,
        *,
        name: str,
        members: Sequence[str],
        scenario: Mapping[str, Any],
        scenario_file: str,
        versions: Mapping[str, str],
        identity: str,
    ) -> str:
        """A new family; returns its name: ``name``, with a suffix -2, -3, ... where that or
        the name of a member would be taken. ``members`` are what its members' names end
        with; ``scenario`` is the resolved one of the whole family. A family of which no
        member was ever begun takes no name."""
        with self.transaction() as connection:
            families.drop_empty(connection, name)
            free = families.free_name(connection, name, members)
            connection.execute(
                tables.families.insert(),
                {
                    "name": free,
                    "scenario": scenario,
                    "scenario_file": scenario_file,
                    "versions": versions,
                    "identity": identity,
                    "created_at": _now(),
                },
            )
        return free

    def run_name(self, run_id: int) -> str:
        """The name the run got, suffix included."""
        with self.engine.connect() as connection:
            query = sa.select(tables.runs.c.name).where(tables.runs.c.id == run_id)
            return str(connection.execute(query).scalar_one())

    def arm_name(self, arm_id: int) -> str:
        """An arm's name within its run."""
        with self.engine.connect() as connection:
            query = sa.select(tables.arms.c.name).where(tables.arms.c.id == arm_id)
            return str(connection.execute(query).scalar_one())

    def resume_run(self, run_id: int) -> None:
        """The run is ``running`` again. From now on this store leaves every row as it is
        that is written a second time, and an arm that is there already keeps its facts."""
        self._update(run_id, status="running", error=None, finished_at=None)
        self._resuming = True

    def end_run(
        self, run_id: int, *, status: Status, error: str | None = None, seconds: float = 0.0
    ) -> None:
        """Say how the run ended, ``seconds`` after :meth:`add_seconds` was last called."""
        spent = tables.runs.c.spent_seconds + seconds
        self._update(run_id, status=status, error=error, finished_at=_now(), spent_seconds=spent)

    def add_seconds(self, run_id: int, seconds: float) -> None:
        """The run has taken this much more time."""
        self._update(run_id, spent_seconds=tables.runs.c.spent_seconds + seconds)

    def lock_run(self, run_name: str) -> AbstractContextManager[None]:
        """Hold the run while the context lasts; InputError if another process does. Who is
        killed holds nothing any more."""
        return locked(self.engine, self.name, run_name)

    def _update(self, run_id: int, **values: Any) -> None:
        with self.transaction() as connection:
            connection.execute(
                tables.runs.update().where(tables.runs.c.id == run_id).values(**values)
            )

    def add_items(self, run_id: int, columns: Columns) -> None:
        """The catalogue, by column: item, item_id, title, genres, year, text, ..."""
        self._add(tables.items, {"run_id": run_id}, columns)

    def add_agents(self, run_id: int, columns: Columns) -> None:
        """The audience, by column: agent, user_id, traits, tastes, persona, arrival, ..."""
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
        """A trained arm; ``position`` is its place in the scenario. In a resumed run an arm
        that is there is left as it is."""
        with self.transaction() as connection:
            if self._resuming:
                t = tables.arms.c
                there = sa.select(t.id).where(t.run_id == run_id, t.position == position)
                if (arm_id := connection.scalar(there)) is not None:
                    return int(arm_id)
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
        with self.transaction() as connection:
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
        the rows of calls and of memories, which are of this page, into agents. Of an answer
        that is not ok what was shown, its texts and its outcome are kept, its numbers and
        flags are NULL.
        """
        place: dict[str, bulk.Values] = {"arm_id": int(arm_id), "round": int(round_)}
        on_page = {**place, "page": int(page)}
        columns = page_columns(agent, answers)
        shown = exposure_columns(agent, item, rank, answers, relevant, utility)
        again = self._resuming
        with self.transaction() as connection:
            done = already_there(connection, tables.pages, on_page, agent) if again else ()
            bulk.insert(connection, tables.pages, on_page | columns, len(agent), again=again)
            n_shown = len(shown["item"])
            bulk.insert(connection, tables.exposures, on_page | shown, n_shown, again=again)
            noted = (memories, calls, agent_of_row)
            add_notes(connection, place, *noted, page=int(page), done=done, again=again)

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
        """Exit interviews of ``agent`` (B,), with the calls and memories they made; a memory
        is of its agent's last page."""
        place: dict[str, bulk.Values] = {"arm_id": int(arm_id), "round": int(round_)}
        columns: dict[str, bulk.Values] = {
            "agent": agent,
            "satisfaction": interviews.satisfaction,
            "return_intent": interviews.return_intent,
            "reason": interviews.reason,
            "outcome": interviews.outcome,
        }
        again = self._resuming
        with self.transaction() as connection:
            done = already_there(connection, tables.interviews, place, agent) if again else ()
            bulk.insert(connection, tables.interviews, place | columns, len(agent), again=again)
            noted = (memories, calls, agent_of_row)
            add_notes(connection, place, *noted, page=None, done=done, again=again)

    def add_steps(self, arm_id: int, round_: int, columns: Columns) -> None:
        """The data collector's rows: step, active, exits, watch_rate, satisfaction."""
        self._add(tables.steps, {"arm_id": int(arm_id), "round": int(round_)}, columns)

    def add_offline(self, arm_id: int, round_: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Offline metrics: rows of metric, mean, low, high, n (evaluation.offline)."""
        names = ("metric", "mean", "low", "high", "n")
        columns = {name: [row[name] for row in rows] for name in names}
        self._add(tables.offline, {"arm_id": int(arm_id), "round": int(round_)}, columns)

    # Calls: those of a live run come through the ledger

    def load_calls(self, place: Place, calls: Mapping[int, Sequence[Call]]) -> None:
        """Calls of an earlier run by agent, for a replay; those that are there are left."""
        every = [call for of_agent in calls.values() for call in of_agent]
        agent = [agent for agent, of_agent in calls.items() for _ in of_agent]
        columns = call_columns(every, agent)
        at = {"arm_id": int(place.arm_id), "round": int(place.round)}
        with self.transaction() as connection:
            bulk.insert(connection, tables.calls, {**at, **columns}, len(every), again=True)

    def settle_calls(self, run_id: int) -> None:
        """Of the questions of a run that shared one reply, let the first in the plan be the
        one that was sent; once a run has been played. Twice is the same as once."""
        with self.transaction() as connection:
            settle(connection, run_id)

    def _add(self, table: sa.Table, place: Columns, columns: Columns) -> None:
        always = (c for c in table.columns if not c.nullable and c.server_default is None)
        needed = {column.name for column in always} - place.keys()
        unknown, missing = columns.keys() - table.c.keys(), needed - columns.keys()
        if unknown or missing:
            raise ValueError(f"{table.name}: unknown {sorted(unknown)}, missing {sorted(missing)}")
        lengths = [
            len(v) for v in columns.values() if v is not None and not isinstance(v, str | int)
        ]
        with self.transaction() as connection:
            n = max(lengths, default=1)
            bulk.insert(connection, table, {**place, **columns}, n, again=self._resuming)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
