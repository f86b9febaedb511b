"""The health panel: each line's states, from runs as the store holds them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from simulator.evaluation import health, summary
from simulator.evaluation.health import Check
from simulator.evaluation.study import Study, read
from simulator.storage.store import Store
from tests.simulator.report import sample

USAGE = {"MF": {"calls": 30, "cached": 10}, "Random": {"calls": 0, "cached": 40}}


@pytest.fixture(scope="module")
def study() -> Study:
    """Sixty agents, three arms, nothing missing; read whole, so that the store may close."""
    with Store.open("sqlite://") as store:
        sample.write(store)
        found = read(store)
        for part in ("values", "sessions", "parts", "people", "arms", "offline", "arms_of"):
            getattr(found, part)
    return found


def lines(study: Study, audit: dict[str, object] | None = None) -> dict[str, Check]:
    rows = summary.comparisons(study, study.values, "MF", 1)
    return {check.name: check for check in health.panel(study, 1, rows, "MF", USAGE, audit)}


def changed(
    study: Study, frames: dict[str, pd.DataFrame], scenario: dict[str, Any] | None = None
) -> Study:
    """The same study with other frames behind its cached properties."""
    out = replace(study, scenario=scenario or study.scenario)
    vars(out).update({n: v for n, v in vars(study).items() if n not in vars(out)} | frames)
    return out


def test_a_sound_run(study: Study) -> None:
    found = lines(study)
    assert list(found) == ["unit", "missing", "failed", "censored", "cache", "audit", "correlation"]
    assert {name: check.state for name, check in found.items() if name != "censored"} == {
        **dict.fromkeys(("unit", "missing", "failed", "cache", "correlation"), "ok"),
        "audit": "attention",
    }
    assert "audition audit try.yaml, with the same --set" in found["audit"].text
    assert found["cache"].text.startswith("50 of 80 replies were known already")
    assert "agents" in found["correlation"].text


def test_arms_that_read_what_agents_read_are_named(study: Study) -> None:
    texts = {"arms": ["MF", "Random"], "dimensions": 64}
    first = replace(study.first, dataset={**study.first.dataset, "texts": texts})
    frames = {name: part for name, part in vars(study).items() if name != "members"}
    found = lines(changed(replace(study, members=(first, *study.members[1:])), frames))
    assert list(found)[:2] == ["unit", "words"]
    assert found["words"].state == "attention"
    assert found["words"].text.startswith("MF and Random read what items and users say, and so do")
    assert list(found["words"].arms) == ["MF", "Random"]


def test_failed_sessions_stop_above_one_in_a_hundred(study: Study) -> None:
    lost = (study.sessions["arm"] == "MF") & (study.sessions["agent"] == 10)
    sessions = study.sessions.assign(outcome=study.sessions["outcome"].mask(lost, "invalid"))
    found = lines(changed(study, {"sessions": sessions}))["failed"]
    assert found.state == "stop"
    assert "MF 1 sessions, 0 interviews (1.7 %)" in found.text
    assert found.arms["MF"]["share"] == pytest.approx(1 / 60)
    asked = study.sessions["interview_outcome"].mask(lost, "transport")
    found = lines(changed(study, {"sessions": study.sessions.assign(interview_outcome=asked)}))[
        "failed"
    ]
    assert "MF 0 sessions, 1 interviews" in found.text


def test_pairs_lost_on_one_side_are_an_alert(study: Study) -> None:
    few = (study.values["arm"] == "LightGCN") & (study.values["agent"] < 22)  # 12 of 60
    values = study.values.assign(s_sat=study.values["s_sat"].mask(few))
    found = lines(changed(study, {"values": values}))["missing"]
    assert found.state == "stop"
    assert found.arms["LightGCN"]["share"] == pytest.approx(0.2)
    assert found.arms["LightGCN"]["p"] == pytest.approx(2 * 0.5**12)
    assert found.arms["Random"] == {**found.arms["Random"], "share": 0.0, "p": 1.0}
    assert found.arms["LightGCN"]["low"] < found.arms["LightGCN"]["high"]
    assert "worst or the best possible" in found.text
    assert "LightGCN (p < 0.001)" in found.text


def test_the_page_limit_is_in_doubt_where_it_cuts_many_or_unequally(study: Study) -> None:
    def at(share: dict[str, float]) -> Check:
        rank = study.sessions.groupby("arm", observed=True).cumcount()
        cut = rank < study.sessions["arm"].astype(str).map(share) * 60
        return lines(changed(study, {"sessions": study.sessions.assign(censored=cut)}))["censored"]

    assert at({"Random": 0, "MF": 0, "LightGCN": 0}).text.startswith("No session")
    assert at({"Random": 0.1, "MF": 0.1, "LightGCN": 0.2}).state == "ok"
    many = at({"Random": 0.3, "MF": 0.3, "LightGCN": 0.3})
    assert (many.state, many.arms["MF"]["p"]) == ("attention", 1.0)
    unequal = at({"Random": 0, "MF": 0, "LightGCN": 0.2})
    assert unequal.state == "attention"
    assert unequal.text.endswith("Unequally against the control: LightGCN.")


def test_the_a_a_control_passes_or_stops(study: Study) -> None:
    run = {"run": "audit", "agents": 200, "identical": True, "differing": {}}
    assert lines(study, run)["audit"].state == "ok"
    assert lines(study, run)["audit"].text.startswith("Passed: 200 agents")
    differing = {"identical": False, "differing": {"sessions": 3, "exposures": 0}}
    failed = lines(study, {**run, **differing})["audit"]
    assert failed.state == "stop"
    assert "3 sessions differ" in failed.text


def test_pairs_that_are_no_alike_are_said_to_bring_nothing(study: Study) -> None:
    flipped = study.values.assign(s_sat=study.values["s_sat"].astype(float))
    mf, other = (flipped["arm"] == arm for arm in ("MF", "Random"))
    flipped.loc[other, "s_sat"] = -flipped.loc[mf, "s_sat"].to_numpy()
    assert lines(changed(study, {"values": flipped}))["correlation"].state == "attention"


def test_refits_in_one_world_stop_and_several_worlds_do_not(study: Study) -> None:
    later = {part: getattr(study, part).assign(round=2) for part in ("values", "sessions", "parts")}
    specs = [{"name": "MF", "feedback": "viewed"}]
    learned = changed(study, later, {**study.scenario, "arms": specs})
    rows = summary.comparisons(learned, learned.values, "MF", 2)
    found = {check.name: check for check in health.panel(learned, 2, rows, "MF", {}, None)}
    assert found["unit"].state == "stop"
    assert "worlds: 5" in found["unit"].text
    assert rows[0].correlation > 0
    assert "two groups" not in found["correlation"].text  # nothing is estimated by agent
    one = changed(learned, {}, {**learned.scenario, "worlds": 2})
    panel = health.panel(one, 2, rows, "MF", {}, None)
    (unit,) = (check for check in panel if check.name == "unit")
    assert "1 seeded world, paired" in unit.text
    assert found["cache"].text == "No chat model was asked."


def test_an_unfinished_run_says_so() -> None:
    with Store.open("sqlite://") as store:
        sample.write(store, sample.Sample(12, status="interrupted"))
        document = summary.summarise(store)
    assert document["health"][0]["state"] == "attention"
    assert "interrupted" in document["health"][0]["text"]


def test_the_worst_line_counts() -> None:
    line = Check("a", "A", "ok", "")
    assert health.worst([line]) == "ok"
    assert health.worst([line, replace(line, state="attention")]) == "attention"
    assert health.worst([replace(line, state="stop"), line]) == "stop"
