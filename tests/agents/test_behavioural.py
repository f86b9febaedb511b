"""The behavioural model: what it must answer to (taste, traits) and what not (position, arms)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from agents.interface import NO_ITEM, Answers, Audience, Page, RatedHistory
from agents.response.behavioural import Behavioural, rating_step
from agents.response.reasons import LEAVES
from agents.response.taste import learn
from simulator.randomness import KeyedLuck

from . import people

N = 600
Items = npt.NDArray[np.int64]


def slates(n: int, share: float, k: int = 4, seed: int = 0) -> Items:
    """(n, k) items not in the users' histories, each of the loved kind with this chance."""
    rng = np.random.default_rng(seed)
    own = people.loved(n)[:, None]
    other = (own + rng.integers(1, 4, (n, k))) % 4
    kind = np.where(rng.random((n, k)) < share, own, other)
    return np.asarray(kind + 4 * rng.integers(0, people.N_ITEMS // 4, (n, k)), dtype=np.int64)


def answer(audience: Audience, item: Items, seed: int = 5, **settings: Any) -> Answers:
    visit = Behavioural(**settings).visit(audience, people.catalogue(), KeyedLuck(seed), 1)
    return visit.turn(Page(np.arange(len(audience)), item, 1, 1))


def exit_pages(audience: Audience, share: float = 0.5, **settings: Any) -> npt.NDArray[np.int64]:
    visit = Behavioural(**settings).visit(audience, people.catalogue(), KeyedLuck(5), 1)
    row, out = np.arange(len(audience)), np.zeros(len(audience), dtype=np.int64)
    for number in range(1, 9):
        out[row] = number
        items = slates(len(audience), share, seed=number)[row]
        row = row[~visit.turn(Page(row, items, number, 1)).leave]
    return out


@pytest.fixture(scope="module")
def audience() -> Audience:
    return people.audience(N, activity=2, diversity=2, conformity=2)


# -- taste ---------------------------------------------------------------------------------


def test_a_relevant_slate_beats_a_random_one(audience: Audience) -> None:
    relevant, random = (answer(audience, slates(N, share)) for share in (1.0, 0.25))
    assert relevant.watched.mean() > random.watched.mean() + 0.1
    assert relevant.interest.mean() > random.interest.mean() + 0.1
    assert relevant.satisfaction.mean() > random.satisfaction.mean() + 0.3


def test_more_relevance_is_never_worse(audience: Audience) -> None:
    rates = [answer(audience, slates(N, share)).watched.mean() for share in (0, 0.33, 0.67, 1)]
    assert rates == sorted(rates)


def test_with_histories_shuffled_the_preference_is_lost(audience: Audience) -> None:
    """A slate made for its agent is worth nothing to somebody of another taste."""
    strangers = replace(audience, history=people.history(N + 1))  # one more, then shifted by one
    past = strangers.history
    shifted = RatedHistory(
        past.indptr[1:] - past.indptr[1],
        past.item[past.indptr[1] :],
        past.rating[past.indptr[1] :],
    )
    item = slates(N, 1.0)
    own = answer(audience, item)
    other = answer(replace(audience, history=shifted), item)
    random = answer(audience, slates(N, 0.25))
    assert own.watched.mean() > other.watched.mean() + 0.1
    assert other.watched.mean() <= random.watched.mean()


def test_taste_matters_more_than_position(audience: Audience) -> None:
    watched = answer(audience, slates(N, 1.0)).watched.mean(axis=0)
    by_taste = watched.mean() - answer(audience, slates(N, 0.0)).watched.mean()
    assert by_taste > 1.5 * (watched[0] - watched[-1])


def test_taste_needs_neither_ratings_nor_text_nor_years() -> None:
    past = people.history(N, rated=False)
    bare = Audience(np.arange(N), people.profiles(N), past)
    catalogue = people.catalogue(
        text=("",) * people.N_ITEMS,
        title=("",) * people.N_ITEMS,
        year=(0,) * people.N_ITEMS,
        shown_rating=np.full(people.N_ITEMS, np.nan, dtype=np.float32),
    )
    visit = Behavioural().visit(bare, catalogue, KeyedLuck(5), 1)
    rate = [
        visit.turn(Page(np.arange(N), slates(N, share), 1, 1)).watched.mean() for share in (1, 0)
    ]
    assert rate[0] > rate[1] + 0.1


def test_text_alone_tells_taste() -> None:
    catalogue = people.catalogue(genres=((),) * people.N_ITEMS, year=(0,) * people.N_ITEMS)
    tastes = learn(people.history(N), catalogue, (1.0, 1.0, 1.0), 0.3)
    own, other = (
        tastes.match(tastes.choice[:, None, :], slates(N, share)).mean() for share in (1.0, 0.0)
    )
    assert own > other + 0.5


def test_matches_are_standard_scores_over_the_catalogue(audience: Audience) -> None:
    tastes = learn(audience.history, people.catalogue(), (0.4, 0.5, 0.5), 0.3)
    everything = np.broadcast_to(np.arange(people.N_ITEMS), (50, people.N_ITEMS))
    match = tastes.match(tastes.choice[:50, None, :], everything)
    confidence = 24 / (24 + 5)
    np.testing.assert_allclose(match.mean(axis=1), 0.0, atol=1e-3)
    np.testing.assert_allclose(match.std(axis=1), confidence, rtol=1e-3)


def test_rated_badly_is_not_liked(audience: Audience) -> None:
    tastes = learn(audience.history, people.catalogue(), (0.4, 0.5, 0.5), 0.3)
    own, other = (
        tastes.match(tastes.liking[:, None, :], slates(N, share)).mean() for share in (1.0, 0.0)
    )
    assert own > other


def test_somebody_without_history_has_no_taste() -> None:
    nothing = RatedHistory(np.zeros(4, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    tastes = learn(nothing, people.catalogue(), (0.4, 0.5, 0.5), 0.3)
    assert not tastes.choice.any()
    assert not tastes.liking.any()
    assert answer(Audience(np.arange(3), people.profiles(3), nothing), slates(3, 0.5)).outcome


def test_an_agents_taste_does_not_depend_on_the_others() -> None:
    few, many = (
        learn(people.history(n), people.catalogue(), (0.4, 0.5, 0.5), 0.3) for n in (8, 200)
    )
    np.testing.assert_allclose(few.choice, many.choice[:8], rtol=1e-4, atol=1e-5)


# -- luck and batches ----------------------------------------------------------------------


def test_the_same_item_meets_the_same_luck_in_every_arm(audience: Audience) -> None:
    """Other neighbours, another slot, another page: judged, watched and rated the same."""
    first = slates(N, 0.5, k=4)
    second = np.concatenate([slates(N, 0.5, k=3, seed=9), first[:, :1]], axis=1)
    model = Behavioural(slot_effect=0.0)
    visits = [model.visit(audience, people.catalogue(), KeyedLuck(5), 1) for _ in range(2)]
    one = visits[0].turn(Page(np.arange(N), first, 1, 1))
    two = visits[1].turn(Page(np.arange(N), second, 3, 1))
    for name in ("interest", "aligned", "watched", "rating"):
        np.testing.assert_array_equal(getattr(one, name)[:, 0], getattr(two, name)[:, 3])


def test_another_seed_or_round_is_other_luck(audience: Audience) -> None:
    item = slates(N, 0.5)
    model, rows = Behavioural(), np.arange(N)
    base, round_two = (
        model.visit(audience, people.catalogue(), KeyedLuck(5), round_).turn(
            Page(rows, item, 1, round_)
        )
        for round_ in (1, 2)
    )
    other_seed = answer(audience, item, seed=6)
    assert (base.watched != round_two.watched).mean() > 0.1
    assert (base.watched != other_seed.watched).mean() > 0.1
    # A new round is another day, not another person: what it thinks of an item stays.
    np.testing.assert_array_equal(base.interest, round_two.interest)


def test_luck_follows_the_agent_not_its_row(audience: Audience) -> None:
    item = slates(N, 0.5)
    last = np.arange(N - 40, N)
    past = audience.history
    some = Audience(
        audience.agent[last],
        people.profiles(40),
        RatedHistory(
            past.indptr[N - 40 :] - past.indptr[N - 40],
            past.item[past.indptr[N - 40] :],
            past.rating[past.indptr[N - 40] :],
        ),
    )
    whole, part = answer(audience, item), answer(some, item[last])
    np.testing.assert_allclose(whole.interest[last], part.interest, atol=1e-5)
    np.testing.assert_array_equal(whole.watched[last], part.watched)


def test_a_batch_equals_one_agent_at_a_time_bit_for_bit(audience: Audience) -> None:
    model, catalogue = Behavioural(), people.catalogue()
    batch, single = (model.visit(audience, catalogue, KeyedLuck(5), 1) for _ in range(2))
    for number in (1, 2, 3):
        item = slates(N, 0.5, seed=number)[:60]
        whole = batch.turn(Page(np.arange(60), item, number, 1))
        for row in range(60):
            one = single.turn(Page(np.array([row]), item[row : row + 1], number, 1))
            for name in ("interest", "watched", "rating", "satisfaction", "fatigue", "leave"):
                np.testing.assert_array_equal(getattr(one, name)[0], getattr(whole, name)[row])
            assert one.reason[0] == whole.reason[row]


def test_tastes_are_learnt_once_for_all_arms(
    audience: Audience, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return learn(*arguments)

    monkeypatch.setattr("agents.response.behavioural.learn", counted)
    model, catalogue = Behavioural(), people.catalogue()
    for round_ in (1, 2, 3):
        model.visit(audience, catalogue, KeyedLuck(5), round_)
    assert len(calls) == 1
    model.visit(replace(audience), catalogue, KeyedLuck(5), 1)
    assert len(calls) == 2


# -- slots ---------------------------------------------------------------------------------


def test_without_slot_effect_the_slot_does_not_matter(audience: Audience) -> None:
    item = slates(N, 0.5)
    order = np.random.default_rng(3).permuted(np.tile(np.arange(4), (N, 1)), axis=1)
    ranked = answer(audience, item, slot_effect=0.0)
    shuffled = answer(audience, np.take_along_axis(item, order, 1), slot_effect=0.0)
    np.testing.assert_array_equal(np.take_along_axis(ranked.watched, order, 1), shuffled.watched)
    by_slot = shuffled.watched.mean(axis=0)
    error = np.sqrt(0.25 / N)
    assert np.ptp(by_slot) < 5 * error


def test_a_slot_effect_moves_watching_up_the_page(audience: Audience) -> None:
    item = slates(N, 0.5)
    none, strong = (answer(audience, item, slot_effect=effect) for effect in (0.0, 2.0))
    by_slot = strong.watched.mean(axis=0)
    assert (np.diff(by_slot) < 0).all()
    assert strong.watched.mean() == pytest.approx(none.watched.mean(), abs=0.05)


# -- traits --------------------------------------------------------------------------------


def test_the_active_stay_longer() -> None:
    pages = [
        exit_pages(people.audience(N, activity=a, diversity=2, conformity=2)).mean()
        for a in (1, 2, 3)
    ]
    assert pages[0] + 0.3 < pages[1]
    assert pages[1] + 0.3 < pages[2]


def test_the_open_watch_more() -> None:
    rates = [
        answer(
            people.audience(N, activity=2, diversity=d, conformity=2), slates(N, 0.5)
        ).watched.mean()
        for d in (1, 2, 3)
    ]
    assert rates[0] < rates[1] < rates[2]


def test_conformers_rate_nearer_to_the_shown_rating() -> None:
    item = slates(N, 0.7)
    shown = people.catalogue().shown_rating[item]
    away = []
    for conformity in (1, 2, 3):
        people_alike = people.audience(N, activity=2, diversity=2, conformity=conformity)
        away.append(np.nanmean((answer(people_alike, item).rating - shown) ** 2))
    assert away[0] < away[1] < away[2]


def test_full_conformity_repeats_the_shown_rating(audience: Audience) -> None:
    item = slates(N, 0.7)
    given = answer(audience, item, conformity_pull=(1.0, 1.0, 1.0)).rating
    shown = np.floor(people.catalogue().shown_rating[item].astype(np.float64) + 0.5)
    watched = ~np.isnan(given)
    np.testing.assert_array_equal(given[watched], shown[watched])


def test_ratings_use_the_scale(audience: Audience) -> None:
    given = answer(audience, slates(N, 0.7)).rating
    marks, count = np.unique(given[~np.isnan(given)], return_counts=True)
    assert set(marks) >= {2.0, 3.0, 4.0, 5.0}
    assert count.max() / count.sum() < 0.6


@pytest.mark.parametrize(
    ("scale", "step"), [((1, 5), 1), ((1, 10), 1), ((0.5, 5), 0.5), ((0, 1), 0.25)]
)
def test_marks_fit_the_scale(scale: tuple[float, float], step: float) -> None:
    assert rating_step(scale) == step


# -- satisfaction and leaving --------------------------------------------------------------


def test_satisfaction_follows_what_was_shown_so_far(audience: Audience) -> None:
    """A bad page after good ones lowers it, and it does not forget the good ones at once."""
    catalogue, rows = people.catalogue(), np.arange(N)
    model = Behavioural()
    means = {}
    for name, shares in {"good, bad": (1.0, 0.0), "bad, bad": (0.0, 0.0)}.items():
        visit = model.visit(audience, catalogue, KeyedLuck(5), 1)
        means[name] = [
            visit.turn(Page(rows, slates(N, share, seed=n), n, 1)).satisfaction.mean()
            for n, share in enumerate(shares, start=1)
        ]
    assert means["good, bad"][1] < means["good, bad"][0]
    assert means["good, bad"][1] > means["bad, bad"][1]


def test_the_interview_reports_the_satisfaction_reached(audience: Audience) -> None:
    visit = Behavioural().visit(audience, people.catalogue(), KeyedLuck(5), 1)
    rows = np.arange(N)
    answers = visit.turn(Page(rows, slates(N, 0.5), 1, 1))
    interviews = visit.interview(rows)
    np.testing.assert_array_equal(interviews.satisfaction, np.rint(answers.satisfaction))
    order = np.argsort(answers.satisfaction)
    assert (np.diff(interviews.return_intent[order]) >= 0).all()


def test_the_dissatisfied_leave_earlier(audience: Audience) -> None:
    assert exit_pages(audience, share=1.0).mean() > exit_pages(audience, share=0.0).mean()


def test_fatigue_grows_with_every_page(audience: Audience) -> None:
    visit = Behavioural().visit(audience, people.catalogue(), KeyedLuck(5), 1)
    rows = np.arange(N)
    fatigue = [
        visit.turn(Page(rows, slates(N, 0.5, seed=n), n, 1)).fatigue.mean() for n in range(1, 6)
    ]
    assert (np.diff(fatigue) > 0).all()


def test_an_empty_page_is_left() -> None:
    nothing = np.full((8, 4), NO_ITEM)
    answers = answer(people.audience(8), nothing)
    assert answers.leave.all()
    assert set(answers.reason) == {LEAVES[3]}
    assert not answers.watched.any()


def test_a_short_page_is_judged_by_what_is_there(audience: Audience) -> None:
    item = slates(N, 1.0)
    short = item.copy()
    short[:, 1:] = NO_ITEM
    full = answer(audience, item).satisfaction.mean()
    assert answer(audience, short).satisfaction.mean() == pytest.approx(full, abs=0.3)


def test_reasons_fit_the_decision(audience: Audience) -> None:
    answers = answer(audience, slates(N, 0.3))
    for leave, reason in zip(answers.leave, answers.reason, strict=True):
        assert (reason in LEAVES) == leave
