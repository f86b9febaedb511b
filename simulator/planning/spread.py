"""How much units differ, as a pilot or a stored run shows it, for a run of another size.

A unit's variance is split by a one-way random-effects model: an agent's into agents and
replicates, a world's into worlds and agents, so that what is averaged within a unit may be
more or less of it in the planned run (``evaluation/components.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..evaluation.components import Split, split
from ..evaluation.intervals import Floats
from ..evaluation.paired import paired
from ..evaluation.units import Sessions, Unit


@dataclass(frozen=True)
class Within:
    """What the planned run averages within a unit: ``replicates`` of an agent, and in a world
    ``agents``."""

    unit: Unit
    agents: int
    replicates: int


@dataclass(frozen=True)
class Spread:
    """``units``: pairs seen; standard deviations of the difference of one pair, and of one of
    two independent units; ``correlation`` as seen; ``agents``: of worlds with such deviations,
    None where agents are units; ``replicates``: the variance of an agent's differences, None
    where no agent came twice, or agents are no units."""

    units: int
    sd: float
    sd_unpaired: float
    correlation: float
    agents: float | None
    replicates: Split | None


def spread(
    found: Sessions, control: str, arm: str, metric: str, confidence: float, planned: Within
) -> Spread:
    """Of units that average as much as is planned. Raises InputError below two pairs."""
    b, a = found.pair(control, arm, metric)
    pair = paired(b, a, confidence)
    if pair.n < 2:
        raise InputError(
            f"arm {arm}", key=metric, found=f"{pair.n} pairs of values", allowed="two or more"
        )
    agents = planned.agents if planned.unit == "world" else None
    parts, each = _parts(found, control, arm, metric, planned)
    if parts is None:
        errors = pair.standard_error, pair.standard_error_unpaired
        sd, unpaired = (float(error * np.sqrt(pair.n)) for error in errors)
        seen = None if agents is None else float(agents_per_world(found).mean())
        return Spread(pair.n, sd, unpaired, pair.correlation, seen, None)
    own, *groups = (part.between + part.within / each for part in parts)
    by_replicates = parts[0] if planned.unit == "agent" else None
    return Spread(pair.n, own**0.5, sum(groups) ** 0.5, pair.correlation, agents, by_replicates)


def agents_per_world(found: Sessions) -> Floats:
    """(U,) how many met an arm, where units are worlds."""
    agents = np.unique(np.stack([found.unit, found.agent]), axis=1)
    return np.bincount(agents[0], minlength=found.units).astype(np.float64)


def _parts(
    found: Sessions, control: str, arm: str, metric: str, planned: Within
) -> tuple[list[Split] | None, float]:
    """Of the difference, the arm and the control: variances between and within units, and how
    many values a planned unit averages. None where units are taken as they are."""
    b, a = found.column(control, metric), found.column(arm, metric)
    either = np.where(np.isnan(a - b), np.nan, 0.0)
    columns, unit, each = [a - b, a + either, b + either], found.unit, float(planned.replicates)
    if planned.unit == "world":
        if (agents_per_world(found) == planned.agents).all():
            return None, 1.0
        columns, unit = _means_of_agents(found, columns)
        # As large a share of the agents as here will have a value.
        each = planned.agents * float((~np.isnan(columns[0])).mean())
    elif len(found.unit) == found.units:
        return None, 1.0
    parts = [split(values, unit) for values in columns]
    return (None, 1.0) if np.isnan(parts[0].within) else (parts, each)


def _means_of_agents(
    found: Sessions, columns: list[Floats]
) -> tuple[list[Floats], npt.NDArray[np.int64]]:
    """(agents,) means over replicates, NaN without a value; and (agents,) their worlds."""
    agents, place = np.unique(np.stack([found.unit, found.agent]), axis=1, return_inverse=True)
    out = []
    for values in columns:
        known = ~np.isnan(values)
        count = np.bincount(place[known], minlength=agents.shape[1])
        total = np.bincount(place[known], values[known], minlength=agents.shape[1])
        out.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return out, agents[0]
