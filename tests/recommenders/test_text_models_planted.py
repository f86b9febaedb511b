"""RLMRec where profiles carry the tastes by construction: it must gain, and for that reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.planted_profiles import Planted, among_cold, fitted, held_out_ndcg, planted
from recommenders.interface import Recommender
from tests.recommenders import worlds

QUICK: dict[str, Any] = {
    "dim": 16,
    "layers": 2,
    "l2": 1e-7,
    "learning_rate": 0.03,
    "batch_size": 1024,
    "epochs_without_validation": 60,
}
AUTOCF = {**QUICK, "seeds": 10, "epochs_without_validation": 30}


def rlmrec(world: Planted, **settings: Any) -> Recommender:
    return fitted("rlmrec", {"backbone_settings": QUICK, **settings}, world, seed=0)


@pytest.fixture(scope="module")
def sparse() -> Planted:
    return planted(0, per_user=4, n_users=200, n_items=120)


@pytest.fixture(scope="module")
def with_cold() -> Planted:
    return planted(0, per_user=8, n_users=200, n_items=120, n_held=10, n_cold=30)


def test_the_planted_profiles_carry_the_tastes(sparse: Planted) -> None:
    """Or the tests below would say nothing."""
    assert held_out_ndcg(fitted("semantic", {}, sparse, 0), sparse) > 0.4
    assert held_out_ndcg(fitted("popularity", {}, sparse, 0), sparse) < 0.15
    np.testing.assert_array_equal(np.diff(sparse.train.matrix.indptr), 4)
    assert not sparse.train.matrix.multiply(sparse.held_out.matrix).nnz


@pytest.mark.parametrize(
    ("settings", "gain"), [({"weight": 0.1}, 0.15), ({"variant": "gen", "weight": 1.0}, 0.08)]
)
def test_own_profiles_gain_and_shuffled_ones_do_not(
    sparse: Planted, settings: dict[str, Any], gain: float
) -> None:
    backbone = held_out_ndcg(rlmrec(sparse, weight=0.0), sparse)
    own = held_out_ndcg(rlmrec(sparse, **settings), sparse)
    control = held_out_ndcg(rlmrec(sparse, **settings, profiles="shuffled"), sparse)
    assert own > backbone + gain
    assert control < backbone + gain / 4


def test_con_knows_what_to_do_with_an_item_nobody_had(with_cold: Planted) -> None:
    """Drawn as negatives, cold items are aligned too: their vectors come to lie by their texts."""
    assert (with_cold.train.popularity == 0).sum() >= 30
    backbone, con, control = (
        among_cold(rlmrec(with_cold, **settings), with_cold)
        for settings in (
            {"weight": 0.0},
            {"weight": 0.1},
            {"weight": 0.1, "profiles": "shuffled"},
        )
    )
    assert abs(backbone - 0.5) < 0.1
    assert abs(control - 0.5) < 0.1
    assert con > 0.7


def test_gen_does_not_nor_con_where_no_negatives_are_aligned(with_cold: Planted) -> None:
    """A hidden node passes its profile's gradient to its neighbours, and a cold one has none."""
    gen = rlmrec(with_cold, variant="gen", weight=1.0)
    autocf = rlmrec(with_cold, backbone="autocf", backbone_settings=AUTOCF)
    assert abs(among_cold(gen, with_cold) - 0.5) < 0.1
    assert abs(among_cold(autocf, with_cold) - 0.5) < 0.1


def test_the_measure_among_cold_items_by_hand() -> None:
    """Item 2 and 3 are cold; user 0 has 2, user 1 has 3, and all prefer item 3."""

    class Fixed(Recommender):
        def fit(self, *_: Any, **__: Any) -> Any:
            return self

        def scores(self, query: Any) -> Any:
            return np.tile(np.array([9.0, 8.0, 1.0, 2.0], np.float32), (len(query), 1))

        def state(self) -> Any:
            return {}

        def load_state(self, state: Any) -> Any:
            return self

    texts = worlds.texts(worlds.interactions([[0], [1]], 4))
    world = Planted(worlds.interactions([[0], [1]], 4), worlds.interactions([[2], [3]], 4), texts)
    assert among_cold(Fixed(), world) == 0.5
    both = world._replace(held_out=worlds.interactions([[3, 1], [3]], 4))
    assert among_cold(Fixed(), both) == 1.0
