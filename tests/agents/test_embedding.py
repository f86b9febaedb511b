from __future__ import annotations

import numpy as np
import pytest

from agents.embedding import embed, relevance, word_weights

TEXTS = [
    "a ghost haunts the old cellar",
    "the ghost of the cellar returns",
    "a wedding and a clumsy baker",
    "the baker bakes a wedding cake",
    "cattle thieves and a sheriff",
    "the sheriff rides after thieves",
]


def test_likeness_of_texts_is_likeness_of_vectors() -> None:
    vectors = embed(TEXTS, dimensions=4)
    assert vectors.shape == (6, 4)
    assert vectors.dtype == np.float32
    likeness = vectors @ vectors.T
    for n in range(0, 6, 2):
        others = [m for m in range(6) if m // 2 != n // 2]
        assert likeness[n, n + 1] > likeness[n, others].max()


def test_vectors_have_unit_length_or_are_zero() -> None:
    vectors = embed([*TEXTS, "", "unheard words only"], dimensions=4)
    length = np.linalg.norm(vectors, axis=1)
    assert length[:6] == pytest.approx(np.ones(6), abs=1e-5)
    assert length[6:].tolist() == [0.0, 0.0]


def test_the_same_texts_give_the_same_vectors() -> None:
    np.testing.assert_array_equal(embed(TEXTS, 3), embed(TEXTS, 3))


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["one text"], ["the", "and"]])
def test_too_little_text_gives_zeros_of_the_same_shape(texts: list[str]) -> None:
    vectors = embed(texts, dimensions=8)
    assert vectors.shape == (len(texts), 8)
    assert not vectors.any()
    weights, words = word_weights(texts)
    assert (weights.shape, words) == ((len(texts), 0), [])


def test_relevance_is_a_cosine() -> None:
    found = relevance("a ghost haunts the old cellar", TEXTS)
    assert found[0] == pytest.approx(1.0, abs=1e-5)
    assert found[1] > found[4]
    assert ((found >= 0) & (found <= 1)).all()
    assert relevance("", ["ghost"]).tolist() == [0.0]
    assert relevance("ghost", []).shape == (0,)


def test_texts_that_are_all_alike_are_one_vector() -> None:
    vectors = embed(["a drama film"] * 4, dimensions=3)
    np.testing.assert_allclose(vectors @ vectors.T, 1.0, atol=1e-6)
