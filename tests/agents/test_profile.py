from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from agents import profile
from agents.interface import AgentError, Catalogue, RatedHistory
from agents.persona import describe
from agents.profile import Levels

from . import people


@dataclass(frozen=True)
class Given:
    tastes: tuple[tuple[str, ...], ...] | None = None
    rating_habit: tuple[str, ...] | None = None
    activity: Levels | None = None
    diversity: Levels | None = None
    conformity: Levels | None = None


def ragged(*users: list[tuple[int, float]]) -> RatedHistory:
    pairs = [pair for user in users for pair in user]
    return RatedHistory(
        np.concatenate([[0], np.cumsum([len(user) for user in users])]).astype(np.int64),
        np.array([item for item, _ in pairs], dtype=np.int64),
        np.array([rating for _, rating in pairs], dtype=np.float32),
    )


def test_activity_counts_ratings() -> None:
    history = ragged([(0, 4.0), (1, 3.0)], [], [(2, 5.0)])
    values = profile.trait_values(history, people.catalogue())
    assert values["activity"].tolist() == [2, 0, 1]


def test_diversity_counts_genres_until_four_fifths_are_filled() -> None:
    # Items 0..3 are of four kinds; the histories hold 4+1, 3+1+1 and 2+1+1+1 of them.
    history = ragged(
        [(i, 3.0) for i in (0, 4, 8, 12, 1)],
        [(i, 3.0) for i in (0, 4, 8, 1, 2)],
        [(i, 3.0) for i in (0, 4, 1, 2, 3)],
    )
    assert profile.trait_values(history, people.catalogue())["diversity"].tolist() == [1, 2, 3]


def test_conformity_is_the_mean_squared_distance_from_the_shown_ratings() -> None:
    shown = np.array([3.0, 4.0, np.nan], dtype=np.float32)
    catalogue = people.catalogue(3, shown_rating=shown)
    history = ragged([(0, 5.0), (1, 4.0)], [(0, np.nan), (1, 2.0)], [(2, 5.0)])
    value = profile.trait_values(history, catalogue)["conformity"]
    assert value[:2].tolist() == [2.0, 4.0]
    assert np.isnan(value[2])  # nothing is shown beside item 2


def test_what_is_unknown_gets_the_middle_level() -> None:
    history = people.history(9, rated=False)
    bare = people.catalogue(genres=((),) * people.N_ITEMS)
    made = profile.build(history, bare)
    assert np.isnan(made.conformity_value).all()
    assert np.isnan(made.diversity_value).all()
    assert made.conformity.tolist() == made.diversity.tolist() == [2] * 9


def test_items_without_genres_are_left_out_of_diversity() -> None:
    genres = tuple(() if i % 2 else ("Drama",) for i in range(people.N_ITEMS))
    history = ragged([(0, 3.0), (1, 3.0), (3, 3.0), (5, 3.0)])
    catalogue = people.catalogue(genres=genres)
    assert profile.trait_values(history, catalogue)["diversity"].tolist() == [1]


def test_levels_cut_a_population_in_thirds() -> None:
    level = profile.levels(np.arange(300.0))
    assert level.tolist() == sorted(level.tolist())
    assert np.bincount(level)[1:].tolist() == pytest.approx([99, 102, 99], abs=1)


def test_levels_do_not_move_with_the_number_of_agents() -> None:
    everybody = people.history(40)
    few = RatedHistory(everybody.indptr[:6], everybody.item[:120], everybody.rating[:120])
    catalogue = people.catalogue()
    whole = profile.build(everybody, catalogue)
    part = profile.build(few, catalogue, population=everybody)
    for trait in ("activity", "diversity", "conformity"):
        assert getattr(part, trait).tolist() == getattr(whole, trait)[:5].tolist()


finite = st.floats(-1e6, 1e6)


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=finite | st.just(np.nan)))
def test_levels_follow_the_values(values: npt.NDArray[np.float64]) -> None:
    level = profile.levels(values)
    assert np.isin(level, (1, 2, 3)).all()
    assert (level[np.isnan(values)] == 2).all()
    known = values[~np.isnan(values)]
    order = np.argsort(known, kind="stable")
    assert (np.diff(level[~np.isnan(values)][order]) >= 0).all()
    for value in np.unique(known):
        assert len(np.unique(level[values == value])) == 1


@given(hnp.arrays(np.float64, st.integers(1, 40), elements=finite))
def test_levels_do_not_depend_on_the_order_of_users(
    values: npt.NDArray[np.float64],
) -> None:
    order = np.random.default_rng(len(values)).permutation(len(values))
    assert profile.levels(values)[order].tolist() == profile.levels(values[order]).tolist()


def test_given_parts_win() -> None:
    n = 5
    given_levels = np.array([3, 1, 2, 3, 1], dtype=np.int8)
    given_parts = Given(
        tastes=(("I like trains.",),) * n, rating_habit=("I rate low.",) * n, activity=given_levels
    )
    made = profile.build(people.history(n), people.catalogue(), given=given_parts)
    assert made.activity.tolist() == given_levels.tolist()
    assert made.tastes == (("I like trains.",),) * n
    assert all("I like trains." in text and "I rate low." in text for text in made.persona)
    derived = profile.build(people.history(n), people.catalogue())
    assert made.diversity.tolist() == derived.diversity.tolist()
    assert made.activity_value.tolist() == [24.0] * n


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Given(tastes=(("x",),)), "given tastes"),
        (Given(activity=np.array([1, 2, 4], dtype=np.int8)), "given activity"),
        (Given(conformity=np.array([1, 2], dtype=np.int8)), "given conformity"),
    ],
)
def test_given_parts_that_do_not_fit_are_refused(wrong: Given, said: str) -> None:
    with pytest.raises(AgentError, match=said):
        profile.build(people.history(3), people.catalogue(), given=wrong)


def test_the_persona_tells_traits_tastes_and_habit() -> None:
    made = profile.build(people.history(8), people.catalogue())
    for n in range(8):
        lines = made.persona[n].split("\n")
        assert all(sentence in lines for sentence in made.tastes[n])
        assert "on a scale from 1 to 5" in lines[-1]
    quiet, busy = (describe(a, 2, 2, ("I like trains.",)) for a in (1, 3))
    assert quiet != busy


def test_an_empty_catalogue_of_facts_still_makes_profiles() -> None:
    nothing = Catalogue(
        title=("",) * 3,
        text=("",) * 3,
        genres=((),) * 3,
        year=(0,) * 3,
        shown_rating=np.full(3, np.nan, dtype=np.float32),
        popularity=np.zeros(3, dtype=np.int64),
    )
    made = profile.build(ragged([(0, np.nan)], []), nothing)
    assert made.tastes == (("I have no strong preferences yet.",),) * 2
