"""What each look at an experiment that may stop early showed (``stop: anytime``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..storage import queries
from .sequential import START, looks
from .study import Study, per_unit


@dataclass(frozen=True)
class Look:
    """The primary metric of one arm after the first ``n`` pairs, in order of arrival, and its
    confidence sequence, which holds at all looks at once."""

    arm: str
    n: int
    difference: float
    low: float
    high: float
    p: float


def at_each(study: Study, measured: pd.DataFrame, control: str) -> list[Look]:
    """After each batch of agents from the first allowed look on, and after the last agent.

    Empty for another rule of stopping, another unit than the agent, and where the order of
    arrival is not known. ``measured``: rows of ``Study.values`` of one round.
    """
    said = study.evaluation
    people = queries.agents(study.store, study.first.name)
    if said["stop"] != "anytime" or study.unit != "agent" or not (people["arrival"] > 0).all():
        return []
    arrival = people.set_index("agent")["arrival"]
    wide = per_unit(measured, "agent").pivot(index="unit", columns="arm", values=said["primary"])
    wide = wide.reindex(columns=study.arms)
    ordered = wide.iloc[np.argsort(arrival.reindex(wide.index).to_numpy(), kind="stable")]
    out: list[Look] = []
    for arm in [name for name in study.arms if name != control]:
        gain = (ordered[arm] - ordered[control]).dropna().to_numpy(dtype=np.float64)
        found = looks(gain, int(study.scenario["agents"]["count"]), study.confidence)
        for n in _batches(len(gain), int(said["look_every"])):
            shown = (found.mean, found.low, found.high, found.p)
            out.append(Look(arm, n, *(float(values[n - 1]) for values in shown)))
    return out


def _batches(n: int, every: int) -> list[int]:
    """
    >>> _batches(52, 10), _batches(20, 10)
    ([30, 40, 50, 52], [])
    """
    if n < START:
        return []
    first = -(-START // every) * every
    return sorted({*range(first, n + 1, every), n})
