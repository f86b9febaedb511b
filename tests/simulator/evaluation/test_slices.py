"""Exploratory slices of the audience."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from simulator.evaluation.compare import compare
from simulator.evaluation.multiplicity import benjamini_hochberg
from simulator.evaluation.simulated import METRICS
from simulator.evaluation.slices import parts_of, slices

from .sample import NAN, measured

S_SAT = {"s_sat": METRICS["s_sat"]}


def audience(n: int = 90) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "agent": range(n),
            "activity": np.arange(n) % 3 + 1,
            "diversity": 2,
            "conformity": np.where(np.arange(n) < 10, 1, 3),
            "activity_value": np.where(np.arange(n) < 20, 9.0, 10.0),
            "taste_popularity": np.arange(n, dtype=np.float64) // 2,
        }
    )


def trial(n: int = 90) -> pd.DataFrame:
    """B is better for agents of activity 3, and for no others."""
    rng = np.random.default_rng(1)
    taste = rng.normal(5, 1, n)
    a, b = (taste + rng.normal(0, 0.5, n) for _ in range(2))
    b += np.where(np.arange(n) % 3 == 2, 2.0, 0.0)
    return measured(A={"s_sat": a.tolist()}, B={"s_sat": b.tolist()})


def test_the_parts() -> None:
    parts = parts_of(audience())
    sizes = {key: int(inside.sum()) for key, inside in parts.items()}
    assert sizes == {
        ("activity", "1"): 30,
        ("activity", "2"): 30,
        ("activity", "3"): 30,
        ("conformity", "1"): 10,
        ("conformity", "3"): 80,
        ("popularity of taste", "low"): 30,
        ("popularity of taste", "middle"): 30,
        ("popularity of taste", "high"): 30,
        ("history", "cold"): 20,
        ("history", "warm"): 70,
    }
    assert not parts_of(audience().assign(taste_popularity=NAN))[("activity", "1")].all()
    assert ("popularity of taste", "low") not in parts_of(audience().assign(taste_popularity=1.0))


def test_each_slice_is_the_comparison_of_its_agents() -> None:
    values, agents = trial(), audience()
    found = {(row.slice, row.level): row for row in slices(values, "A", agents, metrics=S_SAT)}
    active = values[values["agent"] % 3 == 2]
    (alone,) = compare(active, "A", metrics=S_SAT)
    row = found["activity", "3"]
    assert (row.difference, row.low, row.p, row.n) == (alone.difference, alone.low, alone.p, 30)
    assert row.label == "exploratory: higher"
    assert found["activity", "1"].label == "exploratory: inconclusive"
    rows = list(found.values())
    assert [r.p_adjusted for r in rows] == benjamini_hochberg([r.p for r in rows])


@pytest.mark.parametrize("refitted", [False, True])
def test_what_is_withheld_is_withheld_in_slices(refitted: bool) -> None:
    values = trial().assign(failed=lambda v: (v["agent"] == 2) & (v["arm"] == "B"))
    found = slices(values, "A", audience(), metrics=S_SAT, refitted=refitted)
    withheld = {(r.slice, r.level) for r in found if r.label.startswith("exploratory: withheld")}
    if refitted:
        assert len(withheld) == len(found) == 10
    else:
        assert ("activity", "3") in withheld
        assert ("activity", "1") not in withheld


def test_agents_of_other_worlds_are_others() -> None:
    """Agent 0 is active in world 1 and not in world 2."""
    one, two = (trial(30).assign(world=world) for world in (1, 2))
    two.loc[two["arm"] == "B", "s_sat"] += 5
    values = pd.concat([one, two], ignore_index=True)
    agents = pd.concat(
        [
            pd.DataFrame({"world": world, "agent": range(30), "activity": level})
            for world, level in ((1, 1), (2, 3))
        ]
    )
    found = slices(values, "A", agents, metrics=S_SAT)
    assert [(row.level, row.n) for row in found] == [("1", 30), ("3", 30)]
    assert found[1].difference == pytest.approx(found[0].difference + 5)
