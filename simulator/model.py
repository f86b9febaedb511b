"""The Mesa model: one arm before its audience. A page is decided here.

One step is one tick in which every agent still browsing turns one page; agents whose
visit is concurrent (a chat model) do not wait for each other, and one step is then one
batch of pages that became ready:

    rank      the recommender ranks for all of them in one batch, from their history
              including this session; known and already shown items are excluded once
    order     slots are the ranking's order, reversed, or shuffled per agent (``order``)
    answer    the response model's visit says what each agent watched, rated, felt, and
              whether it leaves
    write     pages and exposures go to the store in one transaction
    leave     agents who left, failed, reached the page limit or have nothing left to see
              are removed from the model

Everybody comes at once, or one part of the audience after the other (``admit``), which changes
nothing of what an agent meets or does. At the end the DataCollector logs what each page brought.

Everything that depends on Mesa's version stays in this file.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mesa
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from agents.interface import (
    NO_ITEM,
    OK,
    Answers,
    ConcurrentVisit,
    Interviews,
    Notes,
    Page,
    Place,
    Visit,
)
from agents.user import User
from recommenders.interface import Histories, Query, Recommender

from .dilution import lists
from .randomness import KeyedLuck
from .scenario import Order
from .storage.store import Store
from .world import World, marked

# Mesa logs every step at INFO through its own handler; progress is ours to show.
logging.getLogger("mesa").setLevel(logging.WARNING)

IntArray = npt.NDArray[np.int64]

PAGE_LIMIT = "page limit"
NOTHING_LEFT = "nothing left to show"
FAILED = "failed"


@dataclass(eq=False)
class Sessions:
    """What happened so far, one entry an agent (row of the audience).

    ``shown`` (N, page_size * max_pages) holds item numbers in the order they were shown,
    ``watched`` marks those watched, ``liked`` those rated as liked; ``turned`` (N,
    max_pages) marks the pages that were answered, ``satisfaction`` the same shape what was
    said there; all start empty. ``ended`` is the page at which the session ended (also a
    page that could not be filled), 0 while it is open; ``came`` (N,) marks who has come so
    far; ``width`` the columns of ``shown`` in use.
    """

    shown: IntArray
    watched: npt.NDArray[np.bool_]
    liked: npt.NDArray[np.bool_]
    turned: npt.NDArray[np.bool_]
    satisfaction: npt.NDArray[np.float32]
    pages: IntArray
    ended: IntArray
    outcome: list[str]
    exit_reason: list[str]
    censored: npt.NDArray[np.bool_]
    came: npt.NDArray[np.bool_]
    width: int = 0

    @classmethod
    def open(cls, n: int, page_size: int, max_pages: int) -> Sessions:
        slots = page_size * max_pages
        return cls(
            shown=np.full((n, slots), NO_ITEM, dtype=np.int64),
            watched=np.zeros((n, slots), dtype=np.bool_),
            liked=np.zeros((n, slots), dtype=np.bool_),
            turned=np.zeros((n, max_pages), dtype=np.bool_),
            satisfaction=np.full((n, max_pages), np.nan, dtype=np.float32),
            pages=np.zeros(n, dtype=np.int64),
            ended=np.zeros(n, dtype=np.int64),
            outcome=[OK] * n,
            exit_reason=[""] * n,
            censored=np.zeros(n, dtype=np.bool_),
            came=np.zeros(n, dtype=np.bool_),
        )

    def log(self, number: int, page_size: int) -> dict[str, float]:
        """What page ``number`` brought, whenever each agent turned it: agents who browse on,
        exits, share of shown items watched, mean satisfaction (failed pages left out)."""
        slots = slice((number - 1) * page_size, number * page_size)
        good = self.turned[:, number - 1]
        shown = int((self.shown[good, slots] != NO_ITEM).sum())
        felt = self.satisfaction[good, number - 1].astype(np.float64)
        felt = felt[~np.isnan(felt)]
        return {
            "active": int((self.came & ((self.ended == 0) | (self.ended > number))).sum()),
            "exits": int((self.ended == number).sum()),
            "watch_rate": float(self.watched[good, slots].sum() / shown) if shown else np.nan,
            "satisfaction": float(felt.mean()) if len(felt) else np.nan,
        }


class Audition(mesa.Model):  # type: ignore[misc]
    """One round of sessions of one arm; ``model.agents`` are those still browsing.

    ``first`` are the rows of the audience that come at first, all where none are given.
    ``order`` and ``luck`` are the scenario's where the arm has none of its own; ``dilute`` is
    the share of places in its lists that a random item takes.
    """

    def __init__(
        self,
        world: World,
        recommender: Recommender,
        arm_id: int,
        visit: Visit,
        store: Store,
        *,
        round_: int,
        known: sp.csr_array,
        histories: Histories,
        order: Order | None = None,
        luck: KeyedLuck | None = None,
        dilute: float = 0.0,
        first: IntArray | None = None,
    ) -> None:
        with warnings.catch_warnings():
            # Mesa seeds a generator of its own; ours are keyed by identity instead.
            warnings.simplefilter("ignore", FutureWarning)
            super().__init__(seed=world.scenario.seed)
        self.world, self.visit, self.store = world, visit, store
        self.recommender, self.arm_id = recommender, arm_id
        self.audience = world.audience
        self.round, self.known, self.histories = round_, known, histories
        session = world.scenario.session
        self.page_size, self.max_pages = session.page_size, session.max_pages
        self.order, self.luck, self.dilute = order or session.order, luck or world.luck, dilute
        self.sessions = Sessions.open(len(self.audience), self.page_size, self.max_pages)
        self.page = 0
        self.seconds = 0.0  # how long it was played, for who measures it
        self._fixed_ranking: IntArray | None = None
        # Places in the recommender's lists of pages that are being answered: (row, page).
        self._rank_of: dict[tuple[int, int], IntArray] = {}
        self._awaited = 0  # interviews asked for and not yet collected
        self.users: dict[int, User] = {}
        self.admit(np.arange(len(self.audience)) if first is None else first)
        self.datacollector = mesa.DataCollector(
            model_reporters={
                name: (lambda model, name=name: model.page_log[name])
                for name in ("active", "exits", "watch_rate", "satisfaction")
            }
        )

    @property
    def page_log(self) -> dict[str, float]:
        """What the DataCollector notes of the present page."""
        return self.sessions.log(self.page, self.page_size)

    @property
    def concurrent(self) -> bool:
        """Agents do not wait for each other, nor does this arm for another one."""
        return isinstance(self.visit, ConcurrentVisit)

    @property
    def open(self) -> bool:
        """There is something left to play."""
        return bool(len(self.agents)) or self._awaited > 0

    def admit(self, row: IntArray) -> None:
        """Let these agents come, each for the first time; nobody else may be browsing."""
        self._came_last, self._ticks_before = np.sort(row), int(self.steps)
        self.sessions.came[row] = True
        users = User.create_agents(self, len(row), row=self._came_last.tolist())
        self.users |= {user.row: user for user in users}

    # -- one tick ----------------------------------------------------------------------

    def step(self) -> None:
        """Every agent still browsing turns one page; of a concurrent visit: all that have
        answered turn to their next one."""
        if isinstance(self.visit, ConcurrentVisit):
            self._collect(self.visit)
            return
        self.page = int(self.steps) - self._ticks_before
        row, ranked = self._offered(self._browsing(), self.page)
        if len(row):
            item, rank = self._order(row, ranked, self.page)
            page = Page(row=row, item=item, number=self.page, round=self.round)
            answers = self.visit.turn(page)
            self._write(page, rank, answers, self.visit.notes())
            self._note(page, answers)

    def begin(self) -> None:
        """Show a concurrent visit its first pages; :meth:`step` plays the rest."""
        assert isinstance(self.visit, ConcurrentVisit)
        self.visit.begin(Place(self.arm_id, self.round))
        self._submit(self.visit, self._browsing(), 1)

    def _collect(self, visit: ConcurrentVisit) -> None:
        ready = visit.collect()
        for page, answers, notes in ready.pages:
            keys = [(row, page.number) for row in page.row.tolist()]
            rank = np.stack([self._rank_of.pop(key) for key in keys])
            self._write(page, rank, answers, notes)
            self._note(page, answers)
            came = np.array([outcome == OK for outcome in answers.outcome])
            gone = self.sessions.ended[page.row] > 0
            self._interview(visit, page.row[gone & came])
            self._submit(visit, page.row[~gone], page.number + 1)
        for row, interviews, notes in ready.interviews:
            self._awaited -= len(row)
            self._write_interviews(row, interviews, notes)

    def _submit(self, visit: ConcurrentVisit, row: IntArray, number: int) -> None:
        offered, ranked = self._offered(row, number)
        if number > 1:  # who came for nothing at all is not asked how it was
            self._interview(visit, np.setdiff1d(row, offered))
        if len(offered):
            item, rank = self._order(offered, ranked, number)
            self._rank_of |= {(r, number): rank[i] for i, r in enumerate(offered.tolist())}
            visit.submit(Page(row=offered, item=item, number=number, round=self.round))

    def _interview(self, visit: ConcurrentVisit, row: IntArray) -> None:
        if len(row):
            self._awaited += len(row)
            visit.leave(row)

    def _browsing(self) -> IntArray:
        row = np.fromiter((user.row for user in self.agents), dtype=np.int64)
        row.sort()
        return row

    def _offered(self, row: IntArray, number: int) -> tuple[IntArray, IntArray]:
        """Who can be shown a page, and its items, best first; the others' sessions end."""
        ranked = self._rank(row, number)
        some = (ranked != NO_ITEM).any(axis=1)
        self._end(row[~some], number, NOTHING_LEFT)
        return row[some], ranked[some]

    def _rank(self, row: IntArray, number: int) -> IntArray:
        """(B, page_size) items for this page, best first."""
        if self.recommender.adapts == "none":
            # Scores cannot change within the round, so one ranking serves every page:
            # page p is its p-th slice, which is what ranking again would give.
            # For the whole audience, as the last bit of a sum may depend on who is asked about.
            if self._fixed_ranking is None:
                everybody = np.arange(len(self.audience))
                self._fixed_ranking = self._recommend(everybody, self.page_size * self.max_pages, 1)
            start = (number - 1) * self.page_size
            return self._fixed_ranking[row, start : start + self.page_size]
        if not self.concurrent:
            return self._recommend(row, self.page_size, number)
        # One by one: who else is ready is a matter of time, and the last bit of a sum may
        # depend on the size of the batch.
        alone = [self._recommend(row[i : i + 1], self.page_size, number) for i in range(len(row))]
        return np.concatenate(alone) if alone else np.empty((0, self.page_size), np.int64)

    def _recommend(self, row: IntArray, k: int, number: int) -> IntArray:
        """(B, k) items, best first, of which page ``number`` is to show the first."""
        return lists(
            self.recommender,
            Query(self.audience.agent[row], self._session_histories(row)),
            k,
            self._excluded(row),
            dilute=self.dilute,
            seed=self.world.scenario.seed,
            first=(number - 1) * self.page_size + 1,
        )

    def _session_histories(self, row: IntArray) -> Histories:
        """History before this round, then what was watched in this session, in order."""
        before = self.histories.rows(row)
        if not self.sessions.width:
            return before
        owner, column = np.nonzero(self.sessions.watched[row, : self.sessions.width])
        return before.appended(owner, self.sessions.shown[row[owner], column])

    def _excluded(self, row: IntArray) -> sp.csr_array:
        """Known items of each user, and everything this session has shown."""
        known = self.known[self.audience.agent[row]]
        if not self.sessions.width:
            return known
        shown = self.sessions.shown[row, : self.sessions.width]
        owner, column = np.nonzero(shown != NO_ITEM)
        return marked(known, owner, shown[owner, column])

    def _order(self, row: IntArray, ranked: IntArray, number: int) -> tuple[IntArray, IntArray]:
        """Items by slot, and each item's place in the recommender's list (from 1)."""
        first = (number - 1) * self.page_size + 1
        rank = np.broadcast_to(np.arange(first, first + ranked.shape[1]), ranked.shape)
        if self.order == "ranked":
            return ranked, rank
        slots = np.arange(ranked.shape[1])
        if self.order == "reversed":
            keys = -slots / len(slots)
        else:
            agent = self.audience.agent[row][:, None]
            keys = self.luck.uniform("order", agent, self.round, number, slots)
        keys = np.where(ranked == NO_ITEM, 2.0, keys)  # gaps stay at the end
        order = np.argsort(keys, axis=1, kind="stable")
        return np.take_along_axis(ranked, order, 1), np.take_along_axis(rank, order, 1)

    # -- what the page leaves behind -----------------------------------------------------

    def _write(self, page: Page, rank: IntArray, answers: Answers, notes: Notes) -> None:
        world, agent = self.world, self.audience.agent
        shown = np.where(page.item == NO_ITEM, 0, page.item)
        user = agent[page.row][:, None]
        self.store.add_pages(
            self.arm_id,
            self.round,
            page.number,
            agent=agent[page.row],
            item=page.item,
            rank=rank,
            answers=answers,
            relevant=None if world.relevant is None else world.relevant_at(user, shown),
            utility=None if world.dataset.utility is None else world.dataset.utility[user, shown],
            memories=notes.memories,
            calls=notes.calls,
            agent_of_row=agent,
        )

    def _note(self, page: Page, answers: Answers) -> None:
        """Take the answers into the sessions; who left, failed or has seen enough is gone."""
        s, row, number = self.sessions, page.row, page.number
        start = (number - 1) * self.page_size
        stop = start + page.item.shape[1]
        ok = np.fromiter((outcome == OK for outcome in answers.outcome), np.bool_, len(page))
        s.shown[row, start:stop] = page.item
        s.watched[row, start:stop] = answers.watched & ok[:, None]
        s.width = max(s.width, stop)
        s.pages[row] = number
        s.liked[row, start:stop] = (answers.rating >= self.world.liked_rating) & ok[:, None]
        s.turned[row, number - 1] = ok
        s.satisfaction[row, number - 1] = answers.satisfaction
        leave = answers.leave & ok
        limit = ok & ~leave & (number >= self.max_pages)
        s.censored[row[limit]] = True
        for position in np.nonzero(~ok)[0].tolist():
            s.outcome[row[position]] = answers.outcome[position]
        for position in np.nonzero(leave)[0].tolist():
            s.exit_reason[row[position]] = answers.reason[position]
        self._end(row[leave], number, None)
        self._end(row[~ok], number, FAILED)
        self._end(row[limit], number, PAGE_LIMIT)

    def _end(self, row: IntArray, number: int, reason: str | None) -> None:
        self.sessions.ended[row] = number
        for r in row.tolist():
            if reason is not None:
                self.sessions.exit_reason[r] = reason
            self.users[r].leave()

    # -- the whole round -----------------------------------------------------------------

    def play(self, on_step: Callable[[int], None]) -> Sessions:
        """Step until nobody browses, then interview those who came last and write their
        sessions; ``on_step`` hears how many still browse. For visits that are not concurrent;
        :meth:`end` comes after it."""
        while len(self.agents):
            self.step()
            on_step(len(self.agents))
        s, row = self.sessions, self._came_last
        ok = np.fromiter((s.outcome[r] == OK for r in row.tolist()), np.bool_, len(row))
        row = row[ok & (s.pages[row] > 0)]
        self._write_interviews(row, self.visit.interview(row), self.visit.notes())
        self.settle()
        return s

    def settle(self) -> None:
        """Write how the sessions went of those who came last; none may be open."""
        s, row = self.sessions, self._came_last
        columns: dict[str, Any] = {
            "agent": self.audience.agent[row],
            "exit_page": s.pages[row],
            "shown": (s.shown[row] != NO_ITEM).sum(axis=1),
            "watched": s.watched[row].sum(axis=1),
            "liked": s.liked[row].sum(axis=1),
            "exit_reason": [s.exit_reason[r] for r in row.tolist()],
            "censored": s.censored[row],
            "outcome": [s.outcome[r] for r in row.tolist()],
        }
        self.store.add_sessions(self.arm_id, self.round, columns)

    def end(self) -> None:
        """Write what each page brought; nobody else comes, and nothing may be open."""
        for number in range(1, int(self.sessions.ended.max(initial=0)) + 1):
            self.page = number
            self.datacollector.collect(self)
        steps = self.datacollector.get_model_vars_dataframe()
        frame = {name: steps[name].tolist() for name in steps.columns}
        frame["step"] = list(range(1, len(steps) + 1))
        self.store.add_steps(self.arm_id, self.round, frame)

    def _write_interviews(self, row: IntArray, interviews: Interviews, notes: Notes) -> None:
        self.store.add_interviews(
            self.arm_id,
            self.round,
            self.audience.agent[row],
            interviews,
            memories=notes.memories,
            calls=notes.calls,
            agent_of_row=self.audience.agent,
        )
