"""``audition plan --from`` and ``--pilot``: agents for a wanted difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from simulator import family
from simulator.evaluation.compare import compare, holm
from simulator.evaluation.paired import paired
from simulator.evaluation.power import detectable, needed, power
from simulator.evaluation.simulated import METRICS
from simulator.evaluation.study import read
from simulator.evaluation.units import Sessions, sessions
from simulator.planning.spread import Within, spread
from simulator.planning.wanted import Corrected
from simulator.progress import Progress
from simulator.scenario import load
from simulator.storage import queries
from simulator.storage.store import Store

from .command import audition
from .test_scripted_run import SMALL as CHAT

SMALL = (
    *("dataset.users=60", "dataset.items=60", "dataset.interactions=12", "agents.count=40"),
    "arms=[{name: Random, recommender: random}, {name: Pop, recommender: popularity}]",
    "control=Random",
)
SETS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the run ``single`` and the families ``twice`` and ``worlds``."""
    folder = tmp_path_factory.mktemp("sizing")
    kinds = {"single": (), "twice": ("agents.replicates=3",), "worlds": ("worlds=3",)}
    with Store.open(folder / "s.db") as store:
        for name, more in kinds.items():
            family.play(
                load(Path("quickstart"), [*SMALL, *more]),
                "quickstart",
                store,
                name=name,
                checkpoints=folder / "checkpoints",
                progress=Progress(quiet=True),
            )
    return folder / "s.db"


def sized(store: Path, *arguments: object) -> dict[str, Any]:
    done = audition("plan", "quickstart", *SETS, "--store", store, *arguments, "--json")
    assert done.code == 0, done.err
    size: dict[str, Any] = json.loads(done.out)["size"]
    return size


def refused(store: Path, *arguments: object) -> str:
    done = audition("plan", "quickstart", *SETS, "--store", store, *arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    return done.err


# -- from a stored run -----------------------------------------------------------------------


def test_the_spread_is_that_of_the_runs_paired_differences(stored: Path) -> None:
    size = sized(stored, "--from", "single", "--difference", 0.1)
    (arm,) = size["arms"]
    with Store.open(stored) as store:
        values = read(store, "single").values.set_index("agent")
    by_arm = {name: values.loc[values["arm"] == name, "s_sat"] for name in ("Random", "Pop")}
    a, b = by_arm["Pop"], by_arm["Random"].reindex(by_arm["Pop"].index)
    assert (arm["arm"], arm["control"], arm["units"]) == ("Pop", "Random", 40)
    assert arm["sd"] == pytest.approx((a - b).std(ddof=1))
    assert arm["sd_unpaired"] == pytest.approx(np.hypot(a.std(ddof=1), b.std(ddof=1)))
    assert arm["correlation"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert arm["detectable"] == pytest.approx(detectable(40) * arm["sd"])
    assert arm["needed"] == needed(0.1 / arm["sd"])
    assert arm["needed_unpaired"] == needed(0.1 / arm["sd_unpaired"], groups=2)
    assert (arm["agents_per_world"], size["level"], size["tests"]) == (None, "5 %", 1)
    assert power(arm["needed"], 0.1 / arm["sd"]) >= 0.8


def test_more_power_and_smaller_differences_need_more_agents(stored: Path) -> None:
    def agents(difference: float, *more: object) -> int:
        size = sized(stored, "--from", "single", "--difference", difference, *more)
        return int(size["arms"][0]["needed"])

    assert agents(1.0) < agents(0.5) < agents(0.5, "--power", 0.9)


def test_a_size_that_the_data_can_give_is_priced(stored: Path) -> None:
    size = sized(stored, "--from", "single", "--difference", 1.0)
    (arm,) = size["arms"]
    assert 2 <= arm["needed"] <= size["users"] == 60
    assert arm["advice"] is None
    assert arm["cost"]["calls"] == {"expected": 0, "most": 0}


def test_too_few_users_are_said_with_what_to_do(stored: Path) -> None:
    (arm,) = sized(stored, "--from", "single", "--difference", 0.01)["arms"]
    assert arm["needed"] > 60
    assert arm["cost"] is None
    assert "60 users" in arm["advice"]
    assert "agents.replicates=3" in arm["advice"]


def test_replicates_tell_how_many_more_would_do(stored: Path) -> None:
    once = sized(stored, "--from", "twice", "--difference", 0.01)["arms"][0]
    assert "60 users" in once["advice"]
    assert ("are enough" in once["advice"]) != ("no number of replicates" in once["advice"])
    more = sized(stored, "--from", "twice", "--set", "agents.replicates=3")["arms"][0]
    assert more["sd"] < once["sd"]
    with Store.open(stored) as store:
        study = read(store, "twice")
        by_agent = study.values.groupby(["arm", "agent"], observed=True)["s_sat"].mean()
    pair = paired(by_agent["Random"].to_numpy(), by_agent["Pop"].to_numpy(), 0.95)
    assert more["sd"] == pytest.approx(pair.standard_error * 40**0.5, rel=0.05)


def test_without_a_difference_the_detectable_one_and_a_table_are_told(stored: Path) -> None:
    size = sized(stored, "--from", "single")
    assert size["arms"][0]["needed"] is None
    assert [one["units"] for one in size["standardised"]] == [787, 199, 90, 34]


def test_worlds_are_the_unit_of_several_worlds(stored: Path) -> None:
    size = sized(stored, "--from", "worlds", "--set", "worlds=5", "--difference", 0.3)
    assert (size["unit"], size["planned"], size["arms"][0]["units"]) == ("world", 5, 3)
    assert size["arms"][0]["advice"] is None
    assert size["arms"][0]["cost"]["seconds"]["expected"] >= 0


def test_worlds_and_replicates_multiply_sessions() -> None:
    def sessions(*more: object) -> int:
        done = audition("plan", "quickstart", *SETS, *more, "--json")
        assert done.code == 0, done.err
        return int(json.loads(done.out)["sessions"])

    assert sessions() == 80
    assert sessions("--set", "worlds=3", "--set", "agents.replicates=2") == 480


# -- what else is tested ------------------------------------------------------------------------

FOUR = (
    "--set",
    "arms=[{name: Random, recommender: random}, {name: Pop, recommender: popularity}, "
    "{name: C, recommender: random}, {name: D, recommender: random}, "
    "{name: E, recommender: random}]",
)


@pytest.mark.parametrize(
    ("arguments", "tests", "level"),
    [
        ((), 1, "5 %"),
        (FOUR, 4, "5 % / 4 arms"),
        (("--metric", "p_view"), 8, "5 % / 8 tests (1 arm x 8 metrics)"),
        ((*FOUR, "--metric", "p_view"), 32, "5 % / 32 tests (4 arms x 8 metrics)"),
        ((*FOUR, "--set", "evaluation.correction=max-t"), 4, "5 % / 4 arms"),
        ((*FOUR, "--set", "evaluation.correction=none"), 1, "5 %"),
        ((*FOUR, "--set", "evaluation.confidence=0.9"), 4, "10 % / 4 arms"),
    ],
)
def test_sizes_are_those_of_the_corrected_test(
    stored: Path, arguments: tuple[object, ...], tests: int, level: str
) -> None:
    size = sized(stored, "--from", "single", "--difference", 0.3, *arguments)
    assert (size["tests"], size["level"]) == (tests, level)
    (arm,) = size["arms"]
    single = 1 - (1 - size["confidence"]) / tests
    assert arm["needed"] == needed(0.3 / arm["sd"], 0.8, single)
    assert arm["detectable"] == pytest.approx(detectable(40, 0.8, single) * arm["sd"])
    assert size["standardised"][1]["units"] == needed(0.2, 0.8, single)


def test_the_level_is_printed(stored: Path) -> None:
    done = audition("plan", "quickstart", *SETS, "--store", stored, *FOUR, "--from", "single")
    assert "by the spread in single, at 5 % / 4 arms:" in " ".join(done.out.split())
    done = audition("plan", "quickstart", *SETS, *FOUR)
    assert "80% power at 5 % / 4 arms" in " ".join(done.out.split())


def test_the_family_is_that_of_the_verdicts() -> None:
    scenario = load(Path("quickstart"), [*SMALL, FOUR[1]])
    rng = np.random.default_rng(3)
    arms = [arm.name for arm in scenario.arms]
    rows = pd.DataFrame({"arm": np.repeat(arms, 20), "agent": np.tile(np.arange(20), 5)})
    rows["arm"] = pd.Categorical(rows["arm"], categories=arms, ordered=True)
    rows[list(METRICS)] = rng.normal(size=(100, len(METRICS)))
    found = compare(rows, "Random", primary="s_sat", correction="holm")
    for metric, role in (("s_sat", {"primary"}), ("p_view", {"secondary", "guardrail"})):
        family = [one for one in found if one.role in role]
        assert Corrected.of(scenario, metric).tests == len(family)
        first = min(family, key=lambda one: one.p)
        assert first.p_adjusted == pytest.approx(min(1, first.p * len(family)))


@pytest.mark.parametrize("arms", [2, 4])
def test_a_verdict_has_the_power_that_was_planned(arms: int) -> None:
    """One arm differs by half a standard deviation, all share a control: 4,000 experiments."""
    n = needed(0.5, 0.8, Corrected(0.05, arms, 1).confidence)
    assert n is not None
    rng = np.random.default_rng(arms)
    control, own = rng.normal(size=(4_000, n, 1)), rng.normal(size=(4_000, n, arms))
    differences = (own - control) / np.sqrt(2)
    differences[:, :, 0] += 0.5
    p = np.asarray(stats.ttest_1samp(differences, 0, axis=1).pvalue)
    found = np.mean([holm(row)[0] < 0.05 for row in p])
    # Holm's later steps add a little where another arm is called different too.
    assert 0.8 - 3 * 0.0063 < found < 0.83


# -- worlds of another size ---------------------------------------------------------------------


def test_worlds_of_other_sizes_vary_by_what_is_between_and_within_them() -> None:
    """Differences 1, 3 in one world and 5, 7 in the other: 2 within and (16 - 2) / 2 between."""
    found = of_worlds([0, 0, 1, 1], [1.0, 3.0, 5.0, 7.0])

    def sd(agents: int) -> float:
        return spread(found, "B", "A", "x", 0.95, Within("world", agents, 1)).sd

    assert sd(2) == pytest.approx(8**0.5)  # world means 2 and 6, as they are
    assert sd(1) == pytest.approx((7 + 2 / 1) ** 0.5)
    assert sd(8) == pytest.approx((7 + 2 / 8) ** 0.5)


def test_the_true_spread_of_larger_worlds_is_found() -> None:
    rng = np.random.default_rng(5)
    world = np.repeat(np.arange(20_000), 10)
    found = of_worlds(world, rng.normal(0, 0.3, 20_000)[world] + rng.normal(0, 1, 200_000))
    for agents in (10, 40):
        seen = spread(found, "B", "A", "x", 0.95, Within("world", agents, 1))
        assert seen.agents == agents
        assert seen.sd == pytest.approx((0.09 + 1 / agents) ** 0.5, rel=0.03)
        assert seen.sd_unpaired == pytest.approx(seen.sd)  # the control is 0 everywhere


def test_worlds_without_a_spread_of_their_own_are_taken_as_they_are() -> None:
    found = of_worlds([0, 1, 2], [1.0, 2.0, 3.0])
    seen = spread(found, "B", "A", "x", 0.95, Within("world", 50, 1))
    assert seen.sd == pytest.approx(1.0)
    assert seen.agents == 1


def of_worlds(world: ArrayLike, differences: ArrayLike) -> Sessions:
    """Arm A minus control B, which is 0; agents numbered through."""
    worlds = np.asarray(world)
    agents = np.arange(len(worlds))
    rows = pd.DataFrame({"world": np.tile(worlds, 2), "agent": np.tile(agents, 2)})
    rows["x"] = np.concatenate([np.zeros(len(agents)), np.asarray(differences)])
    rows["arm"] = pd.Categorical(np.repeat(["B", "A"], len(agents)), ["B", "A"], ordered=True)
    return sessions(rows, ["x"], "world")


def test_a_run_of_larger_worlds_is_planned_for_larger_worlds(stored: Path) -> None:
    def arm(agents: int) -> tuple[dict[str, Any], list[str]]:
        count = ("--set", f"agents.count={agents}")
        size = sized(stored, "--from", "worlds", "--set", "worlds=5", *count)
        return size["arms"][0], size["notes"]

    (same, nothing), (larger, said) = arm(40), arm(60)
    assert nothing == []
    assert larger["agents_per_world"] == 60
    assert "worlds of 40 agents; figures are for worlds of 60" in said[0]
    with Store.open(stored) as store:
        values = read(store, "worlds").values.pivot_table("s_sat", ["world", "agent"], "arm")
    by_world = (values["Pop"] - values["Random"]).groupby("world")
    assert same["sd"] == pytest.approx(by_world.mean().std(ddof=1))
    between = max(0.0, by_world.mean().var(ddof=1) - by_world.var(ddof=1).mean() / 40)
    assert larger["sd"] ** 2 == pytest.approx(between + by_world.var(ddof=1).mean() / 60)


def test_a_pilot_of_one_agent_a_world_says_for_what_it_holds(tmp_path: Path) -> None:
    where = ("--store", tmp_path / "s.db", "--out", tmp_path)
    done = audition("plan", "quickstart", *SETS, "--set", "worlds=3", "--pilot", 1, *where)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "figures hold for worlds of 1 agent, as in quickstart-pilot" in text


# -- without one, and with a pilot -------------------------------------------------------------


def test_without_a_pilot_a_line_says_how_to_get_one() -> None:
    done = audition("plan", "quickstart", *SETS, "--difference", 0.1)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "--pilot N" in text
    assert "0.2: 199, 0.3: 90" in text
    assert "a difference of 0.1 in s_sat needs their spread" in text


def test_a_pilot_is_an_ordinary_run(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    arguments = ("--pilot", 12, "--store", store, "--out", tmp_path, "--difference", 0.3)
    done = audition("plan", "quickstart", *SETS, *arguments)
    assert done.code == 0, done.err
    assert "pilot of 12 agents: no calls, no cost" in done.err
    assert "by the spread in quickstart-pilot" in " ".join(done.out.split())
    with Store.open(store) as opened:
        assert queries.run(opened, "quickstart-pilot").status == "finished"
        assert len(queries.agents(opened, "quickstart-pilot")) == 12


def test_what_a_pilot_of_a_chat_model_costs_is_said_before_it_is_asked(tmp_path: Path) -> None:
    sets = [part for setting in CHAT for part in ("--set", setting)]
    where = ("--store", tmp_path / "s.db", "--out", tmp_path)
    done = audition("plan", "chat", *sets, "--pilot", 4, *where, "--json")
    assert done.code == 0, done.err
    first, *_ = done.err.splitlines()
    assert "pilot of 4 agents: about" in first
    assert "0.00 USD expected, 0.00 USD at most" in first
    document = json.loads(done.out)
    assert document["size"]["arms"][0]["units"] == 4
    assert document["agents"] == 12


def test_a_metric_that_never_varies_has_no_correlation(stored: Path) -> None:
    arguments = ("--store", stored, "--from", "single", "--metric", "repeat_rate")
    done = audition("plan", "quickstart", *SETS, *arguments)  # one round repeats nothing
    assert done.code == 0
    assert "nan" not in done.out


# -- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "single", "--pilot", 5), "found --from too"),
        (("--from", "nothing"), "found 'nothing'; allowed: single"),
        (("--from", "nothing"), ", worlds.w3, twice, worlds"),
        (("--metric", "joy"), "allowed: p_view"),
        (("--difference", -1), "allowed: a number above 0"),
        (("--difference", "nan"), "allowed: a number above 0"),
        (("--power", 1), "above 0.05, below 1"),
        (("--power", 0.01), "above 0.05, below 1"),
        (("--pilot", 1), "allowed: 2 to 40"),
        (("--pilot", 41), "allowed: 2 to 40"),
        (("--pilot", 5, "--pages", 9), "allowed: 1 to 5, session.max_pages"),
        (("--from", "worlds"), "allowed: one of one world"),
        (("--from", "single", "--set", "grounding=held_out"), "allowed: held_out, as in the"),
        (("--from", "single", "--set", "worlds=2"), "allowed: one of several worlds"),
        (
            ("--from", "single", "--set", "arms.0.name=Chance", "--set", "control=Chance"),
            "the scenario's control, Chance",
        ),
    ],
)
def test_bad_input_is_one_line(stored: Path, arguments: tuple[object, ...], said: str) -> None:
    assert said in refused(stored, *arguments)
