"""One suite for every registered response model: a new name in the registry is tested here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from agents import registry
from agents.interface import (
    NO_ITEM,
    OK,
    Answers,
    Audience,
    Catalogue,
    Page,
    RatedHistory,
    ResponseModel,
    Visit,
)
from agents.memory import EMOTIONAL, FACTUAL, REFLECTION
from simulator.randomness import KeyedLuck
from tests.agents import people
from tests.agents.chat.server import Server

N, K = 7, 4


@contextmanager
def _chat() -> Iterator[dict[str, Any]]:
    with Server() as server:
        yield {"name": "scripted", "base_url": server.base_url, "timeout": 20.0}


SETTINGS: dict[str, Callable[[], AbstractContextManager[dict[str, Any]]]] = {
    "behavioural": lambda: nullcontext({}),
    "chat": _chat,
}
"""What a model needs to run at all, held while the test runs."""


@pytest.fixture(params=registry.NAMES)
def model(request: pytest.FixtureRequest) -> Iterator[ResponseModel]:
    with SETTINGS[request.param]() as settings:
        yield registry.create(request.param, settings)


@pytest.fixture
def audience() -> Audience:
    return people.audience(N)


@pytest.fixture
def catalogue() -> Catalogue:
    return people.catalogue()


def opened(model: ResponseModel, audience: Audience, catalogue: Catalogue, seed: int = 3) -> Visit:
    return model.visit(audience, catalogue, KeyedLuck(seed), 1)


def page(row: list[int], number: int = 1) -> Page:
    rows = np.array(row, dtype=np.int64)
    item = (rows[:, None] * 37 + np.arange(K) * 11 + number * 101) % people.N_ITEMS
    return Page(rows, item, number, 1)


def assert_same(left: Answers, right: Answers, rows: slice | list[int]) -> None:
    """``left`` holds all rows, ``right`` those named."""
    for name, column in asdict(left).items():
        part, other = column, getattr(right, name)
        if column is None:
            assert other is None
        elif isinstance(column, np.ndarray):
            np.testing.assert_array_equal(part[rows], other, err_msg=name)
        else:
            assert [list(column)[n] for n in np.arange(len(column))[rows]] == list(other), name


def test_answers_have_the_shapes_and_ranges_of_the_contract(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    visit = opened(model, audience, catalogue)
    for number in (1, 2, 3):
        answers = visit.turn(page(list(range(N)), number))
        for name in ("interest", "aligned", "watched", "rating"):
            assert getattr(answers, name).shape == (N, K)
        for name in ("satisfaction", "fatigue", "leave"):
            assert getattr(answers, name).shape == (N,)
        assert len(answers.reason) == len(answers.outcome) == N
        assert list(answers.outcome) == [OK] * N
        assert all(isinstance(reason, str) and reason for reason in answers.reason)
        assert answers.aligned.dtype == answers.watched.dtype == answers.leave.dtype == np.bool_
        assert ((answers.interest >= 0) & (answers.interest <= 1)).all()
        assert ((answers.satisfaction >= 1) & (answers.satisfaction <= 10)).all()
        assert ((answers.fatigue >= 0) & (answers.fatigue <= 1)).all()


def test_ratings_are_for_watched_items_and_within_the_scale(model: ResponseModel) -> None:
    shown = np.linspace(1.0, 7.0, people.N_ITEMS, dtype=np.float32)
    catalogue = people.catalogue(rating_scale=(1.0, 7.0), shown_rating=shown)
    audience = people.audience(40)
    answers = opened(model, audience, catalogue).turn(page(list(range(40))))
    assert 0 < answers.watched.sum() < answers.watched.size
    assert np.isnan(answers.rating[~answers.watched]).all()
    given = answers.rating[answers.watched]
    assert ((given >= 1) & (given <= 7)).all()
    assert (given == np.rint(given)).all()


def test_a_padded_slot_is_never_watched(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    shown = page(list(range(N)))
    shown.item[:, 2:] = NO_ITEM
    visit = opened(model, audience, catalogue)
    answers = visit.turn(shown)
    gap = shown.item == NO_ITEM
    assert not answers.watched[gap].any()
    assert not answers.aligned[gap].any()
    assert np.isnan(answers.rating[gap]).all()


def test_the_same_visit_twice_is_the_same(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    one, two = (opened(model, audience, catalogue) for _ in range(2))
    for number in (1, 2):
        shown = page(list(range(N)), number)
        assert_same(one.turn(shown), two.turn(shown), slice(None))


def test_who_else_is_in_the_batch_does_not_matter(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    together = opened(model, audience, catalogue)
    alone = opened(model, audience, catalogue)
    order = [5, 0, 3]
    for number in (1, 2):
        all_of_them = together.turn(page(list(range(N)), number))
        assert_same(all_of_them, alone.turn(page(order, number)), order)
        alone.turn(page([6, 1], number))


def test_answers_come_in_the_order_of_the_page(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    forward, backward = (opened(model, audience, catalogue) for _ in range(2))
    rows = list(range(N))
    straight = forward.turn(page(rows))
    assert_same(straight, backward.turn(page(rows[::-1])), rows[::-1])


def test_what_is_given_is_not_changed(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    shown = page(list(range(N)))
    arrays: list[npt.NDArray[Any]] = [
        shown.row,
        shown.item,
        audience.agent,
        audience.history.item,
        audience.history.rating,
        audience.profiles.activity,
        catalogue.shown_rating,
        catalogue.popularity,
    ]
    before = [array.copy() for array in arrays]
    visit = opened(model, audience, catalogue)
    visit.turn(shown)
    visit.interview(shown.row)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_agents_that_recognise_items_answer_by_the_same_contract(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    model.check_recognition()
    shown = page(list(range(N)))
    rated = np.tile(np.array([1.0, 5.0], dtype=np.float32), N)
    known = RatedHistory(np.arange(N + 1) * 2, shown.item[:, :2].ravel(), rated)
    knowing = replace(audience, recognised=known)
    answers = opened(model, knowing, catalogue).turn(shown)
    assert list(answers.outcome) == [OK] * N
    assert ((answers.interest >= 0) & (answers.interest <= 1)).all()
    assert np.isnan(answers.rating[~answers.watched]).all()
    order = [5, 0, 3]
    assert_same(answers, opened(model, knowing, catalogue).turn(page(order)), order)


def test_interviews_answer_for_the_rows_asked(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    visits = [opened(model, audience, catalogue) for _ in range(2)]
    for visit in visits:
        visit.turn(page(list(range(N))))
    whole = visits[0].interview(np.arange(N))
    some = visits[1].interview(np.array([4, 2]))
    assert whole.satisfaction.shape == whole.return_intent.shape == (N,)
    assert ((whole.satisfaction >= 1) & (whole.satisfaction <= 10)).all()
    assert ((whole.return_intent >= 0) & (whole.return_intent <= 1)).all()
    assert list(whole.outcome) == [OK] * N
    assert some.satisfaction.tolist() == whole.satisfaction[[4, 2]].tolist()
    assert list(some.reason) == [whole.reason[4], whole.reason[2]]


def test_notes_are_handed_over_once(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    visit = opened(model, audience, catalogue)
    visit.turn(page(list(range(N))))
    notes = visit.notes()
    assert {m.kind for m in notes.memories} <= {FACTUAL, EMOTIONAL, REFLECTION}
    assert {m.row for m in notes.memories} <= set(range(N))
    assert not visit.notes().memories
    assert not visit.notes().calls


def test_nobody_to_show_to_is_no_error(
    model: ResponseModel, audience: Audience, catalogue: Catalogue
) -> None:
    visit = opened(model, audience, catalogue)
    answers = visit.turn(page([]))
    assert answers.watched.shape == (0, K)
    assert len(visit.interview(np.zeros(0, dtype=np.int64)).satisfaction) == 0


def test_settings_are_kept(model: ResponseModel) -> None:
    names = {one.name for spec in registry.specs() for one in spec.settings}
    assert model.settings
    assert set(model.settings) <= names
