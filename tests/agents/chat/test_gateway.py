"""Every fault of fault_rows.py, once and for ever. Real HTTP; the server counts."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.interface import OK, AgentError, Answers, Call, ConcurrentVisit, Place, Services
from agents.registry import create
from agents.response import chat, gateway
from agents.response.limits import Limits

from .fault_rows import ROWS, STOPS, Row, table
from .ledger import MemoryLedger
from .server import Answer, Reply, Request, Server, first, page_answer, rules
from .world import KEY, NoLuck, audience, catalogue, page

DOCS = Path(__file__).parents[3] / "docs" / "faults.md"
BY_NAME = {row.name: row for row in ROWS}


class Watched(Limits):
    """Limits that remember whether places were lost, or the endpoint was left alone."""

    made: Watched

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.paused = self.shrank = False
        Watched.made = self

    def _pause(self, seconds: float) -> None:
        self.paused = True
        super()._pause(seconds)

    def _shrink(self, slot: Any) -> None:
        super()._shrink(slot)
        self.shrank |= self.current < self.concurrency


@pytest.fixture(autouse=True)
def _watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(chat, "Limits", Watched)
    monkeypatch.setenv("TEST_CHAT_KEY", KEY)


@dataclass
class Seen:
    """One page of one agent, as it went."""

    requests: list[Request]
    billed: list[tuple[int, int]]
    calls: list[Call]
    tokens: int = 0
    answers: Answers | None = None
    stopped: str = ""
    paused: bool = field(default=False)
    shrank: bool = field(default=False)


def played(answer: Answer, **settings: Any) -> Seen:
    """Ask for one page, with three attempts."""
    given = {"name": "scripted", "api_key_env": "TEST_CHAT_KEY", "timeout": 20.0}
    with Server(answer) as server:
        model = create("chat", given | {"base_url": server.base_url} | settings)
        ledger = MemoryLedger()
        model.open(Services(ledger))
        seen = Seen(server.requests, server.billed, ledger.calls)
        try:
            seen.answers = model.visit(audience(1), catalogue(), NoLuck(), 1).turn(page(1))
        except AgentError as error:
            seen.stopped = str(error)
        finally:
            seen.tokens = model.opened.gateway.budget.spent().tokens  # type: ignore[attr-defined]
            model.close()
    seen.paused, seen.shrank = Watched.made.paused, Watched.made.shrank
    return seen


def booked(call: Call) -> str:
    if call.assumed_tokens:
        assert call.tokens_in == call.tokens_out == 0
        return "worst case"
    return "usage" if call.tokens_in else "nothing"


def assert_missing(answers: Answers | None, outcome: str) -> None:
    assert answers is not None
    assert list(answers.outcome) == [outcome]
    for column in (answers.interest, answers.rating, answers.satisfaction, answers.fatigue):
        assert np.isnan(column).all()
    for flags in (answers.watched, answers.aligned, answers.leave):
        assert not flags.any()


def assert_metered(seen: Seen) -> None:
    """What is kept adds up to what is booked, and never below what the server billed."""
    kept = sum(c.tokens_in + c.tokens_out + c.assumed_tokens for c in seen.calls)
    assert kept == seen.tokens >= sum(map(sum, seen.billed))
    assert [call.attempt for call in seen.calls] == list(range(1, len(seen.calls) + 1))
    assert KEY not in f"{seen.calls} {seen.stopped} {seen.answers}"


@pytest.mark.parametrize("name", BY_NAME)
def test_a_fault_that_stays(name: str) -> None:
    row = BY_NAME[name]
    seen = played(row.answer, timeout=0.1 if row.gives_up else 20.0)
    assert len(seen.requests) == row.calls
    assert (seen.shrank, seen.paused) == (row.shrinks, row.pauses)
    assert [call.outcome for call in seen.calls] == row.outcomes()
    assert {booked(call) for call in seen.calls} <= {row.booked}
    assert_metered(seen)
    if row.outcome == STOPS:
        assert row.told in seen.stopped
        assert "\n" not in seen.stopped
    elif row.outcome == OK:
        assert seen.answers is not None
        assert list(seen.answers.outcome) == [OK]
    else:
        assert not seen.stopped
        assert row.told in seen.calls[0].reply
        assert_missing(seen.answers, row.outcome)


@pytest.mark.parametrize("name", [row.name for row in ROWS if row.calls > 1])
def test_a_fault_that_passes_leaves_no_trace_in_the_answer(name: str, good: Answers) -> None:
    row = BY_NAME[name]
    seen = played(first(1, row.answer), timeout=1.5 if row.gives_up else 20.0)
    assert len(seen.requests) == 2
    assert [call.outcome for call in seen.calls] == [row.outcomes()[0], row.mended]
    assert [booked(call) for call in seen.calls] == [row.booked, "usage"]
    assert (seen.shrank, seen.paused) == (row.shrinks, row.pauses)
    assert_metered(seen)
    assert seen.answers is not None
    assert list(seen.answers.outcome) == [OK]
    for column, value in vars(good).items():
        assert repr(getattr(seen.answers, column)) == repr(value), column


@pytest.mark.parametrize("name", [r.name for r in ROWS if r.calls == 1 and r.outcome != OK])
def test_what_would_come_again_is_not_asked_again(name: str) -> None:
    row = BY_NAME[name]
    seen = played(first(1, row.answer))
    assert len(seen.requests) == 1
    assert [call.outcome for call in seen.calls] == row.outcomes()
    assert bool(seen.stopped) == (row.outcome == STOPS)


@pytest.fixture(scope="module")
def good() -> Answers:
    """The page without a fault."""
    with Server() as server:
        model = create("chat", {"name": "scripted", "base_url": server.base_url, "timeout": 20.0})
        return model.visit(audience(1), catalogue(), NoLuck(), 1).turn(page(1))


def test_the_documented_table_is_the_measured_one() -> None:
    assert len(ROWS) == len(BY_NAME) > 40
    assert table() in DOCS.read_text(encoding="utf-8")


def test_a_server_that_asks_to_wait_is_left_alone_by_everybody() -> None:
    told = threading.Event()
    asked_at: list[float] = []

    def answer(request: Request) -> Reply:
        if request.number == 2:
            asked_at.append(time.monotonic())
            told.set()
            return Reply(status=429, headers={"Retry-After": "0.6"})
        if request.number <= 4:  # under way meanwhile: answered after the others were told off
            assert told.wait(20)
            return Reply(page_answer(request), delay=0.3)
        return rules(request)

    with Server(answer) as server:
        model = create(
            "chat",
            {"name": "m", "base_url": server.base_url, "concurrency": 4, "structured": "json"},
        )
        answers = model.visit(audience(12), catalogue(), NoLuck(), 1).turn(page(12))
    assert set(answers.outcome) == {OK}
    assert len(server.requests) == 13
    assert all(request.at >= asked_at[0] + 0.6 for request in server.requests[4:])


def test_two_arms_ask_the_same_question_once() -> None:
    with Server(lambda request: Reply(page_answer(request), delay=0.1)) as server:
        ledger = MemoryLedger(shared=True)
        answers = [_both_arms(server, ledger)]
        assert len(server.requests) == 2
        answers.append(_both_arms(server, ledger))  # another run of the same store
        assert len(server.requests) == 2
    assert [call.cached for call in ledger.calls].count(False) == 2
    assert {tuple(outcome) for pair in answers for outcome in pair} == {(OK, OK)}


def test_a_question_resumed_half_way_does_not_disturb_the_same_one_elsewhere() -> None:
    slow = threading.Event()

    def answer(request: Request) -> Reply:
        if not slow.is_set():
            return Reply("no")
        return Reply(page_answer(request), delay=0.05 * (request.number % 3))

    with Server(answer) as server:
        before = MemoryLedger()
        _both_arms(server, before, attempts=1)
        slow.set()
        half = [(p, c) for p, c in zip(before.places, before.calls, strict=True) if p.arm_id == 2]
        assert [call.outcome for _, call in half] == ["invalid"] * 2
        ledger = MemoryLedger(half)
        answers = _both_arms(server, ledger)
    assert answers == [[OK, OK], [OK, OK]]
    assert {
        c.outcome for p, c in zip(ledger.places, ledger.calls, strict=True) if p.arm_id == 2
    } == {"repaired"}


def _both_arms(server: Server, ledger: MemoryLedger, **settings: Any) -> list[list[str]]:
    """Outcomes of two agents' first page in arms 1 and 2, which show the same."""
    model = create("chat", {"name": "m", "base_url": server.base_url} | settings)
    model.open(Services(ledger))
    try:
        visits = [model.visit(audience(2), catalogue(), NoLuck(), 1) for _ in range(2)]
        found: list[list[str]] = [[], []]
        for arm, session in enumerate(visits, 1):
            assert isinstance(session, ConcurrentVisit)
            session.begin(Place(arm, 1))
            session.submit(page(2))
        while min(map(len, found)) < 2:
            model.wait(5)
            for outcomes, session in zip(found, visits, strict=True):
                assert isinstance(session, ConcurrentVisit)
                for _, answers, _ in session.collect().pages:
                    outcomes += answers.outcome
        return found
    finally:
        model.close()


def test_whatever_comes_no_question_has_more_requests_than_allowed() -> None:
    """Faults of all kinds, in any order: those that stop the run and time-outs left out."""
    luck = random.Random(3)
    usual = [row for row in ROWS if row.outcome != STOPS and not (row.gives_up or row.pauses)]
    for _ in range(40):
        attempts = luck.randint(1, 6)
        drawn: list[Row] = luck.choices(usual, k=8)
        seen = played(_in_turn(drawn), attempts=attempts)
        unsupported = sum(call.outcome == "unsupported" for call in seen.calls)
        assert unsupported <= 1
        assert 1 <= len(seen.requests) == len(seen.calls) <= attempts + unsupported
        assert_metered(seen)
        assert seen.answers is not None


def _in_turn(rows: list[Row]) -> Answer:
    def answer(request: Request) -> Reply:
        if request.number > len(rows):
            return rules(request)
        return rows[request.number - 1].answer(request)

    return answer
