"""Scripts that users write: a list of replies in a file, and a function."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
from collections import deque
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ..interface import AgentError
from .faults import TEXT_CAP, Fault
from .question import Message, Question
from .schema import Strict
from .scripted import SOURCES, Line, Script, asked

Kind = Literal["page", "exit", "interview", "reflection", "profile", "item_profile", "user_profile"]


class _FaultEntry(Strict):
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


class _Entry(Strict):
    """One line of a script: for whom (what is not given fits all), and what comes back."""

    agent: int | None = None
    page: int | None = None
    kind: Kind | None = None
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
