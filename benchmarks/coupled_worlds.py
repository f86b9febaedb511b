"""Arms that learn from their agents: who is the unit of analysis?

A world: users, items and tastes of its own. Two arms with the same recommender and the same
settings, so that no difference exists; each is refitted on what its own agents watched in the
first round, under its own draw of luck, and its second round is what is compared. Agents of
one world share their arm's refit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from recommenders.interface import Recommender
from simulator.arms import ArmState, remember
from simulator.evaluation.compare import compare
from simulator.evaluation.simulated import METRICS
from simulator.model import Sessions
from simulator.randomness import stream
from simulator.scenario import Scenario
from simulator.world import World, build, recommender

from .draws import play
from .error_experiments import ALPHA, Rate

WORLDS = 5
"""Worlds of a repeat that is analysed by world."""


def scenario(seed: int, method: str, agents: int) -> Scenario:
    """Small, so that many can be played."""
    arm = {"recommender": method}
    return Scenario.model_validate(
        {
            "name": "coupled",
            "seed": seed,
            "dataset": {
                "source": "synthetic",
                "users": agents,
                "items": 200,
                "interactions": 8,
                "split": {"train": 0.6, "valid": 0.2, "test": 0.2},
            },
            "agents": {"count": agents},
            "arms": [{"name": "control", **arm}, {"name": "arm", "luck": 1, **arm}],
            "rounds": 2,
            "feedback": "viewed",
        }
    )


def worlds(method: str, agents: int, n: int, *, first: int) -> Iterator[pd.DataFrame]:
    """The second round of each of ``n`` worlds: arm, agent, world and the metrics."""
    for seed in range(first, first + n):
        chosen = scenario(seed, method, agents)
        world = build(chosen, "benchmark")
        # Before any feedback both arms learn the same.
        first_fit = _fit(world, ArmState.begin(world, chosen.arms[0], 0))
        frames = []
        for position, spec in enumerate(chosen.arms):
            arm = ArmState.begin(world, spec, position)
            remember(world, arm, _play(world, arm, first_fit, 1)[1])
            frame, _ = _play(world, arm, _fit(world, arm), 2)
            frames.append(frame.assign(arm=spec.name, world=seed))
        together = pd.concat(frames, ignore_index=True)
        names = [arm.name for arm in chosen.arms]
        yield together.assign(arm=pd.Categorical(together["arm"], categories=names, ordered=True))


def _fit(world: World, arm: ArmState) -> Recommender:
    return recommender(arm.spec, arm.position, world.file).fit(
        arm.train,
        world.dataset.items,
        valid=world.split.valid,
        rng=stream(world.scenario.seed, "train", 1),
    )


def _play(
    world: World, arm: ArmState, trained: Recommender, round_: int
) -> tuple[pd.DataFrame, Sessions]:
    return play(
        world,
        trained,
        arm.spec.luck,
        round_=round_,
        known=arm.known,
        histories=arm.histories,
    )


def by_agent(found: list[pd.DataFrame], metric: str) -> Rate:
    """How often the paired t test over the agents of one world rejects."""
    return Rate.of(
        [_p(frame.drop(columns="world"), metric, "agent") < ALPHA for frame in found], ALPHA
    )


def by_world(found: list[pd.DataFrame], metric: str) -> Rate:
    """How often the test over :data:`WORLDS` worlds rejects; no world in two repeats."""
    groups = [found[k : k + WORLDS] for k in range(0, len(found) - WORLDS + 1, WORLDS)]
    return Rate.of([_p(pd.concat(group), metric, "world") < ALPHA for group in groups], ALPHA)


def shock(found: list[pd.DataFrame], metric: str) -> float:
    """Variance of a world's mean difference over what independent agents would give it; 1 if
    agents are independent."""
    means, expected = [], []
    for frame in found:
        wide = frame.pivot(index="agent", columns="arm", values=metric)
        difference = (wide["arm"] - wide["control"]).dropna()
        means.append(float(difference.mean()))
        expected.append(float(difference.var(ddof=1)) / len(difference))
    return float(np.mean(np.square(means)) / np.mean(expected))


def _p(frame: pd.DataFrame, metric: str, unit: str) -> float:
    chosen = {metric: METRICS[metric]}
    if unit == "world":
        return compare(frame, "control", unit="world", metrics=chosen)[0].p
    return compare(frame, "control", unit="agent", metrics=chosen)[0].p
