"""Each control on numbers whose answer is known without it."""

from __future__ import annotations

import doctest
from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.audit import audit, chance, control, doses, slots, tastes, truth
from simulator.audit.control import Control, Panel, State
from simulator.evaluation.simulated import METRICS
from simulator.scenario import Order

N = 200
RNG = np.random.default_rng(4)
NOISE = RNG.normal(0, 0.5, (N, 8))


def panel(arms: Mapping[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Panel:
    """Every metric alike."""
    frame = pd.DataFrame(dict(arms), index=pd.Index(range(N), name="agent"))
    return Panel(dict.fromkeys(METRICS, frame))


@pytest.mark.parametrize("module", [chance, control, doses, slots, truth])
def test_examples(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried
    assert not failed


# -- A/A ---------------------------------------------------------------------------------------


def _log(watched: Sequence[float | None]) -> pd.DataFrame:
    arm = pd.Categorical(["one"] * 3 + ["again"] * 3)
    shown = [True, False, None]
    return pd.DataFrame({"arm": arm, "agent": [1, 2, 3] * 2, "watched": [*shown, *watched]})


@pytest.mark.parametrize(
    ("watched", "unlike"), [([True, False, None], 0), ([True, True, None], 1), ([None] * 3, 2)]
)
def test_logs_are_the_same_where_both_lack_a_value(
    watched: list[float | None], unlike: int
) -> None:
    assert chance.unlike(_log(watched), "one", "again") == unlike


def test_one_agent_that_differs_in_one_metric_fails_the_same_draw() -> None:
    same = NOISE[:, 0]
    other = same.copy()
    other[17] += 1e-9
    sessions = pd.DataFrame({"arm": ["one", "again"], "agent": [1, 1], "outcome": ["ok", "ok"]})
    logs = {"sessions": sessions, "exposures": sessions}
    assert chance.same_draw(panel({"one": same, "again": same}), logs, "one", "again").state == (
        "pass"
    )
    assert chance.same_draw(panel({"one": same, "again": other}), logs, "one", "again").state == (
        "fail"
    )


@given(st.integers(20, 1000), st.floats(0.01, 0.2))
def test_the_band_is_the_exact_binomial_one(n: int, alpha: float) -> None:
    low, high = chance.band(n, alpha)
    count = stats.binom(n, alpha)
    assert count.cdf(high) - count.cdf(low - 1) >= chance.INSIDE
    assert count.cdf(low - 1) <= 0.005 < count.cdf(low)
    assert count.sf(high) <= 0.005 + 1e-12


def test_draws_that_differ_too_often_fail_and_those_that_never_do_pass() -> None:
    def state(p: list[float]) -> State:
        return chance.other_draws({"s_sat": p}, "s_sat", 0.95).state

    honest = [0.01] * 10 + [0.5] * 190
    assert state(honest) == "pass"
    assert state([0.01] * 40 + [0.5] * 160) == "fail"
    assert state([0.5] * 200) == "fail"  # a test that never rejects misses what is there
    assert state([1.0] * 200) == "pass"  # nothing there depends on chance
    assert state([float("nan")] * 200) == "cannot tell"


# -- swapped tastes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "others", "state"),
    [(1.0, 0.0, "pass"), (1.0, 1.0, "fail"), (1.0, 0.7, "fail"), (0.0, 0.0, "cannot tell")],
)
def test_a_gain_must_be_lost_with_the_tastes(own: float, others: float, state: State) -> None:
    arms = {
        "EASE": NOISE[:, 0] + own,
        "EASE swapped": NOISE[:, 1] + others,
        "Pop": NOISE[:, 2],
        "Pop swapped": NOISE[:, 3],
    }
    found = tastes.swapped(
        panel(arms), "s_sat", ("EASE", "EASE swapped"), ("Pop", "Pop swapped"), 0.95
    )
    assert found.state == state
    row = next(row for row in found.rows if row.what == "s_sat: gain lost")
    gone = (arms["EASE"] - arms["Pop"]) - (arms["EASE swapped"] - arms["Pop swapped"])
    expected = stats.ttest_1samp(gone, 0)
    assert row.value == pytest.approx(gone.mean(), abs=1e-12)
    assert row.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (row.low, row.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_missing_agents_leave_every_control_open() -> None:
    some = NOISE[:, 0].copy()
    some[:5] = np.nan
    arms = {"a": some, "b": NOISE[:, 1], "c": NOISE[:, 2], "d": NOISE[:, 3]}
    known = panel(arms)
    assert tastes.swapped(known, "s_sat", ("a", "b"), ("c", "d"), 0.95).state == "cannot tell"
    found = doses.doses(known, "s_sat", [(0.0, "a"), (1.0, "b")], 0.95)
    assert found.state == "cannot tell"
    assert "2.5%" in found.sentence


# -- dose-response and extremes ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "state"),
    [
        ([1.0, 0.75, 0.5, 0.25, 0.0], "pass"),
        ([1.0, 0.8, 0.8, 0.2, 0.0], "pass"),
        ([0.0, 0.0, 0.0, 0.0, 0.0], "fail"),
        ([0.0, 0.25, 0.5, 0.75, 1.0], "fail"),
        ([1.0, 0.2, 0.8, 0.2, 0.0], "fail"),  # falls, but from one dose to the next it rises
    ],
)
def test_outcomes_must_fall_with_the_dose(levels: list[float], state: State) -> None:
    arms = {f"d{i}": level + NOISE[:, i] for i, level in enumerate(levels)}
    found = doses.doses(panel(arms), "s_sat", [(i / 4, f"d{i}") for i in range(5)], 0.95)
    assert found.state == state


def test_less_of_a_metric_of_which_less_is_better_is_a_rise() -> None:
    arms = {f"d{i}": i / 4 + NOISE[:, i] for i in range(5)}
    found = doses.doses(panel(arms), "repeat_rate", [(i / 4, f"d{i}") for i in range(5)], 0.95)
    assert found.state == "pass"


@pytest.mark.parametrize(
    ("levels", "state"),
    [
        ((2.0, 0.0, 1.0), "pass"),
        ((1.0, 0.0, 2.0), "fail"),
        ((1.0, 1.0, 1.0), "fail"),
        ((1.0, 0.0, 1.0), "cannot tell"),
    ],
)
def test_the_oracle_is_above_all_and_random_below(
    levels: tuple[float, float, float], state: State
) -> None:
    shift = [-0.02, 0.0, 0.02] if state == "cannot tell" else [0.0, 0.0, 0.0]
    arms = {
        name: NOISE[:, 0] * 0.1 + level + NOISE[:, i + 1] + shift[i]
        for i, (name, level) in enumerate(zip(("oracle", "random", "mf"), levels, strict=True))
    }
    if state == "cannot tell":
        arms["mf"] = arms["oracle"] + NOISE[:, 5] - NOISE[:, 5].mean()
    worth = {"oracle": 2 + NOISE[:, 0], "random": NOISE[:, 0], "mf": 1 + NOISE[:, 0]}
    known = Panel({"quality": panel(worth).by_metric["s_sat"] + 0.01 * NOISE[:, :3]})
    found = doses.extremes(panel(arms), known, "s_sat", "oracle", "random", ["mf"], 0.95)
    assert found.state == state, found.sentence


def test_an_arm_that_is_truly_no_better_than_random_need_not_be_above_it() -> None:
    arms = {"oracle": 2 + NOISE[:, 0], "random": NOISE[:, 1], "bad": NOISE[:, 2] - 0.02}
    worth = {"oracle": 2 + NOISE[:, 0], "random": NOISE[:, 3], "bad": NOISE[:, 3]}
    known = Panel({"quality": panel(worth).by_metric["s_sat"]})
    found = doses.extremes(panel(arms), known, "s_sat", "oracle", "random", ["bad"], 0.95)
    assert found.state == "pass"


# -- slots ---------------------------------------------------------------------------------------


def _exposures(of_slot: float, of_merit: float) -> pd.DataFrame:
    """Three orders of pages of four, watched by a logistic rule."""
    rng = np.random.default_rng(8)
    frames = []
    for arm in ("r", "v", "s"):
        n = 150 * 8 * 4
        frame = pd.DataFrame(
            {
                "arm": arm,
                "agent": np.repeat(np.arange(150), 32),
                "slot": np.tile([1, 2, 3, 4], n // 4),
                "utility": rng.random(n),
                "relevant": rng.random(n) < 0.4,
            }
        )
        odds = of_slot * (2.5 - frame["slot"]) + of_merit * (frame["utility"] - 0.5)
        frame["watched"] = rng.random(n) < 1 / (1 + np.exp(-odds))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    ("of_slot", "of_merit", "state"),
    [(0.1, 2.0, "pass"), (1.5, 1.0, "fail"), (0.0, 0.0, "cannot tell")],
)
def test_position_must_not_decide_more_than_merit(
    of_slot: float, of_merit: float, state: State
) -> None:
    orders: dict[Order, str] = {"ranked": "r", "reversed": "v", "shuffled": "s"}
    found = slots.slots(_exposures(of_slot, of_merit), orders, 0.95, seed=1)
    assert found.state == state
    assert [row["slot"] for row in found.found["rates"]["shuffled"]] == [1, 2, 3, 4]


def test_a_run_like_the_published_one_of_agent4rec_is_refused() -> None:
    """Watched by slot .91 / .54 / .38 / .19; relevant .40, AUC about .56 (evidence of 1,000
    gpt-3.5-turbo agents)."""
    rng = np.random.default_rng(3)
    n = 700 * 12
    slot = np.tile([1, 2, 3, 4], n // 4)
    relevant = rng.random(n) < 0.4
    rate = np.array([0.91, 0.54, 0.38, 0.19])[slot - 1]
    watched = rng.random(n) < rate + np.where(relevant, 0.07, -0.05)
    columns = {"agent": np.repeat(np.arange(700), 12), "slot": slot, "watched": watched}
    frame = pd.DataFrame({"arm": "s", **columns, "relevant": relevant, "utility": np.nan})
    found = slots.slots(frame, {"shuffled": "s"}, 0.95, seed=1)
    by_slot, by_merit = found.rows[1].value, found.rows[2].value
    assert by_slot == pytest.approx(0.79, abs=0.02)
    assert by_merit == pytest.approx(0.56, abs=0.02)
    assert found.state == "fail"


def test_without_any_known_merit_position_cannot_be_judged() -> None:
    frame = _exposures(1.0, 1.0).assign(utility=np.nan, relevant=None)
    found = slots.slots(frame, {"shuffled": "s"}, 0.95, seed=1)
    assert found.state == "cannot tell"
    assert found.rows[0].value > 0


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_auc_is_mann_and_whitneys(pairs: list[tuple[int, bool]]) -> None:
    score = np.array([a for a, _ in pairs], dtype=np.float64)
    positive = np.array([b for _, b in pairs], dtype=np.float64)
    found = slots.auc(score, positive, np.ones(len(pairs)))
    up, down = score[positive == 1], score[positive == 0]
    if not len(up) or not len(down):
        assert np.isnan(found)
        return
    expected = stats.mannwhitneyu(up, down, method="asymptotic").statistic
    assert found == pytest.approx(expected / (len(up) * len(down)))


def test_a_weight_counts_as_so_many_rows() -> None:
    score, positive = np.array([1.0, 3.0, 2.0]), np.array([0.0, 1.0, 0.0])
    twice = slots.auc(np.append(score, 3.0), np.append(positive, 1.0), np.ones(4))
    assert slots.auc(score, positive, np.array([1.0, 2.0, 1.0])) == pytest.approx(twice)


# -- agreement with the truth --------------------------------------------------------------------


@given(
    st.integers(3, 9).flatmap(
        lambda k: st.tuples(*[st.lists(st.integers(0, 5), min_size=k, max_size=k)] * 2)
    )
)
def test_tau_is_scipys(pair: tuple[list[int], list[int]]) -> None:
    x, y = (np.array([values], dtype=np.float64) for values in pair)
    found = float(truth.tau_b(x, y)[0])
    assert found == pytest.approx(stats.kendalltau(*pair).statistic, abs=1e-12, nan_ok=True)


def _known(worth: Sequence[float]) -> Panel:
    arms = {f"a{i}": value + 0.05 * NOISE[:, i] for i, value in enumerate(worth)}
    frame = panel(arms).by_metric["s_sat"]
    return Panel({"quality": frame, "ndcg": frame.assign(a0=np.nan), "recall": -frame})


WORTH = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]


@pytest.mark.parametrize(
    ("scale", "state", "chosen", "regret"),
    [(5.0, "pass", "a1", 0.0), (0.0, "fail", None, None), (-5.0, "fail", "a7", 0.6)],
)
def test_the_simulated_order_is_held_against_the_true_one(
    scale: float, state: State, chosen: str | None, regret: float | None
) -> None:
    seen = panel({f"a{i}": scale * v + NOISE[:, 7 - i] for i, v in enumerate(WORTH)})
    # a0 is the oracle: nobody could ship it.
    candidates = [f"a{i}" for i in range(1, 8)]
    found = truth.agreement(seen, _known(WORTH), "s_sat", candidates, 0.95, seed=2)
    assert found.state == state
    assert set(found.found["tau"]) == {"s_sat", "recall"}  # ndcg has no agent with all arms
    assert found.found["tau"]["recall"][0] == pytest.approx(-1)
    if chosen is not None:
        assert found.found["chosen"]["s_sat"] == chosen
        row = next(row for row in found.rows if row.what.startswith("simulated s_sat: regret"))
        assert row.value == pytest.approx(regret, abs=0.03)


def test_arms_that_are_all_alike_are_in_no_order() -> None:
    seen = panel({f"a{i}": NOISE[:, 0] for i in range(8)})
    found = truth.agreement(seen, _known(WORTH), "s_sat", ["a1"], 0.95, seed=2)
    assert (found.state, found.sentence[:10]) == ("fail", "All 8 arms")


# -- the verdict ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "required", "verdict"),
    [
        (("pass", "pass"), True, audit.TRUSTED),
        (("pass", "fail"), True, "cannot be trusted: c1"),
        (("cannot tell", "fail"), True, "cannot be trusted: c1"),
        (("pass", "cannot tell"), True, "cannot tell: c1"),
        (("pass", "cannot tell"), False, audit.TRUSTED),
    ],
)
def test_one_failed_control_withdraws_trust(
    states: tuple[State, ...], required: bool, verdict: str
) -> None:
    controls = [
        Control(f"c{i}", "?", state, "", required=required) for i, state in enumerate(states)
    ]
    assert audit.verdict(controls) == verdict
