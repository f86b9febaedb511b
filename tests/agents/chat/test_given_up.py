"""Stints of one question: what is given up, refused or cut off, and how the next stint finds
it in the log. A wire of the tests' own says what the endpoint does; the rest is real."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.interface import OK, AgentError, BudgetReached, Call, Caps, Place, Spent
from agents.response import gateway as gateways
from agents.response.budget import Budget
from agents.response.endpoint import Endpoint
from agents.response.gateway import Gateway, Policy
from agents.response.limits import Limits
from agents.response.question import CUT, GAVE_UP, TRANSPORT, Question, Reply
from agents.response.wire import Fault, Outgoing, Received, failed

from .ledger import MemoryLedger

PLACE = Place(1, 1)
NO_CAPS, NOTHING = Caps(), Spent()
REFUSED = Fault(None, "", "ConnectionRefusedError", unreachable=True, sent=False)
SLOW_DOWN = Fault(429, "", "HTTP 429: slow down", retry_after=5.0, sent=False)
LOST = Fault(None, "", "TimeoutError: no reply")


class Wired:
    """Answers as ``does`` says, after ``takes`` seconds or the request's time-out."""

    def __init__(self, does: Fault | None, takes: float = 0.0) -> None:
        self._fault, self._takes, self.sent = does, takes, 0

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def send(self, out: Outgoing, question: Question[Any] | None = None) -> Received:
        self.sent += 1
        await asyncio.sleep(min(self._takes, out.timeout))
        if self._fault is not None:
            return failed(self._fault, 0.0)
        return Received("hello", "stop", None, 5, 1, 0, 0.0)


def stint(
    before: list[Call],
    wire: Wired,
    *,
    deadline: float = 600.0,
    caps: Caps = NO_CAPS,
    spent: Spent = NOTHING,
    closed: bool = False,
) -> tuple[Reply[str] | AgentError, MemoryLedger, Budget]:
    """Ask one question once more after what an earlier stint left; its end, what this one
    added, and what is booked."""
    ledger = MemoryLedger([(PLACE, call) for call in before])
    ledger.closed = closed
    question = Question(
        row=0,
        agent=0,
        page=1,
        kind="page",
        messages=({"role": "user", "content": "x"},),
        schema=None,
        read=lambda text: text,
        max_tokens=10,
    )

    async def play() -> tuple[Reply[str] | AgentError, Budget]:
        at = Endpoint("openai", "m", "http://127.0.0.1:1/v1", None, None)
        budget = Budget(caps, spent, None)
        asked = Gateway(at, wire, Policy(5.0, deadline, 3, "json"), Limits(1), budget, ledger)
        try:
            return await asked.ask(PLACE, question), budget
        except AgentError as error:
            return error, budget

    end, budget = asyncio.run(play())
    return end, ledger, budget


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "_FIRST_WAIT", 0.001)


def outcome(end: Reply[str] | AgentError) -> str:
    assert isinstance(end, Reply), end
    return end.outcome


def test_a_question_given_up_at_its_deadline_stays_given_up() -> None:
    end, ledger, _ = stint([], Wired(SLOW_DOWN), deadline=0.1)
    assert outcome(end) == TRANSPORT
    assert [call.outcome for call in ledger.calls] == [TRANSPORT, GAVE_UP]
    assert [call.attempt for call in ledger.calls] == [1, 2]
    for closed in (False, True):
        fine = Wired(None)
        again, added, _ = stint(ledger.calls, fine, closed=closed)
        assert outcome(again) == TRANSPORT
        assert fine.sent == len(added.calls) == 0


def test_a_silent_endpoint_stops_the_run_before_questions_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateways, "LONGEST_SILENCE", 0.05)
    end, ledger, _ = stint([], Wired(SLOW_DOWN), deadline=0.2)
    assert "no answer to anything" in str(end)
    assert [call.outcome for call in ledger.calls] == [TRANSPORT]


def test_an_endpoint_that_was_never_reached_uses_up_no_attempt() -> None:
    before: list[Call] = []
    for _ in range(3):
        end, ledger, budget = stint(before, Wired(REFUSED), caps=Caps(tokens=10_000))
        assert "nothing answers there" in str(end)
        assert ledger.calls == []
        assert budget.spent().tokens == budget.reserved().tokens == 0
    end, _, _ = stint(before, Wired(None))
    assert outcome(end) == OK


def test_what_the_cap_on_minutes_cuts_off_is_no_try_and_stays_paid() -> None:
    caps = Caps(tokens=100_000, minutes=0.2 / 60)
    before: list[Call] = []
    spent = Spent()
    for _ in range(4):  # more stints than a question has attempts
        end, ledger, budget = stint(before, Wired(LOST, takes=9.0), caps=caps, spent=spent)
        assert isinstance(end, BudgetReached)
        assert [call.outcome for call in ledger.calls] == [CUT]
        before += ledger.calls
        assert budget.spent().tokens == sum(call.assumed_tokens for call in before) > 0
        spent = Spent(tokens=budget.spent().tokens)
    assert [call.attempt for call in before] == [1, 2, 3, 4]
    end, _, _ = stint(before, Wired(None))
    assert outcome(end) == OK


def test_who_waits_for_room_in_the_budget_is_not_sent_after_a_stop() -> None:
    async def play() -> tuple[int, list[BaseException | Reply[str]]]:
        wire = Wired(None, takes=0.1)
        at = Endpoint("openai", "m", "http://127.0.0.1:1/v1", None, None)
        budget = Budget(Caps(tokens=200), Spent(), None)  # room for one at a time
        policy = Policy(5.0, 600.0, 3, "json")
        asked = Gateway(at, wire, policy, Limits(4), budget, MemoryLedger())
        questions = [
            Question(0, agent, 1, "page", ({"role": "user", "content": "x"},), None, str, 10)
            for agent in range(3)
        ]
        tasks = [asyncio.create_task(asked.ask(PLACE, one)) for one in questions]
        while not wire.sent:
            await asyncio.sleep(0.001)
        asked.stop()
        return wire.sent, list(await asyncio.gather(*tasks, return_exceptions=True))

    sent, ends = asyncio.run(play())
    assert sent == 1
    assert [type(end).__name__ for end in ends] == ["Reply", "Stopped", "Stopped"]
