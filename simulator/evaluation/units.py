"""From sessions to units: what is compared is one number a unit and arm.

An agent's number is the mean over its replicates; where agents learn from each other, the
unit is the seeded world, and its number the mean over its agents (analysis of cluster means:
Donner and Klar, Design and Analysis of Cluster Randomization Trials, 2000). Only sessions
that have a value in both arms count on either side, so that pairs stay pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from .intervals import Floats
from .missing import Bools

Unit = Literal["agent", "world"]


@dataclass(frozen=True, eq=False)
class Sessions:
    """All arms over the same S sessions (world, agent, replicate) of U units.

    ``unit`` (S,) the unit's number, ``columns`` by arm (S, M) values of the named columns,
    NaN where there is none; ``met`` by arm (S,): the session was opened; ``failed`` by arm.
    ``agent``: (S,) numbers of agents, ``world`` (S,).
    """

    unit: npt.NDArray[np.int64]
    units: int
    agent: npt.NDArray[np.int64]
    world: npt.NDArray[np.int64]
    names: tuple[str, ...]
    columns: dict[str, Floats]
    met: dict[str, Bools]
    failed: dict[str, Bools]

    def column(self, arm: str, name: str) -> Floats:
        return self.columns[arm][:, self.names.index(name)]

    def missing(self, control: str, arm: str, name: str) -> float:
        """The share of the sessions opened in either arm that have no pair of values; 1 where
        none was opened."""
        possible = self.met[control] | self.met[arm]
        gap = np.isnan(self.column(control, name)) | np.isnan(self.column(arm, name))
        return float(gap[possible].mean()) if possible.any() else 1.0

    def total(self, values: Floats) -> Floats:
        """(U,) the sum over each unit's sessions that have a value; NaN without any."""
        known = ~np.isnan(values)
        count = np.bincount(self.unit[known], minlength=self.units)
        total = np.bincount(self.unit[known], values[known], minlength=self.units)
        return np.where(count > 0, total, np.nan)

    def average(self, values: Floats) -> Floats:
        """(U,) the mean over each unit's sessions that have a value; NaN without any."""
        count = np.bincount(self.unit[~np.isnan(values)], minlength=self.units)
        return self.total(values) / np.maximum(count, 1)

    def pair(self, control: str, arm: str, name: str) -> tuple[Floats, Floats]:
        """(U,) of the control and (U,) of the arm, over sessions with a value in both."""
        b, a = self.column(control, name), self.column(arm, name)
        either = np.isnan(a) | np.isnan(b)
        return (
            self.average(np.where(either, np.nan, b)),
            self.average(np.where(either, np.nan, a)),
        )

    def spread(self, control: str, arm: str, name: str) -> float:
        """The standard deviation of the control's sessions in a metric, within worlds, over
        those with a value in both arms: of agents, replicates or worlds alike, so that it does
        not shrink with how often or how widely is played. NaN below two sessions a world."""
        b, a = self.column(control, name), self.column(arm, name)
        known = ~(np.isnan(a) | np.isnan(b))
        value = b[known]
        worlds, world = np.unique(self.world[known], return_inverse=True)
        degrees = len(value) - len(worlds)
        if degrees < 1:
            return np.nan
        off = value - (np.bincount(world, value) / np.bincount(world))[world]
        return float(np.sqrt(off @ off / degrees))


def sessions(values: pd.DataFrame, names: Sequence[str], unit: Unit) -> Sessions:
    """From one row a session: arm (ordered category), agent, and the columns in ``names``;
    world, replicate (1 where there is no such column) and failed (False).

    Raises ValueError where an arm has two rows for one session, as in rows of two rounds.
    """
    given = [
        values[name].to_numpy(dtype=np.int64) if name in values else np.ones(len(values), np.int64)
        for name in ("world", "agent", "replicate")
    ]
    every, place = np.unique(np.stack(given, axis=1), axis=0, return_inverse=True)
    table = values[list(names)].to_numpy(dtype=np.float64)
    lost = (
        values["failed"].to_numpy(dtype=bool) if "failed" in values else np.zeros(len(table), bool)
    )
    of_arm = values["arm"].cat.codes.to_numpy()
    columns, met, failed = {}, {}, {}
    for code, arm in enumerate(values["arm"].cat.categories.astype(str)):
        mine = of_arm == code
        here = place[mine]
        if len(np.unique(here)) != len(here):
            raise ValueError(f"arm {arm!r} has several rows for one world, agent and replicate")
        columns[arm] = np.full((len(every), len(names)), np.nan)
        columns[arm][here] = table[mine]
        met[arm], failed[arm] = (np.zeros(len(every), dtype=np.bool_) for _ in range(2))
        met[arm][here], failed[arm][here] = True, lost[mine]
    keys = every[:, :1] if unit == "world" else every[:, :2]
    seen, number = np.unique(keys, axis=0, return_inverse=True)
    world, agent = every[:, 0], every[:, 1]
    return Sessions(
        np.asarray(number, dtype=np.int64),
        len(seen),
        agent,
        world,
        tuple(names),
        columns,
        met,
        failed,
    )
