"""Units of analysis: agents, agents with replicates, and worlds; components of variance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.evaluation.compare import Comparison, compare
from simulator.evaluation.components import components, split
from simulator.evaluation.simulated import METRICS
from simulator.evaluation.units import sessions

from .sample import NAN

S_SAT = {"s_sat": METRICS["s_sat"]}

Row = tuple[str, int, int, int, float]
"""arm, world, agent, replicate, s_sat."""


def table(rows: list[Row]) -> pd.DataFrame:
    out = pd.DataFrame(rows, columns=["arm", "world", "agent", "replicate", "s_sat"])
    arms = list(dict.fromkeys(out["arm"]))
    return out.assign(arm=pd.Categorical(out["arm"], arms, ordered=True))


def drawn(
    worlds: int, agents: int, shock: float, effect: float = 0.0, names: tuple[str, ...] = ("s_sat",)
) -> pd.DataFrame:
    """Two arms; in each world they differ by a shock that all of its agents share."""
    rng = np.random.default_rng(len(names))
    size = (worlds, agents, len(names))
    taste = rng.normal(5, 1, size)
    gap = effect + shock * rng.normal(size=(worlds, 1, len(names)))
    control, arm = taste + rng.normal(size=size), taste + gap + rng.normal(size=size)
    world, agent = (axis.ravel() + 1 for axis in np.indices((worlds, agents)))
    frames = [
        pd.DataFrame(side.reshape(-1, len(names)), columns=list(names)).assign(
            arm=name, world=world, agent=agent
        )
        for name, side in (("A", control), ("B", arm))
    ]
    out = pd.concat(frames, ignore_index=True)
    return out.assign(arm=pd.Categorical(out["arm"], ["A", "B"], ordered=True))


def only(values: pd.DataFrame, **settings: object) -> Comparison:
    (found,) = compare(values, "A", metrics=S_SAT, **settings)  # type: ignore[arg-type]
    return found


def test_the_world_is_the_unit() -> None:
    """Means by world: A 2, 5; B 4, 6: differences 2, 1."""
    values = table(
        [
            *[("A", 1, 0, 1, 1.0), ("A", 1, 1, 1, 3.0), ("A", 2, 0, 1, 5.0)],
            *[("B", 1, 0, 1, 3.0), ("B", 1, 1, 1, 5.0), ("B", 2, 0, 1, 6.0)],
        ]
    )
    found = only(values, unit="world")
    assert (found.unit, found.n, found.difference) == ("world", 2, 1.5)
    assert (found.mean, found.control_mean) == (5.0, 3.5)
    assert found.p == pytest.approx(stats.ttest_rel([4, 6], [2, 5]).pvalue)
    assert (only(values).unit, only(values).n) == ("agent", 3)


def test_agents_without_a_pair_count_in_neither_arm_of_their_world() -> None:
    values = table(
        [
            *[("A", 1, 0, 1, 1.0), ("A", 1, 1, 1, 9.0), ("A", 2, 0, 1, 5.0)],
            *[("B", 1, 0, 1, 3.0), ("B", 1, 1, 1, NAN), ("B", 2, 0, 1, 6.0)],
        ]
    )
    found = only(values, unit="world")
    assert (found.control_mean, found.mean) == (3.0, 4.5)
    assert found.missing == pytest.approx(1 / 3)


def test_an_agent_is_the_mean_of_its_replicates() -> None:
    """Agent 0: differences 2 and 4; agent 1: 1, its other replicate has no pair."""
    values = table(
        [
            *[("A", 1, 0, 1, 1.0), ("A", 1, 0, 2, 1.0), ("A", 1, 1, 1, 4.0), ("A", 1, 1, 2, 99.0)],
            *[("B", 1, 0, 1, 3.0), ("B", 1, 0, 2, 5.0), ("B", 1, 1, 1, 5.0), ("B", 1, 1, 2, NAN)],
        ]
    )
    found = only(values)
    assert (found.n, found.difference, found.missing) == (2, 2.0, 0.25)
    assert (found.control_mean, found.mean) == (2.5, 4.5)


def test_two_rows_for_one_session_are_refused() -> None:
    values = table([("A", 1, 0, 1, 1.0), ("A", 1, 0, 1, 2.0), ("B", 1, 0, 1, 1.0)])
    with pytest.raises(ValueError, match="'A' has several rows"):
        compare(values, "A", metrics=S_SAT)
    with pytest.raises(ValueError, match="several rows"):
        sessions(values.drop(columns=["world", "replicate"]), ["s_sat"], "agent")


def test_a_refit_couples_agents_but_not_worlds() -> None:
    values = drawn(6, 5, 0.1, effect=3.0)
    agents, worlds = only(values, refitted=True), only(values, refitted=True, unit="world")
    assert agents.verdict.startswith("withheld: agents learned from each other's feedback")
    assert agents.verdict.endswith("set worlds: 5")
    assert np.isnan([agents.p, agents.low, agents.minimum_detectable]).all()
    assert worlds.verdict == "better"
    alone = only(drawn(1, 50, 0.1), refitted=True, unit="world")
    assert alone.verdict == "withheld: fewer than two pairs of worlds"


def test_worlds_keep_the_error_rate_where_agents_do_not() -> None:
    """1,000 metrics without a true effect, 5 worlds of 30 agents that share a shock.

    Variances: shock 0.16, difference of an agent 2. The mean's true error is
    sqrt(0.16 / 5 + 2 / 150) = 0.213; agents taken as independent give sqrt(2.16 / 150) =
    0.120, and reject where a normal value exceeds 1.96 * 0.120 / 0.213: 27 %.
    """
    names = tuple(f"m{number}" for number in range(1000))
    values, metrics = drawn(5, 30, 0.4, names=names), dict.fromkeys(names, METRICS["s_sat"])
    by_world = compare(values, "A", unit="world", metrics=metrics)
    by_agent = compare(values, "A", unit="agent", metrics=metrics)
    worlds, agents = (np.mean([row.p < 0.05 for row in rows]) for rows in (by_world, by_agent))
    assert abs(worlds - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 1000)
    assert abs(agents - 0.27) < 4 * np.sqrt(0.27 * 0.73 / 1000)


@pytest.mark.parametrize("correction", ["holm", "max-t"])
def test_five_worlds_can_decide(correction: str) -> None:
    """No sign-flip test of five pairs can give less than 2 / 32, so that none is used."""
    values = drawn(5, 40, 0.05, effect=2.0)
    for interval in ("t", "bca"):
        found = only(values, unit="world", correction=correction, interval=interval)
        assert (found.verdict, found.interval) == ("better", "t")


def test_components_are_found_again() -> None:
    """Agents' true differences with variance 1, replies with variance 4 on each side."""
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    for agent in range(600):
        gap = rng.normal(0.2, 1.0)
        for replicate in (1, 2, 3):
            a, b = rng.normal(5, 2, 2)
            rows += [("A", 1, agent, replicate, a), ("B", 1, agent, replicate, b + gap)]
    values = table(rows)
    (found,) = components(values, "A", metrics=S_SAT)
    assert (found.agents, found.replicates) == (600, 3.0)
    assert found.between == pytest.approx(1.0, abs=0.5)
    assert found.within == pytest.approx(8.0, abs=0.7)
    assert found.error == pytest.approx(only(values).standard_error)
    assert found.error_more_agents == pytest.approx(found.error / np.sqrt(2))
    assert found.error_more_agents < found.error_more_replicates < found.error
    assert found.text.startswith("more agents help more than more replicates: twice the agents")


def test_replicates_do_as_well_where_agents_do_not_differ() -> None:
    rng = np.random.default_rng(4)
    found = split(rng.normal(0, 1, 800), np.repeat(np.arange(400), 2))
    assert found.between < 0.1
    (described,) = components(
        table(
            [
                (arm, 1, agent, replicate, 5.0 + (arm == "B") * (-1.0) ** replicate)
                for arm in "AB"
                for agent in range(6)
                for replicate in (1, 2)
            ]
        ),
        "A",
        metrics=S_SAT,
    )
    assert (described.between, described.within) == (0.0, 2.0)
    assert described.text == (
        "replicates do nearly as well as agents: twice the agents cut the error by 29%, "
        "twice the replicates by 29%"
    )


@pytest.mark.parametrize("replicates", [1, 2])
def test_components_of_hardly_any_data(replicates: int) -> None:
    one = [(arm, 1, 0, r, 5.0) for arm in "AB" for r in range(1, replicates + 1)]
    (found,) = components(table(one), "A", metrics=S_SAT)
    assert np.isnan([found.between, found.within, found.error]).all()
    assert found.text == "unknown: no two agents with replicates"
    (none,) = components(table([(arm, 1, 0, 1, NAN) for arm in "AB"]), "A", metrics=S_SAT)
    assert none.agents == 0
    same = [(arm, 1, agent, r, 5.0) for arm in "AB" for agent in (0, 1) for r in (1, 2)]
    (flat,) = components(table(same), "A", metrics=S_SAT)
    assert (flat.error, flat.text.split(":")[0]) == (0.0, "no variance at all")


def test_the_margin_is_of_agents_also_where_the_unit_is_the_world() -> None:
    """Agents at 1 and 3 in a world that lies at 2, at 11 and 13 in one that lies at 12: they
    spread by sqrt(4 / 2) within worlds, whatever lies between these."""
    rows = [
        (arm, world, agent, 1, 10.0 * (world - 1) + value)
        for arm in "AB"
        for world in (1, 2)
        for agent, value in ((1, 1.0), (2, 3.0))
    ]
    (by_world,) = compare(table(rows), "A", unit="world", metrics=S_SAT)
    assert by_world.margin == pytest.approx(0.2 * 2**0.5)
    first = [row for row in rows if row[1] == 1]
    (by_agent,) = compare(table(first), "A", metrics=S_SAT)
    assert by_agent.margin == pytest.approx(0.2 * 2**0.5)
