"""What the shipped presets reach on agents they were not fitted on, with the published data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from agents.registry import create
from simulator.fidelity import llm_run, sessions, slates
from simulator.scenario import load
from simulator.world import World, build

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("AUDITION_DATA" not in os.environ, reason="AUDITION_DATA is not set"),
]


@pytest.fixture(scope="module")
def world() -> World:
    file = Path(__file__).parents[3] / "scenarios" / "agent4rec.yaml"
    return build(load(file), str(file))


@pytest.fixture(scope="module")
def unseen(world: World) -> slates.Slates:
    folder = slates.folder(world)
    assert folder is not None
    return slates.read(folder, world).numbered(500, 699)


def test_the_language_models_stand_in(world: World, unseen: slates.Slates) -> None:
    assert len(unseen) == 200
    model = create("behavioural", {"preset": "gpt-3.5-agent4rec"})
    measures = llm_run.compare(world, unseen, model).measures
    found = {(one.name, one.case): one for one in measures}
    assert found["AUC", "watched"].value >= 0.78
    assert found["AUC", "aligned"].value >= 0.74
    for name in ("p_view", "p_like", "n_like", "n_exit", "s_sat"):
        one = found[name, "sessions"]
        assert one.value == pytest.approx(one.baselines[0].value, rel=0.05)
    assert found["total variation", "ratings given watched"].value <= 0.05


def test_people_are_the_more_satisfied_the_more_is_relevant(
    world: World, unseen: slates.Slates
) -> None:
    model = create("behavioural", {"preset": "movielens-people"})
    ours = sessions.rise(world, unseen, model)
    theirs = sessions.rise_of(world, unseen, unseen.satisfaction)
    assert ours.low > 0
    assert ours.added >= 0.01
    assert ours.added > 10 * theirs.added
    assert np.isfinite(theirs.slope)
