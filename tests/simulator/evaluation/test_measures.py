"""Properties of the statistics, and what they say where there is hardly any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from simulator.evaluation.covariates import Population, adjusted
from simulator.evaluation.intervals import Floats
from simulator.evaluation.missing import worst_and_best
from simulator.evaluation.multiplicity import benjamini_hochberg, holm, max_t, sign_flip_p
from simulator.evaluation.paired import FEWEST, Interval, paired
from simulator.evaluation.power import detectable, needed, power
from simulator.evaluation.ratio import Ratio, ratio
from simulator.evaluation.sequential import START, looks, tuning

few = settings(max_examples=40, deadline=None)
values = st.floats(-100, 100).map(lambda x: round(x, 3))


def both(low: int = 2, high: int = 40) -> st.SearchStrategy[Floats]:
    """(2, n) control and arm."""
    return st.integers(low, high).flatmap(
        lambda n: arrays.arrays(np.float64, (2, n), elements=values)
    )


@few
@given(both(), st.sampled_from(["t", "anytime"]))
def test_swapping_the_arms_mirrors_everything(pair: Floats, interval: Interval) -> None:
    there = paired(pair[0], pair[1], 0.95, interval)
    back = paired(pair[1], pair[0], 0.95, interval)
    one, other = there.estimated, back.estimated
    assert (one.difference, one.low, one.high) == pytest.approx(
        (-other.difference, -other.high, -other.low), nan_ok=True
    )
    assert one.p == pytest.approx(other.p, nan_ok=True)
    assert there.standard_error == pytest.approx(back.standard_error)
    assert there.correlation == pytest.approx(back.correlation, nan_ok=True)
    assert (there.mean, there.control_mean) == (back.control_mean, back.mean)


@few
@given(both(), st.sampled_from([-3.0, 0.25, 1000.0]))
def test_another_unit_changes_only_the_unit(pair: Floats, factor: float) -> None:
    plain, scaled = (paired(b, a, 0.95) for b, a in (pair, pair * factor))
    ends = sorted(np.array([plain.estimated.low, plain.estimated.high]) * factor)
    assert [scaled.estimated.low, scaled.estimated.high] == pytest.approx(ends, abs=1e-6)
    assert scaled.estimated.p == pytest.approx(plain.estimated.p, abs=1e-6)


@few
@given(both(), st.integers(0, 2**32 - 1))
def test_what_both_arms_share_and_the_order_of_agents_do_not_matter(
    pair: Floats, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    moved = (pair + rng.integers(-50, 50, pair.shape[1]))[:, rng.permutation(pair.shape[1])]
    plain, other = (paired(b, a, 0.95).estimated for b, a in (pair, moved))
    assert (plain.difference, plain.low, plain.high) == pytest.approx(
        (other.difference, other.low, other.high), abs=1e-6
    )


@few
@given(
    st.tuples(st.integers(2, 12), st.integers(1, 5)).flatmap(
        lambda shape: arrays.arrays(
            np.float64, shape, elements=st.one_of(values, st.just(float("nan")))
        )
    )
)
def test_max_t_is_never_below_a_single_test(differences: Floats) -> None:
    raw, adjusted_ = max_t(differences)
    known = ~np.isnan(raw)
    assert (np.asarray(adjusted_)[known] >= np.asarray(raw)[known]).all()
    assert (known == ~np.isnan(differences).all(axis=0)).all()
    assert all(0 < p <= 1 for p in adjusted_ if not np.isnan(p))


@given(st.lists(st.floats(0, 1), max_size=12))
def test_corrections_are_never_below_the_raw_values(p: list[float]) -> None:
    assert all(more >= raw for more, raw in zip(holm(p), p, strict=True))
    assert all(more >= raw - 1e-15 for more, raw in zip(benjamini_hochberg(p), p, strict=True))
    assert all(h >= b - 1e-15 for h, b in zip(holm(p), benjamini_hochberg(p), strict=True))


def test_max_t_of_equal_tests_is_one_test() -> None:
    """Holm would ask ten times as much."""
    d = np.random.default_rng(1).normal(0.5, 1, 11)
    raw, adjusted_ = max_t(np.tile(d[:, None], 10))
    assert adjusted_ == raw == [raw[0]] * 10
    assert raw[0] == sign_flip_p(d)


def test_max_t_keeps_the_chance_of_any_false_finding() -> None:
    """600 experiments of 5 correlated tests without effects: 5 % + 4 standard errors at most;
    without a correction it is more."""
    rng = np.random.default_rng(11)
    any_raw = any_adjusted = 0
    for _ in range(600):
        d = rng.normal(size=(12, 1)) + rng.exponential(1, (12, 5)) - 1
        raw, adjusted_ = max_t(d * rng.choice([-1, 1], (12, 1)), flips=499, seed=1)
        any_raw += min(raw) <= 0.05
        any_adjusted += min(adjusted_) <= 0.05
    assert any_adjusted / 600 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 600)
    assert any_adjusted > 600 * 0.02
    assert any_raw / 600 > 0.09


@pytest.mark.parametrize("interval", ["t", "bca", "anytime"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, FEWEST, START])
@pytest.mark.parametrize("kind", ["same", "shift", "two values", "nan"])
def test_hardly_any_data(interval: Interval, n: int, kind: str) -> None:
    b = np.arange(n, dtype=np.float64)
    a = {"same": b, "shift": b + 2, "two values": b + np.arange(n) % 2, "nan": b * np.nan}[kind]
    found = paired(b, a, 0.95, interval)
    assert found.n == (0 if kind == "nan" else n)
    known = found.n >= (START if interval == "anytime" else 2)
    assert np.isnan(found.estimated.p) == (not known)
    assert np.isnan([found.estimated.low, found.estimated.high]).all() == (not known)
    if known and kind == "same":
        assert (found.estimated.low, found.estimated.high, found.estimated.p) == (0, 0, 1)
    if known and kind == "shift":
        assert (found.estimated.low, found.estimated.high) == (2, 2)
        exact = 0.0 if interval == "anytime" else 2 / 2**n  # or what so many sign flips can show
        assert found.estimated.p == pytest.approx(exact, rel=1e-12, abs=1e-4 * (interval == "bca"))


def test_ratios_that_hardly_exist() -> None:
    none, one, two = np.zeros(3), np.array([1.0, 0, 0]), np.array([2.0, 0, 0])
    found = ratio((one, two), (none, none), 0.95)
    assert found.control == 0.5
    assert np.isnan([found.arm, found.difference, found.low, found.p]).all()
    same = ratio((one, two), (one, two), 0.95)
    assert same == Ratio(0.5, 0.5, 0.0, 0.0, 0.0, 1.0)
    alone = ratio((one[:1], two[:1]), (two[:1], two[:1]), 0.95)
    assert (alone.difference, np.isnan(alone.low)) == (0.5, True)
    empty = ratio((one * np.nan, two), (one, two), 0.95)
    assert np.isnan([empty.control, empty.arm, empty.difference]).all()


@few
@given(both())
def test_ratios_mirror_and_do_not_mind_units_without_a_divisor(pair: Floats) -> None:
    bottoms = np.abs(pair).round() + 1
    there = ratio((pair[0], bottoms[0]), (pair[1], bottoms[1]), 0.95)
    back = ratio((pair[1], bottoms[1]), (pair[0], bottoms[0]), 0.95)
    assert (there.difference, there.low, there.p) == pytest.approx(
        (-back.difference, -back.high, back.p), abs=1e-9
    )


def exactly(*mean: float) -> Population:
    """A population of which these means are known without error."""
    return Population(np.array(mean), np.zeros((len(mean), len(mean))))


def test_covariates_that_say_nothing_or_everything() -> None:
    rng = np.random.default_rng(2)
    d, x = rng.normal(0.3, 1, 50), rng.normal(size=(50, 1))
    plain = paired(np.zeros(50), d, 0.95).estimated
    for nothing in (np.empty((50, 0)), np.full((50, 2), 3.0), np.full((50, 1), np.nan)):
        found, alike = adjusted(d, nothing, exactly(*[1.0] * nothing.shape[1]), 0.95)
        assert (found.difference, found.low, found.high, found.p) == pytest.approx(
            (plain.difference, plain.low, plain.high, plain.p)
        )
        assert found.variance_kept == pytest.approx(1)
        assert alike == pytest.approx(d)
    exact, _ = adjusted(1 + 2 * x[:, 0], x, exactly(0), 0.95)
    assert (exact.difference, exact.low, exact.high, exact.p) == pytest.approx((1, 1, 1, 0))
    assert exact.variance_kept == 0
    twice, _ = adjusted(d, np.column_stack([x, 2 * x]), exactly(0, 0), 0.95)
    once, _ = adjusted(d, x, exactly(0), 0.95)
    assert (twice.difference, twice.low, twice.p) == pytest.approx(
        (once.difference, once.low, once.p)
    )
    short, _ = adjusted(d[:2], x[:2], exactly(0), 0.95)
    assert np.isnan([short.low, short.high, short.p, short.variance_kept]).all()


def test_a_known_population_corrects_the_sample() -> None:
    """Effect = 1 + x; agents with large x were drawn; the population's mean of x is 0."""
    x = np.linspace(0, 2, 40)[:, None]
    d = 1 + x[:, 0] + np.tile([-0.1, 0.1], 20)
    found, _ = adjusted(d, x, exactly(0), 0.95)
    assert found.low < 1 < found.high < d.mean()
    here, _ = adjusted(d, x, Population.of(x, size=40), 0.95)
    assert here.difference == pytest.approx(d.mean())


def test_nothing_is_gained_by_knowing_only_those_who_played() -> None:
    """Of infinitely many; the error is the plain one but for the degrees of freedom. With all
    users known only the residuals are left, with half of them half of the rest."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(30, 1))
    d = 0.5 + 2 * x[:, 0] + rng.normal(size=30)
    kept = {
        size: adjusted(d, x, Population.of(x, size), 0.95)[0].variance_kept
        for size in (None, 60, 30)
    }
    assert kept[None] == pytest.approx(1, abs=0.05)
    assert kept[30] < 0.3
    assert kept[60] == pytest.approx((kept[None] + kept[30]) / 2)


@pytest.mark.parametrize(("rows", "size"), [(40, None), (200, None), (200, 200), (40, 50)])
def test_adjusting_keeps_the_error_rate(rows: int, size: int | None) -> None:
    """1,000 experiments in which effects follow a covariate and are 0 on the whole; 40 play."""
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(1000):
        everybody = rng.normal(size=(size or rows, 1))
        if size is not None:
            everybody -= everybody.mean()
        d = everybody[:40, 0] + rng.normal(size=40)
        known = Population.of(everybody[:rows], size)
        wrong += adjusted(d, everybody[:40], known, 0.95)[0].p < 0.05
    assert abs(wrong / 1000 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 1000)


@few
@given(both(), st.integers(0, 2**32 - 1))
def test_bounds_hold_whatever_was_missing(pair: Floats, seed: int) -> None:
    hidden = np.random.default_rng(seed).random(pair.shape) < 0.3
    b, a = np.where(hidden, np.nan, pair)
    low, high = worst_and_best(b, a, -100.0, 100.0)
    truth = pair[1] - pair[0]
    assert ((low <= truth) & (truth <= high)).all()
    whole = ~hidden.any(axis=0)
    assert (low[whole] == high[whole]).all()


def test_looks_are_those_of_each_prefix() -> None:
    d = np.random.default_rng(3).normal(0.4, 2, (4, 80))
    found = looks(d, planned=100, confidence=0.9)
    assert np.isnan(found.low[:, : START - 1]).all()
    assert not np.isnan(found.low[:, START - 1 :]).any()
    for n in (START, 57, 80):
        mean, s, x = d[2, :n].mean(), d[2, :n].std(ddof=1), n * tuning(100, 0.1) ** 2
        half = s * np.sqrt(2 * (x + 1) / (n * x) * np.log(np.sqrt(x + 1) / 0.1))
        ends = found.low[2, n - 1], found.high[2, n - 1]
        assert ends == pytest.approx((mean - half, mean + half), rel=1e-9)
    assert (found.decided() == (found.p < 0.1)).all()
    with pytest.raises(ValueError, match="leave out"):
        looks([1.0, np.nan], planned=10)


@pytest.mark.parametrize("planned", [30, 200, 5000])
def test_the_interval_is_narrowest_where_planned(planned: int) -> None:
    n, alpha = planned, 0.05

    def width(rho: float) -> float:
        x = n * rho**2
        return float(np.sqrt((x + 1) / x * np.log(np.sqrt(x + 1) / alpha)))

    best = tuning(planned, alpha)
    assert width(best) < min(width(best * 0.99), width(best * 1.01))


def test_looking_all_the_time_is_allowed() -> None:
    """2,000 experiments without effect, looked at after every 10 of 200 pairs: at most 5 %
    reject under the sequence, four times as many under the fixed test."""
    d = np.random.default_rng(5).normal(size=(2000, 200))
    at = np.arange(START - 1, 200, 10)
    assert looks(d, planned=200).decided()[:, at].any(axis=1).mean() < 0.05
    n = at + 1.0
    t = np.cumsum(d, axis=1)[:, at] / np.sqrt(n) / np.stack(
        [d[:, : i + 1].std(axis=1, ddof=1) for i in at], axis=1
    )  # fmt: skip
    assert (np.abs(t) > 1.97).any(axis=1).mean() > 0.15


def test_equal_differences_are_decided_at_the_first_look() -> None:
    found = looks(np.full(40, 2.0), planned=40)
    assert (found.low[-1], found.high[-1], found.p[-1]) == (2, 2, 0)
    assert found.decided().tolist() == [False] * 29 + [True] * 11
    none = looks(np.zeros(40), planned=40)
    assert none.p[-1] == 1
    assert not none.decided().any()
    assert none.decided(margin=0.1)[-1]


def test_power_at_its_ends() -> None:
    assert np.isnan(power([0, 1], 0.5)).all()
    assert float(power(50, 0.0, 0.9)) == pytest.approx(0.1)
    assert power([10, 10**6], 50.0).tolist() == [1.0, 1.0]
    assert (np.diff(power(np.arange(2, 400), 0.2)) > 0).all()
    # the normal distribution takes over without a step
    before, after = power([100_000, 100_002], 0.01)
    assert before == pytest.approx(after, abs=1e-4)
    assert needed(1e-9) is None
    assert needed(float("nan")) is None
    assert needed(100.0) == 2
    assert np.isnan(detectable(1))
    assert all(needed(detectable(n) * (1 + 1e-9)) == n for n in (3, 17, 100))


def test_no_look_before_some_pairs_differ() -> None:
    """Nine of a hundred pairs differ: no interval before all that were planned have come."""
    rare = np.zeros(200)
    rare[10:100:10] = 1.0
    found = looks(rare, planned=200)
    assert np.isnan(found.low[:199]).all()
    assert found.low[-1] < rare.mean() < found.high[-1]
    rare[100] = 1.0
    assert np.isfinite(looks(rare, planned=200).low[100:]).all()
    assert looks(np.zeros(40), planned=40).high[-1] == 0.0
