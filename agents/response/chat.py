"""Agents that are a chat model: the response model, and the visits that play sessions.

Any LangChain chat model answers, OpenAI-compatible servers by their address. What is asked
in which order belongs to a protocol (:mod:`.protocol_page`, :mod:`.protocol_agent4rec`),
how it is carried to the :mod:`.gateway`; here sessions run side by side, each waiting for
its own replies only.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, TypeVar, get_args

import numpy as np
from pydantic import Field

from ..interface import (
    NO_ITEM,
    AgentError,
    Answers,
    Audience,
    Call,
    Catalogue,
    Collected,
    ConcurrentVisit,
    IntArray,
    Interviews,
    Luck,
    Notes,
    Page,
    Place,
    ResponseModel,
    Services,
    Stopped,
    Usage,
)
from .budget import Budget
from .endpoint import Endpoint
from .gateway import Gateway, Policy
from .limits import Limits
from .prices import Price, price_of
from .protocol_page import Interview, PageProtocol, Reflect
from .question import Question, Reply, Structured
from .scripted import SCRIPTED, Scene, Script, ScriptedWire, script
from .session import Exit, Person, SessionProtocol, Slot, Turn
from .stage import Stage
from .wire import LocalWire, Wire

T = TypeVar("T")
Protocol = Literal["page", "agent4rec"]

GATHER_SECONDS = 0.005
"""How long replies are gathered before they are taken on together."""

NOWHERE = Place(0, 0)


class Chat(ResponseModel):
    """A chat model plays each agent: any LangChain provider, or a server by its base_url."""

    def __init__(
        self,
        name: str,
        *,
        provider: str = "openai",
        base_url: str | None = None,
        api_key_env: str | None = None,
        temperature: Annotated[float | None, Field(ge=0, le=2)] = 0.2,
        max_tokens: Annotated[int | None, Field(ge=1, le=1_000_000)] = None,
        timeout: Annotated[float, Field(ge=0.01, le=3600)] = 60.0,
        deadline: Annotated[float, Field(ge=0.01, le=86400)] = 600.0,
        attempts: Annotated[int, Field(ge=1, le=10)] = 3,
        concurrency: Annotated[int, Field(ge=1, le=4096)] = 16,
        requests_per_minute: Annotated[float | None, Field(gt=0)] = None,
        tokens_per_minute: Annotated[float | None, Field(gt=0)] = None,
        processes: Annotated[int, Field(ge=0, le=64)] = 0,
        structured: Structured = "auto",
        protocol: Protocol = "page",
        interview: Interview = "together",
        retrieve: Annotated[int, Field(ge=0, le=100)] = 5,
        reflect_every: Annotated[int, Field(ge=0, le=100)] = 2,
        reflection: Reflect = "summary",
        replicate: Annotated[int, Field(ge=0)] = 0,
        prices: dict[str, Any] | None = None,
    ) -> None:
        """Settings are documented in docs/chat.md. Raises AgentError for settings that do
        not go together; nothing is imported or asked yet."""
        if not name.strip():
            raise AgentError("chat: name: empty; allowed: the name of a model")
        _one_of("structured", structured, get_args(Structured))
        _one_of("protocol", protocol, get_args(Protocol))
        self.endpoint = Endpoint(provider, name, base_url, temperature, api_key_env, max_tokens)
        if structured in ("schema", "object") and not self.endpoint.compatible:
            raise AgentError(
                f"chat: structured: {structured} needs provider openai; allowed: auto, json"
            )
        self.price = price_of(provider, name, base_url, prices)
        self.script: Script | None = None
        if provider == SCRIPTED:
            _no_address(base_url=base_url, api_key_env=api_key_env, processes=processes)
            self.script = script(name)
            self.price = self.price or Price(0.0, 0.0)
        self.policy = Policy(timeout, deadline, attempts, structured, replicate)
        self._limits = partial(Limits, concurrency, requests_per_minute, tokens_per_minute)
        self._concurrency, self._processes = concurrency, processes
        self._protocol_name, self.max_tokens = protocol, max_tokens
        self._interview, self._reflection = interview, reflection
        self._retrieve, self._reflect_every = retrieve, reflect_every
        self._opened: Opened | None = None

    def ready(self) -> None:
        """Raises AgentError where the key is missing, or a script cannot be read."""
        self.endpoint.check_key()
        if self.script is not None:
            self.script.open()

    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> ChatVisit:
        """Open sessions; the only luck a chat agent has is the model's own."""
        scene = None
        if self.script is not None:
            scene = Scene(self.script, audience, catalogue, luck, round_)
        return ChatVisit(self, audience, catalogue, scene)

    def protocol(self, catalogue: Catalogue) -> SessionProtocol:
        """In which calls an agent is played."""
        if self._protocol_name == "agent4rec":
            from .protocol_agent4rec import Agent4RecProtocol

            return Agent4RecProtocol(
                retrieve=self._retrieve,
                reflect_every=self._reflect_every,
                max_tokens=self.max_tokens,
                rating_scale=catalogue.rating_scale,
            )
        return PageProtocol(
            retrieve=self._retrieve,
            reflect_every=self._reflect_every,
            reflection=self._reflection,
            interview=self._interview,
            max_tokens=self.max_tokens,
            rating_scale=catalogue.rating_scale,
        )

    def wire(self) -> Wire:
        """A way to the endpoint, not open yet."""
        if self.script is not None:
            return ScriptedWire(self.endpoint, self.script)
        if self._processes:
            from .wire_pool import ProcessWires

            return ProcessWires(self.endpoint, self._processes)
        return LocalWire(self.endpoint)

    # -- for one run ---------------------------------------------------------------------

    def open(self, services: Services) -> None:
        """Raises AgentError for a cap that cannot be kept."""
        budget = partial(Budget, services.caps, services.spent, self.price)
        self._opened = Opened(
            lambda: Gateway(
                self.endpoint,
                self.wire(),
                self.policy,
                self._limits(),
                budget(model=self.endpoint.where),
                services.ledger,
            ),
            doors=2 * self._concurrency,
            patience=self.policy.timeout,
        )

    @property
    def opened(self) -> Opened:
        if self._opened is None:
            raise RuntimeError("the chat model was not opened for a run")
        return self._opened

    @property
    def is_open(self) -> bool:
        return self._opened is not None

    def wait(self, seconds: float) -> None:
        self.opened.wait(seconds)

    def drain(self) -> None:
        if self._opened is not None:
            self._opened.drain()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def usage(self) -> Usage:
        return Usage() if self._opened is None else self._opened.gateway.usage()


class Opened:
    """A chat model during one run: its gateway, and the stage its sessions are played on."""

    def __init__(self, gateway: Callable[[], Gateway], doors: int, patience: float) -> None:
        self.stage = Stage()
        try:
            self.gateway, self._doors = self.stage.run(self._made(gateway, doors))
        except BaseException:
            self.stage.close()
            raise
        self._patience = patience
        self._bell = threading.Event()
        self.failure: Exception | None = None

    @staticmethod
    async def _made(
        gateway: Callable[[], Gateway], doors: int
    ) -> tuple[Gateway, asyncio.Semaphore]:
        # Prompts are made when their turn comes near, not all at once at the start.
        return gateway(), asyncio.Semaphore(doors)

    def play(self, session: Callable[[], Awaitable[None]]) -> None:
        """Play one page or interview of one agent; what stops it stops the run."""

        async def guarded() -> None:
            try:
                async with self._doors:
                    await session()
            except Exception as error:  # noqa: BLE001 raised again by the next collect
                if self.failure is None or isinstance(self.failure, Stopped):
                    self.failure = error
                self.gateway.stopping = True
            finally:
                self._bell.set()

        self.stage.play(guarded())

    def wait(self, seconds: float) -> None:
        if self._bell.wait(seconds):
            time.sleep(GATHER_SECONDS)
            self._bell.clear()

    def drain(self) -> None:
        """Requests under way end by themselves: each has its time-out."""
        self.gateway.stopping = True
        self.stage.wait_idle(self._patience + 30)

    def close(self) -> None:
        self.gateway.stopping = True
        try:
            self.stage.run(self.gateway.close())
        finally:
            self.stage.close()


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
        self, chat: Chat, audience: Audience, catalogue: Catalogue, scene: Scene | None
    ) -> None:
        self._chat, self._audience, self._catalogue = chat, audience, catalogue
        self._scene = scene
        self._protocol = chat.protocol(catalogue)
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
        if self._scene is not None:
            question = replace(question, beside=self._scene)
        return self._chat.opened.gateway.ask(self._place, question)

    def _person(self, row: int) -> Person:
        if row not in self._persons:
            agent = int(self._audience.agent[row])
            profiles = self._audience.profiles
            self._persons[row] = Person(row, agent, profiles, self._catalogue)
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


def _no_address(**settings: Any) -> None:
    for name, value in settings.items():
        if value:
            raise AgentError(
                f"chat: {name}: found {value!r}; allowed: nothing, as provider scripted asks "
                "no server"
            )


def _one_of(setting: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise AgentError(f"chat: {setting}: found {value!r}; allowed: {', '.join(known)}")


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
