"""Satisfaction against relevance, and the figures it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from agents.interface import NO_ITEM
from agents.registry import create
from simulator.fidelity import sessions
from simulator.fidelity.telling_apart import auc, auc_interval, explained

from .small import world


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_usual_one(pairs: list[tuple[int, bool]]) -> None:
    score, positive = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    found = auc(score, positive, np.ones(len(score)))
    if positive.min() == positive.max():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(positive, score))


def test_the_interval_of_an_auc_holds_it_and_shrinks_with_agents() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for n in (30, 300):
        agent = np.repeat(np.arange(n), 4)
        positive = rng.integers(0, 2, 4 * n).astype(np.float64)
        score = positive + rng.normal(size=4 * n)
        low, high = auc_interval(score, positive, agent, 0.95, np.random.default_rng(1))
        assert low < auc(score, positive, np.ones(4 * n)) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_nothing_explains_what_does_not_vary() -> None:
    assert explained(np.arange(4.0)[:, None], np.ones(4)) == 0.0


def test_designed_slates_hold_own_items_in_the_share_drawn() -> None:
    found = sessions.designed(world())
    relevant = world().relevant
    assert relevant is not None
    for row, agent in enumerate(found.agent.tolist()):
        shown = found.item[row][found.item[row] != NO_ITEM]
        assert len(np.unique(shown)) == len(shown) == 20
        own = np.isin(found.item[row], relevant[[agent]].indices)
        assert np.array_equal(own, found.relevant[row])
        history = world().audience.history.rows(np.array([row])).item
        assert not np.isin(shown, history).any()
    share = sessions.relevant_share(found)
    assert share.min() == 0.0
    assert share.max() > 0.5
    assert set(np.unique(found.relevant.argmax(axis=2))) == {0, 1, 2, 3}


def test_a_line_gives_its_slope_and_explains_all() -> None:
    found = sessions.designed(world())
    share = sessions.relevant_share(found)
    line = sessions.rise_of(world(), found, 2.0 + 3.0 * share)
    assert line.slope == pytest.approx(3.0)
    assert line.explained == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    nothing = sessions.rise_of(world(), found, rng.normal(size=len(share)))
    assert nothing.low < 0 < nothing.high
    assert nothing.added < 0.1


def test_satisfaction_rises_with_relevance_and_does_not_where_it_cannot() -> None:
    found = sessions.designed(world())
    by_taste = create("behavioural", {"taste": 2.0, "mood": 0.0, "satisfaction_gain": 9.0})
    rise = sessions.rise(world(), found, by_taste)
    assert rise.low > 0
    assert rise.added > 0.1
    blind = create("behavioural", {"satisfaction_gain": 0.0})
    assert sessions.rise(world(), found, blind).added < 0.05


def test_the_measures_say_what_they_are() -> None:
    found = list(sessions.measure(world(), None))
    assert {one.test for one in found} == {"sessions"}
    reach = [one.value for one in found if one.name == "reach"]
    assert len(reach) == 4
    assert reach == sorted(reach, reverse=True)
    assert {one.case for one in found if "slope" in one.name} == {"designed slates"}
