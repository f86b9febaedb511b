"""Agents that a preset was fitted on are left out of what is measured of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents import registry
from agents.response import presets
from simulator.calibration.command import calibrate
from simulator.calibration.fitted import SAME_PEOPLE, check_base, digest, provenance, unseen
from simulator.errors import InputError
from simulator.fidelity import replies, sessions
from simulator.progress import Progress
from simulator.scenario import load
from simulator.world import World, build
from tests.simulator.fidelity.small import world


def fitted_on(folder: Path, **said: object) -> World:
    """The small world, its audience played by a preset that says so of whom it was fitted on."""
    where = {"dataset": "synthetic", "digest": digest(world().dataset), **said}
    file = folder / f"fitted-{len(list(folder.iterdir()))}.yaml"
    file.write_text(f"fit: {{to: ratings, fitted_agents: {where}}}\nsettings: {{taste: 0.7}}\n")
    response = registry.create("behavioural", {"preset": str(file)})
    return replace(world(), response=response)


def test_fitted_agents_are_left_out_and_all_else_stays(tmp_path: Path) -> None:
    agents = world().audience.agent
    first, last = int(agents[10]), int(agents[49])
    found = unseen(fitted_on(tmp_path, first=first, last=last))
    assert found.left_out == 40
    kept = np.concatenate([agents[:10], agents[50:]])
    assert np.array_equal(found.world.audience.agent, kept)
    assert found.world.audience.population is world().audience.population
    assert found.world.split is world().split
    assert "the 40 of them in this audience are left out" in found.remark


def test_those_who_stay_answer_as_before(tmp_path: Path) -> None:
    whole = fitted_on(tmp_path, first=0, last=int(world().audience.agent[39]))
    found = unseen(whole).world
    slates = sessions.designed(whole)
    some = replace(slates.rows(np.arange(40, 80)), row=np.arange(40))
    before = replies.forced(whole, slates, 2)
    after = replies.forced(found, some, 2)
    assert np.array_equal(after.watched, before.watched[40:], equal_nan=True)
    assert np.array_equal(after.marks, before.marks[40:], equal_nan=True)
    assert not np.array_equal(before.watched[:40], before.watched[40:], equal_nan=True)


def test_no_agent_left_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"80 agents, all among those that preset") as found:
        unseen(fitted_on(tmp_path, first=0, last=199))
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("said", "remark"),
    [
        ({"digest": "0" * 12}, "may be among those it was fitted on, and nobody is left out"),
        ({"dataset": "office"}, "users of office, another data set: nobody is left out"),
        ({"first": 1000, "last": 1001}, "none of them is in this audience"),
    ],
)
def test_nobody_is_left_out_where_it_was_fitted_on_others(
    tmp_path: Path, said: dict[str, object], remark: str
) -> None:
    given = fitted_on(tmp_path, **{"first": 0, "last": 199, **said})
    found = unseen(given)
    assert (found.left_out, found.world) == (0, given)
    assert remark in found.remark


def test_a_preset_that_does_not_say_is_remarked_and_none_is_not(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("fit: {to: ratings}\nsettings: {taste: 0.7}\n")
    silent = replace(world(), response=registry.create("behavioural", {"preset": str(file)}))
    assert "does not say whom it was fitted on" in unseen(silent).remark
    assert unseen(world()).remark == ""


def test_the_same_people_under_other_numbers() -> None:
    moved = replace(
        world(),
        response=registry.create("behavioural", {"preset": "movielens-people"}),
        scenario=world().scenario.model_copy(
            update={
                "dataset": world().scenario.dataset.model_copy(
                    update={"source": SAME_PEOPLE["agent4rec"][0]}
                )
            }
        ),
    )
    found = unseen(moved)
    assert found.left_out == 0
    assert "Agent4Rec's users are users of MovieLens-1M, under other numbers" in found.remark


def test_the_digest_knows_pairs_and_not_their_order() -> None:
    dataset = world().dataset
    events = dataset.interactions
    order = np.random.default_rng(1).permutation(len(events))
    same = replace(events, user=events.user[order], item=events.item[order], rating=None)
    assert digest(replace(dataset, interactions=same)) == digest(dataset)
    item = events.item.copy()
    item[0] = (item[0] + 1) % events.n_items
    assert digest(replace(dataset, interactions=replace(events, item=item))) != digest(dataset)


def test_calibration_says_whom_it_fitted_on() -> None:
    rows = np.array([3, 1, 7])
    agents = world().audience.agent
    found = provenance(world(), rows)
    assert (found["first"], found["last"]) == (int(agents[1]), int(agents[7]))
    assert presets.FittedAgents(**found).digest == digest(world().dataset)


def test_a_fit_that_starts_from_a_preset_is_fitted_on_its_agents_too(tmp_path: Path) -> None:
    agents = world().audience.agent
    base = fitted_on(tmp_path, first=int(agents[0]), last=int(agents[39]))
    found = provenance(base, np.arange(20))
    assert (found["first"], found["last"]) == (int(agents[0]), int(agents[39]))
    check_base(base, np.arange(40, 80))
    with pytest.raises(InputError, match="fitted on 20 of the 60 agents to be scored") as caught:
        calibrate(base, "ratings", Progress(quiet=True), 0.25)
    assert "\n" not in str(caught.value)
    elsewhere = fitted_on(tmp_path, first=0, last=10**6, digest="0" * 12)
    check_base(elsewhere, np.arange(80))
    assert provenance(elsewhere, np.arange(20))["last"] == int(agents[19])


@pytest.mark.data
@pytest.mark.skipif("AUDITION_DATA" not in os.environ, reason="AUDITION_DATA is not set")
@pytest.mark.parametrize("name", presets.names())
def test_shipped_presets_know_their_agents(name: str) -> None:
    file = Path(__file__).parents[3] / "scenarios" / "agent4rec.yaml"
    found = unseen(build(load(file, [f"agents.response.preset={name}"]), str(file)))
    assert found.left_out == 500
    assert found.world.audience.agent.tolist() == list(range(500, 1000))
