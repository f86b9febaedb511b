"""What an agent met earlier in a visit, and what it makes of meeting it again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.interface import NO_ITEM, Answers, Page
from agents.response.behavioural import Behavioural
from agents.response.seen import FRESH, PASSED, WATCHED, Seen
from simulator.randomness import KeyedLuck

from . import people

Items = npt.NDArray[np.int64]
N = 400

pages = st.lists(
    st.lists(
        st.lists(st.tuples(st.integers(NO_ITEM, 5), st.booleans()), min_size=2, max_size=2),
        min_size=3,
        max_size=3,
    ),
    max_size=5,
)


@given(pages, st.lists(st.sets(st.integers(0, 2), min_size=1), min_size=5, max_size=5))
def test_it_remembers_as_a_dictionary_would(
    shown: list[list[list[tuple[int, bool]]]], who: list[set[int]]
) -> None:
    seen = Seen(3)
    plain: dict[tuple[int, int], int] = {}
    for page, chosen in zip(shown, who, strict=False):
        row = np.array(sorted(chosen), dtype=np.int64)
        item = np.array([[i for i, _ in page[r]] for r in row.tolist()], dtype=np.int64)
        there = item != NO_ITEM
        watched = there & np.array([[w for _, w in page[r]] for r in row.tolist()])
        expected = [
            [plain.get((r, i), FRESH) for i in line]
            for r, line in zip(row.tolist(), item.tolist(), strict=True)
        ]
        found = seen.on(row, np.where(there, item, 0), there)
        assert (np.zeros(item.shape) if found is None else found).tolist() == expected
        assert found is None or found.any()
        seen.note(row, np.where(there, item, 0), there, watched)
        for r, line, yes in zip(row.tolist(), item.tolist(), watched.tolist(), strict=True):
            for i, w in zip(line, yes, strict=True):
                if i != NO_ITEM:
                    plain[r, i] = max(plain.get((r, i), FRESH), WATCHED if w else PASSED)


def play(items: list[Items], **settings: Any) -> list[Answers]:
    audience = people.audience(N, activity=2, diversity=2, conformity=2)
    visit = Behavioural(**settings).visit(audience, people.catalogue(), KeyedLuck(5), 1)
    row = np.arange(N)
    return [visit.turn(Page(row, item, n, 1)) for n, item in enumerate(items, start=1)]


def drawn(seed: int) -> list[Items]:
    """Three pages of four items, none of which comes twice."""
    rng = np.random.default_rng(seed)
    item = np.stack([rng.permutation(people.N_ITEMS)[:12] for _ in range(N)])
    return list(np.split(item, 3, axis=1))


def test_what_it_does_with_repeats_says_nothing_while_nothing_repeats() -> None:
    plain = play(drawn(0))
    other = play(drawn(0), watched_before=5.0, passed_before=-20.0)
    for one, two in zip(plain, other, strict=True):
        for name, column in vars(one).items():
            assert np.array_equal(column, getattr(two, name), equal_nan=name == "rating"), name


@pytest.mark.parametrize(("watched", "passed"), [(-20.0, 20.0), (20.0, -20.0)])
def test_settings_decide_what_is_taken_again(watched: float, passed: float) -> None:
    first, second, _ = drawn(1)
    again = np.column_stack([first[:, :2], second[:, 2:]])
    settings = {"watched_before": watched, "passed_before": passed}
    before, after = play([first, again], **settings)
    took = before.watched[:, :2]
    assert np.array_equal(after.watched[:, :2], took if watched > 0 else ~took)
    (fresh,) = play([again])
    assert np.array_equal(after.watched[:, 2:], fresh.watched[:, 2:])


def test_without_either_it_decides_anew_at_the_same_odds() -> None:
    first, *_ = drawn(2)
    before, after = play([first, first], watched_before=0.0, passed_before=0.0)
    assert (before.watched != after.watched).any()
    assert after.watched.mean() == pytest.approx(before.watched.mean(), abs=0.04)


def test_by_default_people_seldom_take_the_same_twice() -> None:
    first, *_ = drawn(3)
    before, after = play([first, first])
    plain = play([first, first], watched_before=0.0, passed_before=0.0)[1]
    took = before.watched
    assert after.watched[took].mean() < plain.watched[took].mean() / 3
    assert 0.02 < after.watched[~took].mean() < plain.watched[~took].mean()


def test_padding_is_never_met_again() -> None:
    padded = np.full((N, 4), NO_ITEM)
    padded[:, 0] = 7
    before, after = play([padded, padded], watched_before=-20.0, passed_before=20.0)
    assert np.array_equal(after.watched[:, 0], ~before.watched[:, 0])
    assert not after.watched[:, 1:].any()
    seen = Seen(1)
    there = np.array([[True, False]])
    seen.note(np.array([0]), np.array([[3, 0]]), there, np.array([[True, False]]))
    assert seen.on(np.array([0]), np.array([[0, 0]]), ~there) is None
    found = seen.on(np.array([0]), np.array([[0, 3]]), there | True)
    assert found is not None
    assert found.tolist() == [[FRESH, WATCHED]]
    assert PASSED not in found
