"""What titles claim, and that a person's own matplotlib settings change nothing."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import pandas as pd
import pytest

from simulator.evaluation.study import read
from simulator.evaluation.summary import document
from simulator.report import figures, findings, style, write
from simulator.report import frames as loading
from simulator.report.figures import comparisons
from simulator.storage.plain import plain
from simulator.storage.store import Store

pytestmark = pytest.mark.usefixtures("coarse")


@pytest.fixture(scope="module")
def subject(store: Store) -> figures.Subject:
    return of(store, "try")


def of(store: Store, name: str) -> figures.Subject:
    """A run as the report hands it to its figures."""
    study = read(store, name)
    summary, frames = plain(document(study)), loading.load(store, study.first.name)
    units = write.unit_values(study, summary["round"])
    tables = write.tidy(frames, summary, units)
    leaders = findings.leaders(study, summary, units, tables["dual"])
    pens = style.pens(frames.recommenders)
    return figures.Subject(tables, pens, leaders, 0.95, len(frames.agents), study.unit)


def _titles(subject: figures.Subject) -> dict[str, str]:
    return {drawing.name: drawing.title for drawing in figures.draw(subject)}


def _captions(subject: figures.Subject, **changed: pd.DataFrame) -> dict[str, str]:
    changed_subject = replace(subject, tables={**subject.tables, **changed})
    return {drawing.name: drawing.caption for drawing in comparisons.draw(changed_subject)}


def test_what_could_be_seen_is_drawn_where_a_number_of_units_says_it(
    subject: figures.Subject,
) -> None:
    found = subject.tables["comparisons"]
    rule = "four times the agents see half"
    assert rule in _captions(subject)["power"]
    assert "four times" not in _captions(subject, comparisons=found.assign(unit="world"))["power"]
    assert "power" not in _captions(subject, comparisons=found.assign(interval="anytime"))
    forest = _captions(subject, comparisons=found.assign(estimate="adjusted"))["forest"]
    assert "adjusted for what was known of agents before" in forest


def test_looks_say_from_which_one_on_an_arm_was_decided(subject: figures.Subject) -> None:
    looks = pd.DataFrame(
        {
            "came": [30, 40, 50] * 2,
            "arm": ["Random"] * 3 + ["LightGCN"] * 3,
            "difference": [0.1, 0.2, 0.2] * 2,
            "low": [-0.1, 0.05, 0.1] * 2,
            "high": [0.3, 0.35, 0.3] * 2,
            "verdict": ["inconclusive", "better", "better"] + ["better"] + ["inconclusive"] * 2,
        }
    )
    assert "corrected for all of them" in _captions(subject, looks=looks)["looks"]
    decided = comparisons.decided_at(looks["verdict"].head(3))
    assert decided.tolist() == [False, True, True]
    assert not comparisons.decided_at(looks["verdict"].tail(3)).any()


def test_titles_state_a_finding_where_the_intervals_support_it(subject: figures.Subject) -> None:
    assert subject.leaders["s_sat"] == "LightGCN"
    titles = _titles(subject)
    assert titles["satisfaction"] == "LightGCN satisfies agents most"
    assert titles["dual_ndcg_s_sat"] == "LightGCN leads in nDCG@20 and satisfies agents most"
    assert (
        titles["watch_rate_by_slot"] == "The top slot is watched more than the last, in every arm"
    )


def test_titles_are_neutral_where_they_do_not(subject: figures.Subject) -> None:
    wide = subject.tables["slots"].assign(low=0.0, high=1.0)
    traits = subject.tables["traits"].assign(low=0.0, high=10.0)
    unsure = replace(
        subject, leaders={}, tables={**subject.tables, "slots": wide, "traits": traits}
    )
    titles = _titles(unsure)
    assert titles["satisfaction"] == "Satisfaction at the exit"
    assert titles["exit_curve"] == "How long agents keep browsing"
    assert titles["dual_ndcg_s_sat"] == "nDCG@20 against simulated satisfaction"
    assert titles["watch_rate_by_slot"] == "How often each slot is watched"
    assert titles["trait_activity"] == "Exit page by activity"


def test_two_different_leaders_are_both_named(subject: figures.Subject) -> None:
    split = replace(subject, leaders={"ndcg@20": "MF", "s_sat": "LightGCN"})
    title = _titles(split)["dual_ndcg_s_sat"]
    assert title == "MF leads in nDCG@20, but LightGCN satisfies agents most"


def test_no_claim_after_refits_on_the_agents_own_feedback(store: Store) -> None:
    study = read(store, "try")
    summary = plain(document(study))
    units = write.unit_values(study, 1)
    dual = write.tidy(loading.load(store, "try"), summary, units)["dual"]
    assert findings.leaders(study, summary, units, dual)["s_sat"] == "LightGCN"
    later = replace(study, scenario={**study.scenario, "rounds": 2, "feedback": "viewed"})
    later.values["round"] = 2
    assert "s_sat" not in findings.leaders(later, {**summary, "round": 2}, units, dual)
    worlds = replace(later, scenario={**later.scenario, "worlds": 5})
    worlds.values["round"] = 2
    assert findings.leaders(worlds, {**summary, "round": 2}, units, dual)["s_sat"] == "LightGCN"


def test_offline_leaders_need_intervals_apart() -> None:
    rows = [("A", 0.3, 0.29, 0.31), ("B", 0.4, 0.39, 0.41)]
    frame = pd.DataFrame(rows, columns=["arm", "mean", "low", "high"])
    frame = frame.assign(part="offline", metric="ndcg@10")
    assert findings._offline(frame) == {"ndcg@10": "B"}
    assert findings._offline(frame.assign(high=[0.395, 0.41])) == {"ndcg@10": None}


def test_own_matplotlib_settings_do_not_show(subject: figures.Subject) -> None:
    before = {drawing.name: drawing.image for drawing in figures.draw(subject)}
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "yellow", "savefig.dpi": 50}):
        after = {drawing.name: drawing.image for drawing in figures.draw(subject)}
        assert mpl.rcParams["font.size"] == 20
    assert after == before
