"""Sessions played side by side, each waiting for its own replies only.

What becomes ready goes into a queue and is collected as columns.
"""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..interface import (
    NO_ITEM,
    Answers,
    Audience,
    Call,
    Catalogue,
    Collected,
    ConcurrentVisit,
    IntArray,
    Interviews,
    Notes,
    Page,
    Place,
    Services,
)
from .question import Question, Reply
from .recognised import Recognised
from .scripted import Scene
from .session import Exit, Person, Slot, Turn

if TYPE_CHECKING:
    from .chat import Chat

T = TypeVar("T")

NOWHERE = Place(0, 0)


@dataclass(frozen=True, eq=False)
class _Turned:
    page: Page
    turn: Turn


@dataclass(frozen=True, eq=False)
class _Told:
    row: int
    exit: Exit


class ChatVisit(ConcurrentVisit):
    """One arm's sessions of one round. A session whose page failed is over: it is not
    asked again, neither a page nor an interview."""

    def __init__(
        self,
        chat: Chat,
        audience: Audience,
        catalogue: Catalogue,
        scene: Scene | None,
        luck: str = "",
    ) -> None:
        self._chat, self._audience, self._catalogue = chat, audience, catalogue
        self._scene, self._luck = scene, luck
        known = audience.recognised
        self._protocol = chat.protocol(catalogue, recognises=known is not None)
        self._recognised = Recognised(known, len(catalogue), catalogue.rating_scale)
        self._place = NOWHERE
        self._persons: dict[int, Person] = {}
        self._exits: dict[int, Exit] = {}
        self._ready: queue.SimpleQueue[_Turned | _Told] = queue.SimpleQueue()
        self._notes = Notes()

    # -- side by side --------------------------------------------------------------------

    def begin(self, place: Place) -> None:
        self._place = place

    def submit(self, page: Page) -> None:
        for row, line in zip(page.row.tolist(), page.item, strict=True):
            one = Page(np.array([row]), line[None, :], page.number, page.round)
            self._chat.opened.play(partial(self._turn, one))

    def leave(self, row: IntArray) -> None:
        for r in row.tolist():
            if r in self._exits:
                self._ready.put(_Told(r, self._exits.pop(r)))
            else:
                self._chat.opened.play(partial(self._ask_exit, r))

    def collect(self) -> Collected:
        opened = self._chat.opened
        # Seen before the queue is emptied: what is put later is not missed.
        over = opened.failure is not None and opened.stage.idle
        ready: list[_Turned | _Told] = []
        while not self._ready.empty():
            ready.append(self._ready.get())
        if not ready and over:
            assert opened.failure is not None
            raise opened.failure
        pages: dict[int, list[_Turned]] = {}
        for entry in ready:
            if isinstance(entry, _Turned):
                pages.setdefault(entry.page.number, []).append(entry)
        told = [entry for entry in ready if isinstance(entry, _Told)]
        return Collected(
            [_gathered(pages[number]) for number in sorted(pages)],
            [(*_interviews(told), Notes())] if told else [],
        )

    async def _turn(self, page: Page) -> None:
        row = int(page.row[0])
        items = page.item[0][page.item[0] != NO_ITEM].tolist()
        if self._scene is not None:
            self._scene.show(row, page.number, page.item[0])
        turn = await self._protocol.page(self._person(row), page.number, items, self._ask)
        if turn.exit is not None:
            self._exits[row] = turn.exit
        self._ready.put(_Turned(page, turn))

    async def _ask_exit(self, row: int) -> None:
        told = await self._protocol.interview(self._person(row), self._ask)
        self._ready.put(_Told(row, told))

    def _ask(self, question: Question[T]) -> Awaitable[Reply[T]]:
        if self._scene is not None or self._luck:
            question = replace(question, beside=self._scene, luck=self._luck)
        return self._chat.opened.gateway.ask(self._place, question)

    def _person(self, row: int) -> Person:
        if row not in self._persons:
            agent = int(self._audience.agent[row])
            profiles = self._audience.profiles
            known = self._recognised.of(row)
            self._persons[row] = Person(row, agent, profiles, self._catalogue, known=known)
        return self._persons[row]

    # -- one after the other, for a use outside of a run ---------------------------------------

    def turn(self, page: Page) -> Answers:
        """One page for each agent; answers in the page's order, whichever came first."""
        if not len(page):
            return _answers([], page.item)
        done = self._alone(lambda: self.submit(page), len(page))
        turned = {int(e.page.row[0]): e for e in done if isinstance(e, _Turned)}
        _, answers, notes = _gathered([turned[row] for row in page.row.tolist()])
        self._notes.memories.extend(notes.memories)
        return answers

    def interview(self, row: IntArray) -> Interviews:
        """One call for each agent that has left and was not asked with its last page."""
        done = self._alone(lambda: self.leave(row), len(row))
        told = {entry.row: entry for entry in done if isinstance(entry, _Told)}
        return _interviews([told[r] for r in row.tolist()])[1]

    def notes(self) -> Notes:
        notes, self._notes = self._notes, Notes()
        return notes

    def _alone(self, start: Callable[[], None], n: int) -> list[_Turned | _Told]:
        """Start, and wait for n entries; opens the model for as long where no run has."""
        kept = _Kept()
        borrowed = not self._chat.is_open
        if borrowed:
            self._chat.open(Services(kept))
        try:
            opened = self._chat.opened
            start()
            opened.stage.wait_idle()
            if self._ready.qsize() < n and opened.failure is not None:
                raise opened.failure
            return [self._ready.get() for _ in range(n)]
        finally:
            if borrowed:
                self._chat.close()
            kept.calls.sort(key=lambda call: (call.row, call.kind, call.attempt))
            self._notes.calls.extend(kept.calls)


class _Kept:
    """A ledger for a visit outside of a run: calls become notes."""

    closed = False

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def logged(self, place: Place, row: int, page: int, kind: str) -> Sequence[Call]:
        return ()

    def known(self, key: str) -> Call | None:
        return None

    def write(self, calls: Sequence[tuple[Place, Call]]) -> None:
        self.calls.extend(call for _, call in calls)


def _gathered(entries: Sequence[_Turned]) -> tuple[Page, Answers, Notes]:
    """One page number's turns as columns, in the order given."""
    first = entries[0].page
    page = Page(
        row=np.concatenate([entry.page.row for entry in entries]),
        item=np.concatenate([entry.page.item for entry in entries]),
        number=first.number,
        round=first.round,
    )
    turns = [entry.turn for entry in entries]
    return page, _answers(turns, page.item), Notes([m for t in turns for m in t.memories])


_NOTHING = Slot(float("nan"), False, False, float("nan"))


def _answers(turns: Sequence[Turn], item: IntArray) -> Answers:
    """Columns from turns. A padded slot holds NaN and False, as a failed row does."""
    b, k = item.shape
    grid = [[_NOTHING] * k for _ in turns]
    for line, turn, shown in zip(grid, turns, item, strict=True):
        for slot, said in zip(np.nonzero(shown != NO_ITEM)[0].tolist(), turn.slots, strict=False):
            line[slot] = said

    def column(name: str, kind: type) -> Any:
        return np.array([[getattr(s, name) for s in line] for line in grid], kind).reshape(b, k)

    return Answers(
        interest=column("interest", np.float32),
        aligned=column("aligned", np.bool_),
        watched=column("watched", np.bool_),
        rating=column("rating", np.float32),
        satisfaction=np.array([turn.satisfaction for turn in turns], np.float32),
        fatigue=np.array([turn.fatigue for turn in turns], np.float32),
        leave=np.array([turn.leave for turn in turns], np.bool_),
        reason=[turn.reason for turn in turns],
        outcome=[turn.outcome for turn in turns],
        item_reason=[[slot.reason for slot in line] for line in grid],
        item_feeling=[[slot.feeling for slot in line] for line in grid],
        feeling=[turn.feeling for turn in turns],
    )


def _interviews(told: Sequence[_Told]) -> tuple[IntArray, Interviews]:
    exits = [entry.exit for entry in told]
    return np.array([entry.row for entry in told], np.int64), Interviews(
        satisfaction=np.array([one.satisfaction for one in exits], np.float32),
        return_intent=np.array([one.return_intent for one in exits], np.float32),
        reason=[one.reason for one in exits],
        outcome=[one.outcome for one in exits],
    )
