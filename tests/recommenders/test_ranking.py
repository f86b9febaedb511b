"""Lists and metrics against references written in the plainest way."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recommenders.interface import NO_ITEM, FloatArray, Query, RecommenderError
from recommenders.popularity import Popularity
from recommenders.ranking import hits, ndcg, recall, recommend, top_k, validation_ndcg
from tests.recommenders import worlds

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)
tied = st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 0.5, 2.0])
spread = st.floats(-1e6, 1e6, width=32)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[FloatArray, npt.NDArray[np.bool_], int]:
    """Scores with and without ties, what to exclude, and a k that may pass the catalogue."""
    shape = draw(shapes)
    scores = draw(hnp.arrays(np.float32, shape, elements=st.one_of(tied, spread)))
    excluded = draw(hnp.arrays(np.bool_, shape))
    return scores, excluded, draw(st.integers(1, shape[1] + 3))


def plain_top_k(scores: FloatArray, excluded: npt.NDArray[np.bool_], k: int) -> list[list[int]]:
    out = []
    for row, gone in zip(scores.tolist(), excluded.tolist(), strict=True):
        allowed = [i for i, value in enumerate(row) if not gone[i] and value != -math.inf]
        best = [i for _, i in sorted((-row[i], i) for i in allowed)][:k]
        out.append(best + [NO_ITEM] * (k - len(best)))
    return out


@given(rankings())
@settings(max_examples=150, deadline=None)
def test_top_k_is_a_sort_by_score_then_number(
    case: tuple[FloatArray, npt.NDArray[np.bool_], int],
) -> None:
    scores, excluded, k = case
    exclude = sp.csr_array(excluded)
    before = scores.copy()
    found = top_k(scores, k, exclude)
    assert found.dtype == np.int64
    assert found.tolist() == plain_top_k(scores, excluded, k)
    np.testing.assert_array_equal(scores, before)
    np.testing.assert_array_equal(exclude.toarray(), excluded)


@given(rankings(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_metrics_match_the_definitions(
    case: tuple[FloatArray, npt.NDArray[np.bool_], int], seed: int
) -> None:
    scores, relevant, k = case
    listed = top_k(scores, k)
    found = hits(listed, sp.csr_array(relevant))
    n_truth = relevant.sum(axis=1)
    for row, items in enumerate(listed.tolist()):
        truth = set(np.flatnonzero(relevant[row]).tolist())
        assert found[row].tolist() == [item in truth for item in items]
        if not truth:
            assert math.isnan(recall(found, n_truth)[row])
            assert math.isnan(ndcg(found, n_truth)[row])
            continue
        gained = sum(1 / math.log2(rank + 2) for rank, item in enumerate(items) if item in truth)
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(truth))))
        assert recall(found, n_truth)[row] == pytest.approx(len(truth & set(items)) / len(truth))
        assert ndcg(found, n_truth)[row] == pytest.approx(gained / ideal)


def test_a_tie_over_the_cut_goes_by_number_also_among_many() -> None:
    scores = np.zeros((3, 5000), dtype=np.float32)
    scores[0, 4000] = 1.0
    scores[2, ::2] = 1.0
    found = top_k(scores, 4)
    assert found.tolist() == [[4000, 0, 1, 2], [0, 1, 2, 3], [0, 2, 4, 6]]


def test_an_excluded_entry_stored_as_zero_excludes_nothing() -> None:
    stored = sp.csr_array((np.array([0.0, 1.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 3))
    assert top_k(np.array([[3.0, 2.0, 1.0]]), 2, stored).tolist() == [[0, 2]]


def test_read_only_and_transposed_scores_are_fine() -> None:
    scores = np.arange(6, dtype=np.float64).reshape(3, 2).T
    scores.flags.writeable = False
    assert top_k(scores, 1, sp.csr_array((2, 3))).tolist() == [[2], [2]]


def test_nobody_and_nothing() -> None:
    assert top_k(np.empty((0, 4)), 2).shape == (0, 2)
    assert top_k(np.empty((2, 0)), 2).tolist() == [[NO_ITEM] * 2] * 2


def test_nan_is_refused_wherever_it_stands() -> None:
    scores = np.zeros((2, 50), dtype=np.float32)
    scores[1, 33] = np.nan
    with pytest.raises(RecommenderError, match="NaN"):
        top_k(scores, 3)


def test_k_below_one_and_a_matrix_of_another_shape_are_refused() -> None:
    with pytest.raises(RecommenderError, match="k: found 0"):
        top_k(np.zeros((1, 3)), 0)
    with pytest.raises(RecommenderError, match=r"found \(2, 3\); allowed: \(1, 3\)"):
        top_k(np.zeros((1, 3)), 1, sp.csr_array((2, 3)))
    with pytest.raises(RecommenderError, match=r"found \(1, 3\)"):
        hits(np.array([[0], [1]]), sp.csr_array((1, 3)))


def test_values_worked_out_by_hand() -> None:
    # Ranks 1 and 3 hit: 1 + 1/2 = 1.5. Two held out: ideal 1 + 1/log2(3) = 1.63093.
    found = np.array([[True, False, True], [True, True, True], [False, False, False]])
    n_truth = np.array([2, 30, 1])
    np.testing.assert_allclose(ndcg(found, n_truth), [1.5 / 1.6309297535714575, 1.0, 0.0])
    np.testing.assert_allclose(recall(found, n_truth), [1.0, 0.1, 0.0])


def test_padding_never_hits_the_row_before() -> None:
    truth = sp.csr_array(
        np.array([[0, 0, 1], [1, 0, 0]])
    )  # NO_ITEM of row 1 follows item 2 of row 0
    listed = np.array([[2, NO_ITEM], [NO_ITEM, 0]])
    assert hits(listed, truth).tolist() == [[True, False], [False, True]]


def test_unsorted_truth_is_read_as_it_is() -> None:
    truth = sp.csr_array((np.ones(3), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3))
    assert hits(np.array([[0, 2, 1], [1, 0, 2]]), truth).tolist() == [
        [True, True, False],
        [True, False, False],
    ]


def test_an_oracle_is_perfect_and_a_constant_is_no_better_than_item_order() -> None:
    rng = np.random.default_rng(3)
    relevant = rng.random((40, 30)) < 0.3
    relevant[:, 0] = True
    n_truth, truth = relevant.sum(axis=1), sp.csr_array(relevant)
    oracle = hits(top_k(relevant.astype(np.float32), 5), truth)
    np.testing.assert_allclose(ndcg(oracle, n_truth), 1.0)
    np.testing.assert_allclose(recall(oracle, n_truth), np.minimum(n_truth, 5) / n_truth)
    constant = top_k(np.ones(relevant.shape), 5)
    assert constant.tolist() == [[0, 1, 2, 3, 4]] * 40


@pytest.mark.parametrize("block", [1, 2, 5, 100])
def test_blocks_do_not_change_the_list(block: int) -> None:
    train = worlds.small_world(n_users=11)
    popular = Popularity().fit(train, worlds.plain_items(25), rng=np.random.default_rng(0))
    asked = worlds.query(train)
    expected = top_k(popular.scores(asked), 6, train.matrix)
    np.testing.assert_array_equal(recommend(popular, asked, 6, train.matrix, block), expected)


def test_recommend_asks_for_a_block_at_a_time() -> None:
    asked: list[int] = []

    class Counting(Popularity):
        def scores(self, query: Query) -> FloatArray:
            asked.append(len(query))
            return super().scores(query)

    train = worlds.small_world(n_users=11)
    counting = Counting().fit(train, worlds.plain_items(25), rng=np.random.default_rng(0))
    recommend(counting, worlds.query(train), 3, block=4)
    assert asked == [4, 4, 3]


def test_validation_masks_training_items_and_skips_users_without_any() -> None:
    # The popular order is 0 (3 users), 1 (2), 2 (1), 3 (0).
    train = worlds.interactions([[0, 1], [0, 1], [0, 2]], 4)
    valid = worlds.interactions([[3], [], [1]], 4)
    popular = Popularity().fit(train, worlds.plain_items(4), rng=np.random.default_rng(0))
    # User 0 is shown 2, 3: a hit at rank 2. User 2 is shown 1, 3: a hit at rank 1.
    expected = (1 / math.log2(3) + 1) / 2
    assert validation_ndcg(popular, train, valid) == pytest.approx(expected)
    with pytest.raises(RecommenderError, match="valid: found no interactions"):
        validation_ndcg(popular, train, worlds.interactions([[], [], []], 4))
