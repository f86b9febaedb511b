"""Where the noise of a paired difference comes from: agents who differ from each other, or
replies that differ from one replicate to the next for the same agent.

A one-way random-effects model d(agent, replicate) = mean + agent + replicate: variances by
the analysis of variance, for unequal numbers of replicates too (Searle, Casella and
McCulloch, Variance Components, 1992, section 3.6). The mean over a agents of r replicates
has the variance between / a + within / (a r).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .intervals import Floats
from .simulated import METRICS, Metric
from .units import sessions


@dataclass(frozen=True)
class Components:
    """Of one metric of one arm against the control. ``between``: variance of agents' true
    differences (0 where the estimate is negative), ``within``: of replicates of one agent;
    ``replicates``: the mean number an agent. The error of the mean difference by these, now,
    with twice the agents, and with twice the replicates; ``text`` what that says. NaN where no
    agent has two replicates."""

    metric: str
    control: str
    arm: str
    agents: int
    replicates: float
    between: float
    within: float
    error: float
    error_more_agents: float
    error_more_replicates: float
    text: str


def components(
    values: pd.DataFrame, control: str, *, metrics: Mapping[str, Metric] = METRICS
) -> list[Components]:
    """Of every arm and metric; ``values`` as in ``compare``, with a column replicate."""
    found = sessions(values, list(metrics), "agent")
    return [
        _described(
            name,
            control,
            arm,
            split(found.column(arm, name) - found.column(control, name), found.unit),
        )
        for arm in found.columns
        if arm != control
        for name in metrics
    ]


@dataclass(frozen=True)
class Split:
    """``agents`` with a value, the mean number of ``replicates``, and the two variances."""

    agents: int
    replicates: float
    between: float
    within: float

    def error(self, agents: float, replicates: float) -> float:
        """Of the mean over so many agents with so many replicates each."""
        return float(np.sqrt((self.between + self.within / replicates) / agents))


def split(differences: Floats, agent: npt.NDArray[np.int64]) -> Split:
    """From (sessions,) differences, NaN where missing, and whose they are.

    >>> found = split(np.array([1.0, 3.0, 5.0, 7.0]), np.array([0, 0, 1, 1]))
    >>> found.within, found.between  # 2, and (16 - 2) / 2: mean squares over two replicates
    (2.0, 7.0)
    """
    known = ~np.isnan(differences)
    _, group = np.unique(agent[known], return_inverse=True)
    values = differences[known]
    count = np.bincount(group).astype(np.float64)
    a, n = len(count), len(values)
    if a < 2 or n <= a:
        return Split(a, n / a if a else np.nan, np.nan, np.nan)
    mean = np.bincount(group, values) / count
    within = float(np.square(values - mean[group]).sum()) / (n - a)
    between = float(count @ np.square(mean - values.mean())) / (a - 1)
    typical = (n - float(count @ count) / n) / (a - 1)  # the number of replicates if equal
    return Split(a, n / a, max(0.0, (between - within) / typical), within)


def _described(metric: str, control: str, arm: str, found: Split) -> Components:
    a, r = found.agents, found.replicates
    if np.isnan(found.within):
        errors = (np.nan, np.nan, np.nan)
        text = "unknown: no two agents with replicates"
    else:
        errors = (found.error(a, r), found.error(2 * a, r), found.error(a, 2 * r))
        text = _advice(*errors)
    return Components(metric, control, arm, a, r, found.between, found.within, *errors, text)


def _advice(now: float, more_agents: float, more_replicates: float) -> str:
    """At the same number of sessions agents are never worse, as each brings a replicate too:
    replicates are for when there are no more agents, or when these cost more than visits."""
    if now == 0:
        return "no variance at all: neither more agents nor more replicates change anything"
    agents, replicates = (1 - error / now for error in (more_agents, more_replicates))
    if replicates > 0.9 * agents:
        lead = "replicates do nearly as well as agents"
    else:
        lead = "more agents help more than more replicates"
    return (
        f"{lead}: twice the agents cut the error by {agents:.0%}, "
        f"twice the replicates by {replicates:.0%}"
    )
