"""Which arm's question counts as sent does not depend on which was faster."""

from __future__ import annotations

import pandas as pd
import pytest

from agents.interface import Call, Place
from simulator.storage import queries
from simulator.storage.ledger import StoreLedger
from simulator.storage.store import Store

from .sample import AGENTS, add_arm, begin, call

PLACE = ["arm", "round", "agent", "page", "kind", "attempt"]


def sent(row: int, key: str, **changes: object) -> list[Call]:
    """A question that took two attempts."""
    first = call(row, key=key, outcome="invalid", attempt=1, reply="?", **changes)
    return [first, call(row, key=key, outcome="repaired", attempt=2, **changes)]


def shared(row: int, key: str, **changes: object) -> list[Call]:
    return [call(row, key=key, outcome="repaired", attempt=1, cached=True, **changes)]


def played(store: Store, name: str, calls: list[tuple[int, list[Call]]]) -> int:
    """A run of arms A, B, C with calls by position of the arm."""
    run_id = begin(store, name)
    arms = [add_arm(store, run_id, position, "ABC"[position]) for position in (0, 1, 2)]
    ledger = StoreLedger(store, AGENTS)
    for position, of_question in calls:
        ledger.write([(Place(arms[position], 1), c) for c in of_question])
    return run_id


def settled(store: Store, run_id: int) -> pd.DataFrame:
    store.settle_calls(run_id)
    return queries.calls(store, store.run_name(run_id))


def test_whoever_was_first_the_calls_are_the_same(empty: Store) -> None:
    found = []
    for first, others in ((0, (1, 2)), (1, (2, 0)), (2, (1, 0))):
        calls = [(first, sent(0, "k"))] + [(other, shared(0, "k")) for other in others]
        calls.append((1, [call(1), call(1, attempt=1)]))
        if first:
            calls += [(first, sent(2, "other", page=3)), (0, shared(2, "other", page=1))]
        else:
            calls += [(0, sent(2, "other", page=1)), (2, shared(2, "other", page=3))]
        run_id = played(empty, f"run{first}", calls)
        before = len(queries.calls(empty, f"run{first}"))
        found.append(settled(empty, run_id))
        assert len(found[-1]) == before
        pd.testing.assert_frame_equal(settled(empty, run_id), found[-1])
    k = [frame[frame["key"] == "k"].reset_index(drop=True) for frame in found]
    for frame in k[1:]:
        pd.testing.assert_frame_equal(frame, k[0])
    assert k[0][["arm", "attempt", "cached"]].values.tolist() == [
        ["A", 1, False],
        ["A", 2, False],
        ["B", 1, True],
        ["C", 1, True],
    ]
    for frame in found:
        other = frame[(frame["key"] == "other") & ~frame["cached"]]
        assert other[PLACE].values.tolist() == [["A", 1, 8, 1, "page", n] for n in (1, 2)]


def test_a_reply_of_another_run_stays_where_it_was_sent(empty: Store) -> None:
    earlier = played(empty, "earlier", [(2, sent(0, "k"))])
    later = played(empty, "later", [(0, shared(0, "k")), (1, shared(0, "k"))])
    assert settled(empty, later)["cached"].all()
    assert settled(empty, earlier)["arm"].tolist() == ["C", "C"]


@pytest.mark.parametrize(
    "stays",
    [
        [call(0, key="k", outcome="transport", attempt=1)],
        [
            call(0, key="k", outcome="transport", attempt=1),
            call(0, key="k", attempt=2, cached=True),
        ],
    ],
)
def test_a_question_that_failed_itself_keeps_what_it_did(empty: Store, stays: list[Call]) -> None:
    run_id = played(empty, "run", [(0, stays), (2, sent(0, "k")), (1, shared(0, "k"))])
    frame = settled(empty, run_id)
    assert frame[["arm", "outcome", "cached"]].values.tolist() == [
        *(["A", c.outcome, c.cached] for c in stays),
        ["B", "invalid", False],
        ["B", "repaired", False],
        ["C", "repaired", True],
    ]
