"""What scipy, statsmodels and tea-tasting also compute comes out the same, to 1e-9."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import tea_tasting
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower

from simulator.evaluation.components import split
from simulator.evaluation.covariates import Population, adjusted
from simulator.evaluation.intervals import Floats, standard_error
from simulator.evaluation.missing import mcnemar
from simulator.evaluation.multiplicity import benjamini_hochberg, holm, sign_flip_p
from simulator.evaluation.paired import RESAMPLES, paired
from simulator.evaluation.power import detectable, needed, power
from simulator.evaluation.ratio import influence, ratio
from simulator.randomness import stream

TIGHT = 1e-9


def close(expected: object) -> object:
    return pytest.approx(expected, rel=TIGHT, abs=TIGHT)


def sides(n: int = 40, seed: int = 3) -> tuple[Floats, Floats]:
    """Control and arm of agents who differ from each other, skewed."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(3, 1, n)
    return taste + rng.exponential(1, n), taste + 0.3 + rng.exponential(1, n)


def long(b: Floats, a: Floats) -> pd.DataFrame:
    n = len(a)
    return pd.DataFrame(
        {"y": np.concatenate([b, a]), "arm": np.repeat([0, 1], n), "agent": np.tile(range(n), 2)}
    )


@pytest.mark.parametrize("n", [2, 3, 40, 500])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_paired_t(n: int, confidence: float) -> None:
    b, a = sides(n)
    found = paired(b, a, confidence).estimated
    theirs = stats.ttest_rel(a, b)
    assert found.p == close(theirs.pvalue)
    assert (found.low, found.high) == close(tuple(theirs.confidence_interval(confidence)))


def test_least_squares_with_errors_clustered_by_agent() -> None:
    """Two rows an agent: the sandwich is sum((d - mean d)^2) / n^2. statsmodels corrects it by
    n / (n - 1), as we do, and by (rows - 1) / (rows - 2) for the two coefficients."""
    b, a = sides()
    n = len(a)
    table = long(b, a)
    fitted = ols("y ~ arm", table).fit(
        cov_type="cluster", cov_kwds={"groups": table["agent"]}, use_t=True
    )
    ours = paired(b, a, 0.95)
    assert ours.estimated.difference == close(fitted.params["arm"])
    factor = np.sqrt((2 * n - 1) / (2 * n - 2))
    assert ours.standard_error * factor == close(fitted.bse["arm"])
    # The same without their factor: t with (agents - 1) degrees of freedom.
    assert fitted.df_resid_inference == n - 1
    t = fitted.tvalues["arm"] * factor
    assert ours.estimated.p == close(2 * stats.t.sf(abs(t), n - 1))


def test_least_squares_with_an_effect_for_each_agent() -> None:
    b, a = sides(12)
    fitted = ols("y ~ arm + C(agent)", long(b, a)).fit()
    ours = paired(b, a, 0.95)
    assert ours.standard_error == close(fitted.bse["arm"])
    assert ours.estimated.p == close(fitted.pvalues["arm"])


def test_bootstrap() -> None:
    b, a = sides()
    found = paired(b, a, 0.9, "bca", seed=5).estimated
    theirs = stats.bootstrap(
        (a - b,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=0.9,
        method="BCa",
        rng=stream(5, "bootstrap"),
    ).confidence_interval
    assert (found.low, found.high) == close((theirs.low, theirs.high))


@pytest.mark.parametrize("n", [2, 5, 9, 12])
def test_all_sign_flips(n: int) -> None:
    b, a = sides(n)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=2**n,
        vectorized=True,
    )
    assert sign_flip_p(a - b) == close(theirs.pvalue)


def test_drawn_sign_flips_are_near_all_of_them() -> None:
    b, a = sides(14, seed=8)
    exact = sign_flip_p(a - b, flips=2**14)
    drawn = sign_flip_p(a - b, flips=9_999, seed=1)
    assert exact != drawn
    assert abs(exact - drawn) < 5 * np.sqrt(exact * (1 - exact) / 9_999)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (0, 4), (3, 3), (2, 9), (40, 12)])
def test_mcnemar(one: int, other: int) -> None:
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == close(expected)
    assert mcnemar(other, one) == close(expected)


def test_corrections() -> None:
    rng = np.random.default_rng(2)
    for size in (1, 2, 7, 40):
        p = rng.beta(0.5, 3, size).tolist()
        assert holm(p) == close(multipletests(p, method="holm")[1].tolist())
        assert benjamini_hochberg(p) == close(multipletests(p, method="fdr_bh")[1].tolist())


@pytest.mark.parametrize("n", [2, 3, 10, 100, 20_000])
def test_power(n: int) -> None:
    for effect in (0.0, 0.01, 0.1, 0.283):
        assert float(power(n, effect)) == close(TTestPower().power(effect, n, 0.05))


@pytest.mark.parametrize(("effect", "wanted"), [(0.3, 0.8), (0.2, 0.8), (0.1, 0.9), (1.5, 0.8)])
def test_pairs_needed(effect: float, wanted: float) -> None:
    theirs = TTestPower().solve_power(effect, power=wanted, alpha=0.05)
    assert needed(effect, wanted) == int(np.ceil(theirs))


@pytest.mark.parametrize(("effect", "wanted"), [(0.3, 0.8), (0.2, 0.8), (0.1, 0.9), (1.5, 0.8)])
def test_two_groups_needed(effect: float, wanted: float) -> None:
    """``effect`` is in deviations of the difference of two agents, theirs in those of one."""
    one = effect * np.sqrt(2)
    theirs = TTestIndPower().solve_power(one, power=wanted, alpha=0.01)
    assert needed(effect, wanted, 0.99, groups=2) == int(np.ceil(theirs))
    assert float(power(40, effect, 0.99, 2)) == close(TTestIndPower().power(one, 40, 0.01))


@pytest.mark.parametrize("n", [5, 30, 100, 1000])
def test_detectable_difference(n: int) -> None:
    """By their power, at ours; their own solver stops 1e-5 away from the solution."""
    assert TTestPower().power(detectable(n), n, 0.05) == close(0.8)


def test_regression_on_covariates() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(2, 1, (60, 2))
    d = 0.4 + x @ np.array([0.5, -0.2]) + rng.normal(0, 1, 60)
    centre = np.array([1.8, 2.1])
    ours, alike = adjusted(d, x, Population(centre, np.zeros((2, 2))), 0.9)
    fitted = sm.OLS(d, sm.add_constant(x - centre)).fit()
    low, high = fitted.conf_int(0.1)[0]
    assert (ours.difference, ours.low, ours.high) == close((fitted.params[0], low, high))
    assert ours.p == close(fitted.pvalues[0])
    assert ours.variance_kept == close((fitted.bse[0] / standard_error(d)) ** 2)
    here, _ = adjusted(d, x, Population.of(x, size=60), 0.9)
    assert here.variance_kept == close(1 - fitted.rsquared_adj)
    assert alike.mean() == close(fitted.params[0])
    assert standard_error(alike) == close(fitted.bse[0])


@pytest.mark.parametrize("unequal", [False, True])
def test_variance_components(unequal: bool) -> None:
    """Mean squares as in an analysis of variance; the rest is the textbook's arithmetic."""
    rng = np.random.default_rng(6)
    agent = np.repeat(np.arange(15), 4)
    d = rng.normal(0, 1, 15)[agent] + rng.normal(0, 2, 60)
    if unequal:
        d[rng.choice(60, 20, replace=False)] = np.nan
    known = ~np.isnan(d)
    table = anova_lm(ols("d ~ C(agent)", pd.DataFrame({"d": d, "agent": agent})[known]).fit())
    within, between = table.loc["Residual", "mean_sq"], table.loc["C(agent)", "mean_sq"]
    count = np.bincount(agent[known])
    size = (count.sum() - (count**2).sum() / count.sum()) / (len(count) - 1)
    ours = split(d, agent)
    assert ours.within == close(within)
    assert ours.between == close(max(0.0, (between - within) / size))
    if not unequal:  # then the error of the mean is that of agents' means
        means = d.reshape(15, 4).mean(axis=1)
        assert ours.error(15, 4) == close(standard_error(means))


def independent(n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    shown = rng.integers(4, 21, 2 * n)
    return pd.DataFrame(
        {
            "variant": np.repeat([0, 1], n),
            "shown": shown.astype(np.float64),
            "watched": rng.binomial(shown, np.repeat([0.4, 0.5], n)).astype(np.float64),
        }
    )


def test_means_of_independent_arms() -> None:
    table = independent()
    theirs = tea_tasting.Experiment(m=tea_tasting.Mean("watched")).analyze(table)["m"]
    b, a = (table.loc[table["variant"] == arm, "watched"].to_numpy() for arm in (0, 1))
    ours = paired(b, a, 0.95)
    assert ours.estimated.difference == close(theirs.effect_size)
    assert ours.standard_error_unpaired == close(theirs.effect_size / theirs.statistic)


def test_ratios_of_independent_arms() -> None:
    table = independent()
    theirs = tea_tasting.Experiment(r=tea_tasting.RatioOfMeans("watched", "shown")).analyze(table)
    control, arm = (
        (rows["watched"].to_numpy(), rows["shown"].to_numpy())
        for rows in (table[table["variant"] == side] for side in (0, 1))
    )
    ours = ratio(control, arm, 0.95)
    assert (ours.control, ours.arm) == close((theirs["r"].control, theirs["r"].treatment))
    errors = [standard_error(influence(*side)) for side in (control, arm)]
    assert np.hypot(errors[0], errors[1]) == close(theirs["r"].effect_size / theirs["r"].statistic)
