"""Every metric against arithmetic done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.evaluation.simulated import (
    METRICS,
    Log,
    described,
    failures,
    liked_rating,
    parts,
    values,
)

from .sample import NAN, log


def two_agents() -> Log:
    """Agent 1 saw four items and watched three of them, agent 2 two and none."""
    return log(
        [
            ("A", 1, 1, 0, 1, 5),
            ("A", 1, 1, 1, 1, 3),
            ("A", 1, 1, 2, 0, NAN),
            ("A", 1, 1, 3, 1, NAN),  # watched, not rated
            ("A", 1, 2, 0, 0, NAN),
            ("A", 1, 2, 0, 0, NAN),  # the same item again
        ],
        [
            {"arm": "A", "agent": 1, "exit_page": 3, "satisfaction": 7, "return_intent": 0.6},
            {"arm": "A", "agent": 2, "exit_page": 1},
        ],
    )


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("p_view", [3 / 4, 0]),
        ("n_like", [1, 0]),
        ("p_like", [1 / 4, 0]),
        ("n_exit", [3, 1]),
        ("s_sat", [7, NAN]),
        ("mean_rating", [(5 + 3) / 2, NAN]),
        # Horror 1/2 + 1, Sci-Fi 1/2, Drama 1 of 3: -(1/2 log 1/2 + 1/6 log 1/6 + 1/3 log 1/3)
        ("genre_entropy", [1.4591479170272448, NAN]),
        ("repeat_rate", [0, 1 / 2]),
        ("return_intent", [0.6, NAN]),
    ],
)
def test_by_hand(metric: str, expected: list[float]) -> None:
    np.testing.assert_allclose(values(two_agents())[metric], expected, rtol=1e-12)


def test_every_metric_is_worked_out_by_hand_and_described() -> None:
    names = [name for name, _ in described()]
    cases = test_by_hand.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert names == list(METRICS) == [metric for metric, _ in cases]


def test_a_failed_session_has_no_value_and_is_counted() -> None:
    read = log(
        [("A", 1, 1, 0, 1, 5), ("A", 1, 2, 0, NAN, NAN), ("A", 1, 3, 0, 1, 4)],
        [
            {"arm": "A", "agent": 1, "satisfaction": 5, "interview_outcome": "ok"},
            {"arm": "A", "agent": 2, "outcome": "invalid", "satisfaction": 5},
            {"arm": "A", "agent": 3, "interview_outcome": "transport"},
        ],
    )
    got = values(read)
    assert got.loc[1, list(METRICS)].isna().all()
    assert got["p_view"].mean() == 1.0
    assert failures(read.sessions) == {"interview: transport": 1, "invalid": 1}


def test_repeats_count_over_rounds_of_one_arm_only() -> None:
    read = log(
        [
            ("A", 1, 1, 0, 1, 4),
            ("A", 1, 1, 1, 0, NAN),
            ("A", 2, 1, 1, 0, NAN),
            ("A", 2, 1, 2, 0, NAN),
            ("B", 1, 1, 0, 0, NAN),
            ("B", 1, 2, 0, 0, NAN),
        ],
        [
            {"arm": "A", "agent": 1},
            {"arm": "A", "agent": 1, "round": 2},
            {"arm": "B", "agent": 1},
            {"arm": "B", "agent": 2},
        ],
    )
    assert values(read)["repeat_rate"].tolist() == [0, 0.5, 0, 0]


def test_liked_is_the_same_place_on_any_scale() -> None:
    rows = [("A", 1, 1, item, 1, rating) for item, rating in enumerate((7.0, 8.0, 10.0, 4.0))]
    read = log(rows, [{"arm": "A", "agent": 1}], rating_scale=(1.0, 10.0))
    assert values(read)["n_like"].tolist() == [2]
    assert liked_rating((0, 1)) == 0.75


def test_a_session_without_exposures_is_undefined_not_zero() -> None:
    got = values(log([], [{"arm": "A", "agent": 1, "exit_page": 0}]))
    assert got[["p_view", "p_like", "repeat_rate", "genre_entropy"]].isna().all(axis=None)
    assert got["n_like"].tolist() == [0]


def test_a_visit_that_was_cut_off_changes_nothing_else() -> None:
    """Exposures without a session: the run was interrupted before the session's end."""
    whole = two_agents()
    cut = log([("A", 1, 9, 1, 1, 5)], [{"arm": "A", "agent": 9}])
    exposures = pd.concat([whole.exposures, cut.exposures], ignore_index=True)
    exposures["arm"] = exposures["arm"].astype(whole.sessions["arm"].dtype)
    pd.testing.assert_frame_equal(
        values(Log(whole.sessions, exposures, whole.genres)), values(whole)
    )


def test_a_catalogue_without_genres_has_no_entropy() -> None:
    read = log([("A", 1, 1, 0, 1, 4)], [{"arm": "A", "agent": 1}], genres=((), ()))
    assert values(read)["genre_entropy"].isna().all()


def test_one_genre_has_no_surprise() -> None:
    rows = [("A", 1, 1, item, 1, 4.0) for item in range(3)]
    read = log(rows, [{"arm": "A", "agent": 1}], genres=(("Drama",),) * 3)
    assert values(read)["genre_entropy"].tolist() == [0.0]


exposure = st.tuples(
    st.integers(0, 3), st.integers(0, 3), st.booleans(), st.sampled_from([1.0, 3.0, 4.0, 5.0])
)


@settings(deadline=None, max_examples=50)
@given(st.lists(exposure, max_size=30))
def test_against_a_plain_loop(drawn: list[tuple[int, int, bool, float]]) -> None:
    drawn = sorted(drawn, key=lambda row: row[0])
    rows = [("A", 1, a, i, float(w), r if w else NAN) for a, i, w, r in drawn]
    got = values(log(rows, [{"arm": "A", "agent": agent} for agent in range(4)]))
    for agent in range(4):
        mine = [row for row in drawn if row[0] == agent]
        watched = [row for row in mine if row[2]]
        liked = [row for row in watched if row[3] >= 4]
        expected = {
            "p_view": len(watched) / len(mine) if mine else NAN,
            "n_like": len(liked),
            "p_like": len(liked) / len(mine) if mine else NAN,
            "mean_rating": sum(r[3] for r in watched) / len(watched) if watched else NAN,
            "repeat_rate": 1 - len({r[1] for r in mine}) / len(mine) if mine else NAN,
        }
        for metric, value in expected.items():
            assert got.loc[agent, metric] == pytest.approx(value, nan_ok=True)


def test_parts_of_ratios_by_hand() -> None:
    found = parts(two_agents())
    got = {name: found[name].tolist() for name in found if "." in str(name)}
    assert got == {
        "p_view.top": [3, 0],
        "p_view.bottom": [4, 2],
        "p_like.top": [1, 0],
        "p_like.bottom": [4, 2],
        "mean_rating.top": [8, 0],
        "mean_rating.bottom": [2, 0],
    }


def test_parts_give_the_metric_and_are_missing_where_a_session_failed() -> None:
    read = two_agents()
    read.sessions.loc[1, "outcome"] = "invalid"
    measured, pieces = values(read), parts(read)
    assert measured["failed"].tolist() == [False, True]
    for name, metric in METRICS.items():
        if metric.parts is not None:
            top, bottom = pieces[f"{name}.top"], pieces[f"{name}.bottom"]
            assert top[0] / bottom[0] == measured[name][0]
            assert np.isnan([top[1], bottom[1]]).all()


def test_values_lie_within_the_bounds_said() -> None:
    measured = values(two_agents())
    for name, metric in METRICS.items():
        known = measured[name].dropna()
        assert metric.low is None or (known >= metric.low).all()
        assert metric.high is None or (known <= metric.high).all()
