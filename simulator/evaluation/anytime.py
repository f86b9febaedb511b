"""An experiment that ends when it is decided (``evaluation.stop: anytime``).

Agents come in random order, as whole pairs: every arm meets those who have come. After each
batch the primary metric is judged exactly as the report judges it, by the confidence sequence
of :mod:`.sequential` over all who have come so far; the run ends when no arm is inconclusive.
Nothing of it is stored but the order in which agents came, from which it can be told again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..storage import queries
from ..storage.store import Store
from . import study as studies
from .compare import Comparison, compare
from .sequential import START
from .simulated import METRICS, Log, values
from .study import Study

IntArray = npt.NDArray[np.int64]

_MOST_ASKED = 500  # agents in one query


def decided(found: Sequence[Comparison]) -> bool:
    """Whether every arm has a verdict that more agents are not needed for: one that says
    neither that it is inconclusive nor that it is withheld."""
    return all(not one.verdict.startswith(("inconclusive", "withheld")) for one in found)


def judged(study: Study, measured: pd.DataFrame) -> list[Comparison]:
    """The primary metric of each arm against the control after the agents in ``measured``
    (rows of ``Study.values``) have come; intervals are NaN before the first look."""
    said, control = study.evaluation, study.control
    if control is None:
        return []
    covariates = study.covariates if said["adjust"] else None
    if covariates is not None:
        covariates = covariates[covariates["agent"].isin(measured["agent"])]
    return compare(
        measured,
        control,
        confidence=study.confidence,
        correction=said["correction"],
        primary=said["primary"],
        margins=said["margins"],
        interval="anytime",
        planned=int(study.scenario["agents"]["count"]),
        adjust=covariates is not None,
        covariates=covariates,
        population=study.population,
        metrics={said["primary"]: METRICS[said["primary"]]},
    )


def looks(study: Study) -> pd.DataFrame:
    """How the primary metric developed: came (agents), arm, n (whole pairs), difference, low,
    high, verdict; a row for each look and arm, from the first one that could decide.

    The last row of an arm is what the report says of it. Of a run that was not stopped this
    way: what would have been seen. Empty where it is not known in which order agents came.
    """
    people = queries.agents(study.store, study.first.name)
    arrival = people.set_index("agent")["arrival"]
    place = study.values["agent"].map(arrival).to_numpy()
    every, last = int(study.evaluation["look_every"]), int(arrival.max()) if len(arrival) else 0
    rows = []
    for came in sorted({*range(every, last, every), last}):
        if came >= START:
            for one in judged(study, study.values[place <= came]):
                kept = ("arm", "n", "difference", "low", "high", "verdict")
                rows.append({"came": came, **{name: getattr(one, name) for name in kept}})
    columns = ["came", "arm", "n", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


@dataclass
class Watch:
    """The primary metric of a run, looked at while agents come; of each look only the new
    sessions are read. ``genres`` and ``rating_scale`` are the catalogue's."""

    store: Store
    run_name: str
    genres: tuple[tuple[str, ...], ...]
    rating_scale: tuple[float, float]
    _measured: list[pd.DataFrame] = field(default_factory=list)

    def look(self, agents: IntArray) -> list[Comparison]:
        """What can be said now that these (B,) agents have come, too; nothing while there
        are too few."""
        for start in range(0, len(agents), _MOST_ASKED):
            measured = values(self._log(agents[start : start + _MOST_ASKED].tolist()))
            self._measured.append(measured.astype({"arm": str}))
        every = pd.concat(self._measured, ignore_index=True)
        if every["agent"].nunique() < START:
            return []
        study = studies.read(self.store, self.run_name)
        arm = pd.Categorical(every["arm"], categories=study.arms, ordered=True)
        return judged(study, every.assign(arm=arm, world=1, replicate=1))

    def _log(self, agents: Sequence[int]) -> Log:
        shown = ["item", "watched", "rating"]
        return Log(
            sessions=queries.sessions(self.store, self.run_name, agent=agents),
            exposures=queries.exposures(self.store, self.run_name, agent=agents, columns=shown),
            genres=self.genres,
            rating_scale=self.rating_scale,
        )
