"""Collaborative neighbours, and the taste that follows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from agents.features import history_matrix
from agents.interface import RatedHistory
from agents.neighbours import DIMENSIONS, find
from agents.response.behavioural import Behavioural
from agents.response.taste import Company, learn
from tests.agents import people

WEIGHTS = (0.4, 0.5, 0.5)


def histories(*rows: list[int]) -> RatedHistory:
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    item = np.array([i for row in rows for i in row], dtype=np.int64)
    return RatedHistory(indptr, item, np.full(len(item), np.nan, dtype=np.float32))


def test_likeness_is_the_root_of_the_normalised_co_occurrence() -> None:
    # Items 0 and 1 are chosen by the same two people, item 2 by a third: A has the rows
    # (1/2, 1/2, 0) twice and (0, 0, 1), A'A is 1/2 for each pair of 0 and 1, and 1 for 2;
    # its root is the same, since A'A is a projection.
    found = find(histories([0, 1], [0, 1], [2]), 3)
    likeness = found.vector @ found.vector.T
    expected = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    np.testing.assert_allclose(likeness, expected, atol=1e-9)
    assert found.vector.shape == (3, DIMENSIONS)
    np.testing.assert_array_equal(found.count, [2, 2, 1])


def test_what_everybody_chooses_leans_nowhere() -> None:
    population = histories([0, 1], [0, 2], [0, 1, 2, 3])
    found = find(population, 4)
    everybody = sp.csr_array(history_matrix(population, 4).sum(axis=0)[None, :])
    np.testing.assert_allclose(found.chosen(everybody), 0.0, atol=1e-9)


@given(st.lists(st.sets(st.integers(0, 7), max_size=6), max_size=6))
def test_any_histories_give_finite_vectors(rows: list[set[int]]) -> None:
    found = find(histories(*map(sorted, rows)), 8)
    assert np.isfinite(found.vector).all()
    assert not found.vector[found.count == 0].any()


def test_the_same_histories_give_the_same_vectors() -> None:
    past = people.history(40)
    np.testing.assert_array_equal(find(past, people.N_ITEMS).vector, find(past, 400).vector)


def test_with_weights_of_zero_neighbours_are_not_looked_at() -> None:
    past, catalogue = people.history(8), people.catalogue()
    plain = learn(past, catalogue, WEIGHTS, 0.3)
    none = learn(past, catalogue, WEIGHTS, 0.3, company=Company(people.history(40)))
    np.testing.assert_array_equal(plain.item, none.item)
    np.testing.assert_array_equal(plain.choice, none.choice)
    np.testing.assert_array_equal(plain.liking, none.liking)


@pytest.mark.parametrize(("choice", "liking"), [(1.0, 0.0), (0.0, 1.0)])
def test_company_finds_the_loved_kind_where_texts_say_nothing(choice: float, liking: float) -> None:
    bare = people.catalogue(
        title=("",) * people.N_ITEMS,
        text=("",) * people.N_ITEMS,
        genres=((),) * people.N_ITEMS,
        year=(0,) * people.N_ITEMS,
    )
    company = Company(people.history(200, seed=5), choice, liking)
    tastes = learn(people.history(8), bare, WEIGHTS, 0.3, company=company)
    vectors = tastes.choice if choice else tastes.liking
    match = vectors @ tastes.item.T
    loved = people.kind(np.arange(people.N_ITEMS)) == people.loved(8)[:, None]
    # The people's own choices say which items go together, nothing else could.
    assert match[loved].mean() > match[~loved].mean() + 0.5


def test_the_population_stays_with_chosen_agents() -> None:
    everybody = people.history(40)
    audience = replace(people.audience(6), population=everybody)
    assert audience.rows(np.array([1, 4])).population is everybody
    assert Behavioural(collaborative=1.0).parameters.collaborative == 1.0
    assert Behavioural().parameters.collaborative == 0.0
