"""Paired comparisons: arithmetic, calibration, and when no verdict may be given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.evaluation.compare import Comparison, compare, holm, minimum_detectable
from simulator.evaluation.intervals import mean_interval
from simulator.evaluation.simulated import METRICS, Metric

from .sample import NAN, measured

P_VIEW = {"p_view": METRICS["p_view"]}


def one(control: list[float], arm: list[float], **settings: object) -> Comparison:
    """The comparison of a single metric, p_view unless ``metric`` names another."""
    name = str(settings.pop("metric", "p_view"))
    values = measured(MF={name: control}, New={name: arm})
    shares: dict[str, float] = settings.pop("failed", {})  # type: ignore[assignment]
    first = values["arm"].map(lambda side: shares.get(str(side), 0.0) * len(arm))
    values["failed"] = values["agent"] < first.astype(np.float64)
    (found,) = compare(values, "MF", metrics={name: METRICS[name]}, **settings)  # type: ignore[arg-type]
    return found


def test_by_hand() -> None:
    """Differences 1, 2, 3, 2: mean 2, s^2 = 2/3, error = sqrt(1/6), t = 4.899."""
    found = one([1, 2, 3, 5], [2, 4, 6, 7])
    assert found.difference == 2
    assert found.standard_error == pytest.approx(np.sqrt(1 / 6))
    assert found.p == pytest.approx(stats.ttest_rel([2, 4, 6, 7], [1, 2, 3, 5]).pvalue)
    half = 3.182446305 * np.sqrt(1 / 6)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert (found.mean, found.control_mean, found.n) == (4.75, 2.75, 4)
    # variances 35/12 of the control and 59/12 of the arm, four agents each
    assert found.standard_error_unpaired == pytest.approx(np.sqrt((35 / 12 + 59 / 12) / 4))
    assert found.correlation == pytest.approx(np.corrcoef([1, 2, 3, 5], [2, 4, 6, 7])[0, 1])
    assert found.margin == pytest.approx(0.2 * np.sqrt(35 / 12))
    # power of the noncentral t with 3 degrees of freedom at this difference: 4 in 5
    shift = found.minimum_detectable / np.sqrt(1 / 6)
    assert stats.nct.sf(3.182446305, 3, shift) == pytest.approx(0.8, abs=1e-6)


def test_an_arm_equal_to_the_control_differs_in_nothing() -> None:
    values = [0.1, 0.2, 0.7] * 3
    found = one(values, values)
    assert (found.difference, found.low, found.high, found.p, found.p_adjusted) == (0, 0, 0, 1, 1)
    assert found.minimum_detectable == 0
    assert found.verdict.startswith("no difference larger than")
    assert one(values[:7], values[:7]).verdict == "inconclusive"


def test_a_shift_shared_by_a_handful_is_no_certainty() -> None:
    """All signs agree by chance in 2 / 2^n of experiments."""
    few, many = one([1, 2, 3], [2, 3, 4]), one([*range(12)], [*range(1, 13)])
    assert (few.p, few.verdict) == (0.25, "inconclusive")
    assert (many.p, many.verdict) == (2 / 2**12, "better")


def draw(shift: float, spread: float, n: int = 400) -> tuple[list[float], list[float]]:
    """Arms whose differences have exactly this mean and standard deviation."""
    rng = np.random.default_rng(1)
    control, noise = rng.normal(0, 1, n), rng.normal(0, 1, n)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    return control.tolist(), (control + shift + spread * noise).tolist()


@pytest.mark.parametrize(
    ("shift", "spread", "metric", "verdict"),
    [
        (0.5, 1, "p_view", "better"),
        (-0.5, 1, "p_view", "worse"),
        (0.5, 1, "repeat_rate", "worse"),  # less is better
        (-0.5, 1, "repeat_rate", "better"),
        (0.5, 1, "genre_entropy", "higher"),  # neither is better
        (-0.5, 1, "genre_entropy", "lower"),
        (0.0, 1, "p_view", "no difference larger than"),  # +-0.098 within +-0.2 sd
        (0.0, 4, "p_view", "inconclusive"),  # +-0.39
    ],
)
def test_verdicts(shift: float, spread: float, metric: str, verdict: str) -> None:
    assert one(*draw(shift, spread), metric=metric).verdict.startswith(verdict)


def test_the_size_that_is_ruled_out_is_stated() -> None:
    control, arm = draw(0.0, 1)
    found = one(control, arm)
    assert found.verdict == f"no difference larger than {found.margin:.3g}"
    assert -found.margin <= found.low <= found.high <= found.margin


def test_an_effect_that_does_not_survive_correction_is_no_verdict() -> None:
    control, arm = draw(0.11, 1)  # p = 0.028 alone
    flat = draw(0.0, 4)[1]
    values = measured(MF={"p_view": control}, New={"p_view": arm}, Flat={"p_view": flat})
    corrected = compare(values, "MF", metrics=P_VIEW)
    raw = compare(values, "MF", metrics=P_VIEW, correction="none")
    assert [c.arm for c in corrected] == ["New", "Flat"]
    assert corrected[0].p_adjusted == pytest.approx(2 * corrected[0].p)
    assert raw[0].verdict == "better"
    assert corrected[0].verdict != "better"


def test_no_verdict_where_sessions_failed() -> None:
    control, arm = draw(0.5, 1)
    assert one(control, arm, failed={"MF": 0.0, "New": 0.01}).verdict == "better"
    for side in ("MF", "New"):
        found = one(control, arm, failed={side: 0.02})
        assert found.verdict == "withheld: 2.0% of an arm's sessions failed"
        assert found.p < 0.001  # told all the same


def test_no_verdict_where_pairs_are_missing() -> None:
    control, arm = draw(0.5, 1, n=100)
    arm[0] = NAN
    assert one(control, arm).verdict == "better"  # 1 %
    control[5] = NAN
    found = one(control, arm)
    assert found.verdict == "withheld: undefined for 2.0% of the agents"
    assert found.n == 98
    assert found.missing == pytest.approx(0.02)


@pytest.mark.parametrize("n", [0, 1])
def test_no_verdict_from_less_than_two_pairs(n: int) -> None:
    found = one([1.0] * n + [NAN, 2.0], [2.0] * n + [1.0, NAN])
    assert found.verdict == "withheld: fewer than two pairs"
    assert np.isnan([found.p, found.low, found.minimum_detectable]).all()


def test_no_inference_where_arms_learned_from_the_agents() -> None:
    found = one(*draw(0.5, 1), refitted=True)
    assert found.difference == pytest.approx(0.5)
    assert np.isnan([found.low, found.high, found.p, found.p_adjusted]).all()
    assert "not independent" in found.verdict


def test_a_metric_of_ones_own_is_compared_too() -> None:
    values = measured(MF={"dwell": [1.0, 2.0, 3.0]}, New={"dwell": [0.0, 1.0, 2.1]})
    less = Metric(lambda log: np.zeros(len(log.sessions)), "seconds", better=-1)
    (found,) = compare(values, "MF", metrics={"dwell": less})
    assert (found.metric, found.verdict) == ("dwell", "better")


def test_false_alarms_come_at_the_nominal_rate() -> None:
    """2,000 comparisons of an arm with itself under other draws; 5 % +- 4 standard errors."""
    rng = np.random.default_rng(7)
    taste = rng.normal(size=(2000, 30))
    names = [f"m{number}" for number in range(2000)]
    a, b = (
        dict(zip(names, (taste + rng.normal(size=taste.shape)).tolist(), strict=True))
        for _ in range(2)
    )
    found = compare(measured(A=a, B=b), "A", metrics=dict.fromkeys(names, P_VIEW["p_view"]))
    alarms = np.mean([comparison.p < 0.05 for comparison in found])
    assert abs(alarms - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 2000)
    assert not any(comparison.verdict in ("better", "worse") for comparison in found)


def test_the_minimum_detectable_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(7)
    n, spread = 50, 2.0
    effect = minimum_detectable(spread / np.sqrt(n), n, 0.95)
    draws = rng.normal(effect, spread, size=(4000, n))
    found = np.asarray(stats.ttest_1samp(draws, 0, axis=1).pvalue) < 0.05
    assert abs(np.mean(found) - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 4000)


@pytest.mark.parametrize(("n", "standardised"), [(100, 0.283), (90, 0.3), (199, 0.2)])
def test_agents_needed_as_in_the_textbook(n: int, standardised: float) -> None:
    assert minimum_detectable(1 / np.sqrt(n), n, 0.95) == pytest.approx(standardised, rel=0.01)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_what_its_definition_says(p_values: list[float]) -> None:
    got = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    floor = 0.0
    for step, i in enumerate(order):
        floor = max(floor, min(1.0, (len(order) - step) * p_values[i]))
        assert got[i] == pytest.approx(floor)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_is_scipys(values: list[float], confidence: float) -> None:
    got = mean_interval(values, confidence)
    if np.ptp(values) == 0:
        assert got.low == got.high == got.mean
        return
    low, high = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert (got.low, got.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)
