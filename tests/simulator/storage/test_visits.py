"""One agent's rows, looked up by their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from simulator.errors import InputError
from simulator.storage import keyed, queries, tables, visits
from simulator.storage.store import Store

from ..report import sample
from ..viewer import seen

ARMS = tuple(sample.ARMS)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store.open("sqlite://") as opened:
        sample.write(opened, sample.Sample(12, failed=(1,), rounds=2))
        sample.write(opened, sample.Sample(5, seed=4, member={"name": "other"}))
        yield opened


def _keys(rows: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


@pytest.mark.parametrize("agent", [10, 11, 21])
def test_they_are_those_of_the_frames_of_the_whole_run(store: Store, agent: int) -> None:
    found = visits.visits(store, queries.run(store, "try"), agent)
    for rows, frame, key in (
        (found.pages, queries.pages(store, "try"), ("arm", "round", "page")),
        (found.exposures, queries.exposures(store, "try"), ("arm", "round", "page", "slot")),
        (found.sessions, queries.sessions(store, "try"), ("arm", "round")),
    ):
        expected = frame[frame["agent"] == agent].to_dict("records")
        assert _keys(rows, *key) == _keys(expected, *key)
        assert len(rows) >= len(ARMS) * 2
    assert {row["item"] for row in found.exposures} == set(found.items)


def test_one_arm_and_one_round_of_it(store: Store) -> None:
    run = queries.run(store, "try")
    whole = visits.visits(store, run, 12)
    part = visits.visits(store, run, 12, "MF", 2)
    assert part.exposures == [r for r in whole.exposures if (r["arm"], r["round"]) == ("MF", 2)]
    assert part.exposures != []
    assert _keys(visits.sessions(store, run, 12), "arm", "round") == visits.begun(store, run, 12)
    assert visits.begun(store, run, 12) == [(arm, number) for arm in ARMS for number in (1, 2)]
    with pytest.raises(InputError, match="found 'Nobody'; allowed: Random, MF, LightGCN"):
        visits.visits(store, run, 12, "Nobody")


def test_the_agents_beside_one_are_those_of_its_arm_and_round(store: Store) -> None:
    run = queries.run(store, "try")
    assert visits.beside(store, run, 10, "MF", 1) == (None, 11)
    assert visits.beside(store, run, 15, "MF", 2) == (14, 16)
    assert visits.beside(store, run, 21, "Random", 1) == (20, None)
    assert visits.beside(store, run, 15, "MF", 3) == (None, None)
    assert visits.beside(store, queries.run(store, "other"), 13, "MF", 1) == (12, 14)


def test_the_agents_beside_one_may_have_to_be_in_another_arm_too() -> None:
    with Store.open("sqlite://") as opened:
        seen.write(opened)  # agents 5, 6 and 9 in One; 5 and 9 in Two
        run = queries.run(opened, "seen")
        assert visits.beside(opened, run, 9, "One", 1) == (6, None)
        assert visits.beside(opened, run, 9, "One", 1, "Two") == (5, None)
        assert visits.beside(opened, run, 5, "One", 1, "Two") == (None, 9)


def test_what_was_shown_on_a_page_is_read_from_the_top_slot_down(store: Store) -> None:
    run = queries.run(store, "other")
    shown = visits.shown(store, run, 12, "LightGCN", 1, 1)
    frame = queries.exposures(store, "other", arm="LightGCN", agent=12)
    assert [row["item"] for row in shown] == frame.loc[frame["page"] == 1, "item"].tolist()
    assert {row["run_id"] for row in shown} == {run.id}


def test_keys_are_used_to_their_end(store: Store) -> None:
    """Else a query for one agent would read the rows of all."""
    with store.engine.connect() as connection:
        last = keyed.ends(connection, [1, 2, 3])
        assert (last.round, last.page) == (2, sample.PAGES)
        for table in (tables.pages, tables.exposures, tables.memories):
            query = sa.select(table).where(*keyed.one(table.c, [1, 2, 3], 12, last))
            text = query.compile(connection, compile_kwargs={"literal_binds": True})
            (plan,) = connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}")).all()
            assert "(arm_id=? AND round=? AND page=? AND agent=?)" in plan[3]


def test_a_run_that_has_begun_has_no_rows(store: Store) -> None:
    with Store.open("sqlite://") as empty:
        empty.begin_run(name="new", seed=1, scenario={}, scenario_file="")
        run = queries.run(empty, "new")
        with pytest.raises(InputError, match="agent: found 3; allowed: it has no agents"):
            visits.agent(empty, run, 3)
        assert visits.visits(empty, run, 3).pages == []
        assert visits.begun(empty, run, 3) == []
