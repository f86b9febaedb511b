"""Which arms an audit plays."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.audit.design import Design, basis, design, learned
from simulator.scenario import Scenario


def _scenario(*arms: dict[str, Any], **other: Any) -> Scenario:
    plain = {"name": "few", "dataset": {"source": "synthetic"}, "arms": list(arms), **other}
    return Scenario.model_validate(plain)


POP = {"name": "Pop", "recommender": "popularity"}
EASE = {"name": "EASE", "recommender": "ease", "regularisation": 100.0}


def _design(*arms: dict[str, Any], truth_known: bool = True) -> Design:
    base = basis(_scenario(*arms), "few.yaml")
    return design(base, learned(base)[0], "few.yaml", truth_known=truth_known)


def _specs(found: Design) -> dict[str, Any]:
    return {arm.name: arm for arm in found.scenario.arms}


def test_what_a_scenario_lacks_is_added() -> None:
    base = basis(_scenario(POP), "few.yaml")
    assert [arm.name for arm in base.arms] == ["Pop", "random", "mf"]
    assert base.name == "few-audit"


def test_a_learned_arm_with_a_variant_is_not_what_is_personal() -> None:
    base = basis(_scenario(POP, EASE | {"tastes": "swapped"}), "few.yaml")
    assert learned(base) == ["mf"]


def test_the_first_round_of_one_world_is_audited() -> None:
    many = _scenario(
        POP,
        EASE | {"feedback": "liked"},
        rounds=3,
        feedback="viewed",
        worlds=4,
        agents={"count": 30, "replicates": 2},
        evaluation={"primary": "p_view"},
    )
    base = basis(many, "few.yaml")
    assert (base.rounds, base.feedback, base.worlds, base.agents.replicates) == (1, "none", 1, 1)
    assert {arm.feedback for arm in base.arms} == {None}
    assert base.evaluation.primary == "p_view"


def test_an_audit_sees_the_whole_audience() -> None:
    base = basis(_scenario(POP, EASE, evaluation={"stop": "anytime"}), "few.yaml")
    assert base.evaluation.stop == "fixed"


def test_control_arms_differ_in_what_they_control_only() -> None:
    found = _design(POP, EASE)
    specs = _specs(found)
    one, again, other = found.same
    assert (specs[again].recommender, specs[again].luck) == (specs[one].recommender, 0)
    assert specs[other].luck == 1
    assert specs[found.personal[1]].tastes == specs[found.popular[1]].tastes == "swapped"
    assert specs[found.personal[1]].options == {"regularisation": 100.0}
    assert {specs[arm].order for arm in found.orders.values()} == {
        "ranked",
        "reversed",
        "shuffled",
    }
    assert [specs[arm].dilute for _, arm in found.doses] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert specs[found.doses[0][1]].recommender == "oracle"
    assert len(found.ladder) >= 10
    assert found.candidates == ("Pop", "EASE", "random")


def test_where_the_truth_is_not_known_the_best_learned_arm_is_diluted() -> None:
    found = _design(POP, EASE, truth_known=False)
    assert found.doses[0] == (0.0, "EASE")
    assert (found.oracle, found.ladder, found.candidates) == (None, (), ())
    assert "oracle" not in {arm.recommender for arm in found.scenario.arms}


@pytest.mark.parametrize("count", [1, 2])
def test_an_oracle_of_the_scenario_is_used(count: int) -> None:
    oracles = [{"name": f"O{i}", "recommender": "oracle"} for i in range(count)]
    found = _design(POP, EASE, *oracles)
    assert found.oracle == "O0"


def test_names_stay_distinct_and_short_enough() -> None:
    long = "n" * 60
    found = _design(
        POP,
        EASE | {"name": long},
        EASE | {"name": f"{long[:36]}, 25 % random"},
        {"name": "random", "recommender": "ease"},
        {"name": "oracle", "recommender": "ease"},
    )
    names = [arm.name for arm in found.scenario.arms]
    assert len(set(names)) == len(names)
    assert found.random == "random (2)"
    assert found.oracle == "oracle (2)"
