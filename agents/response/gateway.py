"""The one way to a chat model: every question passes through :class:`Gateway`.

    logged?   the run was resumed or is replayed: its attempts are taken from the log
    known?    another question had the same content: its reply is used, nothing is sent
    asked     slot (limits) -> reservation (budget) -> wire -> settled -> kept (log), then
              again: a repair turn with the error, twice the limit, or after a wait

What it owns and a client library does not: the single retry layer, a time-out an attempt
and a deadline a question, single flight, metering, and the outcome (:mod:`.question`). A
reply takes effect only once it is kept, and its place is free only then.

A mistake that would meet every call (bad key, unknown model, no quota, nothing listening)
is no outcome but an :class:`~agents.interface.AgentError`: the run stops.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ..interface import OK, AgentError, Call, Ledger, Place
from ..interface import Usage as Used
from . import prompting
from .attempts import State
from .budget import Budget, Reservation
from .call_log import CallLog
from .endpoint import Endpoint
from .faults import UNSUPPORTED, Fault, fatal
from .limits import BREAKER, Limits, Slot
from .prices import Usage
from .question import (
    CUT,
    GAVE_UP,
    REPAIRED,
    TRANSPORT,
    Message,
    Question,
    Reply,
    Schema,
    Structured,
)
from .response_format import response_format
from .tokens import estimate_prompt, upper_bound
from .wire import Outgoing, Received, Wire

T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 8.0
_TOO_MANY = 429

LONGEST_SILENCE = 300.0
"""Seconds without any answer, or a question's deadline if that is longer, after which an
endpoint counts as dead: the run stops, to be resumed."""


@dataclass(frozen=True)
class Policy:
    """How one question is asked: seconds for an attempt and in all, attempts of whatever
    kind, whether JSON is constrained, and which of several draws this is."""

    timeout: float
    deadline: float
    attempts: int
    structured: Structured
    replicate: int = 0


@dataclass(eq=False)
class Gateway:
    """Asks one endpoint, inside one event loop. Answers do not depend on how many questions
    are in flight, on retries, or on what came from the store."""

    endpoint: Endpoint
    wire: Wire
    policy: Policy
    limits: Limits
    budget: Budget
    ledger: Ledger
    _schema_mode: bool | None = field(init=False)
    _reached: bool = field(init=False, default=False)
    _opened: bool = field(init=False, default=False)
    _refused: int = field(init=False, default=0)
    _silent_since: float | None = field(init=False, default=None)
    _flights: dict[str, asyncio.Future[Call | None]] = field(init=False, default_factory=dict)
    _schemas: dict[int, tuple[Schema | None, str]] = field(init=False, default_factory=dict)
    _count: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        known = {"auto": None, "schema": True, "object": True, "json": False}
        self._schema_mode = known[self.policy.structured] if self.endpoint.compatible else False
        self._alone, self._opening = asyncio.Lock(), asyncio.Lock()
        self._log = CallLog(self.ledger)

    async def ask(self, place: Place, question: Question[T]) -> Reply[T]:
        """The reply to one question. Raises AgentError where none can come: see above,
        BudgetReached at a cap, Stopped after :meth:`stop`."""
        state = State(question, self.policy.attempts)
        for call in self.ledger.logged(place, question.row, question.page, question.kind):
            self._replay(state, call)
        if not state.done:
            if self.ledger.closed:
                raise AgentError(
                    f"chat: replay: the recording has no reply for {_what(question)}; it was "
                    "made from another scenario or seed, or of a run that did not finish"
                )
            key = self._key(question)
            if state.calls or not await self._shared(state, key, place):
                await self._own(state, key, place)
        self._count["failed"] += state.value is None
        return Reply(state.value, state.outcome, tuple(state.calls))

    def stop(self) -> None:
        """Send nothing more; what is on its way is waited for and kept."""
        self.limits.stop()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._opened:
            await self.wire.close()

    def usage(self) -> Used:
        """What was asked so far."""
        priced = self.budget.price is not None
        return Used(
            calls=self._count["calls"],
            cached=self._count["cached"],
            failed=self._count["failed"],
            tokens=self._count["tokens"],
            usd=self.budget.spent().usd if priced else None,
            in_flight=self.limits.in_flight,
            paused=self.limits.paused_for,
        )

    # -- replies that are there already ------------------------------------------------------

    def _replay(self, state: State, call: Call) -> None:
        """An attempt from the log has the effect it had. A log of other prompts is no log of
        this run."""
        if call.prompt_hash != _hash(self._written(state.messages)):
            raise AgentError(
                f"chat: the kept call for {_what(state.question)} has another prompt than this "
                "scenario gives now: it was made by other code or from another scenario or seed"
            )
        if call.outcome == UNSUPPORTED:
            self._schema_mode = False
        elif self._schema_mode is None and call.outcome in (OK, REPAIRED) and not call.cached:
            self._schema_mode = True
        self._count["replayed"] += 1
        state.take(call)

    async def _shared(self, state: State, key: str, place: Place) -> bool:
        """Use the reply to the same question, from one under way or from the store."""
        while (flight := self._flights.get(key)) is not None:
            found = await asyncio.shield(flight)
            if found is not None and await self._reuse(state, found, place):
                return True
        found = self.ledger.known(key)
        return found is not None and await self._reuse(state, found, place)

    async def _reuse(self, state: State, found: Call, place: Place) -> bool:
        question, sent = state.question, self._written(state.messages)
        call = replace(
            found,
            row=question.row,
            page=question.page,
            kind=question.kind,
            attempt=1,
            outcome=OK,
            prompt_hash=_hash(sent),
            messages=sent,
            latency=0.0,
            cached=True,
            cost_usd=0.0,
            assumed_tokens=0,
            assumed_usd=0.0,
        )
        trial = State(question, self.policy.attempts)
        trial.take(call)
        if trial.value is None:  # it was read otherwise when it was kept
            return False
        await self._log.write(place, call)
        self._count["cached"] += 1
        state.take(call)
        return True

    def _key(self, question: Question[Any]) -> str:
        """Everything that can change the reply, and nothing else. Each agent draws its own,
        the same in every arm that shows it the same under the same luck."""
        at, schema = self.endpoint, question.schema
        # Schemas are few and shared; the messages are most of the content.
        if id(schema) not in self._schemas:
            self._schemas[id(schema)] = schema, json.dumps(schema, sort_keys=True)
        content: list[Any] = [
            [at.provider, at.base_url, at.name, at.temperature],
            [self.policy.structured, self.policy.replicate, prompting.version()],
            [question.agent, question.max_tokens, self._schemas[id(schema)][1]],
            [[message["role"], message["content"]] for message in question.messages],
        ]
        # Only where there is any, so that what was kept before there was luck is found again.
        if question.luck:
            content.append({"luck": question.luck})
        if question.beside is not None:
            content.append({"beside": question.beside.address(question)})
        return _hash(json.dumps(content, ensure_ascii=False))

    # -- asking ------------------------------------------------------------------------------

    async def _own(self, state: State, key: str, place: Place) -> None:
        """Send until there is a usable reply or no further try is allowed. The deadline
        counts from the first attempt: to wait for a place at first is nobody's fault."""
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        deadline: float | None = None
        try:
            while not state.done:
                started = await self._attempt(state, key, place, deadline)
                deadline = deadline or started + self.policy.deadline
                if not state.done and (state.outcome == TRANSPORT or state.refused):
                    failures = state.transport_failures + state.refused
                    await self._pause(max(failures, 1), deadline)
        finally:
            if self._flights.get(key) is flight:  # one resumed half way does not wait for it
                del self._flights[key]
            flight.set_result(state.calls[-1] if state.value is not None else None)

    async def _attempt(self, state: State, key: str, place: Place, deadline: float | None) -> float:
        """One request; returns when it was sent."""
        if self._schema_mode is None:
            # Until it is known whether the server constrains JSON, one request at a time:
            # the same requests are made then, however many may be in flight.
            async with self._alone:
                if self._schema_mode is None:
                    started = await self._send(state, key, place, deadline)
                    if self._schema_mode is None and self._reached and state.outcome != TRANSPORT:
                        self._schema_mode = state.outcome != UNSUPPORTED
                    return started
        return await self._send(state, key, place, deadline)

    async def _send(self, state: State, key: str, place: Place, deadline: float | None) -> float:
        """Send one request when it may go, and keep its call before the place is free."""
        schema = state.question.schema if self._schema_mode is not False else None
        room = 0
        if self.limits.meters_tokens:
            room = estimate_prompt(state.messages, schema) + (state.limit or 0) // 4
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout_at(deadline):
                    slot = await held.enter_async_context(self.limits.slot(room))
            except TimeoutError:
                return await self._give_up(state, key, place)
            await self._open()
            worst = upper_bound(state.messages, schema), state.limit
            reservation = held.enter_context(await self.budget.reserve(*worst))
            self.limits.check()  # it may have waited long for room in the budget
            started = self._now()
            if deadline is not None and started >= deadline:
                return await self._give_up(state, key, place)
            left = [self.policy.timeout, self.budget.seconds_left()]
            if deadline is not None:
                left.append(deadline - started)
            out = Outgoing(
                messages=state.messages,
                max_tokens=state.limit,
                response_format=response_format(schema, self.policy.structured),
                timeout=min(left),
            )
            reservation.sending()
            received = await self.wire.send(out, state.question)
            self._tell(slot, received.fault)
            if received.fault is not None and received.fault.unreachable and not self._reached:
                reservation.release()
                self._refuse(state)
                return started
            outcome, text = state.judged(received, with_format=schema is not None)
            call = self._noted(state, received, outcome, text, key)
            call = _settled(reservation, received, call)
            self._stop_if_hopeless(received.fault, outcome)
            if received.fault is not None and self.budget.seconds_left() <= 0:
                # Cut off by the cap on time: no try, but kept, as it may have to be paid.
                await self._log.write(place, replace(call, outcome=CUT))
                await self.budget.reserve(*worst)  # raises
            self._count["calls"] += 1
            self._count["tokens"] += call.tokens_in + call.tokens_out
            await self._log.write(place, call)
        if outcome == UNSUPPORTED:
            self._schema_mode = False
        state.take(call)
        self._stop_if_silent(max(self.policy.deadline, LONGEST_SILENCE))
        return started

    async def _give_up(self, state: State, key: str, place: Place) -> float:
        """The deadline has passed: kept, so that a resume and a replay give up here too. An
        endpoint that is silent stops the run instead of failing its questions one by one."""
        self._stop_if_silent(LONGEST_SILENCE)
        nothing = Received("", "", None, 0, 0, 0, 0.0)
        said = f"given up: its deadline of {self.policy.deadline:g} s had passed"
        call = self._noted(state, nothing, GAVE_UP, said, key)
        await self._log.write(place, call)
        state.take(call)
        return self._now()

    async def _open(self) -> None:
        """The wire is opened when it is first needed: a run whose replies are all known
        needs neither a key nor the client libraries."""
        if not self._opened:
            async with self._opening:
                if not self._opened:
                    await self.wire.open()
                    self._opened = True

    def _tell(self, slot: Slot, fault: Fault | None) -> None:
        """Let the limits know how the endpoint does."""
        if fault is None or (fault.status not in (None, _TOO_MANY) and fault.status < 500):
            self._reached, self._silent_since = True, None
            slot.succeeded()
            return
        if self._silent_since is None:
            self._silent_since = self._now()
        if fault.status == _TOO_MANY:
            self._reached = True
            slot.throttled(fault.retry_after)
        else:
            self._reached |= not fault.unreachable
            slot.failed(fault.retry_after)

    def _stop_if_hopeless(self, fault: Fault | None, outcome: str) -> None:
        if fault is None:
            return
        where = self.endpoint.where
        if stop := fatal(fault, where, self.endpoint.key_variable):
            raise AgentError(f"chat: {stop}")
        if outcome == UNSUPPORTED and self.policy.structured in ("schema", "object"):
            raise AgentError(f"chat: {where}: set structured: json, as {fault.text}")

    def _stop_if_silent(self, longest: float) -> None:
        """An endpoint that died is not asked thousands of questions, one by one."""
        since = self._silent_since
        if since is not None and (silent := self._now() - since) > longest:
            raise AgentError(
                f"chat: {self.endpoint.where}: no answer to anything for {silent:.0f} s"
            )

    def _refuse(self, state: State) -> None:
        """The connection was refused, and nothing ever answered there. That is no try and not
        kept: who starts the server and resumes finds nothing failed. When one question has
        been refused as often as it may be asked, or many once, the run stops: the breaker
        would only make it longer."""
        self._refused, state.refused = self._refused + 1, state.refused + 1
        if state.refused >= self.policy.attempts or self._refused >= BREAKER:
            raise AgentError(
                f"chat: {self.endpoint.where}: nothing answers there; "
                "is the server running and base_url right?"
            )

    async def _pause(self, failures: int, deadline: float) -> None:
        """Growing, with jitter; what the server asked for is waited for by everybody, in
        the queue for a place."""
        seconds = min(_FIRST_WAIT * 2.0 ** (failures - 1), _LONGEST_WAIT)
        seconds *= random.uniform(0.5, 1.0)
        await asyncio.sleep(min(seconds, max(deadline - self._now(), 0.0)))

    def _noted(self, state: State, received: Received, outcome: str, text: str, key: str) -> Call:
        sent = self._written(state.messages)
        return Call(
            row=state.question.row,
            page=state.question.page,
            kind=state.question.kind,
            attempt=len(state.calls) + 1,
            outcome=outcome,
            prompt_hash=_hash(sent),
            messages=sent,
            reply=text,
            tokens_in=received.tokens_in,
            tokens_out=received.tokens_out,
            latency=received.latency,
            key=key,
            tokens_cached=received.tokens_cached,
        )

    def _written(self, messages: Sequence[Message]) -> str:
        return self.endpoint.redact(json.dumps(list(messages), ensure_ascii=False))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _settled(reservation: Reservation, received: Received, call: Call) -> Call:
    """Book what the request used: as the server says, or the worst where it may have done
    the work and does not say, or nothing."""
    if received.fault is not None and not received.fault.sent:
        reservation.release()
        return call
    usage = Usage(received.tokens_in, received.tokens_out, received.tokens_cached)
    if usage.told:
        return replace(call, cost_usd=reservation.settle(usage))
    tokens, usd = reservation.lose()
    return replace(call, assumed_tokens=tokens, assumed_usd=usd)


def _what(question: Question[Any]) -> str:
    return f"agent {question.agent}, page {question.page}, {question.kind}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
