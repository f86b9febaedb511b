"""Ratings of held-out items against the users' own."""

from __future__ import annotations

import doctest
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from agents.response.behavioural import Behavioural
from recommenders.interface import Interactions
from simulator.fidelity import predictors, ratings
from simulator.fidelity.luck import MirroredLuck
from simulator.fidelity.measures import Measure
from simulator.fidelity.taste import PARTS
from simulator.randomness import KeyedLuck
from simulator.scenario import load
from simulator.world import World, build

QUICKSTART = Path(__file__).parents[3] / "scenarios" / "quickstart.yaml"


@pytest.fixture(scope="module")
def world() -> World:
    whole = build(load(QUICKSTART), str(QUICKSTART))
    return replace(whole, audience=whole.audience.rows(np.arange(40)))


def by(found: list[Measure], name: str, case: str = "") -> Measure:
    (one,) = [m for m in found if (m.name, m.case) == (name, case)]
    return one


def log(user: list[int], item: list[int], rating: list[float]) -> Interactions:
    return Interactions(np.array(user), np.array(item), 3, 3, np.array(rating, dtype=np.float32))


def test_examples() -> None:
    failed, tried = doctest.testmod(ratings)
    assert tried
    assert not failed


def test_means_by_hand() -> None:
    train = log([0, 0, 1], [0, 1, 0], [5, 4, 3])
    found = predictors.fit(train, np.random.default_rng(0))
    np.testing.assert_allclose(found.item, [4, 4, 4])  # item 2: the mean of all
    np.testing.assert_allclose(found.user, [4.5, 3, 4])
    np.testing.assert_allclose(found.apart, [0.5, -1, 0])
    both = found.predict(np.array([1, 2]), np.array([1, 2]))["user plus item mean"]
    np.testing.assert_allclose(both, [3, 4])


def test_als_finds_one_hidden_factor() -> None:
    rng = np.random.default_rng(1)
    true = np.outer(rng.normal(size=60), rng.normal(size=50))
    seen = rng.random(true.shape) < 0.5
    users, items = predictors.als(sp.csr_array(np.where(seen, true, 0.0)), rng, 2, 0.01)
    left = (users @ items.T - true)[~seen]
    assert left.std() < 0.2 * true.std()


def test_distances_by_hand() -> None:
    marks = np.array([1.0, 2.0, 4.0])
    one, other = np.array([0.5, 0.0, 0.5]), np.array([0.0, 0.5, 0.5])
    assert ratings.total_variation(one, other, marks) == 0.5
    assert ratings.kolmogorov_smirnov(one, other, marks) == 0.5
    assert ratings.wasserstein(one, other, marks) == 0.5
    # A quarter from 2 to 4 is two points for a quarter.
    assert ratings.wasserstein(other, np.array([0.0, 0.25, 0.75]), marks) == 0.5


def test_every_held_out_rating_is_asked_once(world: World) -> None:
    held = ratings.held_out(world, PARTS)
    assert held is not None
    assert (np.diff(held.row) >= 0).all()
    model = Behavioural(rating_appeal=0.0, rating_spread=0.0)
    given = ratings._rated(world, model, held, KeyedLuck(3))
    assert not np.isnan(given).any()
    # Without spread a rating does not depend on the draw of luck, nor on the other items.
    again = ratings._rated(world, model, held, KeyedLuck(4))
    np.testing.assert_array_equal(given, again)


def test_figures_stand_beside_the_same_figures_of_trivial_predictions(world: World) -> None:
    found = ratings.measure(world, Behavioural(), draws=2)
    names = ["item mean", "user mean", "user plus item mean", "ALS"]
    one = by(found, "rmse", "expected rating, pooled")
    assert [b.name for b in one.baselines] == names
    assert one.low < one.value < one.high
    held = ratings.held_out(world, PARTS)
    assert held is not None
    fitted = predictors.fit(world.split.train, np.random.default_rng(0))
    mean = fitted.item[held.item]
    expected = np.sqrt(np.mean((mean - held.rating) ** 2))
    assert one.baselines[0].value == pytest.approx(expected)
    pearson = by(found, "pearson", "expected rating, pooled").baselines[0].value
    assert pearson == pytest.approx(np.corrcoef(mean, held.rating)[0, 1])
    assert 0 <= by(found, "total variation").value <= 1


def test_averaging_over_luck_comes_nearer_to_the_truth(world: World) -> None:
    found = ratings.measure(world, Behavioural(), draws=8)
    expected, one = (
        by(found, "rmse", f"{case}, pooled").value for case in ("expected rating", "one rating")
    )
    assert expected < one


def test_mirrored_luck_is_as_good_as_it_was_bad() -> None:
    luck = KeyedLuck(3)
    mirrored = MirroredLuck(luck)
    both = luck.uniform("a", [1, 2, 3]) + mirrored.uniform("a", [1, 2, 3])
    np.testing.assert_allclose(both, 1.0)
    assert mirrored.draw != luck.draw


def test_without_held_out_ratings_there_are_no_figures(world: World) -> None:
    assert ratings.measure(world, Behavioural(), parts=[]) == []
