"""What is said of an arm by two audiences, also where the second one is of no use."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.report.two_audiences import sentence

ROW: dict[str, Any] = {
    "metric": "s_sat",
    "arm": "B",
    "verdict": "better",
    "difference": 0.5,
    "low": 0.3,
    "high": 0.7,
    "n": 40,
    "effective": 100,
    "rests": 0.6,
    "agents_saved": 60,
    "calls_saved": 2400,
    "usd_saved": 1.25,
    "correlation": 0.8,
    "weight": 0.9,
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "B in S_sat: better, +0.50 (95 %: +0.30 to +0.70). 40 agents count as 100, which"),
        ({}, "saves 60 agents, 2,400 calls, 1.25 USD; 60% of it rests on the cheap audience"),
        ({"usd_saved": None}, "saves 60 agents, 2,400 calls; 60%"),
        ({"calls_saved": None, "usd_saved": None}, "saves 60; 60% of it rests"),
        ({"correlation": 0.2}, "Little is gained: 40 agents count as 100"),
        ({"agents_saved": -3}, "The cheap audience adds nothing (correlation 0.80)."),
        ({"agents_saved": None}, "The cheap audience adds nothing"),
        ({"correlation": None}, "The cheap audience does not vary and adds nothing."),
        ({"low": None, "verdict": "withheld: why"}, "B in S_sat: withheld: why."),
    ],
)
def test_sentences(changed: dict[str, Any], said: str) -> None:
    assert said in sentence(ROW | changed, "95 %")
