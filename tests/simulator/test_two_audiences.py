"""``audition compare RUN --with RUN``: two behavioural audiences, one of few agents that
counts, one of many with other settings; the truth is what everybody would do as the few do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator import family
from simulator.evaluation.prediction_powered import combine, expensive_needed, variance_factor
from simulator.evaluation.study import read
from simulator.evaluation.summary import document as summarised
from simulator.evaluation.two_audiences import document as combined
from simulator.progress import Progress
from simulator.scenario import load
from simulator.storage.store import Store

from .command import Done, audition

WORLD = (
    *("dataset.users=500", "dataset.items=120", "dataset.interactions=25"),
    *("control=A", "seed=3"),
)
ARMS = "arms=[{name: A, recommender: random}, {name: B, recommender: popularity}]"
CHEAP = ("agents.response.taste=0.6", "agents.response.mood=1.2", "agents.count=400")
SMALL = ("agents.count=5",)
RUNS: Mapping[str, tuple[str, ...]] = {
    "few": ("agents.count=60",),
    "cheap": CHEAP,
    "truth": ("agents.count=500",),
    "luck": (*CHEAP, "luck=5"),
    "as-few": ("agents.count=60", "agents.response.taste=0.6"),
    "seed": (*SMALL, "seed=8"),
    "pages": (*SMALL, "session.max_pages=3"),
    "items": (*SMALL, "dataset.items=130"),
    "other-arm": (*SMALL, "arms.B.recommender=ease"),
    "no-arm": (*SMALL, "arms.B.name=C"),
    "rounds": (*SMALL, "rounds=2"),
    "early": (*SMALL, "evaluation.stop=anytime"),
    "worlds": (*SMALL, "worlds=2"),
    "learned": (*SMALL, "rounds=2", "feedback=viewed"),
    "replicates": (*CHEAP, "agents.replicates=2"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("two")
    with Store.open(str(out / "s.db")) as store:
        for name, settings in RUNS.items():
            scenario = load(Path("quickstart"), [*WORLD, ARMS, *settings])
            family.play(
                scenario, "x.yaml", store, name=name, checkpoints=out, progress=Progress(quiet=True)
            )
    return out


def compare(folder: Path, *arguments: object) -> Done:
    return audition("compare", *arguments, "--store", folder / "s.db", "--out", folder)


def section(folder: Path, *arguments: object) -> dict[str, Any]:
    done = compare(folder, *arguments, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)["two_audiences"]
    return found


def by_metric(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows}


def test_both_are_narrower_and_hold_what_everybody_would_do(folder: Path) -> None:
    found = section(folder, "few", "--with", "cheap")
    assert found["agents"] == {"expensive": 60, "cheap": 400, "both": 60, "unmatched": 0}
    truth = by_metric(json.loads(compare(folder, "truth", "--json").out)["comparisons"])
    rows = by_metric(found["comparisons"])
    for name in ("s_sat", "p_view", "n_like", "p_like", "return_intent"):
        row, plain = rows[name], rows[name]["alone"]
        assert row["low"] <= truth[name]["difference"] <= row["high"], name
        assert row["high"] - row["low"] < plain["high"] - plain["low"], name
        assert row["effective"] == row["n"] + row["agents_saved"] > row["n"] == 60
        assert row["rests"] == pytest.approx(1 - row["n"] / row["effective"])
    assert rows["s_sat"]["role"] == "primary"


def test_the_numbers_are_those_of_the_estimator_on_agents_paired_by_user(folder: Path) -> None:
    row = by_metric(section(folder, "few", "--with", "cheap")["comparisons"])["s_sat"]
    with Store.open(str(folder / "s.db")) as store:
        wide = []
        for name in ("few", "cheap"):
            study = read(store, name)
            table = study.values.pivot(index="agent", columns="arm", values="s_sat")
            wide.append((table["B"] - table["A"]).set_axis(study.people["user_id"].to_numpy()))
    expected = combine(wide[0].reindex(wide[1].index).to_numpy(), wide[1].to_numpy())
    assert row["difference"] == pytest.approx(expected.estimated.difference)
    assert row["p"] == pytest.approx(expected.estimated.p)
    assert (row["low"], row["high"]) == pytest.approx(
        (expected.estimated.low, expected.estimated.high)
    )
    assert row["correlation"] == pytest.approx(expected.correlation)
    assert row["p_adjusted"] == pytest.approx(row["p"])  # one arm: the primary stands alone


def test_luck_shared_by_two_behavioural_audiences_is_correlation_a_model_would_not_have(
    folder: Path,
) -> None:
    same, other = (
        by_metric(section(folder, "few", "--with", run)["comparisons"])["s_sat"]
        for run in ("cheap", "luck")
    )
    assert other["correlation"] < same["correlation"]
    assert other["effective"] < same["effective"]


def test_it_is_told_in_words_and_tables(folder: Path) -> None:
    done = compare(folder, "few", "--with", "cheap", "--metric", "s_sat")
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 110
    out = " ".join(done.out.split())
    assert "Two audiences: with the 400 agents (behavioural) of cheap, of whom 60 are" in out
    assert "60 agents count as" in out
    assert "of it rests on the cheap audience (correlation 0." in out
    for heading in ("alone, interval", "both, interval", "cheap says", "weight", "rests on cheap"):
        assert heading in out
    assert "P_view" not in out.partition("Two audiences")[2]
    assert "Two audiences" not in compare(folder, "few").out


def test_the_run_itself_is_told_as_without(folder: Path) -> None:
    alone, both = (
        json.loads(compare(folder, "few", *more, "--json").out)
        for more in ((), ("--with", "cheap"))
    )
    del both["two_audiences"]
    assert both == alone


def test_calls_saved_are_at_what_an_agent_took(folder: Path) -> None:
    usage = {
        "A": {"calls": 100, "cached": 60, "cost_usd": 0.5},
        "B": {"calls": 200, "cached": 40, "cost_usd": 1.0},
    }
    unpriced = {arm: {**use, "cost_usd": None} for arm, use in usage.items()}
    with Store.open(str(folder / "s.db")) as store:
        few, cheap = read(store, "few"), read(store, "cheap")
        summary = summarised(few)
        told = [combined(few, cheap, summary["comparisons"], 1, use) for use in (usage, unpriced)]
    priced, free = (by_metric(one["comparisons"])["s_sat"] for one in told)
    calls = priced["agents_saved"] * 400 / 60
    assert priced["calls_saved"] == free["calls_saved"] == round(calls) > 0
    assert priced["usd_saved"] == pytest.approx(calls * 1.5 / 300)
    assert free["usd_saved"] is None


def test_replicates_are_averaged_by_agent(folder: Path) -> None:
    found = section(folder, "few", "--with", "replicates")
    assert found["agents"]["cheap"] == 400
    once = by_metric(section(folder, "few", "--with", "cheap")["comparisons"])["s_sat"]
    assert by_metric(found["comparisons"])["s_sat"]["everybody"] == once["everybody"]


@pytest.mark.parametrize(
    ("run", "cheap", "said"),
    [
        ("few", "few", "run few: found the same run twice"),
        ("few", "nobody", "run: found 'nobody'; allowed: few, cheap"),
        ("few", "as-few", "run as-few: found 60 agents, all of which few has too"),
        ("few", "seed", "run seed: seed: found 8; allowed: 3, as in few"),
        (
            "few",
            "pages",
            "run pages: session: found max_pages: 3; allowed: max_pages: 5, as in few",
        ),
        ("few", "items", "run items: data set: found items: 130; allowed: items: 120, as in few"),
        ("few", "rounds", "run rounds: rounds: found 2; allowed: 1, as in few"),
        (
            "few",
            "other-arm",
            "run other-arm: arm B: found recommender: ease; allowed: recommender: pop",
        ),
        ("few", "no-arm", "run no-arm: arms: found A, C; allowed: B, as in few"),
        ("few", "early", "run early: found evaluation.stop: anytime; allowed: a run of a size"),
        ("few", "worlds", "run worlds: found several worlds; allowed: one world"),
        ("few", "learned", "run learned: found arms that learned from these agents"),
    ],
)
def test_what_cannot_be_combined_is_said_in_one_line(
    folder: Path, run: str, cheap: str, said: str
) -> None:
    done = compare(folder, run, "--with", cheap)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
    assert said in done.err


def plan(folder: Path, *arguments: object) -> Done:
    sets = [part for setting in (*WORLD, ARMS) for part in ("--set", setting)]
    return audition("plan", "quickstart", *sets, "--store", folder / "s.db", *arguments)


def test_a_plan_beside_a_cheap_run(folder: Path) -> None:
    given = ("--agents", 60, "--from", "few", "--with", "cheap", "--metric", "p_view")
    told = plan(folder, *given, "--difference", 0.02, "--json")
    assert told.code == 0, told.err
    size = json.loads(told.out)["size"]
    (alone,), (beside,) = size["arms"], size["two_audiences"]["arms"]
    row = by_metric(section(folder, "few", "--with", "cheap")["comparisons"])["p_view"]
    assert (beside["pairs"], beside["everybody"]) == (60, 400)
    assert beside["correlation"] == pytest.approx(row["correlation"])
    assert beside["low"] < beside["correlation"] < beside["high"]
    factor = variance_factor(row["correlation"], 60 / 400)
    assert beside["detectable"] == pytest.approx(alone["detectable"] * factor**0.5)
    assert beside["needed"] == expensive_needed(alone["needed"], row["correlation"], 400)
    out = " ".join(plan(folder, *given, "--difference", 0.02).out.split())
    assert f"B: with the 400 agents of cheap (correlation {row['correlation']:.2f} over" in out
    assert "60 agents find 0.0" in out


def test_a_plan_needs_a_run_whose_agents_are_to_be_sharpened(folder: Path) -> None:
    alone = plan(folder, "--with", "cheap")
    assert (alone.code, "--with: found alone; allowed: beside --from RUN" in alone.err) == (2, True)
    other = plan(folder, "--from", "few", "--with", "seed")
    assert (other.code, "run seed: seed: found 8" in other.err) == (2, True)


def test_a_page_shows_both_and_asks_for_nothing_from_elsewhere(folder: Path) -> None:
    done = compare(folder, "few", "--with", "cheap")
    assert done.code == 0, done.err
    file = folder / "few" / "with-cheap.html"
    assert str(file) in done.out.replace("\n", "")
    page = file.read_text(encoding="utf-8")
    found = section(folder, "few", "--with", "cheap")
    assert file.read_text(encoding="utf-8") == page
    metrics = {row["metric"] for row in found["comparisons"]}
    assert page.count("<svg") == sum(row["low"] is not None for row in found["comparisons"])
    assert page.count('<tr class="group">') == 2 * len(metrics)
    assert "60 agents" in page
    assert "400 agents" in page
    (primary,) = (row for row in found["comparisons"] if row["role"] == "primary")
    assert f"{primary['effective']:,}" in page
    assert not re.search(r"""(src|href)=["']""", page)


def test_a_compare_without_another_audience_writes_no_page(folder: Path) -> None:
    done = compare(folder, "as-few")
    assert done.code == 0, done.err
    assert "Two audiences" not in done.out
    assert not list(folder.glob("as-few/with-*"))
