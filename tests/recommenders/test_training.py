"""The shared training loop and the sampler of triples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from recommenders.interface import Interactions, RecommenderError
from recommenders.mf import MF
from recommenders.sampling import TripleSampler
from recommenders.training import Schedule, Watch, choose_device, run_epochs
from tests.recommenders import worlds


class Scripted(Watch):
    """A watch whose validation figures are given."""

    def __init__(self, figures: Sequence[float]) -> None:
        world = worlds.small_world()
        super().__init__(MF(), world, world)
        self._figures = iter(figures)

    def ndcg(self) -> float:
        return next(self._figures)


class Counter:
    """The smallest thing that trains: its state is the number of epochs it had."""

    def __init__(self, losses: Sequence[float] = ()) -> None:
        self.epochs = 0
        self.seen = -1
        self.restored: int | None = None
        self._losses = losses

    def epoch(self) -> float:
        self.epochs += 1
        return self._losses[self.epochs - 1] if self._losses else 1.0

    def look(self) -> None:
        self.seen = self.epochs

    def put_back(self, seen: int) -> None:
        self.restored = seen


def course(
    figures: Sequence[float], schedule: Schedule, counter: Counter, lines: list[str] | None = None
) -> dict[str, object]:
    return run_epochs(
        Scripted(figures),
        schedule,
        epoch=counter.epoch,
        look=counter.look,
        keep=lambda: counter.seen,
        put_back=counter.put_back,
        progress=None if lines is None else lines.append,
    )


def test_stops_after_patience_looks_and_restores_the_best() -> None:
    counter, lines = Counter(), list[str]()
    report = course([0.1, 0.3, 0.2, 0.3, 0.9], Schedule(100, 0, 2, 2, 1), counter, lines)
    assert counter.epochs == report["epochs"] == 8
    assert report["best_epoch"] == counter.restored == 4
    assert report["valid_ndcg"] == 0.3
    assert report["stopped"] == "patience"
    assert lines[1] == "epoch 4: loss 1.0000, valid NDCG@20 0.3000"


def test_never_stops_before_min_epochs() -> None:
    counter = Counter()
    figures = [0.5, 0.1, 0.1, 0.1, 0.1, 0.6, 0.1, 0.1]
    report = course(figures, Schedule(100, 6, 1, 2, 1), counter)
    assert report["epochs"] == 8
    assert report["best_epoch"] == counter.restored == 6


def test_looks_at_the_last_epoch_and_restores_nothing_when_it_is_the_best() -> None:
    counter = Counter()
    report = course([0.1, 0.2, 0.3], Schedule(5, 0, 2, 9, 1), counter)
    curve = report["curve"]
    assert isinstance(curve, list)
    assert [look[:2] for look in curve] == [[2, 0.1], [4, 0.2], [5, 0.3]]
    assert report["best_epoch"] == report["epochs"] == 5
    assert counter.restored is None
    assert report["stopped"] == "epochs"


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(RecommenderError, match=r"diverged in epoch 3.*learning_rate"):
        course([0.1] * 9, Schedule(9, 0, 1, 9, 1), Counter([1.0, 0.9, float("nan")]))


@pytest.mark.parametrize("valid", ["none", "empty"])
def test_without_validation_a_fixed_number_of_epochs(valid: str) -> None:
    world = worlds.small_world()
    nothing = np.empty(0, dtype=np.int64)
    empty = Interactions(nothing, nothing, world.n_users, world.n_items)
    recommender = MF(dim=4, epochs=50, epochs_without_validation=3)
    recommender.fit(
        world,
        worlds.plain_items(world.n_items),
        valid=None if valid == "none" else empty,
        rng=np.random.default_rng(0),
    )
    assert recommender.report["epochs"] == recommender.report["best_epoch"] == 3
    assert recommender.report["valid_ndcg"] is None
    assert "no validation data" in recommender.report["stopped"]


@pytest.mark.parametrize(
    ("schedule", "setting"),
    [
        ((0, 0, 1, 1, 1), "epochs"),
        ((1, -1, 1, 1, 1), "min_epochs"),
        ((1, 0, 0, 1, 1), "eval_every"),
        ((1, 0, 1, 0, 1), "patience"),
        ((1, 0, 1, 1, 0), "epochs_without_validation"),
    ],
)
def test_an_impossible_schedule_names_the_setting(
    schedule: tuple[int, int, int, int, int], setting: str
) -> None:
    with pytest.raises(RecommenderError, match=f"^{setting}: found"):
        Schedule(*schedule)


def test_the_cpu_can_always_be_asked_for() -> None:
    assert choose_device("cpu").type == "cpu"


def test_validation_ranks_what_the_user_has_not_had() -> None:
    """Two users, the held-out item ranked first for one and second for the other."""
    train = worlds.interactions([[0], [0]], 3)
    valid = worlds.interactions([[1], [2]], 3)
    recommender = MF().load_state(
        {
            "user_factors": np.ones((2, 1), dtype=np.float32),
            "item_factors": np.array([[9.0], [2.0], [1.0]], dtype=np.float32),
            "popularity": np.zeros(3, dtype=np.float32),
            "known": np.ones(2, dtype=bool),
        }
    )
    expected = (1.0 + 1.0 / np.log2(3)) / 2
    assert Watch(recommender, train, valid).ndcg() == pytest.approx(expected)


def triples_of(train: Interactions, epochs: int, seed: int = 0) -> np.ndarray:
    sampler, rng = TripleSampler(train), np.random.default_rng(seed)
    return np.hstack([np.stack(sampler.epoch(rng)) for _ in range(epochs)])


def test_positives_are_the_users_own_and_negatives_never() -> None:
    train = worlds.small_world()
    user, positive, negative = triples_of(train, 50)
    had = train.matrix.toarray().astype(bool)
    assert had[user, positive].all()
    assert not had[user, negative].any()


def test_every_user_weighs_the_same() -> None:
    train = worlds.interactions([[0, 1, 2, 3, 4, 5], [0], [], [3, 4], range(8)], 8)
    sampler = TripleSampler(train)
    assert len(sampler) == 9  # the empty row and the full one have no triple
    user = sampler.epoch(np.random.default_rng(0)).user
    np.testing.assert_array_equal(np.bincount(user, minlength=5), [3, 3, 0, 3, 0])


def test_positives_and_negatives_are_uniform() -> None:
    train = worlds.interactions([[1, 2, 5], [0]], 7)
    user, positive, negative = triples_of(train, 6000)
    mine = user == 0
    n = mine.sum()
    for drawn, allowed in ((positive, [1, 2, 5]), (negative, [0, 3, 4, 6])):
        share = np.bincount(drawn[mine], minlength=7) / n
        expected = np.zeros(7)
        expected[allowed] = 1 / len(allowed)
        np.testing.assert_allclose(share, expected, atol=4 * np.sqrt(0.25 / n))


def test_an_epoch_comes_in_random_order_and_from_the_generator_alone() -> None:
    train = worlds.small_world()
    once, again = triples_of(train, 1), triples_of(train, 1)
    np.testing.assert_array_equal(once, again)
    assert (np.diff(once[0]) < 0).any()
    assert not np.array_equal(once, triples_of(train, 1, seed=1))


def test_nobody_to_sample_is_an_error() -> None:
    with pytest.raises(RecommenderError, match="at least one training item"):
        TripleSampler(worlds.interactions([[], [0, 1]], 2))
