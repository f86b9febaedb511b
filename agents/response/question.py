"""What is asked of a chat model and what comes back, whoever carries it.

ok         a usable reply (its call is noted as ``repaired`` when it took a repair turn)
invalid    not what was asked for, after a repair turn
empty      no text
truncated  cut off by the token limit, also with twice the limit
refused    the model declined
filtered   a content filter stopped the request or the reply
context    the prompt does not fit the model
rejected   the server takes this request for malformed
broken     a reply that is no completion (HTML, a broken envelope)
deadline   of a call only: given up, as the question had taken its time; nothing was sent
cut        of a call only: cut off by the cap on time; no try, but perhaps to be paid
transport  time-out, broken connection, server error, after all attempts
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from ..interface import Call

T = TypeVar("T")
Value = TypeVar("Value", covariant=True)

Message = dict[str, str]
"""``{"role": system | user | assistant, "content": text}``"""

Schema = dict[str, Any]
Structured = Literal["auto", "schema", "object", "json"]

INVALID, EMPTY, TRUNCATED, TRANSPORT = "invalid", "empty", "truncated", "transport"
REFUSED, FILTERED, CONTEXT, REJECTED = "refused", "filtered", "context", "rejected"
BROKEN = "broken"
REPAIRED = "repaired"
GAVE_UP, CUT = "deadline", "cut"


class Beside(Protocol):
    """What a scripted model knows beside the prompt."""

    def address(self, question: Question[Any]) -> str:
        """Stands for it in the content address of a question."""


@dataclass(frozen=True, eq=False)
class Question(Generic[Value]):
    """One thing to ask: for whom, the messages, and how a reply is read.

    ``read`` raises :class:`~agents.response.schema.AnswerError` for a reply that is not
    what was asked for. ``schema`` None asks for free text. ``agent`` and ``luck`` are part of
    what makes two questions the same one: each agent draws its own replies, and others under
    another draw of luck ("" is the first).
    """

    row: int
    agent: int
    page: int
    kind: str
    messages: tuple[Message, ...]
    schema: Schema | None
    read: Callable[[str], Value]
    max_tokens: int | None
    beside: Beside | None = None
    """What else the reply depends on; for a scripted model only."""
    luck: str = ""


@dataclass(frozen=True, eq=False)
class Reply(Generic[Value]):
    """The value if the outcome is ok, else None; and every request that was made."""

    value: Value | None
    outcome: str
    calls: tuple[Call, ...]


class Ask(Protocol):
    """How a session asks: the gateway, bound to the arm and round it plays in."""

    def __call__(self, question: Question[T]) -> Awaitable[Reply[T]]: ...
