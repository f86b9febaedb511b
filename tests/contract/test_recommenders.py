"""One suite for every registered recommender: a new name in the registry is tested here.

A case is a name, or a name with settings that make another method of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommenders import checkpoint, registry
from recommenders.interface import (
    NO_ITEM,
    UNKNOWN_USER,
    Interactions,
    Query,
    Recommender,
    RecommenderError,
    TextRecommender,
)
from recommenders.ranking import recommend, top_k
from tests.recommenders import worlds

TASTELESS = ("random", "popularity", "random-of-popular")
"""Those who know nothing of the user; everybody else must solve the checkerboard."""

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "rlmrec, gen": {"variant": "gen"},
    "rlmrec over autocf": {"backbone": "autocf"},
    "rlmrec, gen over dccf": {"variant": "gen", "backbone": "dccf"},
}
"""Settings of the name before the comma or space; every backbone is in test_text_models.py."""

CASES = (*registry.NAMES, *VARIANTS)

STRANGERS_GET_POPULARITY = tuple(
    name for name in CASES if name not in ("random", "random-of-popular")
)

COLLABORATIVE = tuple(name for name in CASES if name not in TASTELESS)

GRAPH_MODEL = {"dim": 8, "epochs": 4, "min_epochs": 1, "epochs_without_validation": 2}

QUICK: Mapping[str, Mapping[str, Any]] = {
    "random-of-popular": {"pool": 12, "draws": 5},
    "mf": {"dim": 8, "learning_rate": 0.02, "epochs_without_validation": 5},
    "multvae": {"hidden": 16, "latent": 8, "epochs_without_validation": 5},
    "lightgcn": {"dim": 8, "learning_rate": 0.02, "epochs_without_validation": 5},
    "gccf": GRAPH_MODEL,
    "sgl": GRAPH_MODEL,
    "simgcl": GRAPH_MODEL,
    "dccf": {**GRAPH_MODEL, "intents": 4},
    "autocf": {**GRAPH_MODEL, "seeds": 2},
    "rlmrec": {"backbone_settings": GRAPH_MODEL},
    "rlmrec, gen": {"backbone_settings": GRAPH_MODEL},
    "rlmrec over autocf": {"backbone_settings": {**GRAPH_MODEL, "seeds": 2}},
    "rlmrec, gen over dccf": {"backbone_settings": {**GRAPH_MODEL, "intents": 4}},
}
"""Settings that keep the suite fast where what is learned does not matter."""

SWIFT = {"learning_rate": 0.02, "epochs_without_validation": 60}

LEARNING: Mapping[str, Mapping[str, Any]] = {
    "mf": {"learning_rate": 0.02, "epochs_without_validation": 60},
    "multvae": {"hidden": 64, "latent": 16, "learning_rate": 5e-3, "batch_size": 16},
    "lightgcn": {"learning_rate": 0.02, "epochs_without_validation": 60},
    "gccf": {"learning_rate": 0.02, "epochs_without_validation": 60},
    "sgl": {"learning_rate": 0.02, "epochs_without_validation": 60, "cl": 0.001},
    "simgcl": {"learning_rate": 0.02, "epochs_without_validation": 60, "cl": 0.001},
    "dccf": {"learning_rate": 0.02, "epochs_without_validation": 60, "cl": 1e-5},
    "autocf": {
        "learning_rate": 0.02,
        "epochs_without_validation": 60,
        "seeds": 1,
        "extra": 0.0,
        "ssl": 0.1,
    },
    "rlmrec": {"backbone_settings": SWIFT},
    "rlmrec, gen": {"backbone_settings": SWIFT},
    "rlmrec over autocf": {"backbone_settings": {**SWIFT, "seeds": 1, "extra": 0.0, "ssl": 0.1}},
    "rlmrec, gen over dccf": {"backbone_settings": {**SWIFT, "cl": 1e-5}},
}
"""Settings that learn so small a data set within a second or two."""

TRAIN = worlds.small_world()
ITEMS = worlds.plain_items(TRAIN.n_items)
EVERYBODY = worlds.query(TRAIN)

every_name = pytest.mark.parametrize("name", CASES)


def create(case: str, settings: Mapping[str, Any] | None = None) -> Recommender:
    """The case's recommender; by default with its quick settings."""
    given = QUICK.get(case, {}) if settings is None else settings
    return registry.create(name_of(case), {**VARIANTS.get(case, {}), **given})


def name_of(case: str) -> str:
    return case.replace(",", " ").split()[0]


def fit(
    recommender: Recommender,
    train: Interactions = TRAIN,
    seed: int = 5,
    valid: Interactions | None = None,
) -> Recommender:
    checkpoint.fit(
        recommender,
        train,
        worlds.plain_items(train.n_items),
        valid=valid,
        rng=np.random.default_rng(seed),
        texts=worlds.texts(train),
    )
    return recommender


def fitted(case: str, train: Interactions = TRAIN, seed: int = 5) -> Recommender:
    return fit(create(case), train, seed)


@pytest.fixture(scope="module")
def ready() -> dict[str, Recommender]:
    """Fitted recommenders by name, filled by :func:`one` as they are asked for."""
    return {}


@pytest.fixture
def one(name: str, ready: dict[str, Recommender]) -> Recommender:
    """The recommender under test, fitted once for the whole suite; no test may refit it."""
    if name not in ready:
        ready[name] = fitted(name)
    return ready[name]


def strangers(rows: list[list[int]]) -> Query:
    return Query(np.full(len(rows), UNKNOWN_USER, dtype=np.int64), worlds.histories(rows))


@every_name
def test_scores_every_item_with_a_finite_float32(one: Recommender) -> None:
    scores = one.scores(EVERYBODY)
    assert scores.shape == (TRAIN.n_users, TRAIN.n_items)
    assert scores.dtype == np.float32
    assert not np.isnan(scores).any()
    assert not np.isposinf(scores).any()
    assert np.isfinite(scores).any(axis=1).all(), "somebody gets nothing at all"


@every_name
def test_nobody_asks_and_gets_no_rows(one: Recommender) -> None:
    assert one.scores(EVERYBODY.rows(slice(0, 0))).shape == (0, TRAIN.n_items)


@every_name
def test_same_query_twice_same_scores(one: Recommender) -> None:
    np.testing.assert_array_equal(one.scores(EVERYBODY), one.scores(EVERYBODY))


@every_name
def test_scores_belong_to_the_caller(one: Recommender) -> None:
    first = one.scores(EVERYBODY)
    before = first.copy()
    first[:] = -7.0
    np.testing.assert_array_equal(one.scores(EVERYBODY), before)


@every_name
def test_an_unknown_user_without_history_is_served(one: Recommender) -> None:
    scores = one.scores(strangers([[], []]))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.parametrize("name", STRANGERS_GET_POPULARITY)
def test_who_left_no_trace_gets_popularity(one: Recommender) -> None:
    nobody = TRAIN.n_users - 1
    assert nobody not in TRAIN.user
    asking = Query(np.array([UNKNOWN_USER, nobody]), worlds.histories([[], []]))
    expected = top_k(TRAIN.popularity[None, :].astype(np.float32), TRAIN.n_items)
    lists = recommend(one, asking, TRAIN.n_items)
    np.testing.assert_array_equal(lists, np.repeat(expected, 2, axis=0))


@every_name
def test_scores_follow_the_history_where_declared_and_only_there(one: Recommender) -> None:
    even, odd = worlds.histories([[0, 6, 12]]), worlds.histories([[1, 7, 13]])
    user = np.array([4])
    first, second = one.scores(Query(user, even)), one.scores(Query(user, odd))
    if one.adapts == "history":
        assert not np.array_equal(first, second)
        stranger = np.array([UNKNOWN_USER])
        np.testing.assert_allclose(one.scores(Query(stranger, even)), first, rtol=1e-5)
    else:
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", [name for name in CASES if name != "popularity"])
def test_an_empty_history_of_a_known_user(one: Recommender) -> None:
    scores = one.scores(Query(np.array([4]), worlds.histories([[]])))
    assert np.isfinite(scores).all()
    by_popularity = top_k(TRAIN.popularity[None, :].astype(np.float32), TRAIN.n_items)
    same = np.array_equal(top_k(scores, TRAIN.n_items), by_popularity)
    assert same == (one.adapts == "history")


@every_name
def test_batch_equals_single_in_any_order(one: Recommender) -> None:
    together = one.scores(EVERYBODY)
    rounding = 1e-6 * max(1.0, float(np.abs(together).max()))  # a sum's, where it cancels
    lists = recommend(one, EVERYBODY, 10)
    for user in range(TRAIN.n_users):
        alone = EVERYBODY.rows(np.array([user]))
        np.testing.assert_allclose(one.scores(alone)[0], together[user], rtol=2e-5, atol=rounding)
        np.testing.assert_array_equal(recommend(one, alone, 10)[0], lists[user])
    mixed = np.array([7, 3, 3, 29, 0])
    np.testing.assert_allclose(
        one.scores(EVERYBODY.rows(mixed)), together[mixed], rtol=2e-5, atol=rounding
    )


@every_name
def test_more_asked_for_than_there_is(one: Recommender) -> None:
    lists = recommend(one, EVERYBODY, TRAIN.n_items + 5)
    everything = np.tile(np.arange(TRAIN.n_items), (TRAIN.n_users, 1))
    np.testing.assert_array_equal(np.sort(lists[:, : TRAIN.n_items], axis=1), everything)
    assert (lists[:, TRAIN.n_items :] == NO_ITEM).all()


@every_name
def test_what_was_seen_is_never_returned(one: Recommender) -> None:
    lists = recommend(one, EVERYBODY, TRAIN.n_items, exclude=TRAIN.matrix, block=7)
    for user, listed in enumerate(lists):
        seen = set(TRAIN.item[TRAIN.user == user].tolist())
        unseen = set(range(TRAIN.n_items)) - seen
        assert set(listed[listed != NO_ITEM].tolist()) == unseen


@every_name
def test_refit_equals_a_fresh_fit(name: str) -> None:
    used = fitted(name, worlds.small_world(seed=9, n_users=21, n_items=31), seed=1)
    used.scores(worlds.query(worlds.small_world(seed=9, n_users=21, n_items=31)))
    fit(used)
    np.testing.assert_array_equal(used.scores(EVERYBODY), fitted(name).scores(EVERYBODY))


@every_name
def test_one_seed_one_result(name: str, one: Recommender) -> None:
    np.testing.assert_array_equal(fitted(name).scores(EVERYBODY), one.scores(EVERYBODY))


@every_name
def test_another_seed_matters_only_where_chance_is_at_work(name: str, one: Recommender) -> None:
    same = np.array_equal(fitted(name, seed=6).scores(EVERYBODY), one.scores(EVERYBODY))
    assert same == (name in ("popularity", "itemknn", "ease", "semantic"))


@every_name
def test_saved_and_loaded_scores_the_same(name: str, one: Recommender, tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    checkpoint.save(path, "k", one.state(), one.report)
    state, report = checkpoint.load(path, "k")
    loaded = create(name).load_state(state)
    np.testing.assert_array_equal(loaded.scores(EVERYBODY), one.scores(EVERYBODY))
    asking = strangers([[], [0, 6]])
    np.testing.assert_array_equal(loaded.scores(asking), one.scores(asking))
    assert report == json.loads(json.dumps(dict(one.report)))


@every_name
def test_inputs_are_never_changed(name: str) -> None:
    train, valid = worlds.small_world(), worlds.small_world(seed=3)
    asked, texts = worlds.query(train), worlds.texts(train)
    arrays = {
        "train.user": train.user,
        "train.item": train.item,
        "train.matrix.data": train.matrix.data,
        "train.matrix.indices": train.matrix.indices,
        "train.matrix.indptr": train.matrix.indptr,
        "train.popularity": train.popularity,
        "valid.user": valid.user,
        "valid.item": valid.item,
        "valid.matrix.data": valid.matrix.data,
        "query.users": asked.users,
        "query.histories.item": asked.histories.item,
        "query.histories.indptr": asked.histories.indptr,
        "texts.items": texts.items,
        "texts.users": texts.users,
    }
    before = {key: array.copy() for key, array in arrays.items()}
    recommender = create(name)
    for seen in (None, valid):
        checkpoint.fit(
            recommender, train, ITEMS, valid=seen, rng=np.random.default_rng(5), texts=texts
        )
        recommend(recommender, asked, 5, exclude=train.matrix)
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, before[key], err_msg=key)


@every_name
def test_validation_data_never_teach(name: str) -> None:
    """With a single look at the end nothing can be chosen, so they must not matter at all."""
    schedule = {"epochs": 3, "min_epochs": 3, "eval_every": 3}
    known = {setting.name for setting in registry.spec(name_of(name)).settings}
    quick = QUICK.get(name, {})
    settings = {**quick, **(schedule if "epochs" in known else {})}
    if "backbone_settings" in known:
        settings["backbone_settings"] = {**quick["backbone_settings"], **schedule}
    scores = [
        fit(create(name, settings), valid=worlds.small_world(seed)).scores(EVERYBODY)
        for seed in (1, 2)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])


@every_name
def test_settings_hold_the_defaults_and_the_report_is_plain(name: str, one: Recommender) -> None:
    described = registry.spec(name_of(name))
    defaults = {setting.name: setting.default for setting in described.settings}
    assert dict(one.settings) == {**defaults, **VARIANTS.get(name, {}), **QUICK.get(name, {})}
    assert list(one.settings) == list(defaults)
    json.dumps(dict(one.report))


@every_name
def test_fit_returns_the_recommender(name: str) -> None:
    recommender, rng = create(name), np.random.default_rng(5)
    given: dict[str, Any] = {"texts": worlds.texts(TRAIN)} if "text" in recommender.needs else {}
    assert recommender.fit(TRAIN, ITEMS, rng=rng, **given) is recommender


@every_name
def test_who_reads_profiles_says_so_and_asks_for_them(name: str) -> None:
    recommender = create(name)
    assert ("text" in recommender.needs) == isinstance(recommender, TextRecommender)
    if isinstance(recommender, TextRecommender):
        with pytest.raises(RecommenderError, match="texts: found none"):
            recommender.fit(TRAIN, ITEMS, rng=np.random.default_rng(5))


@pytest.mark.parametrize("name", COLLABORATIVE)
def test_solves_the_checkerboard(name: str) -> None:
    board = worlds.checkerboard()
    recommender = fit(create(name, LEARNING.get(name, {})), board.train, 11)
    asked = worlds.query(board.train)
    first = recommend(recommender, asked, board.held_out.shape[1], exclude=board.train.matrix)
    np.testing.assert_array_equal(np.sort(first, axis=1), board.held_out)


@pytest.mark.parametrize("name", TASTELESS)
def test_the_checkerboard_cannot_be_solved_without_taste(name: str) -> None:
    board = worlds.checkerboard()
    recommender = registry.create(name)
    recommender.fit(board.train, board.items, rng=np.random.default_rng(11))
    asked = worlds.query(board.train)
    first = recommend(recommender, asked, board.held_out.shape[1], exclude=board.train.matrix)
    solved = (np.sort(first, axis=1) == board.held_out).all(axis=1)
    assert solved.mean() < 0.2
