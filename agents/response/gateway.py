"""The one way to a chat model: every request passes through :class:`Gateway`.

It owns what a client library does not: a single retry layer, a time-out per attempt,
bounded concurrency, the repair turn, metering, redaction, and the outcome of a question.

    ok         a usable reply (its call is noted as ``repaired`` when it took a repair turn)
    invalid    not the JSON that was asked for, after a repair turn
    empty      no text
    truncated  cut off by the token limit, also with twice the limit
    refused    the model declined
    filtered   a content filter stopped the request or the reply
    context    the prompt does not fit the model
    rejected   the server takes this request for malformed
    transport  time-out, broken connection, server error, broken envelope, after all attempts

A mistake that would meet every call (bad key, unknown model, no quota, nothing listening)
is no outcome but an :class:`~agents.interface.AgentError`: the run stops.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ..interface import OK, AgentError, Call
from . import prompting
from .endpoint import Endpoint
from .faults import UNSUPPORTED, classify, fatal, retry_after, told, unreachable
from .prompting import Message
from .schema import AnswerError, Schema

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

T = TypeVar("T")
Value = TypeVar("Value", covariant=True)
Structured = Literal["auto", "schema", "json"]

INVALID, EMPTY, TRUNCATED, TRANSPORT = "invalid", "empty", "truncated", "transport"
REFUSED, FILTERED = "refused", "filtered"
REPAIRED = "repaired"

TRIES = {INVALID: 2, EMPTY: 2, TRUNCATED: 2}
"""How often one question may end like this before it is given up; transport has all
attempts, whatever else one. All together never exceed the attempts."""

_FIRST_WAIT, _LONGEST_WAIT = 0.25, 8.0
_STOPPED = {
    "length": TRUNCATED,
    "max_tokens": TRUNCATED,
    "content_filter": FILTERED,
    "safety": FILTERED,
    "refusal": REFUSED,
}


@dataclass(frozen=True, eq=False)
class Question(Generic[Value]):
    """One thing to ask: for whom, the messages, and how a reply is read.

    ``read`` raises :class:`AnswerError` for a reply that is not what was asked for.
    """

    row: int
    page: int
    kind: str
    messages: tuple[Message, ...]
    schema: Schema
    read: Callable[[str], Value]
    max_tokens: int | None


@dataclass(frozen=True, eq=False)
class Reply(Generic[Value]):
    """The value if the outcome is ok, else None; and every request that was made."""

    value: Value | None
    outcome: str
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class _Raw:
    """What one request came back with; ``outcome`` ok means: there is text to read."""

    outcome: str
    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    latency: float = 0.0
    wait: float | None = None
    unreachable: bool = False


@dataclass(eq=False)
class Gateway:
    """Asks one endpoint. Answers do not depend on ``concurrency``.

    ``structured``: ``schema`` asks for constrained JSON (``response_format``), ``json``
    only by the prompt, ``auto`` for constrained JSON until the server says that it knows
    no such thing. A reply is validated by us in any case.
    """

    endpoint: Endpoint
    timeout: float
    attempts: int
    concurrency: int
    structured: Structured
    _schema_mode: bool | None = field(init=False, default=None)
    _reached: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        known = {"auto": None, "schema": True, "json": False}
        self._schema_mode = known[self.structured] if self.endpoint.compatible else False

    def ask(self, questions: Sequence[Question[T]]) -> list[Reply[T]]:
        """Replies in the order of the questions. Raises AgentError where none can come."""
        if not questions:
            return []
        with warnings.catch_warnings():
            # LangChain warns when a server refuses response_format; that is dealt with here.
            warnings.filterwarnings("ignore", message=".*structured output")
            return asyncio.run(self._ask_all(questions))

    async def _ask_all(self, questions: Sequence[Question[T]]) -> list[Reply[T]]:
        from langsmith import tracing_context

        slots, first = asyncio.Semaphore(self.concurrency), asyncio.Lock()
        # Prompts go to the endpoint and nowhere else, whatever the environment says.
        with tracing_context(enabled=False):
            async with self.endpoint.open() as model:
                desk = _Desk(self, model, slots, first)
                try:
                    async with asyncio.TaskGroup() as group:
                        tasks = [group.create_task(desk.answer(q)) for q in questions]
                except BaseExceptionGroup as group_error:
                    failure = group_error.exceptions[0]
                else:
                    return [task.result() for task in tasks]
        raise failure from None


@dataclass(frozen=True, eq=False)
class _Desk:
    """One batch of questions on one event loop."""

    gateway: Gateway
    model: BaseChatModel
    slots: asyncio.Semaphore
    first: asyncio.Lock

    async def answer(self, question: Question[T]) -> Reply[T]:
        """Ask until there is a usable reply or no further try is allowed."""
        messages, limit = question.messages, question.max_tokens
        tries: Counter[str] = Counter()
        calls: list[Call] = []
        while len(calls) < self.gateway.attempts + tries[UNSUPPORTED]:
            raw = await self._first_alone(messages, question.schema, limit)
            value, outcome, complaint = _used(question, raw)
            ended = REPAIRED if value is not None and tries[INVALID] else outcome
            calls.append(self._noted(question, messages, raw, ended, len(calls) + 1))
            if value is not None:
                return Reply(value, OK, tuple(calls))
            tries[outcome] += 1
            if outcome not in (UNSUPPORTED, TRANSPORT) and tries[outcome] >= TRIES.get(outcome, 1):
                break
            if outcome == INVALID:
                messages = (*question.messages, *prompting.repair(raw.text, complaint))
            elif outcome == TRUNCATED and limit is not None:
                limit *= 2
            elif outcome == TRANSPORT and tries[TRANSPORT] < self.gateway.attempts:
                await asyncio.sleep(self._wait(tries[TRANSPORT], raw.wait))
        if raw.unreachable and not self.gateway._reached:
            raise AgentError(
                f"chat: {self.gateway.endpoint.where}: nothing answers there; "
                "is the server running and base_url right?"
            )
        return Reply(None, outcome, tuple(calls))

    async def _first_alone(
        self, messages: Sequence[Message], schema: Schema, limit: int | None
    ) -> _Raw:
        """Until it is known whether the server constrains JSON, one request at a time: the
        same requests are made then, however many may be in flight."""
        gateway = self.gateway
        if gateway._schema_mode is None:
            async with self.first:
                if gateway._schema_mode is None:
                    raw = await self._send(messages, schema, limit)
                    gateway._schema_mode = raw.outcome != UNSUPPORTED
                    return raw
        return await self._send(messages, schema if gateway._schema_mode else None, limit)

    async def _send(
        self, messages: Sequence[Message], schema: Schema | None, limit: int | None
    ) -> _Raw:
        gateway, endpoint = self.gateway, self.gateway.endpoint
        extra = endpoint.body(limit, None if schema is None else _response_format(schema))
        ask = self.model.ainvoke
        async with self.slots:
            started = time.perf_counter()
            message, fault = await _within(gateway.timeout, lambda: ask(list(messages), **extra))
            latency = time.perf_counter() - started
        if message is not None:
            gateway._reached = True
            return self._read(message, latency)
        assert fault is not None
        gateway._reached |= not unreachable(fault)
        if stop := fatal(fault, endpoint.where, endpoint.key_variable):
            raise AgentError(f"chat: {endpoint.redact(stop)}")
        outcome = classify(fault, with_format=schema is not None)
        text = endpoint.redact(told(fault))
        if outcome == UNSUPPORTED:
            if gateway.structured == "schema":
                raise AgentError(f"chat: {endpoint.where}: set structured: json, as {text}")
            gateway._schema_mode = False
        return _Raw(outcome, text, 0, 0, latency, retry_after(fault), unreachable(fault))

    def _read(self, message: AIMessage, latency: float) -> _Raw:
        """Text, usage and ending of a raw reply; usage counts 0 where the server tells none."""
        usage: Any = message.usage_metadata or {}
        about = message.response_metadata or {}
        reason = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
        text = self.gateway.endpoint.redact(str(message.text))
        outcome = _STOPPED.get(str(reason).lower(), OK)
        if declined := message.additional_kwargs.get("refusal"):
            outcome, text = REFUSED, self.gateway.endpoint.redact(str(declined))
        elif outcome == OK and not text.strip():
            outcome = EMPTY
        return _Raw(
            outcome, text, usage.get("input_tokens", 0), usage.get("output_tokens", 0), latency
        )

    def _wait(self, failures: int, asked: float | None) -> float:
        """Seconds until the next try: what the server asked for, else growing; bounded."""
        grown = min(_FIRST_WAIT * 2.0 ** (failures - 1), _LONGEST_WAIT)
        return grown if asked is None else min(asked, self.gateway.timeout)

    def _noted(
        self,
        question: Question[T],
        messages: Sequence[Message],
        raw: _Raw,
        ended: str,
        attempt: int,
    ) -> Call:
        sent = self.gateway.endpoint.redact(json.dumps(list(messages), ensure_ascii=False))
        return Call(
            row=question.row,
            page=question.page,
            kind=question.kind,
            attempt=attempt,
            outcome=ended,
            prompt_hash=hashlib.sha256(sent.encode()).hexdigest(),
            messages=sent,
            reply=raw.text,
            tokens_in=raw.tokens_in,
            tokens_out=raw.tokens_out,
            latency=raw.latency,
        )


def _used(question: Question[T], raw: _Raw) -> tuple[T | None, str, str]:
    """The value of a usable reply; else None, the outcome, and what to complain of."""
    if raw.outcome != OK:
        return None, raw.outcome, ""
    try:
        return question.read(raw.text), OK, ""
    except AnswerError as error:
        return None, INVALID, str(error)


async def _within(
    seconds: float, ask: Callable[[], Awaitable[AIMessage]]
) -> tuple[AIMessage | None, Exception | None]:
    """The reply, or what went wrong: providers raise what they like, and a client library
    that stumbles over a broken reply raises TypeError or worse."""
    try:
        async with asyncio.timeout(seconds):
            return await ask(), None
    except Exception as error:  # noqa: BLE001 classified and recorded by the caller
        return None, error


def _response_format(schema: Schema) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }
