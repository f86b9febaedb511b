"""The Mesa model: one arm before its audience. A page is decided here.

One step is one tick in which every agent still browsing turns one page:

    rank      the recommender ranks for all of them in one batch, from their history
              including this session; known and already shown items are excluded once
    order     slots are the ranking's order, or shuffled per agent (``order: shuffled``)
    answer    the response model's visit says what each agent watched, rated, felt, and
              whether it leaves
    write     pages and exposures go to the store in one transaction
    leave     agents who left, failed, reached the page limit or have nothing left to see
              are removed from the model; the DataCollector logs the step

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

from agents.interface import NO_ITEM, OK, Answers, Page, Visit
from agents.user import User
from recommenders.interface import Histories, Query, Recommender
from recommenders.ranking import recommend

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
    ``watched`` marks those watched, ``liked`` those rated as liked; all start empty.
    """

    shown: IntArray
    watched: npt.NDArray[np.bool_]
    liked: npt.NDArray[np.bool_]
    pages: IntArray
    outcome: list[str]
    exit_reason: list[str]
    censored: npt.NDArray[np.bool_]
    width: int = 0

    @classmethod
    def open(cls, n: int, slots: int) -> Sessions:
        return cls(
            shown=np.full((n, slots), NO_ITEM, dtype=np.int64),
            watched=np.zeros((n, slots), dtype=np.bool_),
            liked=np.zeros((n, slots), dtype=np.bool_),
            pages=np.zeros(n, dtype=np.int64),
            outcome=[OK] * n,
            exit_reason=[""] * n,
            censored=np.zeros(n, dtype=np.bool_),
        )


class Audition(mesa.Model):  # type: ignore[misc]
    """One round of sessions of one arm; ``model.agents`` are those still browsing."""

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
        self.sessions = Sessions.open(len(self.audience), self.page_size * self.max_pages)
        self.exits, self.watch_rate, self.satisfaction = 0, np.nan, np.nan
        self._fixed_ranking: IntArray | None = None
        self.users: list[User] = list(
            User.create_agents(self, len(self.audience), row=list(range(len(self.audience))))
        )
        self.datacollector = mesa.DataCollector(
            model_reporters={
                "active": lambda model: len(model.agents),
                "exits": "exits",
                "watch_rate": "watch_rate",
                "satisfaction": "satisfaction",
            }
        )

    # -- one tick ----------------------------------------------------------------------

    def step(self) -> None:
        """Every agent still browsing turns one page."""
        number = int(self.steps)
        row = np.fromiter((user.row for user in self.agents), dtype=np.int64)
        row.sort()
        ranked = self._rank(row, number)
        some = (ranked != NO_ITEM).any(axis=1)
        self._end(row[~some], NOTHING_LEFT)
        before = len(row)
        if some.any():
            self._turn(row[some], ranked[some], number)
        self.exits = before - len(self.agents)
        self.datacollector.collect(self)

    def _turn(self, row: IntArray, ranked: IntArray, number: int) -> None:
        item, rank = self._order(row, ranked, number)
        page = Page(row=row, item=item, number=number, round=self.round)
        answers = self.visit.turn(page)
        self._write(page, rank, answers)
        self._note(page, answers)

    def _rank(self, row: IntArray, number: int) -> IntArray:
        """(B, page_size) items for this page, best first."""
        if self.recommender.adapts == "none":
            # Scores cannot change within the round, so one ranking serves every page:
            # page p is its p-th slice, which is what ranking again would give.
            if self._fixed_ranking is None:
                self._fixed_ranking = self._recommend(row, self.page_size * self.max_pages)
            start = (number - 1) * self.page_size
            return self._fixed_ranking[row, start : start + self.page_size]
        return self._recommend(row, self.page_size)

    def _recommend(self, row: IntArray, k: int) -> IntArray:
        query = Query(self.audience.agent[row], self._session_histories(row))
        return recommend(self.recommender, query, k, self._excluded(row))

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
        if self.world.scenario.session.order == "ranked":
            return ranked, rank
        slots = np.arange(ranked.shape[1])
        agent = self.audience.agent[row][:, None]
        keys = self.world.luck.uniform("order", agent, self.round, number, slots)
        keys = np.where(ranked == NO_ITEM, 2.0, keys)  # gaps stay at the end
        order = np.argsort(keys, axis=1, kind="stable")
        return np.take_along_axis(ranked, order, 1), np.take_along_axis(rank, order, 1)

    # -- what the page leaves behind -----------------------------------------------------

    def _write(self, page: Page, rank: IntArray, answers: Answers) -> None:
        world, notes = self.world, self.visit.notes()
        agent = world.audience.agent
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
        s, row = self.sessions, page.row
        start = (page.number - 1) * self.page_size
        stop = start + page.item.shape[1]
        ok = np.fromiter((outcome == OK for outcome in answers.outcome), np.bool_, len(page))
        s.shown[row, start:stop] = page.item
        s.watched[row, start:stop] = answers.watched & ok[:, None]
        s.width = stop
        s.pages[row] = page.number
        s.liked[row, start:stop] = (answers.rating >= self.world.liked_rating) & ok[:, None]
        seen = answers.watched[ok].sum() / max((page.item[ok] != NO_ITEM).sum(), 1)
        self.watch_rate = float(seen) if ok.any() else np.nan
        self.satisfaction = float(np.nanmean(answers.satisfaction[ok])) if ok.any() else np.nan
        leave = answers.leave & ok
        limit = ok & ~leave & (page.number >= self.max_pages)
        s.censored[row[limit]] = True
        for position in np.nonzero(~ok)[0].tolist():
            s.outcome[row[position]] = answers.outcome[position]
        for position in np.nonzero(leave)[0].tolist():
            s.exit_reason[row[position]] = answers.reason[position]
        self._end(row[leave], None)
        self._end(row[~ok], FAILED)
        self._end(row[limit], PAGE_LIMIT)

    def _end(self, row: IntArray, reason: str | None) -> None:
        for r in row.tolist():
            if reason is not None:
                self.sessions.exit_reason[r] = reason
            self.users[r].leave()

    # -- the whole round -----------------------------------------------------------------

    def play(self, on_step: Callable[[int, int], None]) -> Sessions:
        """Step until nobody browses, then interview and write the round's sessions."""
        while len(self.agents):
            self.step()
            on_step(int(self.steps), len(self.agents))
        self._write_round()
        return self.sessions

    def _write_round(self) -> None:
        s, agent = self.sessions, self.audience.agent
        came = np.array([o == OK for o in s.outcome]) & (s.pages > 0)
        row = np.nonzero(came)[0].astype(np.int64)
        interviews = self.visit.interview(row)
        notes = self.visit.notes()
        self.store.add_interviews(
            self.arm_id,
            self.round,
            agent[row],
            interviews,
            memories=notes.memories,
            calls=notes.calls,
            agent_of_row=agent,
        )
        columns: dict[str, Any] = {
            "agent": agent,
            "exit_page": s.pages,
            "shown": (s.shown != NO_ITEM).sum(axis=1),
            "watched": s.watched.sum(axis=1),
            "liked": s.liked.sum(axis=1),
            "exit_reason": s.exit_reason,
            "censored": s.censored,
            "outcome": s.outcome,
        }
        self.store.add_sessions(self.arm_id, self.round, columns)
        steps = self.datacollector.get_model_vars_dataframe()
        frame = {name: steps[name].tolist() for name in steps.columns}
        frame["step"] = list(range(1, len(steps) + 1))
        self.store.add_steps(self.arm_id, self.round, frame)
