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
    agents = pd.RangeIndex(len(next(iter(arms.values()))), name="agent")
    return Panel(dict.fromkeys(METRICS, pd.DataFrame(dict(arms), index=agents)))


# -- the numbers that all are made of ------------------------------------------------------------


@pytest.mark.parametrize(("n", "known"), [(2, False), (5, False), (6, True), (200, True)])
def test_agents_that_are_all_alike_show_what_their_signs_alone_can(n: int, known: bool) -> None:
    """Two-sided, 2 of the 2^n ways to flip signs are as far out: 0.0625 of five, 0.03125 of six."""
    row = control.measured("gain", np.full(n, 0.3), 0.95)
    assert row.p == 2.0 ** (1 - n)
    assert (row.low > 0) == known
    none = control.measured("gain", np.zeros(n), 0.95)
    assert none.p == 1
    assert control.negligible(none, 0) == known


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
def test_the_bounds_are_exact_binomial_ones(n: int, alpha: float) -> None:
    few, most = chance.bounds(n, alpha)
    count = stats.binom(n, alpha)
    assert count.cdf(few - 1) <= 0.01 < count.cdf(few)
    assert count.sf(most) <= 0.01 + 1e-12
    assert count.sf(most - 1) > 0.01 - 1e-12


@pytest.mark.parametrize(
    ("p_values", "state", "said"),
    [
        ([0.01] * 10 + [0.5] * 190, "pass", "in 18 at most."),
        ([0.01] * 18 + [0.5] * 182, "pass", "in 18 at most."),
        ([0.01] * 19 + [0.5] * 181, "fail", "in 18 at most."),
        ([0.5] * 200, "pass", "it is cautious here, and misses more"),
        ([1.0] * 200, "pass", "does not depend on chance"),
        ([float("nan")] * 200, "cannot tell", "no values"),
    ],
)
def test_only_draws_that_differ_too_often_fail(
    p_values: list[float], state: State, said: str
) -> None:
    found = chance.other_draws({"s_sat": p_values}, "s_sat", 0.95)
    assert (found.state, said in found.sentence) == (state, True), found.sentence


# -- swapped tastes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "others", "state"),
    [
        (1.0, 0.0, "pass"),
        (1.0, 0.3, "pass"),
        (1.0, 0.45, "cannot tell"),  # 0.05 beyond half of it, give or take 0.11
        (1.0, 0.55, "cannot tell"),
        (1.0, 0.7, "fail"),
        (1.0, 1.0, "fail"),
        (0.0, 0.0, "cannot tell"),
    ],
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


FALLING = [1.0, 0.75, 0.5, 0.25, 0.0]


def _doses(
    levels: Sequence[float], noise: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> Control:
    arms = {f"d{i}": level + noise[:, i] for i, level in enumerate(levels)}
    return doses.doses(panel(arms), "s_sat", [(i / 4, f"d{i}") for i in range(5)], 0.95)


@pytest.mark.parametrize(
    ("levels", "state"),
    [
        (FALLING, "pass"),
        ([1.0, 0.8, 0.8, 0.2, 0.0], "pass"),
        (FALLING[::-1], "fail"),
        ([1.0, 0.2, 0.8, 0.2, 0.0], "fail"),  # falls, but from one dose to the next it rises
    ],
)
def test_outcomes_must_fall_with_the_dose(levels: list[float], state: State) -> None:
    assert _doses(levels, NOISE).state == state


def test_an_audience_that_doses_leave_cold_fails_once_there_are_enough_of_it() -> None:
    """Agents differ by 0.5, so that less than 0.1 does not matter. Their own differences are a
    tenth of that, or as large as those between agents."""
    alike = NOISE[:, :1] + 0.1 * NOISE
    assert _doses([0.0] * 5, alike).state == "fail"
    assert _doses([0.05, 0.04, 0.03, 0.02, 0.01], alike).state == "fail"  # falls by 0.04
    assert _doses(FALLING, alike).state == "pass"
    assert _doses([0.0] * 5, NOISE[:40]).state == "cannot tell"
    assert _doses([0.0] * 5, np.zeros((N, 5))).state == "fail"
    assert _doses([0.0] * 5, np.zeros((5, 5))).state == "cannot tell"


@pytest.mark.parametrize("n", [5, 8])
def test_few_agents_are_no_reason_for_distrust(n: int) -> None:
    """A trend of one standard deviation: too little for so few to be sure of."""
    rng = np.random.default_rng(n)
    states = [_doses(FALLING, rng.normal(0, 1, (n, 5))).state for _ in range(60)]
    assert states.count("fail") <= 3  # a step that rises, beyond chance at 2.5 %
    assert states.count("cannot tell") > 15


def test_less_of_a_metric_of_which_less_is_better_is_a_rise() -> None:
    arms = {f"d{i}": i / 4 + NOISE[:, i] for i in range(5)}
    found = doses.doses(panel(arms), "repeat_rate", [(i / 4, f"d{i}") for i in range(5)], 0.95)
    assert found.state == "pass"


@pytest.mark.parametrize(
    ("levels", "state"),
    [
        ((2.0, 0.0, 1.0), "pass"),
        ((1.0, 0.0, 2.0), "fail"),
        ((0.0, 1.0, 0.5), "fail"),
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
    assert [row.what for row in found.rows[1:]] == ["s_sat: oracle over bad"]
    assert found.sentence.endswith(
        "beyond doubt as well the 1 other pair that is truly apart: oracle over bad."
    )


def test_pairs_that_were_tested_are_counted_and_named() -> None:
    level = {"oracle": 3.0, "random": 0.0, "a": 2.0, "b": 2.0, "c": 1.0}
    arms = {name: value + NOISE[:, i] for i, (name, value) in enumerate(level.items())}
    known = Panel({"quality": panel(arms | {"b": arms["oracle"]}).by_metric["s_sat"]})
    found = doses.extremes(panel(arms), known, "s_sat", "oracle", "random", ["a", "b", "c"], 0.95)
    assert found.state == "pass"
    assert found.sentence.endswith(
        "beyond doubt as well the 5 other pairs that are truly apart: oracle over a, c; "
        "a, b, c over random."
    )


def test_extremes_that_are_alike_fail_once_there_are_agents_enough() -> None:
    worth = {"oracle": 2 + NOISE[:, 0], "random": NOISE[:, 1]}
    known = Panel({"quality": panel(worth).by_metric["s_sat"]})

    def state(oracle: np.ndarray[tuple[int], np.dtype[np.float64]], n: int) -> State:
        arms = {"oracle": oracle[:n], "random": NOISE[:n, 2]}
        return doses.extremes(panel(arms), known, "s_sat", "oracle", "random", [], 0.95).state

    assert state(NOISE[:, 2], N) == "fail"
    assert state(NOISE[:, 2] + 0.1 * NOISE[:, 3], N) == "fail"
    apart = NOISE[:20, 3] - NOISE[:20, 2]
    assert state(NOISE[:20, 2] + apart - apart.mean(), 20) == "cannot tell"


# -- slots ---------------------------------------------------------------------------------------


TOP, BOTTOM, MIDDLE = (1.5, 0.5, -0.5, -1.5), (-1.5, -0.5, 0.5, 1.5), (-1.0, 1.0, 1.0, -1.0)
ORDERS: dict[Order, str] = {"ranked": "r", "reversed": "v", "shuffled": "s"}


def _exposures(
    of_slot: Sequence[float], of_merit: float, seed: int = 8, agents: int = 150
) -> pd.DataFrame:
    """Three orders of pages of four, watched by a logistic rule."""
    rng = np.random.default_rng(seed)
    frames = []
    for arm in ("r", "v", "s"):
        n = agents * 8 * 4
        frame = pd.DataFrame(
            {
                "arm": arm,
                "agent": np.repeat(np.arange(agents), 32),
                "slot": np.tile([1, 2, 3, 4], n // 4),
                "utility": rng.random(n),
                "relevant": rng.random(n) < 0.4,
            }
        )
        odds = np.array(of_slot)[frame["slot"] - 1] + of_merit * (frame["utility"] - 0.5)
        frame["watched"] = rng.random(n) < 1 / (1 + np.exp(-odds))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize(
    ("of_slot", "of_merit", "state"),
    [
        ((0.15, 0.05, -0.05, -0.15), 2.0, "pass"),
        ((-0.15, -0.05, 0.05, 0.15), 2.0, "pass"),
        (TOP, 1.0, "fail"),
        (BOTTOM, 1.0, "fail"),
        (MIDDLE, 1.0, "fail"),
        ((0.0,) * 4, 0.0, "cannot tell"),
        ((0.0,) * 4, -2.0, "fail"),  # what is bad is watched
    ],
)
def test_position_must_not_decide_more_than_merit(
    of_slot: Sequence[float], of_merit: float, state: State
) -> None:
    found = slots.slots(_exposures(of_slot, of_merit), ORDERS, 0.95, seed=1)
    assert found.state == state, found.sentence
    assert [row["slot"] for row in found.found["rates"]["shuffled"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("new", [(4, 3, 2, 1), (2, 4, 1, 3), (3, 1, 2, 4)])
def test_it_is_the_same_which_slots_are_preferred(new: tuple[int, ...]) -> None:
    frame = _exposures(TOP, 1.0)
    moved = frame.assign(slot=np.array(new)[frame["slot"] - 1])
    one, other = (slots.slots(f, ORDERS, 0.95, seed=1).rows[1:4] for f in (frame, moved))
    assert one == other
    assert one[0].value > 0.7


def test_slots_without_a_habit_tell_nothing_and_are_not_made_to() -> None:
    found = [
        slots.slots(_exposures((0.0,) * 4, 1.0, seed, agents=20), ORDERS, 0.95, seed=1).rows[1]
        for seed in range(30)
    ]
    values = [row.value for row in found]
    assert stats.ttest_1samp(values, 0.5).pvalue > 0.01
    assert max(values) < 0.58


def test_merit_is_as_coarse_as_slots_are() -> None:
    """Both tell the same of watching here, and neither is favoured."""
    rng = np.random.default_rng(5)
    frame = _exposures((0.0,) * 4, 0.0)
    for_merit = (4 * frame["utility"]).astype(int) - 1.5
    odds = 1.5 - (frame["slot"] - 1) + for_merit
    frame["watched"] = rng.random(len(frame)) < 1 / (1 + np.exp(-odds))
    found = slots.slots(frame, ORDERS, 0.95, seed=1)
    assert found.state == "cannot tell"
    assert found.rows[3].value == pytest.approx(0, abs=0.02)


def test_few_agents_cannot_tell_position_from_merit() -> None:
    found = slots.slots(_exposures(TOP, 0.0, agents=7), ORDERS, 0.95, seed=1)
    assert (found.state, found.sentence[:8]) == ("cannot tell", "7 agents")


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
    assert found.sentence.endswith(
        "position tells more than what little is known of the items does."
    )


def test_without_any_known_merit_position_cannot_be_judged() -> None:
    frame = _exposures(TOP, 1.0).assign(utility=np.nan, relevant=None)
    found = slots.slots(frame, {"shuffled": "s"}, 0.95, seed=1)
    assert found.state == "cannot tell"
    assert found.rows[0].value > 0


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
def test_auc_is_mann_and_whitneys(pairs: list[tuple[int, bool]]) -> None:
    group = np.array([a for a, _ in pairs])
    positive = np.array([b for _, b in pairs])
    score = np.array([2.0, 7.0, 1.0, 7.0, 3.0])  # two groups are alike
    up, down = (np.bincount(group[which], minlength=5) for which in (positive, ~positive))
    found = slots.auc(score, up[None].astype(float), down[None].astype(float))[0]
    if not up.any() or not down.any():
        assert np.isnan(found)
        return
    expected = stats.mannwhitneyu(score[group[positive]], score[group[~positive]])
    assert found == pytest.approx(expected.statistic / (up.sum() * down.sum()))


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
    [(5.0, "pass", "a1", 0.0), (-5.0, "fail", "a7", 0.6)],
)
def test_the_simulated_order_is_held_against_the_true_one(
    scale: float, state: State, chosen: str, regret: float
) -> None:
    seen = panel({f"a{i}": scale * v + NOISE[:, 7 - i] for i, v in enumerate(WORTH)})
    # a0 is the oracle: nobody could ship it.
    candidates = [f"a{i}" for i in range(1, 8)]
    found = truth.agreement(seen, _known(WORTH), "s_sat", candidates, 0.95, seed=2)
    assert found.state == state
    assert set(found.found["tau"]) == {"s_sat", "recall"}  # ndcg has no agent with all arms
    assert found.found["tau"]["recall"][0] == pytest.approx(-1)
    assert found.found["chosen"]["s_sat"] == chosen
    row = next(row for row in found.rows if row.what.startswith("simulated s_sat: regret"))
    assert row.value == pytest.approx(regret, abs=0.03)


@pytest.mark.parametrize(
    ("n", "scale", "own", "state"),
    [
        (N, 0.0, 0.1, "fail"),  # to agents that differ by 0.5, no arm is another by 0.1
        (N, 0.0, 1.0, "cannot tell"),
        (20, 0.0, 1.0, "cannot tell"),
        (8, 5.0, 1.0, "pass"),
        (8, -5.0, 1.0, "fail"),
        (7, 5.0, 1.0, "cannot tell"),
    ],
)
def test_no_order_is_a_failure_where_it_would_have_been_seen(
    n: int, scale: float, own: float, state: State
) -> None:
    """``own``: how large differences within an agent are, of those between agents."""
    rng = np.random.default_rng(6)
    shared, noise = rng.normal(0, 0.5, (N, 1)), rng.normal(0, 1.0, (N, 8))
    seen = {
        f"a{i}": (scale * v + (shared[:, 0] + own * noise[:, i]))[:n] for i, v in enumerate(WORTH)
    }
    known = Panel({name: frame.head(n) for name, frame in _known(WORTH).by_metric.items()})
    found = truth.agreement(panel(seen), known, "s_sat", ["a1", "a2"], 0.95, seed=2)
    assert found.state == state, found.sentence
    assert ("arms" in found.found) == (n >= 8)


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
