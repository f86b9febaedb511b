"""Pages of runs that are more than one visit: families, rounds, feedback, guardrails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulator.evaluation.summary import summarise
from simulator.report import figures, frames, page, several, style, write
from simulator.storage.store import Store

from . import sample
from .test_figures import of

pytestmark = pytest.mark.usefixtures("coarse")

TWO = {"MF": "mf", "MF + Viewed": "mf"}
SPECS = [
    {"name": "MF", "recommender": "mf", "feedback": "none"},
    {"name": "MF + Viewed", "recommender": "mf", "feedback": "viewed"},
]
LEARNING = {"rounds": 2, "arms": SPECS, "control": "MF"}


def text(store: Store, name: str, folder: Path) -> str:
    html = write.write(store, name, folder).read_text(encoding="utf-8")
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<main>")[2]).split())


def rendered(store: Store, name: str, **changes: Any) -> str:
    """The page of a run whose summary was changed in places."""
    read = frames.load(store, name)
    summary = {**summarise(store, name), **changes}
    pens = style.pens(read.recommenders)
    return page.render(summary, read, [], pens, {})


def test_the_page_shows_a_broken_guardrail_and_names_its_intervals(store: Store) -> None:
    rows = summarise(store, "try")["comparisons"]
    guardrail = {"margin": 0.1, "holds": False, "text": "broken: at least 0.3 worse, allowed 0.1"}
    for row in rows:
        row["interval"] = "anytime"
        if row["metric"] == "n_exit":
            row |= {"role": "guardrail", "guardrail": guardrail}
    html = rendered(store, "try", comparisons=rows)
    told = "but its guardrail N_exit is broken (at least 0.3 worse, allowed 0.1)"
    assert html.index(told) < html.index("Every difference with its interval")
    assert html.count("guardrail 0.10: broken") == 2
    assert "95 % anytime interval</th>" in html
    assert "paired by agent; 95 % anytime intervals. Drawn" in html


def test_a_family_of_worlds_is_compared_by_world(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        family = sample.write_family(store, 4, 1, agents=12)
        summary = summarise(store, family)
        assert (summary["unit"], summary["worlds"], len(summary["members"])) == ("world", 4, 4)
        assert summary["arms"]["MF"]["simulated"]["s_sat"]["n"] == 4
        assert summary["arms"]["MF"]["sessions"] == 48
        assert summary["arms"]["MF"]["seconds"]["train"] == 6.0
        row = next(r for r in summary["comparisons"] if r["role"] == "primary")
        assert (row["unit"], row["n"], row["metric"]) == ("world", 4, "s_sat")
        means = [
            summarise(store, member["name"])["arms"]["MF"]["simulated"]["s_sat"]["mean"]
            for member in summary["members"]
        ]
        assert row["control_mean"] == pytest.approx(sum(means) / 4)
        told = text(store, family, tmp_path)
        assert {d.name for d in figures.draw(of(store, family))} >= {"forest", "power", "paired_1"}
    assert "4 worlds; figures of behaviour: many.w1.r1" in told
    assert "The unit of analysis is the world: 4 seeded worlds, paired by seed." in told
    assert len(pd.read_csv(tmp_path / "tables" / "units.csv")) == 12


def test_replicates_are_averaged_by_agent_and_their_variance_split(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        family = sample.write_family(store, 1, 2, agents=12)
        summary = summarise(store, family)
        told = text(store, family, tmp_path)
    assert (summary["unit"], summary["replicates"]) == ("agent", 2)
    assert summary["arms"]["MF"]["simulated"]["s_sat"]["n"] == 12
    assert {part["metric"] for part in summary["components"]} >= {"s_sat", "p_view"}
    assert "More agents, or more replicates?" in told


def test_an_unfinished_family_says_how_much_is_there() -> None:
    with Store.open("sqlite://") as store:
        family = sample.write_family(store, 2, 1, agents=12, status="interrupted")
        first = summarise(store, family)["health"][0]
    assert (first["state"], first["text"].partition(":")[0]) == (
        "attention",
        "0 of 2 runs of the family are finished",
    )


def test_rounds_are_all_shown_and_the_last_is_the_page(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        sample.write(store, sample.Sample(12, rounds=2, scenario={"rounds": 2}))
        told = text(store, "try", tmp_path)
        table = several.rounds_table(summarise(store, "try"), ["recall@20", "s_sat"])
    assert table is not None
    assert [name for name, _ in table["arms"]] == list(sample.ARMS)
    assert [number for number, _ in table["arms"][0][1]] == ["1", "2"]
    recall = [cells[0]["mean"] for _, cells in table["arms"][1][1]]
    assert recall == ["0.220", "0.240"]  # 0.02 + 0.4 * 0.5, and 0.05 more appeal
    assert "Round by round" in told
    assert "After learning" not in told
    assert set(pd.read_csv(tmp_path / "tables" / "rounds.csv")["round"]) == {1, 2}


def test_the_dual_table_of_feedback(tmp_path: Path) -> None:
    with Store.open("sqlite://") as store:
        family = sample.write_family(store, 3, 1, agents=12, arms=TWO, rounds=2, scenario=LEARNING)
        summary = summarise(store, family)
        told = text(store, family, tmp_path)
        names = {drawing.name for drawing in figures.draw(of(store, family))}
    origin, viewed = summary["feedback"]
    assert (origin["row"], origin["arm"], origin["round"]) == ("Origin", "MF", 2)
    assert (viewed["row"], viewed["recommender"]) == ("+ Viewed", "MF")
    assert list(viewed["metrics"]) == ["recall@20", "ndcg@20", "n_exit", "s_sat"]
    # offline metrics of the sample are the same in every world: no spread, a sure difference
    gain = viewed["over_origin"]["recall@20"]
    assert (gain["mean"], gain["low"], gain["high"], gain["n"]) == (0.0, 0.0, 0.0, 3)
    assert viewed["over_origin"]["s_sat"]["n"] == 3
    assert "After learning from the audience" in told
    assert "+ Viewed" in told
    assert names >= {"feedback_recall", "feedback_s_sat"}


def test_one_world_gives_no_interval_of_an_offline_gain_and_no_verdict() -> None:
    with Store.open("sqlite://") as store:
        sample.write(store, sample.Sample(12, TWO, rounds=2, scenario=LEARNING))
        summary = summarise(store)
        html = rendered(store, "try")
    gain = summary["feedback"][1]["over_origin"]["ndcg@20"]
    assert (gain["low"], gain["n"]) == (None, 1)
    assert summary["feedback"][1]["metrics"]["ndcg@20"]["low"] is not None  # over users
    assert {row["verdict"].partition(":")[0] for row in summary["comparisons"]} == {"withheld"}
    assert "No verdict on MF: agents learned" in html
    assert "Do not act on the verdicts" in html


def test_a_refit_that_all_arms_share_starts_from_the_first_round() -> None:
    scenario = {"rounds": 2, "feedback": "viewed", "arms": [{"name": "MF", "recommender": "mf"}]}
    with Store.open("sqlite://") as store:
        sample.write(store, sample.Sample(12, {"MF": "mf"}, rounds=2, scenario=scenario))
        rows = summarise(store)["feedback"]
    assert [(row["row"], row["round"]) for row in rows] == [("Origin", 1), ("+ Viewed", 2)]
    assert rows[1]["over_origin"]["recall@20"]["mean"] == pytest.approx(0.4 * 0.05)


def test_guardrails_stand_on_the_page() -> None:
    scenario = {"evaluation": {"primary": "p_view", "guardrails": {"n_exit": 5.0, "s_sat": 0.01}}}
    with Store.open("sqlite://") as store:
        sample.write(store, sample.Sample(40, scenario=scenario))
        summary = summarise(store)
        html = rendered(store, "try")
    roles = {row["metric"]: row["role"] for row in summary["comparisons"]}
    assert (roles["p_view"], roles["n_exit"], roles["n_like"]) == (
        "primary",
        "guardrail",
        "secondary",
    )
    assert "N_exit: holds: at most" in html
    assert "Random, S_sat: broken: at least" in html
    assert html.index("Can this be believed?") < html.index("Decided by P_view")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("better", "is better than MF in S_sat"),
        ("worse", "is worse than MF in S_sat"),
        ("no difference larger than 0.2", "is as good as MF in S_sat"),
        ("inconclusive", "This run cannot tell"),
        ("withheld: 2.0% of the sessions failed", "No verdict on"),
    ],
)
def test_the_page_says_each_kind_of_verdict(store: Store, verdict: str, said: str) -> None:
    rows = summarise(store, "try")["comparisons"]
    html = rendered(store, "try", comparisons=[{**row, "verdict": verdict} for row in rows])
    assert html.count(said) == 2  # an arm each


@pytest.mark.parametrize("state", ["ok", "attention", "stop"])
def test_the_page_shows_each_state_of_health(store: Store, state: str) -> None:
    line = {"name": "x", "title": "Some check", "state": state, "text": "<b>said</b>", "arms": {}}
    html = rendered(store, "try", health=[line])
    assert f'<li class="{state}">' in html
    assert "&lt;b&gt;said&lt;/b&gt;" in html
