"""What a control says, and the paired numbers that all of them are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..evaluation.compare import MOST_MISSING
from ..evaluation.intervals import Floats, mean_interval, standard_error
from ..evaluation.paired import p_of_t
from ..evaluation.simulated import METRICS
from ..report.wording import signed

State = Literal["pass", "fail", "cannot tell"]

SMALL = 0.2
"""Standard deviations: Cohen's (1988) small effect. An audience to which the best and the worst
ranking differ by less than this, beyond doubt, does not see what it is asked about."""


@dataclass(frozen=True)
class Row:
    """One number of a control, with its interval and two-sided p where it has them;
    ``change``: it is a difference, whose sign is to be seen."""

    what: str
    value: float
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    n: int = 0
    change: bool = False


@dataclass(frozen=True)
class Control:
    """One control: ``sentence`` says what was found, ``rows`` the numbers, ``found`` what
    figures and other programs need beside them. Where ``required``, there is no trust
    while this one cannot tell."""

    name: str
    question: str
    state: State
    sentence: str
    rows: tuple[Row, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True, eq=False)
class Panel:
    """Every metric by agent (rows) and arm (columns); NaN where a value does not exist."""

    by_metric: Mapping[str, pd.DataFrame]

    @classmethod
    def of(cls, measured: pd.DataFrame) -> Panel:
        """From what ``evaluation.simulated.values`` gives, of one round."""
        return cls(
            {name: measured.pivot(index="agent", columns="arm", values=name) for name in METRICS}
        )

    def values(self, metric: str, *arms: str) -> Floats:
        """(n, arms) of the agents that have a value in each of these arms."""
        frame = self.by_metric[metric][list(arms)].dropna()
        return np.asarray(frame.to_numpy(dtype=np.float64))

    def gain(self, metric: str, arm: str, other: str) -> Floats:
        """(n,) by how much each agent is better off in ``arm``, in the metric's own units."""
        both = self.values(metric, arm, other)
        return np.asarray(direction(metric) * (both[:, 0] - both[:, 1]))

    def lost(self, metric: str, *arms: str) -> float:
        """The share of agents that lack a value in any of these arms."""
        agents = len(self.by_metric[metric])
        return 1 - len(self.values(metric, *arms)) / agents if agents else 1.0

    def unusable(self, metric: str, *arms: str) -> str | None:
        """Why nothing can be said of these arms: who is missing may differ from who is not."""
        lost, left = self.lost(metric, *arms), len(self.values(metric, *arms))
        if left < 2:
            return f"{left} of the agents have a value of {metric} in all arms of this control."
        if lost > MOST_MISSING:
            return f"{lost:.1%} of the agents lack a value of {metric} in an arm of this control."
        return None


def direction(metric: str) -> int:
    """1, or -1 where less of the metric is better."""
    return -1 if METRICS[metric].better < 0 else 1


def measured(what: str, values: Floats, confidence: float) -> Row:
    """The mean difference of (n,) agents, with its t interval and the p of its being zero;
    agents without a value (NaN) are left out.

    Equal values have no spread to measure an interval by: it is the value itself from as many
    agents on as can show anything by the signs alone (2^(1 - n) below the level), else NaN.

    >>> row = measured("a difference", np.array([1.0, 2.0, 3.0]), 0.95)
    >>> round(row.value, 3), round(row.low, 3), round(row.high, 3), round(row.p, 4), row.n
    (2.0, -0.484, 4.484, 0.0742, 3)
    >>> row = measured("five alike", np.ones(5), 0.95)
    >>> row.low, row.high, row.p
    (nan, nan, 0.0625)
    """
    known = values[~np.isnan(values)]
    found = mean_interval(known, confidence)
    low, high, p = found.low, found.high, np.nan
    if found.n > 1:
        error = standard_error(known)
        p = p_of_t(found.mean, error, found.n - 1)
        if not error and 2.0 ** (1 - found.n) >= 1 - confidence:
            low = high = np.nan
    return Row(what, found.mean, low, high, p, found.n, change=True)


def margin(values: Floats) -> float:
    """The smallest difference that matters: :data:`SMALL` of the standard deviation between
    agents, that of (n >= 2, arms) values within an arm (root mean square over the arms).

    >>> margin(np.array([[1.0, 2.0], [3.0, 4.0]])).__round__(4)  # each arm has a variance of 2
    0.2828
    """
    return float(SMALL * np.sqrt(values.var(axis=0, ddof=1).mean()))


def negligible(row: Row, most: float) -> bool:
    """The whole interval lies within ``most`` of zero (two one-sided tests, Schuirmann 1987):
    there were agents enough to see more, and there is no more."""
    return row.low >= -most and row.high <= most


def between(row: Row, digits: int = 2) -> str:
    """The interval as text: "+0.51 to +0.76"."""
    return f"{signed(row.low, digits)} to {signed(row.high, digits)}"
