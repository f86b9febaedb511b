"""Progress of a run while it runs: counted cheaply, told until it has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from simulator.storage import queries
from simulator.storage.store import Store
from simulator.viewer import live
from simulator.viewer.app import create_app
from simulator.viewer.index import Index
from simulator.viewer.view import View

from ..storage import sample

PLAN: dict[str, Any] = {
    "rounds": 2,
    "agents": {"count": 3},
    "session": {"max_pages": 2},
    "arms": [{"name": "A"}, {"name": "B"}],
}


@pytest.fixture
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        yield opened


@pytest.fixture
def begun(store: Store) -> int:
    return sample.begin(store, scenario=PLAN)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look counts anew."""
    monkeypatch.setattr(live, "PAUSE", 0.0)
    monkeypatch.setattr(live, "SHARE", float("inf"))


def _feed(store: Store) -> Callable[[], live.Now]:
    feed = live.Feed(store, "try")
    return lambda: feed.now(queries.run(store))


def _first_page(store: Store, arm: int, leave: tuple[bool, bool], outcome: list[str]) -> None:
    """Agents 3 and 5 meet their first page."""
    answers = sample.answers([[1, 0], [0, 0]], outcome=outcome, leave=np.array(leave))
    item = np.array([[0, 1], [1, 2]])
    rank = np.array([[1, 2], [1, 2]])
    store.add_pages(arm, 1, 1, agent=sample.AGENTS[:2], item=item, rank=rank, answers=answers)


def test_before_anybody_has_come_everything_is_still_to_do(store: Store, begun: int) -> None:
    now = _feed(store)()
    assert (now.arms, now.waiting, now.done, now.total) == ((), 4, 0, 12)
    assert (now.pages, now.calls, now.pace, now.left) == (0, 0, None, None)


def test_sessions_are_read_off_the_pages_until_they_are_written(store: Store, begun: int) -> None:
    look, arm = _feed(store), sample.add_arm(store, begun, 0, "A")
    _first_page(store, arm, (False, False), ["ok", "ok"])
    assert look().arms == (live.ArmNow("A", 1, 0, 2, 0, over=False),)
    _first_page(store, sample.add_arm(store, begun, 1, "B"), (True, False), ["ok", "invalid"])
    now = look()
    assert now.arms[1] == live.ArmNow("B", 1, 2, 2, 1, over=False)
    assert (now.done, now.failed, now.pages, now.waiting) == (2, 1, 4, 2)
    assert now.pace is not None
    assert now.pace > 0
    assert now.left is not None  # 10 sessions at the pace of 2 since the first look


def test_the_last_page_ends_a_session(store: Store, begun: int) -> None:
    arm = sample.add_arm(store, begun, 0, "A")
    item, rank = np.array([[0, 1]]), np.array([[1, 2]])
    for number in (1, 2):
        agent, answers = sample.AGENTS[:1], sample.answers([[1, 0]])
        store.add_pages(arm, 1, number, agent=agent, item=item, rank=rank, answers=answers)
    assert _feed(store)().arms == (live.ArmNow("A", 1, 1, 2, 0, over=False),)


def test_an_arm_that_is_over_is_never_counted_again(store: Store, begun: int) -> None:
    look, arm = _feed(store), sample.add_arm(store, begun, 0, "A")
    sample.play(store, arm)
    assert look().arms == (live.ArmNow("A", 1, 3, 5, 1, over=True),)
    asked: list[tuple[str, Any]] = []
    sa.event.listen(
        store.engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3]))
    )
    look()
    of_pages = [values for query, values in asked if "FROM pages" in query]
    assert of_pages
    assert all(2 in values for values in of_pages)  # the round that comes next
    assert not any("FROM exposures" in query for query, _ in asked)


def test_rounds_come_one_after_the_other(store: Store, begun: int) -> None:
    look, arm = _feed(store), sample.add_arm(store, begun, 0, "A")
    sample.play(store, arm, 1)
    sample.play(store, arm, 2)
    assert [(one.round, one.over) for one in look().arms] == [(1, True), (2, True)]


def test_calls_are_counted_from_where_the_last_count_ended(
    store: Store, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_CALLS_AT_ONCE", 2)
    arm = sample.add_arm(store, begun, 0, "A")
    other = sample.add_arm(store, sample.begin(store, "other"), 0, "A")
    sample.play(store, arm)
    sample.play(store, other)
    feed = live.Feed(store, "try")
    now = feed.now(queries.run(store, "try"))
    usage = queries.usage(store, "try")
    assert not now.counting
    assert now.calls == usage["calls"].sum()
    assert now.tokens == usage[["tokens_in", "tokens_out"]].to_numpy().sum()
    sample.play(store, arm, 2)
    now, usage = feed.now(queries.run(store, "try")), queries.usage(store, "try")
    assert now.calls == usage["calls"].sum()
    assert now.cost == pytest.approx(usage["cost_usd"].sum())


def test_all_who_look_share_one_count(
    store: Store, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    count = live.Feed._count

    def counting(feed: live.Feed, run: queries.Run) -> live.Now:
        counted.append(run.id)
        return count(feed, run)

    monkeypatch.setattr(live.Feed, "_count", counting)
    monkeypatch.setattr(live, "PAUSE", 60.0)
    feeds, run = live.Feeds(store), queries.run(store)
    lookers = [threading.Thread(target=feeds.now, args=(run,)) for _ in range(8)]
    for one in lookers:
        one.start()
    for one in lookers:
        one.join()
    assert len(counted) == 1


def test_a_run_that_stops_when_decided_has_no_end_that_is_known(store: Store) -> None:
    sample.begin(store, scenario=PLAN | {"evaluation": {"stop": "anytime"}})
    now = _feed(store)()
    assert now.total is None
    assert now.left is None


def test_a_killed_run_is_said_to_be_dead_but_not_one_that_begins(
    store: Store, begun: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = queries.run(store)
    assert live.alive(store, run.name, run.created_at)
    monkeypatch.setattr(live, "SETTLING", 0.0)
    assert not live.alive(store, run.name, run.created_at)
    with store.lock_run("try"):
        assert live.alive(store, run.name, run.created_at)


def _events(text: str) -> list[str]:
    return [line.partition(": ")[2] for line in text.splitlines() if line.startswith("event:")]


@pytest.fixture
def client(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr("simulator.viewer.run_page.TICK", 0.02)
    app = create_app(View(store, Index(tmp_path / "i.view")))
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        yield opened


def test_what_changes_is_told_until_the_run_has_ended(
    store: Store, begun: int, client: TestClient
) -> None:
    def play() -> None:
        sample.play(store, sample.add_arm(store, begun, 0, "A"))
        seen.wait(10)
        store.end_run(begun, status="finished")

    seen, player = threading.Event(), threading.Timer(0.3, play)
    player.start()
    threading.Timer(1.0, seen.set).start()
    answer = client.get("/runs/try/events")
    player.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = _events(answer.text)
    assert told[-1] == "ended"
    assert told.count("progress") >= 2
    assert "0 of 12 sessions" in answer.text
    assert "3 of 12 sessions" in answer.text


def test_a_stream_over_a_run_that_has_ended_ends_at_once(
    store: Store, begun: int, client: TestClient
) -> None:
    store.end_run(begun, status="finished")
    assert _events(client.get("/runs/try/events").text) == ["progress", "ended"]


def test_a_stream_over_a_killed_run_says_so_and_ends(
    begun: int, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SETTLING", 0.0)
    text = client.get("/runs/try/events").text
    assert "Stopped without a word" in text
    assert _events(text)[-1] == "ended"
