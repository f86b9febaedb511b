"""The synthetic world: the same for the same seed, long-tailed, learnable, readable."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from simulator.data import readers
from simulator.data.dataset import Dataset
from simulator.data.film_words import GENRES
from simulator.data.split import split

Mask = npt.NDArray[np.bool_]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def world() -> Dataset:
    return readers.read("synthetic", None, {}, seed=7)


def digest(data: Dataset) -> str:
    """One number for everything a simulation can see of the world."""
    events = data.interactions
    assert data.utility is not None
    assert events.rating is not None
    assert events.timestamp is not None
    out = hashlib.sha256()
    for array in (events.user, events.item, events.rating, events.timestamp, data.utility):
        out.update(np.ascontiguousarray(array).tobytes())
    out.update(repr((data.items.title, data.items.text, data.items.genres)).encode())
    return out.hexdigest()


def test_another_process_makes_the_same_world() -> None:
    small = "readers.read('synthetic', None, {'users': 40, 'items': 90, 'interactions': 9}, seed=3)"
    code = (
        "from simulator.data import readers\n"
        "from tests.simulator.data.test_synthetic import digest\n"
        f"print(digest({small}))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    options = {"users": 40, "items": 90, "interactions": 9}
    assert other.stdout.strip() == digest(readers.read("synthetic", None, options, seed=3))


def test_seeds_make_worlds_and_world_seed_holds_one() -> None:
    options = {"users": 40, "items": 90, "interactions": 9}
    first, other = (digest(readers.read("synthetic", None, options, seed=s)) for s in (1, 2))
    assert first != other
    held = {**options, "world_seed": 1}
    assert digest(readers.read("synthetic", None, held, seed=2)) == first


def test_sizes_are_those_asked_for() -> None:
    data = readers.read("synthetic", None, {"users": 500, "items": 400, "interactions": 30})
    assert (data.n_users, data.n_items) == (500, 400)
    assert len(data.interactions) / 500 == pytest.approx(30, rel=0.1)
    assert np.bincount(data.interactions.user).min() >= 8
    assert data.utility is not None
    assert data.utility.shape == (500, 400)
    assert data.utility.dtype == np.float32


def test_films_read_like_films(world: Dataset) -> None:
    items = world.items
    assert len(set(items.title)) == world.n_items
    assert len(set(items.text)) > 0.98 * world.n_items
    assert {genre for genres in items.genres for genre in genres} == set(GENRES)
    assert all(1 <= len(genres) <= 3 for genres in items.genres)
    assert min(items.year) >= 1950
    assert max(items.year) <= 2020
    for title, text in zip(items.title, items.text, strict=True):
        assert title[0].isupper()
        assert "{" not in title + text
        assert text[0].isupper()
        assert text.endswith(".")
        assert 12 <= len(text.split()) <= 60


def test_titles_stay_unique_in_a_large_catalogue() -> None:
    data = readers.read("synthetic", None, {"users": 10, "items": 10_000, "interactions": 10})
    assert len(set(data.items.title)) == 10_000


def test_ratings_are_spread_as_in_movielens_1m(world: Dataset) -> None:
    ratings = world.interactions.rating
    assert ratings is not None
    shares = np.bincount(ratings.astype(int), minlength=6)[1:] / len(ratings)
    assert shares == pytest.approx([0.056, 0.107, 0.261, 0.349, 0.226], abs=0.01)


def test_ratings_and_choices_follow_utility(world: Dataset) -> None:
    events, utility = world.interactions, world.utility
    assert utility is not None
    assert events.rating is not None
    assert utility.min() >= 0
    assert utility.max() <= 1
    taken = utility[events.user, events.item]
    assert taken.mean() > utility.mean() + 0.2
    assert np.corrcoef(taken, events.rating)[0, 1] > 0.4


def test_popularity_has_a_long_tail(world: Dataset) -> None:
    counts = np.sort(world.interactions.popularity)[::-1]
    assert counts[: world.n_items // 10].sum() > 0.3 * counts.sum()
    even = readers.read("synthetic", None, {"popularity_exponent": 0.0}, seed=7)
    flat = np.sort(even.interactions.popularity)[::-1]
    assert flat[: world.n_items // 10].sum() < 0.8 * counts[: world.n_items // 10].sum()


def test_times_increase_within_a_user(world: Dataset) -> None:
    events = world.interactions
    assert events.timestamp is not None
    same = events.user[1:] == events.user[:-1]
    assert (np.diff(events.timestamp)[same] >= 0).all()
    # No drift: what was taken early is as good as what was taken late.
    assert world.utility is not None
    early = np.append([True], ~same)
    late = np.append(~same, [True])
    taken = world.utility[events.user, events.item]
    assert abs(taken[early].mean() - taken[late].mean()) < 0.05


def ndcg(
    scores: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]
) -> float:
    """NDCG@20 over users with truth; written anew here, apart from the product's own."""
    ranked = np.argsort(-np.where(seen, -np.inf, scores), axis=1, kind="stable")[:, :20]
    hits = np.take_along_axis(truth, ranked, axis=1)
    gain = 1 / np.log2(np.arange(20) + 2)
    wanted = truth.sum(axis=1)
    best = np.cumsum(gain)[np.minimum(wanted, 20) - 1]
    return float(((hits @ gain) / best)[wanted > 0].mean())


@pytest.mark.parametrize("seed", [7, 8])
def test_taste_beats_popularity_beats_chance(seed: int) -> None:
    """Item similarities learn more than popularity, and the truth more than they."""
    data = readers.read("synthetic", None, {}, seed=seed)
    parts = split(data, {"train": 0.4, "valid": 0.3, "test": 0.3}, seed)
    train = parts.train.matrix.toarray().astype(np.float64)
    truth = parts.test.matrix.toarray() > 0
    seen = train > 0
    gram = train.T @ train
    inverse = np.linalg.inv(gram + 300 * np.eye(len(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    assert data.utility is not None
    chance = ndcg(np.random.default_rng(seed).random(train.shape), seen, truth)
    popular = ndcg(np.tile(train.sum(axis=0), (len(train), 1)), seen, truth)
    learned = ndcg(train @ weights, seen, truth)
    known = ndcg(data.utility.astype(np.float64), seen, truth)
    assert popular > 4 * chance
    assert learned > 1.3 * popular
    assert known > learned


def test_text_carries_taste(world: Dataset) -> None:
    """Words of films a user likes occur in other films it likes: text predicts utility."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    assert world.utility is not None
    texts = TfidfVectorizer().fit_transform(world.items.text).toarray()
    half = world.n_items // 2
    liked = np.argsort(-world.utility[:, :half], axis=1)[:, :15]
    profile = texts[liked].mean(axis=1)
    scores = profile @ texts[half:].T
    utility = world.utility[:, half:]
    agree = [np.corrcoef(a, b)[0, 1] for a, b in zip(scores, utility, strict=True)]
    assert float(np.mean(agree)) > 0.2
