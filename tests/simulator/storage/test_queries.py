"""Frames: names, order, dtypes, and what is asked for only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from agents.interface import Place, Spent
from simulator.errors import InputError
from simulator.storage import queries
from simulator.storage.ledger import StoreLedger
from simulator.storage.store import Store

from .sample import AGENTS, add_arm, begin, call, play, whole_run


@pytest.fixture
def store(empty: Store) -> Store:
    whole_run(empty)
    return empty


def test_runs_lists_what_is_there(store: Store) -> None:
    begin(store)
    frame = queries.runs(store)
    assert frame[["name", "status", "agents"]].values.tolist() == [
        ["try", "finished", 3],
        ["try-2", "running", 3],
    ]
    assert frame["arms"].tolist() == [("A", "B"), ()]
    assert list(frame.columns) == [
        *("name", "status", "seed", "agents", "arms"),
        *("scenario_file", "created_at", "finished_at", "error"),
        *("family", "world", "replicate"),
    ]


def test_the_latest_run_is_meant_when_none_is_named(store: Store) -> None:
    begin(store, "later")
    assert queries.run(store).name == "later"
    assert queries.run(store, "try").dataset["rating_scale"] == [1, 5]


def test_an_unknown_run_or_arm_is_told_with_what_is_there(store: Store) -> None:
    with pytest.raises(InputError, match="run: found 'tri'; allowed: try"):
        queries.run(store, "tri")
    with pytest.raises(InputError, match="arm: found 'C'; allowed: A, B"):
        queries.exposures(store, arm="C")
    with Store.open("sqlite://") as empty:
        with pytest.raises(InputError, match="found no runs"):
            queries.run(empty)
        assert queries.runs(empty).empty


def test_arms_are_categories_in_the_scenarios_order(store: Store) -> None:
    for frame in (queries.arms(store), queries.sessions(store), queries.offline(store)):
        assert list(frame["arm"].cat.categories) == ["A", "B"]
        assert frame["arm"].cat.ordered
        assert frame["arm"].is_monotonic_increasing


def test_sessions_carry_ratings_and_interviews(store: Store) -> None:
    frame = queries.sessions(store)
    a = frame[frame["arm"] == "A"]
    assert a["agent"].tolist() == [3, 5, 8]
    assert a["n_rated"].tolist() == [2, 0, 1]
    assert a["rating_sum"].tolist() == [9.0, 0.0, 3.0]
    assert a["satisfaction"].fillna(-1).tolist() == [8.0, -1, -1]
    assert a["return_intent"].fillna(-1).tolist() == [0.75, -1, -1]
    assert a["interview_outcome"].fillna("none").tolist() == ["ok", "none", "transport"]
    assert a["censored"].tolist() == [False, False, True]
    assert frame["exit_page"].dtype == np.int64
    assert frame["censored"].dtype == np.bool_


def test_exposures_are_in_order_and_typed(store: Store) -> None:
    frame = queries.exposures(store)
    keys = frame[["arm", "round", "agent", "page", "slot"]]
    assert keys.equals(keys.sort_values(list(keys.columns), ignore_index=True))
    assert frame["watched"].dtype == "boolean"
    assert frame["rating"].dtype == np.float64
    assert frame["item"].dtype == np.int64
    assert frame.loc[frame["agent"] == 5, "watched"].isna().all()


def test_a_frame_of_one_agent_and_arm(store: Store) -> None:
    frame = queries.exposures(store, arm="B", agent=8)
    assert frame[["page", "slot", "item"]].values.tolist() == [[1, 1, 5], [2, 1, 4], [2, 2, 0]]
    assert set(frame["arm"]) == {"B"}
    assert queries.pages(store, arm="B", agent=8)["page"].tolist() == [1, 2]
    assert queries.calls(store, agent=8).empty


def test_only_the_columns_asked_for(store: Store) -> None:
    frame = queries.exposures(store, columns=["rating"])
    assert list(frame.columns) == ["arm", "round", "page", "agent", "slot", "rating"]


def test_frames_of_one_run_hold_no_other(store: Store) -> None:
    other = begin(store, "other")
    play(store, add_arm(store, other, 0, "Z"))
    assert set(queries.exposures(store, "try")["arm"]) == {"A", "B"}
    assert set(queries.exposures(store, "other")["arm"]) == {"Z"}
    assert len(queries.agents(store, "try")) == 3


def test_frames_without_rows_have_the_same_columns_and_dtypes(store: Store) -> None:
    full = {name: getattr(queries, name)(store) for name in ("sessions", "exposures", "steps")}
    begin(store, "empty")
    for name, frame in full.items():
        empty = getattr(queries, name)(store, "empty")
        assert empty.empty
        assert list(empty.columns) == list(frame.columns)
        numeric = frame.drop(columns="arm").select_dtypes(exclude=["object", "str"])
        assert empty.dtypes[numeric.columns].equals(numeric.dtypes)


def test_lists_come_back_as_lists(store: Store) -> None:
    assert queries.items(store)["genres"].tolist()[0] == ["Horror", "Sci-Fi"]
    assert queries.agents(store)["tastes"].tolist() == [["old films"], [], ["horror", "plots"]]
    assert np.isnan(queries.items(store)["shown_rating"][1])


def test_usage_counts_what_was_sent_and_what_was_cached(store: Store) -> None:
    frame = queries.usage(store)
    assert frame["arm"].tolist() == ["A", "B"]
    row = frame.iloc[0]
    assert (row["calls"], row["tokens_in"], row["tokens_out"], row["cached"]) == (3, 300, 30, 1)
    assert row["cost_usd"] == pytest.approx(0.003)


def test_a_cost_is_unknown_when_one_price_is(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE calls SET cost_usd = NULL WHERE attempt = 1"))
    assert queries.usage(store)["cost_usd"].isna().all()
    with store.engine.begin() as connection:  # refused before it cost anything
        connection.execute(
            sa.text("UPDATE calls SET tokens_in = 0, tokens_out = 0 WHERE attempt = 1")
        )
    assert queries.usage(store)["cost_usd"].tolist() == pytest.approx([0.002, 0.002])


def test_usage_by_kind(store: Store) -> None:
    frame = queries.usage(store, by_kind=True)
    assert frame[["arm", "kind", "calls", "cached"]].values.tolist() == [
        ["A", "interview", 0, 1],
        ["A", "page", 3, 0],
        ["B", "interview", 0, 1],
        ["B", "page", 3, 0],
    ]


def test_what_is_spent_includes_what_may_have_been(store: Store) -> None:
    spent = queries.spent(store)
    assert spent.usd == pytest.approx(0.006)
    assert (spent.tokens, spent.seconds) == (660, 0.0)
    other = begin(store, "other")
    assert queries.spent(store) == Spent()
    place = Place(add_arm(store, other, 0, "A"), 1)
    lost = call(0, attempt=1, tokens_in=0, tokens_out=0, cost_usd=None)
    lost = replace(lost, outcome="transport", assumed_tokens=500, assumed_usd=0.5)
    answered = call(0, attempt=2, tokens_cached=64)
    StoreLedger(store, AGENTS).write(
        [(place, lost), (place, answered), (place, call(1, cached=True, assumed_usd=9.0))]
    )
    store.add_seconds(other, 2.5)
    spent = queries.spent(store, "other")
    assert spent.usd == pytest.approx(0.501)
    assert (spent.tokens, spent.seconds) == (610, 2.5)
    (row,) = queries.usage(store, "other").to_dict("records")
    assert row == {
        "arm": "A",
        "calls": 2,
        "tokens_in": 100,
        "tokens_out": 10,
        "cost_usd": 0.001,
        "cached": 1,
        "tokens_cached": 64,
        "assumed_tokens": 500,
        "assumed_usd": 0.5,
    }
