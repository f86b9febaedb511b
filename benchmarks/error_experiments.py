"""How often the statistics that ship are wrong, on sessions that were really played.

Every repeat is an experiment of its own: agents that no other repeat of the same draw of luck
has, in an order of their own, through ``simulator.evaluation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from simulator.evaluation.compare import Comparison, Correction, Interval, compare
from simulator.evaluation.paired import paired
from simulator.evaluation.power import POWER, needed, power
from simulator.evaluation.sequential import START, looks
from simulator.evaluation.simulated import METRICS

from .draws import EVENTS, PARTS_OF, Draws

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ALPHA = 0.05
MOST = 200
"""Agents of a repeat that may stop early."""
FIXED = 100
"""Agents of one of fixed size, as in Agent4Rec's comparison of MF and LightGCN."""
PEEKS = np.arange(START, MOST + 1, 10)
LIVE = tuple(name for name in METRICS if name != "repeat_rate")
"""Metrics that can differ in a single round."""

Truth = Literal["same", "dealt", "differ"]
"""``same``: one arm twice, under independent draws of luck; ``dealt``: A and B, but a coin for
each agent says which of the two is called the control, so that there is no difference on
average though each agent has one; ``differ``: A and B."""


@dataclass(frozen=True)
class Rate:
    """``share`` of ``repeats``, and the band in which 95 % of such shares lie if the true rate
    is ``nominal``."""

    share: float
    repeats: int
    nominal: float

    @property
    def band(self) -> tuple[float, float]:
        chance = stats.binom(self.repeats, self.nominal)
        return float(chance.ppf(0.025)) / self.repeats, float(chance.ppf(0.975)) / self.repeats

    @classmethod
    def of(cls, happened: npt.ArrayLike, nominal: float) -> Rate:
        flags = np.asarray(happened, dtype=np.bool_)
        return cls(float(flags.mean()), len(flags), nominal)


@dataclass(frozen=True, eq=False)
class Repeats:
    """By metric or count, values of control and arm: (repeats, agents), agents in random
    order; ``truth`` the mean difference, arm minus control, over all sessions."""

    control: Mapping[str, Floats]
    arm: Mapping[str, Floats]
    truth: Mapping[str, float]

    def __len__(self) -> int:
        return len(next(iter(self.control.values())))

    def difference(self, name: str) -> Floats:
        """(repeats, agents), paired."""
        return self.arm[name] - self.control[name]

    def first(self, repeats: int, agents: int) -> Repeats:
        """Smaller ones."""
        left, right = (
            {n: v[:repeats, :agents] for n, v in side.items()} for side in (self.control, self.arm)
        )
        return Repeats(left, right, self.truth)


def repeats(a: Draws, b: Draws, truth: Truth, rng: np.random.Generator) -> Repeats:
    """Everybody of every draw of luck in groups of :data:`MOST`; no session in two repeats."""
    draws, agents = a["s_sat"].shape
    first = np.arange(0, draws - draws % 2, 2) if truth == "same" else np.arange(draws)
    groups = agents // MOST
    agent = np.stack([rng.permutation(agents)[: groups * MOST] for _ in first])
    agent = agent.reshape(-1, MOST)
    draw = np.repeat(first, groups)[:, None]
    swap = rng.random(agent.shape) < 0.5 if truth == "dealt" else np.zeros(agent.shape, np.bool_)
    control, arm, mean = {}, {}, {}
    for name in a.by_name:
        left = a[name][draw, agent]
        right = a[name][draw + 1, agent] if truth == "same" else b[name][draw, agent]
        control[name] = np.where(swap, right, left)
        arm[name] = np.where(swap, left, right)
        mean[name] = float(np.nanmean(b[name] - a[name])) if truth == "differ" else 0.0
    return Repeats(control, arm, mean)


# -- fixed size: through compare(), as a report does ---------------------------------------


def compared(
    of: Repeats,
    *,
    names: Sequence[str] = LIVE,
    correction: Correction = "holm",
    interval: Interval = "t",
) -> Iterator[dict[str, Comparison]]:
    """Each repeat's comparisons by metric."""
    n = next(iter(of.control.values())).shape[1]
    arm = pd.Categorical(["control"] * n + ["arm"] * n, categories=["control", "arm"])
    agent = np.tile(np.arange(n), 2)
    metrics = {name: METRICS[name] for name in names}
    for k in range(len(of)):
        columns = {name: np.concatenate([of.control[name][k], of.arm[name][k]]) for name in names}
        frame = pd.DataFrame({"arm": arm, "agent": agent, **columns})
        found = compare(
            frame, "control", correction=correction, interval=interval, metrics=metrics, seed=k
        )
        yield {one.metric: one for one in found}


def rejections(found: Sequence[Mapping[str, Comparison]]) -> dict[str, Rate]:
    """By metric: how often the test of that metric alone rejected."""
    return {name: Rate.of([one[name].p < ALPHA for one in found], ALPHA) for name in found[0]}


def family_wise(found: Sequence[Mapping[str, Comparison]]) -> Rate:
    """How often any metric was declared different, corrected as ``found`` was."""
    worst = [np.nanmin([each.p_adjusted for each in one.values()]) for one in found]
    return Rate.of(np.array(worst) < ALPHA, ALPHA)


def any_uncorrected(found: Sequence[Mapping[str, Comparison]]) -> Rate:
    worst = [np.nanmin([each.p for each in one.values()]) for one in found]
    return Rate.of(np.array(worst) < ALPHA, ALPHA)


def coverage(
    found: Sequence[Mapping[str, Comparison]], truth: Mapping[str, float]
) -> dict[str, Rate]:
    """By metric: how often the interval held the true difference."""
    return {
        name: Rate.of([one[name].low <= truth[name] <= one[name].high for one in found], 1 - ALPHA)
        for name in found[0]
    }


# -- looking at the data as they come --------------------------------------------------------


@dataclass(frozen=True)
class Peeked:
    """``anytime`` and ``fixed``: how often the confidence sequence and the t test of fixed size
    rejected at one look at least; ``covered`` the interval at stopping held the truth, and
    ``always`` those of all looks did; ``agents`` when it stopped, mean; ``width`` that of the
    sequence at its planned end over Student's."""

    anytime: Rate
    fixed: Rate
    covered: Rate
    always: Rate
    agents: float
    width: float


def peeked(of: Repeats, name: str) -> Peeked:
    """A look every 10 agents, from :data:`START` to :data:`MOST`."""
    difference, truth = of.difference(name), of.truth[name]
    at = PEEKS - 1
    seen = looks(difference, planned=MOST)
    low, high, decided = seen.low[:, at], seen.high[:, at], seen.decided()[:, at]
    student, half = _student(difference)
    stop = np.where(decided.any(axis=1), decided.argmax(axis=1), len(at) - 1)
    held = (low <= truth) & (truth <= high)
    rows = np.arange(len(of))
    return Peeked(
        anytime=Rate.of(decided.any(axis=1), ALPHA),
        fixed=Rate.of((student[:, at] < ALPHA).any(axis=1), ALPHA),
        covered=Rate.of(held[rows, stop], 1 - ALPHA),
        always=Rate.of(held.all(axis=1), 1 - ALPHA),
        agents=float(PEEKS[stop].mean()),
        width=float(((high - low)[:, -1] / (2 * half[:, -1])).mean()),
    )


def _student(difference: Floats) -> tuple[Floats, Floats]:
    """(repeats, agents) p and half width of the t test of each prefix; NaN for one agent."""
    n = np.arange(1, difference.shape[1] + 1)
    mean = np.cumsum(difference, axis=1) / n
    squares = np.cumsum(difference**2, axis=1) - n * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(squares / (n - 1) / n)
        p = 2 * special.stdtr(n - 1, -np.abs(mean) / error)
    return p, special.stdtrit(n - 1, 1 - ALPHA / 2) * error


# -- planning ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """Runs of a planned size: the share that rejected; sizes (5 %, median, 95 % of plans); the
    true power of these sizes (5 % and 95 % of plans)."""

    pilot: int | None
    rejected: Rate
    sizes: tuple[float, float, float]
    powers: tuple[float, float]


def planned(
    a: Draws, b: Draws, name: str, pilot: int | None, runs: int, rng: np.random.Generator
) -> Planned:
    """Plan for the true difference at 80 % power, from the spread that ``pilot`` agents show
    (None: the spread of everybody), then run it with other luck."""
    difference = b[name] - a[name]
    draws, agents = difference.shape
    wanted, spread = float(difference.mean()), float(difference.std(ddof=1))
    sizes, found = [], []
    for _ in range(runs):
        first, second = rng.permutation(draws)[:2]
        estimate = spread
        if pilot is not None:
            estimate = float(difference[first, rng.permutation(agents)[:pilot]].std(ddof=1))
        n = needed(wanted / estimate) or agents
        sizes.append(n)
        rows = rng.permutation(agents)[:n]
        run = paired(a[name][second, rows], b[name][second, rows], 1 - ALPHA)
        found.append(run.estimated.p < ALPHA)
    powers = power(np.array(sizes), wanted / spread)
    low, middle, high = (float(np.quantile(sizes, q)) for q in (0.05, 0.5, 0.95))
    return Planned(
        pilot,
        Rate.of(found, POWER),
        (low, middle, high),
        (float(np.quantile(powers, 0.05)), float(np.quantile(powers, 0.95))),
    )


# -- the same data by other units --------------------------------------------------------------

UNITS = (
    "same agents, paired by agent",
    "same agents, as two groups of agents",
    "same agents, events as independent",
    "other agents in each arm, as two groups of agents",
    "other agents in each arm, events as independent",
)


def by_unit(of: Repeats, event: str) -> dict[str, Rate]:
    """How often each analysis rejects: of the metric that sums ``event`` up by agent, or of
    all events as if each were an agent. Where arms are to have other agents, a repeat's
    control meets the next repeat's arm."""
    metric = EVENTS[event]
    arm = {name: np.roll(values, 1, axis=0) for name, values in of.arm.items()}
    others = Repeats(of.control, arm, of.truth)
    p_values = (
        _paired(of, metric),
        _two_groups(of, metric),
        _events(of, event),
        _two_groups(others, metric),
        _events(others, event),
    )
    return {name: Rate.of(p < ALPHA, ALPHA) for name, p in zip(UNITS, p_values, strict=True)}


def _paired(of: Repeats, metric: str) -> Floats:
    """(repeats,) the paired t test over agents, as it ships."""
    sides = zip(of.control[metric], of.arm[metric], strict=True)
    return np.array([paired(b, a, 1 - ALPHA).estimated.p for b, a in sides])


def _two_groups(of: Repeats, metric: str) -> Floats:
    """(repeats,) Welch's t test over agents."""
    sides = (of.arm[metric], of.control[metric])
    result = stats.ttest_ind(*sides, axis=1, equal_var=False, nan_policy="omit")
    return np.asarray(result.pvalue, dtype=np.float64)


def _events(of: Repeats, event: str) -> Floats:
    """(repeats,) Welch's z test over all events, agents ignored."""
    means, errors = [], []
    for side in (of.control, of.arm):
        n, total, squares = (side[f"{event}:{part}"].sum(axis=1) for part in PARTS_OF)
        means.append(total / n)
        errors.append((squares / n - (total / n) ** 2) / (n - 1))
    z = np.abs(means[1] - means[0]) / np.sqrt(errors[0] + errors[1])
    return np.asarray(2 * special.ndtr(-z), dtype=np.float64)


@dataclass(frozen=True)
class Spreads:
    """One metric over everybody: the difference, standard deviations of the paired one and of
    two groups, the correlation, and pairs (agents an arm) that 80 % power takes."""

    difference: float
    paired: float
    unpaired: float
    correlation: float
    agents_paired: int | None
    agents_unpaired: int | None


def spreads(a: Draws, b: Draws, name: str) -> Spreads:
    left, right = a[name], b[name]
    whole = ~(np.isnan(left) | np.isnan(right))
    left, right = left[whole], right[whole]
    difference = float((right - left).mean())
    paired = float((right - left).std(ddof=1))
    unpaired = float(np.hypot(left.std(ddof=1), right.std(ddof=1)))
    return Spreads(
        difference,
        paired,
        unpaired,
        float(np.corrcoef(left, right)[0, 1]),
        needed(difference / paired),
        needed(difference / unpaired, groups=2),
    )
