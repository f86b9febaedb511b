"""Figures of fidelity and the baselines beside them."""

from __future__ import annotations

import json

import pytest

from simulator.evaluation.intervals import Estimate
from simulator.fidelity.measures import Baseline, baseline, estimated


def test_a_measure_is_the_estimate_with_its_baselines() -> None:
    popular = baseline("popularity", Estimate(0.7, 0.6, 0.8, 12))
    assert popular == Baseline("popularity", 0.7, 0.6, 0.8, 12)
    found = estimated(
        "taste", "accuracy", Estimate(0.8, 0.75, 0.85, 12), better=1, baselines=[popular]
    )
    assert (found.value, found.low, found.high, found.n) == (0.8, 0.75, 0.85, 12)
    assert json.loads(json.dumps(found.document()))["baselines"][0]["name"] == "popularity"


@pytest.mark.parametrize(("better", "expected"), [(1, True), (-1, False)])
def test_better_says_which_way_is_good(better: int, expected: bool) -> None:
    known = [Baseline("mean", 1.0, float("nan"), float("nan"), 3)]
    found = estimated("ratings", "x", Estimate(1.5, 1.0, 2.0, 3), better=better, baselines=known)
    assert found.beats("mean") is expected


def test_without_a_direction_nothing_beats_anything() -> None:
    found = estimated("slots", "share", Estimate(0.5, 0.4, 0.6, 3))
    with pytest.raises(ValueError, match="neither direction"):
        found.beats("mean")
    with pytest.raises(KeyError):
        estimated("slots", "share", Estimate(0.5, 0.4, 0.6, 3), better=1).beats("mean")
