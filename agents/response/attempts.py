"""Where one question stands between its attempts: what is sent next, and when to give up.

Fed with calls, live ones or those of a log: the same calls lead to the same place.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..interface import OK, Call
from . import prompting
from .faults import UNSUPPORTED, classify
from .question import (
    BROKEN,
    CUT,
    EMPTY,
    FILTERED,
    GAVE_UP,
    INVALID,
    REFUSED,
    REPAIRED,
    TRANSPORT,
    TRUNCATED,
    Message,
    Question,
)
from .schema import AnswerError
from .wire import Received

TRIES = {INVALID: 2, EMPTY: 2, TRUNCATED: 2, BROKEN: 2}
"""How often one question may end like this before it is given up; transport has all
attempts, whatever else one. All together never exceed the attempts."""

_STOPPED = {
    "length": TRUNCATED,
    "max_tokens": TRUNCATED,
    "content_filter": FILTERED,
    "safety": FILTERED,
    "refusal": REFUSED,
}


@dataclass(eq=False)
class State:
    """One question under way; ``outcome`` is that of the last attempt, ``value`` what was
    read of a usable reply. No more than ``attempts`` requests are made, not counting the
    one that learns that the server does not constrain JSON, and those cut off by a cap.
    ``refused`` counts connections to an endpoint that was never reached: no tries."""

    question: Question[Any]
    attempts: int
    messages: tuple[Message, ...] = field(init=False)
    limit: int | None = field(init=False)
    calls: list[Call] = field(default_factory=list)
    outcome: str = TRANSPORT
    value: Any = None
    done: bool = False
    refused: int = 0
    _tries: Counter[str] = field(default_factory=Counter)
    _last: tuple[str, Any, str] | None = None

    def __post_init__(self) -> None:
        self.messages, self.limit = self.question.messages, self.question.max_tokens

    @property
    def transport_failures(self) -> int:
        return self._tries[TRANSPORT]

    def judged(self, received: Received, *, with_format: bool) -> tuple[str, str]:
        """The outcome and text of what came back, as its call is kept."""
        if received.fault is not None:
            return classify(received.fault, with_format=with_format), received.fault.text
        if received.refusal:
            return REFUSED, received.refusal
        outcome = _STOPPED.get(received.finish, OK)
        if outcome == OK and not received.text.strip():
            outcome = EMPTY
        if outcome == OK:
            value, _ = self._read(received.text)
            outcome = INVALID if value is None else REPAIRED if self._tries[INVALID] else OK
        return outcome, received.text

    def take(self, call: Call) -> None:
        """Note an attempt and what it means for the next one."""
        self.calls.append(call)
        if call.outcome == GAVE_UP:
            self.outcome, self.done = TRANSPORT, True
            return
        if call.outcome == CUT:
            self._tries[CUT] += 1
            return
        complaint = ""
        if call.outcome in (OK, REPAIRED, INVALID):
            self.value, complaint = self._read(call.reply)
        if self.value is not None:
            self.outcome, self.done = OK, True
            return
        outcome = self.outcome = INVALID if call.outcome in (OK, REPAIRED) else call.outcome
        self._tries[outcome] += 1
        used = len(self.calls) - self._tries[UNSUPPORTED] - self._tries[CUT]
        soft = outcome in (UNSUPPORTED, TRANSPORT)
        self.done = used >= self.attempts or (
            not soft and self._tries[outcome] >= TRIES.get(outcome, 1)
        )
        if outcome == INVALID:
            repair = prompting.repair(call.reply, complaint)
            self.messages = (*self.question.messages, *repair)
        elif outcome == TRUNCATED and self.limit is not None:
            self.limit *= 2

    def _read(self, text: str) -> tuple[Any, str]:
        """What a reply says, or None and what is wrong with it."""
        if self._last is None or self._last[0] != text:
            try:
                self._last = text, self.question.read(text), ""
            except AnswerError as error:
                self._last = text, None, str(error)
        return self._last[1:]
