"""What is said: families of tests, guardrails, intervals of each kind, and when nothing is."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.evaluation.compare import Comparison, Correction, compare
from simulator.evaluation.multiplicity import holm
from simulator.evaluation.paired import Estimated, Interval
from simulator.evaluation.sequential import looks
from simulator.evaluation.simulated import BOTTOM, METRICS, TOP
from simulator.evaluation.verdicts import guardrail

from .sample import NAN, measured

NAMES = ("s_sat", "n_like", "repeat_rate", "p_view")
SOME = {name: METRICS[name] for name in NAMES}


def trial(n: int = 60, seed: int = 1, **effects: float) -> pd.DataFrame:
    """Three arms; B differs from A by ``effects`` in the metrics named, C in nothing."""
    rng = np.random.default_rng(seed)
    arms: dict[str, dict[str, list[float]]] = {arm: {} for arm in "ABC"}
    for name in NAMES:
        taste = rng.normal(5, 1, n)
        for arm, side in arms.items():
            side[name] = (
                taste + (arm == "B") * effects.get(name, 0.0) + rng.normal(0, 1, n)
            ).tolist()
    return measured(**arms)


def by_name(found: list[Comparison]) -> dict[tuple[str, str], Comparison]:
    return {(row.arm, row.metric): row for row in found}


def test_the_primary_metric_is_corrected_over_arms_only() -> None:
    values = trial(s_sat=0.3)
    found = by_name(compare(values, "A", primary="s_sat", guardrails={"n_like": 1}, metrics=SOME))
    roles = {metric: row.role for (_, metric), row in found.items()}
    assert roles == {
        "s_sat": "primary",
        "n_like": "guardrail",
        "repeat_rate": "secondary",
        "p_view": "secondary",
    }
    for names in (("s_sat",), ("n_like", "repeat_rate", "p_view")):
        rows = [found[arm, name] for arm in "BC" for name in names]
        assert [row.p_adjusted for row in rows] == holm([row.p for row in rows])


def test_max_t_asks_less_of_correlated_metrics_than_holm() -> None:
    values = trial(n_like=0.4)
    for name in ("repeat_rate", "p_view"):
        values[name] = values["n_like"] + 0.01 * values[name]
    family = {name: SOME[name] for name in ("n_like", "repeat_rate", "p_view")}
    by_holm, by_flips = (
        by_name(compare(values, "A", correction=kind, metrics=family)) for kind in ("holm", "max-t")
    )
    assert by_flips["B", "n_like"].p_adjusted < by_holm["B", "n_like"].p_adjusted
    assert all(row.p_adjusted >= row.p for row in by_flips.values())
    again = by_name(compare(values, "A", correction="max-t", metrics=family))
    assert again == by_flips


def test_max_t_of_one_test_with_gaps_is_that_test() -> None:
    values = trial(n=200, s_sat=0.25)
    values.loc[values["agent"] == 3, "s_sat"] = NAN
    (one,) = compare(
        values[values["arm"] != "C"].assign(arm=lambda v: v["arm"].cat.remove_unused_categories()),
        "A",
        correction="max-t",
        metrics={"s_sat": METRICS["s_sat"]},
    )
    assert one.n == 199
    assert one.p_adjusted == pytest.approx(one.p, abs=0.02)


POSSIBLE = "not shown: up to 0.3 worse is possible, allowed is 0.2"
BROKEN = "broken: at least 0.3 worse, allowed 0.2"


@pytest.mark.parametrize(
    ("low", "high", "margin", "better", "text"),
    [
        (-0.3, 0.1, 0.5, 1, "holds: at most 0.3 worse"),
        (0.2, 0.6, 0.0, 1, "holds: at most 0 worse"),
        (-0.3, 0.1, 0.2, 1, POSSIBLE),
        (-0.9, -0.3, 0.2, 1, BROKEN),
        (-0.9, -0.3, 0.2, -1, "holds: at most 0 worse"),
        (-0.1, 0.3, 0.2, -1, POSSIBLE),
        (0.3, 0.9, 0.2, -1, BROKEN),
        (0.3, 0.9, 0.2, 0, BROKEN),
        (-0.9, -0.3, 0.2, 0, BROKEN),
        (-0.1, 0.1, 0.2, 0, "holds: at most 0.1 worse"),
        (0.0, 0.0, 0.0, 1, "holds: at most 0 worse"),
    ],
)
def test_guardrails(low: float, high: float, margin: float, better: int, text: str) -> None:
    got = guardrail(Estimated((low + high) / 2, low, high, p=0.5), margin, better, None)
    assert (got.margin, got.holds, got.text) == (margin, text.startswith("holds"), text)


def test_a_guardrail_is_silent_where_a_verdict_is() -> None:
    values = trial()
    values["failed"] = (values["agent"] < 3) & (values["arm"] == "B")
    found = by_name(compare(values, "A", guardrails={"n_like": 0.5}, metrics=SOME))
    lost, kept = found["B", "n_like"].guardrail, found["C", "n_like"].guardrail
    assert lost is not None
    assert kept is not None
    assert (lost.holds, lost.text) == (None, "withheld: 5.0% of an arm's sessions failed")
    assert kept.holds is not None
    assert found["B", "p_view"].guardrail is None
    coupled = by_name(compare(values, "A", guardrails={"n_like": 0.5}, metrics=SOME, refitted=True))
    silent = coupled["C", "n_like"].guardrail
    assert silent is not None
    assert silent.holds is None


def test_margins_are_the_metrics_own() -> None:
    values = trial(n=400)
    found = by_name(compare(values, "A", margins={"s_sat": 0.35, "n_like": 0.01}, metrics=SOME))
    assert found["C", "s_sat"].verdict == "no difference larger than 0.35"
    assert found["C", "n_like"].verdict == "inconclusive"


def test_an_arm_that_loses_more_sessions_is_no_fair_comparison() -> None:
    """12 of 2,000 are few, but all of one arm: p = 2 * 0.5^12."""
    values = trial(n=2000, s_sat=0.5)
    values["failed"] = (values["agent"] < 12) & (values["arm"] == "B")
    found = by_name(compare(values, "A", metrics=SOME))
    assert found["B", "s_sat"].verdict == (
        "withheld: the arms lose sessions unequally (12 only in B, 0 only in A, p = 0.0005)"
    )
    assert not found["C", "s_sat"].verdict.startswith("withheld")
    values["failed"] = values["agent"] < 12  # the same agents everywhere
    assert by_name(compare(values, "A", metrics=SOME))["B", "s_sat"].verdict == "better"


def test_sessions_that_are_not_there_are_told_apart_from_undefined_values() -> None:
    values = trial(n=50)
    half = values[~((values["arm"] == "B") & (values["agent"] < 25))]
    found = by_name(compare(half, "A", metrics=SOME))
    assert found["B", "s_sat"].verdict == "withheld: 50.0% of the agents have no pair of sessions"
    assert found["C", "s_sat"].missing == 0


def ratios(values: pd.DataFrame) -> pd.DataFrame:
    """Parts of p_view: agents with an odd number were shown nothing in B."""
    shown = np.where((values["agent"] % 2 == 1) & (values["arm"] == "B"), 0.0, 4.0)
    watched = np.where(shown > 0, 1.0 + (values["arm"] == "B"), 0.0)
    keys = values[["arm", "round", "agent"]]
    return keys.assign(**{"p_view.top": watched, "p_view.bottom": shown})


def test_the_ratio_of_sums_is_there_where_agents_have_none() -> None:
    values = trial(n=40)
    parts = ratios(values)
    values["p_view"] = parts["p_view.top"] / parts["p_view.bottom"]
    found = by_name(compare(values, "A", parts=parts, metrics=SOME))
    row = found["B", "p_view"]
    assert row.verdict == "withheld: undefined for 50.0% of the agents; see the ratio of sums"
    assert row.ratio is not None
    assert (row.ratio.control, row.ratio.arm, row.ratio.difference) == (0.25, 0.5, 0.25)
    assert found["B", "s_sat"].ratio is None
    assert by_name(compare(values, "A", metrics=SOME))["B", "p_view"].ratio is None
    # half the agents: B could be all 0 or all 1 there, 0.25 better elsewhere
    assert row.bounds is not None
    assert (row.bounds.low, row.bounds.high) == pytest.approx((0.25 * 0.5 - 0.125, 0.125 + 0.375))


def test_bounds_only_where_something_is_missing_and_bounded() -> None:
    values = trial(n=50)
    values.loc[(values["agent"] == 0) & (values["arm"] == "B"), ["s_sat", "n_like"]] = NAN
    found = by_name(compare(values, "A", metrics=SOME))
    assert found["B", "s_sat"].bounds is not None
    assert found["B", "n_like"].bounds is None  # no upper bound
    assert found["C", "s_sat"].bounds is None
    row, bounds = found["B", "s_sat"], found["B", "s_sat"].bounds
    assert bounds.high - bounds.low == pytest.approx((10 - 1) / 50)
    assert bounds.low < row.difference * 49 / 50 + 0.2


def test_covariates_narrow_the_interval_and_decide_on_request() -> None:
    rng = np.random.default_rng(5)
    values, x = trial(n=80), stats.zscore(rng.normal(size=80))
    helped = values["arm"] == "B"
    values.loc[helped, "s_sat"] += 0.6 + 3.0 * x
    known = pd.DataFrame({"agent": range(80), "x": x, "empty": NAN})
    said, followed = (
        by_name(compare(values, "A", covariates=known, population=80, adjust=adjust, metrics=SOME))[
            "B", "s_sat"
        ]
        for adjust in (False, True)
    )
    assert said.adjusted == followed.adjusted
    assert said.adjusted is not None
    assert said.adjusted.high - said.adjusted.low < 0.8 * (said.high - said.low)
    assert said.adjusted.variance_kept < 0.6
    assert said.adjusted.difference == pytest.approx(said.difference)  # centred on these agents
    own = followed.adjusted
    assert own is not None
    assert (own.difference, own.low, own.high, own.p) == (
        followed.difference,
        followed.low,
        followed.high,
        followed.p,
    )
    assert (said.estimate, followed.estimate) == ("plain", "adjusted")
    kept = followed.minimum_detectable / said.minimum_detectable
    assert kept == pytest.approx(own.variance_kept**0.5)
    assert followed.mean - followed.control_mean == pytest.approx(said.difference)
    assert (said.verdict, followed.verdict) == ("inconclusive", "better")
    flips = by_name(
        compare(
            values,
            "A",
            covariates=known,
            population=80,
            adjust=True,
            correction="max-t",
            metrics=SOME,
        )
    )["B", "s_sat"]
    assert flips.p_adjusted == pytest.approx(followed.p_adjusted, abs=0.02)
    many = by_name(compare(values, "A", covariates=known, metrics=SOME))["B", "s_sat"].adjusted
    assert many is not None
    assert many.variance_kept == pytest.approx(1, abs=0.02)  # no more is known of the others
    with pytest.raises(ValueError, match="needs covariates"):
        compare(values, "A", adjust=True, metrics=SOME)


@pytest.mark.parametrize("correction", ["holm", "max-t", "none"])
@pytest.mark.parametrize("interval", ["t", "bca", "anytime"])
def test_a_verdict_by_covariates_shows_their_interval_and_p(
    interval: Interval, correction: Correction
) -> None:
    """The population lies elsewhere than those who played, so the two estimates differ."""
    x = np.random.default_rng(8).normal(size=60)
    values = trial(s_sat=0.3)
    values.loc[values["arm"] == "B", "s_sat"] += x
    known = pd.DataFrame({"agent": range(60), "x": x})
    found = compare(
        values,
        "A",
        covariates=known,
        population={"x": 0.5},
        adjust=True,
        interval=interval,
        planned=60,
        correction=correction,
        metrics=SOME,
    )
    for row in found:
        assert row.adjusted is not None
        assert (row.difference, row.p) == (row.adjusted.difference, row.adjusted.p)
        assert row.low < row.difference < row.high
        assert row.interval == ("anytime" if interval == "anytime" else "t")
        assert row.p_adjusted >= row.p
    row = by_name(found)["B", "s_sat"]
    assert row.difference > row.mean - row.control_mean + 0.3


def test_agents_who_share_a_refit_are_not_adjusted() -> None:
    known = pd.DataFrame({"agent": range(60), "x": np.arange(60.0)})
    found = compare(trial(), "A", covariates=known, adjust=True, refitted=True, metrics=SOME)
    for row in found:
        assert (row.estimate, row.adjusted) == ("plain", None)
        assert row.difference == pytest.approx(row.mean - row.control_mean)


def test_covariates_of_a_population_that_was_sampled_unevenly() -> None:
    """The difference is x; of the population (mean 0) those with x > 0 played."""
    x = np.linspace(-1, 1, 200)
    chosen = np.flatnonzero(x > 0)
    noise = np.random.default_rng(0).normal(0, 0.1, len(chosen))
    values = measured(
        A={"s_sat": [5.0] * len(chosen)}, B={"s_sat": (5 + x[chosen] + noise).tolist()}
    )
    values["agent"] = np.tile(chosen, 2)
    known = pd.DataFrame({"agent": range(200), "x": x})
    one = {"s_sat": METRICS["s_sat"]}
    (row,) = compare(values, "A", covariates=known, population=200, metrics=one)
    assert row.adjusted is not None
    assert row.low > 0.4
    assert row.adjusted.low < 0 < row.adjusted.high < 0.1

    # The same, where only the population's mean was kept; a column without one is not used.
    some = known[known["agent"].isin(chosen)].assign(y=1.0)
    (again,) = compare(values, "A", covariates=some, population={"x": 0.0}, metrics=one)
    assert again.adjusted is not None
    assert asdict(again.adjusted) == pytest.approx(asdict(row.adjusted), abs=1e-9)


def test_an_anytime_interval_decides_by_itself() -> None:
    values = trial(n=200, s_sat=0.6)
    fixed, anytime = (
        by_name(compare(values, "A", interval=kind, planned=200, primary="s_sat", metrics=SOME))
        for kind in ("t", "anytime")
    )
    one, other = fixed["B", "s_sat"], anytime["B", "s_sat"]
    assert (other.interval, other.verdict) == ("anytime", "better")
    assert 1.4 < (other.high - other.low) / (one.high - one.low) < 1.7
    assert (other.difference, other.standard_error) == (one.difference, one.standard_error)
    early = by_name(
        compare(trial(n=29, s_sat=9), "A", interval="anytime", planned=200, metrics=SOME)
    )["B", "s_sat"]
    assert (early.verdict, np.isnan(early.p)) == ("inconclusive", True)
    assert (np.isnan(early.minimum_detectable), early.needed) == (True, None)


def test_ratios_of_sums_are_of_a_fixed_size_only() -> None:
    values = trial(n=40, p_view=0.1)
    ends = {TOP.format("p_view"): 1.0, BOTTOM.format("p_view"): 2.0}
    sides = values[["arm", "agent"]].assign(**ends)
    one = {"p_view": METRICS["p_view"]}
    kinds: list[tuple[Interval, bool]] = [("t", True), ("anytime", False)]
    for interval, there in kinds:
        rows = compare(values, "A", interval=interval, planned=40, parts=sides, metrics=one)
        assert [row.ratio is not None for row in rows] == [there, there]


def test_what_an_anytime_interval_could_have_seen_is_seen_that_often() -> None:
    values = trial(n=200)
    one = {"s_sat": METRICS["s_sat"]}
    row = by_name(compare(values, "A", interval="anytime", planned=200, metrics=one))["B", "s_sat"]
    half = (row.high - row.low) / 2
    assert row.needed is None
    assert row.minimum_detectable == pytest.approx(
        half + stats.t.ppf(0.8, 199) * row.standard_error
    )
    spread, effect = row.standard_error * 200**0.5, row.minimum_detectable
    drawn = np.random.default_rng(2).normal(effect, spread, (4000, 200))
    last = looks(drawn, planned=200)
    found = float(((last.low[:, -1] > 0) | (last.high[:, -1] < 0)).mean())
    assert found == pytest.approx(0.8, abs=0.025)  # 4 standard errors of 4,000 trials


def test_a_bootstrap_interval_and_its_test() -> None:
    values = trial(n=40, s_sat=1.0)
    one = {"s_sat": METRICS["s_sat"]}
    first, again = (compare(values, "A", interval="bca", seed=4, metrics=one) for _ in range(2))
    assert first == again
    assert first[0].interval == "bca"
    assert first[0].verdict == "better"
    assert first[0].p == 1 / 10_000
    student = compare(values, "A", metrics=one)[0]
    assert (first[0].low, first[0].high) == pytest.approx((student.low, student.high), abs=0.1)


def test_agents_needed_for_half_the_difference() -> None:
    found = by_name(compare(trial(n=100), "A", metrics=SOME))["B", "s_sat"]
    assert found.needed is not None
    assert 390 <= found.needed <= 400  # four times as many, less the t distribution's tails
    same = trial(n=100)
    same["s_sat"] = 5.0
    assert by_name(compare(same, "A", metrics=SOME))["B", "s_sat"].needed is None
