"""Two arms of one round, agent by agent: who moved a metric, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..evaluation.intervals import Floats
from ..evaluation.simulated import METRICS
from .session_index import Rows
from .session_table import Table

LISTS = ("losses", "gains", "early", "missing")
"""``early``: left of its own accord under b, on an earlier page than under a; ``missing``: the
metric has a value under one of the arms only."""

SINGLE = 31
"""Up to so many different differences have a bar each."""

BINS = 41
"""Odd, so that one bar is around 0."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """(P,) agents in ascending order; ``row_a``, ``row_b`` their sessions in the table, -1 where
    there is none; ``of_a``, ``of_b`` the metric, NaN where it has no value."""

    metric: str
    agent: Rows
    row_a: Rows
    row_b: Rows
    of_a: Floats
    of_b: Floats

    @property
    def difference(self) -> Floats:
        """(P,) b minus a."""
        return self.of_b - self.of_a


def pairs(table: Table, metric: str, a: str, b: str, round_: int) -> Pairs:
    """Of arms and a metric that there are."""
    sides = [_side(table, table.arms[name], round_) for name in (a, b)]
    agents = [table.column("agent")[rows] for rows in sides]
    every = _different(np.concatenate(agents))
    rows = []
    for of_arm, mine in zip(agents, sides, strict=True):
        row = np.full(len(every), -1, dtype=np.int64)
        row[np.searchsorted(every, of_arm)] = mine
        rows.append(row)
    values = table.column(metric)
    of_a, of_b = (
        np.where(row >= 0, values[row], np.nan) if len(values) else np.full(len(row), np.nan)
        for row in rows
    )
    return Pairs(metric, every, rows[0], rows[1], of_a, of_b)


def _different(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Ascending, each once; by sorting, which for long arrays takes a fraction of what
    ``np.unique`` does."""
    ordered = np.sort(values)
    return (
        ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(values) else ordered
    )


def _side(table: Table, arm: int, round_: int) -> Rows:
    return np.flatnonzero((table.column("arm_id") == arm) & (table.column("round") == round_))


def listed(table: Table, found: Pairs, name: str) -> Rows:
    """Places in ``found`` of one of :data:`LISTS`, who moved most first, then by agent."""
    difference = found.difference
    if name in ("losses", "gains"):
        sign = -1 if METRICS[found.metric].better < 0 else 1
        gain = difference * (sign if name == "gains" else -sign)
        chosen = np.flatnonzero(gain > 0)
        return chosen[np.argsort(-gain[chosen], kind="stable")]
    if name == "missing":
        return np.flatnonzero(np.isnan(found.of_a) != np.isnan(found.of_b))
    sooner = _sooner(table, found)
    chosen = np.flatnonzero(sooner > 0)
    return chosen[np.argsort(-sooner[chosen], kind="stable")]


def _sooner(table: Table, found: Pairs) -> npt.NDArray[np.int64]:
    """(P,) pages earlier that an agent left of its own accord under b; 0 where it did not."""
    both = (found.row_a >= 0) & (found.row_b >= 0)
    page, censored = table.column("exit_page"), table.column("censored")
    failed = table.column("failed")
    if not len(page):
        return np.zeros(len(both), dtype=np.int64)
    gap = page[found.row_a].astype(np.int64) - page[found.row_b]
    own = (censored[found.row_b] == 0) & (failed[found.row_b] == 0) & (failed[found.row_a] == 0)
    return np.where(both & own, np.maximum(gap, 0), 0)


@dataclass(frozen=True)
class Bar:
    """``low``..``high`` of the differences in it (the same where it is one value)."""

    low: float
    high: float
    count: int


def distribution(differences: Floats) -> list[Bar]:
    """Bars from the lowest to the highest, equally wide, 0 in the middle of one; NaN is left
    out. Differences that take a few equally spaced values have a bar for each."""
    known = differences[~np.isnan(differences)]
    if not len(known):
        return []
    reach = float(np.abs(known).max())
    width = _step(known) or (2 * reach / BINS or 1.0)
    place = np.rint(known / width).astype(np.int64)
    first, last = min(int(place.min()), 0), max(int(place.max()), 0)
    counts = np.bincount(place - first, minlength=last - first + 1)
    half = 0.0 if _step(known) else width / 2
    return [
        Bar((first + i) * width - half, (first + i) * width + half, int(count))
        for i, count in enumerate(counts)
    ]


def _step(known: Floats) -> float:
    """The distance between neighbours of a few values on one grid that holds 0; 0 where they
    are many, or on none."""
    some = np.round(np.append(known[:: max(len(known) // 1_000, 1)], 0.0), 9)
    if len(_different(some)) > SINGLE:  # nothing more to look at
        return 0.0
    values = _different(np.append(np.round(known, 9), 0.0))
    if not 1 < len(values) <= SINGLE:
        return 0.0
    step = float(np.diff(values).min())
    on_grid = np.abs(values / step - np.rint(values / step)).max() < 1e-6
    return step if on_grid and np.ptp(values) / step < BINS else 0.0
