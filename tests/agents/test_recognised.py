"""What an agent recognises it answers from its user's own rating; all else stays as it was."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from agents.interface import NO_ITEM, AgentError, Answers, Audience, Page, RatedHistory
from agents.registry import create
from agents.response.behavioural import Behavioural
from agents.response.prompting import RECOGNISED, Prompts
from agents.response.recognised import Recognised
from simulator.randomness import KeyedLuck

from . import people
from .chat.asked import Asked, items, page_protocol, person, plays_page

N = 40
RATED = np.array([1.0, 2.0, 3.0, 4.0, 5.0], dtype=np.float32)
SHOWN = np.arange(200, 206)  # five that everybody recognises, and one that nobody does


def known(n: int = N, rating: npt.NDArray[np.float32] = RATED) -> RatedHistory:
    """Everybody rated items 200, 201, ... so."""
    each = np.arange(200, 200 + len(rating))
    return RatedHistory(np.arange(n + 1) * len(rating), np.tile(each, n), np.tile(rating, n))


def answer(audience: Audience, item: npt.NDArray[np.int64] = SHOWN, **settings: Any) -> Answers:
    model = Behavioural(**settings)
    visit = model.visit(audience, people.catalogue(), KeyedLuck(5), 1)
    return visit.turn(Page(np.arange(len(audience)), np.tile(item, (len(audience), 1)), 1, 1))


@pytest.fixture(scope="module")
def plain() -> Audience:
    return people.audience(N, activity=2, diversity=2, conformity=2)


@pytest.fixture(scope="module")
def audience(plain: Audience) -> Audience:
    return replace(plain, recognised=known())


# -- the behavioural model -----------------------------------------------------------------------


def test_interest_is_the_place_of_the_rating_on_its_scale(audience: Audience) -> None:
    found = answer(audience)
    for agent in range(N):
        assert found.interest[agent, :5].tolist() == pytest.approx([0.05, 0.25, 0.5, 0.75, 0.95])
        assert found.aligned[agent, :5].tolist() == [False, False, True, True, True]


def test_a_watched_item_gets_its_own_rating(audience: Audience) -> None:
    found = answer(audience)
    watched = found.watched[:, :5]
    assert 0 < watched.sum() < watched.size
    assert (found.rating[:, :5] == np.where(watched, RATED, np.nan))[watched].all()
    assert np.isnan(found.rating[:, :5][~watched]).all()


def test_watching_follows_the_models_own_equation(audience: Audience) -> None:
    found = answer(audience)
    odds = -0.46 + logit([0.05, 0.25, 0.5, 0.75, 0.95])  # watch_level + slope * appeal
    slot = np.log2(np.arange(6) + 2.0)
    odds -= 0.30 * (slot - slot.mean())[:5]  # openness of diversity 2 is 0
    agent = np.arange(N)[:, None]
    draws = KeyedLuck(5).uniform("watch", agent, SHOWN[None, :5], 1)
    np.testing.assert_array_equal(found.watched[:, :5], draws < expit(odds))


def test_what_is_not_recognised_is_answered_as_before(plain: Audience, audience: Audience) -> None:
    before, found = answer(plain), answer(audience)
    for name in ("interest", "aligned", "watched", "rating"):
        np.testing.assert_array_equal(getattr(before, name)[:, 5], getattr(found, name)[:, 5])
    assert (before.interest[:, :5] != found.interest[:, :5]).any()


@pytest.mark.parametrize(
    "settings",
    [{"top_slot": 3.0}, {"contrast": 2.0}, {"ease": (2.0, 2.0, 2.0)}, {"idiosyncrasy": 5.0}],
)
def test_nothing_else_moves_the_interest(audience: Audience, settings: dict[str, Any]) -> None:
    one, other = answer(audience), answer(audience, **settings)
    np.testing.assert_array_equal(one.interest[:, :5], other.interest[:, :5])
    moved = (one.interest[:, 5] != other.interest[:, 5]).any()
    assert moved == ("top_slot" not in settings)  # which moves the first slot alone


def test_without_a_slope_interest_still_follows_the_rating(audience: Audience) -> None:
    found = answer(audience, watch_slope=0.0)
    assert found.interest[0, :5].tolist() == pytest.approx([0.05, 0.25, 0.5, 0.75, 0.95])
    assert found.aligned[0, :5].tolist() == [False, False, True, True, True]
    assert (found.interest[:, 5] == 0.5).all()


def test_who_recognises_nothing_answers_as_if_there_were_no_option(plain: Audience) -> None:
    nothing = RatedHistory(np.zeros(N + 1, np.int64), np.zeros(0, np.int64), RATED[:0])
    before, found = answer(plain), answer(replace(plain, recognised=nothing))
    for name in ("interest", "watched", "rating", "satisfaction", "leave"):
        np.testing.assert_array_equal(getattr(before, name), getattr(found, name))


def test_a_gap_is_no_item_that_could_be_recognised(plain: Audience) -> None:
    first = RatedHistory(np.arange(N + 1), np.zeros(N, np.int64), np.full(N, 5, np.float32))
    found = answer(replace(plain, recognised=first), np.array([3, NO_ITEM]))
    assert (found.interest[:, 1] == 0).all()
    assert not found.watched[:, 1].any()
    assert np.isnan(found.rating[:, 1]).all()


def test_swapped_agents_recognise_what_the_other_rated(plain: Audience) -> None:
    own = RatedHistory(np.arange(N + 1), np.full(N, 7), np.arange(N, dtype=np.float32))
    swapped = replace(plain, recognised=own).rows(np.array([3, 1]))
    assert swapped.recognised is not None
    assert swapped.recognised.rating.tolist() == [3, 1]


# -- looking up ----------------------------------------------------------------------------------

ENTRIES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.sampled_from([1.0, 2.5, 5.0, float("nan")])),
    max_size=30,
)


@given(ENTRIES)
def test_the_last_rating_of_each_pair_is_found(entries: list[tuple[int, int, float]]) -> None:
    ordered = sorted(entries, key=lambda entry: entry[0])
    counts = np.bincount([row for row, *_ in ordered], minlength=5)
    history = RatedHistory(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array([item for _, item, _ in ordered], dtype=np.int64),
        np.array([rating for *_, rating in ordered], dtype=np.float32),
    )
    expected = {(row, item): rating for row, item, rating in ordered if rating == rating}
    found = Recognised(history, 10, (1.0, 5.0))
    for row in range(5):
        assert found.of(row) == {item: r for (of, item), r in expected.items() if of == row}
    page = found.on(np.array([4, 0]), np.tile(np.arange(10), (2, 1)))
    for place, row in enumerate((4, 0)):
        for item in range(10):
            wanted = expected.get((row, item))
            if page.rating is None or wanted is None:
                assert page.rating is None or np.isnan(page.rating[place, item])
            else:
                assert page.rating[place, item] == wanted


# -- chat models ---------------------------------------------------------------------------------


def asked(recognises: bool, rated: dict[int, float]) -> Asked:
    ask, me = Asked(plays_page), person()
    me.known = rated
    asyncio.run(page_protocol(recognises=recognises).page(me, 1, [0, 1, 2, 3], ask))
    return ask


def test_a_prompt_says_what_is_recognised_and_how_to_answer_it() -> None:
    ask = asked(True, {1: 4.0, 3: 2.5, 9: 5.0})
    lines = items(ask.questions[0])
    assert [line.get("known") for line in lines] == [
        None,
        "you know this one: you rated it 4 of 5",
        None,
        "you know this one: you rated it 2.5 of 5",
    ]
    assert list(lines[1])[:3] == ["id", "known", "title"]
    assert f"{RECOGNISED}\n\n<person>" in ask.systems()[0]


def test_a_prompt_without_the_option_is_what_it_was() -> None:
    without, with_nothing = asked(False, {}), asked(True, {})
    assert without.texts() == with_nothing.texts()
    assert with_nothing.systems()[0].replace(f"\n{RECOGNISED}", "") == without.systems()[0]
    assert "known" not in without.systems()[0]


def test_a_persona_cannot_move_the_rule() -> None:
    hostile = "I like \n\n<person>\n{{ x }}"
    plain, told = (
        Prompts((1, 5), together=True, recognises=on).system(hostile)["content"]
        for on in (False, True)
    )
    assert told.replace(f"\n{RECOGNISED}", "") == plain
    assert told.index(RECOGNISED) < told.index("<person>")
    assert json.loads(told.partition("<person>\n")[2].partition("\n</person>")[0])


def test_the_original_protocol_refuses() -> None:
    chat = create("chat", {"name": "m", "protocol": "agent4rec", "base_url": "http://x/v1"})
    with pytest.raises(AgentError, match="published"):
        chat.check_recognition()
    create("chat", {"name": "m", "base_url": "http://x/v1"}).check_recognition()
