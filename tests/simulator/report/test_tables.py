"""The figures' numbers on frames small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from simulator.report import intervals, tables


def _sessions(exit_page: list[int], censored: list[bool], outcome: list[str]) -> pd.DataFrame:
    n = len(exit_page)
    return pd.DataFrame(
        {"arm": ["A"] * n, "agent": range(n), "exit_page": exit_page, "censored": censored}
    ).assign(outcome=outcome)


def test_exits_count_who_left_and_who_was_stopped() -> None:
    sessions = _sessions([1, 2, 2, 2, 1], [False, False, True, True, False], ["ok"] * 4 + ["bad"])
    out = tables.exits(sessions, 0.95)
    assert out["page"].tolist() == [0, 1, 2]
    assert out["still_browsing"].tolist() == [1.0, 0.75, 0.5]
    assert out["left"].tolist() == [0, 1, 1]
    assert set(out["agents"]) == {4}
    assert out["low"].iloc[2] == pytest.approx(0.1500, abs=1e-4)  # Wilson, 2 of 4


def test_watch_rate_by_slot_is_clustered_by_agent() -> None:
    exposures = pd.DataFrame(
        {"arm": "A", "agent": [1, 1, 2, 2], "slot": [1, 1, 1, 1], "page": [1, 2, 1, 2]}
    ).assign(
        watched=[True, True, False, False],
        relevant=pd.array([True, False, None, None], dtype="boolean"),
    )
    out = tables.slots(exposures, 0.95)
    assert out["watch_rate"].tolist() == [0.5]
    assert out["n"].tolist() == [2]
    assert out["shown"].tolist() == [4]
    assert out["relevant_share"].tolist() == [0.5]
    # Two agents, one always and one never: as wide as two single draws, not as four.
    values = pd.DataFrame({"arm": "A", "value": [1.0, 0.0]})
    expected = intervals.mean_by(values, ["arm"], "value", 0.95)
    assert out["high"].iloc[0] == pytest.approx(expected["high"].iloc[0])


def test_answers_keep_half_stars_and_round_the_rest() -> None:
    halves = pd.DataFrame({"arm": "A", "rating": [3.5, 3.5, 4.0, np.nan]})
    assert tables.answers(halves, "rating")["rating"].tolist() == [3.5, 4.0]
    scores = pd.DataFrame({"arm": "A", "satisfaction": [3.2, 2.9, 7.0]})
    out = tables.answers(scores, "satisfaction")
    assert out["satisfaction"].tolist() == [3.0, 7.0]
    assert out["share"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_exposures_of_failed_pages_do_not_count() -> None:
    pages = pd.DataFrame(
        {"arm": "A", "agent": [1, 1], "page": [1, 2], "outcome": ["ok", "invalid"]}
    )
    exposures = pd.DataFrame({"arm": "A", "agent": 1, "page": [1, 1, 2], "slot": [1, 2, 1]})
    assert tables.usable(exposures, pages)["page"].tolist() == [1, 1]
    assert tables.usable(exposures, pages.iloc[:1]) is exposures


def test_rating_gap_is_from_the_rating_shown() -> None:
    agents = pd.DataFrame({"agent": [1, 2], "activity": 1, "diversity": 2, "conformity": [1, 3]})
    sessions = _sessions([1, 2], [False, False], ["ok", "ok"]).assign(
        agent=[1, 2], shown=4, watched=[1, 2]
    )
    exposures = pd.DataFrame({"arm": "A", "agent": [1, 2, 2], "item": [0, 0, 1]}).assign(
        rating=[4.0, 1.0, 5.0]
    )
    items = pd.DataFrame({"item": [0, 1], "shown_rating": [3.5, np.nan]})
    out = tables.traits(agents, sessions, exposures, items, 0.95).set_index(["trait", "level"])
    assert out.loc[("conformity", 1), "mean"] == 0.5
    assert out.loc[("conformity", 3), "mean"] == 2.5
    assert out.loc[("activity", 1), "mean"] == 1.5
    assert out.loc[("diversity", 2), "mean"] == 0.375


def test_a_leader_must_beat_every_other_arm() -> None:
    rng = np.random.default_rng(1)
    luck = rng.normal(size=200)
    near = pd.DataFrame({"A": luck, "B": luck + 0.5, "C": luck + 0.5 + rng.normal(0, 0.5, 200)})
    assert intervals.leader(near, 0.95) is None
    far = near.assign(B=luck + 1.0)
    assert intervals.leader(far, 0.95) == "B"
    assert intervals.leader(far.iloc[:1], 0.95) is None
    assert intervals.leader(far[["B"]], 0.95) is None


def test_equal_arms_seldom_have_a_leader() -> None:
    rng = np.random.default_rng(2)
    found = [
        intervals.leader(pd.DataFrame(rng.normal(size=(40, 4)), columns=list("ABCD")), 0.95)
        for _ in range(200)
    ]
    assert sum(name is not None for name in found) <= 10  # chosen by looking, still under 5 %
