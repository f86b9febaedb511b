"""A scripted model: the replies of a list, a function or the behavioural model, with no
server, no key and no price. Everything else is as with any other chat model: retries,
parsing, the log, the cache, the budget.

    NAME.jsonl                one reply a line, each used once (:class:`ListScript`)
    package.module:function   called for each request (:class:`FunctionScript`)
    behavioural               the embedded model decides (:mod:`.scripted_behavioural`)

A script that has nothing to say is an error that stops the run, never a made-up reply.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..interface import AgentError, Audience, Catalogue, IntArray, Luck
from .endpoint import Endpoint
from .faults import TEXT_CAP, Fault
from .question import Message, Question
from .tokens import estimate, estimate_prompt
from .wire import Outgoing, Received, failed

SCRIPTED = "scripted"
"""The provider's name in a scenario."""

BEHAVIOURAL = "behavioural"
SOURCES = f'a file NAME.jsonl, "package.module:function" or {BEHAVIOURAL}'


@dataclass(frozen=True)
class Line:
    """What a script answers: a text and how it ended, a refusal, or a fault."""

    text: str = ""
    finish: str = "stop"
    refusal: str | None = None
    fault: Fault | None = None


class Script(ABC):
    """Where replies come from; serves one run, from one event loop."""

    @abstractmethod
    def open(self) -> None:
        """Get ready; a second time changes nothing. Raises AgentError where the script
        cannot be read."""

    @abstractmethod
    def line(self, question: Question[Any], messages: tuple[Message, ...]) -> Line:
        """The next reply to a question, whose ``messages`` may hold a repair turn. Raises
        AgentError where there is none."""

    @abstractmethod
    def address(self, question: Question[Any]) -> str:
        """What a reply depends on beside the prompt, so that no reply of another script is
        taken from the cache."""


@dataclass(eq=False)
class Scene:
    """One arm's sessions of one round: what a script knows beside a prompt."""

    script: Script
    audience: Audience
    catalogue: Catalogue
    luck: Luck
    round: int
    shown: dict[int, list[tuple[int, IntArray]]] = field(default_factory=dict)
    """By audience row: the pages so far, number and (k,) items, in the order shown."""

    def show(self, row: int, number: int, line: IntArray) -> None:
        """Note a page, before anything is asked about it."""
        self.shown.setdefault(row, []).append((number, line))

    def address(self, question: Question[Any]) -> str:
        return self.script.address(question)


@dataclass(frozen=True, eq=False)
class Portrait:
    """What a script knows of a user whose tastes are to be written: the derived ones."""

    script: Script
    tastes: tuple[str, ...]

    def address(self, question: Question[Any]) -> str:
        return self.script.address(question)


def script(source: str) -> Script:
    """The script a scenario names. Nothing is read yet; raises AgentError for a source that
    is none."""
    if source == BEHAVIOURAL:
        from .scripted_behavioural import BehaviouralScript

        return BehaviouralScript()
    if source.endswith(".jsonl"):
        return ListScript(Path(source).expanduser())
    module, colon, function = source.partition(":")
    if not (colon and module and function):
        raise AgentError(f"chat: name: found {source!r}; allowed with provider scripted: {SOURCES}")
    return FunctionScript(module, function)


class ScriptedWire:
    """A wire that plays the model itself. Tokens are counted by the rule of
    :mod:`.tokens`, and no time passes, so that two runs are the same to the bit."""

    def __init__(self, endpoint: Endpoint, script: Script) -> None:
        self._endpoint, self._script = endpoint, script

    async def open(self) -> None:
        self._script.open()

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def send(self, out: Outgoing, question: Question[Any] | None = None) -> Received:
        assert question is not None, "a scripted model needs the question"
        await asyncio.sleep(0)  # as a real request would, let the others have their turn
        line = self._script.line(question, out.messages)
        if line.fault is not None:
            return failed(line.fault, 0.0)
        refusal = line.refusal
        return Received(
            text=self._endpoint.redact(line.text),
            finish=line.finish,
            refusal=None if refusal is None else self._endpoint.redact(refusal),
            tokens_in=estimate_prompt(out.messages),
            tokens_out=estimate(line.text or refusal or ""),
            tokens_cached=0,
            latency=0.0,
        )


def asked(question: Question[Any]) -> str:
    """A question, as messages name it."""
    return f"agent {question.agent}, page {question.page}, {question.kind}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _FaultEntry(_Strict):
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    code: str = ""
    text: str = ""
    retry_after: Annotated[float, Field(ge=0)] | None = None
    unreachable: bool = False
    sent: bool | None = None

    def fault(self) -> Fault:
        said = self.text or "scripted fault"
        text = said if self.status is None else f"HTTP {self.status}: {said}"
        sent = self.status is None and not self.unreachable if self.sent is None else self.sent
        return Fault(
            self.status, self.code, text[:TEXT_CAP], self.retry_after, self.unreachable, sent
        )


class _Entry(_Strict):
    """One line of a script: for whom (what is not given fits all), and what comes back."""

    agent: int | None = None
    page: int | None = None
    kind: Literal["page", "exit", "interview", "reflection", "profile"] | None = None
    reply: str | dict[str, Any] | None = None
    finish: str = "stop"
    refusal: str | None = None
    fault: _FaultEntry | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(part is not None for part in (self.reply, self.refusal, self.fault)) != 1:
            raise ValueError("needs exactly one of reply, refusal, fault")
        return self

    def line(self) -> Line:
        if self.fault is not None:
            return Line(fault=self.fault.fault())
        return Line(_written(self.reply), self.finish, self.refusal)


class ListScript(Script):
    """Replies of a file. Each is used once: a question gets the first unused one that is
    for it. Lines that do not say for whom go by the order of asking."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = ""
        self._entries: list[_Entry] = []
        self._unused: dict[tuple[int | None, int | None, str | None], deque[int]] = {}

    def open(self) -> None:
        if self._entries:
            return
        text = self._text()
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                entry = self._entry(number, line)
                places = self._unused.setdefault((entry.agent, entry.page, entry.kind), deque())
                places.append(len(self._entries))
                self._entries.append(entry)

    def address(self, question: Question[Any]) -> str:
        if not self._digest:
            self._text()
        return self._digest

    def line(self, question: Question[Any], messages: tuple[Message, ...]) -> Line:
        wanted = product((question.agent, None), (question.page, None), (question.kind, None))
        fitting = [places for key in wanted if (places := self._unused.get(key))]
        if not fitting:
            raise AgentError(self._dry(question))
        return self._entries[min(fitting, key=lambda places: places[0]).popleft()].line()

    def _text(self) -> str:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise AgentError(
                f"chat: name: {self._path} cannot be read ({why}); allowed with provider "
                f"scripted: {SOURCES}"
            ) from None
        self._digest = _digest(text)
        return text

    def _entry(self, number: int, line: str) -> _Entry:
        try:
            return _Entry.model_validate(json.loads(line))
        except ValidationError as error:
            found = error.errors()[0]
            where = ".".join(str(key) for key in found["loc"])
            said = f"{where}: {found['msg']}" if where else found["msg"]
        except (ValueError, RecursionError) as error:
            said = f"not valid JSON: {error}"
        raise AgentError(f"chat: {self._path}:{number}: {said[:300]}")

    def _dry(self, question: Question[Any]) -> str:
        left = sum(map(len, self._unused.values()))
        needed = {"agent": question.agent, "page": question.page, "kind": question.kind}
        line = json.dumps(needed | {"reply": "..."})
        return (
            f"chat: {self._path}: no reply is left for {asked(question)}; {left} of "
            f"{len(self._entries)} lines are unused and for others; add a line such as {line}"
        )


class FunctionScript(Script):
    """A function's replies: called with (messages, agent, page, kind), it returns a text, or
    an object that is sent as JSON."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name
        self._function: Callable[..., Any] | None = None

    @property
    def _where(self) -> str:
        return f"chat: {self._module}:{self._name}"

    def open(self) -> None:
        try:
            found = getattr(importlib.import_module(self._module), self._name, None)
        except ImportError as error:
            raise AgentError(f"{self._where} cannot be imported: {error}") from None
        if not callable(found):
            raise AgentError(f"{self._where} is no function of that module")
        self._function = found

    def address(self, question: Question[Any]) -> str:
        """By the code of its module: replies of an edited function are not used again."""
        if self._function is None:
            self.open()
        module = importlib.import_module(self._module)
        try:
            source = inspect.getsource(module)
        except (OSError, TypeError):
            raise AgentError(f"{self._where}: its module has no source that can be read") from None
        return _digest(f"{self._name}\0{source}")

    def line(self, question: Question[Any], messages: tuple[Message, ...]) -> Line:
        assert self._function is not None, "the script is not open"
        given = [dict(message) for message in messages]
        try:
            said = self._function(given, question.agent, question.page, question.kind)
        except Exception as error:
            raise AgentError(
                f"{self._where} failed for {asked(question)}: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(said, str | dict):
            raise AgentError(
                f"{self._where} returned {type(said).__name__} for {asked(question)}; allowed: "
                "a text, or a dict that is sent as JSON"
            )
        return Line(_written(said))


def _written(reply: str | dict[str, Any] | None) -> str:
    if isinstance(reply, dict):
        return json.dumps(reply, ensure_ascii=False)
    return reply or ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
