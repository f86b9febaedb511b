"""``audition plan``: what is counted beforehand is what a run then asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from agents.response.prices import Price
from simulator.planning.questions import Amount, Asked, Browsing, allowed, amount, seconds, steps
from simulator.storage import tables
from simulator.storage.store import Store

from .command import audition
from .test_scripted_run import SMALL, run

SETTINGS: dict[str, Any] = {
    "protocol": "page",
    "reflect_every": 2,
    "reflection": "summary",
    "interview": "together",
    "concurrency": 16,
    "requests_per_minute": None,
    "tokens_per_minute": None,
}


def planned(*arguments: object) -> dict[str, Any]:
    sets = [part for setting in SMALL for part in ("--set", setting)]
    done = audition("plan", "chat", *sets, *arguments, "--json")
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


# -- the sums ------------------------------------------------------------------------------


@pytest.mark.parametrize(("expected", "most"), [(3.23, 5), (1, 5), (5, 5), (1, 1), (7.5, 10)])
def test_shares_of_sessions_add_up_to_the_expected_pages(expected: float, most: int) -> None:
    browsing = Browsing(expected, most)
    assert sum(map(browsing.reached, range(1, most + 1))) == pytest.approx(expected, abs=1e-6)
    assert 0 <= browsing.stopped <= browsing.reached(most)


def test_the_default_protocol_asks_once_a_page_and_interviews_whom_the_limit_stops() -> None:
    browsing = Browsing(3.23, 5)
    found = steps(browsing, SETTINGS)
    assert sum(found.expected.values()) == pytest.approx(3.23 + browsing.stopped)
    assert sum(found.most.values()) == 6


def test_the_original_protocol_asks_twice_a_page() -> None:
    found = steps(Browsing(3.23, 5), SETTINGS | {"protocol": "agent4rec"})
    reflections = Browsing(3.23, 5).reached(2) + Browsing(3.23, 5).reached(4)
    assert sum(found.expected.values()) == pytest.approx(2 * 3.23 + reflections + 1)
    assert sum(found.most.values()) == 5 * 2 + 2 + 1


def test_an_interview_apart_and_reflections_by_call_are_counted() -> None:
    found = steps(Browsing(5, 5), SETTINGS | {"interview": "apart", "reflection": "chat"})
    assert sum(found.expected.values()) == pytest.approx(5 + 2 + 1)


def test_tokens_are_means_as_expected_and_the_largest_at_most() -> None:
    asked = [Asked("page", 1, 100, 400, 10, 50), Asked("page", 1, 200, 800, 30, 50)]
    assert amount(asked, {("page", 1): 0.5}, 10, bound=False) == Amount(5, 750, 100)
    assert amount(asked, {("page", 1): 1}, 10, bound=True) == Amount(10, 8000, 500)
    # A page that nobody of the sample saw counts like the others.
    assert amount(asked, {("page", 2): 1}, 1, bound=False) == Amount(1, 150, 20)


def test_time_is_set_by_whatever_is_slowest() -> None:
    total = Amount(1600, 1_000_000, 200_000)
    assert seconds(total, SETTINGS, 2.0, 5) == (200.0, "16 calls in flight")
    assert seconds(total, SETTINGS, 2.0, 500)[0] == 1000.0
    limited = SETTINGS | {"requests_per_minute": 60.0}
    assert seconds(total, limited, 2.0, 5) == (1600.0, "60 requests a minute")
    assert seconds(total, limited | {"tokens_per_minute": 100.0}, 2.0, 5)[0] == 720_000


def test_money_needs_a_price() -> None:
    assert Amount(1, 1_000_000, 100_000).cost(Price(2.0, 10.0)) == pytest.approx(3.0)
    assert Amount(1, 1_000_000, 100_000).cost(None) is None
    assert allowed(5.0, None, None) == "refused: no price is known"
    assert allowed(5.0, 1.0, 4.0) == "cannot be reached"


# -- the command ---------------------------------------------------------------------------


def test_a_plan_is_close_to_what_the_run_asks(tmp_path: Path) -> None:
    run(tmp_path)
    with Store.open(tmp_path / "runs.db") as store, store.engine.connect() as connection:
        c = tables.calls.c
        each = (sa.func.count(), sa.func.avg(c.tokens_in), sa.func.avg(c.tokens_out))
        query = sa.select(c.kind, *each).where(c.cached.is_(False)).group_by(c.kind)
        asked = {kind: figures for kind, *figures in connection.execute(query)}
        of_pages = sa.select(sa.func.avg(tables.sessions.c.exit_page))
        pages = connection.scalar(of_pages)
    document = planned("--pages", pages, "--store", tmp_path / "runs.db")
    assert document["by_kind"].keys() == {"page", "reflection", "interview"}
    assert {"page", "reflection"} <= asked.keys()
    for kind, (_, prompt, reply) in asked.items():
        assert document["by_kind"][kind]["prompt"] == pytest.approx(prompt, rel=0.15)
        assert document["by_kind"][kind]["reply"] == pytest.approx(reply, rel=0.25)
    # Arms that show an agent the same page share a call, which no plan can know.
    total = sum(n for n, *_ in asked.values())
    assert total <= document["calls"]["most"]
    assert document["kept"] == {"runs": 1, "replies": total}
    assert document["usd"] == {"expected": 0, "most": 0}


def test_a_plan_is_the_same_twice_and_asks_nobody() -> None:
    """The shipped scenario names OpenAI; no key is needed to plan."""
    arguments = ("plan", "chat", "--agents", 20, "--json")
    first, second = audition(*arguments), audition(*arguments)
    assert first.code == 0, first.err
    assert first.out == second.out
    document = json.loads(first.out)
    assert document["sessions"] == 40
    assert 0 < document["usd"]["expected"] < document["usd"]["most"]
    for part in ("prompt", "reply"):
        assert document["tokens"][part]["expected"] < document["tokens"][part]["most"]


def test_profiles_are_one_call_an_agent() -> None:
    document = planned("--set", "agents.profiles=chat")
    assert document["by_kind"]["profile"]["calls"] == 12
    without = planned()
    assert document["calls"]["most"] == without["calls"]["most"] + 12


def test_an_unknown_price_is_said_with_the_fix_and_caps_are_explained() -> None:
    own = ("--set", "agents.response.base_url=http://127.0.0.1:9/v1", "--set", "budget.usd=1")
    tokens = ("--set", "budget.tokens=1000")
    done = audition("plan", "chat", "--agents", 5, *own, *tokens)
    assert done.code == 0, done.err
    assert "unknown price: give prices: {input: USD, output: USD}" in " ".join(done.out.split())
    assert "budget.usd 1: refused: no price is known" in done.out
    assert "budget.tokens 1000: stops the run at about" in done.out
    assert "needs a pilot run" in " ".join(done.out.split())


def test_the_behavioural_model_costs_nothing() -> None:
    done = audition("plan", "quickstart", "--agents", 50, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["calls"] == {"expected": 0, "most": 0}
    assert document["usd"]["most"] == 0
    assert document["seconds"]["expected"] >= 0


@pytest.mark.parametrize("pages", ["0.5", "6"])
def test_pages_out_of_range_are_refused(pages: str) -> None:
    done = audition("plan", "chat", "--agents", 5, "--pages", pages)
    assert done.code == 2
    assert "allowed: 1 to 5, session.max_pages" in done.err
