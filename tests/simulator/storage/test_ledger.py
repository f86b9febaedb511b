"""Calls kept through the ledger: found again by question and by key, from any thread."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from agents.interface import Call, Ledger, Place
from simulator.storage import queries
from simulator.storage.ledger import StoreLedger
from simulator.storage.store import Store

from .sample import AGENTS, add_arm, answers, begin, call


@pytest.fixture
def store(empty: Store) -> Store:
    run_id = begin(empty)
    add_arm(empty, run_id, 0, "A")
    add_arm(empty, run_id, 1, "B")
    return empty


def places(store: Store, run: str = "try") -> list[Place]:
    return [Place(arm_id, 1) for arm_id in queries.arms(store, run)["arm_id"]]


FULL = Call(
    2, 1, "page", 2, "repaired", "hash", '[{"role": "user"}]', "{}", 100, 10, 0.25,
    cached=False, cost_usd=0.001, key="k1", tokens_cached=60, assumed_tokens=5, assumed_usd=0.5,
)  # fmt: skip


def test_a_call_comes_back_as_it_was(store: Store) -> None:
    ledger: Ledger = StoreLedger(store, AGENTS, resumed=True)
    first = call(2, outcome="invalid", attempt=1, cost_usd=None)
    a, b = places(store)
    ledger.write([(a, FULL), (b, call(2)), (a, first)])
    assert ledger.logged(a, 2, 1, "page") == [first, FULL]
    assert ledger.known("k1") == FULL
    for place, row, page, kind in (
        (a, 1, 1, "page"),
        (a, 2, 2, "page"),
        (a, 2, 1, "other"),
        (Place(a.arm_id, 2), 2, 1, "page"),
    ):
        assert ledger.logged(place, row, page, kind) == []


def test_a_fresh_run_does_not_look_into_its_log(store: Store) -> None:
    a, _ = places(store)
    StoreLedger(store, AGENTS).write([(a, FULL)])
    assert StoreLedger(store, AGENTS).logged(a, 2, 1, "page") == []
    closed = StoreLedger(store, AGENTS, closed=True)
    assert closed.closed
    assert closed.logged(a, 2, 1, "page") == [FULL]


def test_only_a_reply_that_can_be_used_is_known(store: Store) -> None:
    ledger = StoreLedger(store, AGENTS)
    a, _ = places(store)
    ledger.write(
        [
            (a, call(0, key="k", outcome="invalid")),
            (a, call(0, key="k", outcome="ok", attempt=2, cached=True)),
            (a, call(1, outcome="ok")),
        ]
    )
    assert ledger.known("k") is None
    assert ledger.known("") is None
    ledger.write([(a, call(0, key="k", attempt=3, reply="old"))])
    ledger.write([(a, call(0, key="k", attempt=4, reply="new", outcome="repaired"))])
    found = ledger.known("k")
    assert found is not None
    assert found.reply == "new"


def test_a_reply_of_another_run_is_known_by_the_agent(store: Store) -> None:
    other = begin(store, "other")
    place = Place(add_arm(store, other, 0, "A"), 1)
    StoreLedger(store, AGENTS).write([(place, call(2, key="k"))])
    found = StoreLedger(store, AGENTS[[2]]).known("k")
    assert found is not None
    assert found.row == 0
    found = StoreLedger(store, AGENTS[[0]]).known("k")
    assert found is not None
    assert found.row == -1


def test_calls_are_written_together_or_not_at_all(store: Store) -> None:
    ledger = StoreLedger(store, AGENTS)
    a, b = places(store)
    ledger.write([])
    ledger.write([(a, call(0))])
    with pytest.raises(IntegrityError):
        ledger.write([(b, call(1)), (a, call(0))])
    assert len(queries.calls(store)) == 1


def test_pages_and_calls_are_written_from_two_threads(store: Store) -> None:
    ledger = StoreLedger(store, np.arange(40), resumed=True)
    a, b = places(store)
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            for row in range(40):
                ledger.write([(a, call(row, key=f"k{row}")), (b, call(row, messages="m" * 5000))])
                assert ledger.known(f"k{row}")
                assert len(ledger.logged(b, row, 1, "page")) == 1
        except BaseException as error:  # noqa: BLE001  (handed to the main thread)
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    for agent in range(40):
        store.add_pages(
            a.arm_id,
            1,
            1,
            agent=np.array([agent]),
            item=np.array([[1, 2]]),
            rank=np.array([[1, 2]]),
            answers=answers([[1, 0]]),
        )
        assert len(queries.pages(store)) == agent + 1
    thread.join()
    assert failed == []
    assert len(queries.calls(store)) == 80
