"""How many agents a wanted difference takes, from the spread that a pilot or a stored run
shows.

The spread of paired differences is all that is taken from the pilot: never the difference
it happened to find, which in a small run says next to nothing and, where it was noticed
because it was large, is too large (Gelman and Carlin, "Beyond power calculations", 2014).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special

from .errors import InputError
from .evaluation.components import Split, split
from .evaluation.paired import paired
from .evaluation.power import POWER, detectable, needed
from .evaluation.sequential import tuning
from .evaluation.simulated import METRICS
from .evaluation.study import Study
from .evaluation.units import Sessions, Unit, sessions
from .scenario import Scenario

STANDARD = (0.1, 0.2, 0.3, 0.5)
"""Differences in standard deviations of paired differences: what Cohen (1988) calls small is
0.2, medium 0.5."""


@dataclass(frozen=True)
class Wanted:
    """What a run is to find: a true ``difference`` of ``metric``, in its own units (None: not
    said), in a share ``power`` of all such runs."""

    metric: str
    difference: float | None = None
    power: float = POWER

    @staticmethod
    def of(
        scenario: Scenario, metric: str | None, difference: float | None, power: float
    ) -> Wanted:
        """Raises InputError for what cannot be planned for."""
        chosen = metric or scenario.evaluation.primary
        if chosen not in METRICS:
            raise InputError("--metric", found=chosen, allowed=", ".join(METRICS))
        if difference is not None and not 0 < difference < np.inf:
            raise InputError(
                "--difference", found=f"{difference:g}", allowed="a number above 0, in the "
                f"units of {chosen}"
            )  # fmt: skip
        least = 1 - scenario.evaluation.confidence
        if not least < power < 1:
            raise InputError("--power", found=f"{power:g}", allowed=f"above {least:.3g}, below 1")
        return Wanted(chosen, difference, power)


@dataclass(frozen=True)
class Sized:
    """One arm against the control. ``units``: pairs in the pilot; standard deviations of
    paired differences and of two groups of as many; ``detectable``: the true difference that
    the planned size finds; ``needed``: units that find the wanted one, ``needed_unpaired``
    in each of two groups, None where no number of them is known to; ``advice`` where the
    data set has not enough."""

    arm: str
    control: str
    units: int
    sd: float
    sd_unpaired: float
    correlation: float
    detectable: float
    needed: int | None
    needed_unpaired: int | None
    advice: str | None = None


@dataclass(frozen=True)
class _Aim:
    """``planned``: units of the scenario; ``users`` who can be agents, None for worlds."""

    wanted: Wanted
    confidence: float
    replicates: int
    planned: int
    users: int | None

    def units(self, sd: float) -> int | None:
        """That find the wanted difference; None where it was not said."""
        if self.wanted.difference is None:
            return None
        if sd == 0:
            return 2
        return needed(self.wanted.difference / sd, self.wanted.power, self.confidence)


def size(
    scenario: Scenario,
    wanted: Wanted,
    users: int,
    study: Study | None,
    cost: Callable[[int], Mapping[str, Any]],
) -> dict[str, Any]:
    """As plain data; ``users`` of the data set can be agents, ``cost`` is that of a run of so
    many units. Raises InputError where ``study`` says nothing about this scenario."""
    unit: Unit = "world" if scenario.worlds > 1 else "agent"
    planned = scenario.worlds if unit == "world" else scenario.agents.count
    confidence = scenario.evaluation.confidence
    limit = None if unit == "world" else users
    aim = _Aim(wanted, confidence, scenario.agents.replicates, planned, limit)
    document: dict[str, Any] = {
        "metric": wanted.metric,
        "unit": unit,
        "difference": wanted.difference,
        "power": wanted.power,
        "confidence": confidence,
        "planned": planned,
        "users": users,
        "standardised": [
            {"effect": effect, "units": needed(effect, wanted.power, confidence)}
            for effect in STANDARD
        ],
        "pilot": None,
        "arms": [],
        "notes": [],
    }
    if study is None:
        return document
    found = _sessions(study, scenario, wanted.metric, unit)
    arms = [arm.name for arm in scenario.arms if arm.name != scenario.control]
    sized = [_arm(found, scenario.control, arm, aim) for arm in arms if arm in found.columns]
    return document | {
        "pilot": {"run": study.name, "status": study.status, "replicates": study.replicates},
        "arms": [asdict(one) | {"cost": _cost(one, aim, cost)} for one in sized],
        "notes": _notes(study, scenario),
    }


def _notes(study: Study, scenario: Scenario) -> list[str]:
    """What is to be known of the figures."""
    out = []
    if study.status != "finished":
        out.append(
            f"{study.name} is not finished ({study.status}): arms it has not played yet lack"
        )
    if study.replicates == 1 and scenario.agents.replicates > 1:
        out.append(
            f"agents of {study.name} came once: with {scenario.agents.replicates} replicates "
            "they vary less, and fewer are needed than is said"
        )
    if scenario.evaluation.stop == "anytime":
        out.append(
            "figures are those of a test at the end; an interval that may be looked at any time "
            f"is {_wider(scenario.evaluation.confidence):.2f} times as wide at the planned size"
        )
    return out


def _wider(confidence: float) -> float:
    """The confidence sequence over the interval of a fixed, large size, where it is narrowest."""
    n = 1_000_000
    x = n * tuning(n, 1 - confidence) ** 2
    half = np.sqrt(2 * (x + 1) / x * (0.5 * np.log1p(x) - np.log(1 - confidence)))
    return float(half / special.ndtri((1 + confidence) / 2))


def _sessions(study: Study, scenario: Scenario, metric: str, unit: Unit) -> Sessions:
    """The last round of the pilot. Raises InputError where it is of another kind."""
    where, values = f"run {study.name}", study.values
    names = [arm.name for arm in scenario.arms]
    if scenario.control not in study.arms or len(set(names) & set(study.arms)) < 2:
        raise InputError(
            where,
            found=f"arms {', '.join(study.arms)}",
            allowed=f"the scenario's control, {scenario.control}, and one more of its arms",
        )
    if study.unit != unit:
        kinds = {"agent": "one world", "world": "several worlds"}
        raise InputError(
            where, found=f"a run of {kinds[study.unit]}", allowed=f"one of {kinds[unit]}"
        )
    last = int(values["round"].max()) if len(values) else 1
    if unit == "agent" and study.coupled(last):
        raise InputError(
            where,
            found="arms that learned from these agents, who then are no independent units",
            allowed="a run of several worlds",
            fix="--set worlds=5",
        )
    return sessions(values[values["round"] == last], [metric], unit)


def _arm(found: Sessions, control: str, arm: str, aim: _Aim) -> Sized:
    metric = aim.wanted.metric
    b, a = found.pair(control, arm, metric)
    pair = paired(b, a, aim.confidence)
    if pair.n < 2:
        raise InputError(
            f"arm {arm}", key=metric, found=f"{pair.n} pairs of values", allowed="two or more"
        )
    by_replicates = _splits(found, control, arm, metric)
    sd, unpaired = (float(error * np.sqrt(pair.n)) for error in (
        pair.standard_error, pair.standard_error_unpaired))  # fmt: skip
    if by_replicates is not None:
        sd, unpaired = (
            float(np.sqrt(sum(_variance(part, aim.replicates) for part in parts)))
            for parts in (by_replicates[:1], by_replicates[1:])
        )
    wanted = aim.units(sd)
    return Sized(
        arm=arm,
        control=control,
        units=pair.n,
        sd=sd,
        sd_unpaired=unpaired,
        correlation=pair.correlation,
        detectable=detectable(aim.planned, aim.wanted.power, aim.confidence) * sd,
        needed=wanted,
        needed_unpaired=aim.units(unpaired),
        advice=_advice(aim, wanted, None if by_replicates is None else by_replicates[0]),
    )


def _splits(found: Sessions, control: str, arm: str, metric: str) -> tuple[Split, ...] | None:
    """Of the difference, the arm and the control into agents and replicates; None where no
    agent came twice, or agents are no units."""
    b, a = found.column(control, metric), found.column(arm, metric)
    if found.units != len(np.unique(found.agent)) or len(found.unit) == found.units:
        return None
    either = np.where(np.isnan(a - b), np.nan, 0.0)
    parts = tuple(split(values, found.unit) for values in (a - b, a + either, b + either))
    return None if np.isnan(parts[0].within) else parts


def _variance(part: Split, replicates: int) -> float:
    """Of one agent's mean over so many replicates."""
    return part.between + part.within / replicates


def _advice(aim: _Aim, wanted: int | None, part: Split | None) -> str | None:
    """What to do where the data set has fewer users than are needed."""
    if aim.users is None or aim.wanted.difference is None:
        return None
    if wanted is not None and wanted <= aim.users:
        return None
    lead = f"the data set has {aim.users:,} users"
    if part is None:
        return (
            f"{lead}; whether replicates can take the place of agents is told by a pilot with "
            "--set agents.replicates=3"
        )
    # The variance of one agent's mean with which all users would do.
    enough = (aim.wanted.difference / detectable(aim.users, aim.wanted.power, aim.confidence)) ** 2
    if enough <= part.between:
        return (
            f"{lead}, and no number of replicates is enough: agents differ too much from each "
            f"other (variance {part.between:.3g}, of replicates {part.within:.3g})"
        )
    replicates = int(np.ceil(part.within / (enough - part.between)))
    return f"{lead}; all of them with agents.replicates: {replicates} are enough"


def _cost(
    one: Sized, aim: _Aim, cost: Callable[[int], Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Of a run of the size needed; None where there is none, or no such audience."""
    if one.needed is None or (aim.users is not None and one.needed > aim.users):
        return None
    return cost(one.needed)
