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
    base |= {"mean": 6.5, "control_mean": 6.0, "estimate": "plain", "tests": 2}
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


def test_an_interval_beyond_zero_without_a_verdict_names_the_correction() -> None:
    unsure = row(verdict="inconclusive", low=0.05, p=0.03, p_adjusted=0.12, tests=4)
    assert (
        "+0.05 to +0.75), but after correction over 4 comparisons adjusted p is 0.120. 200 agents"
    ) in sentences.sentence(unsure, "95 %")
    alone = row(verdict="inconclusive", low=0.05, p=0.06, p_adjusted=0.06, tests=1)
    assert "+0.75), but p is 0.060. 200" in sentences.sentence(alone, "95 %")


def test_what_an_anytime_interval_could_have_seen_names_no_number_of_agents() -> None:
    unsure = row(verdict="inconclusive", low=-0.05, interval="anytime", needed=None)
    assert sentences.sentence(unsure, "95 %").endswith(
        "200 agents could have seen 0.40 (4 times in 5 by a single test, at the last look); how "
        "many more agents it takes: audition plan."
    )


def test_an_adjusted_difference_is_said_to_be_one_beside_the_plain_one() -> None:
    told = sentences.sentence(row(estimate="adjusted", difference=0.6), "95 %")
    assert told == (
        "MF is better than Popularity in S_sat: +0.60 (95 % interval +0.25 to +0.75, adjusted for "
        "what was known of agents before; plain +0.50), adjusted p < 0.001."
    )


BROKEN = {"margin": 0.1, "holds": False, "text": "broken: at least 0.3 worse, allowed 0.1"}
OPEN = {"margin": 0.1, "holds": False, "text": "not shown: up to 0.3 worse is possible"}


def test_a_guardrail_that_does_not_hold_is_in_the_headline() -> None:
    def said(changes: dict[str, Any], *guardrails: dict[str, Any], arm: str = "MF") -> str:
        rows = [
            row(metric="n_exit", role="guardrail", arm=arm, guardrail=guardrail)
            for guardrail in guardrails
        ]
        summary = {"comparisons": [row(**changes), *rows], "scenario": {}}
        ((_, told),) = sentences.headlines(summary)
        return told

    assert said({}, BROKEN).startswith(
        "MF is better than Popularity in S_sat, but its guardrail N_exit is broken (at least 0.3 "
        "worse, allowed 0.1): +0.50"
    )
    assert "in S_sat, and its guardrail N_exit is broken" in said({"verdict": "worse"}, BROKEN)
    same = {"verdict": "no difference larger than 0.3"}
    assert "give or take 0.30, but its guardrail N_exit is not shown to hold (up to 0.3" in said(
        same, OPEN
    )
    for open_ in ("inconclusive", "withheld: fewer than two pairs"):
        assert said({"verdict": open_}, BROKEN, OPEN).endswith(
            "Also, its guardrail N_exit is broken (at least 0.3 worse, allowed 0.1) and its "
            "guardrail N_exit is not shown to hold (up to 0.3 worse is possible)."
        )
    unknown = {"margin": 0.1, "holds": None, "text": "no interval yet"}
    assert "N_exit is not shown to hold (no interval yet)" in said({}, unknown)
    assert "guardrail" not in said({}, {"margin": 0.1, "holds": True, "text": "holds: at most 0"})
    assert "guardrail" not in said({}, BROKEN, arm="Other")


def test_a_table_says_what_its_intervals_are() -> None:
    assert sentences.about([row()], "MF", "95 %") == "arm minus MF, paired by agent; 95 % intervals"
    assert sentences.about([row(low=None, high=None)], "MF", "95 %") == (
        "arm minus MF; no interval is given"
    )
    anytime = row(interval="anytime", estimate="adjusted")
    assert sentences.about([anytime], "MF", "90 %") == (
        "arm minus MF, paired by agent; 90 % anytime intervals, adjusted for what was known of "
        "agents before"
    )


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
