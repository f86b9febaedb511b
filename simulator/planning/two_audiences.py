"""Expensive agents that a wanted difference needs beside a run of many cheap ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.common_agents import check, match
from ..evaluation.prediction_powered import expensive_needed, variance_factor
from ..evaluation.study import Study


@dataclass(frozen=True)
class Beside:
    """One arm against the control, with ``everybody`` cheap agents. ``correlation`` of the two
    audiences' differences by agent, over ``pairs`` agents whom both played, and where it may
    lie (Fisher 1921, at the plan's confidence); ``detectable`` with the planned agents and
    ``needed`` for the wanted difference, both in large samples, None where not asked for or
    where no number is known to."""

    arm: str
    pairs: int
    everybody: int
    correlation: float
    low: float
    high: float
    detectable: float
    needed: int | None


def beside(study: Study, cheap: Study, size: dict[str, Any]) -> dict[str, Any]:
    """``size``: the plan by ``study`` alone (:func:`.sizing.size`). Raises InputError where the
    runs are not two audiences of one experiment."""
    check(study, cheap)
    found = match(study, cheap, int(study.values["round"].max()))
    arms = []
    for one in size["arms"]:
        y, f = found.differences(one["control"], one["arm"], size["metric"])
        both = ~(np.isnan(y) | np.isnan(f))
        rho = _correlation(y[both], f[both])
        n, everybody = int(both.sum()), int((~np.isnan(f)).sum())
        low, high = _interval(rho, n, size["confidence"])
        factor = variance_factor(rho, min(1.0, size["planned"] / everybody))
        alone = one["needed"]
        arms.append(
            Beside(
                one["arm"], n, everybody, rho, low, high, one["detectable"] * float(factor**0.5),
                None if alone is None else expensive_needed(alone, rho, everybody),
            )
        )  # fmt: skip
    return {"with": cheap.name, "arms": [vars(arm) for arm in arms]}


def lines(size: Mapping[str, Any]) -> list[str]:
    """For a terminal, one an arm."""
    section, difference = size["two_audiences"], size["difference"]
    out = []
    for one in section["arms"]:
        text = (
            f"{one['arm']}: with the {one['everybody']:,} agents of {section['with']} (correlation "
            f"{one['correlation']:.2f} over {one['pairs']:,} agents, between {one['low']:.2f} and "
            f"{one['high']:.2f}) {size['planned']:,} agents find {one['detectable']:.3g}"
        )
        if difference is not None:
            known = "more than it has" if one["needed"] is None else f"{one['needed']:,}"
            text += f"; {difference:g} needs {known}"
        out.append(text)
    return out


def _correlation(y: Any, f: Any) -> float:
    """0 where one of them does not vary: it says nothing."""
    return float(np.corrcoef(y, f)[0, 1]) if len(y) > 1 and np.ptp(y) * np.ptp(f) > 0 else 0.0


def _interval(rho: float, n: int, confidence: float) -> tuple[float, float]:
    """Fisher's z: artanh rho +- z / sqrt(n - 3).

    >>> [round(end, 3) for end in _interval(0.8, 28, 0.95)]  # 1.0986 +- 1.96 / 5
    [0.609, 0.903]
    """
    from scipy import special

    if n <= 3 or abs(rho) >= 1:
        return (-1.0, 1.0) if n <= 3 else (rho, rho)
    reach = float(special.ndtri((1 + confidence) / 2)) / (n - 3) ** 0.5
    middle = float(np.arctanh(rho))
    return float(np.tanh(middle - reach)), float(np.tanh(middle + reach))
