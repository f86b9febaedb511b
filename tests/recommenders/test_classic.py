"""The methods without training, against their definitions and published figures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from recommenders import registry
from recommenders.ease import EASE, MAX_ITEMS, closed_form
from recommenders.interface import (
    UNKNOWN_USER,
    Interactions,
    Query,
    RecommenderError,
)
from recommenders.itemknn import ItemKNN
from recommenders.popularity import Popularity, RandomOfPopular
from recommenders.random import Random, keyed_uniform
from recommenders.ranking import hits, ndcg, recall, recommend, top_k, validation_ndcg
from tests.recommenders import worlds

TRAIN = worlds.small_world()
ITEMS = worlds.plain_items(TRAIN.n_items)
ALL = np.arange(TRAIN.n_items)


def rng() -> np.random.Generator:
    return np.random.default_rng(2)


def test_popularity_counts_users_not_events() -> None:
    train = worlds.interactions([[1, 1, 1], [0], [0, 2]], 4)
    fitted = Popularity().fit(train, worlds.plain_items(4), rng=rng())
    assert fitted.scores(worlds.query(train, [0])).tolist() == [[2.0, 1.0, 1.0, 0.0]]


def test_keyed_draws_depend_on_their_keys_alone() -> None:
    users, items = np.array([5, 900, UNKNOWN_USER]), np.arange(2000)
    together = keyed_uniform(3, users, items)
    assert together.dtype == np.float32
    for row, user in enumerate(users):
        np.testing.assert_array_equal(keyed_uniform(3, np.array([user]), items)[0], together[row])
    np.testing.assert_array_equal(keyed_uniform(3, users, items[7:9]), together[:, 7:9])
    assert not np.array_equal(keyed_uniform(4, users, items), together)


def test_keyed_draws_are_uniform_and_unrelated() -> None:
    draws = keyed_uniform(11, np.arange(400), np.arange(500)).astype(np.float64)
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    share = np.histogram(draws, bins=20, range=(0, 1))[0] / draws.size
    np.testing.assert_allclose(share, 0.05, atol=0.003)  # 6 standard errors
    between_users = np.corrcoef(draws) - np.eye(400)
    between_items = np.corrcoef(draws.T) - np.eye(500)
    other_seed = keyed_uniform(12, np.arange(400), np.arange(500))
    assert np.abs(between_users).max() < 6 / np.sqrt(500)
    assert np.abs(between_items).max() < 6 / np.sqrt(400)
    assert abs(np.corrcoef(draws.ravel(), other_seed.ravel())[0, 1]) < 6 / np.sqrt(draws.size)


def test_random_gives_every_user_an_order_of_their_own() -> None:
    fitted = Random().fit(TRAIN, ITEMS, rng=rng())
    orders = top_k(fitted.scores(worlds.query(TRAIN)), TRAIN.n_items)
    assert len({tuple(order) for order in orders.tolist()}) == TRAIN.n_users


def test_random_of_popular_draws_from_the_pool_only() -> None:
    fitted = RandomOfPopular(pool=9, draws=4).fit(TRAIN, ITEMS, rng=rng())
    scores = fitted.scores(worlds.query(TRAIN))
    pool = np.argsort(-TRAIN.popularity, kind="stable")[:9]
    assert ((scores > 0).sum(axis=1) == 4).all()
    assert set(np.nonzero(scores)[1].tolist()) == set(pool.tolist())
    assert scores[scores > 0].min() >= 1.0


def test_random_of_popular_with_a_pool_larger_than_the_catalogue() -> None:
    fitted = RandomOfPopular().fit(TRAIN, ITEMS, rng=rng())
    assert (fitted.scores(worlds.query(TRAIN)) >= 1.0).all()


def test_itemknn_is_the_shrunk_cosine_of_the_nearest() -> None:
    fitted = ItemKNN(neighbours=3, shrink=2.0).fit(TRAIN, ITEMS, rng=rng())
    had = TRAIN.matrix.toarray()
    expected = np.zeros((TRAIN.n_items, TRAIN.n_items))
    for target in range(TRAIN.n_items):
        alike = []
        for other in range(TRAIN.n_items):
            common = float((had[:, target] * had[:, other]).sum())
            size = np.sqrt(had[:, target].sum() * had[:, other].sum())
            if other != target and common > 0:
                alike.append((-common / (size + 2.0), other))
        for value, other in sorted(alike)[:3]:
            expected[other, target] = -value
    np.testing.assert_allclose(fitted.likeness.toarray(), expected, rtol=1e-5)
    history = worlds.histories([[0, 3], [2]])
    scores = fitted.scores(Query(np.array([UNKNOWN_USER, 1]), history))
    np.testing.assert_allclose(scores[0], expected[0] + expected[3], rtol=1e-5)
    np.testing.assert_allclose(scores[1], expected[2], rtol=1e-5)


def test_itemknn_without_shrinkage_survives_items_nobody_had() -> None:
    fitted = ItemKNN(neighbours=50, shrink=0.0).fit(TRAIN, ITEMS, rng=rng())
    scores = fitted.scores(worlds.query(TRAIN))
    assert np.isfinite(scores).all()
    assert (scores[:-1, -1] == 0.0).all()


def test_ease_weights_solve_the_constrained_ridge_regression() -> None:
    """Item j's weights are the ridge regression of its column on all other columns."""
    had = TRAIN.matrix.toarray().astype(np.float64)
    fitted = EASE(l2=7.0).fit(TRAIN, ITEMS, rng=rng())
    assert (np.diag(fitted.weights) == 0.0).all()
    for target in (0, 5, 24):
        others = np.delete(ALL, target)
        x, y = had[:, others], had[:, target]
        ridge = np.linalg.solve(x.T @ x + 7.0 * np.eye(len(others)), x.T @ y)
        np.testing.assert_allclose(fitted.weights[others, target], ridge, rtol=1e-4, atol=1e-6)


def test_ease_sums_the_weights_of_the_history() -> None:
    fitted = EASE(l2=7.0).fit(TRAIN, ITEMS, rng=rng())
    scores = fitted.scores(Query(np.array([3]), worlds.histories([[2, 9, 2]])))
    np.testing.assert_allclose(scores[0], fitted.weights[2] + fitted.weights[9], rtol=1e-5)


def test_ease_picks_its_l2_by_validation_and_says_so() -> None:
    valid = worlds.small_world(seed=8)
    lines: list[str] = []
    grid = (1.0, 30.0, 1000.0)
    tuned = EASE(l2_grid=grid).fit(TRAIN, ITEMS, valid=valid, rng=rng(), progress=lines.append)
    by_hand = {
        l2: validation_ndcg(EASE(l2=l2).fit(TRAIN, ITEMS, rng=rng()), TRAIN, valid) for l2 in grid
    }
    best = max(by_hand, key=lambda l2: by_hand[l2])
    assert tuned.report["l2"] == best
    assert tuned.report["tried"] == {f"{l2:g}": value for l2, value in by_hand.items()}
    assert tuned.report["validation_ndcg@20"] == by_hand[best]
    np.testing.assert_array_equal(tuned.weights, EASE(l2=best).fit(TRAIN, ITEMS, rng=rng()).weights)
    assert len(lines) == len(grid)


def test_ease_does_not_change_what_it_is_given() -> None:
    together = (TRAIN.matrix.T @ TRAIN.matrix).toarray().astype(np.float64)
    before = together.copy()
    closed_form(together, 3.0)
    np.testing.assert_array_equal(together, before)


def test_ease_refuses_what_it_cannot_do() -> None:
    with pytest.raises(RecommenderError, match="l2_grid: found no validation data"):
        EASE(l2_grid=(1.0,)).fit(TRAIN, ITEMS, rng=rng())
    wide = worlds.interactions([[0]], MAX_ITEMS + 1)
    with pytest.raises(RecommenderError, match=f"allowed: at most {MAX_ITEMS}"):
        EASE().fit(wide, worlds.plain_items(MAX_ITEMS + 1), rng=rng())
    with pytest.raises(RecommenderError, match="too small to invert"):
        closed_form(np.full((3, 3), 1e9), 1e-12)


def _agent4rec(part: str) -> tuple[list[int], list[int]]:
    root = os.environ.get("AUDITION_DATA")
    if not root:
        pytest.skip("AUDITION_DATA is not set")
    path = Path(root) / "agent4rec" / "cf_data" / f"{part}.txt"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    user: list[int] = []
    item: list[int] = []
    for line in path.read_text().splitlines():
        first, *others = map(int, line.split())
        user += [first] * len(others)
        item += others
    return user, item


@pytest.fixture(scope="module")
def agent4rec() -> tuple[Interactions, Interactions, Interactions]:
    parts = [_agent4rec(part) for part in ("train", "valid", "test")]
    n_users = 1 + max(max(user) for user, _ in parts)
    n_items = 1 + max(max(item) for _, item in parts)
    train, valid, test = (
        Interactions(np.array(user), np.array(item), n_users, n_items) for user, item in parts
    )
    return train, valid, test


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "expected", "within"),
    [
        ("random", (0.007, 0.020), (0.002, 0.004)),
        ("popularity", (0.104, 0.263), (0.0006, 0.0006)),
        ("random-of-popular", (0.024, 0.071), (0.003, 0.008)),
        ("ease", (0.1595, 0.3746), (0.0001, 0.0001)),
    ],
)
def test_figures_on_the_agent4rec_split(
    agent4rec: tuple[Interactions, Interactions, Interactions],
    name: str,
    expected: tuple[float, float],
    within: tuple[float, float],
) -> None:
    """Test Recall@20 and NDCG@20, train and validation items masked, as others computed them."""
    train, valid, test = agent4rec
    items = worlds.plain_items(train.n_items)
    fitted = registry.create(name).fit(train, items, valid=valid, rng=rng())
    masked = (train.matrix + valid.matrix).tocsr()
    found = hits(recommend(fitted, worlds.query(train), 20, masked), test.matrix)
    n_truth = np.diff(test.matrix.indptr)
    assert np.nanmean(recall(found, n_truth)) == pytest.approx(expected[0], abs=within[0])
    assert np.nanmean(ndcg(found, n_truth)) == pytest.approx(expected[1], abs=within[1])
