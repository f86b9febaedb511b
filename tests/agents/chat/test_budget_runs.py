"""A hundred runs with random caps against a server that bills as it likes, within what a
request allows, and loses some of its replies. Its own count never passes a cap. Real HTTP."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from agents.interface import AgentError, BudgetReached, Caps, Services, Spent
from agents.registry import create
from agents.response import gateway
from agents.response.prices import Price, Usage

from .connection import Break
from .ledger import MemoryLedger
from .server import Answer, Bill, Reply, Request, Server, rules
from .world import NoLuck, audience, catalogue, page

RUNS = 100
PRICE = {"input": 0.5, "output": 2.0}
REPLY_LIMIT = 200
BREAKS: tuple[Break, ...] = ("body cut", "reset", "reset after headers", "closed", "headers cut")


@dataclass(frozen=True)
class Run:
    """What was allowed, what the server billed, what was booked, and how it ended."""

    caps: Caps
    billed: Spent
    booked: Spent
    kept: Spent
    requests: int
    over: bool


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "_FIRST_WAIT", 0.001)


def caps(luck: random.Random) -> Caps:
    """Enough for nothing, some or all of a run."""
    tokens, usd = luck.randrange(80_000), luck.uniform(0, 0.05)
    kind = luck.randrange(3)
    return Caps(usd=None if kind == 0 else usd, tokens=None if kind == 1 else tokens)


def spender(luck: random.Random) -> Bill:
    """Between a little and everything a request can cost: each byte of its prompt and schema
    a token, and a reply as long as allowed."""
    least = luck.choice([0.0, 0.5, 1.0])

    def bill(request: Request, _: str) -> tuple[int, int]:
        schema = request.body.get("response_format", {}).get("json_schema", {}).get("schema")
        size = sum(len(m["content"].encode()) for m in request.messages)
        size += len(json.dumps(schema)) if schema else 0
        limit: int = request.body["max_tokens"]
        return max(int(size * luck.uniform(least, 1)), 1), int(limit * luck.uniform(least, 1))

    return bill


def unreliable(luck: random.Random, share: float) -> Answer:
    """The rules, and ``share`` of all replies spoilt or lost."""
    faults: list[Callable[[Request], Reply]] = [
        lambda _: Reply(status=500),
        lambda _: Reply(status=429),
        lambda _: Reply("no"),
        lambda _: Reply(""),
        lambda _: Reply("{", finish_reason="length"),
        lambda _: Reply(raw=b"<html>"),
        lambda _: Reply(raw=b'{"choices": []}'),
        *[lambda request, how=how: Reply(rules(request).content, breaks=how) for how in BREAKS],
    ]

    def answer(request: Request) -> Reply:
        drawn = luck.random()
        if drawn < share / 20:
            return Reply(rules(request).content, breaks="hang")
        return luck.choice(faults)(request) if drawn < share else rules(request)

    return answer


def run(seed: int) -> Run:
    luck = random.Random(seed)
    allowed, agents = caps(luck), luck.randint(1, 6)
    answer, bill = unreliable(luck, luck.choice([0.0, 0.2, 0.5])), spender(luck)
    settings: dict[str, Any] = {
        "name": "scripted",
        "concurrency": luck.randint(1, 32),
        "structured": luck.choice(["auto", "json"]),
        "max_tokens": REPLY_LIMIT,
        "prices": PRICE,
        "timeout": 0.4,
    }
    ledger, over = MemoryLedger(), False
    with Server(answer, bill=bill) as server:
        model = create("chat", settings | {"base_url": server.base_url})
        model.open(Services(ledger, allowed))
        try:
            session = model.visit(audience(agents), catalogue(), NoLuck(), 1)
            for number in (1, 2):
                session.turn(page(agents, number))
        except BudgetReached:
            over = True
        finally:
            booked = model.opened.gateway.budget.spent()  # type: ignore[attr-defined]
            model.close()
        while server.in_flight:  # given up by the client, worked on all the same
            time.sleep(0.01)
        requests, billed = len(server.requests), _sum(server.billed)
    kept = Spent(
        usd=sum((c.cost_usd or 0) + c.assumed_usd for c in ledger.calls),
        tokens=sum(c.tokens_in + c.tokens_out + c.assumed_tokens for c in ledger.calls),
    )
    return Run(allowed, billed, booked, kept, requests, over)


def _sum(billed: list[tuple[int, int]]) -> Spent:
    price = Price(PRICE["input"], PRICE["output"])
    return Spent(usd=sum(price.cost(Usage(*pair)) for pair in billed), tokens=sum(map(sum, billed)))


def test_no_cap_is_passed_as_the_server_counts() -> None:
    runs = [run(seed) for seed in range(RUNS)]
    for seed, one in enumerate(runs):
        tokens, usd = one.caps.tokens, one.caps.usd
        told = f"seed {seed}: {one}"
        assert tokens is None or one.billed.tokens <= one.booked.tokens <= tokens, told
        # Sums of floats here; inside they are whole numbers.
        slack = 1e-12
        assert usd is None or one.billed.usd - slack <= one.booked.usd <= usd + slack, told
        # What a later stint would start from.
        assert one.kept.tokens == one.booked.tokens, told
        assert one.kept.usd == pytest.approx(one.booked.usd, abs=slack), told
    stopped = [one for one in runs if one.over]
    assert 20 <= len(stopped) <= RUNS - 20, "the caps are no test"
    assert sum(one.requests > 0 for one in stopped) >= 10


@pytest.mark.parametrize("limit", [Caps(usd=0.01), Caps(usd=0.01, tokens=100)])
def test_a_cap_on_money_needs_a_price(limit: Caps) -> None:
    with Server() as server:
        model = create("chat", {"name": "gpt-4o-mini", "base_url": server.base_url})
        with pytest.raises(AgentError) as caught:
            model.open(Services(MemoryLedger(), limit))
    text = str(caught.value)
    assert "nobody knows the price of openai model 'gpt-4o-mini'" in text
    assert "give prices: {input: USD, output: USD} per million tokens" in text
    assert "\n" not in text
    assert server.requests == []


def test_no_request_is_sent_that_could_pass_the_cap() -> None:
    with Server() as server:
        model = create("chat", {"name": "m", "base_url": server.base_url, "prices": PRICE})
        model.open(Services(MemoryLedger(), Caps(tokens=100_000), Spent(tokens=99_000)))
        try:
            with pytest.raises(BudgetReached, match=r"99000 of 100000 spent.*raise the cap"):
                model.visit(audience(3), catalogue(), NoLuck(), 1).turn(page(3))
        finally:
            model.close()
    assert server.requests == []
