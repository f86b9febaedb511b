"""What is said of a comparison, for each kind of verdict."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.report import sentences

NOTHING = {"ratio": None, "adjusted": None, "guardrail": None, "bounds": None}


def row(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"metric": "s_sat", "arm": "MF", "control": "Popularity"}
    base |= {"role": "primary", "unit": "agent", "interval": "t", "n": 200, "missing": 0.0}
    base |= {"difference": 0.5, "low": 0.25, "high": 0.75, "p": 0.0002, "p_adjusted": 0.0004}
    base |= {"verdict": "better", "margin": 0.3, "minimum_detectable": 0.4, "needed": 790}
    return {**base, **NOTHING, **changes}


def test_better_and_worse_name_numbers_and_p() -> None:
    assert sentences.sentence(row(), "95 %") == (
        "MF is better than Popularity in S_sat: +0.50 (95 % interval +0.25 to +0.75), "
        "adjusted p < 0.001."
    )
    lost = row(verdict="worse", difference=-0.5, low=-0.75, high=-0.25, p_adjusted=0.02)
    assert sentences.sentence(lost, "90 %").startswith(
        "MF is worse than Popularity in S_sat: −0.50"
    )
    assert "p 0.020" in sentences.sentence(lost, "90 %")
    neither = row(metric="genre_entropy", verdict="lower", difference=-0.5)
    assert "is lower than" in sentences.sentence(neither, "95 %")


def test_no_difference_names_the_margin() -> None:
    same = row(verdict="no difference larger than 0.3", difference=0.02, low=-0.1, high=0.14)
    told = sentences.sentence(same, "95 %")
    assert told.startswith("MF is as good as Popularity in S_sat, give or take 0.30")


def test_what_cannot_be_told_says_what_could_have_been_seen() -> None:
    told = sentences.sentence(row(verdict="inconclusive", low=-0.25), "95 %")
    assert told == (
        "This run cannot tell MF from Popularity in S_sat: the difference is +0.50 (95 % interval "
        "−0.25 to +0.75). 200 agents could have seen 0.40 (4 times in 5 by a single test); "
        "790 agents would see 0.20."
    )
    few = row(verdict="inconclusive", unit="world", n=5, needed=None)
    assert sentences.sentence(few, "95 %").endswith(
        "5 worlds could have seen 0.40 (4 times in 5 by a single test)."
    )
    blind = row(verdict="inconclusive", minimum_detectable=None)
    assert "not known" in sentences.sentence(blind, "95 %")


def test_a_withheld_verdict_gives_its_reason_and_no_interval() -> None:
    told = sentences.sentence(row(verdict="withheld: 3.0% of an arm's sessions failed"), "95 %")
    assert told == ("No verdict on MF: 3.0% of an arm's sessions failed. Observed in S_sat: +0.50.")
    gone = row(verdict="withheld: fewer than two pairs", difference=None, low=None, high=None)
    assert "No difference was observed" in sentences.sentence(gone, "95 %")


def test_an_anytime_interval_is_called_one() -> None:
    assert "95 % anytime interval" in sentences.sentence(row(interval="anytime"), "95 %")


def test_names_from_outside_are_cleaned() -> None:
    told = sentences.sentence(row(arm="\x1b[31mMF\u202e"), "95 %")
    assert "\x1b" not in told
    assert "\u202e" not in told


@pytest.mark.parametrize(("low", "high", "said"), [(0.01, 0.09, True), (-0.02, 0.09, False)])
def test_a_ratio_of_sums_is_told_where_it_says_otherwise(
    low: float, high: float, said: bool
) -> None:
    ratio = {"control": 0.3, "arm": 0.35, "difference": 0.05, "low": low, "high": high, "p": 0.1}
    unsure = row(metric="p_view", low=-0.1, high=0.2, role="secondary", ratio=ratio)
    assert bool(dict(sentences.notes([unsure], "95 %"))) is said


def test_guardrails_and_covariates_are_told() -> None:
    guarded = row(role="guardrail", guardrail={"margin": 0.1, "holds": False, "text": "broken"})
    adjusted = {"difference": 0.4, "low": 0.3, "high": 0.5, "p": 0.0, "variance_kept": 0.6}
    helped, not_helped = row(adjusted=adjusted), row(adjusted={**adjusted, "variance_kept": 0.99})
    told = list(sentences.notes([guarded, helped], "95 %"))
    assert ("Guardrail", "MF, S_sat: broken.") in told
    assert any("+0.40" in text and "60%" in text for title, text in told if title == "Covariates")
    (only,) = sentences.notes([not_helped], "95 %")
    assert "says nothing" in only[1]
