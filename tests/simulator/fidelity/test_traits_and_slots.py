"""Traits order what they should, and only while they are there; slots and their orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.interface import NO_ITEM
from agents.registry import create
from simulator.fidelity import sessions, slots, traits
from simulator.fidelity.measures import Measure
from tests.simulator.doubles import FirstItem

from .small import world


def by_name(found: list[Measure], case: str) -> dict[str, Measure]:
    return {one.name: one for one in found if one.case == case}


@pytest.fixture(scope="module")
def found() -> list[Measure]:
    settings: dict[str, Any] = {"patience": [1.0, 3.0, 5.0], "conformity_pull": [0.9, 0.5, 0.0]}
    return list(traits.measure(world(), create("behavioural", settings)))


@pytest.mark.parametrize(
    "name",
    [
        "pages seen: activity 3 minus 1",
        "distance of ratings from the shown ones: conformity 3 minus 1",
    ],
)
def test_a_trait_orders_and_without_it_the_difference_is_gone(
    found: list[Measure], name: str
) -> None:
    present, absent = by_name(found, "with the trait"), by_name(found, "without the trait")
    assert present[name].low > 0
    assert abs(absent[name].value) < present[name].value / 2


def test_people_stand_beside_where_ratings_tell(found: list[Measure]) -> None:
    rows = by_name(found, "with the trait")
    for name, one in rows.items():
        beside = [other.name for other in one.baselines]
        assert beside == ([] if "activity" in name else ["people"])


def test_held_out_pages_hold_true_ratings() -> None:
    own = traits.held_out(world())
    assert own is not None
    part = world().split.valid
    assert part.rating is not None
    truth = dict(
        zip(zip(part.user.tolist(), part.item.tolist(), strict=True), part.rating, strict=True)
    )
    row = 3
    shown = own.item[row] != NO_ITEM
    agent = int(own.agent[row])
    for item, rating in zip(own.item[row][shown], own.rating[row][shown], strict=True):
        assert truth[agent, int(item)] == rating
    assert shown.sum() == (part.user == agent).sum()


def test_difference_of_levels_by_hand() -> None:
    """Means 1.5 and 4; variances .5 / 2 and 2 / 2, so the standard error is sqrt(1.25)."""
    values, level = np.array([1.0, 2.0, 3.0, 5.0, np.nan]), np.array([1, 1, 2, 2, 1])
    value, low, high = traits._apart(values, level, 1, 2, 0.95)
    assert value == 2.5
    # Welch: 1.25**2 / (.25**2 + 1**2) = 1.4706 degrees; t = 6.16
    assert (high - low) / 2 == pytest.approx(6.16 * 1.25**0.5, rel=0.02)
    assert np.isnan(traits._apart(values, level, 1, 3, 0.95)).all()


def test_who_watches_the_first_slot_only_is_explained_by_slots() -> None:
    rows = list(slots.measure(world(), FirstItem()))
    rates = {one.case: one.value for one in rows if one.name == "watch rate"}
    for order in ("ranked", "shuffled", "reversed"):
        assert [rates[f"{order}, slot {n}"] for n in (1, 2, 3, 4)] == [1.0, 0.0, 0.0, 0.0]
    (variance,) = (one for one in rows if "variance" in one.name)
    assert variance.baselines[0].value == pytest.approx(1.0)
    assert not variance.beats("slot")


def test_who_goes_by_taste_is_not() -> None:
    model = create("behavioural", {"slot_effect": 0.0, "taste": 2.0})
    (variance,) = (one for one in slots.measure(world(), model) if "variance" in one.name)
    assert variance.beats("slot")
    assert variance.baselines[0].value < 0.02


def test_reversed_pages_are_upside_down_and_padding_stays_last() -> None:
    slates = sessions.designed(world())
    item = slates.item.copy()
    item[0, 0, 2:] = NO_ITEM
    turned = slots._backwards(sessions.arranged(world(), item, slates.relevant)).item
    assert turned[0, 0].tolist() == [item[0, 0, 1], item[0, 0, 0], NO_ITEM, NO_ITEM]
    assert turned[1, 0].tolist() == item[1, 0, ::-1].tolist()
