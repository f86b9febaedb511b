"""What a plan is added up from: questions of one sort, and the sums in the form they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..world import World
from .questions import Amount, Asked, Steps, allowed, amount

Figures = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """``agents`` of each of ``worlds``."""

    agents: int
    worlds: int


@dataclass(frozen=True)
class Part:
    """Questions of one sort: measured ones, how often they are asked in one of ``times``."""

    asked: list[Asked]
    often: Steps
    times: int

    def expected(self) -> Amount:
        return amount(self.asked, self.often.expected, self.times, bound=False)

    def most(self) -> Amount:
        return amount(self.asked, self.often.most, self.times, bound=True)

    def kinds(self) -> dict[str, dict[str, int]]:
        """Calls and mean tokens of each kind of question."""
        out = {}
        for kind in dict.fromkeys(kind for kind, _ in self.often.expected):
            of_kind = {key: n for key, n in self.often.expected.items() if key[0] == kind}
            total = amount(self.asked, of_kind, self.times, bound=False)
            if total.calls:
                out[kind] = {
                    "calls": round(total.calls),
                    "prompt": round(total.prompt / total.calls),
                    "reply": round(total.reply / total.calls),
                }
        return out


def whole(expected: float, most: float) -> dict[str, int]:
    """In whole calls or tokens."""
    return {"expected": round(expected), "most": round(most)}


def caps(world: World, totals: Figures) -> dict[str, dict[str, Any]]:
    """What each cap of the scenario's budget means for these totals."""
    budget, usd, tokens = world.scenario.budget, totals["usd"], totals["tokens"]
    expected, most = (tokens["prompt"][key] + tokens["reply"][key] for key in ("expected", "most"))
    minutes = totals["seconds"]["expected"] / 60
    return {
        "usd": {"cap": budget.usd, "means": allowed(budget.usd, usd["expected"], usd["most"])},
        "tokens": {"cap": budget.tokens, "means": allowed(budget.tokens, expected, most)},
        "minutes": {"cap": budget.minutes, "means": allowed(budget.minutes, minutes, float("inf"))},
    }
