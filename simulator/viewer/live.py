"""How far a run is, told while it runs, by queries that grow no dearer than they must.

What an arm has finished in a round is counted once; what it is at is counted along its key,
seldom enough to take a twentieth of the time; calls are counted from where the last count
ended. All who look at a run share one count.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import sqlalchemy as sa

from agents.interface import OK
from agents.response.question import GAVE_UP

from ..evaluation.study import Study
from ..storage import tables
from ..storage.locks import held
from ..storage.queries import Run
from ..storage.store import Store

PAUSE, SHARE = 1.5, 0.05
"""Seconds between two counts, and the share of the time that counting may take."""

WINDOW = 20.0
"""Seconds over which a pace is measured."""

SETTLING = 10.0
"""Seconds in which a run that begins may not hold its lock yet."""

_CALLS_AT_ONCE, _CALLS_SECONDS = 20_000, 0.25


@dataclass(frozen=True)
class ArmNow:
    """An arm in a round. ``agents``: sessions that are over; ``failed``: of these."""

    arm: str
    round: int
    agents: int
    pages: int
    failed: int
    over: bool


@dataclass(frozen=True)
class Now:
    """A run as it stands. ``of``: sessions there will be an arm and round, None where nobody
    knows; ``cost`` None where a price is not known; ``pace``: pages a second; ``left``:
    seconds; both None where they cannot be told yet. ``counting``: not all calls are counted
    yet. ``alive``: False where its process is gone without a word."""

    status: str
    alive: bool
    arms: tuple[ArmNow, ...]
    of: int | None
    waiting: int
    calls: int
    tokens: int
    cost: float | None
    counting: bool
    pace: float | None
    left: float | None

    @property
    def running(self) -> bool:
        return self.status == "running" and self.alive

    @property
    def pages(self) -> int:
        return sum(arm.pages for arm in self.arms)

    @property
    def done(self) -> int:
        """Sessions that are over."""
        return sum(arm.agents for arm in self.arms)

    @property
    def failed(self) -> int:
        return sum(arm.failed for arm in self.arms)

    @property
    def total(self) -> int | None:
        """Sessions there will be."""
        return None if self.of is None else self.of * (len(self.arms) + self.waiting)


@dataclass
class _Calls:
    """Counted up to the call ``last``."""

    last: int = 0
    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    complete: bool = False


@dataclass
class Feed:
    """One run's count, shared by all who look."""

    store: Store
    name: str

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: dict[tuple[int, int], ArmNow] = field(default_factory=dict)
    _calls: _Calls = field(default_factory=_Calls)
    _paces: deque[tuple[float, int, int]] = field(default_factory=deque)
    _now: Now | None = None
    _fresh_until: float = 0.0

    def now(self, run: Run) -> Now:
        """As of at most a moment ago; ``run``: its row, read anew."""
        with self._lock:
            if self._now is None or time.monotonic() >= self._fresh_until:
                started = time.monotonic()
                self._now = self._count(run)
                took = time.monotonic() - started
                self._fresh_until = started + max(PAUSE, took / SHARE)
            if self._now.status != run.status:  # it has ended since
                self._now = self._count(run)
            return self._now

    def _count(self, run: Run) -> Now:
        arms = self._arms(run)
        rounds = int(run.scenario.get("rounds") or 1)
        pages_of = int((run.scenario.get("session") or {}).get("max_pages") or 0)
        shown = [
            found for arm_id, arm in arms for found in self._rounds(arm_id, arm, rounds, pages_of)
        ]
        calls = self._count_calls([arm_id for arm_id, _ in arms])
        planned = len(run.scenario.get("arms") or ()) * rounds
        early = (run.scenario.get("evaluation") or {}).get("stop") == "anytime"
        size = (run.scenario.get("agents") or {}).get("count")
        now = Now(
            status=run.status,
            alive=run.status != "running" or alive(self.store, run.name, run.created_at),
            arms=tuple(sorted(shown, key=lambda one: one.round)),
            of=size if isinstance(size, int) and not early else None,
            waiting=max(planned - len(shown), 0),
            calls=calls.calls,
            tokens=calls.tokens,
            cost=None if calls.unpriced else calls.cost,
            counting=not calls.complete,
            pace=None,
            left=None,
        )
        return self._paced(now)

    def _arms(self, run: Run) -> list[tuple[int, str]]:
        a = tables.arms.c
        query = sa.select(a.id, a.name).where(a.run_id == run.id).order_by(a.position)
        with self.store.engine.connect() as connection:
            return [(int(arm_id), str(name)) for arm_id, name in connection.execute(query)]

    def _rounds(self, arm_id: int, arm: str, rounds: int, max_pages: int) -> list[ArmNow]:
        """Of one arm: the rounds that are over, and the one it is at."""
        out = []
        for round_ in range(1, rounds + 1):
            found = self._over.get((arm_id, round_)) or self._round(arm_id, arm, round_, max_pages)
            if found.over:
                self._over[arm_id, round_] = found
            elif not found.pages and round_ > 1:
                break
            out.append(found)
            if not found.over:
                break
        return out

    def _round(self, arm_id: int, arm: str, round_: int, max_pages: int) -> ArmNow:
        """Sessions are written when all of an arm's are over; until then they are read off
        the pages: whose agent left, at the last page, or that failed."""
        p, s = tables.pages.c, tables.sessions.c
        last = sa.or_(p.leave, p.page == max_pages, p.outcome != OK)
        of_pages = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((last, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((p.outcome != OK, 1), else_=0)), 0),
        ).where(p.arm_id == arm_id, p.round == round_)
        of_sessions = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((s.outcome != OK, 1), else_=0)), 0),
        ).where(s.arm_id == arm_id, s.round == round_)
        with self.store.engine.connect() as connection:
            agents, failed = connection.execute(of_sessions).one()
            pages, left, lost = connection.execute(of_pages).one()
        if agents:
            return ArmNow(arm, round_, int(agents), int(pages), int(failed), over=True)
        return ArmNow(arm, round_, int(left), int(pages), int(lost), over=False)

    def _count_calls(self, arm_ids: Sequence[int]) -> _Calls:
        """Goes on from the last call that was counted, for a quarter of a second at most."""
        c, found, end = tables.calls.c, self._calls, time.monotonic() + _CALLS_SECONDS
        sent = sa.case((sa.or_(c.cached, c.outcome == GAVE_UP), 0), else_=1)
        tokens = c.tokens_in + c.tokens_out
        unpriced = sa.case((sa.and_(c.cost_usd.is_(None), tokens > 0), 1), else_=0)
        sums = (sent, sent * tokens, sent * sa.func.coalesce(c.cost_usd, 0.0), sent * unpriced)
        query = sa.select(*(sa.func.coalesce(sa.func.sum(one), 0) for one in sums))
        with self.store.engine.connect() as connection:
            newest = int(connection.scalar(sa.select(sa.func.max(c.id))) or 0)
            while found.last < newest and time.monotonic() < end:
                to = min(found.last + _CALLS_AT_ONCE, newest)
                among = (c.id > found.last, c.id <= to, c.arm_id.in_(arm_ids))
                calls, tokens_, cost, unknown = connection.execute(query.where(*among)).one()
                found.calls, found.tokens = found.calls + int(calls), found.tokens + int(tokens_)
                found.cost, found.unpriced = found.cost + float(cost), found.unpriced + int(unknown)
                found.last = to
        found.complete = found.last >= newest
        return found

    def _paced(self, now: Now) -> Now:
        """With how fast it goes, and how long it will take at that pace."""
        at = time.monotonic()
        self._paces.append((at, now.pages, now.done))
        while len(self._paces) > 2 and at - self._paces[0][0] > WINDOW:
            self._paces.popleft()
        since, pages, done = self._paces[0]
        took = at - since
        if took <= 0 or not now.running:
            return now
        pace, rate = (now.pages - pages) / took, (now.done - done) / took
        left = None if now.total is None or rate <= 0 else max(now.total - now.done, 0) / rate
        return replace(now, pace=pace, left=left)


class Feeds:
    """The counts of a store's runs that are looked at."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._feeds: dict[int, Feed] = {}

    def now(self, run: Run) -> Now:
        with self._lock:
            feed = self._feeds.setdefault(run.id, Feed(self._store, run.name))
        now = feed.now(run)
        if not now.running:
            with self._lock:
                self._feeds.pop(run.id, None)
        return now


def alive(store: Store, name: str, created_at: str) -> bool:
    """Whether a run that is ``running`` has a process: one that was killed holds no lock."""
    return _age(created_at) < SETTLING or held(store.engine, name)


def _age(iso: str) -> float:
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()
    except ValueError:
        return SETTLING


def stopped(store: Store, study: Study) -> bool:
    """Whether the study says that it runs, but nobody plays it any more."""
    running = [run for run in study.members if run.status == "running"]
    return bool(running) and not any(alive(store, run.name, run.created_at) for run in running)
