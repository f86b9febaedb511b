"""Two audiences in one estimate: against formulas written out, at its limits, and how often
its interval is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from simulator.evaluation.intervals import Floats, mean_interval
from simulator.evaluation.prediction_powered import (
    FEWEST,
    as_narrow,
    combine,
    expensive_needed,
    variance_factor,
)

SIZES = st.tuples(st.integers(4, 40), st.integers(1, 60))


def audiences(seed: int, n: int, others: int, correlation: float) -> tuple[Floats, Floats]:
    """(n + others,) values of mean 0 and variance 1; the expensive one's NaN behind n."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=n + others)
    y = correlation * f + np.sqrt(1 - correlation**2) * rng.normal(size=n + others)
    y[n:] = np.nan
    return y, f


@given(st.integers(0, 10**6), SIZES, st.floats(-3, 3))
def test_a_weight_that_is_given_agrees_with_the_papers_formula(
    seed: int, sizes: tuple[int, int], weight: float
) -> None:
    """Angelopoulos et al. (2023), algorithm 1 of PPI++: lambda times the mean of f over the
    others, plus the mean of y - lambda f; their variances added."""
    n, others = sizes
    y, f = audiences(seed, n, others, 0.6)
    found = combine(y, f, weight=weight)
    theirs = weight * others / (n + others)
    rectified = y[:n] - theirs * f[:n]
    assert found.estimated.difference == pytest.approx(theirs * f[n:].mean() + rectified.mean())
    variance = rectified.var(ddof=1) / n + theirs**2 * f.var(ddof=1) / others
    assert found.standard_error == pytest.approx(np.sqrt(variance))


@given(st.integers(0, 10**6), SIZES)
def test_the_best_weight_is_that_of_least_squares(seed: int, sizes: tuple[int, int]) -> None:
    """The line at the mean of all f, with statsmodels' HC2 errors, and the chance in that mean."""
    n, others = sizes
    y, f = audiences(seed, n, others, 0.7)
    found = combine(y, f)
    fit = OLS(y[:n], np.column_stack([np.ones(n), f[:n]])).fit()
    at = np.array([1.0, f.mean()])
    assert found.weight == pytest.approx(fit.params[1])
    assert found.estimated.difference == pytest.approx(at @ fit.params)
    assert found.correlation == pytest.approx(np.corrcoef(y[:n], f[:n])[0, 1])
    parts = [at @ fit.cov_HC2 @ at, fit.params[1] ** 2 * f.var(ddof=1) / (n + others)]
    assert found.standard_error == pytest.approx(np.sqrt(sum(parts)))
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (n - 2) + parts[1] ** 2 / (n + others - 1))
    half = float(stats.t.ppf(0.975, degrees)) * found.standard_error
    assert found.estimated.high - found.estimated.difference == pytest.approx(half)


@given(st.integers(0, 10**6), SIZES, st.floats(-0.99, 0.99))
def test_weight_0_is_the_plain_mean(seed: int, sizes: tuple[int, int], rho: float) -> None:
    y, f = audiences(seed, *sizes, rho)
    found, plain = combine(y, f, 0.9, weight=0.0), mean_interval(y, 0.9)
    assert found.estimated == found.alone
    assert (found.estimated.low, found.estimated.high) == pytest.approx((plain.low, plain.high))
    assert found.effective == found.n == sizes[0]


@given(st.integers(0, 10**6), SIZES)
def test_a_perfect_cheap_audience_counts_as_all_agents(seed: int, sizes: tuple[int, int]) -> None:
    n, others = sizes
    _, f = audiences(seed, n, others, 0.0)
    y = np.where(np.arange(n + others) < n, 3 + 2 * f, np.nan)  # another scale is no matter
    found, whole = combine(y, f), mean_interval(3 + 2 * f, 0.95)
    assert found.weight == pytest.approx(2)
    assert found.estimated.difference == pytest.approx(whole.mean)
    assert found.estimated.high - found.estimated.low == pytest.approx(whole.high - whole.low)


def test_a_cheap_audience_that_is_noise_costs_about_one_agent() -> None:
    effective = [combine(*audiences(seed, 50, 950, 0.0)).effective for seed in range(400)]
    assert np.mean([e for e in effective if e is not None]) == pytest.approx(50, abs=3)


def test_a_cheap_audience_that_never_differs_changes_nothing() -> None:
    y, f = audiences(1, 20, 80, 0.0)
    found = combine(y, np.where(np.isnan(y), f, 0.5))
    assert (found.weight, np.isnan(found.correlation)) == (0.0, True)
    assert found.estimated == found.alone


@given(st.integers(0, 10**6), SIZES, st.floats(-5, 5), st.floats(0.1, 5))
def test_the_cheap_audiences_own_scale_and_bias_are_no_matter(
    seed: int, sizes: tuple[int, int], bias: float, scale: float
) -> None:
    y, f = audiences(seed, *sizes, 0.5)
    one, other = combine(y, f), combine(y, bias - scale * f)
    assert other.estimated.difference == pytest.approx(one.estimated.difference, abs=1e-9)
    assert other.standard_error == pytest.approx(one.standard_error)
    assert other.weight == pytest.approx(-one.weight / scale)


def test_one_agent_on_whom_the_whole_slope_rests() -> None:
    """Without it there is no slope; its residual is then its distance from the mean."""
    y = np.array([0.0, 1.0, 0.0, 1.0, 3.0, *[np.nan] * 5])
    f = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    found = combine(y, f)
    assert found.weight == pytest.approx(2.5)
    assert found.standard_error > 0.3
    assert np.isfinite([found.estimated.low, found.estimated.high]).all()


def test_agents_without_a_cheap_value_are_left_out() -> None:
    y, f = audiences(3, 10, 20, 0.8)
    with_gap = combine(np.append(y, [5.0, np.nan]), np.append(f, [np.nan, np.nan]))
    assert with_gap == combine(y, f)


def test_too_few_agents_of_both_are_refused() -> None:
    y, f = audiences(0, FEWEST - 1, 20, 0.5)
    with pytest.raises(ValueError, match="2 agents of both audiences; 3 or more"):
        combine(y, f)


@settings(max_examples=30)
@given(st.integers(2, 5000), st.floats(0.01, 100))
def test_as_narrow_is_the_inverse_of_the_interval(n: int, sd: float) -> None:
    half = float(stats.t.ppf(0.975, n - 1)) * sd / np.sqrt(n)
    assert as_narrow(sd, half * (1 + 1e-9)) == n


@given(st.floats(2, 5000), st.floats(-1, 1), st.integers(10, 5000))
def test_agents_needed_give_the_variance_wanted(alone: float, rho: float, everybody: int) -> None:
    n = expensive_needed(alone, rho, everybody)
    if n is None:
        assert alone > everybody
        return
    assert variance_factor(rho, n / everybody) / n <= (1 / alone) * (1 + 1e-6)
    if n > FEWEST:
        fewer = n - 1
        assert variance_factor(rho, fewer / everybody) / fewer >= (1 / alone) * (1 - 1e-6)


@pytest.mark.parametrize("n", [30, 100])
def test_the_interval_holds_the_truth_as_often_as_it_says(n: int) -> None:
    """2,000 experiments with correlation .8 and ten times as many cheap agents."""
    found = [combine(*audiences(seed, n, 9 * n, 0.8)) for seed in range(2000)]
    held = sum(one.estimated.low <= 0 <= one.estimated.high for one in found)
    low, high = stats.binom(2000, 0.95).ppf([0.005, 0.995])
    assert low <= held <= high
    narrower = np.mean([one.estimated.high - one.estimated.low for one in found])
    plain = np.mean([one.alone.high - one.alone.low for one in found])
    assert (plain / narrower) ** 2 > 2  # half of the agents and less
