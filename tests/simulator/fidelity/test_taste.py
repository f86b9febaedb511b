"""The taste test, on a world where the right answer is known."""

from __future__ import annotations

import doctest
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.interface import Answers, Audience, Catalogue, Interviews, Luck, Page, ResponseModel
from agents.interface import Visit as VisitBase
from agents.response.behavioural import Behavioural
from recommenders.interface import Recommender
from simulator.fidelity import luck, taste, trivial
from simulator.fidelity.measures import Measure
from simulator.scenario import load
from simulator.world import World, build

QUICKSTART = Path(__file__).parents[3] / "scenarios" / "quickstart.yaml"


@pytest.fixture(scope="module")
def world() -> World:
    whole = build(load(QUICKSTART), str(QUICKSTART))
    return replace(whole, audience=whole.audience.rows(np.arange(40)))


@pytest.fixture(scope="module")
def users(world: World) -> dict[str, Recommender]:
    return trivial.fitted(world)


class Knows(ResponseModel):
    """Likes what its user has in the held-out part, and nothing else; fails for ``mute`` rows."""

    def __init__(self, world: World, sign: float = 1.0, mute: int = -1) -> None:
        self.settings: dict[str, Any] = {}
        self._held = world.split.valid.matrix + world.split.test.matrix
        self._sign, self._mute = sign, mute

    def visit(self, audience: Audience, catalogue: Catalogue, luck: Luck, round_: int) -> VisitBase:
        return _Visit(self, audience)

    def likes(
        self, agent: np.ndarray[Any, Any], item: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        pairs = np.broadcast_arrays(agent[:, None], item)
        held = np.asarray(self._held[pairs[0].ravel(), pairs[1].ravel()]).reshape(item.shape) > 0
        return held if self._sign > 0 else ~held


class _Visit(VisitBase):
    def __init__(self, model: Knows, audience: Audience) -> None:
        self._model, self._audience = model, audience

    def turn(self, page: Page) -> Answers:
        likes = self._model.likes(self._audience.agent[page.row], page.item)
        nothing = np.zeros(len(page), dtype=np.float32)
        return Answers(
            likes.astype(np.float32),
            likes,
            likes,
            np.full(page.item.shape, np.nan, dtype=np.float32),
            nothing,
            nothing,
            nothing > 0,
            [""] * len(page),
            ["no reply" if row == self._model._mute else "ok" for row in page.row.tolist()],
        )

    def interview(self, row: np.ndarray[Any, Any]) -> Interviews:
        raise AssertionError("the taste test holds no interviews")


def by(found: list[Measure], test: str, name: str, case: str) -> Measure:
    (one,) = [m for m in found if (m.test, m.name, m.case) == (test, name, case)]
    return one


def test_examples() -> None:
    for module in (taste, luck):
        failed, tried = doctest.testmod(module)
        assert tried
        assert not failed


@pytest.mark.parametrize("m", [1, 9])
def test_who_knows_its_items_is_perfect_and_who_shuns_them_is_not(
    world: World, users: dict[str, Recommender], m: int
) -> None:
    case = f"1:{m}, even"
    found = taste.measure(world, Knows(world), times=[m], draws=["even"], users=users)
    for test in ("taste", "taste, with luck", "taste, own yes"):
        for name in taste.FIGURES:
            assert by(found, test, name, case).value == 1.0
    found = taste.measure(world, Knows(world, sign=-1.0), times=[m], draws=["even"], users=users)
    assert by(found, "taste", "auc", case).value == 0.0
    assert by(found, "taste, own yes", "recall", case).value == 0.0
    always = {b.name: b for b in by(found, "taste", "accuracy", case).baselines}["always yes"]
    assert always.value == pytest.approx(taste.own_items(m) / 20)


def test_a_failed_reply_is_left_out(world: World, users: dict[str, Recommender]) -> None:
    (cell,) = taste.cells(world, taste.PARTS, [1], ["even"])
    found = taste.measure(
        world, Knows(world, mute=int(cell.row[0])), times=[1], draws=["even"], users=users
    )
    one = by(found, "taste", "accuracy", "1:1, even")
    assert (one.value, one.n) == (1.0, len(cell.row) - 1)


def test_cells_show_each_agent_its_own_and_what_it_never_met(world: World) -> None:
    split, agent = world.split, world.audience.agent
    met = [part.matrix[agent].toarray() > 0 for part in (split.train, split.valid, split.test)]
    for cell in taste.cells(world, taste.PARTS, taste.TIMES, taste.DRAWS):
        assert len(cell.row)
        assert (cell.own.sum(axis=1) == taste.own_items(cell.times)).all()
        held = np.take_along_axis((met[1] | met[2])[cell.row], cell.item, axis=1)
        trained = np.take_along_axis(met[0][cell.row], cell.item, axis=1)
        np.testing.assert_array_equal(held, cell.own)
        assert not trained.any()
        assert all(len(set(row)) == taste.SHOWN for row in cell.item.tolist())


def test_what_an_agent_is_shown_depends_on_nobody_else(world: World) -> None:
    fewer = replace(world, audience=world.audience.rows(np.arange(5, 20)))
    (whole,) = taste.cells(world, taste.PARTS, [2], ["popularity"])
    (part,) = taste.cells(fewer, taste.PARTS, [2], ["popularity"])
    shown = dict(zip(whole.row.tolist(), whole.item.tolist(), strict=True))
    for row, item in zip((part.row + 5).tolist(), part.item.tolist(), strict=True):
        assert item == shown[row]


def test_items_drawn_by_popularity_are_more_popular(world: World) -> None:
    popularity = world.split.train.popularity
    even, popular = taste.cells(world, taste.PARTS, [9], taste.DRAWS)
    assert popularity[popular.item[~popular.own]].mean() > popularity[even.item[~even.own]].mean()


def test_popularity_tells_less_where_the_others_are_popular_too(
    world: World, users: dict[str, Recommender]
) -> None:
    found = taste.measure(world, Behavioural(), times=[1], users=users)
    popular = [
        {b.name: b.value for b in by(found, "taste", "auc", case).baselines}["popularity"]
        for case in ("1:1, even", "1:1, by popularity")
    ]
    assert popular[0] > popular[1]
    assert {m.test for m in found} == {"taste", "taste, with luck", "taste, own yes"}


def test_figures_by_hand() -> None:
    # Says yes to two of its three own items and to one of three others.
    yes = np.array([[True, True, False, True, False, False]])
    own = np.array([[True, True, True, False, False, False]])
    score = np.array([[0.9, 0.8, 0.1, 0.7, 0.2, 0.1]])
    found = {name: float(value[0]) for name, value in taste.figures(yes, own, score).items()}
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    # 9 pairs: .9 and .8 win all six, .1 loses two and ties with one.
    assert found["auc"] == pytest.approx(6.5 / 9)


@given(st.integers(0, 1000), st.integers(1, 19))
def test_ranked_figures_agree_with_each_other(seed: int, own: int) -> None:
    rng = np.random.default_rng(seed)
    mark = np.arange(20)[None, :] < own
    found = taste.ranked_figures(rng.random((1, 20)), mark)
    # As many are liked as are its own, so that precision, recall and F1 are one number.
    assert found["precision"] == pytest.approx(found["recall"])
    assert found["f1"] == pytest.approx(found["recall"])
    assert found["accuracy"] == pytest.approx(1 - 2 * own * (1 - found["recall"]) / 20)
