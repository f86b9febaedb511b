"""What titles claim, and that a person's own matplotlib settings change nothing."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import pandas as pd
import pytest

from simulator.evaluation.summary import summarise
from simulator.report import figures, findings, frames, style, write
from simulator.storage.store import Store

pytestmark = pytest.mark.usefixtures("coarse")


@pytest.fixture(scope="module")
def subject(store: Store) -> figures.Subject:
    read = frames.load(store, "try")
    tables = write.tidy(read, summarise(store, "try"))
    leaders = findings.leaders(read, tables["dual"])
    return figures.Subject(tables, style.pens(read.recommenders), leaders, 0.95, len(read.agents))


def _titles(subject: figures.Subject) -> dict[str, str]:
    return {drawing.name: drawing.title for drawing in figures.draw(subject)}


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
    read = frames.load(store, "try")
    dual = write.tidy(read, summarise(store, "try"))["dual"]
    scenario = {**read.run.scenario, "rounds": 2, "feedback": "viewed"}
    later = replace(read, round=2, run=replace(read.run, scenario=scenario))
    assert "s_sat" not in findings.leaders(later, dual)
    assert findings.leaders(read, dual)["s_sat"] == "LightGCN"


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
