"""The benchmark on RLMRec's split: its reader of matrices and its masks."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks.amazon_book import on_test, read_matrix, read_split
from recommenders.mf import MF
from tests.recommenders import worlds


def test_a_matrix_is_read() -> None:
    matrix = sp.coo_matrix(np.array([[0.0, 2.0], [1.0, 0.0]]))
    found = read_matrix(pickle.dumps(matrix))
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())


def test_anything_else_in_a_pickle_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(pickle.UnpicklingError, match=r"mkdir has no place in a matrix"):
        read_matrix(pickle.dumps(Trap()))
    assert not (tmp_path / "made").exists()
    with pytest.raises(pickle.UnpicklingError, match="found a ndarray; allowed: a COO matrix"):
        read_matrix(pickle.dumps(np.zeros(2)))


def test_only_training_items_are_masked() -> None:
    """Item 0 is known, item 1 (validation's, say) ranks before the held-out item 2."""
    train, test = worlds.interactions([[0], []], 3), worlds.interactions([[2], []], 3)
    recommender = MF().load_state(
        {
            "user_factors": np.ones((2, 1), dtype=np.float32),
            "item_factors": np.array([[9.0], [2.0], [1.0]], dtype=np.float32),
            "popularity": np.zeros(3, dtype=np.float32),
            "known": np.ones(2, dtype=bool),
        }
    )
    found = on_test(recommender, train, test)
    np.testing.assert_allclose(found, [[1.0] * 3, [1 / np.log2(3)] * 3])


@pytest.mark.data
@pytest.mark.skipif("AUDITION_DATA" not in os.environ, reason="AUDITION_DATA is not set")
def test_the_split_has_the_published_size() -> None:
    train, valid, test = read_split(Path(os.environ["AUDITION_DATA"]) / "amazon-book")
    assert (train.n_users, train.n_items) == (11_000, 9_332)
    assert (len(train), len(valid), len(test)) == (120_464, 40_290, 40_106)
    assert train.matrix.multiply(test.matrix).nnz == 0
