"""The preset movielens-people on the half of Agent4Rec's users that it was not fitted on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.registry import create
from recommenders.popularity import Popularity
from simulator.fidelity import ratings, taste
from simulator.randomness import stream
from simulator.scenario import load
from simulator.world import World, build

DATA = os.environ.get("AUDITION_DATA")
SCENARIO = Path(__file__).parents[3] / "scenarios" / "agent4rec.yaml"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(
        DATA is None or not (Path(DATA) / "agent4rec").is_dir(),
        reason="AUDITION_DATA does not name a folder with agent4rec",
    ),
]


@pytest.fixture(scope="module")
def world() -> World:
    whole = build(load(SCENARIO), str(SCENARIO))
    return replace(whole, audience=whole.audience.rows(np.arange(500, 1000)))


def test_tastes_tell_own_items_from_others(world: World) -> None:
    train, items = world.split.train, world.dataset.items
    users = {"popularity": Popularity().fit(train, items, rng=stream(7, "popularity"))}
    model = create("behavioural", {"preset": "movielens-people"})
    found = taste.measure(world, model, parts=["test"], users=users)
    value = {(m.case, m.name): m.value for m in found if m.test == "taste, with luck"}
    assert value["1:1, even", "accuracy"] >= 0.80
    assert value["1:9, even", "f1"] >= 0.50
    assert value["1:1, by popularity", "accuracy"] >= 0.65
    assert value["1:9, by popularity", "f1"] >= 0.28
    for one in found:
        if one.test == "taste, with luck":
            assert one.beats("popularity"), (one.case, one.name)


def test_ratings_are_distributed_and_placed_as_the_users_own(world: World) -> None:
    model = create("behavioural", {"preset": "movielens-people"})
    found = {(m.case, m.name): m for m in ratings.measure(world, model, draws=10)}
    assert found["", "total variation"].value <= 0.08
    assert found["expected rating, pooled", "rmse"].beats("user plus item mean")
